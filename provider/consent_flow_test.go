package provider_test

import (
	"net/http"
	"testing"

	"signet/provider/oauth"
)

// TestWhatTheUserEndedStaysEnded narrows a grant and then ends it: neither old access tokens nor silent requests give
// any of it back, and none prolongs what was agreed to once.
func TestWhatTheUserEndedStaysEnded(t *testing.T) {
	h := newHouse(t, withPayments(t))
	h.user("alice")
	api := h.issuer + "/grants"
	h.register("app", func(c *oauth.Client) {
		c.Scope += " grant_management_revoke"
		c.Resources, c.DetailsTypes = append(c.Resources, api), []string{"payment"}
	})
	h.register("watcher", func(c *oauth.Client) { c.Introspects = []string{apiJWT, apiOpaque} })
	plain, person := h.http(nil), h.browser()
	redeem := func(f flow, code string) reply {
		t.Helper()
		r := h.post(plain, h.issuer+"/token", f.redeem(code), basic("app"))
		if r.Status != http.StatusOK {
			t.Fatalf("%d %s", r.Status, r.Body)
		}
		return r
	}
	active := func(r reply) bool {
		return h.post(plain, h.issuer+"/introspect", form("token", r.text("access_token")), basic("watcher")).JSON["active"] == true
	}
	silently := func(scope string, more ...string) string {
		t.Helper()
		f := newFlow("app", scope, append(more, "prompt", "none")...)
		return person.open(h.issuer + "/authorize?" + f.query).Get("error")
	}

	f := newFlow("app", "openid accounts payments", "grant_management_action", "create", "authorization_details", "["+paymentA+"]")
	created := redeem(f, person.login(f).Get("code"))
	id := created.text("grant_id")
	h.advance(2e9)
	if got := silently("openid", "grant_management_action", "merge", "grant_id", id); got != "consent_required" {
		t.Errorf("a silent merge: %q", got)
	}
	if !active(created) {
		t.Error("the token ended before the replacement")
	}
	f = newFlow("app", "openid accounts", "grant_management_action", "replace", "grant_id", id)
	replaced := redeem(f, person.login(f).Get("code"))
	if active(created) || !active(replaced) {
		t.Errorf("from before the replacement: %v, from after it: %v", active(created), active(replaced))
	}
	if r := h.get(plain, h.issuer+"/userinfo", bearer(created.text("access_token"))); r.Status != http.StatusUnauthorized {
		t.Errorf("userinfo: %d", r.Status)
	}
	if got := silently("payments"); got != "consent_required" {
		t.Errorf("what the replacement ended: %q", got)
	}
	if got := silently("accounts"); got != "" {
		t.Errorf("what is left: %q", got)
	}

	token := h.post(plain, h.issuer+"/token", form("grant_type", "client_credentials", "resource", api, "scope", "grant_management_revoke"), basic("app")).text("access_token")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, api+"/"+id, nil)
	must(t, err)
	bearer(token)(req)
	if r := h.do(plain, req); r.Status != http.StatusNoContent {
		t.Fatalf("%d %s", r.Status, r.Body)
	}
	if got := silently("accounts"); got != "consent_required" {
		t.Errorf("after the grant's end: %q", got)
	}
}
