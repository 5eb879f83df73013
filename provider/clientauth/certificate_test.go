package clientauth

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"testing"
	"time"

	"signet/certs"
	"signet/mtls"
	"signet/provider/jose"
	"signet/provider/oauth"
)

// The trust anchors of mtls are what judges certificates.
var _ Anchors = (*mtls.Anchors)(nil)

// certificateJWKS publishes certificates in x5c members (RFC 8705 section 2.2.2).
func certificateJWKS(t testing.TB, list ...*x509.Certificate) json.RawMessage {
	t.Helper()
	var set struct {
		Keys []map[string]any `json:"keys"`
	}
	for _, cert := range list {
		raw, err := jose.MarshalKeySet([]jose.PublicKey{{Public: cert.PublicKey}})
		if err != nil {
			t.Fatal(err)
		}
		var one struct {
			Keys []map[string]any `json:"keys"`
		}
		if err := json.Unmarshal(raw, &one); err != nil {
			t.Fatal(err)
		}
		one.Keys[0]["x5c"] = []string{base64.StdEncoding.EncodeToString(cert.Raw)}
		set.Keys = append(set.Keys, one.Keys[0])
	}
	return payload(t, set)
}

func certificateOf(t testing.TB, leaf *certs.Leaf, err error) *mtls.Peer {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return &mtls.Peer{Leaf: leaf.Certificate, Chain: leaf.Chain}
}

func by(id string, peer *mtls.Peer) attempt {
	return attempt{params: url.Values{"client_id": {id}}, peer: peer}
}

func TestTLS(t *testing.T) {
	ca, err := certs.NewCA(rand.Reader, now, "Test CA")
	if err != nil {
		t.Fatal(err)
	}
	below, err := ca.Intermediate("Below")
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := certs.NewCA(rand.Reader, now, "Test CA") // the same name, another key
	if err != nil {
		t.Fatal(err)
	}
	request := certs.Request{Subject: pkix.Name{CommonName: "TPP", Organization: []string{"Example Bank"}}, DNSNames: []string{"tpp.example"},
		URIs: []string{"https://tpp.example/id"}, IPs: []string{"192.0.2.7"}, Emails: []string{"ops@tpp.example"}}
	issue := func(by *certs.CA, change func(*certs.Request)) *mtls.Peer {
		r := request
		if change != nil {
			change(&r)
		}
		leaf, err := by.Issue(r)
		return certificateOf(t, leaf, err)
	}
	good := issue(ca, nil)
	b := newBank(t, func(d *Deps) { d.Anchors = anchors{ca.Pool()} },
		&oauth.Client{ID: "dn", AuthMethod: oauth.AuthTLS, TLSSubjectDN: "cn=tpp, O=Example  Bank"},
		&oauth.Client{ID: "dns", AuthMethod: oauth.AuthTLS, TLSSANDNS: "tpp.example"},
		&oauth.Client{ID: "uri", AuthMethod: oauth.AuthTLS, TLSSANURI: "https://tpp.example/id"},
		&oauth.Client{ID: "ip", AuthMethod: oauth.AuthTLS, TLSSANIP: "192.0.2.7"},
		&oauth.Client{ID: "mail", AuthMethod: oauth.AuthTLS, TLSSANEmail: "ops@tpp.example"},
		&oauth.Client{ID: "unnamed", AuthMethod: oauth.AuthTLS},
		&oauth.Client{ID: "both", AuthMethod: oauth.AuthTLS, TLSSANDNS: "tpp.example", TLSSANIP: "192.0.2.7"},
	)
	for _, id := range []string{"dn", "dns", "uri", "ip", "mail"} {
		for name, peer := range map[string]*mtls.Peer{"direct": good, "through an intermediate": issue(below, nil)} {
			got, err := b.try(by(id, peer))
			if err != nil || got.Certificate != peer.Leaf {
				t.Errorf("%s %s: %v", id, name, err)
			}
		}
	}
	withoutChain := issue(below, nil)
	withoutChain.Chain = nil
	self, err := certs.SelfSigned(rand.Reader, now, request)
	for name, a := range map[string]attempt{
		"foreign issuer":       by("dn", issue(foreign, nil)),
		"self-signed":          by("dn", certificateOf(t, self, err)),
		"chain missing":        by("dn", withoutChain),
		"other subject":        by("dn", issue(ca, func(r *certs.Request) { r.Subject.CommonName = "TPP2" })),
		"other DNS name":       by("dns", issue(ca, func(r *certs.Request) { r.DNSNames = []string{"tpp.example.evil"} })),
		"server certificate":   by("dn", issue(ca, func(r *certs.Request) { r.EKU = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })),
		"expired":              by("dn", issue(ca, func(r *certs.Request) { r.NotAfter = now.Add(-time.Second) })),
		"not yet valid":        by("dn", issue(ca, func(r *certs.Request) { r.NotBefore = now.Add(time.Minute) })),
		"no name registered":   by("unnamed", good),
		"two names registered": by("both", good),
		"no certificate":       by("dn", nil),
	} {
		t.Run(name, func(t *testing.T) { b.refused(t, a, oauth.InvalidClient) })
	}
}

// A match that is remembered must not outlive the registration or the trust that it was made under.
func TestTLSRemembersNoMoreThanTheName(t *testing.T) {
	ca, err := certs.NewCA(rand.Reader, now, "Test CA")
	if err != nil {
		t.Fatal(err)
	}
	one, err := ca.Issue(certs.Request{Subject: pkix.Name{CommonName: "one"}})
	good := certificateOf(t, one, err)
	two, err := ca.Issue(certs.Request{Subject: pkix.Name{CommonName: "two"}})
	other := certificateOf(t, two, err)
	trust := &anchors{ca.Pool()}
	c := &oauth.Client{ID: "tls", AuthMethod: oauth.AuthTLS, TLSSubjectDN: "CN=one"}
	b := newBank(t, func(d *Deps) { d.Anchors = trust }, c)
	for range 2 {
		if _, err := b.try(by("tls", good)); err != nil {
			t.Fatal(err)
		}
	}
	b.refused(t, by("tls", other), oauth.InvalidClient)
	c.TLSSubjectDN = "CN=two"
	b.refused(t, by("tls", good), oauth.InvalidClient)
	c.TLSSubjectDN = "CN=one"
	trust.pool = x509.NewCertPool()
	b.refused(t, by("tls", good), oauth.InvalidClient)
}

func TestSelfSignedTLS(t *testing.T) {
	self := func(change func(*certs.Request)) *mtls.Peer {
		r := certs.Request{Subject: pkix.Name{CommonName: "own"}}
		if change != nil {
			change(&r)
		}
		leaf, err := certs.SelfSigned(rand.Reader, now, r)
		return certificateOf(t, leaf, err)
	}
	good, second, later := self(nil), self(nil), self(nil)
	old := self(func(r *certs.Request) { r.NotAfter = now.Add(-time.Second) })
	young := self(func(r *certs.Request) { r.NotBefore = now.Add(time.Second) })
	b := newBank(t, nil,
		&oauth.Client{ID: "value", AuthMethod: oauth.AuthSelfSignedTLS, JWKS: certificateJWKS(t, good.Leaf, second.Leaf, old.Leaf, young.Leaf)},
		&oauth.Client{ID: "uri", AuthMethod: oauth.AuthSelfSignedTLS, JWKSURI: "https://tpp.example/jwks"},
		&oauth.Client{ID: "bare", AuthMethod: oauth.AuthSelfSignedTLS, JWKS: jwks(t, map[string]string{"k": "ES256"})},
		&oauth.Client{ID: "keyless", AuthMethod: oauth.AuthSelfSignedTLS})
	b.pages.cached, b.pages.fresh = certificateJWKS(t, good.Leaf), certificateJWKS(t, good.Leaf, later.Leaf)
	for name, a := range map[string]attempt{"first": by("value", good), "second": by("value", second), "by reference": by("uri", good)} {
		if _, err := b.try(a); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if b.pages.refreshed != 0 {
		t.Error("asked again without need")
	}
	if _, err := b.try(by("uri", later)); err != nil || b.pages.refreshed != 1 {
		t.Errorf("a certificate that was added since: %v, asked %d times", err, b.pages.refreshed)
	}
	for name, a := range map[string]attempt{
		"another certificate": by("value", later), "expired": by("value", old), "not yet valid": by("value", young), "by reference": by("uri", second),
		"keys without certificates": by("bare", good), "no keys": by("keyless", good),
	} {
		t.Run(name, func(t *testing.T) { b.refused(t, a, oauth.InvalidClient) })
	}
	b.pages.fresh = nil
	b.refused(t, by("uri", second), oauth.InvalidClient)
	b.pages.cached = nil
	b.refused(t, by("uri", good), oauth.TemporarilyUnavailable)
}
