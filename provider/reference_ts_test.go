package provider_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/provider"
	"signet/provider/oauth"
)

func TestReference_T1_PostOnlyAtAnyPath(t *testing.T) {
	h := newHouseWith(t, "endpoints: {token: /oauth2/v1/token, introspection: /oauth2/v1/introspect}\n", nil)
	h.register("basic", nil)
	h.register("post", func(c *oauth.Client) { c.AuthMethod = oauth.AuthSecretPost })
	at := h.metadata()["token_endpoint"]
	if at != h.issuer+"/oauth2/v1/token" || h.metadata()["introspection_endpoint"] != h.issuer+"/oauth2/v1/introspect" {
		t.Fatalf("token_endpoint %v", at)
	}
	plain := h.http(nil)
	for name, r := range map[string]reply{
		"header": h.post(plain, h.issuer+"/oauth2/v1/token", form(ownToken...), basic("basic")),
		"body":   h.post(plain, h.issuer+"/oauth2/v1/token", form(append(ownToken, "client_id", "post", "client_secret", secretOf("post").Reveal())...)),
	} {
		if r.Status != http.StatusOK {
			t.Errorf("%s: %d %s", name, r.Status, r.Body)
		}
	}
	if r := h.get(plain, h.issuer+"/oauth2/v1/token"); r.Status != http.StatusMethodNotAllowed || r.Header.Get("Allow") != "POST" {
		t.Errorf("GET: %d %v", r.Status, r.Header)
	}
	if r := h.post(plain, h.issuer+"/token", form(ownToken...), basic("basic")); r.Status != http.StatusNotFound {
		t.Errorf("the usual path: %d", r.Status)
	}
}

func TestReference_T2_AuthorizationCode(t *testing.T) {
	h := newHouseWith(t, "lifetimes: {authorization_code: 2m}\n", nil)
	h.user("alice")
	h.register("app", func(c *oauth.Client) { c.RedirectURIs = append(c.RedirectURIs, callback+"/2") })
	f := newFlow("app", "accounts")
	code := h.code(f)
	for name, change := range map[string]func(form map[string][]string){
		"another redirect_uri": func(f map[string][]string) { f["redirect_uri"] = []string{callback + "/2"} },
		"another verifier":     func(f map[string][]string) { f["code_verifier"] = []string{strings.Repeat("x", 43)} },
	} {
		f := newFlow("app", "accounts")
		redeem := f.redeem(h.code(f))
		change(redeem)
		if r := h.post(h.http(nil), h.issuer+"/token", redeem, basic("app")); r.Status != http.StatusBadRequest || r.text("error") != "invalid_grant" {
			t.Errorf("%s: %d %s", name, r.Status, r.Body)
		}
	}
	h.advance(time.Minute)
	if r := h.post(h.http(nil), h.issuer+"/token", f.redeem(code), basic("app")); r.Status != http.StatusOK {
		t.Errorf("within its life: %d %s", r.Status, r.Body)
	}
	if r := h.post(h.http(nil), h.issuer+"/token", f.redeem(code), basic("app")); r.text("error") != "invalid_grant" {
		t.Errorf("once more: %d %s", r.Status, r.Body)
	}
	late := newFlow("app", "accounts")
	code = h.code(late)
	h.advance(2 * time.Minute)
	if r := h.post(h.http(nil), h.issuer+"/token", late.redeem(code), basic("app")); r.text("error") != "invalid_grant" {
		t.Errorf("after its life: %d %s", r.Status, r.Body)
	}
}

func TestReference_T3_RefreshOnce(t *testing.T) {
	h := newHouse(t, nil)
	h.user("alice")
	h.register("app", nil)
	first := h.tokensOf("app", "accounts payments")
	next := h.refresh("app", first.text("refresh_token"), "scope", "payments")
	if next.Status != http.StatusOK || next.text("scope") != "payments" {
		t.Fatalf("%d %s", next.Status, next.Body)
	}
	if r := h.refresh("app", first.text("refresh_token")); r.text("error") != "invalid_grant" {
		t.Errorf("used twice: %d %s", r.Status, r.Body)
	}
}

func TestReference_T4_ClientCredentials(t *testing.T) {
	h := newHouse(t, nil)
	h.register("app", nil)
	r := h.granted(ownToken, basic("app"))
	claims := claimsOf(t, r.text("access_token"))
	if claims["sub"] != "app" || claims["client_id"] != "app" || r.text("refresh_token") != "" || r.text("id_token") != "" {
		t.Errorf("%v %s", claims, r.Body)
	}
}

func TestReference_T5_PasswordIsLegacy(t *testing.T) {
	off := newHouse(t, nil)
	off.user("alice")
	off.register("app", nil)
	asks := []string{"grant_type", "password", "username", "alice", "password", password, "scope", "accounts"}
	off.denied("unsupported_grant_type", asks, basic("app"))
	if listed(off.metadata(), "grant_types_supported", "password") {
		t.Error("advertised while it is off")
	}
	h := newHouseWith(t, "password_grant: {enabled: true}\n", nil)
	h.user("alice")
	h.register("app", func(c *oauth.Client) { c.GrantTypes = append(c.GrantTypes, oauth.GrantPassword) })
	h.register("other", nil)
	r := h.granted(asks, basic("app"))
	if claims := claimsOf(t, r.text("access_token")); claims["sub"] != "sub-alice" || r.text("refresh_token") == "" {
		t.Errorf("%v %s", claims, r.Body)
	}
	h.denied("invalid_grant", []string{"grant_type", "password", "username", "alice", "password", "wrong", "scope", "accounts"}, basic("app"))
	h.denied("invalid_grant", []string{"grant_type", "password", "username", "nobody", "password", password}, basic("app"))
	h.denied("unauthorized_client", asks, basic("other"))
	config := h.config
	config.Profile = oauth.ProfileFAPI2Security
	if faults := config.Validate(); !strings.Contains(faultsText(faults), "password_grant") {
		t.Errorf("under FAPI: %v", faults)
	}
}

func faultsText(faults []provider.Fault) string {
	var all []string
	for _, f := range faults {
		all = append(all, f.String())
	}
	return strings.Join(all, "\n")
}

func TestReference_T8_Options(t *testing.T) {
	h := newHouseWith(t, "token_endpoint: {not_before_leeway: 30s}\n", nil)
	h.user("alice")
	h.register("app", nil)
	claims := claimsOf(t, h.granted(ownToken, basic("app")).text("access_token"))
	if claims["nbf"] != claims["iat"].(float64)-30 || claims["iss"] != h.issuer {
		t.Error(claims)
	}
	plain := newHouse(t, nil)
	plain.user("alice")
	plain.register("app", nil)
	if claims := claimsOf(t, plain.granted(ownToken, basic("app")).text("access_token")); claims["nbf"] != nil {
		t.Error(claims)
	}
	noPKCE := form("response_type", "code", "client_id", "app", "redirect_uri", callback, "scope", "accounts")
	if answer := plain.browser().open(plain.issuer + "/authorize?" + noPKCE.Encode()); answer.Get("error") != "invalid_request" {
		t.Errorf("without PKCE: %v", answer)
	}
	noPKCE.Set("code_challenge", strings.Repeat("x", 43))
	noPKCE.Set("code_challenge_method", "plain")
	if answer := plain.browser().open(plain.issuer + "/authorize?" + noPKCE.Encode()); answer.Get("error") != "invalid_request" {
		t.Errorf("plain: %v", answer)
	}
	if code := h.code(newFlow("app", "accounts")); strings.Contains(code, ".") || len(code) < 43 {
		t.Errorf("the code is not opaque: %q", code)
	}
	for _, path := range []string{"/introspect", "/revoke"} {
		if r := h.post(h.http(nil), h.issuer+path, form("token", "x")); r.Status != http.StatusUnauthorized {
			t.Errorf("%s without authentication: %d", path, r.Status)
		}
	}
}

func TestReference_T9_ExtraFieldsAndAudience(t *testing.T) {
	rules := t.TempDir()
	writeRule(t, rules, "claims.rego", "package signet.custom.token\n\naccess_claims.department := \"cards\"\n")
	h := newHouseWith(t, "policy: {directory: "+rules+"}\n", nil)
	h.register("app", func(c *oauth.Client) { c.Resources = []string{apiJWT, apiOpaque} })
	for _, name := range []string{"resource", "audience"} {
		r := h.granted(append(ownToken, name, apiJWT), basic("app"))
		if claims := claimsOf(t, r.text("access_token")); claims["aud"] != apiJWT || claims["department"] != "cards" {
			t.Errorf("%s: %v", name, claims)
		}
		h.denied("invalid_target", append(ownToken, name, "https://elsewhere.example"), basic("app"))
	}
}

func TestReference_T10_Headers(t *testing.T) {
	h := newHouse(t, nil)
	h.register("app", nil)
	r := h.granted(ownToken, basic("app"))
	want := map[string]string{"Cache-Control": "no-store", "Pragma": "no-cache", "X-Content-Type-Options": "nosniff"}
	for name, value := range want {
		if r.Header.Get(name) != value {
			t.Errorf("%s is %q", name, r.Header.Get(name))
		}
	}
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		t.Error(r.Header)
	}
}

func TestReference_T11_ErrorCodes(t *testing.T) {
	h := newHouse(t, nil)
	h.register("app", nil)
	h.denied("invalid_client", ownToken, basic("nobody"))
	h.denied("invalid_request", []string{"scope", "accounts"}, basic("app"))
	h.denied("unsupported_grant_type", []string{"grant_type", "tea"}, basic("app"))
	h.denied("invalid_scope", []string{"grant_type", "client_credentials", "scope", "tea"}, basic("app"))
	r := h.denied("invalid_grant", []string{"grant_type", "authorization_code", "code", "x", "redirect_uri", callback, "code_verifier", strings.Repeat("x", 43)}, basic("app"))
	if r.text("error_description") == "" {
		t.Error(r.Body)
	}
}

func TestReference_T12_ScopeFinalisation(t *testing.T) {
	rules := t.TempDir()
	writeRule(t, rules, "scope.rego", "package signet.custom.scope\n\nwithhold contains \"payments\" if input.client.id == \"small\"\n")
	h := newHouseWith(t, "policy: {directory: "+rules+"}\n", nil)
	h.register("small", nil)
	h.register("large", nil)
	for client, want := range map[string]string{"small": "accounts", "large": "accounts payments"} {
		if r := h.granted([]string{"grant_type", "client_credentials", "scope", "accounts payments"}, basic(client)); r.text("scope") != want {
			t.Errorf("%s: %s", client, r.Body)
		}
	}
}

func TestReference_T13_OpenIDConnect(t *testing.T) {
	h := newHouse(t, nil)
	h.user("alice")
	h.register("app", nil)
	document := h.metadata()
	r := h.tokensOf("app", "openid email")
	info := h.get(h.http(nil), document["userinfo_endpoint"].(string), bearer(r.text("access_token")))
	if diff := cmp.Diff(map[string]any{"sub": "sub-alice", "email": "alice@example.com", "email_verified": true}, info.JSON); diff != "" {
		t.Error(diff)
	}
	keys := h.get(h.http(nil), document["jwks_uri"].(string))
	kid, _ := headerOf(t, r.text("id_token"))["kid"].(string)
	if kid == "" || !strings.Contains(keys.Body, `"`+kid+`"`) || document["issuer"] != h.issuer {
		t.Errorf("%q is not in %s", kid, keys.Body)
	}
}
