package store

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// copySide is one of the two databases. Its connection is nil while none is open: servers hang up on those
// that are not used for a while.
type copySide struct {
	name    string
	dialect dialect
	conn    *conn
}

// open connects to a database whose schema is this program's.
func (s *copySide) open(ctx context.Context, writes bool) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s: %w", s.name, err)
		}
	}()
	if err := checkThere(s.dialect); err != nil {
		return err
	}
	if err := checkSchema(ctx, s.dialect); err != nil {
		return err
	}
	if s.conn, err = s.dialect.connect(ctx, writes); err != nil {
		return err
	}
	for i := range copyTables {
		if err := copyTables[i].checkColumns(ctx, s.conn); err != nil {
			return errors.Join(err, s.close())
		}
	}
	return nil
}

func (s *copySide) close() error {
	if s.conn == nil {
		return nil
	}
	c := s.conn
	s.conn = nil
	return c.close()
}

// checkThere keeps SQLite from making a file where there is none.
func checkThere(d dialect) error {
	if file, ok := d.(*sqliteDialect); ok {
		if _, err := os.Stat(file.path); err != nil {
			return fmt.Errorf("%w: %w", ErrNoDatabase, err)
		}
	}
	return nil
}
