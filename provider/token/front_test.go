package token

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/policy"
	"signet/provider/audit"
	"signet/provider/issue"
	"signet/provider/oauth"
)

func frontClient(change func(*oauth.Client)) *oauth.Client {
	c := client(change)
	c.GrantTypes = append(c.GrantTypes, oauth.GrantImplicit)
	return c
}

// seeing is a policy that tells what it was asked.
type seeing struct {
	pushBench
	saw *policy.Input
}

func (s seeing) Decide(ctx context.Context, in policy.Input) (policy.Decision, error) {
	*s.saw = in
	return s.pushBench.Decide(ctx, in)
}

// shown are the claims of an access token as pushBench signs it.
func shown(t *testing.T, token oauth.Secret) map[string]any {
	t.Helper()
	payload, ok := strings.CutPrefix(token.Reveal(), issue.TypeAccessToken)
	var claims map[string]any
	if err := json.Unmarshal([]byte(payload), &claims); err != nil || !ok {
		t.Fatal(err)
	}
	return claims
}

func (p pushBench) front(user oauth.User) Front {
	return Front{Endpoint: p.push().Endpoint, Users: rest{users: map[string]oauth.User{"u1": user}}}
}

var given = oauth.Grant{ID: "g1", ClientID: "c1", UserID: "u1", Scope: oauth.Scope{"openid", "accounts"}, Resources: []string{"https://api"}}

// An access token of the authorization endpoint is a bearer token about the user, for the grant, decided and audited as
// any other; and nothing is stored by making it.
func TestFront(t *testing.T) {
	b := pushBench{bench: newBench()}
	front := b.front(oauth.User{})
	var saw policy.Input
	front.Endpoint.Policy = seeing{b, &saw}
	got, changes, err := front.Tokens(t.Context(), frontClient(nil), oauth.Profiles[oauth.ProfileOpenID], given, oauth.EndUser{ID: "u1", AuthTime: noon})
	if err != nil {
		t.Fatal(err)
	}
	claims := shown(t, got.AccessToken)
	want := FrontTokens{AccessToken: got.AccessToken, TokenType: "Bearer", ExpiresIn: 60, Scope: oauth.Scope{"openid", "accounts"}, JTI: claims["jti"].(string), DecisionID: "d1", IDLifetime: time.Minute}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if claims["sub"] != "u1" || claims["client_id"] != "c1" || claims["aud"] != "https://api" || claims["cnf"] != nil || claims["scope"] != "openid accounts" {
		t.Errorf("%v", claims)
	}
	if saw.Grant.Type != oauth.GrantImplicit || saw.Client.AuthMethod != "none" || saw.Subject.ID != "u1" || saw.Sender.Method != policy.SenderNone {
		t.Errorf("policy saw %+v", saw)
	}
	if len(changes) != 1 || len(b.committed) != 0 {
		t.Fatalf("changes %v, committed %v", changes, b.committed)
	}
	entry := changes[0].(oauth.RecordAudit).Entry
	if entry.Event != string(audit.TokenIssued) || entry.GrantID != "g1" || entry.Subject != "u1" || entry.JTI != got.JTI || entry.DecisionID != "d1" || entry.Detail["grant_type"] != oauth.GrantImplicit {
		t.Errorf("%+v", entry)
	}
}

// A token by reference is kept with the grant.
func TestFrontOpaque(t *testing.T) {
	b := pushBench{bench: newBench()}
	front := b.front(oauth.User{})
	front.Endpoint.Catalog = NewCatalog([]Resource{{ID: "https://api", Scopes: oauth.Scope{"accounts"}, Opaque: true, Lifetime: time.Minute}})
	_, changes, err := front.Tokens(t.Context(), frontClient(nil), oauth.Profiles[oauth.ProfileOpenID], given, oauth.EndUser{ID: "u1"})
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, c := range changes {
		kinds = append(kinds, fmt.Sprintf("%T", c)[len("oauth."):])
	}
	if diff := cmp.Diff([]string{"StoreOpaque", "RecordAudit"}, kinds); diff != "" {
		t.Error(diff)
	}
}

func TestFrontRefused(t *testing.T) {
	openid := oauth.Profiles[oauth.ProfileOpenID]
	for name, c := range map[string]struct {
		client  func(*oauth.Client)
		profile oauth.Profile
		grant   func(*oauth.Grant)
		user    oauth.User
		bench   pushBench
		want    oauth.Code
	}{
		"not registered for it":      {profile: openid, client: func(c *oauth.Client) { c.GrantTypes = nil }, want: oauth.UnauthorizedClient},
		"sender-constrained profile": {profile: oauth.Profiles[oauth.ProfileFAPI2Security], want: oauth.UnauthorizedClient},
		"certificate-bound client":   {profile: openid, client: func(c *oauth.Client) { c.BoundAccessTokens = true }, want: oauth.UnauthorizedClient},
		"client with a certificate":  {profile: openid, client: func(c *oauth.Client) { c.AuthMethod = oauth.AuthTLS }, want: oauth.UnauthorizedClient},
		"one of its own":             {profile: openid, client: func(c *oauth.Client) { c.AuthMethod = oauth.AuthSelfSignedTLS }, want: oauth.UnauthorizedClient},
		"a grant with details":       {profile: openid, grant: func(g *oauth.Grant) { g.Details = oauth.Details{{Type: "pay"}} }, want: oauth.InvalidRequest},
		"DPoP-bound client":          {profile: openid, client: func(c *oauth.Client) { c.DPoPBound = true }, want: oauth.UnauthorizedClient},
		"user disabled":              {profile: openid, user: oauth.User{Disabled: true}, want: oauth.AccessDenied},
		"login ended":                {profile: openid, user: oauth.User{ValidFrom: noon.Add(time.Second)}, want: oauth.AccessDenied},
		"no resource server":         {profile: openid, grant: func(g *oauth.Grant) { g.Resources = []string{"https://x"} }, want: oauth.InvalidTarget},
		"scope the client has lost":  {profile: openid, grant: func(g *oauth.Grant) { g.Scope = oauth.Scope{"cards"} }, want: oauth.InvalidScope},
		"policy":                     {profile: openid, bench: pushBench{denials: []policy.Denial{{Error: "access_denied"}}}, want: oauth.AccessDenied},
		"policy cannot answer":       {profile: openid, bench: pushBench{failure: errors.New("engine on fire")}, want: oauth.TemporarilyUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			holder, grant := frontClient(nil), given
			if c.client != nil {
				c.client(holder)
			}
			if c.grant != nil {
				c.grant(&grant)
			}
			c.bench.bench = newBench()
			got, changes, err := c.bench.front(c.user).Tokens(t.Context(), holder, c.profile, grant, oauth.EndUser{ID: "u1", AuthTime: noon})
			if code := outcomeOf(oauth.Authorization{}, err).Error; code != c.want || got.AccessToken != "" || changes != nil {
				t.Errorf("%v with %v, want %s", err, changes, c.want)
			}
			var refusal *oauth.Refusal
			if named := errors.As(err, &refusal) && refusal.Err.Decision == "d1" && refusal.Detail["rules"] != nil; named != (name == "policy") {
				t.Errorf("%+v", refusal)
			}
		})
	}
	for name, c := range map[string]struct {
		client func(*oauth.Client)
		user   oauth.User
		bench  pushBench
		want   oauth.Code
	}{
		"not registered for it": {client: func(c *oauth.Client) { c.GrantTypes = nil }, want: oauth.UnauthorizedClient},
		"user disabled":         {user: oauth.User{Disabled: true}, want: oauth.AccessDenied},
		"policy":                {bench: pushBench{denials: []policy.Denial{{Error: "access_denied"}}}, want: oauth.AccessDenied},
		"policy cannot answer":  {bench: pushBench{failure: errors.New("engine on fire")}, want: oauth.TemporarilyUnavailable},
		"bound client":          {client: func(c *oauth.Client) { c.DPoPBound = true }},
		"no resource server":    {client: func(c *oauth.Client) { c.Resources = nil }},
	} {
		t.Run("ID token, "+name, func(t *testing.T) {
			holder := frontClient(nil)
			if c.client != nil {
				c.client(holder)
			}
			c.bench.bench = newBench()
			got, err := c.bench.front(c.user).IDToken(t.Context(), holder, openid, given, oauth.EndUser{ID: "u1", AuthTime: noon})
			if code := outcomeOf(oauth.Authorization{}, err).Error; code != c.want || (got.DecisionID == "") != (c.want != "") {
				t.Errorf("%v with %+v, want %s", err, got, c.want)
			}
		})
	}
	down := Front{Endpoint: (pushBench{bench: newBench()}).push().Endpoint, Users: rest{err: errors.New("disk on fire")}}
	if _, _, err := down.Tokens(t.Context(), frontClient(nil), openid, given, oauth.EndUser{ID: "u1"}); outcomeOf(oauth.Authorization{}, err).Error != oauth.ServerError {
		t.Errorf("without a store: %v", err)
	}
}
