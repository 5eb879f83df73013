package main

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"signet/certs"
	"signet/mtls"
	"signet/provider/jose"
)

const testAudience = "https://localhost:9446"

// world is an authority, an issuer on a real TLS listener, and the files that the command line names.
type world struct {
	ca     *certs.CA
	dir    string
	key    *jose.PrivateKey
	server *httptest.Server
	away   atomic.Bool // the issuer answers nothing but 503
	// introspected is what the issuer says of opaque tokens; how, by which the resource server proved itself.
	introspected func(token string) map[string]any
	how          atomic.Value
}

func newWorld(t *testing.T) *world {
	t.Helper()
	ca, err := certs.NewCA(rand.Reader, time.Now(), "Test CA")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.Generate("PS256", 2048, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := jose.NewPrivateKey("PS256", "", signer)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{ca: ca, dir: t.TempDir(), key: key}
	w.write(t, "ca.pem", ca.CertPEM)
	w.issue(t, "server", certs.Request{
		DNSNames: []string{"localhost"}, IPs: []string{"127.0.0.1"}, EKU: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	for _, name := range []string{"client", "other", "rs"} {
		w.issue(t, name, certs.Request{Subject: pkix.Name{CommonName: name}})
	}
	w.startIssuer(t)
	return w
}

func (w *world) write(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(w.file(name), content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func (w *world) read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(w.file(name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func (w *world) file(name string) string { return filepath.Join(w.dir, name) }

func (w *world) issue(t *testing.T, name string, r certs.Request) {
	t.Helper()
	leaf, err := w.ca.Issue(r)
	if err != nil {
		t.Fatal(err)
	}
	w.write(t, name+".pem", leaf.CertPEM)
	w.write(t, name+"-key.pem", leaf.KeyPEM)
}

func (w *world) certificate(t *testing.T, name string) tls.Certificate {
	t.Helper()
	c, err := tls.LoadX509KeyPair(w.file(name+".pem"), w.file(name+"-key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (w *world) thumbprint(t *testing.T, name string) string {
	t.Helper()
	return mtls.Thumbprint(w.certificate(t, name).Leaf)
}

func (w *world) startIssuer(t *testing.T) {
	jwks, err := jose.MarshalKeySet([]jose.PublicKey{{Alg: w.key.Alg(), Kid: w.key.Kid(), Public: w.key.Public()}})
	if err != nil {
		t.Fatal(err)
	}
	routes := http.NewServeMux()
	w.server = httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if w.away.Load() {
			http.Error(rw, "away", http.StatusServiceUnavailable)
			return
		}
		rw.Header().Set("Content-Type", "application/json")
		routes.ServeHTTP(rw, r)
	}))
	w.server.TLS = mtls.ServerConfig(nil, true)
	w.server.TLS.Certificates = []tls.Certificate{w.certificate(t, "server")}
	w.server.StartTLS()
	t.Cleanup(w.server.Close)
	url := w.server.URL
	routes.HandleFunc("GET /.well-known/openid-configuration", func(rw http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(rw, `{"issuer":%q,"jwks_uri":%q,"mtls_endpoint_aliases":{"introspection_endpoint":%q}}`, url, url+"/jwks", url+"/introspect")
	})
	routes.HandleFunc("GET /jwks", func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write(jwks) })
	routes.HandleFunc("POST /introspect", func(rw http.ResponseWriter, r *http.Request) {
		switch {
		case r.FormValue("client_assertion") != "":
			w.how.Store("assertion")
		case len(r.TLS.PeerCertificates) > 0:
			w.how.Store("certificate of " + r.TLS.PeerCertificates[0].Subject.CommonName)
		}
		_ = json.NewEncoder(rw).Encode(w.introspected(r.FormValue("token")))
	})
}

// claims of a token that is good here and now, bound to the named client's certificate unless that is "".
func (w *world) claims(t *testing.T, clientID, scope, boundTo string) map[string]any {
	t.Helper()
	c := map[string]any{
		"iss": w.server.URL, "aud": testAudience, "sub": clientID, "client_id": clientID, "jti": "1", "scope": scope,
		"iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(),
	}
	if boundTo != "" {
		c["cnf"] = map[string]string{"x5t#S256": w.thumbprint(t, boundTo)}
	}
	return c
}

func (w *world) sign(t *testing.T, claims map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	token, err := w.key.Sign("at+jwt", payload)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func (w *world) token(t *testing.T, clientID, scope, boundTo string) string {
	t.Helper()
	return w.sign(t, w.claims(t, clientID, scope, boundTo))
}

// anyPayment are authorization_details that leave everything to the client.
var anyPayment = []any{map[string]any{"type": paymentDetail}}

// toPay is a token for payments.
func (w *world) toPay(t *testing.T, clientID, scope string) string {
	t.Helper()
	claims := w.claims(t, clientID, scope, "client")
	claims["authorization_details"] = anyPayment
	return w.sign(t, claims)
}
