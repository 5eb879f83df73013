package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/pressly/goose/v3"
)

// schema creates the file, when it is to be changed and is missing. A lock on a file beside it lets one
// process at a time change it; the lock ends with its process.
func (d *sqliteDialect) schema(ctx context.Context, change bool) (*schema, error) {
	s := &schema{
		dialect: goose.DialectSQLite3,
		exists:  `SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'goose_db_version'`,
	}
	settings, unlock := sqliteReader, func() error { return nil }
	if change {
		settings = sqliteWriter
		if err := createPrivate(d.path); err != nil {
			return nil, fmt.Errorf("store: creating the database: %w", err)
		}
		var err error
		if unlock, err = lockSQLite(ctx, d.path+".lock"); err != nil {
			return nil, fmt.Errorf("store: waiting for another process to migrate: %w", err)
		}
	} else if info, err := os.Stat(d.path); errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
		return nil, nil
	}
	db, err := sql.Open("sqlite", sqliteURI(d.path, settings))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("store: %w", err), unlock())
	}
	db.SetMaxOpenConns(1)
	s.db, s.done = db, func() error { return errors.Join(db.Close(), unlock()) }
	return s, nil
}

// lockSQLite takes an exclusive lock that SQLite itself keeps on an empty file: it needs no system call
// of ours and no clean-up after a crash.
func lockSQLite(ctx context.Context, path string) (unlock func() error, err error) {
	if err := createPrivate(path); err != nil {
		return nil, err
	}
	raw, err := openSQLite(path, "_pragma=busy_timeout(60000)")
	if err != nil {
		return nil, err
	}
	c := newConn(raw, &sqliteDialect{})
	lock, err := c.prepare(ctx, "BEGIN EXCLUSIVE")
	if err == nil {
		_, err = lock.exec.ExecContext(ctx, nil)
	}
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	return func() error {
		_, err := c.exec("ROLLBACK", nil)
		return errors.Join(err, c.close())
	}, nil
}
