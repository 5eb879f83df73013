package provider_test

import (
	"crypto/rand"
	"crypto/x509/pkix"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/certs"
	"signet/mtls"
	"signet/provider/oauth"
)

// TestAStrangersCertificateStatesNothing presents PSD2 roles in a certificate that nobody trusts: it binds the
// token, and no more.
func TestAStrangersCertificateStatesNothing(t *testing.T) {
	tw, _, _, both := psd2House(t)
	request := certs.Request{
		Subject: pkix.Name{CommonName: "forger"}, OrganizationID: "PSDDE-BAFIN-123456",
		QC: &mtls.PSD2{Roles: []string{mtls.RolePaymentInitiation}, AuthorityName: "BaFin", AuthorityID: "DE-BAFIN"},
	}
	forged, err := certs.SelfSigned(rand.Reader, time.Now(), request)
	must(t, err)
	for name, c := range map[string]struct {
		leaf   *certs.Leaf
		status int
	}{"trusted": {both, http.StatusOK}, "forged": {forged, http.StatusBadRequest}} {
		t.Run(name, func(t *testing.T) {
			r := tw.post(tw.http(c.leaf), tw.mtls+"/token", form("grant_type", "client_credentials", "scope", "payments"), basic("basic"))
			if r.Status != c.status {
				t.Errorf("%d %s", r.Status, r.Body)
			}
		})
	}
}

// TestConsentNamesTheResource grants what the page showed: the default resource server, and no other later.
func TestConsentNamesTheResource(t *testing.T) {
	h := newHouse(t, nil)
	h.user("alice")
	h.register("app", nil)
	f := newFlow("app", "accounts")
	code := h.code(f)
	other := f.redeem(code)
	other.Set("resource", apiOpaque)
	if r := h.post(h.http(nil), h.issuer+"/token", other, basic("app")); r.text("error") != "invalid_target" {
		t.Errorf("another resource: %d %s", r.Status, r.Body)
	}
	if r := h.post(h.http(nil), h.issuer+"/token", f.redeem(code), basic("app")); r.Status != http.StatusOK || claimsOf(t, r.text("access_token"))["aud"] != apiJWT {
		t.Errorf("the default: %d %s", r.Status, r.Body)
	}
}

// TestWhatARegistrationLosesItsGrantsLose narrows a client and refreshes.
func TestWhatARegistrationLosesItsGrantsLose(t *testing.T) {
	h := newHouse(t, nil)
	h.account("alice")
	client := h.register("app", nil)
	token := h.storedRefresh("app", "openid accounts payments")
	client.Scope, client.Resources = "openid accounts", slices.Clone(client.Resources)
	must(t, h.store.Commit(t.Context(), oauth.StoreClient{Client: *client}))
	r := h.post(h.http(nil), h.issuer+"/token", form("grant_type", "refresh_token", "refresh_token", token), basic("app"))
	if r.Status != http.StatusOK || r.text("scope") != "openid accounts" {
		t.Errorf("%d %s", r.Status, r.Body)
	}
}

// TestNothingOutlivesItsOwner disables a client and a user, replaces a password and withdraws consent: tokens,
// refresh tokens and sessions end with them.
func TestNothingOutlivesItsOwner(t *testing.T) {
	h := newHouse(t, nil)
	user := h.user("alice")
	h.register("watcher", func(c *oauth.Client) { c.Introspects = []string{apiJWT, apiOpaque} })
	app := h.register("app", nil)
	client := h.http(nil)
	b := h.browser()
	f := newFlow("app", "openid offline_access accounts")
	issued := h.post(client, h.issuer+"/token", f.redeem(b.login(f).Get("code")), basic("app"))
	alive := func() map[string]bool {
		introspected := h.post(client, h.issuer+"/introspect", form("token", issued.text("access_token")), basic("watcher"))
		info := h.get(client, h.issuer+"/userinfo", bearer(issued.text("access_token")))
		return map[string]bool{"introspection": introspected.JSON["active"] == true, "userinfo": info.Status == http.StatusOK}
	}
	live, dead := map[string]bool{"introspection": true, "userinfo": true}, map[string]bool{"introspection": false, "userinfo": false}
	check := func(when string, want map[string]bool) {
		t.Helper()
		if diff := cmp.Diff(want, alive()); diff != "" {
			t.Errorf("%s: %s", when, diff)
		}
	}
	check("at first", live)

	app.Disabled = true
	must(t, h.store.Commit(t.Context(), oauth.StoreClient{Client: *app}))
	check("client disabled", dead)
	app.Disabled = false
	must(t, h.store.Commit(t.Context(), oauth.StoreClient{Client: *app}))
	check("client enabled", live)

	user.Disabled = true
	must(t, h.store.Commit(t.Context(), oauth.StoreUser{User: user}))
	check("user disabled", dead)

	// Enabled again with a new password: earlier logins count no more.
	h.advance(time.Minute)
	user.Disabled, user.ValidFrom = false, h.now()
	must(t, h.store.Commit(t.Context(), oauth.StoreUser{User: user}))
	check("password replaced", dead)
	refreshed := h.post(client, h.issuer+"/token", form("grant_type", "refresh_token", "refresh_token", issued.text("refresh_token")), basic("app"))
	if refreshed.text("error") != "invalid_grant" {
		t.Errorf("refresh after a new password: %d %s", refreshed.Status, refreshed.Body)
	}
	silent := newFlow("app", "accounts", "prompt", "none")
	if answer := b.open(h.issuer + "/authorize?" + silent.query); answer.Get("error") != "login_required" {
		t.Errorf("the old session still counts: %v", answer)
	}

	// A new login, whose consent is then forgotten.
	if answer := b.login(newFlow("app", "openid offline_access accounts")); answer.Get("code") == "" {
		t.Fatalf("no new login: %v", answer)
	}
	if answer := b.open(h.issuer + "/authorize?" + silent.query); answer.Get("code") == "" {
		t.Errorf("consent is not remembered: %v", answer)
	}
	must(t, h.store.Commit(t.Context(), oauth.ForgetConsent{UserID: user.ID, ClientID: "app"}))
	if answer := b.open(h.issuer + "/authorize?" + silent.query); answer.Get("error") != "consent_required" {
		t.Errorf("forgotten consent still counts: %v", answer)
	}
}
