package store

import (
	"bytes"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"signet/provider/oauth"
)

func openFile(t *testing.T, path string, opt Options) *Store {
	t.Helper()
	opt.Clock = func() time.Time { return testTime }
	s, err := Open(t.Context(), "sqlite:"+path, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestOpenRefuses(t *testing.T) {
	clock := func() time.Time { return testTime }
	for _, tt := range []struct {
		dsn  string
		opt  Options
		want string
	}{
		{"signet.db", Options{Clock: clock}, "no scheme"},
		{"oracle:secret@host", Options{Clock: clock}, `unknown DSN scheme "oracle"`},
		{"sqlite:", Options{Clock: clock}, "needs a file"},
		{"sqlite::memory:", Options{Clock: clock}, "needs a file"},
		{"sqlite:" + filepath.Join(t.TempDir(), "none", "signet.db"), Options{Clock: clock}, "creating the database"},
		{"sqlite:" + t.TempDir(), Options{Clock: clock}, "unable to open"},
		{"sqlite:signet.db", Options{}, "Clock is missing"},
	} {
		_, err := Open(t.Context(), tt.dsn, tt.opt)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("Open(%q): %v, want %q", tt.dsn, err, tt.want)
		}
	}
}

// TestFiles checks the files: only their owner can read them, whatever the folder is called.
func TestFiles(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "a b?c#d%41&_pragma=x")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, "signet.db")
	s := openFile(t, path, Options{})
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	files, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		names[f.Name()] = true
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", f.Name(), info.Mode())
		}
	}
	for _, name := range []string{"signet.db", "signet.db-wal", "signet.db.lock"} {
		if !names[name] {
			t.Errorf("%s is missing among %v", name, names)
		}
	}

	var log bytes.Buffer
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	openFile(t, path, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	if !strings.Contains(log.String(), "chmod 600") {
		t.Errorf("no warning about a readable database: %s", &log)
	}
}

// TestSettings reads back what durability rests on.
func TestSettings(t *testing.T) {
	s := openFile(t, filepath.Join(t.TempDir(), "signet.db"), Options{})
	reader, err := s.writers[0].dialect.connect(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reader.close() }()
	for _, tt := range []struct {
		name   string
		conn   *conn
		pragma string
		want   string
	}{
		{"writer", s.writers[0].conn, "journal_mode", "wal"},
		{"writer", s.writers[0].conn, "synchronous", "2"},
		{"writer", s.writers[0].conn, "busy_timeout", "10000"},
		{"writer", s.writers[0].conn, "wal_autocheckpoint", "4000"},
		{"reader", reader, "query_only", "1"},
	} {
		var got string
		err := tt.conn.query(t.Context(), "PRAGMA "+tt.pragma, nil, func(row []driver.Value) error {
			got = fmt.Sprint(row[0])
			return nil
		})
		if err != nil || got != tt.want {
			t.Errorf("%s: %s is %q, %v; want %q", tt.name, tt.pragma, got, err, tt.want)
		}
	}
	if _, err := reader.exec(deleteUser, values("c")); err == nil {
		t.Error("a reader can write")
	}
}

// requestStatements are those of requests and of the sweep that look for something.
func requestStatements() []string {
	statements := []string{
		selectClient, updateClient, selectUser, selectUserByName, deleteUser, selectCode, redeemCode, burnCode,
		selectGrant, extendGrant, revokeGrant, selectRefresh, startFamily, rotateFamily, checkFamily,
		selectOpaque, selectRevoked, selectSession, deleteSession, updateSession,
		selectParticipations, extendParticipation, prolongSession, leaveSession, selectInteraction, deleteInteraction, updateInteraction,
		selectConsent, renewConsent, forgetConsent, walkClient, walkClients, removeWithin, removeBetween, findOldAudit, removeOldAudit, bumpVersion,
		replaceGrant, selectNonce, walkProofs, removeProofs, selectPushed, usePushed,
		selectBackchannel, selectBackchannelID, selectPending, answerBackchannel, pollBackchannel, redeemBackchannel,
		selectDevice, selectDeviceUserCode, freeUserCode, answerDevice, pollDevice, redeemDevice,
		useGrant, checkLineage, inheritedOrigins, revokeSession,
		selectDue, nameDelivery, claimDelivery, retryDelivery, deleteDelivery,
	}
	for _, table := range expiring {
		statements = append(statements, table.find, table.remove)
	}
	return statements
}

// TestPlans checks that no statement of a request reads a whole table.
func TestPlans(t *testing.T) {
	s := openFile(t, filepath.Join(t.TempDir(), "signet.db"), Options{})
	for _, statement := range requestStatements() {
		args := make([]driver.Value, strings.Count(statement, "?"))
		err := s.readers.scan(t.Context(), "EXPLAIN QUERY PLAN "+statement, values(args...), func(row []driver.Value) error {
			if detail := text(row[3]); strings.Contains(detail, "SCAN") && detail != "SCAN CONSTANT ROW" || strings.Contains(detail, "TEMP B-TREE") {
				t.Errorf("%s: %s", statement, detail)
			}
			return nil
		})
		if err != nil {
			t.Errorf("%s: %v", statement, err)
		}
	}
}

// TestOpenConcurrently opens a new database by many goroutines, which then all work.
func TestOpenConcurrently(t *testing.T) {
	path := filepath.Join(t.TempDir(), "signet.db")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			s, err := Open(t.Context(), "sqlite:"+path, Options{Clock: func() time.Time { return testTime }})
			if err != nil {
				t.Error(err)
				return
			}
			if err := s.Commit(t.Context(), storeClient(string(rune('a'+i)))); err != nil {
				t.Error(err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	clients, err := openFile(t, path, Options{}).Clients(t.Context())
	if err != nil || len(clients) != 8 {
		t.Errorf("%d clients, %v", len(clients), err)
	}
}

// TestOpenEnds gives up waiting for another process's migration with its context.
func TestOpenEnds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "signet.db")
	unlock, err := lockSQLite(t.Context(), path+".lock")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := Open(ctx, "sqlite:"+path, Options{Clock: func() time.Time { return testTime }}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Open: %v", err)
	}
	if err := unlock(); err != nil {
		t.Error(err)
	}
	openFile(t, path, Options{})
}

// TestKeepAudit removes entries when they are old enough, or never.
func TestKeepAudit(t *testing.T) {
	for _, tt := range []struct {
		keep    time.Duration
		removed int
	}{{0, 0}, {time.Hour, 2}, {3 * time.Hour, 0}} {
		s := openFile(t, filepath.Join(t.TempDir(), "signet.db"), Options{KeepAudit: tt.keep})
		for id, age := range map[string]time.Duration{"a": 2 * time.Hour, "b": 2 * time.Hour, "c": time.Minute} {
			if err := s.Commit(t.Context(), oauth.RecordAudit{Entry: oauth.AuditEntry{ID: id, At: testTime.Add(-age)}}); err != nil {
				t.Fatal(err)
			}
		}
		if removed, err := s.Sweep(t.Context(), 10); err != nil || removed != tt.removed {
			t.Errorf("KeepAudit %v: removed %d, %v; want %d", tt.keep, removed, err, tt.removed)
		}
	}
}
