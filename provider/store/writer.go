package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"

	"signet/provider/oauth"
)

// writer executes transactions on a connection that writes. No savepoints: a commit that has to be
// undone while others share its transaction is rare, and they are then all executed again without it.
type writer struct {
	dialect dialect
	traits  traits
	opt     Options
	counts  *counters
	outage  *outage // shared by all writers

	conn   *conn  // nil when it has to be opened again
	opened bool   // there has been one
	doubts []mark // transactions given up with an unknown outcome
}

// run gives every job its outcome. Jobs of one transaction become durable together; a job that fails
// half-way leaves it and is executed after it, alone, which decides what is reported.
//
// Those that became durable are answered before the ones apart are executed: these may wait for locks.
func (w *writer) run(jobs []*job, answer func([]*job)) {
	enough, cancel := w.patience()
	defer cancel()
	var apart []*job
	for len(jobs) > 0 {
		if enough.Err() != nil {
			fail(jobs, errBlocked)
			break
		}
		failed, err := w.persist(jobs)
		if failed < 0 {
			if err != nil {
				fail(jobs, err)
			}
			break
		}
		apart = append(apart, jobs[failed])
		jobs = append(jobs[:failed:failed], jobs[failed+1:]...)
	}
	answer(jobs)
	for i := range apart {
		if enough.Err() != nil {
			apart[i].err = errBlocked
		} else if _, err := w.persist(apart[i : i+1]); err != nil {
			apart[i].err = err
		}
		answer(apart[i : i+1])
	}
}

// errBlocked ends jobs that one after the other waited for locks until patience was used up.
var errBlocked = &fault{blocked, errors.New("store: other transactions hold what the commit needs")}

// patience ends when a group has waited for long enough; where nobody else writes, never.
func (w *writer) patience() (context.Context, context.CancelFunc) {
	if !w.traits.marked {
		return context.Background(), func() {}
	}
	return context.WithTimeout(context.Background(), w.traits.patience)
}

func fail(jobs []*job, err error) {
	for _, j := range jobs {
		j.err = err
	}
}

// transaction executes the jobs and commits. A job that failed half-way is returned by its index, with
// everything rolled back. A negative index with an error means that none was committed, or, when the
// database failed at the very end and stayed away, that nobody can know.
func (w *writer) transaction(ctx context.Context, jobs []*job) (failed int, err error) {
	m, err := w.begin(ctx)
	if err != nil {
		return -1, fmt.Errorf("beginning a transaction: %w", err)
	}
	for i, j := range jobs {
		if err := w.apply(j); err != nil {
			w.rollback(err)
			if passing(err) {
				i = -1 // no fault of this job
			}
			return i, err
		}
	}
	if err := w.conn.control("COMMIT"); err != nil {
		w.rollback(err)
		err = fmt.Errorf("committing: %w", err)
		if w.traits.marked {
			return -1, w.resolve(ctx, m, err)
		}
		return -1, err
	}
	w.counts.transactions.Add(1)
	return -1, nil
}

func (w *writer) connect(ctx context.Context) error {
	c, err := w.dialect.connect(ctx, true)
	if err != nil {
		return err
	}
	if w.opened {
		w.counts.reconnects.Add(1)
	}
	w.conn, w.opened = c, true
	return nil
}

// ready has a connection that is worth using.
func (w *writer) ready(ctx context.Context) error {
	if w.conn != nil && !w.conn.fresh(w.opt.Clock()) {
		_ = w.conn.close() // between transactions
		w.conn = nil
	}
	if w.conn != nil {
		return nil
	}
	return w.connect(ctx)
}

func (w *writer) begin(ctx context.Context) (m mark, err error) {
	if err := w.ready(ctx); err != nil {
		return mark{}, err
	}
	if w.traits.begin != "" {
		if err := w.conn.control(w.traits.begin); err != nil {
			return mark{}, err // nothing has begun
		}
	}
	if w.traits.marked {
		if m, err = w.newMark(); err == nil {
			_, err = w.conn.exec(insertMark, values(m.at, m.id[:], int64(0)))
		}
		if err != nil {
			w.rollback(err)
		}
	}
	return m, err
}

// rollback undoes the transaction that cause has ended. Where that fails (a full disk makes SQLite roll back
// by itself, a lost connection cannot answer) the connection is given up, which undoes it as well.
func (w *writer) rollback(cause error) {
	if kind, ok := faultOf(cause); !ok || kind != lost {
		if cause = w.conn.control("ROLLBACK"); cause == nil {
			return
		}
	}
	w.conn.abandon(cause)
	w.conn = nil
}

func (w *writer) close() error {
	if w.conn == nil {
		return nil
	}
	return w.conn.close()
}

// apply executes one job. A conflict of a job that has changed nothing yet is its outcome, kept in
// j.err; any other failure is returned, and the transaction has to be rolled back.
func (w *writer) apply(j *job) error {
	j.err, j.changed = nil, 0
	for i := range j.ops {
		op := &j.ops[i]
		rows, conflict, err := w.execute(op)
		switch {
		case err != nil:
			return fmt.Errorf("applying %T: %w", op.change, err)
		case conflict && j.changed > 0:
			return &oauth.Conflict{Change: op.change}
		case conflict:
			j.err = &oauth.Conflict{Change: op.change}
			return nil
		}
		j.changed += rows
	}
	return nil
}

// execute runs one statement: how many rows it changed, and whether its change came second.
func (w *writer) execute(op *op) (rows int64, conflict bool, err error) {
	if op.expect == rowFound || op.expect == rowAbsent {
		found := false
		err := w.conn.query(context.Background(), op.text, op.args, func([]driver.Value) error {
			found = true
			return errStop
		})
		return 0, found == (op.expect == rowAbsent), err
	}
	rows, err = w.conn.exec(op.text, op.args)
	if op.expect == newKey || op.expect == knownKey {
		if kind, ok := faultOf(err); ok && kind == duplicate {
			return 0, op.expect == newKey, nil
		}
	}
	return rows, err == nil && rows == 0 && op.expect == rowChanged, err
}
