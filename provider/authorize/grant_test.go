package authorize

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/provider/oauth"
)

func payment(id string) oauth.Detail {
	return oauth.Detail{Type: "payment", JSON: []byte(`{"type":"payment","id":"` + id + `"}`)}
}

// grantRig has a grant of u1 for the client, and u1 logged in.
func grantRig(t *testing.T) (r *rig, user oauth.EndUser) {
	t.Helper()
	r = newRig(t)
	r.store.Grants["g1"] = oauth.Grant{
		ID: "g1", ClientID: "app", UserID: "u1", Scope: oauth.Scope{"openid", "profile"}, Details: oauth.Details{payment("1")},
		CreatedAt: r.now.Add(-time.Hour), UpdatedAt: r.now.Add(-time.Minute), ExpiresAt: r.now.Add(time.Minute), Managed: true,
	}
	return r, r.login("u1")
}

func TestGrantActions(t *testing.T) {
	both := `[{"type":"payment","id":"1"},{"type":"payment","id":"2"}]`
	for _, test := range []struct {
		action  string
		scope   oauth.Scope
		details oauth.Details
		changes []string
	}{
		{"merge", oauth.Scope{"openid", "profile", "accounts"}, oauth.Details{payment("1"), payment("2")}, []string{"consent"}},
		{"replace", oauth.Scope{"openid", "accounts"}, oauth.Details{payment("1"), payment("2")}, []string{"consent is set", "consent"}},
	} {
		t.Run(test.action, func(t *testing.T) {
			r, user := grantRig(t)
			r.consent("u1", oauth.Scope{"openid", "accounts"}) // details are asked for each time, all the same
			r.get(params("grant_management_action", test.action, "grant_id", "g1", "authorization_details", both))
			if len(r.asked) != 1 || r.asked[0].User == nil {
				t.Fatalf("asked %v", r.asked)
			}
			r.store.Commits = nil
			r.answerOf(r.do(r.Resume(), http.MethodPost, r.resumeURL(), approve(user)), callback)
			want := slices.Concat([]string{"changed grant", "code", "join", "finish"}, test.changes, []string{"consent.given", "code.issued"})
			if diff := cmp.Diff(want, kinds(r.store.Commits[0])); diff != "" {
				t.Error(diff)
			}
			grant, code := r.store.Grants["g1"], r.codes()[0]
			if diff := cmp.Diff([]any{test.scope, test.details, []string{accounts}, true}, []any{grant.Scope, grant.Details, grant.Resources, grant.Managed}); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff([]any{"g1", test.scope, test.details}, []any{code.GrantID, code.Scope, code.Request.Details}); diff != "" {
				t.Error(diff)
			}
			if !grant.UpdatedAt.Equal(r.now) || !grant.ExpiresAt.After(r.now.Add(time.Hour)) || !grant.CreatedAt.Equal(r.now.Add(-time.Hour)) {
				t.Errorf("grant %+v", grant)
			}
		})
	}
}

func TestCreatedGrantIsManagedWhenItWasAskedFor(t *testing.T) {
	for action, want := range map[string]bool{"create": true, "": false} {
		r := newRig(t)
		r.login("u1")
		r.consent("u1", oauth.Scope{"openid", "accounts"})
		r.answerOf(r.get(params("grant_management_action", action)), callback)
		for _, grant := range r.store.Grants {
			if grant.Managed != want {
				t.Errorf("%q: %+v", action, grant)
			}
		}
	}
}

func TestGrantsThatCannotBeChanged(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(r *rig, grant *oauth.Grant)
		want   string
	}{
		{"another client's", func(_ *rig, g *oauth.Grant) { g.ClientID = "fapi" }, "invalid_grant_id"},
		{"revoked", func(_ *rig, g *oauth.Grant) { g.Revoked = true }, "invalid_grant_id"},
		{"over", func(r *rig, g *oauth.Grant) { g.ExpiresAt = r.now }, "invalid_grant_id"},
		{"never told of", func(_ *rig, g *oauth.Grant) { g.Managed = false }, "invalid_grant_id"},
		{"another user's", func(_ *rig, g *oauth.Grant) { g.UserID = "u2" }, "access_denied"},
		{"unreadable", func(r *rig, _ *oauth.Grant) { r.store.FailRead = errDisk }, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, _ := grantRig(t)
			grant := r.store.Grants["g1"]
			test.change(r, &grant)
			r.store.Grants["g1"] = grant
			res := r.get(params("grant_management_action", "replace", "grant_id", "g1"))
			if test.want == "" {
				page(t, res)
				return
			}
			if answer := r.answerOf(res, callback); answer.Get("error") != test.want || len(r.store.Commits) != 0 {
				t.Errorf("answer %v", answer)
			}
		})
	}
}

// Another request changed the grant between its reading and the commit: the client may try again.
func TestGrantChangedMeanwhile(t *testing.T) {
	r, user := grantRig(t)
	r.get(params("grant_management_action", "merge", "grant_id", "g1"))
	p, err := r.resume(r.cookies.Request(http.MethodGet, r.resumeURL(), nil))
	if err != nil {
		t.Fatal(err)
	}
	outcome, err := r.foresee(t.Context(), p, r.now)
	if err != nil {
		t.Fatal(err)
	}
	_, changes, err := r.approval(t.Context(), p, outcome, user, true)
	if err != nil {
		t.Fatal(err)
	}
	grant := r.store.Grants["g1"]
	grant.UpdatedAt = r.now
	r.store.Grants["g1"] = grant
	err = r.store.Commit(t.Context(), changes...)
	w := r.cookies.Send(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.uncommitted(w, req, p, err)
	}), r.cookies.Request(http.MethodGet, "/", nil))
	if answer := r.answerOf(w.Result(), callback); answer.Get("error") != "invalid_grant_id" {
		t.Errorf("answer %v", answer)
	}
}

func TestGrantManagementOffAndRequired(t *testing.T) {
	r := newRig(t)
	r.deps.GrantManagement = false
	if r.get(params("grant_management_action", "shred", "grant_id", "g1")); len(r.asked) != 1 || r.asked[0].Request.GrantAction != "" {
		t.Errorf("off: asked %v", r.asked)
	}
	r.deps.GrantManagement, r.deps.GrantActionRequired = true, true
	if answer := r.answerOf(r.get(params()), callback); answer.Get("error") != "invalid_request" {
		t.Errorf("required: %v", answer)
	}
}
