package store

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"signet/provider/oauth"
)

// TestClientCacheFollows has two processes' stores on one database, of which one follows announcements: it
// keeps a client for longer while the database says that none changed, and drops it when one did.
func TestClientCacheFollows(t *testing.T) {
	dsn := "sqlite:" + filepath.Join(t.TempDir(), "signet.db")
	at := testTime
	var stores [2]*Store
	for i := range stores {
		s, err := Open(t.Context(), dsn, Options{Clock: func() time.Time { return at }})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		stores[i] = s
	}
	here, there := stores[0], stores[1]
	want := func(when, name string, fromMemory bool) {
		t.Helper()
		before := here.Stats().ClientHits
		if c, err := here.Client(t.Context(), "c"); err != nil || c.Name != name {
			t.Errorf("%s: %+v, %v; want %s", when, c, err, name)
		}
		if hit := here.Stats().ClientHits > before; hit != fromMemory {
			t.Errorf("%s: from memory: %v", when, hit)
		}
	}
	rename := func(s *Store, name string) {
		t.Helper()
		if err := s.Commit(t.Context(), oauth.StoreClient{Client: oauth.Client{ID: "c", Name: name}}); err != nil {
			t.Fatal(err)
		}
	}
	poll := func() {
		t.Helper()
		if err := here.poll(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	rename(here, "one")
	poll()
	want("first", "one", false)
	for range 58 { // 29 s
		at = at.Add(pollEvery)
		poll()
		want("confirmed", "one", true)
	}
	at = at.Add(time.Second)
	want("a second after the last confirmation", "one", true)
	poll()
	at = at.Add(pollEvery)
	want("after half a minute", "one", false)

	rename(there, "two")
	want("before the next poll", "one", true)
	poll()
	want("after the poll", "two", false)
	want("and then", "two", true)

	at = at.Add(time.Second + time.Microsecond) // no poll succeeds
	rename(there, "three")
	want("a second after the last poll", "three", false)
	poll()
	rename(here, "four")
	want("changed here", "four", false)
	poll()
	at = at.Add(-time.Hour)
	want("after the clock was set back", "four", false)
}

// TestClientCacheRace has a client be read before another process stores it, and kept after the poll that
// learnt of that: it must not be.
func TestClientCacheRace(t *testing.T) {
	c := &clientCache{maxAge: time.Second, clock: func() time.Time { return testTime }, entries: map[string]cachedClient{}}
	_, ticket := c.get("c")
	c.dropAll(testTime)
	c.put(ticket, &oauth.Client{ID: "c"})
	if got, _ := c.get("c"); got != nil {
		t.Error("kept although it was read before the change")
	}
	_, ticket = c.get("c")
	c.confirm(testTime)
	c.put(ticket, &oauth.Client{ID: "c"})
	if got, _ := c.get("c"); got == nil {
		t.Error("dropped although nothing changed")
	}
}

// TestPollFails reports a database that does not answer, and changes nothing.
func TestPollFails(t *testing.T) {
	s, _ := openFaulty(t)
	told := 0
	s.Subscribe(oauth.TopicKeys, func() { told++ })
	if err := s.Commit(t.Context(), oauth.Announce{Topic: oauth.TopicKeys}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.poll(t.Context()); !errors.Is(err, ErrClosed) || told != 0 {
		t.Errorf("poll: %v, told %d times", err, told)
	}
}
