package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"time"
)

// conn is a connection with its prepared statements, used by one goroutine at a time. It sits below
// database/sql, whose pooling and per-call goroutines cost as much as the statements of the token path.
type conn struct {
	raw      driver.Conn
	dialect  dialect
	prepared map[string]statement
	remote   *remote // nil for a file
}

// remote is what a connection over a network has besides.
type remote struct {
	control driver.ExecerContext // for what cannot be prepared: COMMIT, ROLLBACK
	until   time.Time            // when to connect anew
	alive   func() bool          // looks, without asking the server, whether it has hung up
	suspect func()               // reports that the server failed
}

type statement struct {
	driver.Stmt
	exec  driver.StmtExecContext
	query driver.StmtQueryContext
}

func newConn(raw driver.Conn, d dialect) *conn {
	return &conn{raw: raw, dialect: d, prepared: map[string]statement{}}
}

// prepare compiles a statement once. The texts are constants, so the map stays small.
func (c *conn) prepare(ctx context.Context, text string) (statement, error) {
	if s, ok := c.prepared[text]; ok {
		return s, nil
	}
	preparer, ok := c.raw.(driver.ConnPrepareContext)
	if !ok {
		return statement{}, fmt.Errorf("store: driver %T cannot prepare statements", c.raw)
	}
	stmt, err := preparer.PrepareContext(ctx, c.dialect.form(text))
	if err != nil {
		return statement{}, fmt.Errorf("preparing %q: %w", text, err)
	}
	s := statement{Stmt: stmt}
	s.exec, ok = stmt.(driver.StmtExecContext)
	if ok {
		s.query, ok = stmt.(driver.StmtQueryContext)
	}
	if !ok {
		return statement{}, errors.Join(fmt.Errorf("store: driver statement %T is too old", stmt), stmt.Close())
	}
	c.prepared[text] = s
	return s, nil
}

// exec runs a statement and returns how many rows it changed, or found to be right already. It cannot be
// interrupted: a commit is finished or undone, never left.
func (c *conn) exec(text string, args []driver.NamedValue) (int64, error) {
	ctx := context.Background()
	s, err := c.prepare(ctx, text)
	if err != nil {
		return 0, c.fault(err)
	}
	result, err := s.exec.ExecContext(ctx, args)
	if err != nil {
		return 0, c.fault(err)
	}
	return result.RowsAffected()
}

// control runs a statement that begins or ends a transaction.
func (c *conn) control(text string) error {
	if c.remote == nil {
		_, err := c.exec(text, nil)
		return err
	}
	if _, err := c.remote.control.ExecContext(context.Background(), text, nil); err != nil {
		return c.fault(err)
	}
	return nil
}

// query calls each for every row; each may return errStop to end early. The row is reused.
func (c *conn) query(ctx context.Context, text string, args []driver.NamedValue, each func(row []driver.Value) error) (err error) {
	s, err := c.prepare(ctx, text)
	if err != nil {
		return c.fault(err)
	}
	rows, err := s.query.QueryContext(ctx, args)
	if err != nil {
		return c.fault(err)
	}
	defer func() {
		if closing := rows.Close(); closing != nil && err == nil {
			err = c.fault(closing)
		}
	}()
	row := make([]driver.Value, len(rows.Columns()))
	for {
		switch err := rows.Next(row); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return c.fault(err)
		}
		switch err := each(row); {
		case errors.Is(err, errStop):
			return nil
		case err != nil:
			return err
		}
	}
}

// fault says what a failure of the driver means.
func (c *conn) fault(err error) error {
	return &fault{c.dialect.judge(err), fmt.Errorf("store: %w", err)}
}

// fresh says whether the connection can be used for something new.
func (c *conn) fresh(now time.Time) bool {
	return c.remote == nil || now.Before(c.remote.until) && c.remote.alive()
}

// abandon closes a connection that err has made useless.
func (c *conn) abandon(err error) {
	if kind, ok := faultOf(err); ok && kind == lost && c.remote != nil {
		c.remote.suspect()
	}
	_ = c.close() // nothing is left to save on it
}

// errStop ends a query after the current row.
var errStop = errors.New("enough rows")

func (c *conn) close() error {
	if c.remote != nil {
		_ = c.raw.Close() // the server drops the statements, and may have hung up: nothing is left to save
		return nil
	}
	var errs []error
	for _, s := range c.prepared {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, c.raw.Close())...)
}

// values numbers the arguments of a statement.
func values(args ...driver.Value) []driver.NamedValue {
	named := make([]driver.NamedValue, len(args))
	for i, arg := range args {
		named[i] = driver.NamedValue{Ordinal: i + 1, Value: arg}
	}
	return named
}

// text reads a text column; drivers return it as string or []byte.
func text(v driver.Value) string {
	switch v := v.(type) {
	case string:
		return v
	case []byte:
		return string(v)
	default:
		return ""
	}
}

// integer reads an integer column; NULL is 0.
func integer(v driver.Value) int64 {
	n, _ := v.(int64)
	return n
}

// blob reads a binary column; NULL is nil.
func blob(v driver.Value) []byte {
	b, _ := v.([]byte)
	return b
}
