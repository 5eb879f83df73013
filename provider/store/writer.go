package store

import (
	"context"
	"database/sql/driver"
	"fmt"

	"signet/provider/oauth"
)

// writer executes transactions on the one connection that writes. No savepoints: a commit that has to be
// undone while others share its transaction is rare, and they are then all executed again without it.
type writer struct {
	dialect dialect
	conn    *conn // nil when it has to be opened again
}

// run gives every job its outcome. Jobs of one transaction become durable together; a job that fails
// half-way leaves it and is executed after it, alone, which decides what is reported.
func (w *writer) run(jobs []*job) {
	var apart []*job
	for len(jobs) > 0 {
		failed, err := w.transaction(jobs)
		if failed < 0 {
			if err != nil {
				fail(jobs, err)
			}
			break
		}
		apart = append(apart, jobs[failed])
		jobs = append(jobs[:failed:failed], jobs[failed+1:]...)
	}
	for i := range apart {
		if _, err := w.transaction(apart[i : i+1]); err != nil {
			apart[i].err = err
		}
	}
}

func fail(jobs []*job, err error) {
	for _, j := range jobs {
		j.err = err
	}
}

// transaction executes the jobs and commits. A job that failed half-way is returned by its index, with
// everything rolled back. A negative index with an error means that none was committed, or, when the
// disk failed at the very end, that nobody can know.
func (w *writer) transaction(jobs []*job) (failed int, err error) {
	if err := w.begin(); err != nil {
		return -1, fmt.Errorf("store: beginning a transaction: %w", err)
	}
	for i, j := range jobs {
		if err := w.apply(j); err != nil {
			w.rollback()
			return i, err
		}
	}
	if _, err := w.conn.exec("COMMIT", nil); err != nil {
		w.rollback()
		return -1, fmt.Errorf("store: committing: %w", err)
	}
	return -1, nil
}

func (w *writer) connect(ctx context.Context) error {
	raw, err := w.dialect.connect(ctx, true)
	if err != nil {
		return err
	}
	w.conn = newConn(raw)
	return nil
}

func (w *writer) begin() error {
	if w.conn == nil {
		if err := w.connect(context.Background()); err != nil {
			return err
		}
	}
	_, err := w.conn.exec(w.dialect.begin(), nil)
	return err
}

// rollback undoes the transaction. Where that fails (a full disk makes SQLite roll back by itself, a lost
// connection cannot answer) the connection is given up, which undoes it as well.
func (w *writer) rollback() {
	if _, err := w.conn.exec("ROLLBACK", nil); err != nil {
		_ = w.conn.close() // nothing is left to save on it
		w.conn = nil
	}
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
			return fmt.Errorf("store: applying %T: %w", op.change, err)
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
	if op.expect == rowFound {
		conflict = true
		err := w.conn.query(context.Background(), op.text, op.args, func([]driver.Value) error {
			conflict = false
			return errStop
		})
		return 0, conflict, err
	}
	rows, err = w.conn.exec(op.text, op.args)
	if err != nil && (op.expect == newKey || op.expect == knownKey) && w.dialect.isDuplicate(err) {
		return 0, op.expect == newKey, nil
	}
	return rows, err == nil && rows == 0 && op.expect == rowChanged, err
}
