package provider_test

import (
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwe"

	"signet/provider/oauth"
)

// forged makes a compact JWT by hand, with any header and any signature.
func forged(t *testing.T, header, claims map[string]any, sign func(input string) []byte) string {
	t.Helper()
	var parts []string
	for _, part := range []map[string]any{header, claims} {
		raw, err := json.Marshal(part)
		must(t, err)
		parts = append(parts, base64.RawURLEncoding.EncodeToString(raw))
	}
	input := strings.Join(parts, ".")
	return input + "." + base64.RawURLEncoding.EncodeToString(sign(input))
}

// TestForgedJWTs tries what is known to fool those who read JWTs, at the three doors of the token endpoint: as a client's
// proof, as an assertion, and as a subject token. Each is refused with the door's own code, and nothing is fetched.
func TestForgedJWTs(t *testing.T) {
	service, stranger := newTokenService(t), newKeyRing(t)
	h := newHouseWith(t, service.believed(t), nil)
	h.user("alice")
	h.withGrants("app", nil, oauth.GrantJWTBearer, oauth.GrantTokenExchange)
	h.register("pk", func(c *oauth.Client) { c.AuthMethod, c.JWKS = oauth.AuthPrivateKeyJWT, service.jwks })
	var fetched atomic.Int64
	keys := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fetched.Add(1)
		_, _ = w.Write(stranger.jwks)
	}))
	t.Cleanup(keys.Close)
	public := service.private["RS256"].(*rsa.PrivateKey).Public()
	der, err := x509.MarshalPKIXPublicKey(public)
	must(t, err)
	published := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	var own map[string][]json.RawMessage
	must(t, json.Unmarshal(stranger.jwks, &own))
	bySecret := func(secret []byte) func(string) []byte {
		return func(input string) []byte {
			mac := hmac.New(sha256.New, secret)
			mac.Write([]byte(input))
			return mac.Sum(nil)
		}
	}
	unsigned := func(string) []byte { return nil }
	attacks := map[string]func(claims map[string]any) string{
		"alg none": func(c map[string]any) string {
			return forged(t, map[string]any{"alg": "none", "typ": "JWT"}, c, unsigned)
		},
		"alg NONE": func(c map[string]any) string { return forged(t, map[string]any{"alg": "NONE"}, c, unsigned) },
		"no alg":   func(c map[string]any) string { return forged(t, map[string]any{"kid": "ES256"}, c, unsigned) },
		"public PEM as key": func(c map[string]any) string {
			return forged(t, map[string]any{"alg": "HS256", "kid": "RS256"}, c, bySecret(published))
		},
		"public DER as key": func(c map[string]any) string {
			return forged(t, map[string]any{"alg": "HS256", "kid": "RS256"}, c, bySecret(der))
		},
		"an empty secret": func(c map[string]any) string { return forged(t, map[string]any{"alg": "HS256"}, c, bySecret(nil)) },
		"another's key":   func(c map[string]any) string { return stranger.sign(t, "ES256", map[string]any{"kid": "ES256"}, c) },
		"kid as a path": func(c map[string]any) string {
			return stranger.sign(t, "ES256", map[string]any{"kid": "../../../../dev/null"}, c)
		},
		"kid as SQL": func(c map[string]any) string {
			return stranger.sign(t, "ES256", map[string]any{"kid": "x' OR '1'='1"}, c)
		},
		"jku": func(c map[string]any) string {
			return stranger.sign(t, "ES256", map[string]any{"kid": "ES256", "jku": keys.URL}, c)
		},
		"x5u": func(c map[string]any) string {
			return stranger.sign(t, "ES256", map[string]any{"kid": "ES256", "x5u": keys.URL}, c)
		},
		"jwk": func(c map[string]any) string {
			return forgedLike(t, stranger, map[string]any{"alg": "ES256", "jwk": own["keys"][0]}, c)
		},
		"crit unknown": func(c map[string]any) string {
			return service.sign(t, "ES256", map[string]any{"kid": "ES256", "crit": []string{"exp-later"}, "exp-later": true}, c)
		},
		"crit b64": func(c map[string]any) string {
			return service.sign(t, "ES256", map[string]any{"kid": "ES256", "crit": []string{"b64"}, "b64": true}, c)
		},
		"a signature of nothing": func(c map[string]any) string {
			return forged(t, map[string]any{"alg": "ES256", "kid": "ES256"}, c, func(string) []byte { return make([]byte, 64) })
		},
		"for another audience": func(c map[string]any) string {
			c["aud"] = "https://elsewhere.example"
			return service.sign(t, "ES256", map[string]any{"kid": "ES256"}, c)
		},
		"PBES2 with a million rounds": func(map[string]any) string {
			header := map[string]any{"alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": 100_000_000, "p2s": "c2FsdHNhbHQ"}
			raw, err := json.Marshal(header)
			must(t, err)
			return base64.RawURLEncoding.EncodeToString(raw) + ".AAAA.AAAA.AAAA.AAAA"
		},
		"a bomb": func(map[string]any) string {
			payload := []byte(strings.Repeat("a", 8<<20))
			bomb, err := jwe.Encrypt(payload, jwe.WithKey(jwa.RSA_OAEP_256, public), jwe.WithCompress(jwa.Deflate))
			must(t, err)
			return string(bomb)
		},
	}
	for name, attack := range attacks {
		t.Run(name, func(t *testing.T) {
			proof := attack(h.claimsFor("pk", nil))
			h.denied("invalid_client", append([]string{"client_assertion_type", jwtBearer, "client_assertion", proof}, ownToken...))
			claims := h.claimsFor(sts, map[string]any{"sub": "alice"})
			h.denied("invalid_grant", []string{"grant_type", oauth.GrantJWTBearer, "assertion", attack(maps.Clone(claims))}, basic("app"))
			r := h.ask(exchanging(attack(maps.Clone(claims)), oauth.TokenTypeJWT), basic("app"))
			if r.Status != http.StatusBadRequest || r.text("access_token") != "" {
				t.Errorf("exchanged: %d %s", r.Status, r.Body)
			}
		})
	}
	if n := fetched.Load(); n != 0 {
		t.Errorf("%d keys were fetched from where a header says", n)
	}
	good := h.granted([]string{"grant_type", oauth.GrantJWTBearer, "assertion", service.jwt(t, h, nil)}, basic("app"))
	if claimsOf(t, good.text("access_token"))["sub"] != "sub-alice" {
		t.Error("the rig refuses everything")
	}
}

// forgedLike signs with the ring's ES256 key under a header that no library would write.
func forgedLike(t *testing.T, ring keyRing, header, claims map[string]any) string {
	t.Helper()
	compact := forged(t, header, claims, func(string) []byte { return make([]byte, 64) })
	input := compact[:strings.LastIndex(compact, ".")]
	digest := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, ring.private["ES256"].(*ecdsa.PrivateKey), digest[:])
	must(t, err)
	return input + "." + base64.RawURLEncoding.EncodeToString(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
}

// TestOthersCredentials uses codes, refresh tokens, device codes and tokens of one client as another.
func TestOthersCredentials(t *testing.T) {
	h := newHouseWith(t, everyGrant, nil)
	h.user("alice")
	for _, id := range []string{"app", "other"} {
		h.withGrants(id, nil, oauth.GrantDevice, oauth.GrantTokenExchange)
	}
	f := newFlow("app", "openid accounts offline_access")
	code := h.code(f)
	if r := h.post(h.http(nil), h.issuer+"/token", f.redeem(code), basic("other")); r.text("error") != "invalid_grant" {
		t.Errorf("code: %d %s", r.Status, r.Body)
	}
	got := h.post(h.http(nil), h.issuer+"/token", f.redeem(code), basic("app"))
	if got.Status != http.StatusOK {
		t.Fatalf("the attempt burnt the code: %d %s", got.Status, got.Body)
	}
	if r := h.refresh("other", got.text("refresh_token")); r.text("error") != "invalid_grant" {
		t.Errorf("refresh token: %d %s", r.Status, r.Body)
	}
	if r := h.refresh("app", got.text("refresh_token")); r.Status != http.StatusOK {
		t.Errorf("the attempt ended the refresh token: %d %s", r.Status, r.Body)
	}
	for kind, token := range map[oauth.TokenType]string{
		oauth.TokenTypeAccess: got.text("access_token"), oauth.TokenTypeID: got.text("id_token"), oauth.TokenTypeRefresh: got.text("refresh_token"),
	} {
		h.denied("invalid_request", exchanging(token, kind), basic("other"))
	}
	if r := h.post(h.http(nil), h.issuer+"/revoke", form("token", got.text("access_token")), basic("other")); r.Status == http.StatusOK {
		t.Errorf("revocation: %d", r.Status)
	}
	if about := h.about("other", got.text("access_token")); about["active"] != false || len(about) != 1 {
		t.Errorf("introspection: %v", about)
	}
}
