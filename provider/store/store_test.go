package store_test

import (
	"context"
	"crypto/rand"
	"os"
	"path/filepath"
	"testing"

	"signet/provider/store"
	"signet/provider/store/dbtest"
	"signet/provider/store/storetest"
)

func TestMain(m *testing.M) {
	os.Exit(storetest.Main(func() int { return dbtest.Main(m) }, openBackend))
}

func openBackend(ctx context.Context, dsn string) (storetest.Backend, error) {
	return store.Open(ctx, dsn, store.Options{Clock: storetest.Clock, Random: rand.Reader})
}

// open opens a database that is closed with the test.
func open(t testing.TB, dsn string, opt store.Options) *store.Store {
	t.Helper()
	opt.Random = rand.Reader
	s, err := store.Open(t.Context(), dsn, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// sqliteDSN names a database that does not exist yet.
func sqliteDSN(t testing.TB) string {
	return "sqlite:" + filepath.Join(t.TempDir(), "signet.db")
}

// databases are all that a store can be kept in; each gives the DSN of a new, empty one.
var databases = []struct {
	name   string
	dsn    func(testing.TB) string
	effort storetest.Effort
}{
	{"SQLite", sqliteDSN, storetest.Full},
	{"MariaDB", mariaDB, storetest.Network},
	{"MySQL8", mySQL8, storetest.Network},
}

func mariaDB(t testing.TB) string { return dbtest.MariaDB(t).DSN(t) }

func mySQL8(t testing.TB) string { return dbtest.MySQL8(t).DSN(t) }

// TestStore holds every database to the contract.
func TestStore(t *testing.T) {
	for _, db := range databases {
		t.Run(db.name, func(t *testing.T) {
			t.Parallel()
			storetest.Run(t, db.effort, func(t *testing.T) storetest.Backend {
				return open(t, db.dsn(t), store.Options{Clock: storetest.Clock})
			})
		})
	}
}

// TestProcesses does so with several processes on one database.
func TestProcesses(t *testing.T) {
	for _, db := range databases {
		t.Run(db.name, func(t *testing.T) {
			t.Parallel()
			storetest.RunProcesses(t, db.effort, openBackend, db.dsn)
		})
	}
}
