package store

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"signet/provider/oauth"
)

// TestClientCache has two processes' stores on one database: a change by the other is seen when the
// client in memory is too old, a change by this one at once.
func TestClientCache(t *testing.T) {
	dsn := "sqlite:" + filepath.Join(t.TempDir(), "signet.db")
	at := testTime
	opt := Options{Clock: func() time.Time { return at }}
	var stores [2]*Store
	for i := range stores {
		s, err := Open(t.Context(), dsn, opt)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		stores[i] = s
	}
	here, there := stores[0], stores[1]
	rename := func(s *Store, name string) {
		t.Helper()
		if err := s.Commit(t.Context(), oauth.StoreClient{Client: oauth.Client{ID: "c", Name: name}}); err != nil {
			t.Fatal(err)
		}
	}
	want := func(when, name string) {
		t.Helper()
		if c, err := here.Client(t.Context(), "c"); err != nil || c.Name != name {
			t.Errorf("%s: %+v, %v; want %s", when, c, err, name)
		}
	}
	rename(here, "one")
	want("first", "one")
	rename(there, "two")
	at = at.Add(time.Second)
	want("within the second", "one")
	at = at.Add(time.Nanosecond)
	want("after the second", "two")
	rename(here, "three")
	want("after a commit of this process", "three")
	rename(there, "four")
	at = at.Add(-time.Hour)
	want("after the clock was set back", "four")
}

func TestClientCacheRules(t *testing.T) {
	c := &clientCache{maxAge: time.Second, clock: func() time.Time { return testTime }, entries: map[string]cachedClient{}}
	old := &oauth.Client{ID: "c"}
	_, before := c.get("c")
	c.drop([]string{"c"}) // a commit between the read and put
	c.put(before, old)
	if got, _ := c.get("c"); got != nil {
		t.Error("a client read before a commit was kept after it")
	}
	_, ticket := c.get("c")
	c.put(ticket, old)
	if got, _ := c.get("c"); got != old {
		t.Error("the client was not kept")
	}
	for i := range maxCachedClients + 10 {
		c.put(ticket, &oauth.Client{ID: fmt.Sprint(i)})
	}
	if len(c.entries) > maxCachedClients {
		t.Errorf("%d clients in memory", len(c.entries))
	}
	c.maxAge = -1
	clear(c.entries)
	c.put(ticket, old)
	if got, _ := c.get("c"); got != nil {
		t.Error("kept although switched off")
	}
}
