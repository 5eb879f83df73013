package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pressly/goose/v3"

	"signet/provider/oauth"
	"signet/provider/store/dbtest"
)

// everyDatabase runs a test on a new database of each kind.
func everyDatabase(t *testing.T, test func(t *testing.T, dsn string)) {
	for name, dsn := range map[string]func(testing.TB) string{
		"SQLite":  func(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "signet.db") },
		"MariaDB": func(t testing.TB) string { return dbtest.MariaDB(t).DSN(t) },
		"MySQL8":  func(t testing.TB) string { return dbtest.MySQL8(t).DSN(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, dsn(t))
		})
	}
}

func testOptions() Options {
	return Options{Clock: func() time.Time { return testTime }, Random: rand.Reader}
}

// execute runs statements on a database that exists.
func execute(t *testing.T, dsn string, statements ...string) {
	t.Helper()
	opt := testOptions()
	d, err := prepare(dsn, &opt)
	if err != nil {
		t.Fatal(err)
	}
	s, err := d.schema(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.done() }()
	for _, statement := range statements {
		if _, err := s.db.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

func appliedOf(t *testing.T, dsn string) (versions []int64) {
	t.Helper()
	all, err := MigrationStatus(t.Context(), dsn, testOptions())
	if err != nil || len(all) < 2 || all[0].Name != "initial" {
		t.Fatalf("MigrationStatus: %+v, %v", all, err)
	}
	for _, m := range all {
		if m.Applied {
			versions = append(versions, m.Version)
			if m.At.IsZero() {
				t.Errorf("%+v: without its time", m)
			}
		}
	}
	return versions
}

// TestMigrations takes a database from nothing to the present schema, separately from opening it.
func TestMigrations(t *testing.T) {
	everyDatabase(t, func(t *testing.T, dsn string) {
		never := testOptions()
		never.NoMigrate = true
		if got := appliedOf(t, dsn); got != nil {
			t.Errorf("applied to nothing: %v", got)
		}
		_, err := Open(t.Context(), dsn, never)
		const all = "00001_initial, 00002_versions, 00003_fapi, 00004_openid, 00005_derived"
		if !errors.Is(err, ErrSchema) || !strings.Contains(err.Error(), all) || errors.Is(err, oauth.ErrUnavailable) {
			t.Errorf("Open without a schema: %v", err)
		}
		if path, ok := strings.CutPrefix(dsn, "sqlite:"); ok {
			if _, err := os.Stat(path); err == nil {
				t.Error("looking made a database")
			}
		}
		done, err := Migrate(t.Context(), dsn, testOptions())
		if err != nil || len(done) < 2 || !done[0].Applied || done[0].Name != "initial" || !done[0].At.Equal(testTime) {
			t.Fatalf("Migrate: %+v, %v", done, err)
		}
		if again, err := Migrate(t.Context(), dsn, testOptions()); err != nil || again != nil {
			t.Errorf("Migrate again: %+v, %v", again, err)
		}
		if got := appliedOf(t, dsn); len(got) != len(done) {
			t.Errorf("applied %v", got)
		}
		open := func() {
			t.Helper()
			s, err := Open(t.Context(), dsn, never)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(s.Ping(t.Context()), s.Close()); err != nil {
				t.Error(err)
			}
		}
		open()
		// A later program has been here: this one works, and leaves it alone.
		execute(t, dsn, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, 1)")
		open()
		if again, err := Migrate(t.Context(), dsn, testOptions()); err != nil || again != nil {
			t.Errorf("Migrate of a newer schema: %+v, %v", again, err)
		}
	})
}

// TestMigrationKeepsServing migrates a database with the rows of a previous program, which goes on writing to it.
func TestMigrationKeepsServing(t *testing.T) {
	const previous = `INSERT INTO grants (grant_id, client_id, user_id, expires_at, data) VALUES ('%s', 'c', 'u', %d, '{"client_id":"c","sub":"u"}')`
	everyDatabase(t, func(t *testing.T, dsn string) {
		migrateTo(t, dsn, 2)
		until := testTime.Add(time.Hour)
		execute(t, dsn, fmt.Sprintf(previous, "before", micros(until)))
		if done, err := Migrate(t.Context(), dsn, testOptions()); err != nil || len(done) == 0 || done[0].Version != 3 {
			t.Fatalf("Migrate: %+v, %v", done, err)
		}
		execute(t, dsn, fmt.Sprintf(previous, "after", micros(until)))
		s, err := Open(t.Context(), dsn, testOptions())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		for _, id := range []string{"before", "after"} {
			g, err := s.Grant(t.Context(), id)
			if err != nil || !g.UpdatedAt.IsZero() || !g.ExpiresAt.Equal(until) {
				t.Fatalf("%s: %+v, %v", id, g, err)
			}
			replace := oauth.ReplaceGrant{Grant: g, Seen: g.UpdatedAt}
			replace.Grant.ID, replace.Grant.UpdatedAt = id, testTime
			if err := s.Commit(t.Context(), replace); err != nil {
				t.Errorf("%s: %v", id, err)
			}
			if err := s.Commit(t.Context(), replace); !isConflict(err) {
				t.Errorf("%s, again: %v", id, err)
			}
		}
	})
}

// TestMigrationKeepsQueue migrates a database whose previous program has sessions and deliveries, and goes on adding to
// them: its sessions are known by their cookies, its deliveries go out like others.
func TestMigrationKeepsQueue(t *testing.T) {
	const session = `INSERT INTO sessions (digest, expires_at, data) VALUES (X'%x', %d, '{"user":{"sub":"u","sid":"%s"}}')`
	const queued = `INSERT INTO deliveries (delivery_id, attempts, next_at, expires_at, data)
		VALUES ('%s', 2, %d, %d, '{"kind":"ciba-ping"}')`
	everyDatabase(t, func(t *testing.T, dsn string) {
		until := testTime.Add(time.Hour)
		previous := func(name string) {
			t.Helper()
			digest := oauth.Secret(name).Digest()
			execute(t, dsn, fmt.Sprintf(session, digest[:], micros(until), name),
				fmt.Sprintf(queued, name, micros(testTime), micros(until)))
		}
		migrateTo(t, dsn, 3)
		previous("before")
		if done, err := Migrate(t.Context(), dsn, testOptions()); err != nil || len(done) == 0 || done[0].Version != 4 {
			t.Fatalf("Migrate: %+v, %v", done, err)
		}
		previous("after")
		s, err := Open(t.Context(), dsn, testOptions())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		for _, name := range []string{"before", "after"} {
			found, err := s.Session(t.Context(), oauth.Secret(name).Digest())
			if err != nil || found.User.SessionID != name {
				t.Fatalf("%s: %+v, %v", name, found, err)
			}
		}
		claimed, err := s.ClaimDeliveries(t.Context(), []string{"backchannel-logout"}, testTime, time.Minute, 10)
		if err != nil || claimed != nil {
			t.Errorf("claimed by another kind: %+v, %v", claimed, err)
		}
		claimed, err = s.ClaimDeliveries(t.Context(), []string{"ciba-ping"}, testTime, time.Minute, 10)
		if err != nil || len(claimed) != 2 || claimed[0].Attempts != 2 || claimed[1].Kind != "ciba-ping" {
			t.Errorf("claimed: %+v, %v", claimed, err)
		}
	})
}

// migrateTo makes a database as a previous program would have left it.
func migrateTo(t *testing.T, dsn string, version int64) {
	t.Helper()
	opt := testOptions()
	d, err := prepare(dsn, &opt)
	if err != nil {
		t.Fatal(err)
	}
	s, err := d.schema(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.done() }()
	files, err := fs.Sub(migrations, d.traits().migrations)
	if err != nil {
		t.Fatal(err)
	}
	provider, err := goose.NewProvider(s.dialect, s.db, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.UpTo(t.Context(), version); err != nil {
		t.Fatal(err)
	}
}

// TestMigrationInterrupted repeats migrations whose end was not written down: on MySQL each statement of
// one is its own transaction.
func TestMigrationInterrupted(t *testing.T) {
	for _, tt := range mysqlServers {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dsn := tt.server(t).DSN(t)
			s := openMySQL(t, dsn, Options{})
			if err := s.Commit(t.Context(), storeClient("c"), useOnce("jti")); err != nil {
				t.Fatal(err)
			}
			execute(t, dsn, "DELETE FROM goose_db_version WHERE version_id > 0", "DROP TABLE sessions",
				"ALTER TABLE deliveries DROP KEY deliveries_kind") // between its column and its key
			if done, err := Migrate(t.Context(), dsn, testOptions()); err != nil || len(done) < 2 {
				t.Fatalf("Migrate: %+v, %v", done, err)
			}
			execute(t, dsn, "ALTER TABLE deliveries DROP KEY deliveries_kind") // which fails unless it is there again
			if _, err := s.Client(t.Context(), "c"); err != nil {
				t.Error(err)
			}
			if err := s.Commit(t.Context(), useOnce("jti")); !isConflict(err) {
				t.Errorf("used again: %v", err)
			}
			if err := s.Commit(t.Context(), oauth.StoreSession{Session: oauth.Session{ExpiresAt: testTime}}); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestMigrationWaits has one process hold the right to migrate: another waits for it, no longer than its
// context lets it.
func TestMigrationWaits(t *testing.T) {
	everyDatabase(t, func(t *testing.T, dsn string) {
		opt := testOptions()
		d, err := prepare(dsn, &opt)
		if err != nil {
			t.Fatal(err)
		}
		held, err := d.schema(t.Context(), true)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if _, err := Open(ctx, dsn, opt); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, oauth.ErrUnavailable) {
			t.Errorf("Open while another migrates: %v", err)
		}
		waited := make(chan error)
		go func() {
			_, err := Migrate(t.Context(), dsn, opt)
			waited <- err
		}()
		if err := held.done(); err != nil {
			t.Error(err)
		}
		if err := <-waited; err != nil {
			t.Errorf("Migrate after waiting: %v", err)
		}
	})
}
