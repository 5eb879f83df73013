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

func testDeliveries(t *testing.T, b Backend) {
	ctx := t.Context()
	claim := func(at time.Time, limit int) []oauth.Delivery {
		t.Helper()
		claimed, err := b.ClaimDeliveries(ctx, at, time.Minute, limit)
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
		lease time.Duration
		limit int
	}{{0, 1}, {-time.Second, 1}, {time.Minute, 0}} {
		if _, err := b.ClaimDeliveries(ctx, now, tt.lease, tt.limit); err == nil {
			t.Errorf("claimed %d for %v", tt.limit, tt.lease)
		}
	}
	ended, end := context.WithCancel(ctx)
	end()
	if claimed, err := b.ClaimDeliveries(ended, now.Add(24*time.Hour), time.Minute, 10); !errors.Is(err, context.Canceled) || claimed != nil {
		t.Errorf("an ended context claims %v, %v", claimed, err)
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
			changes = append(changes, oauth.StoreDelivery{Delivery: delivery(id, now.Add(time.Duration(i%7)*time.Microsecond))})
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
					claimed, err := b.ClaimDeliveries(t.Context(), now.Add(time.Second), time.Hour, 8)
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
