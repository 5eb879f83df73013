package store

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"

	"signet/provider/oauth"
)

// pool holds the connections that read; a reader never waits for a writer, nor a writer for a reader.
type pool struct {
	idle   chan *conn
	opened int
	closed chan struct{}
}

func openPool(ctx context.Context, d dialect, size int) (*pool, error) {
	p := &pool{idle: make(chan *conn, size), closed: make(chan struct{})}
	for range size {
		raw, err := d.connect(ctx, false)
		if err != nil {
			return nil, errors.Join(err, p.close())
		}
		p.idle <- newConn(raw)
		p.opened++
	}
	return p, nil
}

// point reads the one row that text selects. ctx bounds the wait for a connection; the read itself takes
// microseconds, less than what making it interruptible costs.
func (p *pool) point(ctx context.Context, text string, args []driver.NamedValue, read func(row []driver.Value) error) error {
	found := false
	err := p.with(ctx, func(c *conn) error {
		return c.query(context.Background(), text, args, func(row []driver.Value) error {
			found = true
			if err := read(row); err != nil {
				return err
			}
			return errStop
		})
	})
	if err == nil && !found {
		return oauth.ErrNotFound
	}
	return err
}

// scan reads any number of rows and ends with ctx.
func (p *pool) scan(ctx context.Context, text string, args []driver.NamedValue, read func(row []driver.Value) error) error {
	return p.with(ctx, func(c *conn) error { return c.query(ctx, text, args, read) })
}

func (p *pool) with(ctx context.Context, use func(*conn) error) error {
	select {
	case c := <-p.idle:
		defer func() { p.idle <- c }()
		return use(c)
	case <-p.closed:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// close waits for the readers at work, then closes their connections. It is called once.
func (p *pool) close() error {
	close(p.closed)
	var errs []error
	for range p.opened {
		errs = append(errs, (<-p.idle).close())
	}
	return errors.Join(errs...)
}

// decode reads a data column.
func decode(column driver.Value, into any) error {
	if err := json.Unmarshal([]byte(text(column)), into); err != nil {
		return fmt.Errorf("store: a row does not decode: %w", err)
	}
	return nil
}

// list reads rows whose only column is data.
func list[T any](ctx context.Context, s *Store, query string) (all []T, err error) {
	err = s.readers.scan(ctx, query, nil, func(row []driver.Value) error {
		var one T
		if err := decode(row[0], &one); err != nil {
			return err
		}
		all = append(all, one)
		return nil
	})
	return all, err
}

// absent names what was looked for in the error of a read; key must not be a secret.
func absent(err error, what string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("store: %s: %w", what, err)
}
