package provider_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"signet/certs"
	"signet/provider"
	"signet/provider/oauth"
)

// publisher serves a client's JWKS over TLS, and can change it.
type publisher struct {
	mu   sync.Mutex
	body string
	hits int
	host string // localhost:port
}

func (h *house) publish(t *testing.T, keys json.RawMessage) *publisher {
	t.Helper()
	p := &publisher{body: string(keys)}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.hits++
		if r.URL.Path == "/moved" {
			http.Redirect(w, r, "/jwks.json", http.StatusFound)
			return
		}
		w.Header().Set("Content-Type", "application/jwk-set+json")
		_, _ = w.Write([]byte(p.body))
	}))
	leaf := h.leaf(certs.Request{DNSNames: []string{"localhost"}, IPs: []string{"127.0.0.1"}, EKU: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	server.TLS = &tls.Config{Certificates: []tls.Certificate{leaf.TLSCertificate()}, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	must(t, err)
	p.host = "localhost:" + u.Port()
	return p
}

func (p *publisher) set(keys json.RawMessage) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.body = string(keys)
}

// fetched is how often the document was read since the last call.
func (p *publisher) fetched() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.hits
	p.hits = 0
	return n
}

// TestJWKSURI reads a client's keys from where it publishes them: cached, again for an unknown kid but not
// for each, and never from an address that is not public.
func TestJWKSURI(t *testing.T) {
	h := newHouse(t, nil)
	first, second := newSigningKey(t, "first"), newSigningKey(t, "second")
	p := h.publish(t, first.jwks)
	register := func(id, uri string) {
		h.register(id, func(c *oauth.Client) { c.AuthMethod, c.JWKSURI = oauth.AuthPrivateKeyJWT, uri })
	}
	register("remote", "https://"+p.host+"/jwks.json")
	register("moved", "https://"+p.host+"/moved")
	register("address", "https://127.0.0.1:"+strings.TrimPrefix(p.host, "localhost:")+"/jwks.json")
	allowed := h.twin(func(c *provider.Config) { c.Outbound.AllowHosts = []string{p.host} }, nil)
	guarded := h.twin(nil, nil)
	ask := func(tw *twin, client string, key signingKey) reply {
		return tw.post(tw.http(nil), tw.issuer+"/token", form(append(proof(tw.assertion(key, client, nil)), clientCredentials...)...))
	}
	failed := refused(401, "invalid_client", "client authentication failed")
	unavailable := refused(503, "temporarily_unavailable", "the client cannot be authenticated now")
	unavailable.headers = map[string]string{"Retry-After": "2"}
	want := func(t *testing.T, n int) {
		t.Helper()
		if got := p.fetched(); got != n {
			t.Errorf("fetched %d times, want %d", got, n)
		}
	}
	t.Run("loopback is refused", func(t *testing.T) {
		before := guarded.state(t)
		r := ask(guarded, "remote", first)
		unavailable.check(t, r)
		unchanged(t, before, guarded.state(t))
		want(t, 0)
		if line := guarded.logged.about(r.text("request_id")); !strings.Contains(line, "not a public address") {
			t.Errorf("log: %s", line)
		}
	})
	t.Run("a host that is allowed by name only", func(t *testing.T) {
		unavailable.check(t, ask(allowed, "address", first))
		want(t, 0)
	})
	t.Run("a redirect is not followed", func(t *testing.T) {
		unavailable.check(t, ask(allowed, "moved", first))
		want(t, 1)
	})
	t.Run("cached", func(t *testing.T) {
		for range 3 {
			if r := ask(allowed, "remote", first); r.Status != http.StatusOK {
				t.Fatalf("%d %s", r.Status, r.Body)
			}
		}
		want(t, 1)
	})
	t.Run("an unknown kid refreshes once", func(t *testing.T) {
		for range 5 {
			failed.check(t, ask(allowed, "remote", second))
		}
		want(t, 1)
		p.set(second.jwks)
		failed.check(t, ask(allowed, "remote", second)) // within the pause between two refreshes
		want(t, 0)
		allowed.advance(31 * time.Second)
		if r := ask(allowed, "remote", second); r.Status != http.StatusOK {
			t.Errorf("after the pause: %d %s", r.Status, r.Body)
		}
		failed.check(t, ask(allowed, "remote", first)) // it is no longer published
		want(t, 1)
	})
	t.Run("a document that is no JWKS", func(t *testing.T) {
		p.set(json.RawMessage(`{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}`))
		allowed.advance(24 * time.Hour)
		failed.check(t, ask(allowed, "remote", second))
		want(t, 1)
	})
}
