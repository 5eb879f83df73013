package token

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/policy"
	"signet/provider/oauth"
)

// sparing is a policy that withholds scope values, and remembers what it was asked for.
type sparing struct {
	pushBench
	withheld oauth.Scope
	saw      policy.Input
}

func (s *sparing) Decide(_ context.Context, in policy.Input) (policy.Decision, error) {
	s.saw = in
	return policy.Decision{
		ID: "d1", Revision: "r1", Scope: slices.DeleteFunc(slices.Clone(in.Grant.Scope), s.withheld.Has),
		IDClaims: map[string]any{"tier": "gold"}, IDLifetime: 90 * time.Second,
	}, nil
}

// A claim of the claims parameter is policy's to decide by the scope value that stands for it, and never passes it. What
// was asked for the claims' sake does not get into the token's scope.
func TestPolicyDecidesAboutSingleClaims(t *testing.T) {
	const all = "openid profile email phone accounts"
	email := oauth.ClaimsRequest{IDToken: asked("email"), Userinfo: asked("email")}
	for name, c := range map[string]struct {
		registered string
		scope      oauth.Scope
		claims     oauth.ClaimsRequest
		withheld   oauth.Scope
		question   []string
		want       string // the token's scope; "" = refused
	}{
		"none":                         {all, oauth.Scope{"openid", "accounts"}, oauth.ClaimsRequest{}, oauth.Scope{"email"}, []string{"openid", "accounts"}, "openid accounts"},
		"granted":                      {all, oauth.Scope{"openid", "accounts"}, email, nil, []string{"openid", "accounts", "email"}, "openid accounts"},
		"in the scope, too":            {all, oauth.Scope{"email", "openid"}, email, nil, []string{"email", "openid"}, "email openid"},
		"withheld":                     {all, oauth.Scope{"openid", "accounts"}, email, oauth.Scope{"email"}, []string{"openid", "accounts", "email"}, ""},
		"withheld from userinfo":       {all, oauth.Scope{"openid"}, oauth.ClaimsRequest{Userinfo: asked("email")}, oauth.Scope{"email"}, []string{"openid", "email"}, ""},
		"withheld from the ID token":   {all, oauth.Scope{"openid"}, oauth.ClaimsRequest{IDToken: asked("email")}, oauth.Scope{"email"}, []string{"openid", "email"}, ""},
		"one of two withheld":          {all, oauth.Scope{"openid"}, oauth.ClaimsRequest{Userinfo: asked("email", "name")}, oauth.Scope{"profile"}, []string{"openid", "email", "profile"}, ""},
		"withheld from the scope, too": {all, oauth.Scope{"openid", "email"}, email, oauth.Scope{"email"}, []string{"openid", "email"}, ""},
		"something else is withheld":   {all, oauth.Scope{"openid", "accounts"}, email, oauth.Scope{"accounts"}, []string{"openid", "accounts", "email"}, "openid"},
		"nothing else is left":         {all, oauth.Scope{"openid"}, email, oauth.Scope{"openid"}, []string{"openid", "email"}, ""},
		"no longer registered for":     {"openid accounts", oauth.Scope{"openid", "accounts"}, email, oauth.Scope{"email"}, []string{"openid", "accounts"}, "openid accounts"},
		"nowhere to leave":             {all, oauth.Scope{"accounts"}, email, oauth.Scope{"email"}, []string{"accounts"}, "accounts"},
	} {
		t.Run(name, func(t *testing.T) {
			engine := &sparing{pushBench: pushBench{bench: newBench()}, withheld: c.withheld}
			e := engine.push().Endpoint
			e.Policy = engine
			holder := client(func(h *oauth.Client) { h.Scope = c.registered })
			req := oauth.TokenRequest{Now: noon, GrantType: oauth.GrantAuthorizationCode, Client: holder, Profile: oauth.Profiles[oauth.ProfileOpenID]}
			a := oauth.Authorization{Subject: oauth.EndUser{ID: "u1"}, Scope: c.scope, Claims: c.claims}
			at, err := e.target(req, a)
			if err != nil {
				t.Fatal(err)
			}
			decision, err := e.decide(t.Context(), req, oauth.ClientAuthentication{Client: holder}, a, at)
			if diff := cmp.Diff(c.question, engine.saw.Grant.Scope); diff != "" {
				t.Errorf("policy was asked: %s", diff)
			}
			if c.want != "" {
				if err != nil || oauth.Scope(decision.Scope).String() != c.want {
					t.Errorf("%v, %v", decision.Scope, err)
				}
				return
			}
			var refusal *oauth.Refusal
			if !errors.As(err, &refusal) || refusal.Err.Code != oauth.AccessDenied || refusal.Err.Decision != "d1" ||
				!cmp.Equal(refusal.Detail["rules"], any([]string{"token/claims"})) {
				t.Errorf("%+v", err)
			}
		})
	}
}

// At the endpoint, with the code's claims and with those of a refresh.
func TestClaimsThatPolicyWithholds(t *testing.T) {
	b := newBench()
	b.client.Scope += " email"
	b.code.Scope, b.code.Request.Claims = oauth.Scope{"openid"}, oauth.ClaimsRequest{Userinfo: asked("email")}
	status, body, answer := b.ask(t, redemption())
	if status != http.StatusOK || answer["scope"] != "openid" {
		t.Errorf("%d %s", status, body)
	}
	if diff := cmp.Diff([]string{"openid", "email"}, b.asked.Grant.Scope); diff != "" {
		t.Error(diff)
	}
	wanted := oauth.ClaimsRequest{IDToken: asked("name"), Userinfo: asked("email")}
	later := oauth.ClaimsRequest{IDToken: asked("name"), Userinfo: asked("email", "phone_number")}
	for name, managed := range map[string]bool{"refreshed": false, "refreshed, of a grant that was merged": true} {
		token := oauth.RefreshToken{
			Digest: theCode.Digest(), ClientID: "c1", GrantID: "g1", User: oauth.EndUser{ID: "u1"}, Scope: oauth.Scope{"openid"},
			Claims: wanted, Managed: managed, ExpiresAt: noon.Add(time.Hour),
		}
		at := rest{
			refresh: map[oauth.Digest]oauth.RefreshToken{token.Digest: token}, users: map[string]oauth.User{"u1": anna},
			grants: map[string]oauth.Grant{"g1": {ID: "g1", Scope: token.Scope, Claims: later}},
		}
		a, err := RefreshToken{Store: at, Users: at}.Redeem(t.Context(), request(client(nil), map[string]string{"refresh_token": theCode.Reveal()}))
		want := wanted
		if managed {
			want = later
		}
		if diff := cmp.Diff(want, a.Claims); err != nil || diff != "" {
			t.Errorf("%s: %v %s", name, err, diff)
		}
	}
}

// In front policy decides about the claims as at the token endpoint, and about the ID token alone, too: its claims, its
// lifetime, and the scope that it is about.
func TestPolicyDecidesAboutIDTokensInFront(t *testing.T) {
	grant := given
	grant.Scope = oauth.Scope{"openid", "profile", "accounts", "cards"}
	grant.Claims = oauth.ClaimsRequest{IDToken: asked("email"), Userinfo: asked("phone_number")}
	holder := frontClient(func(c *oauth.Client) { c.Scope = "openid profile email phone accounts" })
	ask := func(withheld ...string) (*sparing, FrontTokens, error) {
		engine := &sparing{pushBench: pushBench{bench: newBench()}, withheld: withheld}
		front := engine.front(oauth.User{})
		front.Endpoint.Policy = engine
		got, err := front.IDToken(t.Context(), holder, oauth.Profiles[oauth.ProfileOpenID], grant, oauth.EndUser{ID: "u1", AuthTime: noon})
		return engine, got, err
	}
	engine, got, err := ask("phone")
	want := FrontTokens{Scope: oauth.Scope{"openid", "profile"}, DecisionID: "d1", IDClaims: map[string]any{"tier": "gold"}, IDLifetime: 90 * time.Second}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	if saw := engine.saw; !cmp.Equal(saw.Grant, policy.Grant{Type: oauth.GrantImplicit, Scope: []string{"openid", "profile", "email"}}) ||
		saw.Client.AuthMethod != "none" || saw.Subject.ID != "u1" || saw.Subject.AuthTime != noon.Unix() || saw.Token.Lifetime != 0 {
		t.Errorf("policy saw %+v", saw)
	}
	if _, got, err = ask("profile"); err != nil || got.Scope.String() != "openid" {
		t.Errorf("narrowed: %+v, %v", got, err)
	}
	if _, got, err = ask("email"); err == nil || got.DecisionID != "" {
		t.Errorf("a single claim that is withheld: %+v", got)
	}
	engine = &sparing{pushBench: pushBench{bench: newBench()}, withheld: oauth.Scope{"phone"}}
	front := engine.front(oauth.User{})
	front.Endpoint.Policy = engine
	for withheld, refused := range map[string]bool{"": false, "phone": true, "email": true, "accounts": false} {
		engine.withheld = oauth.Scope{withheld}
		got, changes, err := front.Tokens(t.Context(), holder, oauth.Profiles[oauth.ProfileOpenID], grant, oauth.EndUser{ID: "u1", AuthTime: noon})
		if (err != nil) != refused || (changes == nil) != refused || got.Scope.Has("email") || !refused && (got.IDClaims["tier"] != "gold" || got.IDLifetime != 90*time.Second) {
			t.Errorf("an access token without %q: %+v, %v", withheld, got, err)
		}
	}
}

// A request without the claims parameter costs nothing more.
func TestNoClaimsCostNothing(t *testing.T) {
	holder, at := client(nil), target{scope: oauth.Scope{"openid", "accounts"}}
	if n := testing.AllocsPerRun(100, func() { _ = claimScope(holder, oauth.Authorization{}, at) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
