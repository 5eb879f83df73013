package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
)

// conn is a connection with its prepared statements, used by one goroutine at a time. It sits below
// database/sql, whose pooling and per-call goroutines cost as much as the statements of the token path.
type conn struct {
	raw      driver.Conn
	prepared map[string]statement
}

type statement struct {
	driver.Stmt
	exec  driver.StmtExecContext
	query driver.StmtQueryContext
}

func newConn(raw driver.Conn) *conn {
	return &conn{raw: raw, prepared: map[string]statement{}}
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
	stmt, err := preparer.PrepareContext(ctx, text)
	if err != nil {
		return statement{}, fmt.Errorf("store: preparing %q: %w", text, err)
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

// exec runs a statement and returns how many rows it changed. It cannot be interrupted: a commit is
// finished or undone, never left.
func (c *conn) exec(text string, args []driver.NamedValue) (int64, error) {
	ctx := context.Background()
	s, err := c.prepare(ctx, text)
	if err != nil {
		return 0, err
	}
	result, err := s.exec.ExecContext(ctx, args)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// query calls each for every row; each may return errStop to end early. The row is reused.
func (c *conn) query(ctx context.Context, text string, args []driver.NamedValue, each func(row []driver.Value) error) (err error) {
	s, err := c.prepare(ctx, text)
	if err != nil {
		return err
	}
	rows, err := s.query.QueryContext(ctx, args)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	row := make([]driver.Value, len(rows.Columns()))
	for {
		switch err := rows.Next(row); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		switch err := each(row); {
		case errors.Is(err, errStop):
			return nil
		case err != nil:
			return err
		}
	}
}

// errStop ends a query after the current row.
var errStop = errors.New("enough rows")

func (c *conn) close() error {
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
