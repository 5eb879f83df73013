package keys_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/provider/jose"
	"signet/provider/keys"
	"signet/provider/keys/keystest"
)

func TestNewRing(t *testing.T) {
	ring := newRing(t, keystest.NewMemory(), options(newClock()))
	list := ring.List()
	for i, alg := range []string{"ES256", "EdDSA"} {
		want := keys.Info{Kid: kid(t, ring, alg), Alg: alg, Use: "sig", State: keys.Active, CreatedAt: start, ActivatesAt: start}
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
		"none to sign":     func(o *keys.Options) { o.Algs = []string{jose.DecryptionAlg} },
		"unread enc alg":   func(o *keys.Options) { o.Algs = []string{"ES256", "RSA-OAEP"} },
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

func TestStaleWhenBackendFails(t *testing.T) {
	memory := keystest.NewMemory()
	ring := newRing(t, memory, options(newClock()))
	before := string(ring.JWKS())
	outage := errors.New("out of order")
	memory.FailWith(outage)
	if _, err := ring.Refresh(t.Context()); !errors.Is(err, outage) {
		t.Errorf("refreshing: %v", err)
	}
	if _, err := ring.Rotate(t.Context(), "ES256"); !errors.Is(err, outage) {
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
