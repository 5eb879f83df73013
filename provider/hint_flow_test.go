package provider_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestIDTokenHint sends an ID token back: whoever it is about gets an answer, and nobody else does.
func TestIDTokenHint(t *testing.T) {
	h := newHouse(t, nil)
	h.user("alice")
	h.user("bob")
	h.register("app", nil)
	alice := h.browser()
	f := newFlow("app", "openid accounts")
	got := h.post(h.http(nil), h.issuer+"/token", f.redeem(alice.login(f).Get("code")), basic("app"))
	if got.Status != http.StatusOK {
		t.Fatalf("%d %s", got.Status, got.Body)
	}
	silent := h.issuer + "/authorize?" + newFlow("app", "openid accounts", "prompt", "none", "id_token_hint", got.text("id_token")).query
	if answer := alice.open(silent); answer.Get("code") == "" {
		t.Errorf("herself: %v", answer)
	}
	bob := h.browser()
	bob.open(h.issuer + "/authorize?" + newFlow("app", "openid accounts").query)
	if answer := bob.submit("login-form", "username", "bob", "password", password); answer != nil {
		t.Fatalf("answer %v", answer)
	}
	if answer := bob.submit("consent-form", approval(t, bob.page.Body)...); answer.Get("code") == "" {
		t.Fatalf("answer %v", answer)
	}
	if answer := bob.open(silent); answer.Get("error") != "login_required" || answer.Has("code") {
		t.Errorf("somebody else, silently: %v", answer)
	}
	if bob.open(strings.Replace(silent, "prompt=none", "prompt=", 1)); !strings.Contains(bob.page.Body, `id="login-form"`) {
		t.Errorf("somebody else: %s", bob.page.Body)
	}
	if answer := bob.submit("login-form", "username", "bob", "password", password); answer.Get("error") != "login_required" {
		t.Errorf("the same again: %v, %s", answer, bob.page.Body)
	}
	if answer := h.browser().open(strings.Replace(silent, "id_token_hint=", "id_token_hint=x", 1)); answer.Get("error") != "invalid_request" {
		t.Errorf("a bad hint: %v", answer)
	}
}
