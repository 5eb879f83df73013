package token

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/provider/issue"
	"signet/provider/oauth"
)

// passwords knows one: alice's.
type passwords struct {
	err   error
	asked *[]string // what was checked, if anybody wants to know
}

func (p passwords) Check(_ context.Context, clientID, username string, password oauth.Secret) (oauth.EndUser, string, error) {
	if p.asked != nil {
		*p.asked = append(*p.asked, clientID+" "+username+" "+password.Reveal())
	}
	switch {
	case p.err != nil:
		return oauth.EndUser{}, "", p.err
	case username != "alice":
		return oauth.EndUser{}, "unknown username", nil
	case password != "correct horse":
		return oauth.EndUser{ID: "u1"}, "wrong password", nil
	}
	return oauth.EndUser{ID: "u1", ACR: "urn:by:password", AMR: []string{"pwd"}}, "", nil
}

func legacy(change func(*oauth.Client)) *oauth.Client {
	return client(func(c *oauth.Client) {
		c.GrantTypes = []string{oauth.GrantPassword, oauth.GrantRefreshToken}
		if change != nil {
			change(c)
		}
	})
}

func typed(more ...string) map[string]string {
	params := map[string]string{"username": "alice", "password": "correct horse"}
	for i := 0; i+1 < len(more); i += 2 {
		params[more[i]] = more[i+1]
	}
	return params
}

func TestPassword(t *testing.T) {
	account := oauth.User{ID: "u1", Username: "alice", Claims: map[string]any{"email": "alice@bank.example"}}
	for name, c := range map[string]struct {
		client  *oauth.Client
		params  map[string]string
		account oauth.User
		profile oauth.ProfileName
		err     error
		want    outcome
		reason  string
	}{
		"all that is registered":       {want: outcome{Scope: "openid offline_access accounts payments", Refresh: oauth.NewRefresh{}}},
		"less":                         {params: typed("scope", "accounts"), want: outcome{Scope: "accounts", Refresh: oauth.NewRefresh{}}},
		"openid without offline":       {params: typed("scope", "openid accounts"), want: outcome{Scope: "openid accounts", Refresh: oauth.NoRefresh{}}},
		"not for refresh tokens":       {client: legacy(func(c *oauth.Client) { c.GrantTypes = c.GrantTypes[:1] }), want: outcome{Scope: "openid offline_access accounts payments", Refresh: oauth.NoRefresh{}}},
		"a public client":              {client: legacy(func(c *oauth.Client) { c.AuthMethod = oauth.AuthNone }), params: typed("scope", "accounts"), want: outcome{Scope: "accounts", Refresh: oauth.NewRefresh{}}},
		"more than is registered":      {params: typed("scope", "accounts cards"), want: outcome{Error: oauth.InvalidScope}},
		"no username":                  {params: typed("username", ""), want: outcome{Error: oauth.InvalidRequest}},
		"no password":                  {params: typed("password", ""), want: outcome{Error: oauth.InvalidRequest}},
		"an unknown user":              {params: typed("username", "bob"), want: outcome{Error: oauth.InvalidGrant}, reason: "unknown username"},
		"a wrong password":             {params: typed("password", "battery staple"), want: outcome{Error: oauth.InvalidGrant}, reason: "wrong password"},
		"an account that is disabled":  {account: oauth.User{ID: "u1", Disabled: true}, want: outcome{Error: oauth.InvalidGrant}, reason: "the account is not usable"},
		"an account that is gone":      {account: oauth.User{ID: "u2"}, want: outcome{Error: oauth.InvalidGrant}, reason: "the account is not usable"},
		"a password as of later":       {account: oauth.User{ID: "u1", ValidFrom: noon.Add(time.Hour)}, want: outcome{Error: oauth.InvalidGrant}, reason: "the account is not usable"},
		"too many at the same time":    {err: oauth.Errorf(oauth.TemporarilyUnavailable, "busy"), want: outcome{Error: oauth.TemporarilyUnavailable}},
		"no database":                  {err: oauth.ErrUnavailable, want: outcome{Error: oauth.ServerError}},
		"FAPI 2.0":                     {profile: oauth.ProfileFAPI2Security, want: outcome{Error: oauth.UnauthorizedClient}},
		"FAPI 1.0":                     {profile: oauth.ProfileFAPI1Advanced, want: outcome{Error: oauth.UnauthorizedClient}},
		"FAPI CIBA":                    {profile: oauth.ProfileFAPICIBA, want: outcome{Error: oauth.UnauthorizedClient}},
		"FAPI 2.0 message signing":     {profile: oauth.ProfileFAPI2MessageSigning, want: outcome{Error: oauth.UnauthorizedClient}},
		"FAPI 2.0 implementer's draft": {profile: oauth.ProfileFAPI2SecurityID2, want: outcome{Error: oauth.UnauthorizedClient}},
	} {
		t.Run(name, func(t *testing.T) {
			if c.client == nil {
				c.client = legacy(nil)
			}
			if c.params == nil {
				c.params = typed()
			}
			if c.account.ID == "" {
				c.account = account
			}
			req := request(c.client, c.params)
			if c.profile != "" {
				req.Profile = oauth.Profiles[c.profile]
			}
			g := Password{Passwords: passwords{err: c.err}, Users: rest{users: map[string]oauth.User{c.account.ID: c.account}}, Lifetime: time.Hour, Random: rand.Reader}
			a, err := g.Redeem(t.Context(), req)
			got := outcomeOf(a, err)
			got.Changes = nil // looked at below
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			var refusal *oauth.Refusal
			if errors.As(err, &refusal) != (c.reason != "") || refusal != nil && refusal.Detail["reason"] != c.reason {
				t.Errorf("refusal %+v, want reason %q", refusal, c.reason)
			}
		})
	}
}

// Whatever is wrong about a username and a password, the client hears the same.
func TestPasswordTellsNothing(t *testing.T) {
	g := Password{Passwords: passwords{}, Users: rest{users: map[string]oauth.User{"u1": {ID: "u1", Disabled: true}}}, Lifetime: time.Hour, Random: rand.Reader}
	texts := map[string]bool{}
	for _, params := range []map[string]string{typed(), typed("username", "bob"), typed("password", "x")} {
		_, err := g.Redeem(t.Context(), request(legacy(nil), params))
		var fault *oauth.Error
		if !errors.As(err, &fault) || strings.Contains(err.Error(), "correct horse") {
			t.Fatal(err)
		}
		texts[string(fault.Code)+fault.Description] = true
	}
	if len(texts) != 1 {
		t.Errorf("the client can tell: %v", texts)
	}
}

// The password is looked at last, so that a request that fails anyway is no way to guess for free.
func TestPasswordIsLookedAtLast(t *testing.T) {
	var asked []string
	g := Password{Passwords: passwords{asked: &asked}, Users: rest{}, Lifetime: time.Hour, Random: rand.Reader}
	if _, err := g.Redeem(t.Context(), request(legacy(nil), typed("scope", "cards"))); err == nil || asked != nil {
		t.Errorf("%v; asked %v", err, asked)
	}
}

// What a password gives is kept as a grant, about a login that has just taken place.
func TestPasswordGrantIsKept(t *testing.T) {
	account := oauth.User{ID: "u1", Claims: map[string]any{"email": "alice@bank.example"}}
	g := Password{
		Passwords: passwords{}, Users: rest{users: map[string]oauth.User{"u1": account}}, ACR: "urn:bank:legacy", Lifetime: time.Hour,
		IDClaims: issue.ClaimsOfScope, Random: rand.Reader,
	}
	req := request(legacy(func(c *oauth.Client) { c.Scope = "openid email accounts" }), typed("scope", "openid email"))
	req.Resources = []string{"https://api"}
	req.Now = noon.Add(300 * time.Millisecond)
	a, err := g.Redeem(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	user := oauth.EndUser{ID: "u1", AuthTime: noon, ACR: "urn:bank:legacy", AMR: []string{"pwd"}}
	want := oauth.Authorization{
		Subject: user, GrantID: a.GrantID, Scope: oauth.Scope{"openid", "email"}, Resources: []string{"https://api"}, Refresh: oauth.NoRefresh{},
		UserClaims: map[string]any{"email": "alice@bank.example"},
		Changes: []oauth.Change{oauth.StoreGrant{Grant: oauth.Grant{
			ID: a.GrantID, ClientID: "c1", UserID: "u1", Scope: oauth.Scope{"openid", "email"}, Resources: []string{"https://api"},
			CreatedAt: req.Now, ExpiresAt: req.Now.Add(time.Hour),
		}}},
	}
	if diff := cmp.Diff(want, a); diff != "" || len(a.GrantID) != 22 {
		t.Error(diff)
	}
	g.Random = strings.NewReader("")
	if _, err := g.Redeem(t.Context(), req); err == nil {
		t.Error("granted without randomness")
	}
}
