package provider_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"signet/certs"
	"signet/mtls"
	"signet/provider/oauth"
)

func TestReference_W1_CodeForTokens(t *testing.T) {
	h := newHouse(t, nil)
	h.user("alice")
	h.register("app", nil)
	r := h.tokensOf("app", "openid accounts offline_access")
	for _, member := range []string{"access_token", "refresh_token", "id_token"} {
		if r.text(member) == "" {
			t.Errorf("%s is missing: %s", member, r.Body)
		}
	}
	if id := claimsOf(t, r.text("id_token")); id["sub"] != "sub-alice" || id["aud"] != "app" {
		t.Error(id)
	}
}

func TestReference_W2_BearerWithExpiry(t *testing.T) {
	h := newHouse(t, nil)
	h.register("app", nil)
	r := h.granted(ownToken, basic("app"))
	if r.text("token_type") != "Bearer" || r.JSON["expires_in"] != float64(lifetime(t, r.text("access_token"))) {
		t.Error(r.Body)
	}
}

func TestReference_W3_NothingIsCached(t *testing.T) {
	h := newHouse(t, nil)
	h.register("app", nil)
	for _, r := range []reply{h.granted(ownToken, basic("app")), h.denied("invalid_client", ownToken)} {
		if r.Header.Get("Cache-Control") != "no-store" || r.Header.Get("Pragma") != "no-cache" {
			t.Errorf("%d %v", r.Status, r.Header)
		}
	}
}

// Behind a proxy, every address is the configured one, whatever the request says of itself.
func TestReference_W4_OutsideAddresses(t *testing.T) {
	h := newHouse(t, nil)
	h.register("app", nil)
	outside := func(r *http.Request) {
		r.Host = "evil.example"
		r.Header.Set("X-Forwarded-Host", "evil.example")
		r.Header.Set("X-Forwarded-Proto", "http")
		r.Header.Set("Forwarded", "host=evil.example;proto=http")
	}
	document := h.get(h.http(nil), h.issuer+"/.well-known/openid-configuration", outside)
	token := h.granted(ownToken, basic("app"), outside)
	if strings.Contains(document.Body, "evil") || document.text("token_endpoint") != h.issuer+"/token" || claimsOf(t, token.text("access_token"))["iss"] != h.issuer {
		t.Errorf("%s %v", document.Body, claimsOf(t, token.text("access_token")))
	}
	aliases, _ := document.JSON["mtls_endpoint_aliases"].(map[string]any)
	if aliases["token_endpoint"] != h.mtls+"/token" {
		t.Error(aliases)
	}
}

// Tokens are digests at rest, clients authenticate by certificate, policy adds claims, and how long a logout is
// delivered is bounded.
func TestReference_W5_AtRestAndBeyond(t *testing.T) {
	rules := t.TempDir()
	writeRule(t, rules, "claims.rego", "package signet.custom.token\n\naccess_claims.branch := \"Frankfurt\"\n")
	h := newHouseWith(t, "logout: {backchannel_retry_for: 1h}\npolicy: {directory: "+rules+"}\n", nil)
	h.user("alice")
	h.register("app", nil)
	h.register("tls", func(c *oauth.Client) { c.AuthMethod, c.TLSSANDNS = oauth.AuthTLS, "bank.example" })
	leaf := h.leaf(certs.Request{DNSNames: []string{"bank.example"}})
	r := h.atMTLS(leaf, append(ownToken, "client_id", "tls"))
	claims := claimsOf(t, r.text("access_token"))
	cnf, _ := claims["cnf"].(map[string]any)
	if r.Status != http.StatusOK || claims["branch"] != "Frankfurt" || cnf["x5t#S256"] != mtls.Thumbprint(leaf.Certificate) {
		t.Errorf("%d %v", r.Status, claims)
	}
	first := h.tokensOf("app", "openid offline_access accounts")
	tw := h.twin(nil, nil)
	for _, secret := range []string{first.text("refresh_token"), first.text("access_token"), secretOf("app").Reveal()} {
		if strings.Contains(fmt.Sprint(tw.state(t)), secret) {
			t.Error("a secret is in the database as it is")
		}
	}
}
