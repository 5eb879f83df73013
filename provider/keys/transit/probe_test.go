package transit_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"signet/provider/jose"
	"signet/provider/keys"
	"signet/provider/keys/transit"
	"signet/provider/keys/vault"
	"signet/provider/keys/vaulttest"
	"signet/provider/oauth"
)

// TestProbeFindsOut what happened in Vault without a change of the record: the process goes on asking, and a probe tells.
func TestProbeFindsOut(t *testing.T) {
	s := vaulttest.Shared(t)
	for name, c := range map[string]struct {
		harm          func(t *testing.T, opt transit.Options, layout vault.Layout, policy string)
		probe, loaded bool // tells
	}{
		"the mount is gone": {func(t *testing.T, opt transit.Options, _ vault.Layout, _ string) {
			if err := s.Client(t).Sys().UnmountWithContext(t.Context(), opt.Mount); err != nil {
				t.Fatal(err)
			}
		}, true, true},
		"a key is gone": {func(t *testing.T, opt transit.Options, _ vault.Layout, _ string) {
			path := opt.Mount + "/keys/" + opt.Prefix + "-eddsa"
			write(t, s, path+"/config", map[string]any{"deletion_allowed": true})
			if _, err := s.Client(t).Logical().DeleteWithContext(t.Context(), path); err != nil {
				t.Fatal(err)
			}
		}, true, true},
		"the right to sign is lost": {func(t *testing.T, opt transit.Options, layout vault.Layout, policy string) {
			text := strings.Replace(layout.ServePolicy(), opt.Mount+"/sign/"+opt.Prefix+"-eddsa", opt.Mount+"/sign/none", 1)
			if err := s.Client(t).Sys().PutPolicyWithContext(t.Context(), policy, text); err != nil {
				t.Fatal(err)
			}
		}, true, false},
		"the right to decrypt is lost": {func(t *testing.T, opt transit.Options, layout vault.Layout, policy string) {
			text := strings.Replace(layout.ServePolicy(), opt.Mount+"/decrypt/"+opt.Prefix+"-enc", opt.Mount+"/decrypt/none", 1)
			if err := s.Client(t).Sys().PutPolicyWithContext(t.Context(), policy, text); err != nil {
				t.Fatal(err)
			}
		}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			opt := options(t, s)
			keeper := open(t, opt)
			create(t, keeper, "ES256", "")
			create(t, keeper, jose.DecryptionAlg, "")
			create(t, keeper, "EdDSA", "")
			layout := vault.Layout{Backend: "transit", TransitMount: opt.Mount, KVMount: opt.KVMount, Prefix: opt.Prefix}
			policy := opt.Mount + "-probe"
			var later atomic.Int64
			opt.Client = as(t, s, policy, layout.ServePolicy())
			opt.Clock = func() time.Time { return start.Add(time.Duration(later.Load())) }
			b := open(t, opt)
			if err := b.Probe(t.Context()); err != nil {
				t.Fatal(err)
			}
			c.harm(t, opt, layout, policy)
			later.Store(int64(transit.ProofFor))
			if err := b.Probe(t.Context()); (err != nil) != c.probe {
				t.Errorf("probe: %v", err)
			}
			if _, err := b.Keys(t.Context()); (err != nil) != c.loaded {
				t.Errorf("loading: %v", err)
			}
		})
	}
}

// TestProbeCost: one signature for each algorithm and ProofFor, none for a key that has just signed; what failed is
// tried again at once. It is the active key that is tried.
func TestProbeCost(t *testing.T) {
	opt := options(t, vaulttest.Shared(t))
	var later atomic.Int64
	opt.Clock = func() time.Time { return start.Add(time.Duration(later.Load())) }
	b, hooks := openBetween(t, opt)
	first := create(t, b, "ES256", "")
	create(t, b, "ES256", first.Kid) // signs in an hour
	other := create(t, b, "EdDSA", "")
	probe := func(want int) {
		t.Helper()
		before := len(hooks.signs)
		for range 3 {
			if err := b.Probe(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(hooks.signs) - before; n != want {
			t.Errorf("%d signatures, want %d", n, want)
		}
	}
	probe(2)
	later.Add(int64(transit.ProofFor))
	checkSignature(t, b, other, "input")
	probe(1)
	if last := hooks.signs[len(hooks.signs)-1]; last.version != 1 || !strings.HasSuffix(last.path, "es256") {
		t.Errorf("tried %+v", last)
	}
	later.Store(int64(time.Hour))
	probe(2)
	tried := map[int]bool{}
	for _, call := range hooks.signs[len(hooks.signs)-2:] {
		if strings.HasSuffix(call.path, "es256") {
			tried[call.version] = true
		}
	}
	if !tried[2] {
		t.Error("the key that has become active was not tried")
	}

	hooks.onWrite = func(string, map[string]any) error { return oauth.ErrUnavailable }
	if _, err := b.Sign(t.Context(), other.Kid, other.Alg, []byte("a.b")); !errors.Is(err, oauth.ErrUnavailable) {
		t.Fatal(err)
	}
	for range 2 {
		if err := b.Probe(t.Context()); !errors.Is(err, oauth.ErrUnavailable) {
			t.Errorf("after a failure: %v", err)
		}
	}
	hooks.onWrite = nil
	probe(1)
}

// TestProbeOfNothing: without a key there is nothing to sign with.
func TestProbeOfNothing(t *testing.T) {
	b := open(t, options(t, vaulttest.Shared(t)))
	if err := b.Probe(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := b.Sign(t.Context(), "none", "ES256", []byte("a.b")); !errors.Is(err, keys.ErrNoKey) {
		t.Error(err)
	}
}
