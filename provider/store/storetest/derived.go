package storetest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"signet/provider/oauth"
	"signet/provider/store"
)

// derived is a grant that comes from another's token; either may be "".
func derived(id, parentID, parentJTI string) oauth.DeriveGrant {
	g := grant(id)
	g.ParentID, g.ParentJTI = parentID, parentJTI
	return oauth.DeriveGrant{Grant: g}
}

// wantRevoked asks in each way that there is whether a grant has ended.
func wantRevoked(t *testing.T, b Backend, id string, want bool) {
	t.Helper()
	ctx := t.Context()
	got, err := b.Grant(ctx, id)
	if err != nil || got.Revoked != want {
		t.Errorf("Grant(%s): revoked %v, %v; want %v", id, got.Revoked, err, want)
	}
	if revoked, err := b.Revoked(ctx, id+".some", id); err != nil || revoked != want {
		t.Errorf("Revoked(%s): %v, %v; want %v", id, revoked, err, want)
	}
	all, err := b.Grants(ctx, store.GrantFilter{})
	if err != nil {
		t.Error(err)
	}
	for _, g := range all {
		if g.ID == id && g.Revoked != want {
			t.Errorf("Grants: %s revoked %v, want %v", id, g.Revoked, want)
		}
	}
	var conflict *oauth.Conflict
	if err := b.Commit(ctx, oauth.UseGrant{GrantID: id}); want != errors.As(err, &conflict) || !want && err != nil {
		t.Errorf("UseGrant(%s): %v", id, err)
	}
}

func testGrantsDerived(t *testing.T, b Backend) {
	ctx := t.Context()
	first := derived("d", "root", "root.a")
	commitConflicts(t, b, first, first) // from what is not there
	commit(t, b, oauth.StoreGrant{Grant: grant("root")}, first)
	got, err := b.Grant(ctx, "d")
	same(t, got, err, first.Grant)
	commit(t, b, derived("by grant", "root", ""), derived("by token", "", "alone"), derived("dd", "d", "d.a~b"))
	for _, id := range []string{"root", "d", "by grant", "by token", "dd"} {
		wantRevoked(t, b, id, false)
	}

	// Made in one commit, with what it is for.
	token := refresh("r", "whole")
	token.Derived = true
	commit(t, b, derived("whole", "dd", "dd.a"), oauth.StoreRefresh{Token: token})
	read, err := b.RefreshToken(ctx, token.Digest)
	same(t, read, err, token)

	for name, wrong := range map[string]oauth.Change{
		"no origin":            oauth.DeriveGrant{Grant: grant("wrong")},
		"stored with a parent": oauth.StoreGrant{Grant: derived("wrong", "root", "").Grant},
		"stored with a token":  oauth.StoreGrant{Grant: derived("wrong", "", "root.a").Grant},
		"many generations":     derived("wrong", "root", "root.a"+strings.Repeat("~a", oauth.MaxGenerations+1)),
		"an id that is taken":  derived("d", "root", "root.b"),
	} {
		var conflict *oauth.Conflict
		if err := b.Commit(ctx, wrong); err == nil || errors.As(err, &conflict) {
			t.Errorf("%s: %v", name, err)
		}
	}
	longest := "root.a" + strings.Repeat("~a", oauth.MaxGenerations)
	commit(t, b, derived("longest", "root", longest), oauth.RevokeAccessToken{JTI: longest, Until: now.Add(time.Hour)})
	wantRevoked(t, b, "longest", true)
	wantRevoked(t, b, "d", false)
}

// testGrantsDerivedEnd revokes at each place of a chain: what was made from there has ended, in every respect.
func testGrantsDerivedEnd(t *testing.T, b Backend) {
	for i, tt := range []struct {
		name  string
		end   func(k string) oauth.Change
		ended []string
	}{
		{"first grant", func(k string) oauth.Change { return oauth.RevokeGrant{GrantID: k + "root", At: now} }, []string{"root", "d", "dd"}},
		{"first token", func(k string) oauth.Change { return revokeToken(k + "root.a") }, []string{"d", "dd"}},
		{"token from it", func(k string) oauth.Change { return revokeToken(k + "root.a~b") }, []string{"d", "dd"}},
		{"another token from it", func(k string) oauth.Change { return revokeToken(k + "root.a~c") }, nil},
		{"derived grant", func(k string) oauth.Change { return oauth.RevokeGrant{GrantID: k + "d", At: now} }, []string{"d", "dd"}},
		{"its token", func(k string) oauth.Change { return revokeToken(k + "d.x") }, []string{"dd"}},
		{"last grant", func(k string) oauth.Change { return oauth.RevokeGrant{GrantID: k + "dd", At: now} }, []string{"dd"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := fmt.Sprint(i, "/")
			chain := map[string]oauth.Change{
				"root": oauth.StoreGrant{Grant: grant(k + "root")}, "d": derived(k+"d", k+"root", k+"root.a~b"), "dd": derived(k+"dd", k+"d", k+"d.x"),
			}
			for _, id := range []string{"root", "d", "dd"} {
				commit(t, b, chain[id], oauth.StoreRefresh{Token: derivedRefresh(k+id, k+id)})
			}
			commit(t, b, tt.end(k))
			for _, id := range []string{"root", "d", "dd"} {
				dead := strings.Contains(" "+strings.Join(tt.ended, " ")+" ", " "+id+" ")
				wantRevoked(t, b, k+id, dead)
				wantFamilyEnded(t, b, k+id, dead)
			}
		})
	}
}

func revokeToken(jti string) oauth.RevokeAccessToken {
	return oauth.RevokeAccessToken{JTI: jti, Until: now.Add(time.Hour)}
}

func derivedRefresh(name, grantID string) oauth.RefreshToken {
	token := refresh(name, grantID)
	token.Derived, token.Actor = true, &oauth.Actor{Subject: "agent", Act: &oauth.Actor{Subject: "before", Issuer: "https://elsewhere.example"}}
	return token
}

// wantFamilyEnded tries everything that can be done with a grant and its refresh token, which has its id for a name.
func wantFamilyEnded(t *testing.T, b Backend, id string, ended bool) {
	t.Helper()
	got, err := b.RefreshToken(t.Context(), digest(id))
	if err != nil || got.Revoked != ended {
		t.Errorf("RefreshToken(%s): revoked %v, %v", id, got.Revoked, err)
	}
	next := oauth.ReplaceRefresh{Old: digest(id), New: derivedRefresh(id+"/next", id), At: now}
	for _, change := range []oauth.Change{
		oauth.UseRefresh{Digest: digest(id), GrantID: id}, derived(id+"/derived", id, ""), next,
		oauth.SupersedeRefresh{Token: derivedRefresh(id+"/new", id)},
	} {
		if !ended {
			commit(t, b, change)
			continue
		}
		commitConflicts(t, b, change, change)
	}
	if ended {
		made, err := b.Grant(t.Context(), id+"/derived")
		gone(t, made, err)
		commitConflicts(t, b, oauth.StoreRefresh{}, oauth.StoreRefresh{Token: derivedRefresh(id+"/first", id)})
	}
}

// testGrantUsed asserts that a grant is alive.
func testGrantUsed(t *testing.T, b Backend) {
	use := oauth.UseGrant{GrantID: "g"}
	commitConflicts(t, b, use, use) // there is none
	commit(t, b, oauth.StoreGrant{Grant: grant("g")}, use)
	commit(t, b, use, use, assertion("j"))
	kept, err := b.Grant(t.Context(), "g")
	same(t, kept, err, grant("g"))
	commit(t, b, oauth.RevokeGrant{GrantID: "g", At: now})
	commitConflicts(t, b, use, assertion("k"), use)
	commit(t, b, assertion("k")) // the refused one left nothing
}

// testGrantsDerivedAtOnce derives grants, and grants from these, while what they come from is revoked: none survives,
// whoever was first.
func (e Effort) testGrantsDerivedAtOnce(t *testing.T, b Backend) {
	for round := range e.Races {
		root := fmt.Sprint("root-", round)
		commit(t, b, oauth.StoreGrant{Grant: grant(root)}, derived(root+"/d", root, ""))
		var end oauth.Change = oauth.RevokeGrant{GrantID: root, At: now}
		if round%2 == 1 {
			end = revokeToken(root + ".a")
		}
		var all sync.WaitGroup
		start, made := make(chan struct{}), make([][]string, 6)
		for i := range made {
			all.Go(func() {
				<-start
				parent, jti := root, root+".a"
				for n := range 4 {
					id := fmt.Sprintf("%s/%d-%d", root, i, n)
					if winners(t, []error{b.Commit(t.Context(), derived(id, parent, jti))}) == 0 {
						return
					}
					made[i], parent, jti = append(made[i], id), id, id+".a"
				}
			})
		}
		all.Go(func() {
			<-start
			if err := b.Commit(t.Context(), end); err != nil {
				t.Error(err)
			}
		})
		close(start)
		all.Wait()
		for _, ids := range made {
			for _, id := range ids {
				wantRevoked(t, b, id, true)
			}
		}
	}
}

// testLineage: a token has ended with any that it was made from, by its jti alone.
func testLineage(t *testing.T, b Backend) {
	commit(t, b, oauth.StoreGrant{Grant: grant("g")}, revokeToken("g.a~b"), revokeToken("lone"))
	for jti, want := range map[string]bool{
		"g.a": false, "g.a~b": true, "g.a~b~c": true, "g.a~b" + strings.Repeat("~c", oauth.MaxGenerations-1): true,
		"g.a~bb": false, "g.a~c~b": false, "g.A~b": false, "g": false, "": false,
		// None of ours: nothing is known of it, so it does not count.
		"g.x" + strings.Repeat("~c", oauth.MaxGenerations+1): true,
		"g.x" + strings.Repeat("~c", oauth.MaxGenerations):   false,
	} {
		if got, err := b.Revoked(t.Context(), jti, "g"); err != nil || got != want {
			t.Errorf("Revoked(%q, g) = %v, %v, want %v", jti, got, err, want)
		}
	}
	for jti, want := range map[string]bool{"lone": true, "lone~a": true, "alone": false, "lon": false} {
		if got, err := b.Revoked(t.Context(), jti, ""); err != nil || got != want {
			t.Errorf("Revoked(%q) = %v, %v, want %v", jti, got, err, want)
		}
	}
}
