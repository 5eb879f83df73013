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
	"signet/provider/keys/vaulttest"
	"signet/provider/oauth"
)

// TestDecryptLeavesTheBreakerClosed: the contract's refusals, sent to Vault, are no failures of Vault.
func TestDecryptLeavesTheBreakerClosed(t *testing.T) {
	opt := options(t, vaulttest.Shared(t))
	b := open(t, opt)
	key := create(t, b, jose.DecryptionAlg, "")
	for range 20 {
		if _, err := b.DecryptKey(t.Context(), key.Kid, key.Alg, make([]byte, 384)); err == nil {
			t.Fatal("zeros were decrypted")
		}
	}
	if state := opt.Client.State(); state != "closed" {
		t.Errorf("the breaker is %s", state)
	}
}

// TestDecryptOutage: what Vault does not answer is no fault of the sender.
func TestDecryptOutage(t *testing.T) {
	b, hooks := openBetween(t, options(t, vaulttest.Shared(t)))
	key := create(t, b, jose.DecryptionAlg, "")
	hooks.onWrite = func(string, map[string]any) error { return oauth.ErrUnavailable }
	if _, err := b.DecryptKey(t.Context(), key.Kid, key.Alg, make([]byte, 384)); !errors.Is(err, oauth.ErrUnavailable) {
		t.Errorf("in an outage: %v", err)
	}
	hooks.onWrite = nil
	hooks.onAnswer = func(_ string, answer map[string]any) {
		answer["batch_results"] = []any{map[string]any{"error": "no"}, nil}
	}
	if _, err := b.DecryptKey(t.Context(), key.Kid, key.Alg, make([]byte, 384)); err == nil || errors.Is(err, keys.ErrSealed) {
		t.Errorf("a key that decrypts no more: %v", err)
	}
}

// TestProbeDecrypts: one call for each ProofFor, none for a key that has just decrypted; loading the keys again forgets
// nothing, and what failed is tried again at once.
func TestProbeDecrypts(t *testing.T) {
	opt := options(t, vaulttest.Shared(t))
	var later atomic.Int64
	opt.Clock = func() time.Time { return start.Add(time.Duration(later.Load())) }
	b, hooks := openBetween(t, opt)
	create(t, b, jose.DecryptionAlg, "")
	var calls int
	fails := false
	hooks.onWrite = func(path string, _ map[string]any) error {
		if !strings.Contains(path, "/decrypt/") {
			return nil
		}
		calls++
		if fails {
			return oauth.ErrUnavailable
		}
		return nil
	}
	probe := func(want int, wantErr error) {
		t.Helper()
		calls = 0
		for range 3 {
			load(t, b)
			if err := b.Probe(t.Context()); !errors.Is(err, wantErr) {
				t.Errorf("got %v, want %v", err, wantErr)
			}
		}
		if calls != want {
			t.Errorf("%d calls, want %d", calls, want)
		}
	}
	probe(1, nil)
	probe(0, nil)
	later.Add(int64(transit.ProofFor))
	fails = true
	probe(3, oauth.ErrUnavailable)
	fails = false
	probe(1, nil)
}
