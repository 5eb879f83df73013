package storetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"signet/provider/oauth"
)

// aged returns one row of every kind that expires, with its end at the given time.
func aged(name string, end time.Time) []oauth.Change {
	g, c, r := grant(name), code(name, name), refresh(name, name)
	p, q, d, v := pushed(name), backchannel(name), delivery(name, end), device(name)
	g.ExpiresAt, c.ExpiresAt, r.ExpiresAt, p.ExpiresAt, q.ExpiresAt, d.ExpiresAt, v.ExpiresAt = end, end, end, end, end, end, end
	return []oauth.Change{
		oauth.StoreGrant{Grant: g},
		oauth.StoreCode{Code: c},
		oauth.StoreRefresh{Token: r},
		oauth.StoreOpaque{Token: oauth.OpaqueToken{Digest: digest(name), Claims: []byte(`{}`), ExpiresAt: end}},
		oauth.RevokeAccessToken{JTI: name, Until: end},
		oauth.StoreSession{Session: oauth.Session{Digest: digest(name), ExpiresAt: end}},
		oauth.JoinSession{Participation: oauth.Participation{SessionID: name, ClientID: "tpp", GrantID: name, Until: end}},
		oauth.StoreInteraction{Interaction: oauth.Interaction{Digest: digest(name), ExpiresAt: end}},
		oauth.UseAssertion{ClientID: "tpp", JTI: name, Until: end},
		oauth.UseProof{Digest: digest(name), Until: end},
		oauth.StoreNonce{Nonce: name, Until: end},
		oauth.StorePushed{Pushed: p},
		oauth.StoreBackchannel{Request: q},
		oauth.StoreDevice{Request: v},
		oauth.StoreDelivery{Delivery: d},
	}
}

func testSweep(t *testing.T, b Backend) {
	ctx := t.Context()
	old, fresh := aged("old", now.Add(-24*time.Hour)), aged("fresh", now.Add(time.Hour))
	commit(t, b, old...)
	commit(t, b, fresh...)
	removed, err := b.Sweep(ctx, 100)
	if err != nil || removed != len(old) {
		t.Fatalf("Sweep removed %d, %v; want %d", removed, err, len(old))
	}
	removed, err = b.Sweep(ctx, 100)
	if err != nil || removed != 0 {
		t.Fatalf("Sweep again removed %d, %v", removed, err)
	}
	c, err := b.Code(ctx, digest("old"))
	gone(t, c, err)
	g, err := b.Grant(ctx, "old")
	gone(t, g, err)
	o, err := b.OpaqueToken(ctx, digest("old"))
	gone(t, o, err)
	r, err := b.RefreshToken(ctx, digest("old"))
	gone(t, r, err)
	if revoked, err := b.Revoked(ctx, "old", ""); err != nil || revoked {
		t.Errorf("Revoked(old) = %v, %v after the sweep", revoked, err)
	}
	commit(t, b, oauth.UseAssertion{ClientID: "tpp", JTI: "old", Until: now.Add(time.Hour)}, proof("old"))
	nonce, err := b.Nonce(ctx, "old")
	gone(t, nonce, err)
	p, err := b.Pushed(ctx, digest("old"))
	gone(t, p, err)
	q, err := b.Backchannel(ctx, digest("old"))
	gone(t, q, err)
	v, err := b.DeviceRequest(ctx, digest("old"))
	gone(t, v, err)
	joined, err := b.SessionParticipations(ctx, "old")
	same(t, joined, err, nil)

	// What is still valid is still there.
	if c, err := b.Code(ctx, digest("fresh")); err != nil || c.Used {
		t.Errorf("Code(fresh): %+v, %v", c, err)
	}
	if _, err := b.Grant(ctx, "fresh"); err != nil {
		t.Error(err)
	}
	if _, err := b.OpaqueToken(ctx, digest("fresh")); err != nil {
		t.Error(err)
	}
	if _, err := b.RefreshToken(ctx, digest("fresh")); err != nil {
		t.Error(err)
	}
	if _, err := b.Session(ctx, digest("fresh")); err != nil {
		t.Error(err)
	}
	if _, err := b.Interaction(ctx, digest("fresh")); err != nil {
		t.Error(err)
	}
	if _, err := b.Nonce(ctx, "fresh"); err != nil {
		t.Error(err)
	}
	if _, err := b.Pushed(ctx, digest("fresh")); err != nil {
		t.Error(err)
	}
	if _, err := b.Backchannel(ctx, digest("fresh")); err != nil {
		t.Error(err)
	}
	if _, err := b.DeviceRequest(ctx, digest("fresh")); err != nil {
		t.Error(err)
	}
	if joined, err = b.SessionParticipations(ctx, "fresh"); err != nil || len(joined) != 1 {
		t.Errorf("SessionParticipations(fresh): %+v, %v", joined, err)
	}
	due, err := b.ClaimDeliveries(ctx, deliveryKinds, now.Add(2*time.Hour), time.Minute, 10)
	if err != nil || len(due) != 1 || due[0].ID != "fresh" {
		t.Errorf("after the sweep these are due: %+v, %v", due, err)
	}
	commitConflicts(t, b, oauth.UseProof{}, proof("fresh"))
	if revoked, err := b.Revoked(ctx, "fresh", "fresh"); err != nil || !revoked {
		t.Errorf("Revoked(fresh) = %v, %v", revoked, err)
	}
	commitConflicts(t, b, oauth.UseAssertion{}, oauth.UseAssertion{ClientID: "tpp", JTI: "fresh", Until: now.Add(time.Hour)})
}

// testSweepBatches removes little at a time, in the end all.
func testSweepBatches(t *testing.T, b Backend) {
	const n = 120
	for i := range n {
		commit(t, b, aged(fmt.Sprint("old-", i), now.Add(-24*time.Hour))...)
		commit(t, b, oauth.UseAssertion{ClientID: "tpp", JTI: fmt.Sprint("fresh-", i), Until: now.Add(time.Hour)},
			proof(fmt.Sprint("fresh-", i)))
	}
	kinds := len(aged("", now))
	total := 0
	for range 100 {
		removed, err := b.Sweep(t.Context(), 10)
		if err != nil {
			t.Fatal(err)
		}
		if removed > kinds*10 {
			t.Fatalf("one Sweep of 10 removed %d rows of %d kinds", removed, kinds)
		}
		total += removed
	}
	if total != n*kinds {
		t.Errorf("removed %d rows in all, want %d", total, n*kinds)
	}
	for i := range n {
		commitConflicts(t, b, oauth.UseAssertion{}, oauth.UseAssertion{ClientID: "tpp", JTI: fmt.Sprint("fresh-", i), Until: now.Add(time.Hour)})
		commitConflicts(t, b, oauth.UseProof{}, proof(fmt.Sprint("fresh-", i)))
	}
}

// testSweepDerived: what a grant came from is known for as long as the grant is there, and no longer.
func testSweepDerived(t *testing.T, b Backend) {
	old, extended := derived("old", "root", "root.a~b"), derived("extended", "root", "")
	old.Grant.ExpiresAt, extended.Grant.ExpiresAt = now.Add(-time.Hour), now.Add(-time.Hour)
	commit(t, b, oauth.StoreGrant{Grant: grant("root")}, old, extended,
		oauth.ExtendGrant{GrantID: "extended", ExpiresAt: now.Add(time.Hour)})
	const rows = 1 + 3 // the grant; what it came from: a grant and two tokens
	for i, want := range []int{rows, 0} {
		if removed, err := b.Sweep(t.Context(), 100); err != nil || removed != want {
			t.Fatalf("Sweep %d removed %d, %v; want %d", i, removed, err, want)
		}
	}
	wantRevoked(t, b, "extended", false)
	commit(t, b, oauth.RevokeGrant{GrantID: "root", At: now})
	wantRevoked(t, b, "extended", true)
}

// testSweepUnderLoad sweeps while requests commit: none of them fails or is undone.
func testSweepUnderLoad(t *testing.T, b Backend) {
	for i := range 100 {
		commit(t, b, aged(fmt.Sprint("old-", i), now.Add(-24*time.Hour))...)
	}
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := range 50 {
				if err := b.Commit(t.Context(), assertion(fmt.Sprintf("%d-%d", worker, i))); err != nil {
					t.Errorf("Commit while sweeping: %v", err)
				}
			}
		})
	}
	for range 10 {
		if _, err := b.Sweep(t.Context(), 20); err != nil {
			t.Errorf("Sweep under load: %v", err)
		}
	}
	wg.Wait()
	for worker := range 4 {
		for i := range 50 {
			var conflict *oauth.Conflict
			if err := b.Commit(t.Context(), assertion(fmt.Sprintf("%d-%d", worker, i))); !errors.As(err, &conflict) {
				t.Fatalf("an assertion used during the sweep: %v", err)
			}
		}
	}
}
