package storetest

import (
	"testing"
	"time"

	"signet/provider/oauth"
)

// wantRefresh reads a token and compares the part that rotation decides.
func wantRefresh(t *testing.T, b Backend, name, grantID string, edit func(*oauth.RefreshToken)) {
	t.Helper()
	want := refresh(name, grantID)
	if edit != nil {
		edit(&want)
	}
	got, err := b.RefreshToken(t.Context(), want.Digest)
	same(t, got, err, want)
}

func testRefreshFirst(t *testing.T, b Backend) {
	got, err := b.RefreshToken(t.Context(), digest("a"))
	gone(t, got, err)
	first := oauth.StoreRefresh{Token: refresh("a", "g")}
	commitConflicts(t, b, first, first) // no grant
	commit(t, b, oauth.StoreGrant{Grant: grant("g")}, first)
	wantRefresh(t, b, "a", "g", nil)
	commitConflicts(t, b, first, oauth.StoreRefresh{Token: refresh("b", "g")}) // not the first

	commit(t, b, oauth.StoreGrant{Grant: grant("g-dead")}, oauth.RevokeGrant{GrantID: "g-dead", At: now})
	commitConflicts(t, b, first, oauth.StoreRefresh{Token: refresh("c", "g-dead")})
	got, err = b.RefreshToken(t.Context(), digest("c"))
	gone(t, got, err)
}

func testRefreshRotation(t *testing.T, b Backend) {
	commit(t, b, oauth.StoreGrant{Grant: grant("g")}, oauth.StoreRefresh{Token: refresh("a", "g")})
	commit(t, b, rotate("a", "b", "g"))
	wantRefresh(t, b, "a", "g", func(r *oauth.RefreshToken) { r.RotatedAt, r.Successor = now, digest("b") })
	wantRefresh(t, b, "b", "g", nil)
	commitConflicts(t, b, rotate("a", "x", "g"), rotate("a", "x", "g")) // no grace, even at the same time
	got, err := b.RefreshToken(t.Context(), digest("x"))
	gone(t, got, err)

	commit(t, b, rotate("b", "c", "g"))
	wantRefresh(t, b, "a", "g", func(r *oauth.RefreshToken) { r.RotatedAt, r.SuccessorUsed = now, true })
	wantRefresh(t, b, "b", "g", func(r *oauth.RefreshToken) { r.RotatedAt, r.Successor = now, digest("c") })

	// A token belongs to its grant, and a revoked grant's does not rotate.
	commit(t, b, oauth.StoreGrant{Grant: grant("g-2")}, oauth.StoreRefresh{Token: refresh("other", "g-2")})
	commitConflicts(t, b, rotate("c", "x", "g-2"), rotate("c", "x", "g-2"))
	commit(t, b, oauth.RevokeGrant{GrantID: "g", At: now})
	commitConflicts(t, b, rotate("c", "x", "g"), rotate("c", "x", "g"))
	wantRefresh(t, b, "c", "g", func(r *oauth.RefreshToken) { r.Revoked = true })
	wantRefresh(t, b, "other", "g-2", nil)
}

func testRefreshGrace(t *testing.T, b Backend) {
	const grace = 10 * time.Second
	retry := func(old, next string, after time.Duration) oauth.ReplaceRefresh {
		return oauth.ReplaceRefresh{Old: digest(old), New: refresh(next, "g"), At: now.Add(after), Grace: grace}
	}
	commit(t, b, oauth.StoreGrant{Grant: grant("g")}, oauth.StoreRefresh{Token: refresh("a", "g")})
	commit(t, b, retry("a", "b1", 0))
	commit(t, b, retry("a", "b2", grace/2)) // the answer with b1 was lost
	wantRefresh(t, b, "a", "g", func(r *oauth.RefreshToken) { r.RotatedAt, r.Successor = now, digest("b2") })
	wantRefresh(t, b, "b2", "g", nil)
	wantRefresh(t, b, "b1", "g", func(r *oauth.RefreshToken) { r.RotatedAt, r.SuccessorUsed = now, true })
	commitConflicts(t, b, rotate("b1", "x", "g"), retry("b1", "x", grace/2)) // removed: its use is reuse

	commit(t, b, retry("a", "b3", grace)) // at the end of the grace
	// Retrying did not prolong it.
	commitConflicts(t, b, rotate("a", "x", "g"), retry("a", "x", grace+time.Microsecond))

	commit(t, b, retry("b3", "c", grace))
	commitConflicts(t, b, rotate("a", "x", "g"), retry("a", "x", grace)) // its successor has been used
	wantRefresh(t, b, "c", "g", nil)
}

func testRefreshKept(t *testing.T, b Backend) {
	use := oauth.UseRefresh{Digest: digest("a"), GrantID: "g"}
	commitConflicts(t, b, use, use)
	commit(t, b, oauth.StoreGrant{Grant: grant("g")}, oauth.StoreRefresh{Token: refresh("a", "g")})
	commit(t, b, use)
	commit(t, b, use, use)
	wantRefresh(t, b, "a", "g", nil)
	commitConflicts(t, b, use, oauth.UseRefresh{Digest: digest("a"), GrantID: "g-2"})
	commitConflicts(t, b, use, oauth.UseRefresh{Digest: digest("b"), GrantID: "g"})

	commit(t, b, rotate("a", "b", "g"))
	commitConflicts(t, b, use, use)
	commit(t, b, oauth.UseRefresh{Digest: digest("b"), GrantID: "g"}, oauth.RevokeGrant{GrantID: "g", At: now})
	commitConflicts(t, b, use, oauth.UseRefresh{Digest: digest("b"), GrantID: "g"})
}

// testRefreshSuperseded: the client of a changed grant gets a refresh token in the place of the one that it had. That
// one is unknown from then on, however the new family goes on; what had been rotated before is reuse as ever.
func testRefreshSuperseded(t *testing.T, b Backend) {
	supersede := func(name string) oauth.SupersedeRefresh { return oauth.SupersedeRefresh{Token: refresh(name, "g")} }
	commitConflicts(t, b, supersede("x"), supersede("x")) // no grant
	first := grant("g")
	first.Managed, first.UpdatedAt = true, now
	commit(t, b, oauth.StoreGrant{Grant: first}, supersede("r-0")) // it had none
	wantRefresh(t, b, "r-0", "g", nil)
	commit(t, b, rotate("r-0", "r-1", "g"))
	commit(t, b, supersede("n-0"))
	wantRefresh(t, b, "n-0", "g", nil)

	superseded := func() {
		t.Helper()
		got, err := b.RefreshToken(t.Context(), digest("r-1"))
		gone(t, got, err)
		// One that was read before it was superseded: no grace brings it back.
		late := oauth.ReplaceRefresh{Old: digest("r-1"), New: refresh("x", "g"), At: now, Grace: time.Hour}
		commitConflicts(t, b, late, late)
		commitConflicts(t, b, oauth.UseRefresh{}, oauth.UseRefresh{Digest: digest("r-1"), GrantID: "g"})
		reused, err := b.RefreshToken(t.Context(), digest("r-0"))
		if err != nil || reused.RotatedAt.IsZero() || !reused.SuccessorUsed {
			t.Errorf("reuse of what was rotated before: %+v, %v", reused, err)
		}
	}
	superseded()
	commit(t, b, rotate("n-0", "n-1", "g"))
	superseded()
	wantRefresh(t, b, "n-0", "g", func(r *oauth.RefreshToken) { r.RotatedAt, r.Successor = now, digest("n-1") })
	commit(t, b, rotate("n-1", "n-2", "g"))
	superseded()
	wantRefresh(t, b, "n-2", "g", nil)

	// A refresh that has read the grant before loses to the change of it, not to a reuse.
	got, err := b.Grant(t.Context(), "g")
	if err != nil || !got.UpdatedAt.After(now) {
		t.Fatalf("%+v, %v", got, err)
	}
	commit(t, b, supersede("m-0"))
	seen := oauth.CheckGrant{GrantID: "g", Seen: got.UpdatedAt}
	commitConflicts(t, b, seen, seen, rotate("n-2", "x", "g"))

	commit(t, b, oauth.RevokeGrant{GrantID: "g", At: now})
	commitConflicts(t, b, supersede("x"), supersede("x"))
	wantRefresh(t, b, "m-0", "g", func(r *oauth.RefreshToken) { r.Revoked = true })
}
