package token

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/provider/oauth"
)

// people are found by their names, too.
type people struct{ rest }

func (p people) UserByName(_ context.Context, name string) (oauth.User, error) {
	for _, user := range p.users {
		if user.Username == name {
			return user, p.err
		}
	}
	return find(map[string]oauth.User{}, name, p.err)
}

const declaredType = "urn:bank:client-authenticated-user"

// trusted may use the declared grant.
func trusted(change func(*oauth.Client)) *oauth.Client {
	return client(func(c *oauth.Client) {
		c.GrantTypes, c.TrustedFor = []string{declaredType, oauth.GrantRefreshToken}, []string{declaredType}
		if change != nil {
			change(c)
		}
	})
}

func TestDeclared(t *testing.T) {
	byID := Declared{Type: declaredType, User: "user_id", Parameters: []string{"user_type", "branch"}, Required: []string{"user_type"}}
	byName := byID
	byName.Subject = SubjectUsername
	alone := Declared{Type: declaredType, Parameters: []string{"branch"}}
	params := func(more ...string) map[string]string {
		all := map[string]string{"user_id": "u1", "user_type": "retail", "color": "blue"}
		for i := 0; i+1 < len(more); i += 2 {
			all[more[i]] = more[i+1]
		}
		return all
	}
	type told map[string]string
	for name, c := range map[string]struct {
		grant   Declared
		client  *oauth.Client
		params  map[string]string
		err     error
		want    outcome
		subject string
		told    told
	}{
		"a user by id":     {grant: byID, params: params(), want: outcome{Scope: "openid offline_access accounts payments"}, subject: "u1", told: told{"user_type": "retail"}},
		"a user by name":   {grant: byName, params: params("user_id", "alice", "scope", "accounts", "branch", "Frankfurt"), want: outcome{Scope: "accounts"}, subject: "u1", told: told{"user_type": "retail", "branch": "Frankfurt"}},
		"the client alone": {grant: alone, params: params(), want: outcome{Scope: "accounts payments"}, subject: "c1", told: told{}},
		"the client alone, with a parameter": {grant: alone, params: params("branch", "Berlin", "scope", "payments"), want: outcome{Scope: "payments"}, subject: "c1",
			told: told{"branch": "Berlin"}},
		"the client alone, about a user": {grant: alone, params: params("scope", "openid accounts"), want: outcome{Error: oauth.InvalidScope}},
		"a name for an id":               {grant: byID, params: params("user_id", "alice"), want: outcome{Error: oauth.InvalidGrant}},
		"an id for a name":               {grant: byName, params: params(), want: outcome{Error: oauth.InvalidGrant}},
		"a user who is disabled":         {grant: byID, params: params("user_id", "u2"), want: outcome{Error: oauth.InvalidGrant}},
		"no user":                        {grant: byID, params: params("user_id", ""), want: outcome{Error: oauth.InvalidRequest}},
		"a parameter is missing":         {grant: byID, params: params("user_type", ""), want: outcome{Error: oauth.InvalidRequest}},
		"more than is registered":        {grant: byID, params: params("scope", "cards"), want: outcome{Error: oauth.InvalidScope}},
		"not trusted":                    {grant: byID, client: trusted(func(c *oauth.Client) { c.TrustedFor = nil }), params: params(), want: outcome{Error: oauth.UnauthorizedClient}},
		"trusted for another": {grant: byID, client: trusted(func(c *oauth.Client) { c.TrustedFor = []string{"urn:bank:other"} }), params: params(),
			want: outcome{Error: oauth.UnauthorizedClient}},
		"a public client": {grant: byID, client: trusted(func(c *oauth.Client) { c.AuthMethod = oauth.AuthNone }), params: params(), want: outcome{Error: oauth.UnauthorizedClient}},
		"no database":     {grant: byID, params: params(), err: oauth.ErrUnavailable, want: outcome{Error: oauth.ServerError}},
	} {
		t.Run(name, func(t *testing.T) {
			if c.client == nil {
				c.client = trusted(nil)
			}
			c.grant.Users = people{rest{err: c.err, users: map[string]oauth.User{"u1": {ID: "u1", Username: "alice"}, "u2": {ID: "u2", Disabled: true}}}}
			c.grant.Lifetime, c.grant.Random = time.Hour, rand.Reader
			if c.want.Error == "" {
				c.want.Refresh = oauth.NoRefresh{}
			}
			a, err := c.grant.Redeem(t.Context(), request(c.client, c.params))
			got := outcomeOf(a, err)
			got.Changes = nil // looked at below
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Fatal(diff)
			}
			if err != nil {
				return
			}
			if diff := cmp.Diff(map[string]string(c.told), a.Question.Parameters); diff != "" || a.Subject.Subject() != c.subject {
				t.Errorf("about %s; %s", a.Subject.Subject(), diff)
			}
		})
	}
}

// What is granted about a user is kept as a grant, and says nothing of a login here.
func TestDeclaredGrantIsKept(t *testing.T) {
	g := Declared{Type: declaredType, User: "user_id", Users: people{rest{users: map[string]oauth.User{"u1": {ID: "u1"}}}}, Lifetime: time.Hour, Random: rand.Reader}
	req := request(trusted(nil), map[string]string{"user_id": "u1", "scope": "accounts"})
	a, err := g.Redeem(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	want := oauth.Authorization{
		Subject: oauth.EndUser{ID: "u1", AuthTime: noon}, GrantID: a.GrantID, Scope: oauth.Scope{"accounts"}, Refresh: oauth.NoRefresh{},
		Question: &oauth.Question{Parameters: map[string]string{}},
		Changes: []oauth.Change{oauth.StoreGrant{Grant: oauth.Grant{
			ID: a.GrantID, ClientID: "c1", UserID: "u1", Scope: oauth.Scope{"accounts"}, CreatedAt: noon, ExpiresAt: noon.Add(time.Hour),
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

// Policy is told one value of a parameter, or the request is refused.
func TestDeclaredParameterTwice(t *testing.T) {
	g := Declared{Type: declaredType, Parameters: []string{"audience"}}
	req := request(trusted(nil), nil)
	req.Params = oauth.NewParams(map[string][]string{"audience": {"a", "b"}})
	if got := outcomeOf(g.Redeem(t.Context(), req)); got.Error != oauth.InvalidRequest {
		t.Errorf("%+v", got)
	}
}
