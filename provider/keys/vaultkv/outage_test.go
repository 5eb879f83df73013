package vaultkv_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"signet/provider/keys"
	"signet/provider/keys/vaultkv"
	"signet/provider/keys/vaulttest"
	"signet/provider/oauth"
)

// sign returns the outcome of one signature; only outages are expected.
func sign(t *testing.T, b *vaultkv.Backend, key keys.Key) error {
	t.Helper()
	_, err := b.Sign(t.Context(), key.Kid, key.Alg, []byte("a.b"))
	if err != nil && !errors.Is(err, oauth.ErrUnavailable) {
		t.Fatal(err)
	}
	return err
}

// TestOutages: whatever happens to Vault, signing ends when that is known, and begins again by itself.
func TestOutages(t *testing.T) {
	s := vaulttest.Start(t)
	mount := s.Mount(t, "kv")
	for name, outage := range map[string]struct{ begin, end func() }{
		"sealed":  {func() { s.Seal(t) }, func() { s.Unseal(t) }},
		"killed":  {s.Kill, func() { s.Start(t) }},
		"stopped": {func() { s.Pause(t) }, func() { s.Resume(t) }},
	} {
		t.Run(name, func(t *testing.T) {
			b := newPlace(t, s, mount).open(t)
			key := create(t, b, first)
			sealed, err := b.Seal(t.Context(), []byte("secret"), nil)
			if err != nil {
				t.Fatal(err)
			}
			outage.begin()
			if _, err := b.Keys(t.Context()); !errors.Is(err, oauth.ErrUnavailable) {
				t.Errorf("loading: %v", err)
			}
			for what, do := range map[string]func() error{
				"sign":    func() error { return sign(t, b, key) },
				"open":    func() error { _, err := b.Open(t.Context(), sealed, nil); return err },
				"seal":    func() error { _, err := b.Seal(t.Context(), []byte("secret"), nil); return err },
				"probe":   func() error { return b.Probe(t.Context()) },
				"delete":  func() error { return b.Delete(t.Context(), key.Kid) },
				"rotate":  func() error { return b.RotateDataKey(t.Context()) },
				"opening": func() error { _, err := b.Create(t.Context(), keys.Spec{Alg: "EdDSA"}); return err },
			} {
				if err := do(); !errors.Is(err, oauth.ErrUnavailable) {
					t.Errorf("%s: %v", what, err)
				}
			}
			outage.end()
			began := time.Now()
			for sign(t, b, key) != nil {
				if time.Since(began) > time.Minute {
					t.Fatal("does not sign any more")
				}
				time.Sleep(20 * time.Millisecond)
			}
			t.Logf("signs again %v after the outage", time.Since(began).Round(10*time.Millisecond))
			if opened, err := b.Open(t.Context(), sealed, nil); err != nil || string(opened) != "secret" {
				t.Errorf("opened %q, %v", opened, err)
			}
		})
	}
}

// TestGraceInAnOutage: keys in memory sign for as long as the grace says, by the injected clock.
func TestGraceInAnOutage(t *testing.T) {
	s := vaulttest.Start(t)
	p := newPlace(t, s, s.Mount(t, "kv"))
	var later atomic.Int64
	p.clock = func() time.Time { return start.Add(time.Duration(later.Load())) }
	opt := p.options(p.client(t, ""))
	opt.Grace = 10 * time.Minute
	b, err := vaultkv.Open(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	key := create(t, b, first)
	s.Kill()
	if _, err := b.Keys(t.Context()); !errors.Is(err, oauth.ErrUnavailable) {
		t.Fatal(err)
	}
	if err := sign(t, b, key); err != nil {
		t.Errorf("in the grace: %v", err)
	}
	later.Store(int64(vaultkv.Fresh + opt.Grace))
	if err := sign(t, b, key); err == nil {
		t.Error("signs after the grace")
	}
	s.Start(t)
	for n := 1; sign(t, b, key) != nil; n++ {
		if n > 3000 {
			t.Fatal("does not sign any more")
		}
		later.Add(int64(100 * time.Millisecond))
		time.Sleep(20 * time.Millisecond)
	}
}
