package provider_test

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"signet/certs"
	"signet/mtls"
	"signet/provider"
	"signet/provider/oauth"
)

// forgeries are the names under which proxies pass a client's certificate on.
var forgeries = []string{
	"Client-Cert", "X-Client-Cert", "X-Forwarded-Client-Cert", "X-Ssl-Cert", "X-Ssl-Client-Cert", "Ssl-Client-Cert", "SSL_CLIENT_CERT",
	"X-Forwarded-Tls-Client-Cert", "X-Arr-Clientcert", "X-Amzn-Mtls-Clientcert-Leaf", "X-Client-Certificate", "client-cert",
}

// field is the RFC 9440 form of a certificate.
func field(cert *x509.Certificate) string {
	return ":" + base64.StdEncoding.EncodeToString(cert.Raw) + ":"
}

// passing tells the receiver that the client presented this certificate and chain.
func passing(leaf *certs.Leaf, chain ...*x509.Certificate) func(*http.Request) {
	return func(r *http.Request) {
		r.Header.Set("Client-Cert", field(leaf.Certificate))
		var members []string
		for _, cert := range chain {
			members = append(members, field(cert))
		}
		if len(members) > 0 {
			r.Header.Set("Client-Cert-Chain", strings.Join(members, ", "))
		}
	}
}

var clientCredentials = []string{"grant_type", "client_credentials", "scope", "accounts"}

// TestClientCertificateHeader is RFC 9440 at both doors: who may say what certificate a client has.
func TestClientCertificateHeader(t *testing.T) {
	h := newHouse(t, nil)
	h.register("app", nil)
	h.register("bank", func(c *oauth.Client) { c.AuthMethod, c.TLSSubjectDN = oauth.AuthTLS, "CN=bank" })
	h.register("proxy", func(c *oauth.Client) { c.AuthMethod, c.TLSSubjectDN = oauth.AuthTLS, "CN=proxy" })
	bank := h.leaf(certs.Request{Subject: pkix.Name{CommonName: "bank"}})
	proxy := h.leaf(certs.Request{Subject: pkix.Name{CommonName: "proxy"}})
	t.Run("forged", func(t *testing.T) { h.twin(nil, nil).forged(t, bank, proxy) })
	t.Run("proxy by address", func(t *testing.T) { h.proxyByAddress(t, bank, proxy) })
	t.Run("proxy by thumbprint", func(t *testing.T) { h.proxyByThumbprint(t, bank, proxy) })
	t.Run("judgement", func(t *testing.T) { h.judgedThroughProxy(t, bank) })
}

// forged sends the header, under every name, from a sender that is no proxy: it binds and authenticates nothing.
func (tw *twin) forged(t *testing.T, victim, own *certs.Leaf) {
	forge := func(name string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header[name] = []string{field(victim.Certificate)}
			r.Header["Client-Cert-Chain"] = []string{field(tw.ca.Certificate)}
		}
	}
	asBank := form(append(clientCredentials, "client_id", "bank")...)
	for _, name := range forgeries {
		for _, sender := range []struct {
			where string
			leaf  *certs.Leaf
			door  string
		}{{"main door", nil, tw.issuer}, {"mTLS door", nil, tw.mtls}, {"mTLS door with its own certificate", own, tw.mtls}} {
			t.Run(name+" at the "+sender.where, func(t *testing.T) {
				client, want := tw.http(sender.leaf), ""
				if sender.leaf != nil {
					want = mtls.Thumbprint(sender.leaf.Certificate)
				}
				r := tw.post(client, sender.door+"/token", form(clientCredentials...), basic("app"), forge(name))
				if r.Status != http.StatusOK || thumbprintOf(t, r.text("access_token")) != want {
					t.Errorf("%d %s, want a token bound to %q", r.Status, r.Body, want)
				}
				refused(401, "invalid_client", "client authentication failed").
					check(t, tw.post(client, sender.door+"/token", asBank, forge(name)))
			})
		}
	}
	t.Run("a forged header opens no bound token", func(t *testing.T) {
		tw.account("alice")
		bound := tw.post(tw.http(victim), tw.mtls+"/token", form(redeem(tw.storedCode("app", bankingAll))...), basic("app"))
		token := bearer(bound.text("access_token"))
		if r := tw.get(tw.http(victim), tw.mtls+"/userinfo", token); r.Status != http.StatusOK {
			t.Fatalf("its holder: %d %s", r.Status, r.Body)
		}
		if r := tw.get(tw.http(nil), tw.issuer+"/userinfo", token, forge("Client-Cert")); r.Status != http.StatusUnauthorized {
			t.Errorf("a thief: %d %s", r.Status, r.Body)
		}
	})
	t.Run("garbage is not even read", func(t *testing.T) {
		r := tw.post(tw.http(nil), tw.issuer+"/token", form(clientCredentials...), basic("app"), func(r *http.Request) { r.Header.Set("Client-Cert", "garbage") })
		if r.Status != http.StatusOK {
			t.Errorf("%d %s", r.Status, r.Body)
		}
	})
}

func (h *house) proxyByAddress(t *testing.T, bank, proxy *certs.Leaf) {
	tw := h.twin(func(c *provider.Config) { c.TrustedProxies.Addresses = []string{"127.0.0.0/8", "2001:db8::1"} }, nil)
	far := h.twin(func(c *provider.Config) { c.TrustedProxies.Addresses = []string{"192.0.2.7"} }, nil)
	asBank, asProxy := form(append(clientCredentials, "client_id", "bank")...), form(append(clientCredentials, "client_id", "proxy")...)
	failed := refused(401, "invalid_client", "client authentication failed")
	for _, door := range []string{tw.issuer, tw.mtls} {
		r := tw.post(tw.http(proxy), door+"/token", asBank, passing(bank))
		if r.Status != http.StatusOK || thumbprintOf(t, r.text("access_token")) != mtls.Thumbprint(bank.Certificate) {
			t.Errorf("%d %s", r.Status, r.Body)
		}
	}
	failed.check(t, far.post(far.http(nil), far.issuer+"/token", asBank, passing(bank)))
	// The proxy's own certificate is never the client's: without a header the client has none.
	failed.check(t, tw.post(tw.http(proxy), tw.mtls+"/token", asProxy))
	failed.check(t, tw.post(tw.http(proxy), tw.mtls+"/token", asProxy, passing(bank)))
	if r := tw.post(tw.http(proxy), tw.mtls+"/token", form(clientCredentials...), basic("app")); r.Status != http.StatusOK || thumbprintOf(t, r.text("access_token")) != "" {
		t.Errorf("bound to the proxy: %d %s", r.Status, r.Body)
	}
	// A name that only other proxies use counts from a trusted one as little as from anybody.
	r := tw.post(tw.http(nil), tw.issuer+"/token", form(clientCredentials...), basic("app"), func(r *http.Request) { r.Header.Set("X-Ssl-Cert", field(bank.Certificate)) })
	if r.Status != http.StatusOK || thumbprintOf(t, r.text("access_token")) != "" {
		t.Errorf("X-SSL-Cert: %d %s", r.Status, r.Body)
	}
	unreadable := refused(400, "invalid_request", "the client certificate cannot be read")
	for name, values := range map[string][]string{
		"two":           {field(bank.Certificate), field(bank.Certificate)},
		"a list":        {field(bank.Certificate) + ", " + field(proxy.Certificate)},
		"parameters":    {field(bank.Certificate) + ";a=1"},
		"PEM":           {strings.ReplaceAll(string(bank.CertPEM), "\n", " ")},
		"empty":         {""},
		"empty bytes":   {"::"},
		"trailing data": {":" + base64.StdEncoding.EncodeToString(append(append([]byte{}, bank.Certificate.Raw...), 0)) + ":"},
	} {
		t.Run(name, func(t *testing.T) {
			unreadable.check(t, tw.post(tw.http(nil), tw.issuer+"/token", asBank, func(r *http.Request) { r.Header["Client-Cert"] = values }))
		})
	}
}

func (h *house) proxyByThumbprint(t *testing.T, bank, proxy *certs.Leaf) {
	tw := h.twin(func(c *provider.Config) {
		c.TrustedProxies.Thumbprints = []string{mtls.Thumbprint(proxy.Certificate)}
	}, nil)
	both := h.twin(func(c *provider.Config) {
		c.TrustedProxies.Addresses, c.TrustedProxies.Thumbprints = []string{"192.0.2.7"}, []string{mtls.Thumbprint(proxy.Certificate)}
	}, nil)
	asBank := form(append(clientCredentials, "client_id", "bank")...)
	failed := refused(401, "invalid_client", "client authentication failed")
	r := tw.post(tw.http(proxy), tw.mtls+"/token", asBank, passing(bank))
	if r.Status != http.StatusOK || thumbprintOf(t, r.text("access_token")) != mtls.Thumbprint(bank.Certificate) {
		t.Errorf("%d %s", r.Status, r.Body)
	}
	failed.check(t, tw.post(tw.http(nil), tw.mtls+"/token", asBank, passing(bank)))
	failed.check(t, tw.post(tw.http(proxy), tw.issuer+"/token", asBank, passing(bank))) // shows no certificate at this door
	failed.check(t, both.post(both.http(proxy), both.mtls+"/token", asBank, passing(bank)))
	failed.check(t, tw.post(tw.http(proxy), tw.mtls+"/token", form(append(clientCredentials, "client_id", "proxy")...)))
	impostor := h.leaf(certs.Request{Subject: pkix.Name{CommonName: "proxy"}})
	failed.check(t, tw.post(tw.http(impostor), tw.mtls+"/token", asBank, passing(bank)))
	r = tw.post(tw.http(impostor), tw.mtls+"/token", form(clientCredentials...), basic("app"), passing(bank))
	if thumbprintOf(t, r.text("access_token")) != mtls.Thumbprint(impostor.Certificate) {
		t.Errorf("an impostor's token is not bound to the impostor: %s", r.Body)
	}
}

// judgedThroughProxy holds a certificate from the header to the same judgement as one from TLS.
func (h *house) judgedThroughProxy(t *testing.T, bank *certs.Leaf) {
	name := pkix.Name{CommonName: "bank"}
	below, err := h.ca.Intermediate("Issuing CA")
	must(t, err)
	foreign, err := certs.NewCA(rand.Reader, time.Now(), "Test CA")
	must(t, err)
	issue := func(ca *certs.CA, request certs.Request) *certs.Leaf {
		request.Subject = name
		leaf, err := ca.Issue(request)
		must(t, err)
		return leaf
	}
	revoked, deep := issue(h.ca, certs.Request{}), issue(below, certs.Request{})
	list := func(ca *certs.CA, file string, leaves ...*certs.Leaf) string {
		crl := certs.CRLRequest{}
		for _, leaf := range leaves {
			crl.Revoked = append(crl.Revoked, leaf.Certificate.SerialNumber)
		}
		text, err := ca.MakeCRL(crl)
		must(t, err)
		file = filepath.Join(t.TempDir(), file)
		must(t, os.WriteFile(file, text, 0o600))
		return file
	}
	rootList, belowList := list(h.ca, "root.pem", revoked), list(below, "below.pem")
	require := true
	tw := h.twin(func(c *provider.Config) {
		c.TrustedProxies.Addresses = []string{"127.0.0.1"}
		c.ClientCertificates.RequireCRL, c.ClientCertificates.CRLs = &require, []string{rootList, belowList}
	}, nil)
	unlisted := h.twin(func(c *provider.Config) {
		c.TrustedProxies.Addresses = []string{"127.0.0.1"}
		c.ClientCertificates.RequireCRL, c.ClientCertificates.CRLs = &require, []string{rootList}
	}, nil)
	self, err := certs.SelfSigned(rand.Reader, time.Now(), certs.Request{Subject: name})
	must(t, err)
	for _, c := range []struct {
		name  string
		at    *twin
		leaf  *certs.Leaf
		chain []*x509.Certificate
		ok    bool
		ours  bool // nobody can judge it for want of our own revocation list
	}{
		{name: "good", leaf: bank, ok: true},
		{name: "good, root in the chain", leaf: bank, chain: []*x509.Certificate{h.ca.Certificate}, ok: true},
		{name: "intermediate in the chain", leaf: deep, chain: deep.Chain, ok: true},
		{name: "intermediate missing", leaf: deep},
		{name: "intermediate without a list", at: unlisted, leaf: deep, chain: deep.Chain, ours: true},
		{name: "revoked", leaf: revoked},
		{name: "of a foreign authority of the same name", leaf: issue(foreign, certs.Request{}), chain: []*x509.Certificate{foreign.Certificate}},
		{name: "self-signed", leaf: self, chain: []*x509.Certificate{self.Certificate}},
		{name: "serverAuth only", leaf: issue(h.ca, certs.Request{EKU: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})},
		{name: "expired", leaf: issue(h.ca, certs.Request{NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(-time.Minute)})},
		{name: "not valid yet", leaf: issue(h.ca, certs.Request{NotBefore: time.Now().Add(time.Hour)})},
		{name: "another subject", leaf: h.leaf(certs.Request{Subject: pkix.Name{CommonName: "bank", Organization: []string{"Bank"}}})},
	} {
		t.Run(c.name, func(t *testing.T) {
			at := tw
			if c.at != nil {
				at = c.at
			}
			before := at.state(t)
			got := at.post(at.http(nil), at.issuer+"/token", form(append(clientCredentials, "client_id", "bank")...), passing(c.leaf, c.chain...))
			if c.ok {
				if got.Status != http.StatusOK || thumbprintOf(t, got.text("access_token")) != mtls.Thumbprint(c.leaf.Certificate) {
					t.Errorf("%d %s", got.Status, got.Body)
				}
				return
			}
			want := refused(401, "invalid_client", "client authentication failed")
			if c.ours {
				want = refused(503, "temporarily_unavailable", "the client cannot be authenticated now")
				want.headers = map[string]string{"Retry-After": "2"}
			}
			want.check(t, got)
			unchanged(t, before, at.state(t))
			// The same judgement at the mTLS door's own handshake, for who comes without the proxy.
			direct := h.twin(func(config *provider.Config) { config.ClientCertificates = at.config.ClientCertificates }, nil)
			withChain := *c.leaf
			withChain.Chain = c.chain
			want.check(t,
				direct.post(direct.http(&withChain), direct.mtls+"/token", form(append(clientCredentials, "client_id", "bank")...)))
		})
	}
}
