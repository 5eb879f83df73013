package jose_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"sync"
	"testing"

	"signet/provider/jose"
)

// rsaKey is made once: it takes long.
var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func generate(t testing.TB, alg string) *jose.PrivateKey {
	t.Helper()
	var signer crypto.Signer = rsaKey()
	if alg[1] != 'S' || alg[0] == 'E' { // not PS, RS
		var err error
		if signer, err = jose.Generate(alg, 0, rand.Reader); err != nil {
			t.Fatal(err)
		}
	}
	key, err := jose.NewPrivateKey(alg, "", signer)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func public(key *jose.PrivateKey) jose.PublicKey {
	return jose.PublicKey{Kid: key.Kid(), Alg: key.Alg(), Public: key.Public()}
}

func marshal(t testing.TB, keys ...jose.PublicKey) []byte {
	t.Helper()
	raw, err := jose.MarshalKeySet(keys)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func keySet(t testing.TB, keys ...jose.PublicKey) *jose.KeySet {
	t.Helper()
	set, err := jose.ParseKeySet(marshal(t, keys...))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func sign(t testing.TB, key *jose.PrivateKey, typ, payload string) string {
	t.Helper()
	token, err := key.Sign(typ, []byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// forge makes a compact JWS of {} with any header, signed by key.
func forge(t testing.TB, key *jose.PrivateKey, header string) string {
	t.Helper()
	b64 := base64.RawURLEncoding
	input := []byte(b64.EncodeToString([]byte(header)) + "." + b64.EncodeToString([]byte(`{}`)))
	signature, err := key.SignInput(input)
	if err != nil {
		t.Fatal(err)
	}
	return jose.Compact(input, signature)
}

func expect(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
}

func TestGenerate(t *testing.T) {
	for _, alg := range []string{"none", "HS256", "ES257", ""} {
		_, err := jose.Generate(alg, 2048, rand.Reader)
		expect(t, err, jose.ErrAlgorithm)
	}
	_, err := jose.Generate("PS256", 1024, rand.Reader)
	expect(t, err, jose.ErrAlgorithm)
	key, err := jose.Generate("PS256", 2048, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if private, ok := key.(*rsa.PrivateKey); !ok || private.N.BitLen() != 2048 {
		t.Errorf("made %T", key)
	}
}

func TestNewPrivateKey(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		alg string
		key crypto.Signer
	}{{"ES384", ec}, {"RS256", ec}, {"ES256", ed}, {"EdDSA", ec}, {"HS256", ec}, {"none", ec}, {"ES256", rsaKey()}} {
		_, err := jose.NewPrivateKey(c.alg, "", c.key)
		expect(t, err, jose.ErrAlgorithm)
	}
	_, err = jose.NewPrivateKey("ES256", "a\"b", ec)
	expect(t, err, jose.ErrMalformed)
	named, err := jose.NewPrivateKey("ES256", "named", ec)
	if err != nil || named.Kid() != "named" {
		t.Errorf("kid %v, %v", named, err)
	}
}

// TestThumbprint is the example of RFC 7638 section 3.1.
func TestThumbprint(t *testing.T) {
	raw := []byte(`{"keys":[{"kty":"RSA","e":"AQAB","alg":"RS256","kid":"2011-04-29","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"}]}`)
	if _, err := jose.ParseKeySet(raw); err != nil {
		t.Fatal(err)
	}
	var document struct{ Keys []struct{ N string } }
	if err := json.Unmarshal(raw, &document); err != nil {
		t.Fatal(err)
	}
	n, err := base64.RawURLEncoding.DecodeString(document.Keys[0].N)
	if err != nil {
		t.Fatal(err)
	}
	key := &rsa.PublicKey{E: 65537}
	key.N = bigInt(n)
	got, err := jose.Thumbprint(key)
	if err != nil || got != "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestHalfHash(t *testing.T) {
	// The example of OpenID Connect Core appendix A.3 and A.4.
	for _, c := range []struct{ alg, text, want string }{
		{"RS256", "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y", "77QmUPtjPfzWtF2AnpK9RQ"},
		{"RS256", "Qcb0Orv1zh30vL1MPRsbm-diHiMwcLyZvn1arpZv-Jxf_11jnpEX3Tgfvk", "LDktKdoQak3Pk0cnXxCltA"},
	} {
		got, err := jose.HalfHash(c.alg, c.text)
		if err != nil || got != c.want {
			t.Errorf("%s: %q, %v; want %q", c.alg, got, err, c.want)
		}
	}
	for alg, size := range map[string]int{"ES256": 16, "PS384": 24, "ES512": 32, "EdDSA": 32} {
		got, err := jose.HalfHash(alg, "token")
		if err != nil || base64.RawURLEncoding.DecodedLen(len(got)) != size {
			t.Errorf("%s: %q, %v; want %d bytes", alg, got, err, size)
		}
	}
	_, err := jose.HalfHash("none", "token")
	expect(t, err, jose.ErrAlgorithm)
}
