package deliver

import (
	"context"
	"log/slog"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"signet/provider/oauth"
	"signet/provider/store"
)

// TestDatabase has two processes share a real queue: each delivery is sent once, those that one of them died with
// after its lease.
func TestDatabase(t *testing.T) {
	now := noon
	clock := func() time.Time { return now }
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "signet.db"), store.Options{
		Clock: clock, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	const count = 40
	for i := range count {
		d := oauth.Delivery{ID: strconv.Itoa(i), Kind: "letter", ClientID: "app-" + strconv.Itoa(i%2), NextAt: now, ExpiresAt: now.Add(time.Hour)}
		if err := db.Commit(t.Context(), oauth.StoreDelivery{Delivery: d}); err != nil {
			t.Fatal(err)
		}
	}
	// One process has claimed some and is never heard of again.
	lost, err := db.ClaimDeliveries(t.Context(), []string{"letter"}, now, lease, 5)
	if err != nil || len(lost) != 5 {
		t.Fatalf("%d claimed, %v", len(lost), err)
	}
	var mu sync.Mutex
	sent := map[string]int{}
	kind := Kind{Name: "letter", Send: func(_ context.Context, d oauth.Delivery) Result {
		mu.Lock()
		defer mu.Unlock()
		sent[d.ID]++
		return Result{Verdict: Done}
	}}
	both := []*Runner{newRunner(t, db, clock, kind), newRunner(t, db, clock, kind)}
	deliver := func() {
		var all sync.WaitGroup
		for _, r := range both {
			all.Go(func() {
				if err := r.Deliver(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	}
	if deliver(); len(sent) != count-len(lost) {
		t.Errorf("%d were sent, want %d", len(sent), count-len(lost))
	}
	now = now.Add(lease)
	if deliver(); len(sent) != count {
		t.Errorf("after the lease: %d were sent, want %d", len(sent), count)
	}
	for id, times := range sent {
		if times != 1 {
			t.Errorf("%s was sent %d times", id, times)
		}
	}
}
