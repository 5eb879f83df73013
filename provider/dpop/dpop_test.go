package dpop_test

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"signet/provider/dpop"
	"signet/provider/jose"
	"signet/provider/oauth"
)

const (
	endpoint = "https://as.example/token"
	access   = oauth.Secret("the-access-token")
)

var (
	noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	algs = []string{"ES256", "EdDSA"}
)

func newKey(t testing.TB, alg string) *jose.PrivateKey {
	t.Helper()
	signer, err := jose.Generate(alg, jose.MinRSABits, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := jose.NewPrivateKey(alg, "", signer)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func good() map[string]any {
	return map[string]any{
		"htm": "POST", "htu": endpoint, "iat": noon.Unix(), "jti": "j1", "ath": dpop.Hash(access),
	}
}

func signed(t testing.TB, key *jose.PrivateKey, typ string, claims map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	compact, err := key.SignEmbedded(typ, payload)
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

func options() dpop.Options {
	return dpop.Options{Method: "POST", URLs: []string{"https://mtls.as.example/token", endpoint}, Now: noon, Algs: algs}
}

func isRefusal(err error) bool {
	var fault *oauth.Error
	return errors.As(err, &fault) && fault.Code == oauth.InvalidDPoPProof
}

func TestVerify(t *testing.T) {
	key, other := newKey(t, "ES256"), newKey(t, "ES256")
	at := func(d time.Duration) int64 { return noon.Add(d).Unix() }
	for name, c := range map[string]struct {
		claims  map[string]any // that differ; nil = left out
		options func(*dpop.Options)
		typ     string
		refused bool
		expires time.Duration // after noon
	}{
		"good":                      {expires: time.Minute},
		"with its token":            {options: func(o *dpop.Options) { o.AccessToken = access }, expires: time.Minute},
		"with its key":              {options: func(o *dpop.Options) { o.JKT = key.Kid() }, expires: time.Minute},
		"unknown claims":            {claims: map[string]any{"x": []any{1}}, expires: time.Minute},
		"ath without a token":       {claims: map[string]any{"ath": "odd"}, expires: time.Minute},
		"10 s old":                  {claims: map[string]any{"iat": at(-10 * time.Second)}, expires: 50 * time.Second},
		"10 s early":                {claims: map[string]any{"iat": at(10 * time.Second)}, expires: 70 * time.Second},
		"nbf now, exp in 5 minutes": {claims: map[string]any{"nbf": at(0), "exp": at(5 * time.Minute)}, expires: time.Minute},
		"exp soon":                  {claims: map[string]any{"exp": at(time.Second)}, expires: time.Second},
		"longest jti":               {claims: map[string]any{"jti": strings.Repeat("j", 256)}, expires: time.Minute},
		"own limits":                {claims: map[string]any{"iat": at(-time.Hour)}, options: func(o *dpop.Options) { o.MaxAge = 2 * time.Hour }, expires: time.Hour},

		"typ of a JWT":      {typ: "JWT", refused: true},
		"longer typ":        {typ: "dpop+jwt+wrong", refused: true},
		"algorithm":         {options: func(o *dpop.Options) { o.Algs = []string{"EdDSA"} }, refused: true},
		"another key":       {options: func(o *dpop.Options) { o.JKT = other.Kid() }, refused: true},
		"no jti":            {claims: map[string]any{"jti": nil}, refused: true},
		"empty jti":         {claims: map[string]any{"jti": ""}, refused: true},
		"jti as a number":   {claims: map[string]any{"jti": 1}, refused: true},
		"long jti":          {claims: map[string]any{"jti": strings.Repeat("j", 257)}, refused: true},
		"no htm":            {claims: map[string]any{"htm": nil}, refused: true},
		"other htm":         {claims: map[string]any{"htm": "PUT"}, refused: true},
		"htm in small":      {claims: map[string]any{"htm": "post"}, refused: true},
		"htm as a list":     {claims: map[string]any{"htm": []string{"POST"}}, refused: true},
		"no htu":            {claims: map[string]any{"htu": nil}, refused: true},
		"other htu":         {claims: map[string]any{"htu": "https://as.example/par"}, refused: true},
		"no URLs":           {options: func(o *dpop.Options) { o.URLs = nil }, refused: true},
		"no iat":            {claims: map[string]any{"iat": nil}, refused: true},
		"iat as text":       {claims: map[string]any{"iat": "now"}, refused: true},
		"an hour old":       {claims: map[string]any{"iat": at(-time.Hour)}, refused: true},
		"just too old":      {claims: map[string]any{"iat": at(-time.Minute)}, refused: true},
		"an hour early":     {claims: map[string]any{"iat": at(time.Hour)}, refused: true},
		"just too early":    {claims: map[string]any{"iat": at(31 * time.Second)}, refused: true},
		"expired":           {claims: map[string]any{"exp": at(0)}, refused: true},
		"not valid yet":     {claims: map[string]any{"nbf": at(time.Hour)}, refused: true},
		"no ath":            {claims: map[string]any{"ath": nil}, options: func(o *dpop.Options) { o.AccessToken = access }, refused: true},
		"ath of another":    {claims: map[string]any{"ath": dpop.Hash("x")}, options: func(o *dpop.Options) { o.AccessToken = access }, refused: true},
		"nonce as a number": {claims: map[string]any{"nonce": 7}, refused: true},
		"too long":          {claims: map[string]any{"x": strings.Repeat("x", dpop.MaxSize)}, refused: true},
	} {
		t.Run(name, func(t *testing.T) {
			claims, o, typ := good(), options(), dpop.Type
			for claim, value := range c.claims {
				if claims[claim] = value; value == nil {
					delete(claims, claim)
				}
			}
			if c.options != nil {
				c.options(&o)
			}
			if c.typ != "" {
				typ = c.typ
			}
			got, err := dpop.Verify(signed(t, key, typ, claims), o)
			if c.refused {
				if !isRefusal(err) || got != (dpop.Proof{}) {
					t.Errorf("%+v, %v", got, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.JKT != key.Kid() || got.Nonce != "" || !got.Expires.Equal(noon.Add(c.expires)) {
				t.Errorf("%+v, want to expire %v after noon", got, c.expires)
			}
			o.Now = got.Expires
			if _, err := dpop.Verify(signed(t, key, typ, claims), o); !isRefusal(err) {
				t.Errorf("accepted when it has expired and is forgotten: %v", err)
			}
		})
	}
}

func TestWhatIsNoProofIsRefused(t *testing.T) {
	proof := signed(t, newKey(t, "ES256"), dpop.Type, good())
	for name, text := range map[string]string{
		"nothing": "", "not a JWT": "proof", "two": proof + ", " + proof, "cut": proof[:len(proof)-4], "no signature": proof[:strings.LastIndex(proof, ".")+1],
		"another payload": proof[:strings.Index(proof, ".")] + ".e30" + proof[strings.LastIndex(proof, "."):],
	} {
		if _, err := dpop.Verify(text, options()); !isRefusal(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A proof is used once for its key: the same jti under another key is another proof.
func TestIdentity(t *testing.T) {
	id := func(key *jose.PrivateKey, jti string) oauth.Digest {
		claims := good()
		claims["jti"] = jti
		proof, err := dpop.Verify(signed(t, key, dpop.Type, claims), options())
		if err != nil {
			t.Fatal(err)
		}
		return proof.ID
	}
	one, two := newKey(t, "ES256"), newKey(t, "EdDSA")
	first := id(one, "a")
	if again := id(one, "a"); first != again || first == id(one, "b") || first == id(two, "a") {
		t.Error("the id is not that of key and jti")
	}
}

func TestProve(t *testing.T) {
	key := newKey(t, "EdDSA")
	proof, err := dpop.Prove(key, dpop.Claim{Method: "GET", URL: "https://api.example/accounts", Now: noon, JTI: "1", AccessToken: access, Nonce: "n"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := dpop.Verify(proof, dpop.Options{
		Method: "GET", URLs: []string{"https://api.example/accounts"}, Now: noon, Algs: algs, AccessToken: access, JKT: key.Kid(),
	})
	if err != nil || got.Nonce != "n" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestFromHeader(t *testing.T) {
	for name, c := range map[string]struct {
		values  []string
		want    string
		refused bool
	}{
		"none": {}, "one": {[]string{"a.b.c"}, "a.b.c", false}, "two": {[]string{"a", "a"}, "", true}, "empty": {[]string{""}, "", true},
	} {
		h := http.Header{}
		for _, v := range c.values {
			h.Add("DPOP", v)
		}
		if got, err := dpop.FromHeader(h); got != c.want || isRefusal(err) != c.refused {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// FuzzVerify looks for bytes that are accepted, or refused otherwise than as a proof: nobody here can sign.
func FuzzVerify(f *testing.F) {
	key := newKey(f, "ES256")
	f.Add(signed(f, key, dpop.Type, good()))
	odd := maps.Clone(good())
	odd["htu"], odd["iat"] = "https://[::1]:443/%zz", 1e300
	f.Add(signed(f, key, dpop.Type, odd))
	f.Add("e30.e30.")
	accepted := signed(f, key, dpop.Type, good())
	f.Fuzz(func(t *testing.T, proof string) {
		got, err := dpop.Verify(proof, options())
		if (err == nil) != (got.JKT != "") || err != nil && !isRefusal(err) {
			t.Errorf("%+v, %v", got, err)
		}
		if err == nil && strings.Split(proof, ".")[0] == strings.Split(accepted, ".")[0] && got.JKT != key.Kid() {
			t.Errorf("key %s", got.JKT)
		}
	})
}
