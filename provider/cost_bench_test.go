package provider_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"signet/certs"
	"signet/mtls"
	"signet/provider/oauth"
)

const (
	perRound = 512 // requests of each handler in a round
	workers  = 16  // at once
)

// BenchmarkTokenCost measures CPU time per request at the handler, without TLS and sockets, beside a bare
// handler that only parses, compares or verifies, and signs. Each round runs both; the metrics are medians
// over the rounds ("make bench" runs 15), ratio-min and ratio-max their spread.
func BenchmarkTokenCost(b *testing.B) {
	h := newHouse(b, nil)
	leaf := h.leaf(certs.Request{Subject: pkix.Name{CommonName: "bench"}})
	key := newSigningKey(b, "k1")
	h.user("alice")
	h.register("basic", nil)
	h.register("pkjwt", func(c *oauth.Client) { c.AuthMethod, c.JWKS = oauth.AuthPrivateKeyJWT, key.jwks })
	h.register("tls", func(c *oauth.Client) { c.AuthMethod, c.TLSSubjectDN = oauth.AuthTLS, "CN=bench" })
	bare := newBareServer(b, key)

	credentials := url.Values{"grant_type": {"client_credentials"}, "scope": {"accounts"}}
	measure(b, "client_credentials/client_secret_basic", h.serving.Main(), bare, func(int) *http.Request {
		r := formRequest("/token", credentials)
		basic("basic")(r)
		return r
	})
	measure(b, "client_credentials/private_key_jwt", h.serving.Main(), bare, func(int) *http.Request {
		return formRequest("/token", url.Values{
			"grant_type": {"client_credentials"}, "scope": {"accounts"},
			"client_assertion_type": {jwtBearer}, "client_assertion": {h.assertion(key, "pkjwt", nil)},
		})
	})
	measure(b, "client_credentials/tls_client_auth", h.serving.MTLS(), bare, func(int) *http.Request {
		r := formRequest("/token", url.Values{"grant_type": {"client_credentials"}, "scope": {"accounts"}, "client_id": {"tls"}})
		r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf.Certificate}}
		return r
	})
	chains := make([]string, perRound)
	for i := range chains {
		chains[i] = h.refreshToken(fmt.Sprint(i))
	}
	measure(b, "refresh_token/client_secret_basic", keepRefresh{h.serving.Main(), chains}, bare, func(i int) *http.Request {
		r := formRequest("/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {chains[i]}})
		r.Header.Set("X-Chain", fmt.Sprint(i))
		basic("basic")(r)
		return r
	})
	issued := h.post(h.http(nil), h.issuer+"/token", credentials, basic("basic")).text("access_token")
	bare.introspect = issued
	measure(b, "introspection/client_secret_basic", h.serving.Main(), bare, func(int) *http.Request {
		r := formRequest("/introspect", url.Values{"token": {issued}})
		basic("basic")(r)
		return r
	})
}

// refreshToken puts a grant with a refresh token into the store, as a code flow would.
func (h *house) refreshToken(name string) string {
	value := oauth.Secret("refresh token " + name)
	end := h.now().Add(time.Hour)
	must(h.t, h.store.Commit(h.t.Context(),
		oauth.StoreGrant{Grant: oauth.Grant{ID: "grant" + name, ClientID: "basic", UserID: "sub-alice", Scope: oauth.Scope{"accounts"}, CreatedAt: h.now(), ExpiresAt: end}},
		oauth.StoreRefresh{Token: oauth.RefreshToken{
			Digest: value.Digest(), ClientID: "basic", GrantID: "grant" + name, User: oauth.EndUser{ID: "sub-alice", AuthTime: h.now()},
			Scope: oauth.Scope{"accounts"}, Resources: []string{apiJWT}, IssuedAt: h.now(), ExpiresAt: end,
		}}))
	return value.Reveal()
}

// keepRefresh hands each chain's next refresh token to the round that follows.
type keepRefresh struct {
	http.Handler
	chains []string
}

func (k keepRefresh) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k.Handler.ServeHTTP(w, r)
	var i int
	_, _ = fmt.Sscan(r.Header.Get("X-Chain"), &i)
	var answer struct {
		Refresh string `json:"refresh_token"`
	}
	if recorder, ok := w.(*httptest.ResponseRecorder); ok && json.Unmarshal(recorder.Body.Bytes(), &answer) == nil && answer.Refresh != "" {
		k.chains[i] = answer.Refresh
	}
}

func formRequest(path string, f url.Values) *http.Request {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(f.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

// measure runs b.N rounds of both handlers and reports medians.
func measure(b *testing.B, name string, signet, bare http.Handler, request func(int) *http.Request) {
	b.Run(name, func(b *testing.B) {
		var ours, floor, ratios []float64
		for range b.N + 1 {
			f := cpuPerRequest(b, bare, request)
			o := cpuPerRequest(b, signet, request)
			floor, ours, ratios = append(floor, f), append(ours, o), append(ratios, o/f)
		}
		// The first round warms caches up and is left out.
		floor, ours, ratios = floor[1:], ours[1:], ratios[1:]
		b.ReportMetric(median(floor), "bare-cpu-µs")
		b.ReportMetric(median(ours), "signet-cpu-µs")
		b.ReportMetric(median(ratios), "ratio")
		b.ReportMetric(slices.Min(ratios), "ratio-min")
		b.ReportMetric(slices.Max(ratios), "ratio-max")
		b.ReportMetric(0, "ns/op") // means nothing here: hides it
	})
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// cpuPerRequest returns user and system time of the process per request, in microseconds. Making the
// requests is not counted; what the handler leaves to background goroutines is.
func cpuPerRequest(b *testing.B, handler http.Handler, request func(int) *http.Request) float64 {
	requests := make([]*http.Request, perRound)
	for i := range requests {
		requests[i] = request(i)
	}
	answers := make([]*httptest.ResponseRecorder, perRound)
	before := cpu()
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			for i := w; i < perRound; i += workers {
				answers[i] = &httptest.ResponseRecorder{Body: new(bytes.Buffer)}
				handler.ServeHTTP(answers[i], requests[i])
			}
		})
	}
	group.Wait()
	spent := cpu() - before
	for _, a := range answers {
		if a.Code != http.StatusOK && a.Code != 0 {
			b.Fatalf("%d %s", a.Code, a.Body)
		}
	}
	return float64(spent.Microseconds()) / perRound
}

func cpu() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// bareServer is the least that a Go handler can do for the same requests: no clients table, no policy, no
// audit, no store.
type bareServer struct {
	signer     *ecdsa.PrivateKey
	assertions *ecdsa.PublicKey
	secret     [32]byte
	introspect string
}

func newBareServer(b *testing.B, key signingKey) *bareServer {
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(b, err)
	var private ecdsa.PrivateKey
	must(b, key.private.Raw(&private))
	return &bareServer{signer: signer, assertions: &private.PublicKey, secret: sha256.Sum256([]byte(secretOf("basic").Reveal()))}
}

func (s *bareServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil || !s.authentic(r) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if r.URL.Path == "/introspect" {
		// The token was signed by Signet's key: what counts is the cost of one verification.
		s.verify(r.PostForm.Get("token"))
		_, _ = w.Write([]byte(`{"active":true,"scope":"accounts"}`))
		return
	}
	cnf := ""
	if r.TLS != nil {
		cnf = `,"cnf":{"x5t#S256":"` + mtls.Thumbprint(r.TLS.PeerCertificates[0]) + `"}`
	}
	_, _ = w.Write([]byte(`{"access_token":"` + s.sign(cnf) + `","token_type":"Bearer","expires_in":300,"scope":"accounts"}`))
}

func (s *bareServer) authentic(r *http.Request) bool {
	if _, password, ok := r.BasicAuth(); ok {
		sum := sha256.Sum256([]byte(password))
		return subtle.ConstantTimeCompare(sum[:], s.secret[:]) == 1
	}
	if assertion := r.PostForm.Get("client_assertion"); assertion != "" {
		return s.verify(assertion)
	}
	return r.TLS != nil && r.TLS.PeerCertificates[0].Subject.CommonName == "bench"
}

func (s *bareServer) verify(compact string) bool {
	at := strings.LastIndexByte(compact, '.')
	signature, err := base64.RawURLEncoding.DecodeString(compact[at+1:])
	if err != nil || len(signature) != 64 {
		return false
	}
	sum := sha256.Sum256([]byte(compact[:at]))
	return ecdsa.Verify(s.assertions, sum[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:]))
}

func (s *bareServer) sign(cnf string) string {
	now := time.Now().Unix()
	input := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256","typ":"at+jwt","kid":"bare"}`)) + "." +
		base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"iss":"https://localhost","sub":"c","aud":"https://api.bank.example","client_id":"c","scope":"accounts","jti":"%s","iat":%d,"exp":%d%s}`,
			rand.Text(), now, now+300, cnf))
	sum := sha256.Sum256([]byte(input))
	x, y, err := ecdsa.Sign(rand.Reader, s.signer, sum[:])
	if err != nil {
		return ""
	}
	signature := make([]byte, 64)
	x.FillBytes(signature[:32])
	y.FillBytes(signature[32:])
	return input + "." + base64.RawURLEncoding.EncodeToString(signature)
}
