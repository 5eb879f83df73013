package provider_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jws"

	"signet/certs"
	"signet/provider"
	"signet/provider/oauth"
)

// keyRing is a client's keys, one for each algorithm, with the kid of the algorithm's name.
type keyRing struct {
	private map[string]crypto.Signer
	jwks    json.RawMessage
}

func newKeyRing(t testing.TB) keyRing {
	t.Helper()
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	big, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	ring := keyRing{private: map[string]crypto.Signer{"ES256": p256, "RS256": big, "PS256": big, "EdDSA": edwards}}
	set := jwk.NewSet()
	for alg, private := range ring.private {
		public, err := jwk.FromRaw(private.Public())
		must(t, err)
		must(t, public.Set(jwk.KeyIDKey, alg))
		must(t, public.Set(jwk.AlgorithmKey, alg))
		must(t, set.AddKey(public))
	}
	ring.jwks, err = json.Marshal(set)
	must(t, err)
	return ring
}

// sign makes a compact JWS with the key and the protected header as given.
func (k keyRing) sign(t testing.TB, alg string, header, claims map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	must(t, err)
	headers := jws.NewHeaders()
	for name, value := range header {
		must(t, headers.Set(name, value))
	}
	signed, err := jws.Sign(payload, jws.WithKey(jwa.SignatureAlgorithm(alg), k.private[alg], jws.WithProtectedHeaders(headers)))
	must(t, err)
	return string(signed)
}

// claimsFor are those of a good assertion; alter changes some, and nil removes one.
func (h *house) claimsFor(client string, alter map[string]any) map[string]any {
	claims := map[string]any{
		"iss": client, "sub": client, "aud": h.issuer, "jti": rand.Text(), "iat": h.now().Unix(), "exp": h.now().Add(time.Minute).Unix(),
	}
	maps.Copy(claims, alter)
	for name, value := range claims {
		switch value := value.(type) {
		case nil:
			delete(claims, name)
		case time.Duration: // from now
			claims[name] = h.now().Add(value).Unix()
		}
	}
	return claims
}

// TestAssertions holds private_key_jwt against what each profile asks for, at both doors.
func TestAssertions(t *testing.T) {
	h := newHouse(t, nil)
	ring := newKeyRing(t)
	for _, id := range []string{"open", "fapi"} {
		h.register(id, func(c *oauth.Client) {
			c.AuthMethod, c.JWKS, c.Profile = oauth.AuthPrivateKeyJWT, ring.jwks, oauth.ProfileOpenID
			if id == "fapi" {
				c.Profile = oauth.ProfileFAPI2Security
			}
		})
	}
	h.register("es256", func(c *oauth.Client) {
		c.AuthMethod, c.JWKS, c.AuthSigningAlg = oauth.AuthPrivateKeyJWT, ring.jwks, "ES256"
	})
	tw := h.twin(nil, nil)
	client := tw.http(tw.leaf(certs.Request{}))
	send := func(assertion string, more ...string) reply {
		return tw.post(client, tw.mtls+"/token", form(append(proof(assertion), append(more, clientCredentials...)...)...))
	}
	for _, c := range assertionCases(tw.house) {
		for _, client := range []string{"open", "fapi"} {
			t.Run(c.name+"/"+client, func(t *testing.T) {
				alg := c.alg
				if alg == "" {
					alg = "ES256"
				}
				header := map[string]any{"kid": alg}
				maps.Copy(header, c.header)
				maps.DeleteFunc(header, func(_ string, value any) bool { return value == nil })
				claims := tw.claimsFor(client, c.claims)
				assertion := ring.sign(t, alg, header, claims)
				if c.forge != nil {
					assertion = c.forge(ring, claims)
				}
				before := tw.state(t)
				got := send(assertion)
				want := c.open
				if client == "fapi" && c.fapi != "" {
					want = c.fapi
				}
				if want == "" {
					if got.Status != http.StatusOK {
						t.Errorf("refused: %d %s", got.Status, got.Body)
					}
					return
				}
				refused(401, "invalid_client", "%s", want).check(t, got)
				unchanged(t, before, tw.state(t))
			})
		}
	}
	t.Run("jti", func(t *testing.T) {
		claims := map[string]any{"jti": "shared"}
		for _, client := range []string{"open", "fapi"} {
			if r := send(ring.sign(t, "ES256", nil, tw.claimsFor(client, claims))); r.Status != http.StatusOK {
				t.Errorf("%s, first use: %d %s", client, r.Status, r.Body)
			}
		}
		// Another assertion with a used jti is a replay, too, at either door.
		refused(401, "invalid_client", "the client assertion was used before").check(t, send(ring.sign(t, "PS256", nil, tw.claimsFor("open", claims))))
	})
	t.Run("registered algorithm", func(t *testing.T) {
		if r := send(ring.sign(t, "ES256", nil, tw.claimsFor("es256", nil))); r.Status != http.StatusOK {
			t.Errorf("%d %s", r.Status, r.Body)
		}
		refused(401, "invalid_client", "client authentication failed").check(t, send(ring.sign(t, "PS256", nil, tw.claimsFor("es256", nil))))
	})
	t.Run("client_id of somebody else", func(t *testing.T) {
		refused(401, "invalid_client", "the request names two different clients").
			check(t, send(ring.sign(t, "ES256", nil, tw.claimsFor("open", nil)), "client_id", "fapi"))
	})
	t.Run("other endpoints", func(t *testing.T) { tw.assertionsElsewhere(t, ring) })
}

type assertionCase struct {
	name           string
	alg            string
	header, claims map[string]any
	forge          func(k keyRing, claims map[string]any) string
	open, fapi     string // the refusal's description; "" = accepted; fapi "" = as open
}

func assertionCases(h *house) []assertionCase {
	const (
		failed   = "client authentication failed"
		issuer   = "the client_assertion must have the issuer as its aud, as a single string"
		audience = "the client_assertion has another audience"
		parties  = "the client_assertion must have the client_id as iss and sub"
	)
	claim := func(pairs ...any) map[string]any {
		m := map[string]any{}
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i].(string)] = pairs[i+1]
		}
		return m
	}
	return []assertionCase{
		{name: "good"},
		{name: "aud: endpoint", claims: claim("aud", h.issuer+"/token"), fapi: issuer},
		{name: "aud: endpoint at the mTLS door", claims: claim("aud", h.mtls+"/token"), fapi: issuer},
		{name: "aud: array of the issuer", claims: claim("aud", []string{h.issuer}), fapi: issuer},
		{name: "aud: issuer and endpoint", claims: claim("aud", []string{h.issuer, h.issuer + "/token"}), fapi: issuer},
		{name: "aud: somebody else as well", claims: claim("aud", []string{h.issuer, "https://other.example"}), open: audience, fapi: issuer},
		{name: "aud: somebody else", claims: claim("aud", "https://other.example"), open: audience, fapi: issuer},
		{name: "aud: issuer with a slash", claims: claim("aud", h.issuer+"/"), open: audience, fapi: issuer},
		{name: "aud: another endpoint", claims: claim("aud", h.issuer+"/revoke"), open: audience, fapi: issuer},
		{name: "aud: empty array", claims: claim("aud", []string{}), open: audience, fapi: issuer},
		{name: "aud: none", claims: claim("aud", nil), open: audience, fapi: issuer},
		{name: "alg: PS256", alg: "PS256"},
		{name: "alg: EdDSA", alg: "EdDSA"},
		{name: "alg: RS256", alg: "RS256", fapi: failed},
		{name: "alg: none", forge: unsigned, open: failed},
		{name: "alg: HS256 with the public key", forge: confused, open: failed},
		{name: "signature of another key", forge: func(k keyRing, claims map[string]any) string {
			_, payload, _ := strings.Cut(strings.TrimSuffix(unsigned(k, claims), "."), ".")
			return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256","kid":"ES256"}`)) + "." + payload + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 64))
		}, open: failed},
		{name: "kid: unknown", header: claim("kid", "nobody's"), open: failed},
		{name: "kid: of another key", header: claim("kid", "EdDSA"), open: failed},
		{name: "kid: none", header: claim("kid", nil)},
		{name: "typ: JWT", header: claim("typ", "JWT")},
		{name: "typ: client-authentication+jwt", header: claim("typ", "client-authentication+jwt")},
		{name: "typ: an access token", header: claim("typ", "at+jwt"), open: "the client_assertion is of another type"},
		{name: "iss: somebody else", claims: claim("iss", "other"), open: parties},
		{name: "iss: none", claims: claim("iss", nil), open: parties},
		{name: "iat: 5 s ahead", claims: claim("iat", 5*time.Second)},
		{name: "iat: 10 s ahead", claims: claim("iat", 10*time.Second)},
		{name: "iat: 61 s ahead", claims: claim("iat", 61*time.Second, "exp", 2*time.Minute), open: "the client_assertion was issued in the future"},
		{name: "iat: none", claims: claim("iat", nil)},
		{name: "nbf: 5 s ahead", claims: claim("nbf", 5*time.Second)},
		{name: "nbf: 10 s ahead", claims: claim("nbf", 10*time.Second)},
		{name: "nbf: 61 s ahead", claims: claim("nbf", 61*time.Second, "exp", 2*time.Minute), open: "the client_assertion is not valid yet"},
		{name: "exp: 5 s ago, within the skew", claims: claim("exp", -5*time.Second)},
		{name: "exp: 11 s ago", claims: claim("exp", -11*time.Second), open: "the client_assertion has expired"},
		{name: "exp: none", claims: claim("exp", nil), open: "the client_assertion has no exp"},
		{name: "exp: in a day", claims: claim("exp", 24*time.Hour), open: "the client_assertion lives too long"},
		{name: "exp: a string", claims: claim("exp", "tomorrow"), open: "the client_assertion is malformed"},
		{name: "jti: none", claims: claim("jti", nil), open: "the client_assertion needs a jti of 1 to 256 bytes"},
		{name: "jti: empty", claims: claim("jti", ""), open: "the client_assertion needs a jti of 1 to 256 bytes"},
		{name: "jti: too long", claims: claim("jti", strings.Repeat("j", 257)), open: "the client_assertion needs a jti of 1 to 256 bytes"},
		{name: "sub: none", claims: claim("sub", nil), open: "the client_assertion has no sub"},
		{name: "sub: unknown", claims: claim("iss", "ghost", "sub", "ghost"), open: failed},
	}
}

func unsigned(_ keyRing, claims map[string]any) string {
	payload, _ := json.Marshal(claims)
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"none"}`)) + "." + encode(payload) + "."
}

// confused signs with the public key as if it were a shared secret.
func confused(k keyRing, claims map[string]any) string {
	payload, _ := json.Marshal(claims)
	headers := jws.NewHeaders()
	_ = headers.Set("kid", "ES256")
	signed, _ := jws.Sign(payload, jws.WithKey(jwa.HS256, []byte(k.jwks), jws.WithProtectedHeaders(headers)))
	return string(signed)
}

// assertionsElsewhere checks that each endpoint takes its own URL as aud, and that one jti counts everywhere.
func (tw *twin) assertionsElsewhere(t *testing.T, ring keyRing) {
	used := ring.sign(t, "ES256", nil, tw.claimsFor("open", nil))
	for _, path := range []string{"/introspect", "/revoke"} {
		own := ring.sign(t, "ES256", nil, tw.claimsFor("open", map[string]any{"aud": tw.issuer + path}))
		if r := tw.post(tw.http(nil), tw.issuer+path, form(append(proof(own), "token", "x")...)); r.Status != http.StatusOK {
			t.Errorf("%s: %d %s", path, r.Status, r.Body)
		}
		foreign := ring.sign(t, "ES256", nil, tw.claimsFor("open", map[string]any{"aud": tw.issuer + "/token"}))
		refused(401, "invalid_client", "the client_assertion has another audience").
			check(t, tw.post(tw.http(nil), tw.issuer+path, form(append(proof(foreign), "token", "x")...)))
		first := tw.post(tw.http(nil), tw.issuer+path, form(append(proof(used), "token", "x")...))
		if path == "/introspect" && first.Status != http.StatusOK {
			t.Errorf("%d %s", first.Status, first.Body)
		}
		if path == "/revoke" && first.text("error") != "invalid_client" {
			t.Errorf("used at introspection, and again: %d %s", first.Status, first.Body)
		}
	}
}

// TestFAPI2Security is about what FAPI 2.0 asks for beyond the assertion, for a FAPI client in an open house
// and for every client under the floor.
func TestFAPI2Security(t *testing.T) {
	h := newHouse(t, nil)
	h.account("alice")
	ring := newKeyRing(t)
	fapi := func(c *oauth.Client) {
		c.AuthMethod, c.JWKS, c.Profile = oauth.AuthPrivateKeyJWT, ring.jwks, oauth.ProfileFAPI2Security
	}
	h.register("fapi", fapi)
	h.register("plain", func(c *oauth.Client) { fapi(c); c.Profile = "" }) // held to the floor alone
	h.register("bank", func(c *oauth.Client) { c.AuthMethod, c.TLSSubjectDN = oauth.AuthTLS, "CN=bank" })
	h.register("basic", nil)
	h.register("post", func(c *oauth.Client) { c.AuthMethod = oauth.AuthSecretPost })
	h.register("public", func(c *oauth.Client) {
		c.AuthMethod, c.GrantTypes = oauth.AuthNone, []string{oauth.GrantAuthorizationCode, oauth.GrantRefreshToken}
	})
	floor := h.twin(func(c *provider.Config) { c.Profile = oauth.ProfileFAPI2Security }, nil)
	open := h.twin(nil, nil)
	for name, at := range map[string]struct {
		tw     *twin
		client string
	}{"FAPI client": {open, "fapi"}, "FAPI floor": {floor, "plain"}, "both": {floor, "fapi"}} {
		t.Run(name, func(t *testing.T) { at.tw.fapiClient(t, at.client, ring) })
	}
	t.Run("weak clients under the floor", func(t *testing.T) { floor.weakClients(t) })
	t.Run("tls_client_auth under the floor", func(t *testing.T) {
		leaf := h.leaf(certs.Request{Subject: pkix.Name{CommonName: "bank"}})
		r := floor.post(floor.http(leaf), floor.mtls+"/token", form(append(clientCredentials, "client_id", "bank")...))
		if r.Status != http.StatusOK || thumbprintOf(t, r.text("access_token")) == "" {
			t.Errorf("%d %s", r.Status, r.Body)
		}
	})
}

func (tw *twin) fapiClient(t *testing.T, client string, ring keyRing) {
	leaf := tw.leaf(certs.Request{})
	signed := func(alg string, alter map[string]any) []string {
		return proof(ring.sign(t, alg, nil, tw.claimsFor(client, alter)))
	}
	t.Run("RS256", func(t *testing.T) {
		refused(401, "invalid_client", "client authentication failed").
			check(t, tw.post(tw.http(leaf), tw.mtls+"/token", form(append(signed("RS256", nil), clientCredentials...)...)))
	})
	t.Run("endpoint as audience", func(t *testing.T) {
		refused(401, "invalid_client", "the client_assertion must have the issuer as its aud, as a single string").
			check(t, tw.post(tw.http(leaf), tw.mtls+"/token", form(append(signed("ES256", map[string]any{"aud": tw.mtls + "/token"}), clientCredentials...)...)))
	})
	t.Run("unbound", func(t *testing.T) {
		code := tw.storedCode(client, bankingAll)
		f := form(append(signed("ES256", nil), redeem(code)...)...)
		before := tw.state(t)
		want := refused(400, "invalid_request",
			"this client's tokens are sender-constrained: send a DPoP proof (RFC 9449), or use the mTLS token endpoint with a client certificate (RFC 8705)")
		want.check(t, tw.post(tw.http(leaf), tw.issuer+"/token", f))
		want.check(t, tw.post(tw.http(nil), tw.mtls+"/token", f))
		unchanged(t, before, tw.state(t))
		if r := tw.post(tw.http(leaf), tw.mtls+"/token", f); r.Status != http.StatusOK || thumbprintOf(t, r.text("access_token")) == "" {
			t.Errorf("bound, with the same code and assertion: %d %s", r.Status, r.Body)
		}
	})
	t.Run("the refresh token is kept", func(t *testing.T) {
		token := tw.storedRefresh(client, bankingAll)
		for range 3 {
			r := tw.post(tw.http(leaf), tw.mtls+"/token", form(append(signed("ES256", nil), "grant_type", "refresh_token", "refresh_token", token)...))
			if r.Status != http.StatusOK || r.JSON["refresh_token"] != nil || thumbprintOf(t, r.text("access_token")) == "" {
				t.Errorf("%d %s", r.Status, r.Body)
			}
		}
		if r := tw.post(tw.http(nil), tw.issuer+"/revoke", form(append(signed("ES256", nil), "token", token)...)); r.Status != http.StatusOK {
			t.Errorf("revocation: %d %s", r.Status, r.Body)
		}
		refused(400, "invalid_grant", "the refresh token is revoked").
			check(t, tw.post(tw.http(leaf), tw.mtls+"/token", form(append(signed("ES256", nil), "grant_type", "refresh_token", "refresh_token", token)...)))
	})
	t.Run("not pushed", func(t *testing.T) {
		tw.authorizeRefuses(t, client, "invalid_request", "the authorization request must be pushed")
	})
}

func (tw *twin) weakClients(t *testing.T) {
	leaf := tw.leaf(certs.Request{})
	failed := refused(401, "invalid_client", "client authentication failed")
	for _, path := range []string{"/token", "/introspect", "/revoke"} {
		failed.check(t, tw.post(tw.http(leaf), tw.mtls+path, form(append(clientCredentials, "token", "x")...), basic("basic")))
		failed.check(t, tw.post(tw.http(leaf), tw.mtls+path, form("client_id", "post", "client_secret", secretOf("post").Reveal(), "token", "x")))
		failed.check(t, tw.post(tw.http(leaf), tw.mtls+path, form(redeem("x", "client_id", "public", "token", "x")...)))
	}
	for _, client := range []string{"basic", "post", "public"} {
		tw.authorizeRefuses(t, client, "unauthorized_client", "the client's authentication method is not allowed by its profile")
	}
}

// authorizeRefuses sends an authorization request that is good but for the profile.
func (tw *twin) authorizeRefuses(t *testing.T, client, code, description string) {
	t.Helper()
	query := form("response_type", "code", "client_id", client, "redirect_uri", callback, "scope", "openid accounts", "state", "st-1",
		"code_challenge", challengeOf(verifier), "code_challenge_method", "S256")
	r := tw.get(tw.http(nil), tw.issuer+"/authorize?"+query.Encode())
	location, err := url.Parse(r.Header.Get("Location"))
	must(t, err)
	want := form("error", code, "error_description", description, "state", "st-1", "iss", tw.issuer)
	if diff := cmp.Diff(want, location.Query()); diff != "" || !strings.HasPrefix(location.String(), callback+"?") {
		t.Errorf("%d %s: %s", r.Status, location, diff)
	}
}

// TestFAPITokensAreSignedAsFAPIAsks is a house that prefers RS256, with a FAPI client in it: FAPI 2.0
// section 5.4.1 is about what the server signs, too.
func TestFAPITokensAreSignedAsFAPIAsks(t *testing.T) {
	h := newHouse(t, func(c *provider.Config) {
		c.Keys.Algorithms = []string{"RS256", "ES256"}
		for i := range c.Resources {
			c.Resources[i].SigningAlg = "RS256"
		}
	})
	h.account("alice")
	ring := newKeyRing(t)
	h.register("fapi", func(c *oauth.Client) {
		c.AuthMethod, c.JWKS, c.Profile = oauth.AuthPrivateKeyJWT, ring.jwks, oauth.ProfileFAPI2Security
	})
	assertion := proof(ring.sign(t, "ES256", nil, h.claimsFor("fapi", nil)))
	r := h.post(h.http(h.leaf(certs.Request{})), h.mtls+"/token", form(append(assertion, redeem(h.storedCode("fapi", bankingAll))...)...))
	if r.Status != http.StatusOK {
		t.Fatalf("%d %s", r.Status, r.Body)
	}
	for _, name := range []string{"access_token", "id_token"} {
		message, err := jws.ParseString(r.text(name))
		must(t, err)
		alg := message.Signatures()[0].ProtectedHeaders().Algorithm().String()
		if !slices.Contains(oauth.Profiles[oauth.ProfileFAPI2Security].SigningAlgs, alg) {
			t.Errorf("the %s of a FAPI client is signed with %s", name, alg)
		}
	}
}
