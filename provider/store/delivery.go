package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"signet/provider/oauth"
)

const (
	selectDue = `SELECT data, delivery_id, attempts, next_at FROM deliveries
		WHERE kind = ? AND next_at <= ? ORDER BY next_at LIMIT ?`
	insertDelivery = `INSERT INTO deliveries (delivery_id, kind, attempts, next_at, expires_at, data)
		VALUES (?, ?, ?, ?, ?, ?)`
	nameDelivery = `UPDATE deliveries SET kind = ? WHERE delivery_id = ?`
	// The sum keeps MySQL from intersecting two indexes, which would lock other deliveries.
	claimDelivery  = `UPDATE deliveries SET next_at = ? WHERE delivery_id = ? AND next_at + 0 = ?`
	retryDelivery  = `UPDATE deliveries SET next_at = ?, attempts = ? WHERE delivery_id = ?`
	deleteDelivery = `DELETE FROM deliveries WHERE delivery_id = ?`
)

// Values of the column kind that are no kind of delivery.
const (
	unnamed    = ""           // an earlier program queued it: its data says the kind
	unreadable = "unreadable" // its data does not say the kind either: nobody claims it
)

// dueDelivery is one that may be claimed.
type dueDelivery struct {
	oauth.Delivery
	fault error // its data cannot be read
}

// ClaimDeliveries returns deliveries of these kinds that are due at now, at most limit, the longest due first, also
// those that have just expired: they are to be given up. Each is the caller's alone until now+lease, its NextAt from
// then on; when it is neither finished nor put off by then, it is due again. With an error, those returned are
// claimed. A delivery that cannot be read is claimed and logged, but not returned: it holds up no other.
func (s *Store) ClaimDeliveries(
	ctx context.Context, kinds []string, now time.Time, lease time.Duration, limit int,
) ([]oauth.Delivery, error) {
	if lease < time.Microsecond || limit <= 0 {
		return nil, fmt.Errorf("store: %d deliveries cannot be claimed for %v", limit, lease)
	}
	if len(kinds) == 0 || slices.Contains(kinds, unnamed) || slices.Contains(kinds, unreadable) {
		return nil, fmt.Errorf("store: deliveries of the kinds %q cannot be claimed", kinds)
	}
	if err := s.nameDeliveries(ctx, now, limit); err != nil {
		return nil, err
	}
	var due []dueDelivery
	for _, kind := range slices.Compact(slices.Sorted(slices.Values(kinds))) {
		some, err := s.due(ctx, kind, now, limit)
		if err != nil {
			return nil, err
		}
		due = append(due, some...)
	}
	slices.SortStableFunc(due, func(a, b dueDelivery) int { return a.NextAt.Compare(b.NextAt) })
	return s.claim(ctx, due[:min(len(due), limit)], now.Add(lease))
}

// due returns the deliveries of a kind that are due, the longest due first.
func (s *Store) due(ctx context.Context, kind string, now time.Time, limit int) (due []dueDelivery, err error) {
	err = s.readers.few(ctx, selectDue, values(kind, micros(now), int64(limit)), func(row []driver.Value) error {
		var d dueDelivery
		d.fault = decode(row[0], &d.Delivery)
		d.ID, d.Attempts, d.NextAt = text(row[1]), int(integer(row[2])), timeOf(row[3])
		due = append(due, d)
		return nil
	})
	return due, err
}

// nameDeliveries gives those due that an earlier program queued the kind that their data says. As a program and its
// predecessor may run side by side, no migration could do it for all.
func (s *Store) nameDeliveries(ctx context.Context, now time.Time, limit int) error {
	due, err := s.due(ctx, unnamed, now, limit)
	if err != nil || len(due) == 0 {
		return err
	}
	var p plan
	for _, d := range due {
		kind := d.Kind
		if d.fault != nil || kind == unnamed || len(kind) > maxKind {
			kind = unreadable
			s.logUnreadable(ctx, d)
		}
		p.do(nil, anything, nameDelivery, kind, d.ID)
	}
	_, err = s.submit(ctx, p)
	return err
}

func (s *Store) logUnreadable(ctx context.Context, d dueDelivery) {
	s.opt.Log.ErrorContext(ctx, "a delivery cannot be read: it is passed over until it expires",
		"delivery", d.ID, "cause", d.fault)
}

// claim moves each by a commit of its own, since another process may be first with some of them. Committed at
// once, they share transactions. It returns those that it moved and that can be read.
func (s *Store) claim(ctx context.Context, due []dueDelivery, until time.Time) (claimed []oauth.Delivery, err error) {
	mine := make([]bool, len(due))
	var commits errgroup.Group
	for i, d := range due {
		commits.Go(func() error {
			var p plan
			p.do(nil, rowChanged, claimDelivery, micros(until), d.ID, micros(d.NextAt))
			_, err := s.submit(ctx, p)
			var conflict *oauth.Conflict
			if errors.As(err, &conflict) {
				return nil
			}
			mine[i] = err == nil
			return err
		})
	}
	err = commits.Wait()
	for i, d := range due {
		switch {
		case !mine[i]:
		case d.fault != nil:
			s.logUnreadable(ctx, d)
		default:
			d.NextAt = time.UnixMicro(micros(until)).UTC()
			claimed = append(claimed, d.Delivery)
		}
	}
	return claimed, err
}

func (p *plan) storeDelivery(c oauth.StoreDelivery) error {
	d := c.Delivery
	data, err := encode(d)
	if err != nil {
		return err
	}
	p.do(c, anything, insertDelivery, d.ID, d.Kind, int64(d.Attempts), micros(d.NextAt), micros(d.ExpiresAt), data)
	return nil
}

func (p *plan) retryDelivery(c oauth.RetryDelivery) {
	p.do(c, anything, retryDelivery, micros(c.NextAt), int64(c.Attempts), c.ID)
}

func (p *plan) finishDelivery(c oauth.FinishDelivery) {
	p.do(c, anything, deleteDelivery, c.ID)
}
