package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"signet/provider/oauth"
	"signet/provider/store/dbtest"
)

// TestBlockedRow holds a row that one commit needs: that commit fails after a while, those beside it do not wait for
// long, and readiness does not depend on a row that others can hold.
func TestBlockedRow(t *testing.T) {
	t.Parallel()
	server := dbtest.MariaDB(t)
	dsn := server.DSN(t)
	s, other := openMySQL(t, dsn+"&pool=4", Options{}), openMySQL(t, dsn, Options{})
	grant := oauth.Grant{ID: "held", ClientID: "c", UserID: "u", ExpiresAt: testTime.Add(time.Hour)}
	if err := s.Commit(t.Context(), oauth.StoreGrant{Grant: grant}); err != nil {
		t.Fatal(err)
	}
	holder, err := other.writers[0].dialect.connect(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = holder.close() }()
	if _, err := holder.exec(revokeGrant, values(int64(1), "held")); err != nil {
		t.Fatal(err)
	}
	if _, err := holder.exec(touchLiveness, values(int64(1))); err != nil {
		t.Fatal(err)
	}

	var wg sync.WaitGroup
	wg.Go(func() {
		err := s.Commit(t.Context(), oauth.RevokeGrant{GrantID: "held", At: testTime})
		if !errors.Is(err, oauth.ErrUnavailable) {
			t.Errorf("what needs the row: %v", err)
		}
	})
	for i := range 64 {
		wg.Go(func() {
			if err := s.Commit(t.Context(), useOnce(fmt.Sprintf("beside-%d", i))); err != nil {
				t.Errorf("what does not: %v", err)
			}
		})
	}
	wg.Wait()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := s.Ping(ctx); err != nil {
		t.Errorf("readiness: %v", err)
	}
}

// TestUnfinishedCopyIsNotServed refuses a database that a copy has only begun to fill.
func TestUnfinishedCopyIsNotServed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "signet.db")
	s := openFile(t, path, Options{})
	if err := beginProgress(t.Context(), s.writers[0].conn, "a source"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), "sqlite:"+path, Options{Clock: func() time.Time { return testTime }})
	if !errors.Is(err, ErrUnfinishedCopy) {
		t.Errorf("Open: %v", err)
	}
}

// TestReadsDoNotQueueUp asks a server that hangs far more than there are connections: all are answered in time.
func TestReadsDoNotQueueUp(t *testing.T) {
	t.Parallel()
	server := dbtest.NewMariaDB(t)
	s := openMySQL(t, server.DSN(t)+"&pool=4", Options{ClientMaxAge: -1})
	if err := s.Commit(t.Context(), storeClient("c")); err != nil {
		t.Fatal(err)
	}
	server.Pause(t)
	began := time.Now()
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if _, err := s.Client(t.Context(), "c"); !errors.Is(err, oauth.ErrUnavailable) {
				t.Errorf("Client: %v", err)
			}
		})
	}
	wg.Wait()
	if waited := time.Since(began); waited > time.Minute {
		t.Errorf("it took %v", waited)
	}
	server.Resume()
}
