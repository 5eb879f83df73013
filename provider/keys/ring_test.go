package keys_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
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

func TestNewRing(t *testing.T) {
	ring := newRing(t, keystest.NewMemory(), options(newClock()))
	list := ring.List()
	for i, alg := range []string{"ES256", "EdDSA"} {
		want := keys.Info{Kid: kid(t, ring, alg), Alg: alg, State: keys.Active, CreatedAt: start, ActivatesAt: start}
		if diff := cmp.Diff(want, list[i]); diff != "" {
			t.Error(diff)
		}
	}
	if diff := cmp.Diff([]string{"ES256", "EdDSA"}, ring.Algorithms()); diff != "" {
		t.Error(diff)
	}
	var document struct{ Keys []map[string]any }
	if err := json.Unmarshal(ring.JWKS(), &document); err != nil {
		t.Fatal(err)
	}
	for _, key := range document.Keys {
		if key["use"] != "sig" || key["kid"] == nil || key["alg"] == nil || key["d"] != nil {
			t.Errorf("published: %v", key)
		}
	}
	if ring.Health() != nil {
		t.Error(ring.Health())
	}
}

func TestOptions(t *testing.T) {
	for name, spoil := range map[string]func(*keys.Options){
		"no clock":         func(o *keys.Options) { o.Clock = nil },
		"no log":           func(o *keys.Options) { o.Log = nil },
		"no algorithm":     func(o *keys.Options) { o.Algs = nil },
		"unknown alg":      func(o *keys.Options) { o.Algs = []string{"ES257"} },
		"symmetric alg":    func(o *keys.Options) { o.Algs = []string{"HS256"} },
		"never retires":    func(o *keys.Options) { o.RetireAfter = 0 },
		"negative":         func(o *keys.Options) { o.PublishFor = -1 },
		"rotates too fast": func(o *keys.Options) { o.RotateEvery = o.PublishFor },
	} {
		t.Run(name, func(t *testing.T) {
			opt := options(newClock())
			spoil(&opt)
			if _, err := keys.NewRing(t.Context(), keystest.NewMemory(), opt); err == nil {
				t.Error("accepted")
			}
		})
	}
}

func TestSignRefuses(t *testing.T) {
	memory := keystest.NewMemory()
	ring := newRing(t, memory, options(newClock()))
	if _, err := ring.Sign(t.Context(), "PS256", "", nil); !errors.Is(err, jose.ErrAlgorithm) {
		t.Errorf("an algorithm without a key: %v", err)
	}
	if _, err := ring.Sign(t.Context(), "ES256", `x"y`, nil); err == nil {
		t.Error("a typ that breaks the header was accepted")
	}
	outage := errors.New("out of order")
	memory.FailWith(outage)
	if _, err := ring.Sign(t.Context(), "ES256", "", nil); !errors.Is(err, outage) {
		t.Errorf("an outage: %v", err)
	}
}

func TestRotation(t *testing.T) {
	c := newClock()
	ring := newRing(t, keystest.NewMemory(), options(c))
	first := kid(t, ring, "ES256")
	other := kid(t, ring, "EdDSA")
	for range 2 { // the second finds a key waiting
		if err := ring.Rotate(t.Context(), "ES256"); err != nil {
			t.Fatal(err)
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
	if err := ring.Rotate(t.Context(), "PS256"); !errors.Is(err, jose.ErrAlgorithm) {
		t.Errorf("rotating what is not configured: %v", err)
	}
}

// TestTwoRings: two processes on one backend rotate once, and each takes over what the other made.
func TestTwoRings(t *testing.T) {
	c := newClock()
	memory := keystest.NewMemory()
	a, b := newRing(t, memory, options(c)), newRing(t, memory, options(c))
	var wait sync.WaitGroup
	for range 10 {
		for _, ring := range []*keys.Ring{a, b} {
			wait.Go(func() {
				if err := ring.Rotate(t.Context(), "ES256"); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wait.Wait()
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

func TestStaleWhenBackendFails(t *testing.T) {
	memory := keystest.NewMemory()
	ring := newRing(t, memory, options(newClock()))
	before := string(ring.JWKS())
	outage := errors.New("out of order")
	memory.FailWith(outage)
	if _, err := ring.Refresh(t.Context()); !errors.Is(err, outage) {
		t.Errorf("refreshing: %v", err)
	}
	if err := ring.Rotate(t.Context(), "ES256"); !errors.Is(err, outage) {
		t.Errorf("rotating: %v", err)
	}
	if !errors.Is(ring.Health(), outage) || string(ring.JWKS()) != before {
		t.Errorf("health %v, key set changed: %v", ring.Health(), string(ring.JWKS()) != before)
	}
	memory.FailWith(nil)
	if changed, err := ring.Refresh(t.Context()); err != nil || changed || ring.Health() != nil {
		t.Errorf("after the outage: changed %v, %v, health %v", changed, err, ring.Health())
	}
	if _, err := keys.NewRing(t.Context(), failing(outage), options(newClock())); !errors.Is(err, outage) {
		t.Errorf("starting in an outage: %v", err)
	}
}

func failing(err error) keys.Backend {
	m := keystest.NewMemory()
	m.FailWith(err)
	return m
}

// TestAlgorithmDropped: the keys of an algorithm that is configured no more still verify.
func TestAlgorithmDropped(t *testing.T) {
	c := newClock()
	memory := keystest.NewMemory()
	old := kid(t, newRing(t, memory, options(c)), "EdDSA")
	opt := options(c)
	opt.Algs = []string{"ES256"}
	ring := newRing(t, memory, opt)
	if list := ring.List(); len(list) != 2 || list[1].Kid != old || list[1].State != keys.Previous {
		t.Errorf("got %+v", list)
	}
	if _, err := ring.Sign(t.Context(), "EdDSA", "", nil); !errors.Is(err, jose.ErrAlgorithm) {
		t.Errorf("signing: %v", err)
	}
	if !ring.KeySet().Has(old) {
		t.Error("not published")
	}
}

// TestSlowClock: a process whose clock is behind that of the one that made the first key can sign too.
func TestSlowClock(t *testing.T) {
	c := newClock()
	memory := keystest.NewMemory()
	first := kid(t, newRing(t, memory, options(c)), "ES256")
	c.advance(-time.Minute)
	if kid(t, newRing(t, memory, options(c)), "ES256") != first {
		t.Error("another key signs")
	}
}

// TestRun: a key that is due is rotated, published before it signs, and its predecessor destroyed.
func TestRun(t *testing.T) {
	c := newClock()
	memory := keystest.NewMemory()
	opt := options(c)
	opt.Algs = []string{"ES256"}
	opt.RotateEvery = 24 * time.Hour
	ring := newRing(t, memory, opt)
	first := kid(t, ring, "ES256")
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { ring.Run(ctx, time.Millisecond); close(done) }()
	defer func() { stop(); <-done }()

	c.advance(23 * time.Hour)
	poll(t, func() bool { return len(ring.List()) == 2 })
	if list := ring.List(); list[1].State != keys.Next || !list[1].ActivatesAt.Equal(start.Add(24*time.Hour)) {
		t.Errorf("got %+v", list)
	}
	c.advance(time.Hour)
	if kid(t, ring, "ES256") == first {
		t.Error("the first key still signs")
	}
	c.advance(10 * time.Minute)
	poll(t, func() bool {
		list, err := memory.Keys(ctx)
		return err == nil && len(list) == 1
	})
}

// TestRunWithoutMaintain: a process that may not maintain follows what others do and changes nothing.
func TestRunWithoutMaintain(t *testing.T) {
	c := newClock()
	memory := keystest.NewMemory()
	opt := options(c)
	opt.Algs, opt.RotateEvery, opt.Maintain = []string{"ES256"}, 24*time.Hour, false
	if _, err := keys.NewRing(t.Context(), memory, opt); !errors.Is(err, keys.ErrNoKey) || !strings.Contains(err.Error(), "ES256") {
		t.Fatalf("without a key: %v", err)
	}
	keeper := newRing(t, memory, func() keys.Options { o := opt; o.Maintain = true; return o }())
	ring := newRing(t, memory, opt)
	first := kid(t, ring, "ES256")
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { ring.Run(ctx, time.Hour); close(done) }() // only Wake makes it work
	defer func() { stop(); <-done }()

	c.advance(23 * time.Hour) // a rotation is due
	memory.FailWith(errors.New("out of order"))
	ring.Wake()
	poll(t, func() bool { return ring.Health() != nil })
	memory.FailWith(nil)
	ring.Wake()
	poll(t, func() bool { return ring.Health() == nil })
	if list, err := memory.Keys(ctx); err != nil || len(list) != 1 {
		t.Fatalf("it made a key: %v, %v", list, err)
	}
	if report, err := keeper.Maintain(ctx); err != nil || len(report.Made) != 1 || report.Destroyed != nil {
		t.Fatalf("the keeper did %+v, %v", report, err)
	}
	for range 3 {
		ring.Wake() // never waits
	}
	poll(t, func() bool { return len(ring.List()) == 2 })
	c.advance(2 * time.Hour)
	ring.Wake()
	poll(t, func() bool { return !ring.KeySet().Has(first) })
	if list, err := memory.Keys(ctx); err != nil || len(list) != 2 {
		t.Fatalf("it destroyed a key: %v, %v", list, err)
	}
	if report, err := keeper.Maintain(ctx); err != nil || report.Made != nil || !slices.Equal(report.Destroyed, []string{first}) {
		t.Errorf("the keeper did %+v, %v", report, err)
	}
}

func TestMade(t *testing.T) {
	memory := keystest.NewMemory()
	made := newRing(t, memory, options(newClock())).Made()
	if len(made) != 2 || made[0].Alg != "ES256" || made[1].Alg != "EdDSA" {
		t.Errorf("made %+v", made)
	}
	if made := newRing(t, memory, options(newClock())).Made(); len(made) != 0 {
		t.Errorf("made again: %+v", made)
	}
}

// TestMaintainGoesOn: what cannot be done for one key is reported, and done for the others.
func TestMaintainGoesOn(t *testing.T) {
	c := newClock()
	outage := errors.New("refused")
	backend := &refusing{Memory: keystest.NewMemory(), alg: "ES256", err: outage}
	opt := options(c)
	opt.RotateEvery = 24 * time.Hour
	ring := newRing(t, backend, opt)
	c.advance(23 * time.Hour)
	report, err := ring.Maintain(t.Context())
	if !errors.Is(err, outage) || len(report.Made) != 1 || report.Made[0].Alg != "EdDSA" {
		t.Errorf("did %+v, %v", report, err)
	}
}

// refusing makes no second key of one algorithm.
type refusing struct {
	*keystest.Memory
	alg string
	err error
}

func (r *refusing) Create(ctx context.Context, spec keys.Spec) (keys.Key, error) {
	if spec.Alg == r.alg && spec.After != "" {
		return keys.Key{}, r.err
	}
	return r.Memory.Create(ctx, spec)
}

func TestProbe(t *testing.T) {
	memory := keystest.NewMemory()
	ring := newRing(t, memory, options(newClock()))
	if err := ring.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	outage := errors.New("out of order")
	memory.FailWith(outage)
	if err := ring.Probe(t.Context()); !errors.Is(err, outage) {
		t.Errorf("in an outage: %v", err)
	}
	_, _ = ring.Refresh(t.Context())
	memory.FailWith(nil)
	if err := ring.Probe(t.Context()); !errors.Is(err, outage) {
		t.Errorf("stale, after the outage: %v", err)
	}
	if ring = newRing(t, struct{ keys.Backend }{memory}, options(newClock())); ring.Probe(t.Context()) != nil {
		t.Error("a backend that cannot tell is out of order")
	}
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
				if err := ring.Rotate(context.Background(), "ES256"); err != nil {
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
