package jose_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"testing"

	"signet/provider/jose"
)

func TestReadPrivateKey(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ed, err := jose.Generate("EdDSA", 0, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	encode := func(der []byte, err error) []byte {
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	}
	for name, c := range map[string]struct {
		text []byte
		alg  string
		want error
	}{
		"PKCS #8 EC":      {encode(x509.MarshalPKCS8PrivateKey(ec)), "ES256", nil},
		"SEC 1":           {encode(x509.MarshalECPrivateKey(ec)), "ES256", nil},
		"PKCS #1":         {encode(x509.MarshalPKCS1PrivateKey(rsaKey), nil), "PS256", nil},
		"PKCS #8 Ed25519": {encode(x509.MarshalPKCS8PrivateKey(ed)), "EdDSA", nil},
		"another curve":   {encode(x509.MarshalPKCS8PrivateKey(p384)), "", jose.ErrAlgorithm},
		"a public key":    {encode(x509.MarshalPKIXPublicKey(ec.Public())), "", jose.ErrMalformed},
		"no PEM":          {[]byte("key"), "", jose.ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			key, err := jose.ReadPrivateKey(c.text, "k")
			if !errors.Is(err, c.want) {
				t.Fatalf("error %v, want %v", err, c.want)
			}
			if c.want == nil && (key.Alg() != c.alg || key.Kid() != "k") {
				t.Errorf("%s %s", key.Alg(), key.Kid())
			}
		})
	}
}
