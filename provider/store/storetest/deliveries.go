package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"signet/provider/oauth"
)

func delivery(id string, due time.Time) oauth.Delivery {
	return oauth.Delivery{
		ID: id, Kind: "ciba-ping", ClientID: "tpp", URL: "https://tpp.example/ping", Sealed: []byte{0, 1, 255},
		NextAt: due, ExpiresAt: now.Add(time.Hour),
	}
}

// deliveryKinds are those that the suite's deliveries have, but for testDeliveryKinds.
var deliveryKinds = []string{"backchannel-logout", "ciba-ping"}

func testDeliveries(t *testing.T, b Backend) {
	ctx := t.Context()
	claim := func(at time.Time, limit int) []oauth.Delivery {
		t.Helper()
		claimed, err := b.ClaimDeliveries(ctx, deliveryKinds, at, time.Minute, limit)
		if err != nil {
			t.Fatal(err)
		}
		return claimed
	}
	same(t, claim(now, 10), nil, nil)
	first, second, later := delivery("first", now.Add(-time.Second)), delivery("second", now), delivery("later", now.Add(time.Second))
	second.Attempts = 3
	commit(t, b, oauth.StoreDelivery{Delivery: later}, oauth.StoreDelivery{Delivery: second}, oauth.StoreDelivery{Delivery: first})
	if err := b.Commit(ctx, oauth.StoreDelivery{Delivery: first}); err == nil {
		t.Error("two deliveries have one id")
	}
	if err := b.Commit(ctx, oauth.StoreDelivery{Delivery: delivery("first", later.NextAt)}); err == nil {
		t.Error("two deliveries have one id")
	}

	leased := now.Add(time.Minute)
	first.NextAt, second.NextAt = leased, leased
	same(t, claim(now, 1), nil, []oauth.Delivery{first})
	same(t, claim(now, 10), nil, []oauth.Delivery{second})
	same(t, claim(now, 10), nil, nil)

	// One is done, the other put off; a lease that ran out is due again.
	commit(t, b, oauth.FinishDelivery{ID: "first"}, oauth.FinishDelivery{ID: "first"})
	retry := oauth.RetryDelivery{ID: "second", NextAt: now.Add(30 * time.Second), Attempts: 4}
	commit(t, b, retry, retry, oauth.RetryDelivery{ID: "first", NextAt: now, Attempts: 1})
	later.NextAt = now.Add(time.Second + time.Minute)
	same(t, claim(now.Add(time.Second), 10), nil, []oauth.Delivery{later})
	second.Attempts, second.NextAt = 4, now.Add(30*time.Second+time.Minute)
	same(t, claim(now.Add(30*time.Second), 10), nil, []oauth.Delivery{second})
	later.NextAt, second.NextAt = now.Add(time.Hour+time.Minute), now.Add(time.Hour+time.Minute)
	same(t, claim(now.Add(time.Hour), 10), nil, []oauth.Delivery{later, second}) // just expired: to be given up

	for _, tt := range []struct {
		kinds []string
		lease time.Duration
		limit int
	}{
		{deliveryKinds, 0, 1}, {deliveryKinds, -time.Second, 1}, {deliveryKinds, time.Minute, 0},
		{nil, time.Minute, 1}, {[]string{"ciba-ping", ""}, time.Minute, 1}, {[]string{"unreadable"}, time.Minute, 1},
	} {
		if _, err := b.ClaimDeliveries(ctx, tt.kinds, now, tt.lease, tt.limit); err == nil {
			t.Errorf("claimed %d of %q for %v", tt.limit, tt.kinds, tt.lease)
		}
	}
	ended, end := context.WithCancel(ctx)
	end()
	claimed, err := b.ClaimDeliveries(ended, deliveryKinds, now.Add(24*time.Hour), time.Minute, 10)
	if !errors.Is(err, context.Canceled) || claimed != nil {
		t.Errorf("an ended context claims %v, %v", claimed, err)
	}
}

// testDeliveryKinds claims by kind: of all those asked for the longest due come first, and no other is touched.
func testDeliveryKinds(t *testing.T, b Backend) {
	for i, kind := range []string{"a", "b", "c", "a", "b", "c", "A", "a "} {
		d := delivery(fmt.Sprint(i), now.Add(time.Duration(i)*time.Second))
		d.Kind = kind
		commit(t, b, oauth.StoreDelivery{Delivery: d})
	}
	at := now.Add(time.Minute)
	for _, tt := range []struct {
		kinds []string
		limit int
		want  []string
	}{
		{[]string{"d", "aa"}, 10, nil},
		{[]string{"c", "b"}, 3, []string{"1", "2", "4"}},
		{[]string{"b", "c", "b", "c"}, 10, []string{"5"}}, // each kind counts once
		{[]string{"b", "c"}, 10, nil},
		{[]string{"a"}, 1, []string{"0"}},
		{[]string{"A", "a", "d"}, 10, []string{"3", "6"}},
		{[]string{"a "}, 10, []string{"7"}},
	} {
		claimed, err := b.ClaimDeliveries(t.Context(), tt.kinds, at, time.Minute, tt.limit)
		var ids []string
		for _, d := range claimed {
			ids = append(ids, d.ID)
			if !slices.Contains(tt.kinds, d.Kind) || !d.NextAt.Equal(at.Add(time.Minute)) {
				t.Errorf("claiming %q gave %+v", tt.kinds, d)
			}
		}
		same(t, ids, err, tt.want)
	}
	for _, kind := range []string{"", "unreadable"} {
		d := delivery("without", now)
		d.Kind = kind
		if err := b.Commit(t.Context(), oauth.StoreDelivery{Delivery: d}); err == nil {
			t.Errorf("a delivery of the kind %q was accepted", kind)
		}
	}
}

// testDeliveryClaims has many claim at once: each delivery is one's alone, and none is left over.
func (e Effort) testDeliveryClaims(t *testing.T, b Backend) {
	const deliveries = 30
	for round := range e.Races {
		var changes []oauth.Change
		var want []string
		for i := range deliveries {
			id := fmt.Sprintf("%03d-%03d", round, i)
			want = append(want, id)
			d := delivery(id, now.Add(time.Duration(i%7)*time.Microsecond))
			d.Kind = deliveryKinds[i%2]
			changes = append(changes, oauth.StoreDelivery{Delivery: d})
		}
		commit(t, b, changes...)
		var lock sync.Mutex
		var got []string
		var claimers sync.WaitGroup
		start := make(chan struct{})
		for range 6 {
			claimers.Go(func() {
				<-start
				for range deliveries {
					claimed, err := b.ClaimDeliveries(t.Context(), deliveryKinds, now.Add(time.Second), time.Hour, 8)
					if err != nil {
						t.Errorf("claiming: %v", err)
						return
					}
					lock.Lock()
					for _, d := range claimed {
						got = append(got, d.ID)
					}
					all := len(got) >= deliveries
					lock.Unlock()
					if all {
						return
					}
				}
			})
		}
		close(start)
		claimers.Wait()
		slices.Sort(got)
		same(t, got, nil, want)
	}
}
