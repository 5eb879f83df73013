package token

import (
	"context"
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/provider/assertion"
	"signet/provider/oauth"
)

// said is an assertion that has been judged; it remembers what it was asked.
type said struct {
	assertion.Asserted
	err      error
	raw, use *string
}

func (s said) JWT(_ context.Context, _ *oauth.Client, raw, use string, _ time.Time) (assertion.Asserted, error) {
	*s.raw, *s.use = "jwt "+raw, use
	return s.Asserted, s.err
}

func (s said) SAML(_ context.Context, _ *oauth.Client, raw, use string, _ time.Time) (assertion.Asserted, error) {
	*s.raw, *s.use = "saml "+raw, use
	return s.Asserted, s.err
}

// asserts is about alice, on the word of an issuer that may give accounts, cards and openid.
func asserts() said {
	return said{Asserted: assertion.Asserted{
		Issuer: "https://sts", User: oauth.User{ID: "u1", Claims: map[string]any{"email": "a@b"}}, AuthTime: noon.Add(-time.Minute), ACR: "high",
		AMR: []string{"otp"}, Claims: []byte(`{"a":1}`), ExpiresAt: noon.Add(time.Minute), Scope: oauth.Scope{"accounts", "cards", "openid", "offline_access"},
		Changes: []oauth.Change{oauth.UseAssertion{ClientID: "assertion:x", JTI: "j"}},
	}, raw: new(string), use: new(string)}
}

// assertionGrants are both, with how they ask.
func assertionGrants(s said) map[string]oauth.GrantHandler {
	return map[string]oauth.GrantHandler{
		"jwt":  JWTBearer{Assertions: s, Lifetime: time.Hour, Random: rand.Reader},
		"saml": SAML2Bearer{Assertions: s, Lifetime: time.Hour, Random: rand.Reader},
	}
}

func TestAssertionGrants(t *testing.T) {
	for _, form := range []string{"jwt", "saml"} {
		s := asserts()
		grant := assertionGrants(s)[form]
		req := request(client(nil), map[string]string{"assertion": "raw", "scope": "accounts openid"})
		req.Resources = []string{"https://api"}
		got, err := grant.Redeem(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		store, ok := got.Changes[len(got.Changes)-1].(oauth.StoreGrant)
		if !ok || len(got.Changes) != 2 || store.Grant.ID == "" {
			t.Fatalf("%s: changes %+v", form, got.Changes)
		}
		want := oauth.Authorization{
			Subject: oauth.EndUser{ID: "u1", AuthTime: noon.Add(-time.Minute), ACR: "high", AMR: []string{"otp"}},
			GrantID: store.Grant.ID, Scope: oauth.Scope{"accounts", "openid"}, Resources: []string{"https://api"},
			Refresh: oauth.NoRefresh{},
			Changes: []oauth.Change{oauth.UseAssertion{ClientID: "assertion:x", JTI: "j"}, oauth.StoreGrant{Grant: oauth.Grant{
				ID: store.Grant.ID, ClientID: "c1", UserID: "u1", Scope: oauth.Scope{"accounts", "openid"}, Resources: []string{"https://api"},
				CreatedAt: noon, ExpiresAt: noon.Add(time.Hour),
			}}},
			Question: &oauth.Question{Assertion: &oauth.AssertionFacts{Issuer: "https://sts", Claims: []byte(`{"a":1}`)}},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", form, diff)
		}
		if *s.raw != form+" raw" || *s.use != grant.GrantType() {
			t.Errorf("%s: asked for %q at %q", form, *s.raw, *s.use)
		}
	}
}

// TestAssertionScope: no more than the issuer may give and the client may have, and never a refresh token.
func TestAssertionScope(t *testing.T) {
	for name, c := range map[string]struct {
		scope  string
		change func(*assertion.Asserted)
		want   string
		code   oauth.Code
	}{
		"all of both":                {"", nil, "openid accounts", ""},
		"less":                       {"accounts", nil, "accounts", ""},
		"more than the issuer":       {"payments", nil, "", oauth.InvalidScope},
		"more than the client":       {"cards", nil, "", oauth.InvalidScope},
		"offline":                    {"accounts offline_access", nil, "", oauth.InvalidScope},
		"nothing in common":          {"", func(a *assertion.Asserted) { a.Scope = oauth.Scope{"cards"} }, "", oauth.InvalidScope},
		"an issuer that gives none":  {"", func(a *assertion.Asserted) { a.Scope = oauth.Scope{} }, "", oauth.InvalidScope},
		"no bound but the client's":  {"", func(a *assertion.Asserted) { a.Scope = nil }, "openid accounts payments", ""},
		"the client itself":          {"", ofClient, "accounts payments", ""},
		"the client itself, openid":  {"openid", ofClient, "", oauth.InvalidScope},
		"the client itself, narrows": {"payments", ofClient, "payments", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := asserts()
			if c.change != nil {
				c.change(&s.Asserted)
			}
			for form, grant := range assertionGrants(s) {
				got, err := grant.Redeem(t.Context(), request(client(nil), map[string]string{"assertion": "raw", "scope": c.scope}))
				o := outcomeOf(got, err)
				if o.Error != c.code || o.Scope != c.want {
					t.Errorf("%s: %+v, %v", form, o, err)
				}
				if _, none := got.Refresh.(oauth.NoRefresh); err == nil && !none {
					t.Errorf("%s: a refresh token", form)
				}
			}
		})
	}
}

func ofClient(a *assertion.Asserted) {
	a.SelfIssued, a.User, a.Scope = true, oauth.User{}, nil
}

// TestAssertionOfClient: a client that asserts itself is no user, and has no grant.
func TestAssertionOfClient(t *testing.T) {
	s := asserts()
	ofClient(&s.Asserted)
	for form, grant := range assertionGrants(s) {
		got, err := grant.Redeem(t.Context(), request(client(nil), map[string]string{"assertion": "raw"}))
		if err != nil || got.Subject != (oauth.ClientItself{ClientID: "c1"}) || got.GrantID != "" || len(got.Changes) != 1 {
			t.Errorf("%s: %+v, %v", form, got, err)
		}
	}
}

func TestAssertionGrantsEndWithTheSession(t *testing.T) {
	s := asserts()
	s.SessionEnds = noon.Add(90 * time.Second)
	got, err := SAML2Bearer{Assertions: s, Random: rand.Reader}.Redeem(t.Context(), request(client(nil), map[string]string{"assertion": "raw"}))
	if err != nil || !got.NotAfter.Equal(s.SessionEnds) {
		t.Errorf("%v, %v", got.NotAfter, err)
	}
}

func TestAssertionGrantsRefuse(t *testing.T) {
	for form, grant := range assertionGrants(asserts()) {
		if got := outcomeOf(grant.Redeem(t.Context(), request(client(nil), nil))); got.Error != oauth.InvalidRequest {
			t.Errorf("%s, without one: %+v", form, got)
		}
	}
	for want, err := range map[oauth.Code]error{
		oauth.InvalidGrant: oauth.Errorf(oauth.InvalidGrant, "no"), oauth.TemporarilyUnavailable: oauth.Errorf(oauth.TemporarilyUnavailable, "no"),
		oauth.ServerError: errors.New("disk on fire"),
	} {
		s := asserts()
		s.err = err
		for form, grant := range assertionGrants(s) {
			got := outcomeOf(grant.Redeem(t.Context(), request(client(nil), map[string]string{"assertion": "raw"})))
			if diff := cmp.Diff(outcome{Error: want}, got); diff != "" {
				t.Errorf("%s: %s", form, diff)
			}
		}
	}
}
