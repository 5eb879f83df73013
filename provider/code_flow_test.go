package provider_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"signet/provider/oauth"
)

// TestCodeFlow walks login, consent, code, tokens, userinfo, introspection, refresh and revocation.
func TestCodeFlow(t *testing.T) {
	h := newHouse(t, nil)
	h.user("alice")
	h.register("app", nil)
	f := newFlow("app", "openid email offline_access accounts")
	answer := h.browser().login(f)
	if answer.Get("iss") != h.issuer || answer.Get("state") != "s1" {
		t.Errorf("callback: %v", answer)
	}
	client := h.http(nil)
	first := h.post(client, h.issuer+"/token", f.redeem(answer.Get("code")), basic("app"))
	if first.Status != http.StatusOK {
		t.Fatalf("%d %s", first.Status, first.Body)
	}
	id := claimsOf(t, first.text("id_token"))
	if id["aud"] != "app" || id["nonce"] != "n1" || id["sub"] != "sub-alice" || id["iss"] != h.issuer {
		t.Errorf("ID token: %v", id)
	}

	info := h.get(client, h.issuer+"/userinfo", bearer(first.text("access_token")))
	if diff := cmp.Diff(map[string]any{"sub": "sub-alice", "email": "alice@example.com", "email_verified": true}, info.JSON); diff != "" {
		t.Errorf("userinfo: %s", diff)
	}
	active := func(token string) bool {
		t.Helper()
		r := h.post(client, h.issuer+"/introspect", form("token", token), basic("app"))
		if r.Status != http.StatusOK {
			t.Fatalf("introspection: %d %s", r.Status, r.Body)
		}
		return r.JSON["active"] == true
	}
	if !active(first.text("access_token")) || !active(first.text("refresh_token")) || active("nonsense") {
		t.Error("introspection is wrong about fresh tokens")
	}

	narrowed := h.post(client, h.issuer+"/token", form("grant_type", "refresh_token", "refresh_token", first.text("refresh_token"), "scope", "accounts"), basic("app"))
	if narrowed.Status != http.StatusOK || narrowed.text("scope") != "accounts" || narrowed.text("id_token") != "" {
		t.Fatalf("narrowing refresh: %d %s", narrowed.Status, narrowed.Body)
	}
	if active(first.text("refresh_token")) || !active(narrowed.text("refresh_token")) {
		t.Error("rotation did not replace the refresh token")
	}
	whole := h.post(client, h.issuer+"/token", form("grant_type", "refresh_token", "refresh_token", narrowed.text("refresh_token")), basic("app"))
	if whole.text("scope") != "openid email offline_access accounts" {
		t.Errorf("the refresh token lost scope: %s", whole.Body)
	}
	if r := h.post(client, h.issuer+"/revoke", form("token", whole.text("refresh_token")), basic("app")); r.Status != http.StatusOK || r.Body != "" {
		t.Errorf("revocation: %d %s", r.Status, r.Body)
	}
	for _, token := range []string{whole.text("refresh_token"), whole.text("access_token"), first.text("access_token")} {
		if active(token) {
			t.Error("a token outlived its grant's revocation")
		}
	}
	if r := h.get(client, h.issuer+"/userinfo", bearer(first.text("access_token"))); r.Status != http.StatusUnauthorized {
		t.Errorf("userinfo with a revoked token: %d", r.Status)
	}
}

// TestReuse redeems codes and refresh tokens twice: the second fails and ends what the first made.
func TestReuse(t *testing.T) {
	h := newHouse(t, nil)
	h.user("alice")
	h.register("app", nil)
	client := h.http(nil)
	alive := func(token string) bool {
		return h.post(client, h.issuer+"/introspect", form("token", token), basic("app")).JSON["active"] == true
	}

	f := newFlow("app", "accounts")
	code := h.code(f)
	first := h.post(client, h.issuer+"/token", f.redeem(code), basic("app"))
	second := h.post(client, h.issuer+"/token", f.redeem(code), basic("app"))
	if first.Status != http.StatusOK || second.Status != http.StatusBadRequest || second.text("error") != "invalid_grant" {
		t.Fatalf("code: %d then %d %s", first.Status, second.Status, second.Body)
	}
	if alive(first.text("access_token")) || alive(first.text("refresh_token")) {
		t.Error("a reused code did not revoke what it issued")
	}

	f = newFlow("app", "accounts")
	start := h.post(client, h.issuer+"/token", f.redeem(h.code(f)), basic("app"))
	refresh := func(token string) reply {
		return h.post(client, h.issuer+"/token", form("grant_type", "refresh_token", "refresh_token", token), basic("app"))
	}
	next := refresh(start.text("refresh_token"))
	if again := refresh(start.text("refresh_token")); next.Status != http.StatusOK || again.text("error") != "invalid_grant" {
		t.Fatalf("refresh: %d then %d %s", next.Status, again.Status, again.Body)
	}
	if r := refresh(next.text("refresh_token")); r.text("error") != "invalid_grant" {
		t.Errorf("the successor outlived the reuse: %d %s", r.Status, r.Body)
	}
}

// TestFailedRedemptionBurnsOnlyForTheCodesOwnClient tries a code with another client and then badly.
func TestFailedRedemptionBurnsOnlyForTheCodesOwnClient(t *testing.T) {
	h := newHouse(t, nil)
	h.user("alice")
	h.register("app", nil)
	h.register("other", nil)
	client := h.http(nil)
	f := newFlow("app", "accounts")
	code := h.code(f)
	if r := h.post(client, h.issuer+"/token", f.redeem(code), basic("other")); r.text("error") != "invalid_grant" {
		t.Errorf("another client: %d %s", r.Status, r.Body)
	}
	bad := f.redeem(code)
	bad.Set("code_verifier", f.verifier+"x")
	for _, r := range []reply{
		h.post(client, h.issuer+"/token", f.redeem(code+"x"), basic("app")),
		h.post(client, h.issuer+"/token", bad, basic("app")),
		h.post(client, h.issuer+"/token", f.redeem(code), basic("app")),
	} {
		if r.Status != http.StatusBadRequest || r.text("error") != "invalid_grant" {
			t.Errorf("want invalid_grant, got %d %s", r.Status, r.Body)
		}
	}
}

// TestAnAssertionWorksOnce replays one, and shows that a refused request does not use it up.
func TestAnAssertionWorksOnce(t *testing.T) {
	h := newHouse(t, nil)
	key := newSigningKey(t, "k1")
	h.register("pk", func(c *oauth.Client) { c.AuthMethod, c.JWKS = oauth.AuthPrivateKeyJWT, key.jwks })
	assertion := h.assertion(key, "pk", nil)
	ask := func(scope string) reply {
		return h.post(h.http(nil), h.issuer+"/token", form("grant_type", "client_credentials", "scope", scope,
			"client_assertion_type", jwtBearer, "client_assertion", assertion))
	}
	if r := ask("unknown"); r.text("error") != "invalid_scope" {
		t.Errorf("bad scope: %d %s", r.Status, r.Body)
	}
	if r := ask("accounts"); r.Status != http.StatusOK {
		t.Errorf("a refused request used the assertion up: %d %s", r.Status, r.Body)
	}
	if r := ask("accounts"); r.Status != http.StatusUnauthorized || r.text("error") != "invalid_client" || r.Header.Get("WWW-Authenticate") == "" {
		t.Errorf("replay: %d %s", r.Status, r.Body)
	}
}

// TestOpaqueTokens gets a token by reference and asks about it before and after its end.
func TestOpaqueTokens(t *testing.T) {
	h := newHouse(t, nil)
	h.register("app", nil)
	client := h.http(nil)
	issued := h.post(client, h.issuer+"/token", form("grant_type", "client_credentials", "resource", apiOpaque), basic("app"))
	if issued.Status != http.StatusOK || len(issued.text("access_token")) != 43 {
		t.Fatalf("%d %s", issued.Status, issued.Body)
	}
	about := func() map[string]any {
		return h.post(client, h.issuer+"/introspect", form("token", issued.text("access_token")), basic("app")).JSON
	}
	if got := about(); got["active"] != true || got["scope"] != "accounts" || got["client_id"] != "app" {
		t.Errorf("introspection: %v", got)
	}
	h.advance(h.config.Lifetimes.AccessToken)
	if got := about(); got["active"] != false || len(got) != 1 {
		t.Errorf("introspection after its end: %v", got)
	}
}
