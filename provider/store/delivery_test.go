package store

import (
	"testing"
	"time"

	"signet/provider/oauth"
)

// TestUnreadableDelivery: one row that cannot be read holds up no other, neither now nor at the next look.
func TestUnreadableDelivery(t *testing.T) {
	dsn := newDatabase(t, sqliteFile(t))
	opt := copyStoreOptions()
	s, err := Open(t.Context(), dsn, opt)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for i, id := range []string{"broken", "whole"} {
		d := oauth.Delivery{ID: id, Kind: "ciba-ping", NextAt: now.Add(time.Duration(i) * time.Second), ExpiresAt: now.Add(time.Hour)}
		if err := s.Commit(t.Context(), oauth.StoreDelivery{Delivery: d}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := connectTo(t, dsn).exec("UPDATE deliveries SET data = '{' WHERE delivery_id = 'broken'", nil); err != nil {
		t.Fatal(err)
	}
	at := now.Add(time.Minute)
	for i, want := range []int{0, 1, 0} { // the broken one is the longest due
		claimed, err := s.ClaimDeliveries(t.Context(), at, time.Minute, 1)
		if err != nil || len(claimed) != want || want == 1 && claimed[0].ID != "whole" {
			t.Errorf("claim %d: %v, %v", i, claimed, err)
		}
	}
}
