package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/provider/oauth"
)

var testTime = time.Date(2026, time.March, 4, 5, 6, 7, 0, time.UTC)

// faulty is SQLite whose writing connections fail at chosen statements and write down all of them.
type faulty struct {
	*sqliteDialect
	mu      sync.Mutex
	fail    []string // beginnings of statements, each failing once, in this order
	seen    []string // beginnings of executed statements
	opened  int
	refused bool // connections cannot be opened
}

var errFault = errors.New("disk on fire")

func (f *faulty) connect(ctx context.Context, writes bool) (*conn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refused {
		return nil, &fault{broken, errFault}
	}
	c, err := f.sqliteDialect.connect(ctx, writes)
	if err != nil || !writes {
		return c, err
	}
	f.opened++
	c.raw = &faultyConn{Conn: c.raw, faulty: f}
	return c, nil
}

type faultyConn struct {
	driver.Conn
	*faulty
}

func (c *faultyConn) PrepareContext(ctx context.Context, text string) (driver.Stmt, error) {
	stmt, err := c.Conn.(driver.ConnPrepareContext).PrepareContext(ctx, text)
	return &faultyStmt{Stmt: stmt, text: text, faulty: c.faulty}, err
}

type faultyStmt struct {
	driver.Stmt
	*faulty
	text string
}

func (s *faultyStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	s.mu.Lock()
	verb, _, _ := strings.Cut(s.text, " ")
	s.seen = append(s.seen, verb)
	fails := len(s.fail) > 0 && strings.HasPrefix(s.text, s.fail[0])
	if fails {
		s.fail = s.fail[1:]
	}
	s.mu.Unlock()
	if fails {
		return nil, errFault
	}
	return s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args)
}

func (s *faultyStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
}

func openFaulty(t *testing.T) (*Store, *faulty) {
	t.Helper()
	d, err := newSQLite(filepath.Join(t.TempDir(), "signet.db"), Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	f := &faulty{sqliteDialect: d}
	s, err := openDialect(t.Context(), f, Options{Clock: func() time.Time { return testTime }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, f
}

func storeClient(id string) oauth.Change {
	return oauth.StoreClient{Client: oauth.Client{ID: id}, New: true}
}

// TestFailures has the database fail at each step of a transaction: the commit is reported as failed, is
// not applied, and the next one succeeds.
func TestFailures(t *testing.T) {
	for _, tt := range []struct {
		name   string
		fail   []string
		reopen bool
	}{
		{"begin", []string{"BEGIN"}, false},
		{"statement, also alone", []string{"INSERT", "INSERT"}, false},
		{"commit", []string{"COMMIT"}, false},
		{"commit and rollback", []string{"COMMIT", "ROLLBACK"}, true},
		{"statement and rollback", []string{"INSERT", "ROLLBACK", "INSERT", "ROLLBACK"}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, f := openFaulty(t)
			f.mu.Lock()
			f.fail = tt.fail
			f.mu.Unlock()
			if err := s.Commit(t.Context(), storeClient("c")); !errors.Is(err, errFault) || !errors.Is(err, oauth.ErrUnavailable) {
				t.Fatalf("Commit: %v, want the fault", err)
			}
			if _, err := s.Client(t.Context(), "c"); !errors.Is(err, oauth.ErrNotFound) {
				t.Errorf("a failed commit was applied: %v", err)
			}
			if err := s.Commit(t.Context(), storeClient("c")); err != nil {
				t.Errorf("the next commit: %v", err)
			}
			if reopened := f.opened > 1; reopened != tt.reopen {
				t.Errorf("opened %d connections", f.opened)
			}
		})
	}
}

// TestLostConnection cannot open a connection again for a while.
func TestLostConnection(t *testing.T) {
	s, f := openFaulty(t)
	f.mu.Lock()
	f.fail, f.refused = []string{"COMMIT", "ROLLBACK"}, true
	f.mu.Unlock()
	for range 3 {
		if err := s.Ping(t.Context()); !errors.Is(err, errFault) || !errors.Is(err, oauth.ErrUnavailable) {
			t.Fatalf("Ping without a connection: %v", err)
		}
	}
	f.mu.Lock()
	f.refused = false
	f.mu.Unlock()
	if err := s.Ping(t.Context()); err != nil {
		t.Fatalf("Ping when the connection is back: %v", err)
	}
}

// TestGroup executes a group in which one job fails half-way: it shares no fate with the others.
func TestGroup(t *testing.T) {
	s, f := openFaulty(t)
	if err := s.Commit(t.Context(), storeClient("taken")); err != nil {
		t.Fatal(err)
	}
	newJob := func(changes ...oauth.Change) *job {
		p, err := newPlan(changes)
		if err != nil {
			t.Fatal(err)
		}
		return &job{plan: p, done: make(chan struct{})}
	}
	clean := newJob(storeClient("taken"), storeClient("never"))
	dirty := newJob(storeClient("undone"), storeClient("taken"))
	first, last := newJob(storeClient("first")), newJob(storeClient("last"))

	s.writers[0].run([]*job{first, clean, last}, func([]*job) {}) // the committer is idle
	f.mu.Lock()
	seen := slices.Clone(f.seen[len(f.seen)-7:])
	f.mu.Unlock()
	if diff := cmp.Diff([]string{"BEGIN", "INSERT", "UPDATE", "INSERT", "INSERT", "UPDATE", "COMMIT"}, seen); diff != "" {
		t.Errorf("one transaction, no savepoints (-want +got):\n%s", diff)
	}
	for _, j := range []*job{newJob(storeClient("a")), newJob(storeClient("b"))} {
		s.writers[0].run([]*job{dirty, j}, func([]*job) {})
		if j.err != nil {
			t.Errorf("a job suffers for another: %v", j.err)
		}
	}
	for _, j := range []*job{first, last} {
		if j.err != nil {
			t.Error(j.err)
		}
	}
	for _, j := range []*job{clean, dirty} {
		var conflict *oauth.Conflict
		if !errors.As(j.err, &conflict) {
			t.Errorf("%v, want a conflict", j.err)
		}
	}
	clients, err := s.Clients(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, c := range clients {
		ids = append(ids, c.ID)
	}
	if diff := cmp.Diff([]string{"a", "b", "first", "last", "taken"}, ids); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
}

// TestAbandoned gives up a commit while the committer is busy: it is never applied.
func TestAbandoned(t *testing.T) {
	s, _ := openFaulty(t)
	p, err := newPlan([]oauth.Change{storeClient("given-up")})
	if err != nil {
		t.Fatal(err)
	}
	given, taken := &job{plan: p, done: make(chan struct{})}, &job{plan: plan{}, done: make(chan struct{})}
	given.state.Store(jobAbandoned)
	s.queue <- given
	s.queue <- taken
	<-taken.done
	if _, err := s.Client(t.Context(), "given-up"); !errors.Is(err, oauth.ErrNotFound) {
		t.Errorf("an abandoned commit was applied: %v", err)
	}
}
