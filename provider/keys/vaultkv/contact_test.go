package vaultkv

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"signet/provider/keys/vault"
	"signet/provider/oauth"
)

var errOutage = fmt.Errorf("%w: an outage", oauth.ErrUnavailable)

// TestFresh: signing costs a round trip at most once per Fresh, whoever asks.
func TestFresh(t *testing.T) {
	b, f, c, key := made(t, 0)
	before := f.reads.Load()
	for range 3 {
		c.advance(Fresh / 4)
		if !signs(t, b, key.Kid) {
			t.Fatal("does not sign")
		}
	}
	if n := f.reads.Load() - before; n != 0 {
		t.Errorf("%d round trips for fresh keys", n)
	}
	c.advance(Fresh / 4)
	var wait sync.WaitGroup
	for range 20 {
		wait.Go(func() {
			if !signs(t, b, key.Kid) {
				t.Error("does not sign")
			}
		})
	}
	wait.Wait()
	if n := f.reads.Load() - before; n != 1 {
		t.Errorf("%d round trips for stale keys", n)
	}
}

// TestNoGrace: what refreshing, probing or signing finds out ends signing at once, and an answer begins it again.
func TestNoGrace(t *testing.T) {
	for name, find := range map[string]func(b *Backend) error{
		"refresh": func(b *Backend) error { _, err := b.Keys(context.Background()); return err },
		"probe":   func(b *Backend) error { return b.Probe(context.Background()) },
	} {
		t.Run(name, func(t *testing.T) {
			b, f, c, key := made(t, 0)
			f.fail(errOutage)
			if !signs(t, b, key.Kid) {
				t.Error("nobody knows of the outage yet")
			}
			if err := find(b); !errors.Is(err, oauth.ErrUnavailable) {
				t.Fatal(err)
			}
			for range 100 { // of which one waits, and one starts an attempt in each further second
				if signs(t, b, key.Kid) {
					t.Fatal("signs in an outage")
				}
				c.advance(10 * time.Millisecond)
			}
			f.fail(nil)
			c.advance(retryEvery)
			poll(t, func() bool { return signs(t, b, key.Kid) })
		})
	}
}

// TestSealerFollows: sealing and opening depend on contact like signing.
func TestSealerFollows(t *testing.T) {
	b, f, c, _ := made(t, 0)
	sealed, err := b.Seal(t.Context(), []byte("secret"), nil)
	if err != nil {
		t.Fatal(err)
	}
	f.fail(errOutage)
	c.advance(Fresh)
	if _, err := b.Seal(t.Context(), []byte("secret"), nil); !errors.Is(err, oauth.ErrUnavailable) {
		t.Errorf("sealing: %v", err)
	}
	if _, err := b.Open(t.Context(), sealed, nil); !errors.Is(err, oauth.ErrUnavailable) {
		t.Errorf("opening: %v", err)
	}
}

// TestAttemptsInAnOutage: a request waits at most once per Fresh, the rest fail at once while attempts go on.
func TestAttemptsInAnOutage(t *testing.T) {
	b, f, c, key := made(t, 0)
	f.fail(errOutage)
	c.advance(Fresh)
	before := f.reads.Load()
	for range 10 {
		signs(t, b, key.Kid)
	}
	if n := f.reads.Load() - before; n != 1 {
		t.Errorf("%d attempts at one time", n)
	}
	hold := make(chan struct{})
	f.mu.Lock()
	f.hold = hold
	f.mu.Unlock()
	c.advance(retryEvery)
	for range 10 { // they do not wait for the attempt that they start
		if signs(t, b, key.Kid) {
			t.Fatal("signs in an outage")
		}
	}
	poll(t, func() bool { return f.reads.Load()-before == 2 })
	f.mu.Lock()
	f.failure, f.hold = nil, nil
	f.mu.Unlock()
	close(hold)
	poll(t, func() bool { return signs(t, b, key.Kid) })
}

// TestImpatient: who waits for Vault stops waiting when the request ends, and that is no outage.
func TestImpatient(t *testing.T) {
	b, f, c, key := made(t, 0)
	hold := make(chan struct{})
	f.hold = hold
	c.advance(Fresh)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { _, err := b.Sign(ctx, key.Kid, "ES256", []byte("a.b")); done <- err }()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	f.mu.Lock()
	f.hold = nil
	f.mu.Unlock()
	close(hold)
	if !signs(t, b, key.Kid) {
		t.Error("the attempt ended with the request")
	}
	f.fail(context.Canceled)
	if _, err := b.Keys(ctx); err == nil {
		t.Error("loaded")
	}
	f.fail(nil)
	if !signs(t, b, key.Kid) {
		t.Error("an impatient caller made an outage")
	}
}

func TestGrace(t *testing.T) {
	const grace = time.Minute
	b, f, c, key := made(t, grace)
	f.fail(errOutage)
	if err := b.Probe(t.Context()); err == nil {
		t.Fatal("no outage")
	}
	c.advance(Fresh + grace - time.Second)
	if !signs(t, b, key.Kid) {
		t.Error("does not sign within the grace")
	}
	poll(t, func() bool { return !flying(b) })
	c.advance(time.Second)
	if signs(t, b, key.Kid) {
		t.Error("signs after the grace")
	}
	f.fail(nil)
	c.advance(retryEvery)
	poll(t, func() bool { return signs(t, b, key.Kid) })
	c.advance(Fresh + grace - time.Second) // stale, but nothing is known against Vault
	before := f.reads.Load()
	if !signs(t, b, key.Kid) {
		t.Error("does not sign within the grace of the new contact")
	}
	poll(t, func() bool { return f.reads.Load() > before }) // contact is sought without waiting
}

func flying(b *Backend) bool {
	b.contact.mu.Lock()
	defer b.contact.mu.Unlock()
	return b.contact.flight != nil
}

// TestDenied: grace is for outages, not for a process whose access has been revoked.
func TestDenied(t *testing.T) {
	b, f, _, key := made(t, time.Hour)
	f.fail(vault.ErrDenied)
	if _, err := b.Keys(t.Context()); !errors.Is(err, vault.ErrDenied) {
		t.Fatal(err)
	}
	if signs(t, b, key.Kid) {
		t.Error("signs although Vault denies access")
	}
}

// TestClockSetBack: a contact in the future is none.
func TestClockSetBack(t *testing.T) {
	b, f, c, key := made(t, time.Hour)
	f.fail(errOutage)
	c.advance(-time.Minute)
	if signs(t, b, key.Kid) {
		t.Error("signs without contact")
	}
	f.fail(nil)
	c.advance(retryEvery)
	poll(t, func() bool { return signs(t, b, key.Kid) })
}

// TestEachSecretCounts: contact is the whole load. Either secret that is denied or damaged ends signing, until all of it
// is as it was; only damage has a grace.
func TestEachSecretCounts(t *testing.T) {
	for _, path := range []string{"signet/keys", "signet/data-keys"} {
		for name, c := range map[string]struct {
			spoil func(f *fake)
			want  error
		}{
			"denied":  {func(f *fake) { f.deny = path }, vault.ErrDenied},
			"damaged": {func(f *fake) { f.secrets[path] = append(f.secrets[path], map[string]any{"format": "other"}) }, ErrDamaged},
		} {
			for _, grace := range []time.Duration{0, time.Hour} {
				graced := grace > 0 && name == "damaged"
				t.Run(name+" "+path+" "+grace.String(), func(t *testing.T) {
					b, f, clock, key := made(t, grace)
					f.mu.Lock()
					before := len(f.secrets[path])
					c.spoil(f)
					f.mu.Unlock()
					if err := b.Probe(t.Context()); !errors.Is(err, c.want) {
						t.Fatalf("probe: %v", err)
					}
					for range 3 {
						if signs(t, b, key.Kid) != graced {
							t.Fatalf("signs: %v", !graced)
						}
						clock.advance(Fresh)
						poll(t, func() bool { return !flying(b) })
					}
					f.mu.Lock()
					f.deny, f.secrets[path] = "", f.secrets[path][:before]
					f.mu.Unlock()
					poll(t, func() bool { clock.advance(retryEvery); return signs(t, b, key.Kid) })
				})
			}
		}
	}
}

// TestSignsNoMoreByItself: the right to the data keys is withdrawn and nobody asks but those who sign.
func TestSignsNoMoreByItself(t *testing.T) {
	b, f, c, key := made(t, 0)
	f.mu.Lock()
	f.deny = "signet/data-keys"
	f.mu.Unlock()
	c.advance(Fresh)
	if signs(t, b, key.Kid) {
		t.Error("signs with keys that do not load")
	}
}
