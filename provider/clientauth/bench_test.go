package clientauth

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"testing"
	"time"

	"signet/certs"
	"signet/provider/jose"
	"signet/provider/oauth"
)

func bench(b *testing.B, bank *bank, a attempt) {
	b.Helper()
	r := a.request()
	params := oauth.NewParams(a.params)
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := bank.Authenticate(ctx, r, params, endpoints); err != nil {
			b.Fatal(err)
		}
		bank.table.reads = bank.table.reads[:0]
	}
}

func BenchmarkSecretBasic(b *testing.B) {
	bank := newBank(b, nil, &oauth.Client{ID: "basic", AuthMethod: oauth.AuthSecretBasic, SecretHash: hashed(b, strong)})
	bench(b, bank, attempt{basic: basic("basic", strong)})
}

func BenchmarkSecretBasicChosen(b *testing.B) {
	bank := newBank(b, nil, &oauth.Client{ID: "basic", AuthMethod: oauth.AuthSecretBasic, SecretHash: hashed(b, weak)})
	bench(b, bank, attempt{basic: basic("basic", weak)})
}

func BenchmarkPrivateKeyJWT(b *testing.B) {
	for _, alg := range []string{"ES256", "PS256", "EdDSA"} {
		b.Run(alg, func(b *testing.B) {
			bank := newBank(b, nil, &oauth.Client{ID: "app", AuthMethod: oauth.AuthPrivateKeyJWT, JWKS: jwks(b, map[string]string{"k": alg})})
			bench(b, bank, asserted(signed(b, alg, "k", "JWT", claims(nil))))
		})
	}
}

// BenchmarkVerifyAlone is the measure beside it: the signature and nothing else.
func BenchmarkVerifyAlone(b *testing.B) {
	for _, alg := range []string{"ES256", "PS256", "EdDSA"} {
		b.Run(alg, func(b *testing.B) {
			set, err := jose.ParseKeySet(jwks(b, map[string]string{"k": alg}))
			if err != nil {
				b.Fatal(err)
			}
			token, algs := signed(b, alg, "k", "JWT", claims(nil)), []string{alg}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := jose.Verify(token, set, algs); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkTLS(b *testing.B) {
	ca, err := certs.NewCA(rand.Reader, now, "Test CA")
	if err != nil {
		b.Fatal(err)
	}
	leaf, err := ca.Issue(certs.Request{Subject: pkix.Name{CommonName: "tls", Organization: []string{"Bank"}, Country: []string{"DE"}}})
	peer := certificateOf(b, leaf, err)
	bank := newBank(b, func(d *Deps) { d.Anchors = trusting{} },
		&oauth.Client{ID: "tls", AuthMethod: oauth.AuthTLS, TLSSubjectDN: leaf.Certificate.Subject.String()})
	bench(b, bank, by("tls", peer))
}

// trusting leaves the chain out of the figure; mtls remembers verified chains and has its own benchmark.
type trusting struct{}

func (trusting) Verify(*x509.Certificate, []*x509.Certificate, time.Time) error { return nil }
