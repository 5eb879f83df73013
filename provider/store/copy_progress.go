package store

import (
	"context"
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"fmt"
)

// The progress of a copy lies in the target, so that a batch and the note that it is there are one
// transaction. The table exists only while a copy is unfinished.
const (
	createProgress = `CREATE TABLE IF NOT EXISTS copy_progress (
		name     VARCHAR(64) NOT NULL PRIMARY KEY,
		copied   BIGINT      NOT NULL,
		last_key LONGTEXT    NOT NULL,
		chain    CHAR(64)    NOT NULL,
		source   CHAR(64)    NOT NULL
	)`
	dropProgress   = `DROP TABLE copy_progress`
	selectProgress = `SELECT name, copied, last_key, chain, source FROM copy_progress`
	insertProgress = `INSERT INTO copy_progress (name, copied, last_key, chain, source) VALUES (?, ?, ?, ?, ?)`
	// Conditional, so that of two copies at work the second fails.
	updateProgress = `UPDATE copy_progress SET copied = ?, last_key = ?, chain = ? WHERE name = ? AND copied = ? AND source = ?`
)

// tableProgress is how far the copy of a table has come: the chain over the rows that are in the target,
// and the last one's key.
type tableProgress struct {
	chain   chain
	lastKey []driver.Value
}

// progressRow is what the target says.
type progressRow struct {
	tableProgress
	source string
}

// readProgress returns what the target has noted; there is false when no copy into it is unfinished.
func readProgress(ctx context.Context, c *conn) (rows map[string]progressRow, there bool, err error) {
	if _, err := c.prepare(ctx, selectProgress); err != nil {
		// Databases name a missing table differently; where another statement works, that was it.
		return nil, false, copyTables[0].checkColumns(ctx, c)
	}
	rows = map[string]progressRow{}
	err = c.query(ctx, selectProgress, nil, func(row []driver.Value) error {
		t := tableNamed(text(row[0]))
		if t == nil {
			return ErrOtherCopy
		}
		p, err := t.parseProgress(integer(row[1]), text(row[2]), text(row[3]))
		rows[t.name] = progressRow{p, text(row[4])}
		return err
	})
	return rows, true, err
}

// ErrUnfinishedCopy is what [Open] returns for the target of a copy that has not come to its end: what has not
// arrived yet, revocations above all, would be taken for not there.
var ErrUnfinishedCopy = errors.New("store: a copy into this database is not finished")

func (s *Store) refuseUnfinishedCopy(ctx context.Context) error {
	return s.readers.with(ctx, func(c *conn) (begun bool, err error) {
		_, there, err := readProgress(ctx, c)
		if err == nil && there {
			err = ErrUnfinishedCopy
		}
		return false, err
	})
}

func tableNamed(name string) *copyTable {
	for i := range copyTables {
		if copyTables[i].name == name {
			return &copyTables[i]
		}
	}
	return nil
}

func (t *copyTable) parseProgress(copied int64, lastKey, sum string) (p tableProgress, err error) {
	p.chain.rows = copied
	if n, err := hex.Decode(p.chain.sum[:], []byte(sum)); err != nil || n != len(p.chain.sum) {
		return p, fmt.Errorf("store: the digest noted for %s does not decode", t.name)
	}
	raw, err := hex.DecodeString(lastKey)
	if err != nil {
		return p, fmt.Errorf("store: the last key of %s does not decode", t.name)
	}
	if copied > 0 {
		p.lastKey, err = t.parseKey(raw)
	}
	return p, err
}

// findProgress finds where to go on; resumed is false when the target is empty. One that holds anything
// else than part of this copy is refused.
func findProgress(ctx context.Context, c *conn, source string) (at map[string]tableProgress, resumed bool, err error) {
	noted, there, err := readProgress(ctx, c)
	if err != nil {
		return nil, false, err
	}
	at = map[string]tableProgress{}
	if !there || len(noted) == 0 {
		return at, false, checkEmpty(ctx, c)
	}
	for i := range copyTables {
		t := &copyTables[i]
		p, ok := noted[t.name]
		if !ok || p.source != source {
			return nil, false, ErrOtherCopy
		}
		if err := t.checkNone(ctx, c, p.lastKey); err != nil {
			return nil, false, err
		}
		at[t.name] = p.tableProgress
	}
	return at, true, nil
}

func checkEmpty(ctx context.Context, c *conn) error {
	for i := range copyTables {
		if err := copyTables[i].checkNone(ctx, c, nil); err != nil {
			return err
		}
	}
	return nil
}

// checkNone refuses a table that has rows after a key, or any. It does not count: that takes long.
func (t *copyTable) checkNone(ctx context.Context, c *conn, after []driver.Value) error {
	found := false
	err := t.read(ctx, c, after, 1, func([]driver.Value) error {
		found = true
		return nil
	})
	if err == nil && found {
		err = fmt.Errorf("%w: %s has rows that are not from this copy", ErrNotEmpty, t.name)
	}
	return err
}

// beginProgress notes in an empty target that the copy of a source has begun.
func beginProgress(ctx context.Context, c *conn, source string) error {
	if _, err := c.exec(createProgress, nil); err != nil {
		return fmt.Errorf("store: making the table copy_progress: %w", err)
	}
	err := transact(ctx, c, func() error {
		for i := range copyTables {
			var start chain
			args := values(copyTables[i].name, int64(0), "", hex.EncodeToString(start.sum[:]), source)
			if _, err := c.exec(insertProgress, args); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("store: noting that the copy begins: %w", err)
	}
	return nil
}

// advance notes that a table has come from one state to the next; it belongs to the batch's transaction.
func (t *copyTable) advance(c *conn, from, to tableProgress, source string) error {
	args := values(to.chain.rows, hex.EncodeToString(canonical(nil, to.lastKey)), hex.EncodeToString(to.chain.sum[:]),
		t.name, from.chain.rows, source)
	changed, err := c.exec(updateProgress, args)
	if err != nil {
		return err
	}
	if changed != 1 {
		return ErrOtherCopy
	}
	return nil
}
