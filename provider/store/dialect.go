package store

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// dialect is what differs between databases. A further database is one more file that implements it and
// one more case in parseDSN; it has to pass package storetest.
type dialect interface {
	traits() traits
	// connect opens a connection: one that writes, or one that only reads.
	connect(ctx context.Context, writes bool) (*conn, error)
	// form is the statement as this database has to be given it.
	form(text string) string
	// judge says what a failure of the driver means.
	judge(err error) faultKind
	// schema opens the database for looking at its schema or, with change set, for changing it: then only
	// one process at a time gets it. It returns nil without an error when there is no database yet.
	schema(ctx context.Context, change bool) (*schema, error)
}

// traits are a dialect's constants.
type traits struct {
	begin            string // starts a writing transaction; "" when the first statement does
	migrations       string // their folder
	writers, readers int    // connections
	// marked: a transaction starts with a mark, by which its outcome is found out when the answer to COMMIT
	// was lost. What passes by itself is executed again for as long as patience.
	marked   bool
	patience time.Duration
	answer   time.Duration // the longest wait for one row; 0 when it cannot be long
}

// parseDSN chooses the dialect by the scheme. The DSN may hold a password and is not repeated in errors.
func parseDSN(dsn string, opt Options) (dialect, error) {
	scheme, rest, ok := strings.Cut(dsn, ":")
	if !ok {
		return nil, fmt.Errorf("store: the DSN has no scheme; expected sqlite:/path/to/file.db or mysql:user@host/database")
	}
	switch scheme {
	case "sqlite":
		return newSQLite(rest, opt)
	case "mysql":
		return newMySQL(rest, opt)
	default:
		return nil, fmt.Errorf("store: unknown DSN scheme %q; expected sqlite or mysql", scheme)
	}
}

// sharedLock marks, in a statement, where a row that is only read must stay as it is until the commit. Where
// one transaction writes at a time it is a comment.
const sharedLock = "/*shared*/"
