package deliver

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"signet/provider/oauth"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// queue is a store in memory; it keeps the contract of the changes that a runner makes.
type queue struct {
	mu         sync.Mutex
	deliveries map[string]oauth.Delivery
	entries    []oauth.AuditEntry
	claims     [][]string // the kinds that were asked for
	sloppy     bool       // it returns kinds that nobody asked for
	failure    error
}

func (q *queue) ClaimDeliveries(_ context.Context, kinds []string, now time.Time, lease time.Duration, limit int) ([]oauth.Delivery, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.failure != nil {
		return nil, q.failure
	}
	q.claims = append(q.claims, kinds)
	var due []oauth.Delivery
	for _, d := range q.deliveries {
		if !d.NextAt.After(now) && (q.sloppy || slices.Contains(kinds, d.Kind)) {
			due = append(due, d)
		}
	}
	slices.SortFunc(due, func(a, b oauth.Delivery) int { return a.NextAt.Compare(b.NextAt) })
	due = due[:min(len(due), limit)]
	for i := range due {
		due[i].NextAt = now.Add(lease)
		q.deliveries[due[i].ID] = due[i]
	}
	return due, nil
}

func (q *queue) Commit(_ context.Context, changes ...oauth.Change) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.failure != nil {
		return q.failure
	}
	for _, change := range changes {
		switch c := change.(type) {
		case oauth.StoreDelivery:
			q.deliveries[c.Delivery.ID] = c.Delivery
		case oauth.RetryDelivery:
			d := q.deliveries[c.ID]
			d.NextAt, d.Attempts = c.NextAt, c.Attempts
			q.deliveries[c.ID] = d
		case oauth.FinishDelivery:
			delete(q.deliveries, c.ID)
		case oauth.RecordAudit:
			q.entries = append(q.entries, c.Entry)
		}
	}
	return nil
}

// left is how many deliveries there are.
func (q *queue) left() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.deliveries)
}

type rig struct {
	*Runner
	t     testing.TB
	queue *queue
	now   time.Time
}

func newRig(t testing.TB, kinds ...Kind) *rig {
	t.Helper()
	r := &rig{t: t, queue: &queue{deliveries: map[string]oauth.Delivery{}}, now: noon}
	r.Runner = newRunner(t, r.queue, func() time.Time { return r.now }, kinds...)
	return r
}

func newRunner(t testing.TB, store Store, clock oauth.Clock, kinds ...Kind) *Runner {
	t.Helper()
	r, err := New(Deps{Store: store, Clock: clock, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Handle(kinds...); err != nil {
		t.Fatal(err)
	}
	return r
}

// add queues a delivery that is due now and counts for an hour.
func (r *rig) add(id, kind, client string) {
	r.t.Helper()
	d := oauth.Delivery{ID: id, Kind: kind, ClientID: client, NextAt: r.now, ExpiresAt: r.now.Add(time.Hour)}
	if err := r.queue.Commit(r.t.Context(), oauth.StoreDelivery{Delivery: d}); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) deliver() {
	r.t.Helper()
	if err := r.Deliver(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
}

// always answers each attempt with the same result.
func always(result Result) func(context.Context, oauth.Delivery) Result {
	return func(context.Context, oauth.Delivery) Result { return result }
}

var errDown = errors.New("the receiver is down")
