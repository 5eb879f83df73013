package jose_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"signet/provider/jose"
)

// member returns the one JWK of a marshalled key, with more members put in.
func member(t testing.TB, key jose.PublicKey, more string) string {
	t.Helper()
	raw := string(marshal(t, key))
	return strings.TrimSuffix(strings.TrimPrefix(raw, `{"keys":[`), `}]}`) + more + `}`
}

func set(members ...string) []byte { return []byte(`{"keys":[` + strings.Join(members, ",") + `]}`) }

// certificate makes a self-signed certificate, in base64 as x5c wants it, and its thumbprint.
func certificate(t testing.TB, key *ecdsa.PrivateKey) (x5c, thumbprint string) {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "demo"},
		NotBefore: time.Unix(1767225600, 0), NotAfter: time.Unix(1798761600, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(der)
	return base64.StdEncoding.EncodeToString(der), base64.RawURLEncoding.EncodeToString(sum[:])
}

func newEC(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestParseKeySet(t *testing.T) {
	es, ps, ed := generate(t, "ES256"), generate(t, "PS256"), generate(t, "EdDSA")
	certified := newEC(t)
	x5c, thumbprint := certificate(t, certified)
	raw := set(
		member(t, public(es), ""), member(t, public(ps), ""), member(t, public(ed), ""),
		member(t, jose.PublicKey{Public: &certified.PublicKey}, `,"x5c":["`+x5c+`"],"x5t#S256":"`+thumbprint+`"`),
		`{"kty":"AKP","alg":"ML-DSA-65","pub":"AA"}`, // kinds that are not supported are left out
		`{"kty":"OKP","crv":"X25519","x":"3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08"}`,
		`{"kty":"EC","crv":"secp256k1","x":"AA","y":"AA"}`,
	)
	got, err := jose.ParseKeySet(raw)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []*jose.PrivateKey{es, ps, ed} {
		if !got.Has(key.Kid()) {
			t.Errorf("no %s", key.Alg())
		}
	}
	if got.Has("") || got.Has("unknown") {
		t.Error("a key that is not in the set")
	}
	if none := (*jose.KeySet)(nil); !got.Verifies([]string{"EdDSA"}) || got.Verifies([]string{"ES384"}) || none.Verifies([]string{"ES256"}) {
		t.Error("Verifies is wrong")
	}
	if !got.HasThumbprint(thumbprint) || got.HasThumbprint("") {
		t.Error("certificates")
	}
}

// TestUse: a key verifies only what use, key_ops and alg let it.
func TestUse(t *testing.T) {
	key := generate(t, "ES256")
	bare := jose.PublicKey{Kid: key.Kid(), Public: key.Public()}
	token := sign(t, key, "", `{}`)
	for _, c := range []struct {
		from, to string
		want     error
	}{
		{`"use":"sig"`, `"use":"sig"`, nil},
		{`"use":"sig"`, `"alg":"ES256"`, nil},
		{`"use":"sig"`, `"key_ops":["verify"]`, nil},
		{`"use":"sig"`, `"use":"enc"`, jose.ErrAlgorithm},
		{`"use":"sig"`, `"alg":"ECDH-ES"`, jose.ErrAlgorithm},
		{`"use":"sig"`, `"key_ops":["deriveKey"]`, jose.ErrAlgorithm},
	} {
		keys, err := jose.ParseKeySet(set(strings.Replace(member(t, bare, ""), c.from, c.to, 1)))
		if err != nil {
			t.Fatalf("%s: %v", c.to, err)
		}
		if _, err = jose.Verify(token, keys, []string{"ES256"}); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.to, err, c.want)
		}
		if keys.Verifies([]string{"PS256", "ES256"}) != (c.want == nil) || keys.Verifies([]string{"PS256"}) || keys.Verifies(nil) {
			t.Errorf("%s: Verifies is wrong", c.to)
		}
	}
}

func TestParseKeySetRefuses(t *testing.T) {
	key := generate(t, "ES256")
	good := member(t, public(key), "")
	weak, err := rsa.GenerateKey(rand.Reader, 1024) //nolint:gosec // weak on purpose
	if err != nil {
		t.Fatal(err)
	}
	n := base64.RawURLEncoding.EncodeToString(weak.N.Bytes())
	x5c, thumbprint := certificate(t, newEC(t))
	own := newEC(t)
	ownX5C, _ := certificate(t, own)
	certified := func(more string) string { return member(t, jose.PublicKey{Public: &own.PublicKey}, more) }
	big := base64.RawURLEncoding.EncodeToString(append([]byte{1}, make([]byte, jose.MaxRSABits/8)...))
	strong := base64.RawURLEncoding.EncodeToString(rsaKey().N.Bytes())
	for name, raw := range map[string][]byte{
		"empty":               {},
		"array":               []byte(`[]`),
		"no keys":             []byte(`{}`),
		"keys null":           []byte(`{"keys":null}`),
		"keys object":         []byte(`{"keys":{}}`),
		"keys twice":          []byte(`{"keys":[],"keys":[]}`),
		"none":                set(),
		"only unsupported":    set(`{"kty":"AKP"}`),
		"too long":            []byte(`{"keys":[` + good + `]` + strings.Repeat(" ", jose.MaxKeySetSize) + `}`),
		"too many":            set(strings.Split(strings.Repeat(good+"\n", jose.MaxKeys+1), "\n")[:jose.MaxKeys+1]...),
		"key null":            set(good, `null`),
		"no kty":              set(`{"crv":"P-256"}`),
		"private":             set(member(t, public(key), `,"d":"AAAA"`)),
		"private unsupported": set(good, `{"kty":"AKP","d":"AAAA"}`),
		"symmetric":           set(`{"kty":"oct","k":"AAAA"}`),
		"member twice":        set(member(t, public(key), `,"kty":"EC"`)),
		"same kid":            set(good, good),
		"weak RSA":            set(`{"kty":"RSA","e":"AQAB","n":"` + n + `"}`),
		"huge RSA":            set(`{"kty":"RSA","e":"AQAB","n":"` + big + `"}`),
		"RSA exponent 1":      set(`{"kty":"RSA","e":"AQ","n":"` + strong + `"}`),
		"RSA exponent even":   set(`{"kty":"RSA","e":"Ag","n":"` + strong + `"}`),
		"RSA exponent long":   set(`{"kty":"RSA","e":"AQAAAAAAAAAAAAAB","n":"` + strong + `"}`),
		"RSA without n":       set(`{"kty":"RSA","e":"AQAB"}`),
		"off the curve":       set(`{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5aA"}`),
		"zero point":          set(`{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}`),
		"short Ed25519":       set(`{"kty":"OKP","crv":"Ed25519","x":"AAAA"}`),
		"x5c of another":      set(certified(`,"x5c":["` + x5c + `"]`)),
		"x5c no certificate":  set(certified(`,"x5c":["AAAA"]`)),
		"x5c no base64":       set(certified(`,"x5c":["-_"]`)),
		"x5c numbers":         set(certified(`,"x5c":[1]`)),
		"x5c long":            set(certified(`,"x5c":["` + ownX5C + `"` + strings.Repeat(`,"AAAA"`, 8) + `]`)),
		"x5t of another":      set(certified(`,"x5c":["` + ownX5C + `"],"x5t#S256":"` + thumbprint + `"`)),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := jose.ParseKeySet(raw)
			expect(t, err, jose.ErrMalformed)
			if err != nil && strings.Contains(err.Error(), "AAAA") {
				t.Errorf("the error shows the key: %v", err)
			}
		})
	}
}

func TestMarshalKeySet(t *testing.T) {
	if got := string(marshal(t)); got != `{"keys":[]}` {
		t.Errorf("an empty set is %s", got)
	}
	for _, key := range []any{newEC(t), []byte("secret"), nil, rsaKey()} {
		_, err := jose.MarshalKeySet([]jose.PublicKey{{Public: key}})
		expect(t, err, jose.ErrMalformed)
	}
	key := newEC(t)
	got := string(marshal(t, jose.PublicKey{Kid: "1", Alg: "ES256", Public: &key.PublicKey}))
	for _, want := range []string{`"kid":"1"`, `"alg":"ES256"`, `"use":"sig"`, `"kty":"EC"`, `"crv":"P-256"`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is missing in %s", want, got)
		}
	}
	if strings.Contains(got, `"d"`) {
		t.Error("a private member is published")
	}
}

func FuzzKeySet(f *testing.F) {
	certified := newEC(f)
	x5c, _ := certificate(f, certified)
	f.Add(marshal(f, public(generate(f, "ES256")), public(generate(f, "EdDSA")), public(generate(f, "PS256"))))
	f.Add(set(member(f, jose.PublicKey{Public: &certified.PublicKey}, fmt.Sprintf(`,"x5c":[%q]`, x5c))))
	f.Add([]byte(`{"keys":[{"kty":"oct","k":"AA"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-521","x":"","y":""}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		_, err := jose.ParseKeySet(raw)
		if err != nil && !errors.Is(err, jose.ErrMalformed) {
			t.Errorf("another error: %v", err)
		}
		if err == nil && strings.Contains(string(raw), `"d":`) && strings.Count(string(raw), "{") == 2 {
			t.Errorf("a private key was accepted: %s", raw)
		}
	})
}
