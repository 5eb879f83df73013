package store

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"signet/provider/oauth"
)

// pool holds the connections that read; a reader never waits for a writer, nor a writer for a reader.
// Connections are opened when they are first needed.
type pool struct {
	dialect dialect
	answer  time.Duration // bounds the wait for a connection and one read; 0 = nothing does
	outage  *outage
	clock   oauth.Clock
	counts  *counters
	idle    chan *slot
	size    int
	closed  chan struct{}
}

// slot is the place of one connection.
type slot struct {
	conn   *conn // nil when it has to be opened
	opened bool  // there has been one
}

func newPool(d dialect, t traits, clock oauth.Clock, counts *counters, down *outage) *pool {
	p := &pool{
		dialect: d, answer: t.answer, outage: down, clock: clock, counts: counts,
		idle: make(chan *slot, t.readers), size: t.readers, closed: make(chan struct{}),
	}
	for range t.readers {
		p.idle <- &slot{}
	}
	return p
}

// point reads the one row that text selects. ctx bounds the wait for a connection; the read itself takes
// microseconds, or is bounded, and interrupting it would cost the connection.
func (p *pool) point(ctx context.Context, text string, args []driver.NamedValue, read func(row []driver.Value) error) error {
	found := false
	err := p.with(ctx, func(c *conn) (begun bool, err error) {
		reading := context.Background()
		if p.answer > 0 {
			var cancel context.CancelFunc
			reading, cancel = context.WithTimeout(reading, p.answer)
			defer cancel()
		}
		err = c.query(reading, text, args, func(row []driver.Value) error {
			found = true
			if err := read(row); err != nil {
				return err
			}
			return errStop
		})
		return found, err
	})
	if err == nil && !found {
		return oauth.ErrNotFound
	}
	return err
}

// scan reads any number of rows and ends with ctx.
func (p *pool) scan(ctx context.Context, text string, args []driver.NamedValue, read func(row []driver.Value) error) error {
	return p.with(ctx, func(c *conn) (begun bool, err error) {
		err = c.query(ctx, text, args, func(row []driver.Value) error {
			begun = true
			return read(row)
		})
		return begun, err
	})
}

// with lends a connection. What fails in a way that may pass is done once more, on a new connection if the
// old one is lost, unless use has begun to give out what it read.
func (p *pool) with(ctx context.Context, use func(*conn) (begun bool, err error)) error {
	s, err := p.take(ctx)
	if err != nil {
		return err
	}
	defer func() { p.idle <- s }()
	for again := true; ; again = false {
		err := p.ready(ctx, s)
		begun := false
		if err == nil {
			begun, err = use(s.conn)
		}
		stopped := ended(ctx, err)
		if kind, ok := faultOf(err); ok && kind == lost && s.conn != nil {
			if stopped {
				_ = s.conn.close() // interrupted, which is not the server's fault
			} else {
				s.conn.abandon(err)
			}
			s.conn = nil
		}
		switch {
		case stopped:
			return context.Cause(ctx)
		case !passing(err) || begun || !again || p.outage.on.Load():
			return err
		}
		p.counts.retries.Add(1)
	}
}

var errBusy = &fault{broken, errors.New("store: all connections for reading are taken")}

// take waits for a connection to be free, for as long as a read may take: behind a server that hangs nothing queues up.
func (p *pool) take(ctx context.Context) (*slot, error) {
	select {
	case s := <-p.idle:
		return s, nil
	default:
	}
	var late <-chan time.Time
	if p.answer > 0 {
		timer := time.NewTimer(p.answer)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case s := <-p.idle:
		return s, nil
	case <-late:
		return nil, errBusy
	case <-p.closed:
		return nil, ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// few is scan for a handful of rows on a request's way: like point, it is bounded.
func (p *pool) few(ctx context.Context, text string, args []driver.NamedValue, read func(row []driver.Value) error) error {
	if p.answer > 0 {
		bounded, cancel := context.WithTimeoutCause(ctx, p.answer, errBusy)
		defer cancel()
		ctx = bounded
	}
	return p.scan(ctx, text, args, read)
}

// ready has a connection that is worth using.
func (p *pool) ready(ctx context.Context, s *slot) error {
	if s.conn != nil && !s.conn.fresh(p.clock()) {
		_ = s.conn.close() // it was only read from
		s.conn = nil
	}
	if s.conn != nil {
		return nil
	}
	c, err := p.dialect.connect(ctx, false)
	if err != nil {
		return err
	}
	if s.opened {
		p.counts.reconnects.Add(1)
	}
	s.conn, s.opened = c, true
	return nil
}

// close waits for the readers at work, then closes their connections. It is called once.
func (p *pool) close() error {
	close(p.closed)
	var errs []error
	for range p.size {
		if s := <-p.idle; s.conn != nil {
			errs = append(errs, s.conn.close())
		}
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
