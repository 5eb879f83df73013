package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"
)

// Bounds of a batch, which is one transaction in the target.
const (
	batchRows  = 1000
	batchBytes = 1 << 20 // far below what servers take in one packet
)

// maxInsertRows is the most rows of one statement. A batch is cut into powers of two, so that a table
// needs few prepared statements.
const maxInsertRows = 128

// batch is rows that are written together, and where the table stands after them.
type batch struct {
	values []driver.NamedValue
	rows   int
	bytes  int
	after  tableProgress
}

func (b *batch) full() bool { return b.rows >= batchRows || b.bytes >= batchBytes }

// readBatches reads the rows after a state and hands them over in batches, in the order of the key.
func (t *copyTable) readBatches(ctx context.Context, c *conn, from tableProgress, hand func(*batch) error) error {
	state := from.chain
	b := new(batch)
	end := func() error {
		last := b.values[len(b.values)-len(t.columns):]
		b.after = tableProgress{chain: chain{sum: state.sum, rows: state.rows}}
		for _, v := range last[:t.key] {
			b.after.lastKey = append(b.after.lastKey, v.Value)
		}
		full := b
		b = new(batch)
		return hand(full)
	}
	err := t.read(ctx, c, from.lastKey, 0, func(row []driver.Value) error {
		state.add(row)
		for i, v := range row {
			b.values = append(b.values, driver.NamedValue{Value: t.columns[i].kind.own(v)})
		}
		b.rows++
		b.bytes += len(state.buf)
		if b.full() {
			return end()
		}
		return nil
	})
	if err == nil && b.rows > 0 {
		err = end()
	}
	return err
}

// writeBatch adds a batch and the note that it is there, in one transaction.
func (t *copyTable) writeBatch(ctx context.Context, c *conn, from tableProgress, b *batch, source string) error {
	err := transact(ctx, c, func() error {
		if err := t.advance(c, from, b.after, source); err != nil {
			return err
		}
		for n, rest := maxInsertRows, b.values; len(rest) > 0; {
			size := n * len(t.columns)
			if size > len(rest) {
				n /= 2
				continue
			}
			args := rest[:size]
			for i := range args {
				args[i].Ordinal = i + 1
			}
			if _, err := c.exec(t.insertRows(n), args); err != nil {
				return err
			}
			rest = rest[size:]
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("store: writing to %s: %w", t.name, err)
	}
	return nil
}

// copyRows copies what is missing of a table, reading ahead while it writes, and returns where it ended.
func (t *copyTable) copyRows(ctx context.Context, source, target *conn, at tableProgress, fingerprint string, wrote func(rows int)) (tableProgress, error) {
	batches := make(chan *batch, 2)
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(batches)
		return t.readBatches(gctx, source, at, func(b *batch) error {
			select {
			case batches <- b:
				return nil
			case <-gctx.Done():
				return gctx.Err()
			}
		})
	})
	g.Go(func() error {
		for b := range batches {
			if err := t.writeBatch(gctx, target, at, b, fingerprint); err != nil {
				return err
			}
			at = b.after
			wrote(b.rows)
		}
		return nil
	})
	err := g.Wait()
	return at, err
}

// digest reads the whole table and returns the chain over it.
func (t *copyTable) digest(ctx context.Context, c *conn, read func(rows int)) (chain, error) {
	var sum chain
	err := t.read(ctx, c, nil, 0, func(row []driver.Value) error {
		sum.add(row)
		if sum.rows%batchRows == 0 {
			read(batchRows)
		}
		return nil
	})
	read(int(sum.rows % batchRows))
	return sum, err
}

// snapshot lets read see one state of the database, whatever others commit meanwhile.
func snapshot(ctx context.Context, c *conn, read func() error) error {
	tx, err := beginTx(ctx, c, driver.TxOptions{Isolation: driver.IsolationLevel(sql.LevelRepeatableRead), ReadOnly: true})
	if err != nil {
		return err
	}
	err = read()
	if undo := tx.Rollback(); err == nil {
		err = undo
	}
	return err
}

// transact makes what write does one transaction. Once begun it is finished, whatever becomes of ctx.
func transact(ctx context.Context, c *conn, write func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	tx, err := beginTx(context.WithoutCancel(ctx), c, driver.TxOptions{})
	if err != nil {
		return err
	}
	if err := write(); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

func beginTx(ctx context.Context, c *conn, opt driver.TxOptions) (driver.Tx, error) {
	beginner, ok := c.raw.(driver.ConnBeginTx)
	if !ok {
		return nil, fmt.Errorf("store: driver %T has no transactions", c.raw)
	}
	tx, err := beginner.BeginTx(ctx, opt)
	if err != nil {
		return nil, fmt.Errorf("store: beginning a transaction: %w", err)
	}
	return tx, nil
}
