package provider_test

import (
	"net/http"
	"strings"
	"testing"

	"signet/provider/oauth"
)

func TestReference_C5_ClientAuthentication(t *testing.T) {
	h := newHouse(t, nil)
	h.user("alice")
	h.register("basic", nil)
	h.register("post", func(c *oauth.Client) { c.AuthMethod = oauth.AuthSecretPost })
	h.register("public", func(c *oauth.Client) {
		c.AuthMethod, c.ApplicationType, c.GrantTypes = oauth.AuthNone, "", []string{oauth.GrantAuthorizationCode}
	})
	h.granted(ownToken, basic("basic"))
	h.granted(append(ownToken, "client_id", "post", "client_secret", secretOf("post").Reveal()))
	h.denied("invalid_client", append(ownToken, "client_id", "basic", "client_secret", secretOf("basic").Reveal()))
	h.denied("invalid_client", ownToken, basic("post"))
	f := newFlow("public", "openid accounts")
	code := h.code(f)
	redeem := f.redeem(code)
	redeem.Set("client_id", "public")
	if r := h.post(h.http(nil), h.issuer+"/token", redeem); r.Status != http.StatusOK || r.text("access_token") == "" {
		t.Errorf("a public client sends its client_id: %d %s", r.Status, r.Body)
	}
	if r := h.post(h.http(nil), h.issuer+"/token", f.redeem(code)); r.text("error") != "invalid_client" {
		t.Errorf("and not without: %d %s", r.Status, r.Body)
	}
}

func TestReference_C6_PublicClientsNeedPKCE(t *testing.T) {
	h := newHouseWith(t, "authorization: {require_pkce: public}\n", nil)
	h.user("alice")
	h.register("public", func(c *oauth.Client) {
		c.AuthMethod, c.GrantTypes = oauth.AuthNone, []string{oauth.GrantAuthorizationCode}
	})
	h.register("app", nil)
	without := func(client string) string {
		return h.issuer + "/authorize?" + form("response_type", "code", "client_id", client, "redirect_uri", callback, "scope", "accounts", "state", "s1").Encode()
	}
	if answer := h.browser().open(without("public")); answer.Get("error") != "invalid_request" || answer.Has("code") {
		t.Errorf("public: %v", answer)
	}
	if answer := h.browser().open(without("app")); answer != nil {
		t.Errorf("confidential: %v", answer)
	}
	f := newFlow("public", "accounts")
	wrong := f.redeem(h.code(f))
	wrong.Set("client_id", "public")
	wrong.Set("code_verifier", strings.Repeat("x", 43))
	if r := h.post(h.http(nil), h.issuer+"/token", wrong); r.Status != http.StatusBadRequest || r.text("error") != "invalid_grant" {
		t.Errorf("%d %s", r.Status, r.Body)
	}
}

func TestReference_C7_RefreshNarrowsTheScope(t *testing.T) {
	h := newHouse(t, nil)
	h.user("alice")
	h.register("app", nil)
	first := h.tokensOf("app", "openid accounts payments offline_access")
	narrow := h.refresh("app", first.text("refresh_token"), "scope", "accounts")
	if narrow.Status != http.StatusOK || narrow.text("scope") != "accounts" || claimsOf(t, narrow.text("access_token"))["scope"] != "accounts" {
		t.Fatalf("%d %s", narrow.Status, narrow.Body)
	}
	whole := h.refresh("app", narrow.text("refresh_token"))
	if whole.text("scope") != "openid accounts payments offline_access" {
		t.Errorf("omitted is the original: %s", whole.Body)
	}
	if wide := h.refresh("app", whole.text("refresh_token"), "scope", "accounts email"); wide.Status != http.StatusBadRequest || wide.text("error") != "invalid_scope" {
		t.Errorf("%d %s", wide.Status, wide.Body)
	}
}

func TestReference_C8_ResponseMembers(t *testing.T) {
	h := newHouseWith(t, "password_grant: {enabled: true}\n", nil)
	h.user("alice")
	h.register("app", func(c *oauth.Client) { c.GrantTypes = append(c.GrantTypes, oauth.GrantPassword) })
	byCode := h.tokensOf("app", "openid accounts")
	byPassword := h.granted([]string{"grant_type", "password", "username", "alice", "password", password, "scope", "openid accounts"}, basic("app"))
	own := h.granted(ownToken, basic("app"))
	for name, c := range map[string]struct {
		r    reply
		id   bool
		want string
	}{"code": {byCode, true, "openid accounts"}, "password": {byPassword, true, "openid accounts"}, "client_credentials": {own, false, "accounts"}} {
		if c.r.text("scope") != c.want || c.r.text("token_type") != "Bearer" || c.r.JSON["expires_in"] != 300.0 || (c.r.text("id_token") != "") != c.id {
			t.Errorf("%s: %s", name, c.r.Body)
		}
	}
}

func TestReference_C9_FormContentType(t *testing.T) {
	h := newHouse(t, nil)
	h.register("app", nil)
	ask := func(contentType string) reply {
		return h.ask(ownToken, basic("app"), func(r *http.Request) { r.Header.Set("Content-Type", contentType) })
	}
	r := ask("application/x-www-form-urlencoded;charset=UTF-8")
	if r.Status != http.StatusOK || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") ||
		r.Header.Get("Cache-Control") != "no-store" || r.Header.Get("Pragma") != "no-cache" {
		t.Errorf("%d %v", r.Status, r.Header)
	}
	for _, contentType := range []string{"application/json", "text/plain", ""} {
		if r := ask(contentType); r.Status != http.StatusBadRequest || r.text("error") != "invalid_request" {
			t.Errorf("%q: %d %s", contentType, r.Status, r.Body)
		}
	}
}

func TestReference_C10_BadRequests(t *testing.T) {
	h := newHouse(t, nil)
	h.register("app", func(c *oauth.Client) { c.GrantTypes = []string{oauth.GrantClientCredentials, oauth.GrantRefreshToken} })
	for code, pairs := range map[string][]string{
		"invalid_request":        {"grant_type", "refresh_token"},
		"invalid_grant":          {"grant_type", "refresh_token", "refresh_token", "nobody's"},
		"unauthorized_client":    {"grant_type", "authorization_code", "code", "x"},
		"unsupported_grant_type": {"grant_type", "tea"},
		"invalid_scope":          {"grant_type", "client_credentials", "scope", "everything"},
		"invalid_target":         {"grant_type", "client_credentials", "resource", "https://elsewhere.example"},
	} {
		if r := h.denied(code, pairs, basic("app")); r.text("error_description") == "" || r.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v %s", code, r.Header, r.Body)
		}
	}
}

func TestReference_C11_InvalidClient(t *testing.T) {
	h := newHouse(t, nil)
	h.register("app", nil)
	for name, edit := range map[string]func(*http.Request){
		"a wrong secret": func(r *http.Request) { r.SetBasicAuth("app", "wrong") },
		"nobody":         func(r *http.Request) { r.SetBasicAuth("nobody", "wrong") },
		"no credentials": func(*http.Request) {},
	} {
		r := h.denied("invalid_client", ownToken, edit)
		if !strings.HasPrefix(r.Header.Get("WWW-Authenticate"), "Basic ") {
			t.Errorf("%s: %q", name, r.Header.Get("WWW-Authenticate"))
		}
	}
}

func TestReference_C12_ErrorsNameTheirPage(t *testing.T) {
	h := newHouseWith(t, "errors: {documentation: \"https://docs.bank.example/errors\"}\n", nil)
	h.register("app", nil)
	r := h.denied("invalid_scope", []string{"grant_type", "client_credentials", "scope", "everything"}, basic("app"))
	if r.text("error_uri") != "https://docs.bank.example/errors#invalid_scope" || r.text("error_description") == "" {
		t.Error(r.Body)
	}
	o := &outage{}
	tw := h.twin(nil, o.inject(t))
	o.policy.Store(true)
	broken := tw.post(tw.http(nil), tw.issuer+"/token", form(ownToken...), basic("app"))
	if broken.Status < 500 || strings.Contains(broken.Body, errOutage.Error()) || broken.text("error") == "" {
		t.Errorf("%d %s", broken.Status, broken.Body)
	}
}
