package keys_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"signet/provider/jose"
	"signet/provider/keys"
	"signet/provider/keys/keystest"
)

func TestRotation(t *testing.T) {
	c := newClock()
	ring := newRing(t, keystest.NewMemory(), options(c))
	first := kid(t, ring, "ES256")
	other := kid(t, ring, "EdDSA")
	for _, want := range []int{1, 0} { // the second finds a key waiting
		if done, err := ring.Rotate(t.Context(), "ES256"); err != nil || len(done.Made) != want || done.Destroyed != nil {
			t.Fatalf("did %+v, %v", done, err)
		}
	}
	states := func() (all []keys.State) {
		for _, info := range ring.List() {
			if info.Alg == "ES256" {
				all = append(all, info.State)
			}
		}
		return all
	}
	expect := func(signs bool, want ...keys.State) {
		t.Helper()
		if _, err := ring.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, states()); diff != "" {
			t.Error(diff)
		}
		if got := kid(t, ring, "ES256") == first; got != signs {
			t.Errorf("the first key signs: %v, want %v", got, signs)
		}
	}
	expect(true, keys.Active, keys.Next)
	c.advance(time.Hour - time.Second)
	expect(true, keys.Active, keys.Next)
	c.advance(time.Second)
	expect(false, keys.Previous, keys.Active)
	c.advance(10*time.Minute - time.Second)
	expect(false, keys.Previous, keys.Active)
	c.advance(time.Second)
	expect(false, keys.Active)
	if kid(t, ring, "EdDSA") != other {
		t.Error("the other algorithm rotated too")
	}
	if _, err := ring.Rotate(t.Context(), "PS256"); !errors.Is(err, jose.ErrAlgorithm) {
		t.Errorf("rotating what is not configured: %v", err)
	}
}

// TestTwoRings: two processes on one backend rotate once, and each takes over what the other made.
func TestTwoRings(t *testing.T) {
	c := newClock()
	memory := keystest.NewMemory()
	a, b := newRing(t, memory, options(c)), newRing(t, memory, options(c))
	var wait sync.WaitGroup
	var made atomic.Int64
	for range 10 {
		for _, ring := range []*keys.Ring{a, b} {
			wait.Go(func() {
				done, err := ring.Rotate(t.Context(), "ES256")
				if err != nil {
					t.Error(err)
				}
				made.Add(int64(len(done.Made)))
			})
		}
	}
	wait.Wait()
	if made.Load() != 1 {
		t.Errorf("%d keys are reported", made.Load())
	}
	for _, ring := range []*keys.Ring{a, b} {
		if _, err := ring.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(a.List(), b.List()); diff != "" || len(a.List()) != 3 {
		t.Errorf("%d keys, %s", len(a.List()), diff)
	}
	c.advance(time.Hour)
	if kid(t, a, "ES256") != kid(t, b, "ES256") {
		t.Error("they sign with different keys")
	}
}

// TestInvariant takes a ring through random rotations and times. Relying parties that cache the key set for
// PublishFor must be able to check every token for RetireAfter.
func TestInvariant(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newClock()
		memory := keystest.NewMemory()
		opt := options(c)
		opt.Algs = []string{"ES256"}
		ring, err := keys.NewRing(context.Background(), memory, opt)
		if err != nil {
			t.Fatal(err)
		}
		type issued struct {
			kid string
			at  time.Time
		}
		var tokens []issued
		published := map[string]time.Time{kidOf(t, ring): c.now().Add(-opt.PublishFor)}
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "rotate") {
				if _, err := ring.Rotate(context.Background(), "ES256"); err != nil {
					t.Fatal(err)
				}
			}
			c.advance(time.Duration(rapid.IntRange(0, 4000).Draw(t, "seconds")) * time.Second)
			if _, err := ring.Refresh(context.Background()); err != nil {
				t.Fatal(err)
			}
			for _, info := range ring.List() {
				if _, ok := published[info.Kid]; !ok {
					published[info.Kid] = info.CreatedAt // Rotate refreshes at once
				}
			}
			signing := kidOf(t, ring)
			if c.now().Before(published[signing].Add(opt.PublishFor)) {
				t.Fatalf("a key signs %v after it was published", c.now().Sub(published[signing]))
			}
			tokens = append(tokens, issued{signing, c.now()})
			for _, token := range tokens {
				if c.now().Before(token.at.Add(opt.RetireAfter)) && !ring.KeySet().Has(token.kid) {
					t.Fatalf("a token cannot be checked %v after it was signed", c.now().Sub(token.at))
				}
			}
			if active := slices.DeleteFunc(ring.List(), func(i keys.Info) bool { return i.State != keys.Active }); len(active) != 1 || active[0].Kid != signing {
				t.Fatalf("active: %+v, signs: %s", active, signing)
			}
		}
	})
}

func kidOf(t *rapid.T, ring *keys.Ring) string {
	token, err := ring.Sign(context.Background(), "ES256", "", []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	verified, err := jose.Verify(token, ring.KeySet(), []string{"ES256"})
	if err != nil || strings.Count(token, ".") != 2 {
		t.Fatal(err)
	}
	return verified.Kid
}

// TestActiveAt agrees with what the ring signs with, whatever the order of the keys.
func TestActiveAt(t *testing.T) {
	c, memory := newClock(), keystest.NewMemory()
	ring := newRing(t, memory, options(c))
	for range 3 {
		if _, err := ring.Rotate(t.Context(), "ES256"); err != nil {
			t.Fatal(err)
		}
		for _, step := range []time.Duration{0, 59 * time.Minute, time.Minute, -3 * time.Hour, 3 * time.Hour} {
			c.advance(step)
			if _, err := ring.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			list, err := memory.Keys(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			slices.Reverse(list)
			if active, ok := keys.ActiveAt(list, "ES256", c.now()); !ok || active.Kid != kid(t, ring, "ES256") {
				t.Errorf("at %v: %+v", c.now(), active)
			}
		}
	}
	if key, ok := keys.ActiveAt(nil, "ES256", c.now()); ok {
		t.Errorf("of none: %+v", key)
	}
}
