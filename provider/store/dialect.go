package store

import (
	"context"
	"database/sql/driver"
	"fmt"
	"strings"
)

// dialect is what differs between databases. A further database is one more file that implements it and
// one more case in parseDSN; it has to pass package storetest.
type dialect interface {
	// migrate brings the schema up to date; it is safe when several processes start at once.
	migrate(ctx context.Context) error
	// connect opens a connection: the one that writes, or one that only reads.
	connect(ctx context.Context, writes bool) (driver.Conn, error)
	// begin is the statement that starts a writing transaction.
	begin() string
	// isDuplicate says that a statement changed nothing because a primary or unique key is taken.
	isDuplicate(err error) bool
}

// parseDSN chooses the dialect by the scheme. The DSN may hold a password and is not repeated in errors.
func parseDSN(dsn string, opt Options) (dialect, error) {
	scheme, rest, ok := strings.Cut(dsn, ":")
	if !ok {
		return nil, fmt.Errorf("store: the DSN has no scheme; expected sqlite:/path/to/file.db")
	}
	switch scheme {
	case "sqlite":
		return newSQLite(rest, opt.Log)
	default:
		return nil, fmt.Errorf("store: unknown DSN scheme %q; expected sqlite", scheme)
	}
}
