package provider_test

import (
	"crypto/rand"
	"crypto/x509/pkix"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"signet/certs"
	"signet/provider"
	"signet/provider/dpop"
	"signet/provider/jose"
	"signet/provider/oauth"
)

// dpopKey is a client's DPoP key.
type dpopKey struct{ *jose.PrivateKey }

func newDPoPKey(t testing.TB, alg string) dpopKey {
	t.Helper()
	signer, err := jose.Generate(alg, 2048, rand.Reader)
	must(t, err)
	key, err := jose.NewPrivateKey(alg, "", signer)
	must(t, err)
	return dpopKey{key}
}

// proof makes a new one; change may alter it first.
func (k dpopKey) proof(h *house, method, target string, change ...func(*dpop.Claim)) string {
	h.t.Helper()
	c := dpop.Claim{Method: method, URL: target, Now: h.now(), JTI: rand.Text()}
	for _, alter := range change {
		alter(&c)
	}
	proof, err := dpop.Prove(k.PrivateKey, c)
	must(h.t, err)
	return proof
}

func withProof(proof string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("DPoP", proof) }
}

func presenting(scheme, token string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", scheme+" "+token) }
}

func jktOf(t testing.TB, compact string) string {
	t.Helper()
	cnf, _ := claimsOf(t, compact)["cnf"].(map[string]any)
	jkt, _ := cnf["jkt"].(string)
	return jkt
}

// TestDPoP binds tokens to a key at both doors, and uses them.
func TestDPoP(t *testing.T) {
	h := newHouse(t, nil)
	h.user("alice")
	h.register("app", nil)
	h.register("public", func(c *oauth.Client) {
		c.AuthMethod = oauth.AuthNone
		c.GrantTypes = []string{oauth.GrantAuthorizationCode, oauth.GrantRefreshToken}
	})
	h.register("bank", func(c *oauth.Client) {
		c.AuthMethod, c.TLSSubjectDN, c.DPoPBound, c.Profile = oauth.AuthTLS, "CN=bank", true, oauth.ProfileFAPI2Security
		c.GrantTypes = []string{oauth.GrantClientCredentials}
	})
	key, other := newDPoPKey(t, "ES256"), newDPoPKey(t, "PS256")
	plain := h.http(nil)

	t.Run("bound, once", func(t *testing.T) {
		credentials := form("grant_type", "client_credentials", "scope", "accounts")
		for _, door := range []string{h.issuer, h.mtls} {
			proof := key.proof(h, "POST", h.issuer+"/token") // the main door's address counts at both
			r := h.post(plain, door+"/token", credentials, basic("app"), withProof(proof))
			if r.Status != http.StatusOK || r.text("token_type") != "DPoP" || jktOf(t, r.text("access_token")) != key.Kid() {
				t.Fatalf("%d %s", r.Status, r.Body)
			}
			refused(400, "invalid_dpop_proof", "the DPoP proof was used before (RFC 9449 section 11.1)").
				check(t, h.post(plain, door+"/token", credentials, basic("app"), withProof(proof)))
		}
		refused(400, "invalid_dpop_proof", "the DPoP proof is for another URL (htu) (RFC 9449 section 4.3)").
			check(t, h.post(plain, h.issuer+"/token", credentials, basic("app"), withProof(key.proof(h, "POST", h.issuer+"/par"))))
	})

	t.Run("certificate for the client, key for the tokens", func(t *testing.T) {
		leaf := h.leaf(certs.Request{Subject: pkix.Name{CommonName: "bank"}})
		credentials := form("grant_type", "client_credentials", "scope", "accounts", "client_id", "bank")
		r := h.post(h.http(leaf), h.mtls+"/token", credentials, withProof(key.proof(h, "POST", h.mtls+"/token")))
		if r.Status != http.StatusOK || jktOf(t, r.text("access_token")) != key.Kid() || thumbprintOf(t, r.text("access_token")) != "" {
			t.Errorf("%d %s", r.Status, r.Body)
		}
		refused(400, "invalid_request", "this client's tokens are bound to a DPoP key: send a proof (RFC 9449 section 5.2)").
			check(t, h.post(h.http(leaf), h.mtls+"/token", credentials))
	})

	issued := h.post(plain, h.issuer+"/token", form(redeem(h.storedCode("public", "openid profile offline_access accounts"), "client_id", "public")...),
		withProof(key.proof(h, "POST", h.issuer+"/token")))
	access := issued.text("access_token")
	if issued.Status != http.StatusOK || issued.text("token_type") != "DPoP" || jktOf(t, access) != key.Kid() {
		t.Fatalf("%d %s", issued.Status, issued.Body)
	}

	t.Run("userinfo", func(t *testing.T) {
		withToken := func(c *dpop.Claim) { c.AccessToken = oauth.Secret(access) }
		for _, door := range []string{h.issuer, h.mtls} {
			proof := key.proof(h, "GET", door+"/userinfo", withToken)
			if r := h.get(plain, door+"/userinfo", presenting("DPoP", access), withProof(proof)); r.text("sub") != "sub-alice" {
				t.Errorf("%d %s", r.Status, r.Body)
			}
			for name, edit := range map[string][]func(*http.Request){
				"again":         {presenting("DPoP", access), withProof(proof)},
				"no proof":      {presenting("DPoP", access)},
				"another's key": {presenting("DPoP", access), withProof(other.proof(h, "GET", door+"/userinfo", withToken))},
				"no ath":        {presenting("DPoP", access), withProof(key.proof(h, "GET", door+"/userinfo"))},
				"as bearer":     {presenting("Bearer", access), withProof(key.proof(h, "GET", door+"/userinfo", withToken))},
			} {
				r := h.get(plain, door+"/userinfo", edit...)
				if r.Status != http.StatusUnauthorized || r.text("sub") != "" || !strings.Contains(r.Header.Get("WWW-Authenticate"), "error=") {
					t.Errorf("%s: %d %s %v", name, r.Status, r.Body, r.Header)
				}
			}
		}
	})

	t.Run("refresh", func(t *testing.T) {
		refresh := form("grant_type", "refresh_token", "refresh_token", issued.text("refresh_token"), "client_id", "public")
		for _, edit := range [][]func(*http.Request){nil, {withProof(other.proof(h, "POST", h.issuer+"/token"))}} {
			refused(400, "invalid_grant", "the refresh token is bound to another DPoP key (RFC 9449 section 5)").
				check(t, h.post(plain, h.issuer+"/token", refresh, edit...))
		}
		r := h.post(plain, h.issuer+"/token", refresh, withProof(key.proof(h, "POST", h.issuer+"/token")))
		if r.Status != http.StatusOK || jktOf(t, r.text("access_token")) != key.Kid() {
			t.Errorf("%d %s", r.Status, r.Body)
		}
	})

	t.Run("introspection", func(t *testing.T) {
		token := h.post(plain, h.issuer+"/token", form("grant_type", "client_credentials", "scope", "accounts"), basic("app"),
			withProof(key.proof(h, "POST", h.issuer+"/token"))).text("access_token")
		if r := h.post(plain, h.issuer+"/introspect", form("token", token), basic("app")); r.text("token_type") != "DPoP" || r.JSON["cnf"] == nil {
			t.Errorf("%d %s", r.Status, r.Body)
		}
		r := h.post(plain, h.issuer+"/introspect", form("token", token), basic("app"), func(r *http.Request) {
			r.Header.Set("Accept", "application/token-introspection+jwt")
		})
		keys, err := jose.ParseKeySet([]byte(h.get(plain, h.issuer+"/jwks").Body))
		must(t, err)
		signed, err := jose.Verify(r.Body, keys, []string{"ES256", "PS256", "RS256", "EdDSA"})
		must(t, err)
		about, _ := claimsOf(t, r.Body)["token_introspection"].(map[string]any)
		if signed.Typ != "token-introspection+jwt" || r.Header.Get("Content-Type") != "application/token-introspection+jwt" || about["active"] != true {
			t.Errorf("%+v %v", signed, about)
		}
	})
}

// TestDPoPNonces asks for nonces at two processes on one store: what one hands out, the other takes.
func TestDPoPNonces(t *testing.T) {
	h := newHouse(t, nil)
	h.register("app", nil)
	key := newDPoPKey(t, "ES256")
	demand := func(c *provider.Config) { c.DPoP.RequireNonce = true }
	one, two := h.twin(demand, nil), h.twin(demand, nil)
	ask := func(tw *twin, nonce string) reply {
		return tw.post(tw.plain, tw.issuer+"/token", form("grant_type", "client_credentials", "scope", "accounts"), basic("app"),
			withProof(key.proof(tw.house, "POST", tw.issuer+"/token", func(c *dpop.Claim) { c.Nonce = nonce })))
	}
	r := ask(one, "")
	nonce := r.Header.Get("DPoP-Nonce")
	if r.Status != http.StatusBadRequest || r.text("error") != "use_dpop_nonce" || nonce == "" {
		t.Fatalf("%d %s %v", r.Status, r.Body, r.Header)
	}
	for _, tw := range []*twin{two, one} {
		if r := ask(tw, nonce); r.Status != http.StatusOK || r.Header.Get("DPoP-Nonce") == "" {
			t.Errorf("%d %s", r.Status, r.Body)
		}
	}
	if r := ask(two, "AAAAAAAAAAAAAAAAAAAAAA"); r.text("error") != "use_dpop_nonce" {
		t.Errorf("%d %s", r.Status, r.Body)
	}
}

// TestOneProofOneToken sends the same proof many times at once.
func TestOneProofOneToken(t *testing.T) {
	h := newHouse(t, nil)
	h.register("app", nil)
	key := newDPoPKey(t, "ES256")
	clients := make([]*http.Client, 8)
	for i := range clients {
		clients[i] = h.http(nil)
	}
	for range 5 {
		proof := key.proof(h, "POST", h.issuer+"/token")
		var issued, refused atomic.Int32
		var group sync.WaitGroup
		for _, client := range clients {
			group.Go(func() {
				request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.issuer+"/token",
					strings.NewReader(url.Values{"grant_type": {"client_credentials"}, "scope": {"accounts"}}.Encode()))
				if err != nil {
					return
				}
				request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				basic("app")(request)
				withProof(proof)(request)
				response, err := client.Do(request)
				if err != nil {
					return
				}
				_ = response.Body.Close()
				switch response.StatusCode {
				case http.StatusOK:
					issued.Add(1)
				case http.StatusBadRequest:
					refused.Add(1)
				}
			})
		}
		group.Wait()
		if issued.Load() != 1 || int(refused.Load()) != len(clients)-1 {
			t.Fatalf("%d issued, %d refused", issued.Load(), refused.Load())
		}
	}
}
