package store

import (
	"context"
	"database/sql/driver"
	"sync"
	"time"
)

// Expired rows stay a little longer than they are valid, so that a process whose clock is ahead does not
// remove what another still has to know; codes longer, so that their reuse is recognised.
const (
	sweepMargin = time.Minute
	codeMargin  = time.Hour
	// A login that began in time ends no later than an hour after its request_uri.
	pushedMargin = 2 * time.Hour
	markMargin   = time.Hour // a commit asks for its mark within seconds
)

// sweepChunk is how many rows one commit of the sweep removes: it shares the committer with requests.
const sweepChunk = 50

// expiring lists the tables whose rows end at expires_at.
var expiring = []struct {
	find   string
	remove string
	margin time.Duration
}{
	{findExpired("codes"), removeExpired("codes"), codeMargin},
	{findExpired("refresh_tokens"), removeExpired("refresh_tokens"), sweepMargin},
	{findExpired("opaque_tokens"), removeExpired("opaque_tokens"), sweepMargin},
	{findExpired("revoked_tokens"), removeExpired("revoked_tokens"), sweepMargin},
	{findExpired("grants"), removeExpired("grants"), sweepMargin},
	{findOrphans, removeOrphan, sweepMargin},
	{findExpired("sessions"), removeExpired("sessions"), sweepMargin},
	{findExpired("participations"), removeExpired("participations"), sweepMargin},
	{findExpired("interactions"), removeExpired("interactions"), sweepMargin},
	{findExpired("pushed_requests"), removeExpired("pushed_requests"), pushedMargin},
	{findExpired("dpop_nonces"), removeExpired("dpop_nonces"), sweepMargin},
	{findExpired("backchannel_requests"), removeExpired("backchannel_requests"), codeMargin},
	{findExpired("device_requests"), removeExpired("device_requests"), codeMargin},
	{findExpired("deliveries"), removeExpired("deliveries"), codeMargin},
}

func findExpired(table string) string {
	return "SELECT seq FROM " + table + " WHERE expires_at < ? ORDER BY expires_at LIMIT ?"
}

// removeExpired asks again: the row may have been extended since it was found.
func removeExpired(table string) string {
	return "DELETE FROM " + table + " WHERE seq = ? AND expires_at < ?"
}

const (
	findOldAudit   = `SELECT at, id FROM audit WHERE at < ? ORDER BY at LIMIT ?`
	removeOldAudit = `DELETE FROM audit WHERE at = ? AND id = ?`

	// The walk asks for what it compares column by column: MySQL reads a whole table for (a, b) > (?, ?), and
	// a mix of AND and OR makes either database skip rows one by one.
	walkClient = `SELECT client_id, jti, expires_at FROM assertions WHERE client_id = ? AND jti > ?
		ORDER BY jti LIMIT ?`
	walkClients = `SELECT client_id, jti, expires_at FROM assertions WHERE client_id > ?
		ORDER BY client_id, jti LIMIT ?`
	removeWithin  = `DELETE FROM assertions WHERE client_id = ? AND jti > ? AND jti <= ? AND expires_at < ?`
	removeBetween = `DELETE FROM assertions WHERE client_id > ? AND client_id < ? AND expires_at < ?`

	removeMarks = `DELETE FROM commit_marks WHERE at < ? ORDER BY at, id LIMIT ?`
)

const (
	sweepBatch = 500
	sweepPause = 20 * time.Millisecond // lets requests go first

	sweepStretches = 20 // of a walk, looked at by one call when little has expired
)

// Run does the work beside the requests until ctx ends: it removes expired rows every so often, in batches
// with a pause between them, and follows the announcements of other processes (see [Store.Subscribe]).
// Failures are logged and tried again.
func (s *Store) Run(ctx context.Context, every time.Duration) {
	var follower sync.WaitGroup
	defer follower.Wait()
	follower.Go(func() { s.follow(ctx) })
	wait := every
	for {
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		removed, err := s.Sweep(ctx, sweepBatch)
		if err != nil && ctx.Err() == nil {
			s.opt.Log.Error("expired rows not removed", "cause", err)
		}
		wait = every
		if err == nil && removed >= sweepBatch {
			wait = sweepPause
		}
	}
}

// Sweep removes rows that have expired, at most batch of each kind, and returns how many. It looks for
// them beside the requests and removes them in small commits between theirs.
func (s *Store) Sweep(ctx context.Context, batch int) (removed int, err error) {
	s.sweeping.Lock()
	defer s.sweeping.Unlock()
	now := s.opt.Clock()
	for _, table := range expiring {
		n, err := s.sweepTable(ctx, table.find, table.remove, micros(now.Add(-table.margin)), batch)
		removed += n
		if err != nil {
			return removed, err
		}
	}
	n, err := s.sweepAudit(ctx, now, batch)
	removed += n
	if err != nil {
		return removed, err
	}
	n, err = s.sweepMarks(ctx, now, batch)
	removed += n
	if err != nil {
		return removed, err
	}
	n, err = s.sweepAssertions(ctx, micros(now.Add(-sweepMargin)), batch)
	removed += n
	if err != nil {
		return removed, err
	}
	n, err = s.sweepProofs(ctx, micros(now.Add(-sweepMargin)), batch)
	return removed + n, err
}

// sweepMarks removes the marks of transactions whose outcome nobody asks for any more, at one end of their
// table.
func (s *Store) sweepMarks(ctx context.Context, now time.Time, batch int) (int, error) {
	if !s.traits.marked {
		return 0, nil
	}
	var p plan
	p.do(nil, anything, removeMarks, micros(now.Add(-markMargin)), int64(batch))
	removed, err := s.submit(ctx, p)
	return int(removed), err
}

func (s *Store) sweepTable(ctx context.Context, find, remove string, before int64, batch int) (int, error) {
	var p plan
	err := s.readers.scan(ctx, find, values(before, int64(batch)), func(row []driver.Value) error {
		p.do(nil, anything, remove, integer(row[0]), before)
		return nil
	})
	if err != nil {
		return 0, err
	}
	return s.removeChunks(ctx, p.ops)
}

func (s *Store) sweepAudit(ctx context.Context, now time.Time, batch int) (int, error) {
	if s.opt.KeepAudit <= 0 {
		return 0, nil
	}
	var p plan
	args := values(micros(now.Add(-s.opt.KeepAudit)), int64(batch))
	err := s.readers.scan(ctx, findOldAudit, args, func(row []driver.Value) error {
		p.do(nil, anything, removeOldAudit, integer(row[0]), text(row[1]))
		return nil
	})
	if err != nil {
		return 0, err
	}
	return s.removeChunks(ctx, p.ops)
}

func (s *Store) removeChunks(ctx context.Context, ops []op) (removed int, err error) {
	for len(ops) > 0 {
		n := min(len(ops), sweepChunk)
		changed, err := s.submit(ctx, plan{ops: ops[:n]})
		removed += int(changed)
		if err != nil {
			return removed, err
		}
		ops = ops[n:]
	}
	return removed, nil
}

// assertionKey is a place in the order of the table; the zero value is before its first row.
type assertionKey struct{ clientID, jti string }

// sweepAssertions walks the key a stretch at a time: what it removes lies together on few pages, and the
// token path has no second index to keep. It goes on where the last call stopped.
func (s *Store) sweepAssertions(ctx context.Context, before int64, batch int) (removed int, err error) {
	for range sweepStretches {
		n, more, err := s.sweepStretch(ctx, before, batch-removed)
		removed += n
		if err != nil || !more || removed >= batch {
			return removed, err
		}
	}
	return removed, nil
}

// sweepStretch looks at the next rows: those left of the client where the walk is, then those of further
// clients.
func (s *Store) sweepStretch(ctx context.Context, before int64, batch int) (removed int, more bool, err error) {
	from := s.walk
	here := stretch{to: from, before: before}
	if err := s.readers.scan(ctx, walkClient, values(from.clientID, from.jti, int64(batch)), here.see); err != nil {
		return 0, false, err
	}
	beyond := stretch{to: assertionKey{clientID: from.clientID}, before: before}
	if left := batch - here.rows; left > 0 {
		if err := s.readers.scan(ctx, walkClients, values(from.clientID, int64(left)), beyond.see); err != nil {
			return 0, false, err
		}
	}
	var p plan
	if here.expired {
		p.do(nil, anything, removeWithin, from.clientID, from.jti, here.to.jti, before)
	}
	if beyond.expired {
		p.do(nil, anything, removeBetween, from.clientID, beyond.to.clientID, before)
		p.do(nil, anything, removeWithin, beyond.to.clientID, "", beyond.to.jti, before)
	}
	if len(p.ops) > 0 {
		changed, err := s.submit(ctx, p)
		if err != nil {
			return 0, false, err
		}
		removed = int(changed)
	}
	switch {
	case here.rows+beyond.rows < batch:
		s.walk = assertionKey{}
		return removed, false, nil
	case beyond.rows > 0:
		s.walk = beyond.to
	default:
		s.walk = here.to
	}
	return removed, true, nil
}

// stretch is what a part of the walk saw.
type stretch struct {
	before  int64
	to      assertionKey // its last row
	rows    int
	expired bool // there was one
}

func (s *stretch) see(row []driver.Value) error {
	s.to = assertionKey{text(row[0]), text(row[1])}
	s.rows++
	s.expired = s.expired || integer(row[2]) < s.before
	return nil
}
