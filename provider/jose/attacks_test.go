package jose_test

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"strings"
	"testing"

	"signet/provider/jose"
)

// TestHeaderTricks: by a header alone nobody becomes somebody else, nor makes the check cheaper or dearer.
func TestHeaderTricks(t *testing.T) {
	key, attacker := generate(t, "ES256"), generate(t, "ES256")
	set := keySet(t, public(key), public(generate(t, "PS256")))
	kid := key.Kid()
	chain := func() string {
		der, err := x509.MarshalPKIXPublicKey(attacker.Public())
		if err != nil {
			t.Fatal(err)
		}
		return base64.StdEncoding.EncodeToString(der)
	}()
	for name, c := range map[string]struct {
		header string
		want   error
	}{
		"x5u":                    {`{"alg":"ES256","x5u":"https://evil.example/cert.pem"}`, jose.ErrSignature},
		"x5u with our kid":       {`{"alg":"ES256","kid":"` + kid + `","x5u":"https://evil.example/cert.pem"}`, jose.ErrSignature},
		"x5c":                    {`{"alg":"ES256","kid":"` + kid + `","x5c":["` + chain + `"]}`, jose.ErrSignature},
		"x5t":                    {`{"alg":"ES256","x5t#S256":"AAAA"}`, jose.ErrSignature},
		"jku with our kid":       {`{"alg":"ES256","kid":"` + kid + `","jku":"https://evil.example/jwks.json"}`, jose.ErrSignature},
		"kid is a path":          {`{"alg":"ES256","kid":"../../../../../../dev/null"}`, jose.ErrUnknownKey},
		"kid is a URL":           {`{"alg":"ES256","kid":"https://evil.example/key"}`, jose.ErrUnknownKey},
		"kid is SQL":             {`{"alg":"ES256","kid":"x' UNION SELECT 'AAAA' -- "}`, jose.ErrUnknownKey},
		"kid is a command":       {`{"alg":"ES256","kid":"|curl evil.example"}`, jose.ErrUnknownKey},
		"kid with a NUL":         {`{"alg":"ES256","kid":"` + kid + `\u0000"}`, jose.ErrUnknownKey},
		"kid with a space":       {`{"alg":"ES256","kid":"` + kid + ` "}`, jose.ErrUnknownKey},
		"kid of another case":    {`{"alg":"ES256","kid":"` + strings.ToUpper(kid) + `"}`, jose.ErrUnknownKey},
		"crit, empty":            {`{"alg":"ES256","kid":"` + kid + `","crit":[]}`, jose.ErrMalformed},
		"crit, a known name":     {`{"alg":"ES256","kid":"` + kid + `","crit":["alg"]}`, jose.ErrMalformed},
		"crit, null":             {`{"alg":"ES256","kid":"` + kid + `","crit":null}`, jose.ErrMalformed},
		"crit, hidden":           {`{"alg":"ES256","kid":"` + kid + `","\u0063rit":["exp"]}`, jose.ErrMalformed},
		"none with a space":      {`{"alg":"none "}`, jose.ErrAlgorithm},
		"NONE":                   {`{"alg":"NONE","kid":"` + kid + `"}`, jose.ErrAlgorithm},
		"alg of another case":    {`{"alg":"es256","kid":"` + kid + `"}`, jose.ErrAlgorithm},
		"Alg for alg":            {`{"Alg":"ES256","kid":"` + kid + `"}`, jose.ErrMalformed},
		"secp256k1":              {`{"alg":"ES256K","kid":"` + kid + `"}`, jose.ErrAlgorithm},
		"an encryption alg":      {`{"alg":"PBES2-HS256+A128KW","kid":"` + kid + `","p2c":2147483647,"p2s":"AAAA"}`, jose.ErrAlgorithm},
		"nested without end":     {`{"alg":"ES256","x":` + strings.Repeat(`{"x":`, 2000) + `1` + strings.Repeat(`}`, 2000) + `}`, jose.ErrMalformed},
		"members without end":    {`{"alg":"ES256"` + members(1000) + `}`, jose.ErrMalformed},
		"text after the header":  {`{"alg":"ES256","kid":"` + kid + `"}{"alg":"none"}`, jose.ErrMalformed},
		"a header in another":    {`[{"alg":"ES256","kid":"` + kid + `"}]`, jose.ErrMalformed},
		"not UTF-8 in the value": {"{\"alg\":\"ES256\",\"kid\":\"\xff\"}", jose.ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := jose.Verify(forge(t, attacker, c.header), set, []string{"ES256", "ES256K", "es256", "none ", "NONE", "PBES2-HS256+A128KW"})
			expect(t, err, c.want)
			if got.Payload != nil {
				t.Error("a payload came out")
			}
		})
	}
}

func members(n int) string {
	var all strings.Builder
	for i := range n {
		all.WriteString(`,"` + strings.Repeat("m", i%7+1) + string(rune('a'+i%26)) + strings.Repeat("x", i/26) + `":1`)
	}
	return all.String()[:min(all.Len(), 9000)] + `,"end":1`
}

// TestPublicKeyAsSecret: in no form is a public key a secret that HS256 could be checked with.
func TestPublicKeyAsSecret(t *testing.T) {
	for _, alg := range []string{"ES256", "PS256", "EdDSA"} {
		key := generate(t, alg)
		der, err := x509.MarshalPKIXPublicKey(key.Public())
		if err != nil {
			t.Fatal(err)
		}
		text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
		for form, secret := range map[string][]byte{
			"DER": der, "PEM": text, "PEM without its end": bytes.TrimSpace(text), "JWKS": marshal(t, public(key)),
		} {
			token, err := jose.SignHMAC("HS256", "JWT", []byte(`{"admin":true}`), secret)
			if err != nil {
				t.Fatal(err)
			}
			got, err := jose.Verify(token, keySet(t, public(key)), []string{"HS256", "HS384", "HS512", alg})
			expect(t, err, jose.ErrAlgorithm)
			if got.Payload != nil {
				t.Errorf("%s as %s: a payload came out", alg, form)
			}
		}
	}
}

// TestNested: what is in a JWE is taken for signed only when it is, however often it was wrapped: one layer is opened, and a
// JWE in a JWE is no JWS.
func TestNested(t *testing.T) {
	key := decryptionKey(t)
	set := keySet(t, jose.PublicKey{Kid: key.Kid(), Alg: key.Alg(), Public: key.Public()})
	wrap := func(content string) string {
		compact, err := set.Encrypt([]byte(content), jose.Encryption{Alg: key.Alg(), Enc: "A256GCM", Type: "JWT", ContentType: "JWT"})
		if err != nil {
			t.Fatal(err)
		}
		return compact
	}
	signer := generate(t, "ES256")
	signed := sign(t, signer, "JWT", `{"a":1}`)
	once := wrap(signed)
	for name, c := range map[string]struct {
		token string
		want  error
	}{
		"a JWS":                {once, nil},
		"a JWE in it":          {wrap(once), jose.ErrMalformed},
		"five deep":            {wrap(wrap(wrap(wrap(once)))), jose.ErrMalformed},
		"nothing signed":       {wrap(`{"a":1}`), jose.ErrMalformed},
		"alg none in it":       {wrap(jose.Unsigned("JWT", []byte(`{"a":1}`))), jose.ErrAlgorithm},
		"a PBES2 bomb in it":   {wrap(b64(`{"alg":"PBES2-HS512+A256KW","enc":"A256GCM","p2c":2147483647,"p2s":"AAAAAAAAAAA"}`) + ".AAAA.AAAA.AAAA.AAAA"), jose.ErrMalformed},
		"a deflate bomb in it": {wrap(b64(`{"alg":"dir","enc":"A256GCM","zip":"DEF"}`) + "..AAAA.AAAA.AAAA"), jose.ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			content, err := decrypt(key, c.token)
			if err != nil {
				t.Fatal(err)
			}
			got, err := jose.Verify(string(content), keySet(t, public(signer)), []string{"ES256"})
			if c.want == nil {
				if err != nil || string(got.Payload) != `{"a":1}` {
					t.Errorf("%s, %v", got.Payload, err)
				}
				return
			}
			expect(t, err, c.want)
		})
	}
}
