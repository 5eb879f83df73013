package store

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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
		claimed, err := s.ClaimDeliveries(t.Context(), []string{"ciba-ping"}, at, time.Minute, 1)
		if err != nil || len(claimed) != want || want == 1 && claimed[0].ID != "whole" {
			t.Errorf("claim %d: %v, %v", i, claimed, err)
		}
	}
}

// TestDeliveriesOfEarlierProgram: what a program queues that does not know the column kind is claimed by the kind that
// its data says, in batches of any size, and what says none is nobody's and holds up no other.
func TestDeliveriesOfEarlierProgram(t *testing.T) {
	dsn := newDatabase(t, sqliteFile(t))
	s := serve(t, dsn)
	now := copyClock()
	c := connectTo(t, dsn)
	queue := func(id, data string) {
		t.Helper()
		const insert = `INSERT INTO deliveries (delivery_id, attempts, next_at, expires_at, data) VALUES (?, 0, ?, ?, ?)`
		if _, err := c.exec(insert, values(id, micros(now), micros(now.Add(time.Hour)), data)); err != nil {
			t.Fatal(err)
		}
	}
	overlong := strings.Repeat("k", maxKind+1)
	for i, data := range []string{`{`, `{}`, `{"kind":"unreadable"}`, `{"kind":"` + overlong + `"}`} {
		queue(fmt.Sprint("bad-", i), data)
	}
	for i := range 5 {
		queue(fmt.Sprint("ping-", i), `{"kind":"ciba-ping"}`)
		queue(fmt.Sprint("push-", i), `{"kind":"ciba-push"}`)
	}
	claim := func(kind string) (ids []string) {
		t.Helper()
		for range 20 {
			claimed, err := s.ClaimDeliveries(t.Context(), []string{kind}, now, time.Minute, 3)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range claimed {
				ids = append(ids, d.ID)
			}
		}
		slices.Sort(ids)
		return ids
	}
	for _, kind := range []string{"push", "ping"} {
		var want []string
		for i := range 5 {
			want = append(want, fmt.Sprint(kind, "-", i))
		}
		if diff := cmp.Diff(want, claim("ciba-"+kind)); diff != "" {
			t.Errorf("%s (-want +claimed):\n%s", kind, diff)
		}
	}
	if ids := claim(overlong); ids != nil {
		t.Errorf("claimed %v", ids)
	}
}
