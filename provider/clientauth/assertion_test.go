package clientauth

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/provider/oauth"
)

func app(t testing.TB) *oauth.Client {
	return &oauth.Client{ID: "app", AuthMethod: oauth.AuthPrivateKeyJWT,
		JWKS: jwks(t, map[string]string{"es": "ES256", "rsa": "PS256", "ed": "EdDSA"})}
}

func TestAssertionAccepted(t *testing.T) {
	fapi, b := oauth.ProfileFAPI2Security, newBank(t, nil, app(t))
	at := func(d time.Duration) any { return now.Add(d).Unix() }
	tests := []struct {
		name, alg, kid, typ string
		profile             oauth.ProfileName
		claims              map[string]any
		until               time.Duration
	}{
		{"ES256", "ES256", "es", "", "", nil, 70 * time.Second},
		{"PS256", "PS256", "rsa", "JWT", "", nil, 70 * time.Second},
		{"EdDSA", "EdDSA", "ed", "client-authentication+jwt", "", nil, 70 * time.Second},
		{"RS256 outside FAPI", "RS256", "rsa", "", "", nil, 70 * time.Second},
		{"issuer under FAPI", "ES256", "es", "", fapi, nil, 70 * time.Second},
		{"endpoint", "ES256", "es", "", "", map[string]any{"aud": endpoint}, 70 * time.Second},
		{"endpoint at the other door", "ES256", "es", "", "", map[string]any{"aud": mtlsDoor}, 70 * time.Second},
		{"array of ours", "ES256", "es", "", "", map[string]any{"aud": []string{endpoint, issuer}}, 70 * time.Second},
		{"no iat", "ES256", "es", "", "", map[string]any{"iat": nil}, 70 * time.Second},
		{"iat 10 s ahead", "ES256", "es", "", fapi, map[string]any{"iat": at(10 * time.Second)}, 70 * time.Second},
		{"nbf 10 s ahead", "ES256", "es", "", fapi, map[string]any{"nbf": at(10 * time.Second)}, 70 * time.Second},
		{"iat 30 s ahead", "ES256", "es", "", "", map[string]any{"iat": at(30 * time.Second)}, 70 * time.Second},
		{"expired within the skew", "ES256", "es", "", "", map[string]any{"exp": at(-9 * time.Second)}, time.Second},
		{"longest life", "ES256", "es", "", "", map[string]any{"exp": at(time.Hour)}, time.Hour + 10*time.Second},
		{"exp with a fraction", "ES256", "es", "", "", map[string]any{"exp": json.Number("1772600827.5")}, 70*time.Second + 500*time.Millisecond},
		{"unknown claims", "ES256", "es", "", "", map[string]any{"x": map[string]any{"y": []int{1}}}, 70 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b.table.clients["app"].Profile = tt.profile
			got, err := b.try(asserted(signed(t, tt.alg, tt.kid, tt.typ, claims(tt.claims))))
			if err != nil {
				t.Fatal(err)
			}
			want := []oauth.Change{oauth.UseAssertion{ClientID: "app", JTI: "j-1", Until: now.Add(tt.until)}}
			if diff := cmp.Diff(want, got.Changes); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAssertionClaimsRefused(t *testing.T) {
	fapi := oauth.ProfileFAPI2Security
	at := func(d time.Duration) any { return now.Add(d).Unix() }
	tests := []struct {
		name    string
		profile oauth.ProfileName
		typ     string
		claims  map[string]any
	}{
		{"no iss", "", "", map[string]any{"iss": nil}},
		{"other iss", "", "", map[string]any{"iss": "https://sts.example"}},
		{"no sub", "", "", map[string]any{"sub": nil}},
		{"iss is a number", "", "", map[string]any{"iss": 1}},
		{"no aud", "", "", map[string]any{"aud": nil}},
		{"empty aud", "", "", map[string]any{"aud": ""}},
		{"no aud in the array", "", "", map[string]any{"aud": []string{}}},
		{"foreign aud", "", "", map[string]any{"aud": "https://other.example"}},
		{"foreign aud beside ours", "", "", map[string]any{"aud": []string{issuer, "https://other.example"}}},
		{"aud is nearly ours", "", "", map[string]any{"aud": issuer + "/"}},
		{"aud is an object", "", "", map[string]any{"aud": map[string]string{"a": issuer}}},
		{"endpoint under FAPI", fapi, "", map[string]any{"aud": endpoint}},
		{"array under FAPI", fapi, "", map[string]any{"aud": []string{issuer}}},
		{"no exp", "", "", map[string]any{"exp": nil}},
		{"exp is text", "", "", map[string]any{"exp": "tomorrow"}},
		{"expired", "", "", map[string]any{"exp": at(-10 * time.Second)}},
		{"long expired", "", "", map[string]any{"exp": at(-time.Hour)}},
		{"lives too long", "", "", map[string]any{"exp": at(time.Hour + time.Second)}},
		{"lives for ever", "", "", map[string]any{"exp": 1e300}},
		{"negative exp", "", "", map[string]any{"exp": -1}},
		{"iat 31 s ahead", "", "", map[string]any{"iat": at(31 * time.Second)}},
		{"iat 61 s ahead", fapi, "", map[string]any{"iat": at(61 * time.Second)}},
		{"nbf 61 s ahead", fapi, "", map[string]any{"nbf": at(61 * time.Second)}},
		{"no jti", "", "", map[string]any{"jti": nil}},
		{"empty jti", "", "", map[string]any{"jti": ""}},
		{"long jti", "", "", map[string]any{"jti": strings.Repeat("j", maxJTI+1)}},
		{"jti is a number", "", "", map[string]any{"jti": 7}},
		{"an authorization request", "", "", map[string]any{"response_type": "code"}},
		{"a part of one", "", "JWT", map[string]any{"redirect_uri": "https://app.example/cb"}},
		{"a reference to one", "", "", map[string]any{"request_uri": "urn:x"}},
		{"a backchannel request", "", "", map[string]any{"login_hint": "anna"}},
		{"a backchannel request by token", "", "", map[string]any{"login_hint_token": "x"}},
		{"a backchannel request by ID token", "", "", map[string]any{"id_token_hint": "x"}},
		{"an access token", "", "at+jwt", nil},
		{"a DPoP proof", "", "dpop+jwt", nil},
	}
	b := newBank(t, nil, app(t))
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b.table.clients["app"].Profile = tt.profile
			b.refused(t, asserted(signed(t, "ES256", "es", tt.typ, claims(tt.claims))), oauth.InvalidClient)
		})
	}
}

func TestAssertionDuplicateClaims(t *testing.T) {
	b := newBank(t, nil, app(t))
	token, err := signer(t, "ES256", "es").Sign("", []byte(`{"sub":"other","sub":"app","iss":"app","aud":"`+issuer+`","jti":"j","exp":1772600827}`))
	if err != nil {
		t.Fatal(err)
	}
	b.refused(t, asserted(token), oauth.InvalidClient)
}

func TestAssertionForged(t *testing.T) {
	c := app(t)
	b := newBank(t, nil, c)
	good := payload(t, claims(nil))
	public := generate()["ES256"].Public()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	asPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	nothing := func(string) []byte { return nil }
	other := func(input string) []byte { // a real signature by a key that is not registered
		token, err := signer(t, "EdDSA", "x").SignInput([]byte(input))
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	es := func(input string) []byte {
		signature, err := signer(t, "ES256", "es").SignInput([]byte(input))
		if err != nil {
			t.Fatal(err)
		}
		return signature
	}
	valid := signed(t, "ES256", "es", "", claims(nil))
	tests := map[string]string{
		"alg none":                     forge(`{"alg":"none"}`, good, nothing),
		"alg None":                     forge(`{"alg":"None","kid":"es"}`, good, nothing),
		"alg none with a signature":    forge(`{"alg":"none","kid":"es"}`, good, es),
		"no alg":                       forge(`{"kid":"es"}`, good, es),
		"no signature":                 forge(`{"alg":"ES256","kid":"es"}`, good, nothing),
		"zero signature":               forge(`{"alg":"ES256","kid":"es"}`, good, func(string) []byte { return make([]byte, 64) }),
		"HS256 with the public PEM":    forge(`{"alg":"HS256","kid":"es"}`, good, hs256(asPEM)),
		"HS256 with the public DER":    forge(`{"alg":"HS256","kid":"es"}`, good, hs256(der)),
		"HS256 with the JWKS":          forge(`{"alg":"HS256"}`, good, hs256(c.JWKS)),
		"HS256 with nothing":           forge(`{"alg":"HS256"}`, good, hs256(nil)),
		"unknown alg":                  forge(`{"alg":"XX999","kid":"es"}`, good, es),
		"alg of another key":           forge(`{"alg":"EdDSA","kid":"es"}`, good, other),
		"unknown kid":                  forge(`{"alg":"ES256","kid":"nobody"}`, good, es),
		"kid of another key":           forge(`{"alg":"ES256","kid":"rsa"}`, good, es),
		"kid is a path":                forge(`{"alg":"ES256","kid":"../../../../dev/null"}`, good, es),
		"kid is SQL":                   forge(`{"alg":"ES256","kid":"' OR 1=1 --"}`, good, es),
		"kid is a number":              forge(`{"alg":"ES256","kid":1}`, good, es),
		"two kids":                     forge(`{"alg":"ES256","kid":"es","kid":"rsa"}`, good, es),
		"own key in jwk":               forge(`{"alg":"EdDSA","jwk":{"kty":"OKP","crv":"Ed25519","x":"AAAA"}}`, good, func(string) []byte { return make([]byte, 64) }),
		"keys from jku":                forge(`{"alg":"EdDSA","kid":"x","jku":"https://evil.example"}`, good, other),
		"crit":                         forge(`{"alg":"ES256","kid":"es","crit":["b64"],"b64":false}`, good, es),
		"truncated":                    valid[:len(valid)-4],
		"two parts":                    valid[:strings.LastIndex(valid, ".")],
		"four parts":                   valid + ".e30",
		"five parts":                   valid + ".e30.e30",
		"empty parts":                  "..",
		"not base64":                   "a.!.c",
		"padding":                      strings.Replace(valid, ".", "=.", 1),
		"line break":                   strings.Replace(valid, ".", ".\n", 1),
		"payload is no JSON":           forge(`{"alg":"ES256","kid":"es"}`, []byte("hello"), es),
		"payload is an array":          forge(`{"alg":"ES256","kid":"es"}`, []byte("[]"), es),
		"payload has NUL":              forge(`{"alg":"ES256","kid":"es"}`, []byte("{\"sub\":\"app\x00\"}"), es),
		"oversized":                    forge(`{"alg":"ES256","kid":"es"}`, payload(t, claims(map[string]any{"x": strings.Repeat("x", 20_000)})), es),
		"another payload":              valid[:strings.Index(valid, ".")+1] + base64.RawURLEncoding.EncodeToString(payload(t, claims(map[string]any{"jti": "j-2"}))) + valid[strings.LastIndex(valid, "."):],
		"sub of a client that is none": forge(`{"alg":"ES256","kid":"es"}`, payload(t, claims(map[string]any{"sub": "app' --"})), es),
	}
	for name, token := range tests {
		t.Run(name, func(t *testing.T) {
			fault := b.refused(t, asserted(token), oauth.InvalidClient)
			if strings.Contains(fault.text, "ey") || strings.Contains(fault.text, "ES256") {
				t.Errorf("input is echoed: %s", fault.text)
			}
		})
	}
}

// Another client's key convinces nobody, even under the same kid.
func TestAssertionByAnotherClient(t *testing.T) {
	b := newBank(t, nil,
		&oauth.Client{ID: "app", AuthMethod: oauth.AuthPrivateKeyJWT, JWKS: jwks(t, map[string]string{"k": "other"})},
		&oauth.Client{ID: "evil", AuthMethod: oauth.AuthPrivateKeyJWT, JWKS: jwks(t, map[string]string{"k": "ES256"})})
	b.refused(t, asserted(signed(t, "ES256", "k", "", claims(nil))), oauth.InvalidClient)
	b.refused(t, asserted(signed(t, "ES256", "k", "", claims(map[string]any{"iss": "evil"}))), oauth.InvalidClient)
	b.refused(t, asserted(signed(t, "ES256", "k", "", claims(map[string]any{"sub": "evil"}))), oauth.InvalidClient)
}

func TestAssertionParameters(t *testing.T) {
	b := newBank(t, nil, app(t))
	token := signed(t, "ES256", "es", "", claims(nil))
	tests := []struct {
		name   string
		params url.Values
		want   oauth.Code
	}{
		{"no type", url.Values{"client_assertion": {token}}, oauth.InvalidRequest},
		{"no assertion", url.Values{"client_id": {"app"}, "client_assertion_type": {oauth.AssertionTypeJWT}}, oauth.InvalidRequest},
		{"SAML", url.Values{"client_assertion": {token}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:saml2-bearer"}}, oauth.InvalidClient},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { b.refused(t, attempt{params: tt.params}, tt.want) })
	}
}

func TestRegisteredSigningAlgorithm(t *testing.T) {
	c := app(t)
	c.AuthSigningAlg = "PS256"
	b := newBank(t, nil, c)
	b.refused(t, asserted(signed(t, "ES256", "es", "", claims(nil))), oauth.InvalidClient)
	if _, err := b.try(asserted(signed(t, "PS256", "rsa", "", claims(nil)))); err != nil {
		t.Error(err)
	}
	c.AuthSigningAlg, c.Profile = "RS256", oauth.ProfileFAPI2Security // not in the profile: nothing will do
	for alg, kid := range map[string]string{"RS256": "rsa", "PS256": "rsa", "ES256": "es"} {
		b.refused(t, asserted(signed(t, alg, kid, "", claims(nil))), oauth.InvalidClient)
	}
}

func TestSecretJWT(t *testing.T) {
	sealed, err := SealSecret(t.Context(), sealer{}, "app", strong)
	if err != nil {
		t.Fatal(err)
	}
	c := &oauth.Client{ID: "app", AuthMethod: oauth.AuthSecretJWT, SecretSealed: sealed}
	b := newBank(t, nil, c)
	good := payload(t, claims(nil))
	if got, err := b.try(asserted(forge(`{"alg":"HS256","typ":"JWT"}`, good, hs256([]byte(strong))))); err != nil || len(got.Changes) != 1 {
		t.Errorf("%v %v", got, err)
	}
	for name, token := range map[string]string{
		"wrong secret":     forge(`{"alg":"HS256"}`, good, hs256([]byte("x"+strong))),
		"none":             forge(`{"alg":"none"}`, good, func(string) []byte { return nil }),
		"ES256":            signed(t, "ES256", "es", "", claims(nil)),
		"HS512 too short":  forge(`{"alg":"HS512"}`, good, hs256([]byte(strong))),
		"expired":          forge(`{"alg":"HS256"}`, payload(t, claims(map[string]any{"exp": 1})), hs256([]byte(strong))),
		"the sealed bytes": forge(`{"alg":"HS256"}`, good, hs256(sealed)),
	} {
		t.Run(name, func(t *testing.T) { b.refused(t, asserted(token), oauth.InvalidClient) })
	}
	c.AuthSigningAlg = "HS384"
	b.refused(t, asserted(forge(`{"alg":"HS256"}`, good, hs256([]byte(strong)))), oauth.InvalidClient)
	c.AuthSigningAlg, c.SecretSealed = "", nil
	b.refused(t, asserted(forge(`{"alg":"HS256"}`, good, hs256(nil))), oauth.InvalidClient)
	c.SecretSealed, _ = SealSecret(t.Context(), sealer{}, "another", strong)
	b.refused(t, asserted(forge(`{"alg":"HS256"}`, good, hs256([]byte(strong)))), oauth.TemporarilyUnavailable)
	if _, err := SealSecret(t.Context(), sealer{}, "app", "short"); err == nil {
		t.Error("a short secret was sealed")
	}
}

func FuzzAssertion(f *testing.F) {
	b := newBank(f, nil, app(f))
	valid := signed(f, "ES256", "es", "JWT", claims(nil))
	for _, seed := range []string{valid, "", "..", "a.b.c", forge(`{"alg":"none"}`, payload(f, claims(nil)), func(string) []byte { return nil }),
		forge(`{"alg":"HS256"}`, []byte("{}"), hs256(nil)), valid + ".", strings.Repeat("a.", 1000)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		r := httptest.NewRequest(http.MethodPost, "/token", nil)
		params := oauth.NewParams(map[string][]string{"client_assertion": {token}, "client_assertion_type": {oauth.AssertionTypeJWT}})
		got, err := b.Authenticate(context.Background(), r, params, endpoints)
		if err == nil {
			if token != valid {
				t.Fatalf("accepted %q", token)
			}
			return
		}
		var fault *oauth.Error
		if !errors.As(err, &fault) || fault.Code == oauth.ServerError || fault.Code == oauth.TemporarilyUnavailable || got.Changes != nil {
			t.Fatalf("%v %v", got, err)
		}
	})
}
