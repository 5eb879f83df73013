package resource

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"signet/provider/dpop"
	"signet/provider/jose"
	"signet/provider/oauth"
)

const testBase = "https://api.example"

// holder is a client with a DPoP key.
type keyHolder struct {
	key *jose.PrivateKey
	jkt string
}

func newHolder(t *testing.T, alg string) *keyHolder {
	t.Helper()
	signer, err := jose.Generate(alg, 2048, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := jose.NewPrivateKey(alg, "", signer)
	if err != nil {
		t.Fatal(err)
	}
	jkt, err := jose.Thumbprint(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return &keyHolder{key, jkt}
}

var jtis atomic.Int64

func (h *keyHolder) prove(t *testing.T, c dpop.Claim) string {
	t.Helper()
	if c.JTI == "" {
		c.JTI = fmt.Sprint("jti-", jtis.Add(1))
	}
	if c.Method == "" {
		c.Method = http.MethodGet
	}
	if c.URL == "" {
		c.URL = testBase + "/accounts"
	}
	if c.Now.IsZero() {
		c.Now = testTime
	}
	proof, err := dpop.Prove(h.key, c)
	if err != nil {
		t.Fatal(err)
	}
	return proof
}

func boundTo(members map[string]any) claims { return goodClaims("").with("cnf", members) }

func TestProtectTakesDPoP(t *testing.T) {
	is := newIssuer(t)
	v := newVerifier(t, Options{
		Audience: testAudience, Keys: LocalKeys(is.keys), RequireBound: true, DPoP: &DPoPOptions{BaseURLs: []string{"https://other.example", testBase + "/"}},
	})
	a := startAPI(t, v, "accounts")
	own, thumbprint := a.clientCertificate(t, "demo-tls")
	holder, stranger, weak := newHolder(t, "ES256"), newHolder(t, "ES256"), newHolder(t, "RS256")
	token := is.token(t, "at+jwt", boundTo(map[string]any{"jkt": holder.jkt}))
	both := is.token(t, "at+jwt", boundTo(map[string]any{"jkt": holder.jkt, "x5t#S256": thumbprint}))
	byCertificate := is.token(t, "at+jwt", goodClaims(thumbprint))
	send := func(scheme, token string, proofs ...string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set("Authorization", scheme+" "+token)
			for _, proof := range proofs {
				r.Header.Add("dpop", proof)
			}
		}
	}
	with := func(h *keyHolder, token string, c dpop.Claim) func(*http.Request) {
		c.AccessToken = oauth.Secret(token)
		return send("DPoP", token, h.prove(t, c))
	}
	again := with(holder, token, dpop.Claim{})
	proof := func() string { return holder.prove(t, dpop.Claim{AccessToken: oauth.Secret(token)}) }
	weakToken := is.token(t, "at+jwt", boundTo(map[string]any{"jkt": weak.jkt}))

	const invalidProof, invalidToken = `DPoP realm="signet", error="invalid_dpop_proof"`, `error="invalid_token"`
	tests := []struct {
		name      string
		request   func(*http.Request)
		status    int
		challenge string
	}{
		{"good", again, 200, ""},
		{"the same proof again", again, 401, "has been used before"},
		{"scheme in another case", send("dPOp", token, proof()), 200, ""},
		{"query and fragment in htu", with(holder, token, dpop.Claim{URL: testBase + "/accounts?a=b#c"}), 200, ""},
		{"host in capitals", with(holder, token, dpop.Claim{URL: "HTTPS://API.EXAMPLE/accounts"}), 200, ""},
		{"default port", with(holder, token, dpop.Claim{URL: testBase + ":443/accounts"}), 200, ""},
		{"the other address", with(holder, token, dpop.Claim{URL: "https://other.example/accounts"}), 200, ""},
		{"ten seconds fast", with(holder, token, dpop.Claim{Now: testTime.Add(10 * time.Second)}), 200, ""},
		{"ten seconds slow", with(holder, token, dpop.Claim{Now: testTime.Add(-10 * time.Second)}), 200, ""},

		{"no proof", send("DPoP", token), 401, invalidProof},
		{"empty proof", send("DPoP", token, ""), 401, invalidProof},
		{"two proofs", send("DPoP", token, proof(), proof()), 401, invalidProof},
		{"two proofs in one field", send("DPoP", token, proof()+", "+proof()), 401, invalidProof},
		{"another method", with(holder, token, dpop.Claim{Method: "PUT"}), 401, invalidProof},
		{"another path", with(holder, token, dpop.Claim{URL: testBase + "/accounts2"}), 401, invalidProof},
		{"the Host header does not count", with(holder, token, dpop.Claim{URL: a.url}), 401, invalidProof},
		{"an hour old", with(holder, token, dpop.Claim{Now: testTime.Add(-time.Hour)}), 401, invalidProof},
		{"of the future", with(holder, token, dpop.Claim{Now: testTime.Add(time.Hour)}), 401, invalidProof},
		{"no ath", send("DPoP", token, holder.prove(t, dpop.Claim{})), 401, invalidProof},
		{"ath of another token", send("DPoP", token, holder.prove(t, dpop.Claim{AccessToken: "x"})), 401, invalidProof},
		{"RS256", with(weak, weakToken, dpop.Claim{}), 401, invalidProof},
		{"another key", with(stranger, token, dpop.Claim{}), 401, invalidToken + `, error_description="the access token is bound to another DPoP key"`},
		{"as bearer", send("Bearer", token), 401, `Bearer realm="signet", ` + invalidToken},
		{"as bearer with its proof", send("Bearer", token, proof()), 401, invalidToken},
		{"bound to the certificate only", with(holder, byCertificate, dpop.Claim{}), 401, "not bound to a DPoP key"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			status, header, body := a.call(t, own, test.request)
			challenge := strings.Join(header.Values("WWW-Authenticate"), "\n")
			if status != test.status || !strings.Contains(challenge, test.challenge) {
				t.Errorf("%d %q %s; want %d %q", status, challenge, body, test.status, test.challenge)
			}
			if strings.HasPrefix(challenge, "DPoP") && !strings.Contains(challenge, `algs="ES256 PS256 EdDSA"`) {
				t.Errorf("the challenge lists no algorithms: %q", challenge)
			}
		})
	}
	t.Run("bound to both", func(t *testing.T) {
		if status, _, body := a.call(t, own, with(holder, both, dpop.Claim{})); status != 200 {
			t.Errorf("with both: %d %s", status, body)
		}
		if status, _, body := a.call(t, nil, with(holder, both, dpop.Claim{})); status != 401 {
			t.Errorf("without the certificate: %d %s", status, body)
		}
		if status, _, body := a.call(t, own, send("Bearer", both)); status != 401 {
			t.Errorf("without the proof: %d %s", status, body)
		}
	})
	t.Run("no certificate is needed", func(t *testing.T) {
		if status, _, body := a.call(t, nil, with(holder, token, dpop.Claim{})); status != 200 {
			t.Errorf("%d %s", status, body)
		}
	})
	t.Run("both schemes are offered", func(t *testing.T) {
		_, header, _ := a.call(t, nil, func(*http.Request) {})
		if got := header.Values("WWW-Authenticate"); len(got) != 2 || !strings.HasPrefix(got[0], "Bearer ") || !strings.HasPrefix(got[1], "DPoP ") {
			t.Errorf("challenges %q", got)
		}
	})
}

// The token is judged before the proof: who has none learns nothing of the proof, and does not make it be checked.
func TestTheTokenComesFirst(t *testing.T) {
	is, holder := newIssuer(t), newHolder(t, "ES256")
	a := startAPI(t, newVerifier(t, Options{Keys: LocalKeys(is.keys), DPoP: &DPoPOptions{BaseURLs: []string{testBase}}}), "accounts")
	bound := boundTo(map[string]any{"jkt": holder.jkt})
	for name, token := range map[string]string{
		"made up": "nonsense", "expired": is.token(t, "at+jwt", bound.with("exp", testTime.Add(-time.Hour).Unix())),
		"not bound": is.token(t, "at+jwt", bound.with("cnf", nil)),
	} {
		_, header, body := a.call(t, nil, func(r *http.Request) {
			r.Header.Set("Authorization", "DPoP "+token)
			r.Header.Set("DPoP", "not even a JWT")
		})
		if challenge := header.Get("WWW-Authenticate"); !strings.Contains(challenge, `error="invalid_token"`) {
			t.Errorf("%s: %q %s", name, challenge, body)
		}
	}
}

func TestARefusedRequestUsesNoProofUp(t *testing.T) {
	is, holder := newIssuer(t), newHolder(t, "ES256")
	used := &countingReplay{}
	v := newVerifier(t, Options{Keys: LocalKeys(is.keys), DPoP: &DPoPOptions{BaseURLs: []string{testBase}, Replay: used}})
	a := startAPI(t, v, "payments")
	token := is.token(t, "at+jwt", boundTo(map[string]any{"jkt": holder.jkt}))
	send := func(token string) int {
		status, _, _ := a.call(t, nil, func(r *http.Request) {
			r.Header.Set("Authorization", "DPoP "+token)
			r.Header.Set("DPoP", holder.prove(t, dpop.Claim{AccessToken: oauth.Secret(token)}))
		})
		return status
	}
	forged := token[:len(token)-4] + "AAAA"
	if status := send(token); status != 403 || used.calls.Load() != 0 {
		t.Errorf("too narrow: %d after %d uses", status, used.calls.Load())
	}
	if status := send(forged); status != 401 || used.calls.Load() != 0 {
		t.Errorf("forged: %d after %d uses", status, used.calls.Load())
	}
	wide := is.token(t, "at+jwt", boundTo(map[string]any{"jkt": holder.jkt}).with("scope", "payments"))
	if status := send(wide); status != 503 || used.calls.Load() != 1 {
		t.Errorf("when nobody can say whether a proof is new: %d after %d uses", status, used.calls.Load())
	}
}

// countingReplay cannot say.
type countingReplay struct{ calls atomic.Int64 }

func (c *countingReplay) Use(_ context.Context, _ oauth.Digest, until time.Time) (bool, error) {
	c.calls.Add(1)
	if !until.After(testTime) {
		return true, nil
	}
	return false, errors.New("connection refused")
}

func TestProtectDemandsNonces(t *testing.T) {
	is, holder := newIssuer(t), newHolder(t, "PS256")
	now := testTime
	nonces, err := NewNonces(make([]byte, 32), time.Minute, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	v := newVerifier(t, Options{Keys: LocalKeys(is.keys), DPoP: &DPoPOptions{BaseURLs: []string{testBase}, Nonces: nonces}})
	a := startAPI(t, v, "accounts")
	token := is.token(t, "at+jwt", boundTo(map[string]any{"jkt": holder.jkt}))
	send := func(nonce string) (int, http.Header) {
		status, header, _ := a.call(t, nil, func(r *http.Request) {
			r.Header.Set("Authorization", "DPoP "+token)
			r.Header.Set("DPoP", holder.prove(t, dpop.Claim{AccessToken: oauth.Secret(token), Nonce: nonce}))
		})
		return status, header
	}
	status, header := send("")
	nonce := header.Get("DPoP-Nonce")
	if status != 401 || nonce == "" || !strings.Contains(header.Get("WWW-Authenticate"), `DPoP realm="signet", error="use_dpop_nonce"`) {
		t.Fatalf("%d %v", status, header)
	}
	for _, step := range []struct {
		name   string
		after  time.Duration
		status int
	}{{"now", 0, 200}, {"in the next span", time.Minute, 200}, {"after that", 2 * time.Minute, 401}} {
		now = testTime.Add(step.after)
		if status, header := send(nonce); status != step.status || header.Get("DPoP-Nonce") == "" {
			t.Errorf("%s: %d %v", step.name, status, header)
		}
	}
	if status, _ := send(nonce + "x"); status != 401 {
		t.Errorf("a nonce made up: %d", status)
	}
}

func TestNewRefusesBadDPoPOptions(t *testing.T) {
	is := newIssuer(t)
	for _, bases := range [][]string{nil, {""}, {"http://api.example"}, {"https://"}, {"https://a/path"}, {"https://a?q"}, {"https://a#f"}, {"https://u@a"}, {"://"}} {
		if _, err := New(Options{Issuer: testIssuer, Keys: LocalKeys(is.keys), Clock: testClock, DPoP: &DPoPOptions{BaseURLs: bases}}); err == nil {
			t.Errorf("%q: taken", bases)
		}
	}
	for _, bad := range []func() (*Nonces, error){
		func() (*Nonces, error) { return NewNonces(make([]byte, 31), time.Minute, testClock) },
		func() (*Nonces, error) { return NewNonces(make([]byte, 32), time.Millisecond, testClock) },
		func() (*Nonces, error) { return NewNonces(make([]byte, 32), time.Minute, nil) },
	} {
		if _, err := bad(); err == nil {
			t.Error("nonces out of nothing")
		}
	}
}

func TestDPoPIsRefusedUnlessConfigured(t *testing.T) {
	is, holder := newIssuer(t), newHolder(t, "ES256")
	a := startAPI(t, newVerifier(t, Options{Keys: LocalKeys(is.keys)}), "accounts")
	token := is.token(t, "at+jwt", boundTo(map[string]any{"jkt": holder.jkt}))
	status, header, _ := a.call(t, nil, func(r *http.Request) {
		r.Header.Set("Authorization", "DPoP "+token)
		r.Header.Set("DPoP", holder.prove(t, dpop.Claim{AccessToken: oauth.Secret(token)}))
	})
	if status != 401 || strings.Contains(strings.Join(header.Values("WWW-Authenticate"), " "), "algs") {
		t.Errorf("%d %v", status, header)
	}
}
