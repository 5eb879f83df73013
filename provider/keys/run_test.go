package keys_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"signet/provider/keys"
	"signet/provider/keys/keystest"
)

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

// told collects what Options.Maintained hears.
type told struct {
	mu   sync.Mutex
	done []keys.Report
}

func (m *told) hear(ctx context.Context, done keys.Report) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() != nil || done.Empty() {
		panic("told with a context that has ended, or of nothing")
	}
	m.done = append(m.done, done)
}

// all are the kids that were reported as made and as destroyed.
func (m *told) all() (made, destroyed []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, done := range m.done {
		for _, key := range done.Made {
			made = append(made, key.Kid)
		}
		destroyed = append(destroyed, done.Destroyed...)
	}
	return made, destroyed
}

// TestMaintainedByNewRing: the keys that it made are told, also when it fails after that, and when its context ends.
func TestMaintainedByNewRing(t *testing.T) {
	var first, again told
	memory, opt := keystest.NewMemory(), options(newClock())
	opt.Maintained = first.hear
	ring := newRing(t, memory, opt)
	if made, _ := first.all(); len(first.done) != 1 || len(made) != 2 || made[0] != kid(t, ring, "ES256") || made[1] != kid(t, ring, "EdDSA") {
		t.Errorf("told %+v", first.done)
	}
	opt.Maintained = again.hear
	if newRing(t, memory, opt); again.done != nil {
		t.Errorf("told again: %+v", again.done)
	}
	outage := errors.New("refused")
	for name, create := range map[string]func(stop func(), spec keys.Spec, made keys.Key) (keys.Key, error){
		"the second is not made": func(_ func(), spec keys.Spec, made keys.Key) (keys.Key, error) {
			if spec.Alg == "EdDSA" {
				return keys.Key{}, outage
			}
			return made, nil
		},
		"the first is not loaded": func(_ func(), _ keys.Spec, made keys.Key) (keys.Key, error) { return made, outage },
		"the context ends":        func(stop func(), _ keys.Spec, made keys.Key) (keys.Key, error) { stop(); return made, outage },
	} {
		t.Run(name, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			var half told
			opt.Maintained = half.hear
			backend := &creating{keystest.NewMemory(), func(spec keys.Spec, made keys.Key) (keys.Key, error) { return create(stop, spec, made) }}
			if _, err := keys.NewRing(ctx, backend, opt); !errors.Is(err, outage) {
				t.Fatal(err)
			}
			if made, _ := half.all(); len(made) != 1 {
				t.Errorf("told %+v", half.done)
			}
		})
	}
}

// creating makes keys and may return something else.
type creating struct {
	*keystest.Memory
	then func(spec keys.Spec, made keys.Key) (keys.Key, error)
}

func (c *creating) Create(ctx context.Context, spec keys.Spec) (keys.Key, error) {
	made, err := c.Memory.Create(ctx, spec)
	if err != nil {
		return made, err
	}
	return c.then(spec, made)
}

// TestMaintainedByRun: what a process does by itself is told, also when a part of it fails; nothing is told twice.
func TestMaintainedByRun(t *testing.T) {
	c := newClock()
	var heard told
	outage := errors.New("refused")
	memory := keystest.NewMemory()
	opt := options(c)
	opt.RotateEvery, opt.Maintained = 24*time.Hour, heard.hear
	ring := newRing(t, &refusing{Memory: memory, alg: "ES256", err: outage}, opt)
	first := kid(t, ring, "EdDSA")
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { ring.Run(ctx, time.Hour); close(done) }() // only Wake makes it work
	defer func() { stop(); <-done }()

	c.advance(23 * time.Hour)
	ring.Wake()
	poll(t, func() bool { made, _ := heard.all(); return len(made) == 3 })
	ring.Wake()
	c.advance(time.Hour + 10*time.Minute)
	ring.Wake()
	poll(t, func() bool { _, destroyed := heard.all(); return len(destroyed) == 1 })
	if made, destroyed := heard.all(); len(made) != 3 || made[2] != kid(t, ring, "EdDSA") || destroyed[0] != first || len(heard.done) != 3 {
		t.Errorf("made %v, destroyed %v, told %d times", made, destroyed, len(heard.done))
	}
}

// TestRotateReportsWhatIsNotLoaded: a key that was made counts, although this process cannot use it yet.
func TestRotateReportsWhatIsNotLoaded(t *testing.T) {
	outage := errors.New("out of order")
	backend := &creating{keystest.NewMemory(), func(spec keys.Spec, made keys.Key) (keys.Key, error) {
		if spec.After != "" {
			return made, outage
		}
		return made, nil
	}}
	ring := newRing(t, backend, options(newClock()))
	if done, err := ring.Rotate(t.Context(), "ES256"); !errors.Is(err, outage) || len(done.Made) != 1 {
		t.Errorf("did %+v, %v", done, err)
	}
}
