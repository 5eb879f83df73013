package jose_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwe"

	"signet/provider/jose"
)

func newECOn(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// encryptTo encrypts to the newest key of a JWK set.
func encryptTo(t testing.TB, raw []byte, e jose.Encryption) string {
	t.Helper()
	set, err := jose.ParseKeySet(raw)
	if err != nil {
		t.Fatal(err)
	}
	compact, err := set.Encrypt([]byte("hello"), e)
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

// headerOf reads the protected header of a compact token.
func headerOf(t testing.TB, compact string) (header map[string]any) {
	t.Helper()
	head, _, _ := strings.Cut(compact, ".")
	raw, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &header); err != nil {
		t.Fatal(err)
	}
	return header
}

// TestEncrypt: what is written for each kind of key, alg and enc is read with the private key.
func TestEncrypt(t *testing.T) {
	for name, private := range map[string]crypto.Signer{
		"RSA": rsaKey(), "P-256": newEC(t), "P-384": newECOn(t, elliptic.P384()), "P-521": newECOn(t, elliptic.P521()),
	} {
		served := 0
		for _, alg := range jose.EncryptionAlgs() {
			if strings.HasPrefix(alg, "RSA") != (name == "RSA") {
				continue
			}
			served++
			raw := marshal(t, jose.PublicKey{Kid: "k1", Alg: alg, Public: private.Public()})
			for _, enc := range jose.ContentEncryptions() {
				compact := encryptTo(t, raw, jose.Encryption{Alg: alg, Enc: enc, Type: "JWT", ContentType: "JWT"})
				header := headerOf(t, compact)
				delete(header, "epk")
				if diff := cmp.Diff(map[string]any{"alg": alg, "enc": enc, "kid": "k1", "typ": "JWT", "cty": "JWT"}, header); diff != "" {
					t.Errorf("%s %s: %s", alg, enc, diff)
				}
				payload, err := jwe.Decrypt([]byte(compact), jwe.WithKey(jwa.KeyEncryptionAlgorithm(alg), private))
				if err != nil || string(payload) != "hello" || !jose.IsEncrypted(compact) {
					t.Errorf("%s %s %s: %q, %v", name, alg, enc, payload, err)
				}
			}
		}
		if served < 2 {
			t.Errorf("%s: only %d algorithms", name, served)
		}
	}
}

// TestEncryptLeavesOut: an empty kid, typ or cty is no member of the header, and what else is in it is not ours to add.
func TestEncryptLeavesOut(t *testing.T) {
	raw := set(strings.Replace(member(t, jose.PublicKey{Public: rsaKey().Public()}, ""), `"use":"sig"`, `"use":"enc"`, 1))
	compact := encryptTo(t, raw, jose.Encryption{Alg: "RSA-OAEP", Enc: "A128GCM"})
	if diff := cmp.Diff(map[string]any{"alg": "RSA-OAEP", "enc": "A128GCM"}, headerOf(t, compact)); diff != "" {
		t.Error(diff)
	}
	if other := encryptTo(t, raw, jose.Encryption{Alg: "RSA-OAEP", Enc: "A128GCM"}); other == compact {
		t.Error("the same token twice")
	}
}

// jwkWith writes an RSA or EC key with these members in place of use.
func jwkWith(t *testing.T, public crypto.PublicKey, members string) string {
	t.Helper()
	return strings.Replace(member(t, jose.PublicKey{Public: public}, ""), `"use":"sig"`, members, 1)
}

// TestEncryptChooses: by use, key_ops and alg; keys that are made for it first; the last of equals.
func TestEncryptChooses(t *testing.T) {
	rsa, ec := rsaKey().Public(), newEC(t).Public()
	for name, c := range map[string]struct {
		alg  string
		keys []string
		want string // kid; "" = none
	}{
		"for signatures":          {"RSA-OAEP-256", []string{jwkWith(t, rsa, `"kid":"a","use":"sig"`)}, ""},
		"for encryption":          {"RSA-OAEP-256", []string{jwkWith(t, rsa, `"kid":"a","use":"enc"`)}, "a"},
		"does not say":            {"RSA-OAEP-256", []string{jwkWith(t, rsa, `"kid":"a"`)}, "a"},
		"another use":             {"RSA-OAEP-256", []string{jwkWith(t, rsa, `"kid":"a","use":"other"`)}, ""},
		"a signature's alg":       {"RSA-OAEP-256", []string{jwkWith(t, rsa, `"kid":"a","alg":"PS256"`)}, ""},
		"its alg":                 {"RSA-OAEP", []string{jwkWith(t, rsa, `"kid":"a","alg":"RSA-OAEP"`)}, "a"},
		"its alg is another":      {"RSA-OAEP-256", []string{jwkWith(t, rsa, `"kid":"a","alg":"RSA-OAEP"`)}, ""},
		"its alg is not served":   {"RSA-OAEP-256", []string{jwkWith(t, rsa, `"kid":"a","use":"enc","alg":"RSA1_5"`)}, ""},
		"verifies":                {"RSA-OAEP-256", []string{jwkWith(t, rsa, `"kid":"a","key_ops":["verify"]`)}, ""},
		"wraps":                   {"RSA-OAEP-256", []string{jwkWith(t, rsa, `"kid":"a","key_ops":["wrapKey"]`)}, "a"},
		"derives":                 {"ECDH-ES", []string{jwkWith(t, ec, `"kid":"a","key_ops":["deriveKey"]`)}, "a"},
		"EC verifies":             {"ECDH-ES", []string{jwkWith(t, ec, `"kid":"a","key_ops":["verify"]`)}, ""},
		"EC for signatures":       {"ECDH-ES", []string{jwkWith(t, ec, `"kid":"a","use":"sig"`)}, ""},
		"another kind of key":     {"ECDH-ES", []string{jwkWith(t, rsa, `"kid":"a","use":"enc"`)}, ""},
		"the last":                {"RSA-OAEP-256", []string{jwkWith(t, rsa, `"kid":"a","use":"enc"`), jwkWith(t, rsa, `"kid":"b","use":"enc"`)}, "b"},
		"made for it goes first":  {"RSA-OAEP-256", []string{jwkWith(t, rsa, `"kid":"a","use":"enc"`), jwkWith(t, rsa, `"kid":"b"`)}, "a"},
		"made for it, the second": {"RSA-OAEP-256", []string{jwkWith(t, rsa, `"kid":"a"`), jwkWith(t, rsa, `"kid":"b","use":"enc"`), jwkWith(t, rsa, `"kid":"c","use":"sig"`)}, "b"},
		"among signing keys":      {"ECDH-ES+A128KW", []string{jwkWith(t, ec, `"kid":"a","use":"sig"`), jwkWith(t, ec, `"kid":"b","use":"enc"`), jwkWith(t, rsa, `"kid":"c"`)}, "b"},
	} {
		keys, err := jose.ParseKeySet(set(c.keys...))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if keys.Encrypts(c.alg) != (c.want != "") {
			t.Errorf("%s: Encrypts is wrong", name)
		}
		compact, err := keys.Encrypt([]byte("hello"), jose.Encryption{Alg: c.alg, Enc: "A256GCM"})
		if c.want == "" {
			expect(t, err, jose.ErrUnknownKey)
			continue
		}
		if err != nil || headerOf(t, compact)["kid"] != c.want {
			t.Errorf("%s: %v, %v", name, compact, err)
		}
	}
}

// TestEncryptionKeysNeverVerify: a key that is for encryption stays in its set, and checks no signature.
func TestEncryptionKeysNeverVerify(t *testing.T) {
	key := generate(t, "PS256")
	token := sign(t, key, "", `{}`)
	for _, alg := range []string{"RSA-OAEP-256", "RSA-OAEP"} {
		set := keySet(t, jose.PublicKey{Kid: key.Kid(), Alg: alg, Public: key.Public()})
		if !set.Has(key.Kid()) || set.Verifies([]string{"PS256", "RS256"}) || !set.Encrypts(alg) {
			t.Errorf("%s: what the set can do is wrong", alg)
		}
		_, err := jose.Verify(token, set, []string{"PS256", alg})
		expect(t, err, jose.ErrAlgorithm)
	}
	ec := newEC(t)
	set := keySet(t, public(key), jose.PublicKey{Kid: key.Kid(), Alg: "ECDH-ES", Public: ec.Public()})
	if _, err := jose.Verify(token, set, []string{"PS256"}); err != nil {
		t.Errorf("beside an encryption key of the same kid: %v", err)
	}
}

func TestEncryptRefuses(t *testing.T) {
	set := keySet(t, jose.PublicKey{Kid: "k", Alg: "RSA-OAEP-256", Public: rsaKey().Public()})
	for _, alg := range []string{"", "none", "RSA1_5", "RSA-OAEP-384", "dir", "A128KW", "A256GCMKW", "PBES2-HS256+A128KW", "ECDH-ES+A192KW", "RS256"} {
		_, err := set.Encrypt(nil, jose.Encryption{Alg: alg, Enc: "A256GCM"})
		expect(t, err, jose.ErrAlgorithm)
	}
	for _, enc := range []string{"", "A192GCM", "A192CBC-HS384", "none"} {
		_, err := set.Encrypt(nil, jose.Encryption{Alg: "RSA-OAEP-256", Enc: enc})
		expect(t, err, jose.ErrAlgorithm)
	}
	none := (*jose.KeySet)(nil)
	_, err := none.Encrypt(nil, jose.Encryption{Alg: "RSA-OAEP-256", Enc: "A256GCM"})
	expect(t, err, jose.ErrUnknownKey)
	if none.Encrypts("RSA-OAEP-256") {
		t.Error("no set encrypts")
	}
}

// TestPublishedUse: what is published of a key is what its algorithm is for.
func TestPublishedUse(t *testing.T) {
	for _, alg := range jose.EncryptionAlgs() {
		key := rsaKey().Public()
		if strings.HasPrefix(alg, "ECDH") {
			key = newEC(t).Public()
		}
		got := string(marshal(t, jose.PublicKey{Kid: "1", Alg: alg, Public: key}))
		if !strings.Contains(got, `"use":"enc"`) || !strings.Contains(got, fmt.Sprintf(`"alg":%q`, alg)) || jose.Use(alg) != jose.UseEncryption {
			t.Errorf("%s: %s", alg, got)
		}
		_, err := jose.MarshalKeySet([]jose.PublicKey{{Alg: alg, Public: generate(t, "EdDSA").Public()}})
		expect(t, err, jose.ErrMalformed)
	}
	for _, alg := range []string{"ES256", "RS256", "none", ""} {
		if jose.Use(alg) != jose.UseSignature || slices.Contains(jose.EncryptionAlgs(), alg) {
			t.Errorf("%q is for encryption", alg)
		}
	}
}
