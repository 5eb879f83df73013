package provider_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"signet/provider"
	"signet/provider/oauth"
)

// light-oauth2 takes the login by Basic-authenticated POST; here the login page is POSTed to.
func TestReference_L1_CodeFromAPostedLogin(t *testing.T) {
	h := newHouseWith(t, "lifetimes: {authorization_code: 10m}\n", nil)
	h.user("alice")
	h.register("app", nil)
	f := newFlow("app", "accounts")
	person := h.browser()
	if answer := person.open(h.issuer + "/authorize?" + f.query); answer != nil || person.page.Status != http.StatusOK {
		t.Fatalf("%v %d", answer, person.page.Status)
	}
	person.submit("login-form", "username", "alice", "password", password)
	code := person.submit("consent-form", approval(t, person.page.Body)...).Get("code")
	h.advance(9 * 60 * 1e9)
	bad := f.redeem(code)
	bad.Set("code_verifier", "")
	if r := h.post(h.http(nil), h.issuer+"/token", f.redeem(code), basic("app")); r.Status != http.StatusOK {
		t.Errorf("within its ten minutes: %d %s", r.Status, r.Body)
	}
	again := newFlow("app", "accounts")
	bad = again.redeem(h.code(again))
	bad.Del("code_verifier")
	if r := h.post(h.http(nil), h.issuer+"/token", bad, basic("app")); r.text("error") != "invalid_grant" && r.text("error") != "invalid_request" {
		t.Errorf("a challenge was stored: %d %s", r.Status, r.Body)
	}
	late := newFlow("app", "accounts")
	code = h.code(late)
	h.advance(10 * 60 * 1e9)
	if r := h.post(h.http(nil), h.issuer+"/token", late.redeem(code), basic("app")); r.text("error") != "invalid_grant" {
		t.Errorf("after its ten minutes: %d %s", r.Status, r.Body)
	}
}

func TestReference_L2_ScopeDefaultsToTheClients(t *testing.T) {
	h := newHouse(t, nil)
	h.register("app", func(c *oauth.Client) { c.Scope = "accounts" })
	if r := h.granted([]string{"grant_type", "client_credentials"}, basic("app")); r.text("scope") != "accounts" {
		t.Error(r.Body)
	}
	h.denied("invalid_scope", []string{"grant_type", "client_credentials", "scope", "accounts payments"}, basic("app"))
}

const declaredUser = `
declared_grants:
  - {type: client_authenticated_user, user_parameter: user_id, user: username, parameters: [user_type, branch], required: [user_type]}
`

func TestReference_L3_DeclaredGrantsOfTrustedClients(t *testing.T) {
	rules := t.TempDir()
	writeRule(t, rules, "declared.rego", `package signet.custom.grant

declared contains "client_authenticated_user"
`)
	writeRule(t, rules, "claims.rego", `package signet.custom.token

access_claims.user_type := input.grant.parameters.user_type if input.grant.type == "client_authenticated_user"
`)
	h := newHouseWith(t, declaredUser+"policy: {directory: "+rules+"}\n", nil)
	h.user("alice")
	grant := func(c *oauth.Client) { c.GrantTypes = append(c.GrantTypes, "client_authenticated_user") }
	h.register("trusted", func(c *oauth.Client) { grant(c); c.TrustedFor = []string{"client_authenticated_user"} })
	other := h.register("other", func(c *oauth.Client) { grant(c); c.TrustedFor = []string{"client_authenticated_user"} })
	other.TrustedFor = nil // taken back
	must(t, h.store.Commit(t.Context(), oauth.StoreClient{Client: *other}))
	asks := []string{"grant_type", "client_authenticated_user", "user_id", "alice", "user_type", "customer", "scope", "accounts", "colour", "red"}
	claims := claimsOf(t, h.granted(asks, basic("trusted")).text("access_token"))
	if claims["sub"] != "sub-alice" || claims["user_type"] != "customer" || claims["colour"] != nil || claims["client_id"] != "trusted" {
		t.Error(claims)
	}
	h.denied("unauthorized_client", asks, basic("other"))
	h.denied("invalid_request", []string{"grant_type", "client_authenticated_user", "user_id", "alice"}, basic("trusted"))
	h.denied("invalid_grant", []string{"grant_type", "client_authenticated_user", "user_id", "nobody", "user_type", "x"}, basic("trusted"))
	silent := newHouseWith(t, declaredUser, nil) // no policy allows it
	silent.user("alice")
	silent.register("trusted", func(c *oauth.Client) { grant(c); c.TrustedFor = []string{"client_authenticated_user"} })
	if r := silent.ask(asks, basic("trusted")); r.Status != http.StatusBadRequest || r.text("access_token") != "" {
		t.Errorf("%d %s", r.Status, r.Body)
	}
}

func TestReference_L4_RefreshIsTheClientsOwn(t *testing.T) {
	h := newHouse(t, nil)
	h.user("alice")
	h.register("app", nil)
	h.register("other", nil)
	first := h.tokensOf("app", "accounts offline_access")
	if r := h.refresh("other", first.text("refresh_token")); r.Status != http.StatusBadRequest || r.text("error") != "invalid_grant" {
		t.Errorf("%d %s", r.Status, r.Body)
	}
	next := h.refresh("app", first.text("refresh_token"))
	if next.Status != http.StatusOK || next.text("refresh_token") == "" || next.text("refresh_token") == first.text("refresh_token") {
		t.Errorf("%d %s", next.Status, next.Body)
	}
}

func lightHouse(t *testing.T) *house {
	rules := t.TempDir()
	writeRule(t, rules, "claims.rego", "package signet.custom.token\n\naccess_claims.user_type := \"customer\" if input.subject.kind == \"user\"\n")
	return newHouseWith(t, "policy: {directory: "+rules+"}\n", func(c *provider.Config) {
		c.Resources[0].TokenLayout = "light"
		c.Resources[0].AccessTokenLifetime = 10 * 60 * 1e9
		c.Lifetimes.AccessToken = 10 * 60 * 1e9
	})
}

func TestReference_L5_ClaimLayout(t *testing.T) {
	h := lightHouse(t)
	h.user("alice")
	h.register("app", nil)
	claims := claimsOf(t, h.tokensOf("app", "accounts payments").text("access_token"))
	for _, name := range []string{"iss", "aud", "exp", "jti", "iat", "nbf", "version", "user_id", "user_type", "client_id", "scope"} {
		if claims[name] == nil {
			t.Errorf("%s is missing: %v", name, claims)
		}
	}
	if diff := cmp.Diff([]any{"accounts", "payments"}, claims["scope"]); diff != "" || claims["user_id"] != "sub-alice" || claims["client_id"] != "app" {
		t.Errorf("%s %v", diff, claims)
	}
	plain := newHouse(t, nil)
	plain.register("app", nil)
	if scope := claimsOf(t, plain.granted(ownToken, basic("app")).text("access_token"))["scope"]; scope != "accounts" {
		t.Errorf("another resource server's layout: %v", scope)
	}
}

func TestReference_L6_BearerForTenMinutes(t *testing.T) {
	h := lightHouse(t)
	h.register("app", nil)
	r := h.granted(ownToken, basic("app"))
	if r.JSON["expires_in"] != 600.0 || r.text("token_type") != "Bearer" || lifetime(t, r.text("access_token")) != 600 {
		t.Error(r.Body)
	}
	if about := h.about("app", r.text("access_token")); about["active"] != true || about["scope"] != "accounts" {
		t.Errorf("its own introspection reads it: %v", about)
	}
}

func TestReference_L7_ByReferenceForExternalClients(t *testing.T) {
	rules := t.TempDir()
	writeRule(t, rules, "claims.rego", "package signet.custom.token\n\naccess_claims.tier := data.clients[input.client.id].tier\n")
	writeRule(t, rules, "data.json", `{"clients": {"external": {"tier": "gold"}}}`)
	h := newHouseWith(t, "policy: {directory: "+rules+"}\n", nil)
	h.register("external", func(c *oauth.Client) { c.AccessTokenFormat = oauth.FormatOpaque })
	h.register("internal", nil)
	h.register("api", func(c *oauth.Client) { c.Introspects = []string{apiJWT} })
	token := h.granted(ownToken, basic("external")).text("access_token")
	if len(token) != 43 {
		t.Fatalf("not by reference: %q", token)
	}
	about := h.about("api", token)
	if about["active"] != true || about["tier"] != "gold" || about["client_id"] != "external" {
		t.Error(about)
	}
	signed := h.post(h.http(nil), h.issuer+"/introspect", form("token", token), basic("api"), func(r *http.Request) {
		r.Header.Set("Accept", "application/token-introspection+jwt")
	})
	if inner, _ := claimsOf(t, signed.Body)["token_introspection"].(map[string]any); inner["tier"] != "gold" {
		t.Errorf("%d %s", signed.Status, signed.Body)
	}
	if claims := claimsOf(t, h.granted(ownToken, basic("internal")).text("access_token")); claims["tier"] != nil {
		t.Error(claims)
	}
}

func TestReference_L8_EveryRequestIsAudited(t *testing.T) {
	h := newHouse(t, nil)
	h.user("alice")
	h.register("app", nil)
	tw := h.twin(nil, nil)
	issued := tw.post(tw.plain, tw.issuer+"/token", form(ownToken...), basic("app"))
	jti, _ := claimsOf(t, issued.text("access_token"))["jti"].(string)
	entries := strings.Join(tw.state(t)["audit"], "\n")
	if jti == "" || !strings.Contains(entries, "token.issued") || !strings.Contains(entries, jti) || !strings.Contains(entries, issued.Header.Get("X-Request-Id")) {
		t.Errorf("%s is not in %s", jti, entries)
	}
	refused := tw.post(tw.plain, tw.issuer+"/token", form("grant_type", "refresh_token", "refresh_token", "nobody's"), basic("app"))
	if log := tw.logged.about(refused.Header.Get("X-Request-Id")); !strings.Contains(log, "invalid_grant") || strings.Contains(log, "nobody's") {
		t.Errorf("the refusal in the log: %q", log)
	}
}
