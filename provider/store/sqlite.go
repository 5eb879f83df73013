package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"runtime"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// The settings of every connection. FULL makes a commit reach the disk before it returns; fullfsync does
// the same on macOS. A waiter for another process's write lock gives up after 10 s.
const sqliteCommon = "_pragma=busy_timeout(10000)&_pragma=synchronous(FULL)&_pragma=fullfsync(1)" +
	"&_pragma=temp_store(MEMORY)&_pragma=trusted_schema(0)&_defensive=1&_dqs=0"

// The writing connection checkpoints every 4000 pages (16 MB): pages that many commits change are copied
// back once. Of 1000, 4000 and 16000 this took the least CPU time per commit in groups of 16.
const (
	sqliteWriter = sqliteCommon + "&_pragma=journal_mode(WAL)&_pragma=wal_autocheckpoint(4000)&_pragma=cache_size(-32000)"
	sqliteReader = sqliteCommon + "&_pragma=query_only(1)&_pragma=cache_size(-8000)"
)

// sqliteDialect is a database file in WAL mode, shared by any number of processes on one machine.
type sqliteDialect struct {
	path string
	log  *slog.Logger
}

func newSQLite(path string, opt Options) (*sqliteDialect, error) {
	if path == "" || path == ":memory:" {
		return nil, errors.New("store: sqlite needs a file: sqlite:/path/to/file.db")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return &sqliteDialect{path: path, log: opt.Log}, nil
}

// sqliteURI escapes the path, so that no character of it is taken for a connection parameter.
func sqliteURI(path, settings string) string {
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: settings}).String()
}

// One connection writes, since SQLite lets only one. BEGIN IMMEDIATE takes the write lock at once: a
// transaction that read first could fail at its first write.
func (d *sqliteDialect) traits() traits {
	return traits{begin: "BEGIN IMMEDIATE", migrations: "migrations/sqlite", writers: 1, readers: min(max(4, 2*runtime.GOMAXPROCS(0)), 32)}
}

func (d *sqliteDialect) form(text string) string { return text }

func (d *sqliteDialect) connect(_ context.Context, writes bool) (*conn, error) {
	settings := sqliteReader
	if writes {
		settings = sqliteWriter
	}
	raw, err := openSQLite(d.path, settings)
	if err != nil {
		return nil, &fault{d.judge(err), err}
	}
	if writes {
		d.warnIfReadable()
	}
	return newConn(raw, d), nil
}

func openSQLite(path, settings string) (driver.Conn, error) {
	raw, err := (&sqlite.Driver{}).Open(sqliteURI(path, settings))
	if err != nil {
		return nil, fmt.Errorf("store: opening %s: %w", path, err)
	}
	return raw, nil
}

func (d *sqliteDialect) judge(err error) faultKind {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return broken
	}
	switch e.Code() {
	case sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_UNIQUE:
		return duplicate
	}
	switch e.Code() & 0xff { // the primary result code
	case sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG:
		return refused
	}
	return broken
}

// createPrivate makes an empty file that only its owner can read; SQLite gives its log the same mode. The
// file is linked into place closed: closing a descriptor of a database that another connection of this
// process has open would drop that connection's locks.
func createPrivate(path string) (err error) {
	if _, err := os.Lstat(path); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// warnIfReadable reports a database file that others on the machine can read.
func (d *sqliteDialect) warnIfReadable() {
	info, err := os.Stat(d.path)
	if err == nil && info.Mode().Perm()&0o077 != 0 {
		d.log.Warn("the database file can be read by others; chmod 600 it", "path", d.path, "mode", info.Mode().Perm().String())
	}
}
