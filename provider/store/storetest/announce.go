package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"signet/provider/oauth"
)

// patience bounds a wait for what happens in the background.
const patience = time.Minute

// testAnnouncements subscribes to topics: an announcement is told, of which there may be several at once, and
// no other.
func testAnnouncements(t *testing.T, b Backend) {
	keys, clients := listen(b, oauth.TopicKeys), listen(b, oauth.TopicClients)
	commit(t, b, oauth.Announce{Topic: oauth.TopicKeys}) // before Run, after Open: not to be missed
	run(t, b)
	heard(t, keys, "keys, announced before Run")
	commit(t, b, oauth.Announce{Topic: oauth.TopicKeys}, oauth.Announce{Topic: oauth.TopicKeys})
	heard(t, keys, "keys")
	if len(clients) != 0 {
		t.Error("nobody stored a client")
	}
	commit(t, b, oauth.StoreClient{Client: client("tpp"), New: true})
	heard(t, clients, "a new client")
	commit(t, b, oauth.StoreClient{Client: client("tpp")})
	heard(t, clients, "a changed client")
	if err := b.Commit(t.Context(), oauth.Announce{Topic: "rumours"}); err == nil {
		t.Error("an unknown topic was announced")
	}
}

// testProcessAnnouncements has another process store clients: this one hears of each.
func testProcessAnnouncements(t *testing.T, open Opener, dsn string) {
	b := openHere(t, open, dsn)
	clients := listen(b, oauth.TopicClients)
	run(t, b)
	other := start(t, "race", dsn)
	other.receive(t)
	op := raceNamed(t, "client")
	for round := range 3 {
		other.send(t, fmt.Sprintf("%d|announced-%d|p-", op, round))
		if won := other.receive(t); won != "1" {
			t.Fatalf("%s clients stored", won)
		}
		heard(t, clients, "another process's client")
	}
}

func raceNamed(t *testing.T, name string) int {
	t.Helper()
	for i, op := range singleUses {
		if op.name == name {
			return i
		}
	}
	t.Fatalf("there is no race %q", name)
	return 0
}

func listen(b Backend, topic oauth.Topic) <-chan struct{} {
	c := make(chan struct{}, 100)
	b.Subscribe(topic, func() { c <- struct{}{} })
	return c
}

func run(t *testing.T, b Backend) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.Run(ctx, time.Hour)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
}

func heard(t *testing.T, c <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		t.Fatalf("not heard: %s", what)
	}
}
