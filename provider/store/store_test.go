package store_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"signet/provider/store"
	"signet/provider/store/storetest"
)

func TestMain(m *testing.M) {
	os.Exit(storetest.Main(m, openBackend))
}

func openBackend(ctx context.Context, dsn string) (storetest.Backend, error) {
	return store.Open(ctx, dsn, store.Options{Clock: storetest.Clock})
}

// open opens a database that is closed with the test.
func open(t testing.TB, dsn string, opt store.Options) *store.Store {
	t.Helper()
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

func TestSQLite(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Backend {
		return open(t, sqliteDSN(t), store.Options{Clock: storetest.Clock})
	})
}

func TestSQLiteProcesses(t *testing.T) {
	storetest.RunProcesses(t, openBackend, sqliteDSN)
}
