package vault_test

import (
	"crypto/rand"
	"crypto/x509/pkix"
	"os"
	"testing"
	"time"

	"signet/certs"
	"signet/provider/keys/vault"
	"signet/provider/keys/vaulttest"
)

// TestCertificate logs in with a TLS client certificate, and with a renewed one when the token has ended.
func TestCertificate(t *testing.T) {
	t.Parallel()
	s := vaulttest.Shared(t)
	mount := s.EnableAuth(t, "cert")
	ca, err := certs.NewCA(rand.Reader, time.Now(), "clients")
	must(t, err)
	_, err = s.Client(t).Logical().Write("auth/"+mount+"/certs/signet", map[string]any{
		"certificate": string(ca.CertPEM), "allowed_common_names": "signet", "token_ttl": "1h",
	})
	must(t, err)
	o := options(s)
	o.Auth = vault.Auth{Method: vault.Cert, Mount: mount, Role: "signet", Certificate: file(t, "cert.pem", ""), Key: file(t, "key.pem", "")}
	issue := func(by *certs.CA, name string) {
		t.Helper()
		leaf, err := by.Issue(certs.Request{Subject: pkix.Name{CommonName: name}})
		must(t, err)
		must(t, os.WriteFile(o.Auth.Certificate, leaf.CertPEM, 0o600))
		must(t, os.WriteFile(o.Auth.Key, leaf.KeyPEM, 0o600))
	}
	issue(ca, "signet")
	c := open(t, o)
	first := lookup(t, c)["accessor"].(string)

	issue(ca, "signet")
	must(t, s.Client(t).Auth().Token().RevokeAccessor(first))
	must(t, c.Probe(t.Context()))

	issue(ca, "someone else")
	if _, err := vault.Open(t.Context(), o); err == nil {
		t.Error("another name of the same CA logs in")
	}
	other, err := certs.NewCA(rand.Reader, time.Now(), "others")
	must(t, err)
	issue(other, "signet")
	if _, err := vault.Open(t.Context(), o); err == nil {
		t.Error("the name of another CA logs in")
	}
}
