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
	selectDue      = `SELECT data, delivery_id, attempts, next_at FROM deliveries WHERE next_at <= ? ORDER BY next_at LIMIT ?`
	insertDelivery = `INSERT INTO deliveries (delivery_id, attempts, next_at, expires_at, data) VALUES (?, ?, ?, ?, ?)`
	// The sum keeps MySQL from intersecting two indexes, which would lock other deliveries.
	claimDelivery  = `UPDATE deliveries SET next_at = ? WHERE delivery_id = ? AND next_at + 0 = ?`
	retryDelivery  = `UPDATE deliveries SET next_at = ?, attempts = ? WHERE delivery_id = ?`
	deleteDelivery = `DELETE FROM deliveries WHERE delivery_id = ?`
)

// ClaimDeliveries returns deliveries that are due at now, at most limit, the longest due first, also those that
// have just expired: they are to be given up. Each is the caller's alone until now+lease, its NextAt from then on;
// when it is neither finished nor put off by then, it is due again. With an error, those returned are claimed. A
// delivery that cannot be read is claimed and logged, but not returned: it holds up no other.
func (s *Store) ClaimDeliveries(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]oauth.Delivery, error) {
	if lease < time.Microsecond || limit <= 0 {
		return nil, fmt.Errorf("store: %d deliveries cannot be claimed for %v", limit, lease)
	}
	var due []oauth.Delivery
	unread := map[string]error{}
	err := s.readers.few(ctx, selectDue, values(micros(now), int64(limit)), func(row []driver.Value) error {
		var d oauth.Delivery
		fault := decode(row[0], &d)
		d.ID, d.Attempts, d.NextAt = text(row[1]), int(integer(row[2])), timeOf(row[3])
		due = append(due, d)
		if fault != nil {
			unread[d.ID] = fault
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	claimed, err := s.claim(ctx, due, now.Add(lease))
	return slices.DeleteFunc(claimed, func(d oauth.Delivery) bool {
		fault, bad := unread[d.ID]
		if bad {
			s.opt.Log.ErrorContext(ctx, "a delivery cannot be read: it is passed over until it expires", "delivery", d.ID, "cause", fault)
		}
		return bad
	}), err
}

// claim moves each by a commit of its own, since another process may be first with some of them. Committed at
// once, they share transactions.
func (s *Store) claim(ctx context.Context, due []oauth.Delivery, until time.Time) (claimed []oauth.Delivery, err error) {
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
		if mine[i] {
			d.NextAt = time.UnixMicro(micros(until)).UTC()
			claimed = append(claimed, d)
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
	p.do(c, anything, insertDelivery, d.ID, int64(d.Attempts), micros(d.NextAt), micros(d.ExpiresAt), data)
	return nil
}

func (p *plan) retryDelivery(c oauth.RetryDelivery) {
	p.do(c, anything, retryDelivery, micros(c.NextAt), int64(c.Attempts), c.ID)
}

func (p *plan) finishDelivery(c oauth.FinishDelivery) {
	p.do(c, anything, deleteDelivery, c.ID)
}
