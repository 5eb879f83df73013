package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
)

// A transaction's mark is a row that it inserts first. When the answer to COMMIT is lost, the row tells the
// outcome. The same key with void set, committed by another transaction, rules the first one out for good:
// only after that, its jobs may be executed again.
const (
	insertMark = `INSERT INTO commit_marks (at, id, void) VALUES (?, ?, ?)`
	selectMark = `SELECT void FROM commit_marks WHERE at = ? AND id = ? /*shared*/`
)

// errUnknown is a commit of which nobody knows whether it was applied.
var errUnknown = errors.New("the database did not come back to say whether it had committed")

type mark struct {
	at int64 // microseconds: the sweep goes by it
	id [16]byte
}

func (w *writer) newMark() (m mark, err error) {
	m.at = micros(w.opt.Clock())
	if _, err := io.ReadFull(w.opt.Random, m.id[:]); err != nil {
		return m, fmt.Errorf("store: reading randomness: %w", err)
	}
	return m, nil
}

// resolve finds out what became of a transaction whose COMMIT failed: nil when it was committed, cause when
// it never will be. Both are facts that outlast the server's crash.
func (w *writer) resolve(ctx context.Context, m mark, cause error) error {
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		committed, err := w.outcome(ctx, m)
		switch {
		case err == nil && committed:
			w.counts.transactions.Add(1)
			return nil
		case err == nil:
			return &fault{undone, cause}
		}
		if !passing(err) || !w.sleep(ctx, pause) {
			if kind, _ := faultOf(err); kind == lost {
				w.outage.on.Store(true)
			}
			w.doubts = append(w.doubts, m)
			return &fault{broken, errors.Join(errUnknown, cause, err)}
		}
	}
}

// outcome voids the mark, or finds that it is taken. Another server of the cluster has applied everything
// that was committed before it inserts (see mysqlSession).
func (w *writer) outcome(ctx context.Context, m mark) (committed bool, err error) {
	if err := w.ready(ctx); err != nil {
		return false, err
	}
	_, err = w.conn.exec(insertMark, values(m.at, m.id[:], int64(1)))
	if err == nil {
		err = w.conn.control("COMMIT")
	} else if kind, _ := faultOf(err); kind == duplicate {
		found := false
		err = w.conn.query(ctx, selectMark, values(m.at, m.id[:]), func(row []driver.Value) error {
			found, committed = true, integer(row[0]) == 0
			return errStop
		})
		if err == nil && !found { // gone in between: nothing has been ruled out, so ask again
			err = &fault{undone, errors.New("store: a mark came and went")}
		}
		if err == nil {
			w.rollback(nil) // ends the transaction that the reading began
			return committed, nil
		}
	}
	if err != nil {
		w.rollback(err)
	}
	return false, err
}

// clearDoubts voids what was given up with an unknown outcome, so that it is not applied from now on.
func (w *writer) clearDoubts(ctx context.Context) error {
	for len(w.doubts) > 0 {
		committed, err := w.outcome(ctx, w.doubts[0])
		if err != nil {
			return err
		}
		if committed {
			w.opt.Log.Warn("a commit that was answered as unavailable had been applied")
		}
		w.doubts = w.doubts[1:]
	}
	return nil
}
