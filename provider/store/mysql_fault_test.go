package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"signet/provider/oauth"
	"signet/provider/store/dbtest"
)

// openMySQL opens a database with one writer and a few readers, by the test's clock.
func openMySQL(t *testing.T, dsn string, opt Options) *Store {
	t.Helper()
	if opt.Clock == nil {
		opt.Clock = func() time.Time { return testTime }
	}
	opt.Random = rand.Reader
	s, err := Open(t.Context(), dsn, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func useOnce(jti string) oauth.UseAssertion {
	return oauth.UseAssertion{ClientID: "c", JTI: jti, Until: testTime.Add(time.Hour)}
}

func isConflict(err error) bool {
	var conflict *oauth.Conflict
	return errors.As(err, &conflict)
}

// TestLostCommit loses the connection at COMMIT. The commit succeeds, and happens once: executed again when
// the server had not executed it, recognised when it had.
func TestLostCommit(t *testing.T) {
	for _, tt := range []struct {
		name  string
		cut   cut
		again int64 // transactions executed again
	}{
		{"before", beforeIt, 1},
		{"after", afterIt, 0},
		{"server does not notice", leaveItOpen, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, dsn := throughProxy(t)
			s := openMySQL(t, dsn+"&pool=4", Options{})
			if err := s.Commit(t.Context(), useOnce("before")); err != nil {
				t.Fatal(err)
			}
			was := s.Stats()
			p.cutNext(tt.cut, false)
			if tt.cut == leaveItOpen {
				time.AfterFunc(time.Second, func() { close(p.release) })
			}
			// An entry has no key of its own in this commit, so that twice would be seen.
			if err := s.Commit(t.Context(), oauth.StoreGrant{Grant: oauth.Grant{ID: "g", ExpiresAt: testTime}}, useOnce("jti")); err != nil {
				t.Fatalf("Commit: %v", err)
			}
			now := s.Stats()
			if again := now.Retries - was.Retries; again != tt.again {
				t.Errorf("executed again %d times, want %d", again, tt.again)
			}
			if now.Transactions-was.Transactions != 1 || now.Commits-was.Commits != 1 {
				t.Errorf("counted otherwise: %+v after %+v", now, was)
			}
			if _, err := s.Grant(t.Context(), "g"); err != nil {
				t.Errorf("what was committed: %v", err)
			}
			if err := s.Commit(t.Context(), useOnce("jti")); !isConflict(err) {
				t.Errorf("used again: %v", err)
			}
		})
	}
}

// TestLostGroup loses the connection at the COMMIT of a group with conflicts: every job is told what
// happened to it in the attempt that counts.
func TestLostGroup(t *testing.T) {
	for _, c := range []cut{beforeIt, afterIt} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			t.Parallel()
			p, dsn := throughProxy(t)
			s := openMySQL(t, dsn+"&pool=2", Options{})
			if err := s.Commit(t.Context(), useOnce("taken")); err != nil {
				t.Fatal(err)
			}
			var jobs []*job
			for _, changes := range [][]oauth.Change{
				{useOnce("a"), useOnce("b")},
				{useOnce("taken"), useOnce("never")},  // a conflict that changes nothing
				{useOnce("undone"), useOnce("taken")}, // one that has to be undone
				{oauth.StoreClient{Client: oauth.Client{ID: "x"}, New: true}},
			} {
				plan, err := newPlan(changes)
				if err != nil {
					t.Fatal(err)
				}
				jobs = append(jobs, &job{plan: plan})
			}
			p.cutNext(c, false)
			s.writers[0].run(jobs, func([]*job) {}) // the committer is idle
			for i, conflicts := range []bool{false, true, true, false} {
				if isConflict(jobs[i].err) != conflicts || !conflicts && jobs[i].err != nil {
					t.Errorf("job %d: %v", i, jobs[i].err)
				}
			}
			for jti, used := range map[string]bool{"a": true, "b": true, "never": false, "undone": false} {
				if err := s.Commit(t.Context(), useOnce(jti)); isConflict(err) != used || !used && err != nil {
					t.Errorf("%s: %v", jti, err)
				}
			}
		})
	}
}

// TestUnknownCommit has the database go away at COMMIT for longer than a commit waits. The answer is
// "unavailable"; when the database is back, what was not applied by then never is.
func TestUnknownCommit(t *testing.T) {
	for _, c := range []cut{leaveItOpen, afterIt} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			t.Parallel()
			p, dsn := throughProxy(t)
			s := openMySQL(t, dsn+"&pool=2", Options{})
			w := s.writers[0]
			if err := s.Commit(t.Context(), useOnce("before")); err != nil {
				t.Fatal(err)
			}
			w.traits.patience = 300 * time.Millisecond // the committer is idle
			p.cutNext(c, true)
			err := s.Commit(t.Context(), useOnce("jti"))
			if !errors.Is(err, oauth.ErrUnavailable) || !errors.Is(err, errUnknown) {
				t.Fatalf("Commit: %v, want an unknown outcome", err)
			}
			began := time.Now()
			if err := s.Commit(t.Context(), useOnce("other")); !errors.Is(err, oauth.ErrUnavailable) {
				t.Errorf("a commit during the outage: %v", err)
			}
			if waited := time.Since(began); waited > 5*time.Second {
				t.Errorf("it waited %v although the outage was known", waited)
			}
			if c == leaveItOpen {
				close(p.release)
			}
			p.start()
			w.traits.patience = commitPatience
			if err := s.Commit(t.Context(), useOnce("after")); err != nil {
				t.Fatalf("when the database is back: %v", err)
			}
			if len(w.doubts) != 0 {
				t.Errorf("%d outcomes are still open", len(w.doubts))
			}
			if err := s.Commit(t.Context(), useOnce("jti")); isConflict(err) != (c == afterIt) {
				t.Errorf("the commit of unknown outcome, once more: %v", err)
			}
			if err := s.Commit(t.Context(), useOnce("other")); err != nil {
				t.Errorf("what failed at once was applied: %v", err)
			}
		})
	}
}

// TestLostReader cuts every connection: reads go on as if nothing had been.
func TestLostReader(t *testing.T) {
	t.Parallel()
	p, dsn := throughProxy(t)
	s := openMySQL(t, dsn+"&pool=8", Options{ClientMaxAge: -1})
	if err := s.Commit(t.Context(), storeClient("c")); err != nil {
		t.Fatal(err)
	}
	for round := range 5 {
		for range 12 { // each of the readers
			if _, err := s.Client(t.Context(), "c"); err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
			if _, err := s.Clients(t.Context()); err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
		}
		p.stop()
		p.start()
	}
	p.stop()
	if _, err := s.Client(t.Context(), "c"); !errors.Is(err, oauth.ErrUnavailable) {
		t.Errorf("without a database: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Client(ctx, "c"); !errors.Is(err, context.Canceled) || errors.Is(err, oauth.ErrUnavailable) {
		t.Errorf("with an ended context: %v", err)
	}
}

// TestFailover has two addresses: the first is used while it is there, and again after a while.
func TestFailover(t *testing.T) {
	t.Parallel()
	server := dbtest.MariaDB(t)
	first, second := newProxy(t, "tcp", server.Address()), newProxy(t, "tcp", server.Address())
	var clock struct {
		sync.Mutex
		now time.Time
	}
	clock.now = testTime
	now := func() time.Time {
		clock.Lock()
		defer clock.Unlock()
		return clock.now
	}
	dsn := strings.Replace(server.DSN(t), server.Address(), first.address+","+second.address, 1)
	s := openMySQL(t, dsn+"&pool=4", Options{Clock: now, ClientMaxAge: -1})
	work := func(name string) {
		t.Helper()
		if err := s.Commit(t.Context(), oauth.StoreClient{Client: oauth.Client{ID: "c", Name: name}}); err != nil {
			t.Fatal(err)
		}
		for range 6 {
			if c, err := s.Client(t.Context(), "c"); err != nil || c.Name != name {
				t.Fatalf("%+v, %v", c, err)
			}
		}
	}
	work("first")
	if n := second.connections(); n != 0 {
		t.Errorf("%d connections to the second while the first was there", n)
	}
	first.stop()
	work("second")
	if second.connections() == 0 {
		t.Error("no connection to the second")
	}
	first.start()
	before, after := first.connections(), second.connections()
	work("still the second")
	clock.Lock()
	clock.now = clock.now.Add(2 * connectionLife)
	clock.Unlock()
	work("first again")
	if first.connections() == before || second.connections() != after {
		t.Errorf("connections to the first: %d, then %d; to the second: %d, then %d", before, first.connections(), after, second.connections())
	}
}

// TestMarksSwept removes the marks of commits of which nobody asks any more, and keeps the others.
func TestMarksSwept(t *testing.T) {
	t.Parallel()
	var now atomic.Int64
	now.Store(testTime.UnixMicro())
	s := openMySQL(t, dbtest.MariaDB(t).DSN(t), Options{Clock: func() time.Time { return time.UnixMicro(now.Load()) }})
	for i := range 30 {
		if err := s.Commit(t.Context(), useOnce(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		wait           time.Duration
		removed, marks string
	}{
		{0, "0", "31"},          // the sweep's own commit has one
		{markMargin, "0", "32"}, // not yet
		{time.Second, "20", ""}, // in batches
		{0, "11", "3"},          // those at the same time as the first sweeps
	} {
		now.Add(step.wait.Microseconds())
		before := mysqlValue(t, s, true, "SELECT COUNT(*) FROM commit_marks")
		removed, err := s.sweepMarks(t.Context(), s.opt.Clock(), 20)
		if err != nil || fmt.Sprint(removed) != step.removed {
			t.Errorf("after %v: removed %d of %s marks, %v; want %s", step.wait, removed, before, err, step.removed)
		}
		if left := mysqlValue(t, s, true, "SELECT COUNT(*) FROM commit_marks"); step.marks != "" && left != step.marks {
			t.Errorf("after %v: %s marks left, want %s", step.wait, left, step.marks)
		}
	}
}
