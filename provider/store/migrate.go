package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
)

//go:embed migrations
var migrations embed.FS

// migrate creates the file if it is missing and applies the migrations that it has not seen, forward
// only. A lock on a file beside it lets one process at a time do so; the lock ends with its process.
func (d *sqliteDialect) migrate(ctx context.Context) (err error) {
	if err := createPrivate(d.path); err != nil {
		return fmt.Errorf("store: creating the database: %w", err)
	}
	unlock, err := lockSQLite(ctx, d.path+".lock")
	if err != nil {
		return fmt.Errorf("store: waiting for another process to migrate: %w", err)
	}
	defer func() { err = errors.Join(err, unlock()) }()
	d.warnIfReadable()

	db, err := sql.Open("sqlite", sqliteURI(d.path, sqliteWriter))
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	return up(ctx, goose.DialectSQLite3, db, "migrations/sqlite")
}

// up applies what is missing. A schema newer than this binary is left alone: migrations only add, so
// that the previous binary keeps working.
func up(ctx context.Context, dialect goose.Dialect, db *sql.DB, folder string) error {
	files, err := fs.Sub(migrations, folder)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	provider, err := goose.NewProvider(dialect, db, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("store: reading migrations: %w", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("store: migrating: %w", err)
	}
	return nil
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
	c := newConn(raw)
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
