package token

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/provider/oauth"
)

// A refresh token of a managed grant gives no more than the grant has now, and never more than the token had. That
// must still be so when it is committed, and details that are gone leave no scope without its bounds.
func TestManagedGrants(t *testing.T) {
	const value = oauth.Secret("the-refresh-token")
	one, two := detail(`{"type":"pay","n":1}`), detail(`{"type":"pay","n":2}`)
	scope := oauth.Scope{"accounts", "payments"}
	type given struct {
		Scope     string
		Resources []string
		Details   oauth.Details
		Code      oauth.Code
	}
	for name, c := range map[string]struct {
		grant *oauth.Grant // nil = gone
		token func(*oauth.RefreshToken)
		want  given
	}{
		"unchanged": {grant: &oauth.Grant{Scope: scope, Details: oauth.Details{one}}, want: given{Scope: "accounts payments", Details: oauth.Details{one}}},
		"merged":    {grant: &oauth.Grant{Scope: append(oauth.Scope{"cards"}, scope...), Details: oauth.Details{two, one}}, want: given{Scope: "accounts payments", Details: oauth.Details{one}}},
		"narrowed":  {grant: &oauth.Grant{Scope: oauth.Scope{"payments"}, Details: oauth.Details{one}}, want: given{Scope: "payments", Details: oauth.Details{one}}},
		"narrowed, had no details": {
			grant: &oauth.Grant{Scope: oauth.Scope{"payments"}, Details: oauth.Details{one}},
			token: func(r *oauth.RefreshToken) { r.Details = nil }, want: given{Scope: "payments"},
		},
		"some of the details": {
			grant: &oauth.Grant{Scope: scope, Details: oauth.Details{two}},
			token: func(r *oauth.RefreshToken) { r.Details = oauth.Details{one, two} },
			want:  given{Scope: "accounts payments", Details: oauth.Details{two}},
		},
		"details only":  {grant: &oauth.Grant{Details: oauth.Details{one}}, want: given{Details: oauth.Details{one}}},
		"no details":    {grant: &oauth.Grant{Scope: scope}, want: given{Code: oauth.InvalidGrant}},
		"other details": {grant: &oauth.Grant{Scope: scope, Details: oauth.Details{two}}, want: given{Code: oauth.InvalidGrant}},
		"resources named since": {
			grant: &oauth.Grant{Scope: scope, Details: oauth.Details{one}, Resources: []string{"https://api"}}, want: given{Scope: "accounts payments", Details: oauth.Details{one}, Resources: []string{"https://api"}},
		},
		"fewer resources": {
			grant: &oauth.Grant{Scope: scope, Details: oauth.Details{one}, Resources: []string{"https://api"}},
			token: func(r *oauth.RefreshToken) { r.Resources = []string{"https://cards", "https://api"} },
			want:  given{Scope: "accounts payments", Details: oauth.Details{one}, Resources: []string{"https://api"}},
		},
		"other resources": {
			grant: &oauth.Grant{Scope: scope, Resources: []string{"https://api"}},
			token: func(r *oauth.RefreshToken) { r.Resources = []string{"https://cards"} }, want: given{Code: oauth.InvalidGrant},
		},
		"nothing left": {grant: &oauth.Grant{Scope: oauth.Scope{"cards"}}, want: given{Code: oauth.InvalidGrant}},
		"gone":         {want: given{Code: oauth.InvalidGrant}},
		"not managed":  {token: func(r *oauth.RefreshToken) { r.Managed = false }, want: given{Scope: "accounts payments", Details: oauth.Details{one}}},
	} {
		t.Run(name, func(t *testing.T) {
			token := oauth.RefreshToken{
				Digest: value.Digest(), ClientID: "c1", GrantID: "g1", User: oauth.EndUser{ID: "u1"}, Scope: scope, Details: oauth.Details{one},
				Managed: true, ExpiresAt: noon.Add(time.Hour),
			}
			if c.token != nil {
				c.token(&token)
			}
			at := rest{refresh: map[oauth.Digest]oauth.RefreshToken{token.Digest: token}, users: map[string]oauth.User{"u1": {}}, grants: map[string]oauth.Grant{}}
			if c.grant != nil {
				grant := *c.grant
				grant.ID, grant.UpdatedAt = "g1", noon.Add(-time.Hour)
				at.grants["g1"] = grant
			}
			a, err := RefreshToken{Store: at, Users: at}.Redeem(t.Context(), request(client(nil), map[string]string{"refresh_token": value.Reveal()}))
			got := given{a.Scope.String(), a.Resources, a.Details, outcomeOf(a, err).Error}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			if err == nil && (a.TellGrant != token.Managed || !cmp.Equal(a.Refresh, oauth.Refresh(oauth.RotateRefresh{Old: token}))) {
				t.Errorf("%+v", a)
			}
			if err != nil {
				return
			}
			var conditions []oauth.Change
			if token.Managed {
				conditions = []oauth.Change{oauth.CheckGrant{GrantID: "g1", Seen: noon.Add(-time.Hour)}}
			}
			if diff := cmp.Diff(conditions, a.Changes); diff != "" {
				t.Error(diff)
			}
		})
	}
}
