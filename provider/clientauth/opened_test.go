package clientauth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"signet/provider/oauth"
)

// sealerTakes is a little over half of slotWait: whoever comes third waits past it, never just until it.
const sealerTakes = slotWait/2 + time.Millisecond

// slowSealer opens in sealerTakes, and counts.
type slowSealer struct {
	sealer
	opened, now, most atomic.Int32
	failure           atomic.Pointer[error]
}

func (s *slowSealer) Open(ctx context.Context, sealed, about []byte) ([]byte, error) {
	s.opened.Add(1)
	if n := s.now.Add(1); n > s.most.Load() {
		s.most.Store(n)
	}
	defer s.now.Add(-1)
	select {
	case <-time.After(sealerTakes):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if failure := s.failure.Load(); failure != nil {
		return nil, *failure
	}
	return s.sealer.Open(ctx, sealed, about)
}

// client has a sealed secret: strong, followed by its id.
func (s *slowSealer) client(t *testing.T, id string) *oauth.Client {
	t.Helper()
	sealed, err := SealSecret(t.Context(), s, id, oauth.Secret(strong+id))
	if err != nil {
		t.Fatal(err)
	}
	return &oauth.Client{ID: id, AuthMethod: oauth.AuthSecretJWT, SecretSealed: sealed}
}

func assertedBy(t *testing.T, id, secret string) attempt {
	t.Helper()
	lasting := map[string]any{"iss": id, "sub": id, "exp": now.Add(10 * time.Minute).Unix()}
	return asserted(forge(`{"alg":"HS256"}`, payload(t, claims(lasting)), hs256([]byte(secret))))
}

// TestJunkAssertionsCostTheSealerNothing sends assertions that a stranger made: however many, the sealer is asked
// once a minute, and the client itself is served meanwhile.
func TestJunkAssertionsCostTheSealerNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slowSealer{}
		c := s.client(t, "app")
		b := newBank(t, func(d *Deps) {
			start := time.Now()
			d.Sealer, d.Clock = s, func() time.Time { return now.Add(time.Since(start)) }
		}, c)
		good, junk := assertedBy(t, "app", strong+"app"), assertedBy(t, "app", "x"+strong)
		zeroes := assertedBy(t, "app", string(make([]byte, len(strong+"app"))))
		check := func(opened int32) {
			t.Helper()
			if _, err := b.try(good); err != nil {
				t.Error(err)
			}
			b.refused(t, junk, oauth.InvalidClient)
			b.refused(t, zeroes, oauth.InvalidClient)
			if n := s.opened.Load(); n != opened {
				t.Errorf("the sealer was asked %d times, want %d", n, opened)
			}
		}
		for range 100 {
			b.refused(t, junk, oauth.InvalidClient)
		}
		check(1)
		replaced, err := SealSecret(t.Context(), s, "app", strong+"replaced")
		if err != nil {
			t.Fatal(err)
		}
		old := c.SecretSealed
		c.SecretSealed = replaced
		b.refused(t, good, oauth.InvalidClient)
		if _, err := b.try(assertedBy(t, "app", strong+"replaced")); err != nil {
			t.Errorf("a replaced secret: %v", err)
		}
		c.SecretSealed = old
		check(2)
		time.Sleep(openedFor)
		check(3)
	})
}

func TestOpenedSecrets(t *testing.T) {
	run := func(name string, f func(t *testing.T, s *slowSealer, o *openedSecrets)) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &slowSealer{}
				f(t, s, newOpenedSecrets(s, time.Now))
			})
		})
	}
	must := func(t *testing.T, o *openedSecrets, c *oauth.Client) {
		t.Helper()
		if secret, err := o.open(t.Context(), c); err != nil || string(secret) != strong+c.ID {
			t.Errorf("%q %v", secret, err)
		}
	}
	run("one call for all who wait", func(t *testing.T, s *slowSealer, o *openedSecrets) {
		c := s.client(t, "app")
		ctx, leave := context.WithCancel(t.Context())
		go func() { _, _ = o.open(ctx, c) }()
		synctest.Wait()
		var wait sync.WaitGroup
		for range 20 {
			wait.Go(func() { must(t, o, c) })
		}
		impatient, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := o.open(impatient, c); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("who cannot wait: %v", err)
		}
		leave() // the first, for whom it is opened
		wait.Wait()
		if n := s.opened.Load(); n != 1 {
			t.Errorf("%d calls", n)
		}
	})
	run("few at once", func(t *testing.T, s *slowSealer, o *openedSecrets) {
		var wait sync.WaitGroup
		for n := range 2 * openAtOnce {
			wait.Go(func() { must(t, o, s.client(t, fmt.Sprint(n))) })
		}
		wait.Wait()
		if most := s.most.Load(); most != openAtOnce {
			t.Errorf("%d calls at once", most)
		}
		for n := range 4 * openAtOnce {
			wait.Go(func() { _, _ = o.open(t.Context(), s.client(t, fmt.Sprint("more", n))) })
		}
		synctest.Wait()
		if _, err := o.open(t.Context(), s.client(t, "late")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("no turn within %s: %v", slotWait, err)
		}
		wait.Wait()
	})
	run("a failure is soon tried again", func(t *testing.T, s *slowSealer, o *openedSecrets) {
		c, down := s.client(t, "app"), oauth.ErrUnavailable
		s.failure.Store(&down)
		for range 50 {
			if _, err := o.open(t.Context(), c); !errors.Is(err, down) {
				t.Errorf("%v", err)
			}
		}
		if n := s.opened.Load(); n != 1 {
			t.Errorf("%d calls", n)
		}
		s.failure.Store(nil)
		time.Sleep(failedFor)
		must(t, o, c)
	})
	run("a copy each", func(t *testing.T, s *slowSealer, o *openedSecrets) {
		c := s.client(t, "app")
		for range 3 {
			secret, err := o.open(t.Context(), c)
			if err != nil || string(secret) != strong+"app" {
				t.Fatalf("%q %v", secret, err)
			}
			clear(secret)
		}
	})
	run("forgotten when nobody asks", func(t *testing.T, s *slowSealer, o *openedSecrets) {
		must(t, o, s.client(t, "app"))
		held := o.only().secret
		time.Sleep(openedFor)
		synctest.Wait()
		if o.count() != 0 || !bytes.Equal(held, make([]byte, len(held))) {
			t.Errorf("%d kept; the bytes are %q", o.count(), held)
		}
	})
	run("old by the clock", func(t *testing.T, s *slowSealer, _ *openedSecrets) {
		var ahead time.Duration
		o := newOpenedSecrets(s, func() time.Time { return now.Add(ahead) })
		c := s.client(t, "app")
		must(t, o, c)
		held := o.only().secret
		ahead = openedFor
		must(t, o, c)
		if s.opened.Load() != 2 || o.count() != 1 || !bytes.Equal(held, make([]byte, len(held))) {
			t.Errorf("%d calls, %d kept; the old bytes are %q", s.opened.Load(), o.count(), held)
		}
	})
	run("bounded", func(t *testing.T, s *slowSealer, _ *openedSecrets) {
		o := newOpenedSecrets(sealer{}, func() time.Time { return now })
		must(t, o, s.client(t, "first"))
		held := o.only().secret
		for n := range 4 * maxOpened {
			must(t, o, s.client(t, fmt.Sprint(n)))
		}
		if o.count() != maxOpened {
			t.Errorf("%d kept", o.count())
		}
		time.Sleep(openedFor)
		synctest.Wait()
		if o.count() != 0 || !bytes.Equal(held, make([]byte, len(held))) {
			t.Errorf("%d kept, %q", o.count(), held)
		}
	})
	run("a sealer that panics holds nobody up", func(t *testing.T, _ *slowSealer, _ *openedSecrets) {
		o := newOpenedSecrets(panics{}, time.Now)
		c := &oauth.Client{ID: "app", SecretSealed: []byte("x")}
		func() {
			defer func() { _ = recover() }()
			_, _ = o.open(t.Context(), c)
		}()
		if secret, err := o.open(t.Context(), c); !errors.Is(err, errUnopened) || secret != nil {
			t.Errorf("%q %v", secret, err)
		}
	})
}

type panics struct{ sealer }

func (panics) Open(context.Context, []byte, []byte) ([]byte, error) { panic("for the test") }

func (o *openedSecrets) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.kept)
}

func (o *openedSecrets) only() *opened {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, e := range o.kept {
		return e
	}
	return nil
}
