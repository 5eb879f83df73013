package resource

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"signet/certs"
	"signet/mtls"
)

// api is a protected API on a real TLS listener, with an authority for its clients' certificates.
type api struct {
	ca  *certs.CA
	url string
}

func startAPI(t *testing.T, v *Verifier, scope string) *api {
	t.Helper()
	ca, err := certs.NewCA(rand.Reader, time.Now(), "Test CA")
	if err != nil {
		t.Fatal(err)
	}
	a := &api{ca: ca}
	serving := a.certificate(t, certs.Request{IPs: []string{"127.0.0.1"}, EKU: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	direct, err := mtls.NewProxies(mtls.ProxiesConfig{})
	if err != nil {
		t.Fatal(err)
	}
	hello := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "hello "+TokenFrom(r.Context()).Subject)
	})
	server := httptest.NewUnstartedServer(v.Protect(hello, Requirement{Scope: scope}, direct.Peer))
	server.TLS = mtls.ServerConfig(func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &serving, nil }, true)
	server.TLS.Certificates = []tls.Certificate{serving} // httptest would add its own
	server.StartTLS()
	t.Cleanup(server.Close)
	a.url = server.URL + "/accounts"
	return a
}

func (a *api) certificate(t *testing.T, r certs.Request) tls.Certificate {
	t.Helper()
	leaf, err := a.ca.Issue(r)
	if err != nil {
		t.Fatal(err)
	}
	return leaf.TLSCertificate()
}

func (a *api) clientCertificate(t *testing.T, name string) (*tls.Certificate, string) {
	t.Helper()
	c := a.certificate(t, certs.Request{Subject: pkix.Name{CommonName: name}})
	parsed, err := x509.ParseCertificate(c.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return &c, mtls.Thumbprint(parsed)
}

// call sends a request over a connection of its own with the certificate, which may be nil.
func (a *api) call(t *testing.T, certificate *tls.Certificate, prepare func(*http.Request)) (status int, header http.Header, body string) {
	t.Helper()
	settings := &tls.Config{RootCAs: a.ca.Pool(), MinVersion: tls.VersionTLS12}
	if certificate != nil {
		settings.Certificates = []tls.Certificate{*certificate}
	}
	transport := &http.Transport{TLSClientConfig: settings}
	t.Cleanup(transport.CloseIdleConnections)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, a.url, nil)
	if err != nil {
		t.Fatal(err)
	}
	prepare(r)
	res, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(res.Body)
	if err := errors.Join(err, res.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(raw)
}

func bearer(token string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
}

func TestProtectOverTLS(t *testing.T) {
	is := newIssuer(t)
	v := newVerifier(t, Options{Audience: testAudience, Keys: LocalKeys(is.keys), RequireBound: true})
	a := startAPI(t, v, "accounts")
	own, thumbprint := a.clientCertificate(t, "demo-tls")
	other, _ := a.clientCertificate(t, "demo-tls-other")
	good := goodClaims(thumbprint)
	sign := func(c claims) func(*http.Request) { return bearer(is.token(t, "at+jwt", c)) }

	tests := []struct {
		name        string
		certificate *tls.Certificate
		request     func(*http.Request)
		status      int
		challenge   string // what WWW-Authenticate must contain
	}{
		{"right certificate", own, sign(good), 200, ""},
		{"another certificate", other, sign(good), 401, `error="invalid_token", error_description="the access token is bound to another certificate"`},
		{"no certificate", nil, sign(good), 401, `error="invalid_token", error_description="the access token is bound to a certificate, and none was presented"`},
		{"forged header instead of a certificate", nil, func(r *http.Request) {
			sign(good)(r)
			r.Header.Set("Client-Cert", ":"+strings.Repeat("A", 40)+":")
		}, 401, `error="invalid_token"`},
		{"wrong scope", own, sign(good.with("scope", "payments openid")), 403, `error="insufficient_scope"`},
		{"no scope", own, sign(good.with("scope", nil)), 403, `scope="accounts"`},
		{"expired", own, sign(good.with("exp", testTime.Add(-time.Hour).Unix())), 401, `error_description="the access token has expired"`},
		{"wrong audience", own, sign(good.with("aud", "https://other")), 401, `error_description="the access token is for another audience"`},
		{"unbound token", own, sign(good.with("cnf", nil)), 401, `error_description="the access token is not bound to a certificate or a DPoP key"`},
		{"no token", own, func(*http.Request) {}, 401, `Bearer realm=`},
		{"token in the query", own, func(r *http.Request) { r.URL.RawQuery = "access_token=" + is.token(t, "at+jwt", good) }, 400, `error="invalid_request"`},
		{"malformed header", own, bearer("a b"), 400, `error="invalid_request"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			status, header, body := a.call(t, test.certificate, test.request)
			if status != test.status {
				t.Fatalf("status %d, want %d: %s", status, test.status, body)
			}
			challenge := header.Get("WWW-Authenticate")
			if !strings.Contains(challenge, test.challenge) || (challenge != "") != (test.status != 200) {
				t.Errorf("WWW-Authenticate is %q, want %q", challenge, test.challenge)
			}
			if test.status == 200 {
				if body != "hello user-1" {
					t.Errorf("body %q", body)
				}
				return
			}
			if !json.Valid([]byte(body)) || header.Get("Cache-Control") != "no-store" {
				t.Errorf("body %q, Cache-Control %q", body, header.Get("Cache-Control"))
			}
			if test.name == "no token" && strings.Contains(challenge, "error") {
				t.Errorf("an error code for a request without credentials: %q", challenge)
			}
		})
	}
}

func TestProtectAnswers503WhenNobodyCanSay(t *testing.T) {
	is := newIssuer(t)
	v := newVerifier(t, Options{Keys: &rotating{err: errors.New("connection refused by 10.1.2.3")}})
	a := startAPI(t, v, "")
	status, header, body := a.call(t, nil, bearer(is.token(t, "at+jwt", goodClaims(""))))
	if status != 503 || header.Get("Retry-After") == "" || strings.Contains(body, "10.1.2.3") {
		t.Errorf("status %d, header %v, body %s", status, header, body)
	}
}

func TestProtectFailsClosed(t *testing.T) {
	is := newIssuer(t)
	v := newVerifier(t, Options{Keys: LocalKeys(is.keys)})
	called := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the handler was called") })
	none := func(*http.Request) (*mtls.Peer, error) { return nil, nil }
	broken := func(*http.Request) (*mtls.Peer, error) { return nil, errors.New("bad header") }
	tests := []struct {
		name    string
		handler http.Handler
		status  int
	}{
		{"a certificate that cannot be read", v.Protect(called, Requirement{Scope: "accounts"}, broken), 400},
		{"a requirement that is no scope", v.Protect(called, Requirement{Scope: `acc"ounts`}, none), 403},
		{"one scope of two", v.Protect(called, Requirement{Scope: "accounts payments"}, none), 403},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
			bearer(is.token(t, "at+jwt", goodClaims("")))(r)
			w := httptest.NewRecorder()
			test.handler.ServeHTTP(w, r)
			if w.Code != test.status {
				t.Errorf("status %d, want %d: %s", w.Code, test.status, w.Body)
			}
		})
	}
	if TokenFrom(t.Context()) != nil {
		t.Error("a token out of nowhere")
	}
}

// TestProtectAsksForAnotherLogin: RFC 9470 section 3.
func TestProtectAsksForAnotherLogin(t *testing.T) {
	is := newIssuer(t)
	v := newVerifier(t, Options{Keys: LocalKeys(is.keys)})
	none := func(*http.Request) (*mtls.Peer, error) { return nil, nil }
	good := goodClaims("") // acr 2, a minute ago
	tests := []struct {
		name      string
		required  Requirement
		claims    claims
		status    int
		challenge string
	}{
		{"nothing asked for", Requirement{}, good.with("acr", nil).with("auth_time", nil), 200, ""},
		{"one of two", Requirement{ACR: []string{"3", "2"}}, good, 200, ""},
		{"recent", Requirement{MaxAge: time.Minute}, good, 200, ""},
		{"within the leeway", Requirement{MaxAge: time.Minute - DefaultLeeway}, good, 200, ""},
		{"both", Requirement{ACR: []string{"2"}, MaxAge: time.Hour}, good, 200, ""},
		{"too weak", Requirement{ACR: []string{"3", "4"}}, good, 401, `, acr_values="3 4"`},
		{"too long ago", Requirement{MaxAge: 49 * time.Second}, good, 401, `, max_age="49"`},
		{"too long ago, and what else", Requirement{ACR: []string{"2"}, MaxAge: 30 * time.Second}, good, 401, `, acr_values="2", max_age="30"`},
		{"no acr", Requirement{ACR: []string{"2"}}, good.with("acr", nil), 401, `acr_values="2"`},
		{"no login at all", Requirement{MaxAge: time.Hour}, good.with("auth_time", nil), 401, `max_age="3600"`},
		{"scope comes first", Requirement{Scope: "payments", ACR: []string{"3"}}, good, 403, `error="insufficient_scope"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
			bearer(is.token(t, "at+jwt", test.claims))(r)
			w := httptest.NewRecorder()
			v.Protect(next, test.required, none).ServeHTTP(w, r)
			challenge := w.Header().Get("WWW-Authenticate")
			if w.Code != test.status || !strings.Contains(challenge, test.challenge) {
				t.Errorf("%d %q; want %d %q", w.Code, challenge, test.status, test.challenge)
			}
			if w.Code == 401 && !strings.HasPrefix(challenge, `Bearer realm="signet", error="insufficient_user_authentication"`) {
				t.Errorf("challenge %q", challenge)
			}
		})
	}
}
