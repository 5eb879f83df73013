package jose_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"testing"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jws"

	"signet/provider/jose"
)

// benchClaims has the size of an access token's claims.
const benchClaims = `{"iss":"https://localhost:9443","sub":"demo","aud":"https://localhost:9446","client_id":"demo",` +
	`"iat":1767225600,"exp":1767225900,"jti":"q2Y9o0cJmFfWQm0nH1bS1g","scope":"accounts payments",` +
	`"cnf":{"x5t#S256":"bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}}`

func benchKey(b *testing.B) *ecdsa.PrivateKey {
	b.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	return key
}

// BenchmarkSignES256 compares what one token costs: the bare signature, ours, and jws.Sign as documented.
func BenchmarkSignES256(b *testing.B) {
	key := benchKey(b)
	payload := []byte(benchClaims)
	b.Run("bare", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			digest := sha256.Sum256(payload)
			if _, err := ecdsa.SignASN1(rand.Reader, key, digest[:]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("signet", func(b *testing.B) {
		private, err := jose.NewPrivateKey("ES256", "", key)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := private.Sign("at+jwt", payload); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("jws.Sign", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			header := jws.NewHeaders()
			_ = header.Set(jws.KeyIDKey, "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2")
			_ = header.Set(jws.TypeKey, "at+jwt")
			if _, err := jws.Sign(payload, jws.WithKey(jwa.ES256, key, jws.WithProtectedHeaders(header))); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkVerifyES256 does the same for checking an assertion, claims included.
func BenchmarkVerifyES256(b *testing.B) {
	key := benchKey(b)
	payload := []byte(benchClaims)
	private, err := jose.NewPrivateKey("ES256", "", key)
	if err != nil {
		b.Fatal(err)
	}
	token, err := private.Sign("JWT", payload)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("bare", func(b *testing.B) {
		b.ReportAllocs()
		digest := sha256.Sum256(payload)
		signature, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			digest := sha256.Sum256(payload)
			if !ecdsa.VerifyASN1(&key.PublicKey, digest[:], signature) {
				b.Fatal("wrong")
			}
		}
	})
	raw, err := jose.MarshalKeySet([]jose.PublicKey{{Kid: private.Kid(), Alg: "ES256", Public: private.Public()}})
	if err != nil {
		b.Fatal(err)
	}
	set, err := jose.ParseKeySet(raw)
	if err != nil {
		b.Fatal(err)
	}
	algs := []string{"ES256", "PS256", "EdDSA"}
	b.Run("signet", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := jose.Verify(token, set, algs); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("signet+claims", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			verified, err := jose.Verify(token, set, algs)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := jose.ParseClaims(verified.Payload); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("jws.Verify", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := jws.Verify([]byte(token), jws.WithKey(jwa.ES256, &key.PublicKey)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
