package provider_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"

	"signet/certs"
	"signet/provider"
	"signet/provider/oauth"
)

// withPayments lets clients ask for the authorization_details type "payment".
func withPayments(t testing.TB) func(*provider.Config) {
	schema := (&house{t: t, dir: t.TempDir()}).write("payment.schema.json", paymentSchema)
	return func(c *provider.Config) {
		c.DetailsTypes = []provider.DetailsType{{
			Type: "payment", Description: "Make this payment", Schema: schema, Resources: []string{apiJWT},
			Show: []provider.DetailsField{{Label: "To", Path: "creditorName"}, {Label: "Amount", Path: "instructedAmount.amount"}},
		}}
	}
}

const paymentA = `{"type":"payment","creditorName":"Merchant A","instructedAmount":{"currency":"EUR","amount":"123.50"}}`

// TestGrantManagement creates a grant and asks about it, adds to it, replaces it and ends it, as its client does
// (Grant Management for OAuth 2.0).
func TestGrantManagement(t *testing.T) {
	h := newHouse(t, withPayments(t))
	h.user("alice")
	api := h.issuer + "/grants"
	for _, id := range []string{"app", "other"} {
		h.register(id, func(c *oauth.Client) {
			c.Scope += " grant_management_query grant_management_revoke"
			c.Resources, c.DetailsTypes = append(c.Resources, api), []string{"payment"}
		})
	}
	plain := h.http(nil)
	tokenFor := func(client, scope string) string {
		r := h.post(plain, h.issuer+"/token", form("grant_type", "client_credentials", "resource", api, "scope", scope), basic(client))
		if r.Status != http.StatusOK {
			t.Fatalf("a token for the API: %d %s", r.Status, r.Body)
		}
		return r.text("access_token")
	}
	query, revoke := tokenFor("app", "grant_management_query"), tokenFor("app", "grant_management_revoke")
	person := h.browser()
	authorize := func(scope string, more ...string) reply {
		t.Helper()
		f := newFlow("app", scope, more...)
		answer := person.login(f)
		r := h.post(plain, h.issuer+"/token", f.redeem(answer.Get("code")), basic("app"))
		if r.Status != http.StatusOK || r.text("grant_id") == "" {
			t.Fatalf("%v: %d %s", answer, r.Status, r.Body)
		}
		return r
	}
	refresh := func(token string) reply {
		return h.post(plain, h.issuer+"/token", form("grant_type", "refresh_token", "refresh_token", token), basic("app"))
	}

	created := authorize("openid offline_access accounts payments", "grant_management_action", "create", "authorization_details", "["+paymentA+"]")
	id := created.text("grant_id")
	status := func() map[string]any {
		t.Helper()
		r := h.get(plain, api+"/"+id, bearer(query))
		if r.Status != http.StatusOK || r.Header.Get("Cache-Control") != "no-store" {
			t.Fatalf("%d %v %s", r.Status, r.Header, r.Body)
		}
		return r.JSON
	}
	at := func(scope string, resources ...any) map[string]any {
		return map[string]any{"scope": scope, "resource": resources}
	}
	payment := map[string]any{
		"type": "payment", "creditorName": "Merchant A", "instructedAmount": map[string]any{"currency": "EUR", "amount": "123.50"},
	}

	t.Run("query", func(t *testing.T) {
		want := map[string]any{
			"scopes":                []any{at("accounts payments", apiJWT), map[string]any{"scope": "openid offline_access"}},
			"authorization_details": []any{payment},
		}
		if diff := cmp.Diff(want, status()); diff != "" {
			t.Error(diff)
		}
		if r := h.get(h.http(h.leaf(certs.Request{})), h.mtls+"/grants/"+id, bearer(query)); r.Status != http.StatusOK {
			t.Errorf("at the mTLS door: %d %s", r.Status, r.Body)
		}
		mine := h.post(plain, h.issuer+"/token", form("grant_type", "client_credentials", "scope", "accounts"), basic("app")).text("access_token")
		for name, c := range map[string]struct {
			path   string
			token  func(*http.Request)
			status int
		}{
			"no token":                     {"/" + id, func(*http.Request) {}, http.StatusUnauthorized},
			"a token for another resource": {"/" + id, bearer(mine), http.StatusUnauthorized},
			"a token of another scope":     {"/" + id, bearer(revoke), http.StatusForbidden},
			"another client's grant":       {"/" + id, bearer(tokenFor("other", "grant_management_query")), http.StatusNotFound},
			"no such grant":                {"/" + id + "x", bearer(query), http.StatusNotFound},
		} {
			if r := h.get(plain, api+c.path, c.token); r.Status != c.status || r.JSON["scopes"] != nil {
				t.Errorf("%s: %d %s", name, r.Status, r.Body)
			}
		}
	})

	t.Run("merge", func(t *testing.T) {
		before := created
		created = authorize("openid offline_access email", "grant_management_action", "merge", "grant_id", id)
		if created.text("grant_id") != id {
			t.Errorf("another grant: %s", created.Body)
		}
		want := map[string]any{
			"scopes":                []any{at("accounts payments", apiJWT), map[string]any{"scope": "openid offline_access email"}},
			"authorization_details": []any{payment},
		}
		if diff := cmp.Diff(want, status()); diff != "" {
			t.Error(diff)
		}
		// The new refresh token is good for the whole grant, and the one from before is at its end, which harms nobody.
		if r := refresh(before.text("refresh_token")); r.text("error") != "invalid_grant" {
			t.Errorf("the refresh token from before: %d %s", r.Status, r.Body)
		}
		created = refresh(created.text("refresh_token"))
		if created.text("scope") != "openid offline_access accounts payments email" || created.JSON["authorization_details"] == nil {
			t.Errorf("%d %s", created.Status, created.Body)
		}
	})

	t.Run("replace narrows the refresh", func(t *testing.T) {
		f := newFlow("app", "openid accounts", "grant_management_action", "replace", "grant_id", id, "authorization_details", "["+paymentA+"]")
		answer := person.login(f)
		want := map[string]any{
			"scopes":                []any{at("accounts", apiJWT), map[string]any{"scope": "openid"}},
			"authorization_details": []any{payment},
		}
		if diff := cmp.Diff(want, status()); diff != "" {
			t.Error(diff)
		}
		if r := h.post(plain, h.issuer+"/token", f.redeem(answer.Get("code")), basic("app")); r.text("grant_id") != id || r.text("refresh_token") != "" {
			t.Errorf("%d %s", r.Status, r.Body)
		}
		// The new tokens come without a refresh token, so the one from before stays: with what is left.
		created = refresh(created.text("refresh_token"))
		if created.Status != http.StatusOK || created.text("scope") != "openid accounts" || created.JSON["authorization_details"] == nil || created.text("grant_id") != id {
			t.Errorf("%d %s", created.Status, created.Body)
		}
	})

	t.Run("refused requests change nothing", func(t *testing.T) {
		before := status()
		h.user("bob")
		for _, c := range []struct {
			client, code string
			more         []string
		}{
			{"app", "invalid_grant_id", []string{"grant_management_action", "merge", "grant_id", "unknown"}},
			{"other", "invalid_grant_id", []string{"grant_management_action", "replace", "grant_id", id}},
			{"app", "invalid_request", []string{"grant_management_action", "merge"}},
			{"app", "invalid_request", []string{"grant_management_action", "create", "grant_id", id}},
			{"app", "invalid_request", []string{"grant_management_action", "steal", "grant_id", id}},
			{"app", "invalid_request", []string{"grant_id", id}},
		} {
			if answer := person.open(h.issuer + "/authorize?" + newFlow(c.client, "payments", c.more...).query); answer.Get("error") != c.code {
				t.Errorf("%v: %v, want %s", c.more, answer, c.code)
			}
		}
		bob := h.browser()
		bob.open(h.issuer + "/authorize?" + newFlow("app", "payments", "grant_management_action", "merge", "grant_id", id).query)
		if answer := bob.submit("login-form", "username", "bob", "password", password); answer.Get("error") != "access_denied" {
			t.Errorf("another user: %v %s", answer, bob.page.Body)
		}
		if diff := cmp.Diff(before, status()); diff != "" {
			t.Error(diff)
		}
	})

	t.Run("revoke", func(t *testing.T) {
		end := func(token string) reply {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, api+"/"+url.PathEscape(id), nil)
			must(t, err)
			bearer(token)(req)
			return h.do(plain, req)
		}
		if r := end(query); r.Status != http.StatusForbidden {
			t.Errorf("with a token for queries: %d %s", r.Status, r.Body)
		}
		if r := end(revoke); r.Status != http.StatusNoContent || r.Body != "" {
			t.Errorf("%d %s", r.Status, r.Body)
		}
		if r := h.get(plain, api+"/"+id, bearer(query)); r.Status != http.StatusNotFound {
			t.Errorf("a query: %d %s", r.Status, r.Body)
		}
		if r := end(revoke); r.Status != http.StatusNotFound {
			t.Errorf("twice: %d %s", r.Status, r.Body)
		}
		if r := refresh(created.text("refresh_token")); r.text("error") != "invalid_grant" {
			t.Errorf("a refresh: %d %s", r.Status, r.Body)
		}
		if r := h.post(plain, h.issuer+"/introspect", form("token", created.text("access_token")), basic("app")); r.JSON["active"] != false {
			t.Errorf("introspection: %s", r.Body)
		}
	})
}
