package storetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"signet/provider/oauth"
	"signet/provider/store"
)

// merged is a grant that got more, to be put in the place of the one that was seen.
func merged(seen oauth.Grant, at time.Time) oauth.ReplaceGrant {
	g := seen
	g.Scope = append(oauth.Scope{"payments"}, seen.Scope...)
	g.Details, g.Managed, g.UpdatedAt = details("1.00"), true, at
	return oauth.ReplaceGrant{Grant: g, Seen: seen.UpdatedAt}
}

func testGrantReplaced(t *testing.T, b Backend) {
	ctx := t.Context()
	first := grant("g")
	first.Details, first.Managed = details("9.99"), true
	replace := merged(first, now.Add(time.Second))
	commitConflicts(t, b, replace, replace) // there is none
	commit(t, b, oauth.StoreGrant{Grant: first}, oauth.StoreRefresh{Token: refresh("r-0", "g")}, rotate("r-0", "r-1", "g"))

	commit(t, b, replace)
	got, err := b.Grant(ctx, "g")
	same(t, got, err, replace.Grant)
	all, err := b.Grants(ctx, store.GrantFilter{})
	same(t, all, err, []oauth.Grant{replace.Grant})
	commitConflicts(t, b, replace, replace) // it has changed since

	// The family of refresh tokens lives on, its reuse is still recognised.
	old, err := b.RefreshToken(ctx, digest("r-0"))
	if err != nil || old.Successor != digest("r-1") {
		t.Errorf("the rotated token after the change: %+v, %v", old, err)
	}
	commitConflicts(t, b, oauth.ReplaceRefresh{}, rotate("r-0", "r-9", "g"))
	commit(t, b, oauth.UseRefresh{Digest: digest("r-1"), GrantID: "g"}, rotate("r-1", "r-2", "g"))

	// The expiry moves out, and never closer: what was made before stays valid.
	sooner := merged(got, now.Add(2*time.Second))
	sooner.Grant.ExpiresAt = now.Add(time.Minute)
	commit(t, b, sooner)
	read, err := b.Grant(ctx, "g")
	sooner.Grant.ExpiresAt = first.ExpiresAt
	same(t, read, err, sooner.Grant)
	later := merged(read, now.Add(3*time.Second))
	later.Grant.ExpiresAt = now.Add(1000 * 24 * time.Hour)
	commit(t, b, later)
	read, err = b.Grant(ctx, "g")
	same(t, read, err, later.Grant)

	// It remains its client's and its user's.
	for _, change := range []func(*oauth.Grant){
		func(g *oauth.Grant) { g.ClientID = "other" },
		func(g *oauth.Grant) { g.UserID = "other" },
		func(g *oauth.Grant) { g.ID = "G" },
	} {
		moved := merged(read, now.Add(time.Minute))
		change(&moved.Grant)
		commitConflicts(t, b, moved, moved)
	}
	if err := b.Commit(ctx, merged(read, time.Time{})); err == nil {
		t.Error("a grant was replaced without a time")
	}

	commit(t, b, oauth.RevokeGrant{GrantID: "g", At: now})
	again := merged(read, now.Add(time.Minute))
	commitConflicts(t, b, again, again)
	read.Revoked = true
	got, err = b.Grant(ctx, "g")
	same(t, got, err, read)
}

// testGrantChecked: what was decided on a grant as it was read is not done to what has become of it.
func testGrantChecked(t *testing.T, b Backend) {
	first := grant("g")
	first.Managed = true
	never := oauth.CheckGrant{GrantID: "g"}
	commitConflicts(t, b, never, never) // there is none
	commit(t, b, oauth.StoreGrant{Grant: first}, oauth.StoreCode{Code: code("c", "g")}, never)
	commit(t, b, never, oauth.ExtendGrant{GrantID: "g", ExpiresAt: now.Add(1000 * time.Hour)}, never)
	commit(t, b, merged(first, now.Add(time.Second)))
	got, err := b.Grant(t.Context(), "g")
	if err != nil {
		t.Fatal(err)
	}
	seen, redeemed := oauth.CheckGrant{GrantID: "g", Seen: got.UpdatedAt}, oauth.RedeemCode{Digest: digest("c"), GrantID: "g", At: now}
	commitConflicts(t, b, never, never, redeemed) // the first conflict is the one that is named
	commitConflicts(t, b, seen, oauth.CheckGrant{GrantID: "g", Seen: seen.Seen.Add(-time.Microsecond)}, redeemed)
	commit(t, b, seen, redeemed)
	commit(t, b, oauth.RevokeGrant{GrantID: "g", At: now})
	commitConflicts(t, b, seen, seen)
}

// testGrantVersions changes a grant by a clock that stands still, has nanoseconds, or goes back: no change is made
// on what has been changed since.
func testGrantVersions(t *testing.T, b Backend) {
	ctx := t.Context()
	commit(t, b, oauth.StoreGrant{Grant: grant("g")})
	seen := grant("g")
	for _, at := range []time.Time{now.Add(123), now.Add(456), now.Add(456), now.Add(-time.Hour), now.Add(1999)} {
		replace := merged(seen, at)
		commit(t, b, replace)
		commitConflicts(t, b, replace, replace)
		got, err := b.Grant(ctx, "g")
		if err != nil || !got.UpdatedAt.After(seen.UpdatedAt) || got.UpdatedAt.Nanosecond()%1000 != 0 {
			t.Fatalf("updated at %v, was %v (%v)", got.UpdatedAt, seen.UpdatedAt, err)
		}
		seen.UpdatedAt = got.UpdatedAt
	}

	stored := grant("stored") // with a time from the start
	stored.UpdatedAt = now
	commit(t, b, oauth.StoreGrant{Grant: stored})
	got, err := b.Grant(ctx, "stored")
	same(t, got, err, stored)
	never := merged(stored, now.Add(time.Second))
	never.Seen = time.Time{}
	commitConflicts(t, b, never, never)
	commit(t, b, merged(stored, now.Add(time.Second)))
}

// testGrantMerges has many add something of their own to one grant, each reading and trying again: nothing of
// anybody's is lost.
func testGrantMerges(t *testing.T, b Backend) {
	const n = 12
	first := grant("g")
	first.Scope = nil
	commit(t, b, oauth.StoreGrant{Grant: first})
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			for {
				g, err := b.Grant(t.Context(), "g")
				if err != nil {
					t.Error(err)
					return
				}
				seen := g.UpdatedAt
				g.Scope, g.UpdatedAt = append(g.Scope, fmt.Sprint("s-", i)), now
				if winners(t, []error{b.Commit(t.Context(), oauth.ReplaceGrant{Grant: g, Seen: seen})}) == 1 || t.Failed() {
					return
				}
			}
		})
	}
	all.Wait()
	got, err := b.Grant(t.Context(), "g")
	if err != nil || len(got.Scope) != n {
		t.Errorf("of %d merges there are %v (%v)", n, got.Scope, err)
	}
}
