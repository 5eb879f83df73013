package provider_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jws"

	"signet/certs"
	"signet/mtls"
	"signet/provider/oauth"
)

// claimsOf decodes a JWT's payload without verifying it.
func claimsOf(t testing.TB, compact string) map[string]any {
	t.Helper()
	parts := strings.Split(compact, ".")
	if len(parts) != 3 {
		t.Fatalf("not a JWT: %q", compact)
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	must(t, err)
	var claims map[string]any
	must(t, json.Unmarshal(raw, &claims))
	return claims
}

// signingKey is a client's key pair with its public JWKS.
type signingKey struct {
	private jwk.Key
	jwks    json.RawMessage
}

func newSigningKey(t testing.TB, kid string) signingKey {
	t.Helper()
	raw, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	return keyOf(t, raw, kid, nil)
}

func keyOf(t testing.TB, raw crypto.Signer, kid string, leaf *certs.Leaf) signingKey {
	t.Helper()
	private, err := jwk.FromRaw(raw)
	must(t, err)
	must(t, private.Set(jwk.KeyIDKey, kid))
	must(t, private.Set(jwk.AlgorithmKey, jwa.ES256))
	public, err := jwk.PublicKeyOf(private)
	must(t, err)
	text, err := json.Marshal(public)
	must(t, err)
	if leaf != nil {
		x5c := base64.StdEncoding.EncodeToString(leaf.Certificate.Raw)
		text = append(text[:len(text)-1], []byte(`,"x5c":["`+x5c+`"]}`)...)
	}
	return signingKey{private, json.RawMessage(`{"keys":[` + string(text) + `]}`)}
}

// assertion signs a client assertion (RFC 7523 section 3); change may alter the claims.
func (h *house) assertion(key signingKey, client string, change func(map[string]any)) string {
	h.t.Helper()
	claims := map[string]any{
		"iss": client, "sub": client, "aud": h.issuer, "jti": rand.Text(), "iat": h.now().Unix(), "exp": h.now().Add(time.Minute).Unix(),
	}
	if change != nil {
		change(claims)
	}
	payload, err := json.Marshal(claims)
	must(h.t, err)
	signed, err := jws.Sign(payload, jws.WithKey(jwa.ES256, key.private))
	must(h.t, err)
	return string(signed)
}

// secretAssertion is assertion with the client's secret (client_secret_jwt).
func (h *house) secretAssertion(client string) string {
	h.t.Helper()
	payload, err := json.Marshal(map[string]any{
		"iss": client, "sub": client, "aud": h.mtls + "/token", "jti": rand.Text(), "exp": h.now().Add(time.Minute).Unix(),
	})
	must(h.t, err)
	signed, err := jws.Sign(payload, jws.WithKey(jwa.HS256, []byte(secretOf(client).Reveal())))
	must(h.t, err)
	return string(signed)
}

const jwtBearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// TestEveryClientAuthenticationMethodAtBothDoors gets a token with each method and checks what it is bound to.
func TestEveryClientAuthenticationMethodAtBothDoors(t *testing.T) {
	h := newHouse(t, nil)
	leaf := h.leaf(certs.Request{Subject: pkix.Name{CommonName: "bank", Organization: []string{"Bank"}}, DNSNames: []string{"client.bank.example"}})
	own, err := certs.SelfSigned(rand.Reader, time.Now(), certs.Request{Subject: pkix.Name{CommonName: "own"}})
	must(t, err)
	key := newSigningKey(t, "k1")
	h.register("basic", nil)
	h.register("post", func(c *oauth.Client) { c.AuthMethod = oauth.AuthSecretPost })
	h.register("secretjwt", func(c *oauth.Client) { c.AuthMethod = oauth.AuthSecretJWT })
	h.register("pkjwt", func(c *oauth.Client) { c.AuthMethod, c.JWKS = oauth.AuthPrivateKeyJWT, key.jwks })
	h.register("tls", func(c *oauth.Client) { c.AuthMethod, c.TLSSubjectDN = oauth.AuthTLS, "CN=bank,O=Bank" })
	h.register("selfsigned", func(c *oauth.Client) {
		c.AuthMethod, c.JWKS = oauth.AuthSelfSignedTLS, keyOf(t, own.Key, "own", own).jwks
	})
	for _, c := range []struct {
		name, door string
		leaf       *certs.Leaf
		form       []string
		edit       []func(*http.Request)
	}{
		{name: "client_secret_basic", door: h.issuer, edit: []func(*http.Request){basic("basic")}},
		{name: "client_secret_basic with a certificate", door: h.mtls, leaf: leaf, edit: []func(*http.Request){basic("basic")}},
		{name: "client_secret_post", door: h.issuer, form: []string{"client_id", "post", "client_secret", secretOf("post").Reveal()}},
		{name: "client_secret_jwt", door: h.issuer, form: []string{"client_assertion_type", jwtBearer, "client_assertion", h.secretAssertion("secretjwt")}},
		{name: "private_key_jwt", door: h.issuer, form: []string{"client_assertion_type", jwtBearer, "client_assertion", h.assertion(key, "pkjwt", nil)}},
		{name: "private_key_jwt with a certificate", door: h.mtls, leaf: own, form: []string{"client_assertion_type", jwtBearer, "client_assertion", h.assertion(key, "pkjwt", nil)}},
		{name: "tls_client_auth", door: h.mtls, leaf: leaf, form: []string{"client_id", "tls"}},
		{name: "self_signed_tls_client_auth", door: h.mtls, leaf: own, form: []string{"client_id", "selfsigned"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := h.post(h.http(c.leaf), c.door+"/token", form(append(c.form, "grant_type", "client_credentials", "scope", "accounts")...), c.edit...)
			if got.Status != http.StatusOK {
				t.Fatalf("%d %s", got.Status, got.Body)
			}
			claims := claimsOf(t, got.text("access_token"))
			cnf, _ := claims["cnf"].(map[string]any)
			if c.leaf == nil && cnf != nil || c.leaf != nil && cnf["x5t#S256"] != mtls.Thumbprint(c.leaf.Certificate) {
				t.Errorf("cnf is %v", cnf)
			}
			if got.text("scope") != "accounts" || got.text("token_type") != "Bearer" || got.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%v %s", got.Header, got.Body)
			}
		})
	}
}
