package logout_test

import (
	"net/url"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"signet/provider/audit"
	"signet/provider/logout"
	"signet/provider/oauth"
)

// Where the owner says so, all that was granted in the session ends with it, but what was for offline access; and what
// another request grants at the same time, too.
func TestReference_J34_logout_ends_what_was_granted(t *testing.T) {
	grants := []oauth.Grant{
		{ID: "login", Scope: oauth.Scope{"openid"}}, {ID: "plain", Scope: oauth.Scope{"accounts"}}, {ID: "managed", Scope: oauth.Scope{"openid"}, Managed: true},
		{ID: "offline", Scope: oauth.Scope{"offline_access", "openid"}}, {ID: "revoked", Scope: oauth.Scope{"accounts"}, Revoked: true},
	}
	for name, c := range map[string]struct {
		on    bool
		ended []string
	}{
		"off": {false, []string{"login"}},
		"on":  {true, []string{"login", "plain", "managed"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(d *logout.Deps) { d.RevokeRefreshTokens = c.on })
			r.grant(grants...)
			var parts []oauth.Participation
			for _, g := range grants {
				parts = append(parts, oauth.Participation{ClientID: "silent", GrantID: g.ID, Offline: g.Scope.Has("offline_access")})
			}
			r.login("u1", parts...)
			late := oauth.Grant{ID: "late", Scope: oauth.Scope{"accounts"}}
			r.store.joined = func() { // after the participations have been read
				r.store.joined = nil
				join := oauth.JoinSession{Participation: oauth.Participation{SessionID: r.sid, ClientID: "silent", GrantID: late.ID}}
				if err := r.store.Commit(t.Context(), oauth.StoreGrant{Grant: late}, join); err != nil {
					t.Error(err)
				}
				r.store.Commits = nil
			}
			r.get(url.Values{"id_token_hint": {r.idToken("app", nil)}})
			var ended []string
			for _, g := range grants {
				if !g.Revoked && r.store.Grants[g.ID].Revoked {
					ended = append(ended, g.ID)
				}
			}
			if diff := cmp.Diff(c.ended, ended); diff != "" || r.store.Grants["late"].Revoked != c.on {
				t.Errorf("%s, the late one ended: %v", diff, r.store.Grants["late"].Revoked)
			}
			if diff := cmp.Diff(any(c.ended), r.entries(audit.LogoutCompleted)[0].Detail["revoked_grants"]); diff != "" {
				t.Errorf("audit: %s", diff)
			}
			by := oauth.RevokeSession{SessionID: r.sid, At: noon}
			if slices.Contains(r.store.Commits[0], oauth.Change(by)) != c.on {
				t.Errorf("%+v", r.store.Commits[0])
			}
		})
	}
}
