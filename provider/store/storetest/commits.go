package storetest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"signet/provider/oauth"
	"signet/provider/store"
)

func testAudit(t *testing.T, b Backend) {
	ctx := t.Context()
	first := entry("e-1")
	commit(t, b, oauth.RecordAudit{Entry: first})
	commit(t, b, oauth.RecordAudit{Entry: first}) // delivered twice
	later := oauth.AuditEntry{ID: "e-0", At: now.Add(time.Second), Event: "login.failed"}
	sameTime := oauth.AuditEntry{ID: "e-2", At: now, Event: "token.issued", ClientID: "other"}
	commit(t, b, oauth.RecordAudit{Entry: later}, oauth.RecordAudit{Entry: sameTime}, oauth.RecordAudit{Entry: first})

	for _, tt := range []struct {
		name   string
		filter store.AuditFilter
		want   []oauth.AuditEntry
	}{
		{"all, newest first", store.AuditFilter{}, []oauth.AuditEntry{later, sameTime, first}},
		{"limited", store.AuditFilter{Limit: 1}, []oauth.AuditEntry{later}},
		{"by event", store.AuditFilter{Event: "token.issued"}, []oauth.AuditEntry{sameTime, first}},
		{"by client", store.AuditFilter{ClientID: "tpp"}, []oauth.AuditEntry{first}},
		{"by request", store.AuditFilter{RequestID: "r-1"}, []oauth.AuditEntry{first}},
		{"by time", store.AuditFilter{Since: now.Add(time.Microsecond)}, []oauth.AuditEntry{later}},
		{"by all", store.AuditFilter{Since: now, ClientID: "tpp", Event: "token.issued", RequestID: "r-1", Limit: 5}, []oauth.AuditEntry{first}},
		{"by none of them", store.AuditFilter{Since: now, ClientID: "tpp", Event: "login.failed"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := b.AuditEntries(ctx, tt.filter)
			same(t, got, err, tt.want)
		})
	}
}

// testAllOrNothing has every commit fail at its last change, after others have changed something.
func testAllOrNothing(t *testing.T, b Backend) {
	ctx := t.Context()
	used := oauth.UseAssertion{ClientID: "tpp", JTI: "used", Until: now.Add(time.Minute)}
	commit(t, b, used, oauth.StoreGrant{Grant: grant("g")})
	for name, last := range map[string]oauth.Change{
		"conflict": used,
		"error":    oauth.StoreGrant{Grant: grant("g")},
		"unknown":  nil,
	} {
		t.Run(name, func(t *testing.T) {
			err := b.Commit(ctx,
				oauth.UseAssertion{ClientID: "tpp", JTI: "fresh-" + name, Until: now.Add(time.Minute)},
				oauth.StoreClient{Client: client("c-" + name), New: true},
				oauth.StoreRefresh{Token: refresh("r-"+name, "g")},
				oauth.RevokeGrant{GrantID: "g", At: now},
				oauth.RecordAudit{Entry: entry("e-" + name)},
				last)
			if err == nil {
				t.Fatal("the commit succeeded")
			}
			gotClient, err := b.Client(ctx, "c-"+name)
			gone(t, gotClient, err)
			token, err := b.RefreshToken(ctx, digest("r-"+name))
			gone(t, token, err)
			kept, err := b.Grant(ctx, "g")
			same(t, kept, err, grant("g"))
			entries, err := b.AuditEntries(ctx, store.AuditFilter{})
			same(t, entries, err, nil)
			commit(t, b, oauth.UseAssertion{ClientID: "tpp", JTI: "fresh-" + name, Until: now.Add(time.Minute)})
		})
	}
	if err := b.Commit(ctx); err != nil {
		t.Errorf("a commit without changes: %v", err)
	}
}

// testConflictsWithinGroup commits winners and losers at once, so that they share transactions: nobody
// suffers for another's conflict, and a loser leaves nothing.
func testConflictsWithinGroup(t *testing.T, b Backend) {
	ctx := t.Context()
	commit(t, b, oauth.StoreGrant{Grant: grant("g")}, oauth.StoreCode{Code: code("code", "g")},
		oauth.RedeemCode{Digest: digest("code"), GrantID: "g", At: now})
	const n = 200
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			changes := []oauth.Change{
				oauth.UseAssertion{ClientID: "tpp", JTI: strconv.Itoa(i), Until: now.Add(time.Minute)},
				oauth.RecordAudit{Entry: entry(strconv.Itoa(i))},
			}
			if i%3 == 0 {
				changes = append(changes, oauth.RedeemCode{Digest: digest("code"), GrantID: "g", At: now})
			}
			errs[i] = b.Commit(ctx, changes...)
		})
	}
	wg.Wait()
	for i, err := range errs {
		var conflict *oauth.Conflict
		if i%3 == 0 && !errors.As(err, &conflict) || i%3 != 0 && err != nil {
			t.Errorf("commit %d: %v", i, err)
		}
	}
	entries, err := b.AuditEntries(ctx, store.AuditFilter{})
	if err != nil || len(entries) != n-(n+2)/3 {
		t.Errorf("%d audit entries, %v; want %d", len(entries), err, n-(n+2)/3)
	}
}

func testUnknownChange(t *testing.T, b Backend) {
	type renamed struct{ oauth.Change }
	err := b.Commit(t.Context(), oauth.StoreClient{Client: client("tpp")}, renamed{})
	if err == nil {
		t.Fatal("a change that the store does not know was accepted")
	}
	got, err := b.Client(t.Context(), "tpp")
	gone(t, got, err)
}

// testCancellation ends contexts while commits wait: what a commit says is what happened.
func testCancellation(t *testing.T, b Backend) {
	ended, end := context.WithCancel(t.Context())
	end()
	if err := b.Commit(ended, oauth.StoreClient{Client: client("never")}); !errors.Is(err, context.Canceled) {
		t.Errorf("Commit with an ended context: %v", err)
	}
	const n = 300
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*20*time.Microsecond)
			defer cancel()
			errs[i] = b.Commit(ctx, oauth.StoreGrant{Grant: grant(fmt.Sprint("g-", i))})
		})
	}
	wg.Wait()
	for i, err := range errs {
		_, found := b.Grant(t.Context(), fmt.Sprint("g-", i))
		switch {
		case err == nil && found != nil:
			t.Errorf("commit %d succeeded, but: %v", i, found)
		case err != nil && !errors.Is(found, oauth.ErrNotFound):
			t.Errorf("commit %d said %v, but was applied (%v)", i, err, found)
		}
	}
	got, err := b.Client(t.Context(), "never")
	gone(t, got, err)
}

// testClosing closes the store under load: every commit is answered, truthfully as far as can be seen.
func testClosing(t *testing.T, b Backend) {
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			for j := 0; ; j++ {
				if err := b.Commit(context.Background(), oauth.StoreGrant{Grant: grant(fmt.Sprintf("g-%d-%d", i, j))}); err != nil {
					if !errors.Is(err, store.ErrClosed) {
						t.Errorf("Commit: %v", err)
					}
					return
				}
			}
		})
	}
	if err := b.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	wg.Wait()
	if _, err := b.Grant(context.Background(), "g"); !errors.Is(err, store.ErrClosed) {
		t.Errorf("reading after Close: %v", err)
	}
	if err := b.Close(); err != nil {
		t.Errorf("Close again: %v", err)
	}
}

func testPing(t *testing.T, b Backend) {
	for range 3 {
		if err := b.Ping(t.Context()); err != nil {
			t.Fatalf("Ping: %v", err)
		}
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := b.Ping(context.Background()); err == nil {
		t.Error("a closed store is ready")
	}
}
