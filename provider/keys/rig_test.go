package keys_test

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"signet/provider/jose"
	"signet/provider/keys"
	"signet/provider/keys/keystest"
)

var start = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// clock is a settable oauth.Clock.
type clock struct{ at atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.at.Store(start.UnixNano())
	return c
}

func (c *clock) now() time.Time          { return time.Unix(0, c.at.Load()).UTC() }
func (c *clock) advance(d time.Duration) { c.at.Add(int64(d)) }

func options(c *clock) keys.Options {
	return keys.Options{
		Clock: c.now, Algs: []string{"ES256", "EdDSA"},
		PublishFor: time.Hour, RetireAfter: 10 * time.Minute, Maintain: true, Log: slog.New(slog.DiscardHandler),
	}
}

func newRing(t testing.TB, b keys.Backend, opt keys.Options) *keys.Ring {
	t.Helper()
	ring, err := keys.NewRing(context.Background(), b, opt)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func kid(t testing.TB, ring *keys.Ring, alg string) string {
	t.Helper()
	token, err := ring.Sign(context.Background(), alg, "JWT", []byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	verified, err := jose.Verify(token, ring.KeySet(), []string{alg})
	if err != nil {
		t.Fatal(err)
	}
	return verified.Kid
}

func failing(err error) keys.Backend {
	m := keystest.NewMemory()
	m.FailWith(err)
	return m
}

// poll waits for a condition that another goroutine brings about.
func poll(t *testing.T, condition func() bool) {
	t.Helper()
	for range 2000 {
		if condition() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("it did not come about")
}
