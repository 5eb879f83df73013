package jose

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

var allAlgs = []string{"ES256", "ES384", "ES512", "EdDSA", "PS256", "RS256"}

func privateKey(t testing.TB, alg string) *PrivateKey {
	t.Helper()
	signer, err := Generate(alg, MinRSABits, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := NewPrivateKey(alg, "k", signer)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestEmbeddedKeysVerifyWhatTheySigned(t *testing.T) {
	for _, alg := range allAlgs {
		t.Run(alg, func(t *testing.T) {
			key := privateKey(t, alg)
			compact, err := key.SignEmbedded("dpop+jwt", []byte(`{"jti":"1"}`))
			if err != nil {
				t.Fatal(err)
			}
			got, err := VerifyEmbedded(compact, allAlgs, "")
			if err != nil {
				t.Fatal(err)
			}
			want, err := Thumbprint(key.Public())
			if err != nil {
				t.Fatal(err)
			}
			if got.Thumbprint != want || got.Typ != "dpop+jwt" || got.Alg != alg || string(got.Payload) != `{"jti":"1"}` {
				t.Errorf("%+v, want the thumbprint %s", got, want)
			}
			if same, ok := got.Key.(interface{ Equal(crypto.PublicKey) bool }); !ok || !same.Equal(key.Public()) {
				t.Error("another key")
			}
			if _, err := VerifyEmbedded(compact, []string{"ES999"}, ""); !errors.Is(err, ErrAlgorithm) {
				t.Errorf("an algorithm that does not count: %v", err)
			}
		})
	}
}

// with signs a token with a header of the test's own making.
func with(t testing.TB, key *PrivateKey, header map[string]any) string {
	t.Helper()
	head, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	input := []byte(base64.RawURLEncoding.EncodeToString(head) + "." + base64.RawURLEncoding.EncodeToString([]byte(`{}`)))
	signature, err := key.SignInput(input)
	if err != nil {
		t.Fatal(err)
	}
	return Compact(input, signature)
}

func jwkOf(t testing.TB, key *PrivateKey) map[string]any {
	t.Helper()
	raw, err := marshalKey(PublicKey{Public: key.Public()})
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]any
	if err := json.Unmarshal(raw, &members); err != nil {
		t.Fatal(err)
	}
	delete(members, "use")
	return members
}

func changed(members map[string]any, name string, value any) map[string]any {
	copied := map[string]any{}
	for n, v := range members {
		copied[n] = v
	}
	if copied[name] = value; value == nil {
		delete(copied, name)
	}
	return copied
}

func TestEmbeddedKeysAreReadStrictly(t *testing.T) {
	key, other := privateKey(t, "ES256"), privateKey(t, "ES256")
	good := jwkOf(t, key)
	for name, c := range map[string]struct {
		header map[string]any
		want   error
	}{
		"as it should be":        {map[string]any{"alg": "ES256", "jwk": good}, nil},
		"for signatures":         {map[string]any{"alg": "ES256", "jwk": changed(good, "use", "sig")}, nil},
		"unknown members":        {map[string]any{"alg": "ES256", "jwk": changed(good, "x-any", 1), "tx": 1}, nil},
		"no key":                 {map[string]any{"alg": "ES256"}, ErrMalformed},
		"key as text":            {map[string]any{"alg": "ES256", "jwk": "key"}, ErrMalformed},
		"private key":            {map[string]any{"alg": "ES256", "jwk": changed(good, "d", "AA")}, ErrMalformed},
		"symmetric key":          {map[string]any{"alg": "HS256", "jwk": map[string]any{"kty": "oct", "k": "AAAA"}}, ErrAlgorithm},
		"symmetric key as ES256": {map[string]any{"alg": "ES256", "jwk": map[string]any{"kty": "oct"}}, ErrMalformed},
		"no algorithm":           {map[string]any{"jwk": good}, ErrMalformed},
		"none":                   {map[string]any{"alg": "none", "jwk": good}, ErrAlgorithm},
		"algorithm of another":   {map[string]any{"alg": "ES384", "jwk": good}, ErrAlgorithm},
		"for encryption":         {map[string]any{"alg": "ES256", "jwk": changed(good, "use", "enc")}, ErrAlgorithm},
		"for another algorithm":  {map[string]any{"alg": "ES256", "jwk": changed(good, "alg", "ES384")}, ErrAlgorithm},
		"off the curve":          {map[string]any{"alg": "ES256", "jwk": changed(good, "x", good["y"])}, ErrMalformed},
		"another curve":          {map[string]any{"alg": "ES256", "jwk": changed(good, "crv", "secp256k1")}, ErrMalformed},
		"somebody else's key":    {map[string]any{"alg": "ES256", "jwk": jwkOf(t, other)}, ErrSignature},
		"critical extension":     {map[string]any{"alg": "ES256", "jwk": good, "crit": []string{"exp"}}, ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := VerifyEmbedded(with(t, key, c.header), append([]string{"none", "HS256"}, allAlgs...), ""); !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}

// A stranger chooses an embedded key, and must not choose what it costs to check: another key than the one that is
// expected is not computed with, and RSA keys are of the common kind.
func TestEmbeddedKeysCostLittle(t *testing.T) {
	key, other := privateKey(t, "ES256"), privateKey(t, "ES256")
	compact, err := key.SignEmbedded("dpop+jwt", []byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	thumbprint := func(of *PrivateKey) string {
		found, err := Thumbprint(of.Public())
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	if _, err := VerifyEmbedded(compact, allAlgs, thumbprint(key)); err != nil {
		t.Errorf("the key that is expected: %v", err)
	}
	forged := compact[:len(compact)-8] + "AAAAAAAA"
	if _, err := VerifyEmbedded(forged, allAlgs, thumbprint(other)); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("another key: %v", err)
	}
	if _, err := VerifyEmbedded(forged, allAlgs, thumbprint(key)); !errors.Is(err, ErrSignature) {
		t.Errorf("a forgery: %v", err)
	}
	rsaKey := privateKey(t, "PS256")
	modulus := func(bits int) string {
		return base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{0xff}, bits/8))
	}
	for name, c := range map[string]struct {
		member, value string
		want          error
	}{
		"4096 bits":               {"n", modulus(4096), ErrSignature},
		"4104 bits":               {"n", modulus(4104), ErrMalformed},
		"8192 bits":               {"n", modulus(8192), ErrMalformed},
		"the exponent 3":          {"e", "Aw", ErrMalformed},
		"an exponent of 31 bits":  {"e", "f____w", ErrMalformed},
		"a larger one, elsewhere": {"e", "AQAD", ErrMalformed},
	} {
		header := map[string]any{"alg": "PS256", "jwk": changed(jwkOf(t, rsaKey), c.member, c.value)}
		if _, err := VerifyEmbedded(with(t, rsaKey, header), allAlgs, ""); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzVerifyEmbedded(f *testing.F) {
	key := privateKey(f, "ES256")
	good, err := key.SignEmbedded("dpop+jwt", []byte(`{"jti":"1"}`))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(with(f, key, map[string]any{"alg": "ES256", "jwk": changed(jwkOf(f, key), "d", "AA")}))
	f.Add(with(f, key, map[string]any{"alg": "none", "jwk": map[string]any{"kty": "OKP", "crv": "Ed25519", "x": "AA"}}))
	f.Add("..")
	f.Fuzz(func(t *testing.T, compact string) {
		got, err := VerifyEmbedded(compact, allAlgs, "")
		if err != nil {
			if got.Thumbprint != "" || got.Payload != nil {
				t.Errorf("a refused token gave %+v", got)
			}
			return
		}
		// What is accepted has one spelling, and its key is public.
		header, _, _ := strings.Cut(compact, ".")
		raw, err := base64.RawURLEncoding.DecodeString(header)
		if err != nil || strings.Contains(string(raw), `"d":`) || len(got.Thumbprint) != 43 {
			t.Errorf("accepted %s with %+v", raw, got)
		}
	})
}
