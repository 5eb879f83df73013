package jose_test

import (
	"encoding/base64"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"signet/provider/jose"
)

func bigInt(raw []byte) *big.Int { return new(big.Int).SetBytes(raw) }

func b64(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

func TestSignAndVerify(t *testing.T) {
	for _, alg := range []string{"ES256", "ES384", "ES512", "PS256", "PS512", "RS256", "EdDSA"} {
		t.Run(alg, func(t *testing.T) {
			key, other := generate(t, alg), generate(t, "ES256")
			got, err := jose.Verify(sign(t, key, "JWT", `{"a":1}`), keySet(t, public(other), public(key)), []string{"EdDSA", alg})
			if err != nil {
				t.Fatal(err)
			}
			want := jose.Verified{Alg: alg, Kid: key.Kid(), Typ: "JWT", Payload: []byte(`{"a":1}`)}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestExampleES256 is the example of RFC 7515 appendix A.3, made by somebody else.
func TestExampleES256(t *testing.T) {
	set, err := jose.ParseKeySet([]byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	token := "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ." +
		"DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
	if _, err := jose.Verify(token, set, []string{"ES256"}); err != nil {
		t.Error(err)
	}
}

func TestVerifyRefuses(t *testing.T) {
	key, attacker := generate(t, "ES256"), generate(t, "ES256")
	ps := generate(t, "PS256")
	set := keySet(t, public(key), public(ps))
	good := sign(t, key, "JWT", `{}`)
	header, rest, _ := strings.Cut(good, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	kid := key.Kid()
	attackersJWK := strings.TrimSuffix(strings.TrimPrefix(string(marshal(t, public(attacker))), `{"keys":[`), `]}`)
	withHeader := func(header string) string { return forge(t, key, header) }
	last := signature[len(signature)-1:]
	// The last character of 64 bytes in base64url has four unused bits.
	twin := map[string]string{"A": "B", "Q": "R", "g": "h", "w": "x"}[last]

	for name, c := range map[string]struct {
		token string
		want  error
	}{
		"empty":              {"", jose.ErrMalformed},
		"two parts":          {header + "." + payload, jose.ErrMalformed},
		"four parts":         {good + ".x", jose.ErrMalformed},
		"too long":           {good + strings.Repeat("A", jose.MaxTokenSize), jose.ErrMalformed},
		"padding":            {header + "." + payload + "=." + signature, jose.ErrMalformed},
		"line break":         {header + "." + payload + "." + signature + "\n", jose.ErrMalformed},
		"second spelling":    {strings.TrimSuffix(good, last) + twin, jose.ErrMalformed},
		"header no JSON":     {b64("{") + "." + payload + "." + signature, jose.ErrMalformed},
		"header array":       {b64("[]") + "." + payload + "." + signature, jose.ErrMalformed},
		"no alg":             {withHeader(`{"kid":"` + kid + `"}`), jose.ErrMalformed},
		"alg number":         {withHeader(`{"alg":256}`), jose.ErrMalformed},
		"alg null":           {withHeader(`{"alg":null}`), jose.ErrMalformed},
		"alg twice":          {withHeader(`{"alg":"ES256","alg":"ES256"}`), jose.ErrMalformed},
		"alg twice, escaped": {withHeader(`{"alg":"ES256","\u0061lg":"none"}`), jose.ErrMalformed},
		"kid number":         {withHeader(`{"alg":"ES256","kid":1}`), jose.ErrMalformed},
		"crit":               {withHeader(`{"alg":"ES256","kid":"` + kid + `","crit":["exp"],"exp":1}`), jose.ErrMalformed},
		"b64":                {withHeader(`{"alg":"ES256","kid":"` + kid + `","b64":false}`), jose.ErrMalformed},
		"none":               {b64(`{"alg":"none"}`) + "." + payload + ".", jose.ErrAlgorithm},
		"none, capital":      {b64(`{"alg":"None"}`) + "." + payload + ".", jose.ErrAlgorithm},
		"not allowed":        {withHeader(`{"alg":"ES384","kid":"` + kid + `"}`), jose.ErrAlgorithm},
		"another key's alg":  {withHeader(`{"alg":"PS256","kid":"` + kid + `"}`), jose.ErrAlgorithm},
		"alg of the JWK":     {forge(t, ps, `{"alg":"RS256","kid":"`+ps.Kid()+`"}`), jose.ErrAlgorithm},
		"unknown kid":        {withHeader(`{"alg":"ES256","kid":"unknown"}`), jose.ErrUnknownKey},
		"attacker's key":     {forge(t, attacker, `{"alg":"ES256","kid":"`+kid+`"}`), jose.ErrSignature},
		"attacker's jwk":     {forge(t, attacker, `{"alg":"ES256","kid":"`+kid+`","jwk":`+attackersJWK+`}`), jose.ErrSignature},
		"attacker's jku":     {forge(t, attacker, `{"alg":"ES256","kid":"`+attacker.Kid()+`","jku":"https://evil.example/"}`), jose.ErrUnknownKey},
		"attacker, no kid":   {forge(t, attacker, `{"alg":"ES256"}`), jose.ErrSignature},
		"changed payload":    {header + "." + b64(`{"admin":true}`) + "." + signature, jose.ErrSignature},
		"no signature":       {header + "." + payload + ".", jose.ErrSignature},
		"short signature":    {header + "." + payload + "." + b64("short"), jose.ErrSignature},
		"zero signature":     {header + "." + payload + "." + b64(strings.Repeat("\x00", 64)), jose.ErrSignature},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := jose.Verify(c.token, set, []string{"ES256", "PS256", "RS256", "HS256", "none", "None"})
			expect(t, err, c.want)
			if got.Payload != nil {
				t.Error("a payload came out")
			}
		})
	}
	if _, err := jose.Verify(good, nil, []string{"ES256"}); !errors.Is(err, jose.ErrUnknownKey) {
		t.Errorf("without keys: %v", err)
	}
	if _, err := jose.Verify(good, set, nil); !errors.Is(err, jose.ErrAlgorithm) {
		t.Errorf("without algorithms: %v", err)
	}
	if _, err := jose.Verify(withHeader(`{"alg":"ES256","jwk":`+attackersJWK+`,"x5c":[1]}`), set, []string{"ES256"}); err != nil {
		t.Errorf("what the header says of its key is to be ignored: %v", err)
	}
}

// TestWithoutKid: then only one key may fit (OpenID Connect Core section 10.1).
func TestWithoutKid(t *testing.T) {
	one, two, ed := generate(t, "ES256"), generate(t, "ES256"), generate(t, "EdDSA")
	token := forge(t, one, `{"alg":"ES256"}`)
	if _, err := jose.Verify(token, keySet(t, public(ed), public(one)), []string{"ES256"}); err != nil {
		t.Error(err)
	}
	for _, set := range []*jose.KeySet{keySet(t, public(one), public(two)), keySet(t, public(ed))} {
		_, err := jose.Verify(token, set, []string{"ES256"})
		expect(t, err, jose.ErrUnknownKey)
	}
}

func TestHMAC(t *testing.T) {
	secret := []byte(strings.Repeat("k", 64))
	for _, alg := range []string{"HS256", "HS384", "HS512"} {
		token, err := jose.SignHMAC(alg, "JWT", []byte(`{}`), secret)
		if err != nil {
			t.Fatal(err)
		}
		got, err := jose.VerifyHMAC(token, secret, []string{alg})
		if err != nil || got.Alg != alg || got.Typ != "JWT" || string(got.Payload) != "{}" {
			t.Errorf("%+v, %v", got, err)
		}
		_, err = jose.VerifyHMAC(token, []byte(strings.Repeat("x", 64)), []string{alg})
		expect(t, err, jose.ErrSignature)
		_, err = jose.VerifyHMAC(token, secret[:31], []string{alg})
		expect(t, err, jose.ErrAlgorithm)
		_, err = jose.VerifyHMAC(token, secret, []string{"ES256"})
		expect(t, err, jose.ErrAlgorithm)
	}
	_, err := jose.SignHMAC("HS512", "", nil, secret[:63])
	expect(t, err, jose.ErrAlgorithm)
	_, err = jose.SignHMAC("ES256", "", nil, secret)
	expect(t, err, jose.ErrAlgorithm)
}

// TestKeyConfusion: a public key is never taken for a secret, nor a secret's algorithm for a key's.
func TestKeyConfusion(t *testing.T) {
	key := generate(t, "ES256")
	raw := marshal(t, public(key))
	token, err := jose.SignHMAC("HS256", "", []byte(`{}`), raw)
	if err != nil {
		t.Fatal(err)
	}
	_, err = jose.Verify(token, keySet(t, public(key)), []string{"HS256", "ES256"})
	expect(t, err, jose.ErrAlgorithm)
	_, err = jose.VerifyHMAC(sign(t, key, "", `{}`), raw, []string{"HS256", "ES256"})
	expect(t, err, jose.ErrAlgorithm)
}

func FuzzVerify(f *testing.F) {
	key := generate(f, "ES256")
	set := keySet(f, public(key), public(generate(f, "EdDSA")))
	good := sign(f, key, "JWT", `{"a":1}`)
	for _, seed := range []string{
		good, "", "..", "a.b.c", good + "=", b64(`{"alg":"none"}`) + ".e30.", b64(`{"alg":"EdDSA"}`) + ".e30.AA",
		forge(f, key, `{"alg":"ES256","crit":["b64"],"b64":false}`), b64(`{"alg":"ES256","a":[{"b":{}}]}`) + ".e30.AA",
	} {
		f.Add(seed)
	}
	secret := []byte(strings.Repeat("k", 64))
	f.Fuzz(func(t *testing.T, token string) {
		verified, err := jose.Verify(token, set, []string{"ES256", "EdDSA"})
		if err == nil && token != good && !strings.HasPrefix(good, token[:strings.LastIndexByte(token, '.')]) {
			t.Errorf("%q was accepted: %+v", token, verified)
		}
		if err != nil && verified.Payload != nil {
			t.Error("a payload came out")
		}
		if _, err := jose.VerifyHMAC(token, secret, []string{"HS256"}); err == nil {
			t.Errorf("%q was accepted", token)
		}
	})
}
