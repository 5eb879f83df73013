package userinfo

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"

	"signet/mtls"
	"signet/provider/issue"
	"signet/provider/oauth"
)

// Where the owner does without openid, what the rest of the scope asks for can be had; a token that was narrowed to less
// than openid, and one under FAPI, are still too little, and the claims parameter counts with openid alone.
func TestReference_J27_userinfo_without_openid(t *testing.T) {
	name := map[string]any{"sub": "anna-here", "name": "Anna Example", "birthdate": "1980-01-02"}
	for title, c := range map[string]struct {
		optional       bool
		profile        oauth.ProfileName
		scope, granted string
		want           map[string]any // nil = insufficient_scope
	}{
		"strict":           {false, oauth.ProfileOpenID, "profile", "profile", nil},
		"optional":         {true, oauth.ProfileOpenID, "profile", "profile", name},
		"nothing about it": {true, oauth.ProfileOpenID, "accounts", "accounts", map[string]any{"sub": "anna-here"}},
		"no scope at all":  {true, oauth.ProfileOpenID, "", "", map[string]any{"sub": "anna-here"}},
		"narrowed":         {true, oauth.ProfileOpenID, "profile", "openid profile", nil},
		"FAPI 2.0":         {true, oauth.ProfileFAPI2Security, "profile", "profile", nil},
	} {
		t.Run(title, func(t *testing.T) {
			h := newHouse(c.scope)
			granted, _ := oauth.ParseScope(c.granted)
			h.claims.Userinfo = map[string]oauth.ClaimRequest{"email": {}}
			guard := &issue.Guard{
				Peer: func(*http.Request) (*mtls.Peer, error) { return nil, nil }, Tokens: granting{h, granted}, Bind: binder(), Floor: oauth.Profiles[c.profile],
			}
			r := httptest.NewRequest(http.MethodGet, "/userinfo", nil)
			r.Header.Set("Authorization", "Bearer access")
			w := httptest.NewRecorder()
			New(Deps{
				Endpoints: []string{endpointURL}, Guard: guard, Issue: issue.New(issue.Options{}), Store: h, OpenIDOptional: c.optional,
				Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
			}).ServeHTTP(w, r)
			if c.want == nil {
				fails(t, w, http.StatusForbidden, oauth.InsufficientScope, `scope="openid"`)
				return
			}
			var got map[string]any
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" || w.Code != http.StatusOK {
				t.Errorf("%d %s", w.Code, diff)
			}
		})
	}
}

// granting is a house whose grant has a scope of its own.
type granting struct {
	*house
	scope oauth.Scope
}

func (g granting) Active(ctx context.Context, token oauth.Secret) (*issue.Held, error) {
	held, err := g.house.Active(ctx, token)
	if err == nil {
		held.Grant.Scope = g.scope
	}
	return held, err
}
