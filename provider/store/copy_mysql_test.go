package store

import (
	"errors"
	"strings"
	"testing"

	"signet/provider/oauth"
	"signet/provider/store/dbtest"
)

// TestCopyMariaDB moves a database to MariaDB under kills, and back.
func TestCopyMariaDB(t *testing.T) {
	testCopyServer(t, dbtest.MariaDB(t).DSN)
}

// TestCopyMySQL8 does so with MySQL.
func TestCopyMySQL8(t *testing.T) {
	testCopyServer(t, dbtest.MySQL8(t).DSN)
}

func testCopyServer(t *testing.T, newDSN func(testing.TB) string) {
	from, there, back := newDatabase(t, sqliteFile(t)), newDSN(t), sqliteFile(t)
	fill(t, from, killedRows)
	testKills(t, from, there)

	used := newDSN(t)
	for _, dsn := range []string{back, used} { // MySQL to SQLite, MySQL to MySQL
		if _, err := Copy(t.Context(), there, dsn, testCopyOptions()); err != nil {
			t.Fatal(err)
		}
		checkIdentical(t, from, dsn)
	}
	if _, err := Copy(t.Context(), from, used, testCopyOptions()); !errors.Is(err, ErrNotEmpty) {
		t.Errorf("Copy into a target in use: %v", err)
	}

	// It is a database like any other: what is written next follows what was copied.
	next := oauth.StoreClient{Client: oauth.Client{ID: "next"}, New: true}
	if err := serve(t, there).Commit(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	clients := contents(t, there)["clients"]
	if last := clients[len(clients)-1]; !strings.Contains(last, "next") {
		t.Errorf("the last client by seq is %s", last)
	}
}

// TestCopyLostServer kills the target's server under the copy, and starts it again.
func TestCopyLostServer(t *testing.T) {
	server := dbtest.NewMariaDB(t)
	from, to := newDatabase(t, sqliteFile(t)), server.DSN(t)
	fill(t, from, killedRows)
	opt := testCopyOptions()
	batches := 0
	opt.Progress = func(p CopyProgress) {
		if p.Phase == "copying" {
			if batches++; batches == 5 {
				server.Kill()
			}
		}
	}
	if _, err := Copy(t.Context(), from, to, opt); err == nil {
		t.Fatal("the copy did not notice that its target had gone")
	}
	server.Start(t)
	if report, err := Copy(t.Context(), from, to, testCopyOptions()); err != nil || !report.Resumed {
		t.Fatalf("the copy afterwards: %+v, %v", report, err)
	}
	checkIdentical(t, from, to)
}
