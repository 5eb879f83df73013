package store_test

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"signet/provider/store"
	"signet/provider/store/dbtest"
	"signet/provider/store/storetest"
)

// TestServerKilled kills the database server at work and starts it again: commits wait for it, and none that
// was acknowledged is lost.
func TestServerKilled(t *testing.T) {
	t.Parallel()
	server := dbtest.NewMariaDB(t)
	var atWork *store.Store
	open := func(ctx context.Context, dsn string) (storetest.Backend, error) {
		s, err := store.Open(ctx, dsn, store.Options{Clock: storetest.Clock, Random: rand.Reader})
		if atWork == nil {
			atWork = s
		}
		return s, err
	}
	outcome := storetest.RunOutage(t, open, server.DSN(t), func() {
		for range 3 {
			time.Sleep(500 * time.Millisecond)
			server.Kill()
			server.Start(t)
		}
		time.Sleep(500 * time.Millisecond)
	})
	if stats := atWork.Stats(); outcome.Succeeded == 0 || stats.Retries == 0 || stats.Reconnects == 0 {
		t.Errorf("the outage was not felt: %+v, %+v", outcome, stats)
	}
}
