package transit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"signet/provider/jose"
	"signet/provider/keys"
	"signet/provider/keys/transit"
	"signet/provider/keys/vaulttest"
	"signet/provider/oauth"
)

// verify checks a signature over a payload of the test by the public key alone.
func verify(key keys.Key, input, signature []byte) error {
	raw, err := jose.MarshalKeySet([]jose.PublicKey{{Kid: key.Kid, Alg: key.Alg, Public: key.Public}})
	if err != nil {
		return err
	}
	set, err := jose.ParseKeySet(raw)
	if err != nil {
		return err
	}
	_, err = jose.Verify(jose.Compact(input, signature), set, []string{key.Alg})
	return err
}

func inputOf(t testing.TB, key keys.Key, payload string) []byte {
	t.Helper()
	header, err := jose.NewHeader(key.Alg, key.Kid)
	if err != nil {
		t.Fatal(err)
	}
	input, err := header.Input("JWT", []byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	return input
}

func checkSignature(t testing.TB, b *transit.Backend, key keys.Key, payload string) {
	t.Helper()
	input := inputOf(t, key, payload)
	signature, err := b.Sign(t.Context(), key.Kid, key.Alg, input)
	if err != nil {
		t.Errorf("%s: %v", key.Alg, err)
		return
	}
	if err := verify(key, input, signature); err != nil {
		t.Errorf("%s: %v", key.Alg, err)
	}
}

// TestEachGetsItsOwn: hundreds at once over several keys and versions; every signature is of the right input by the
// right key, they travelled together, and no call was for more than one version.
func TestEachGetsItsOwn(t *testing.T) {
	b, hooks := openBetween(t, options(t, vaulttest.Shared(t)))
	first := create(t, b, "ES256", "")
	all := []keys.Key{first, create(t, b, "ES256", first.Kid), create(t, b, "EdDSA", ""), create(t, b, "PS256", "")}
	const each = 150
	var wait sync.WaitGroup
	for n := range each {
		for i, key := range all {
			wait.Go(func() { checkSignature(t, b, key, fmt.Sprintf(`{"n":%d,"key":%d}`, n, i)) })
		}
	}
	wait.Wait()
	items := map[string]int{}
	for _, call := range hooks.signs {
		if call.items < 1 || call.items > transit.MaxBatch {
			t.Errorf("a call of %d", call.items)
		}
		items[fmt.Sprintf("%s %d", call.path[strings.LastIndex(call.path, "/")+1:], call.version)] += call.items
	}
	want := map[string]int{"signet-es256 1": each, "signet-es256 2": each, "signet-eddsa 1": each, "signet-ps256 1": each}
	if fmt.Sprint(items) != fmt.Sprint(want) {
		t.Errorf("calls were for %v, want %v", items, want)
	}
	stats := b.Stats()
	if stats != (transit.Stats{Signatures: 4 * each, Batches: int64(len(hooks.signs)), Items: 4 * each}) {
		t.Errorf("stats: %+v, calls: %d", stats, len(hooks.signs))
	}
	if stats.Batches > stats.Items/2 {
		t.Errorf("%d calls for %d signatures: they did not gather", stats.Batches, stats.Items)
	}
}

// TestOneBadItem: Vault answers a call with one bad item as a success; only its caller fails.
func TestOneBadItem(t *testing.T) {
	b, hooks := openBetween(t, options(t, vaulttest.Shared(t)))
	key := create(t, b, "EdDSA", "") // its inputs travel as they are
	bad := inputOf(t, key, `{"bad":true}`)
	hooks.onWrite = func(_ string, data map[string]any) error {
		raw, err := json.Marshal(data["batch_input"])
		data["batch_input"] = json.RawMessage(bytes.Replace(raw, []byte(base64Of(bad)), []byte("no base64!"), 1))
		return err
	}
	var wait sync.WaitGroup
	for n := range 50 {
		wait.Go(func() { checkSignature(t, b, key, fmt.Sprint(n)) })
		if n == 25 {
			wait.Go(func() {
				signature, err := b.Sign(t.Context(), key.Kid, key.Alg, bad)
				if err == nil || signature != nil || errors.Is(err, oauth.ErrUnavailable) {
					t.Errorf("the bad one got %x, %v", signature, err)
				}
			})
		}
	}
	wait.Wait()
	if stats := b.Stats(); stats.Failures != 1 || stats.Signatures != 50 {
		t.Errorf("stats: %+v", stats)
	}
}

// TestAnswersAreChecked: what is not a signature of the pinned version is an error, whatever Vault calls it.
func TestAnswersAreChecked(t *testing.T) {
	b, hooks := openBetween(t, options(t, vaulttest.Shared(t)))
	key := create(t, b, "ES256", "")
	for name, spoil := range map[string]func(answer map[string]any, result map[string]any){
		"another version": func(_ map[string]any, r map[string]any) {
			r["signature"] = strings.Replace(r["signature"].(string), ":v1:", ":v2:", 1)
		},
		"cut":           func(_ map[string]any, r map[string]any) { r["signature"] = r["signature"].(string)[:60] },
		"not base64":    func(_ map[string]any, r map[string]any) { r["signature"] = "vault:v1:" + strings.Repeat("!", 86) },
		"neither":       func(_ map[string]any, r map[string]any) { delete(r, "signature") },
		"both":          func(_ map[string]any, r map[string]any) { r["error"] = "but" },
		"no results":    func(a map[string]any, _ map[string]any) { delete(a, "batch_results") },
		"too many":      func(a map[string]any, r map[string]any) { a["batch_results"] = []any{r, r} },
		"not an object": func(a map[string]any, _ map[string]any) { a["batch_results"] = []any{"x"} },
	} {
		hooks.onAnswer = func(_ string, answer map[string]any) {
			spoil(answer, answer["batch_results"].([]any)[0].(map[string]any))
		}
		if signature, err := b.Sign(t.Context(), key.Kid, key.Alg, []byte("a.b")); err == nil {
			t.Errorf("%s: got %x", name, signature)
		}
	}
	hooks.onAnswer = nil
	checkSignature(t, b, key, "input")
}

// TestOutage takes Vault away in each way and back; the backend is not opened again.
func TestOutage(t *testing.T) {
	s := vaulttest.Start(t)
	opt := options(t, s)
	b := open(t, opt)
	key := create(t, b, "ES256", "")
	sealed, err := b.Seal(t.Context(), []byte("secret"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name       string
		away, back func()
	}{
		{"sealed", func() { s.Seal(t) }, func() { s.Unseal(t) }},
		{"killed", s.Kill, func() { s.Start(t) }},
	} {
		c.away()
		for what, err := range everything(t.Context(), b, key, sealed) {
			if !errors.Is(err, oauth.ErrUnavailable) {
				t.Errorf("%s: %s: %v", c.name, what, err)
			}
		}
		c.back()
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
			if _, err = b.Sign(t.Context(), key.Kid, key.Alg, []byte("a.b")); err == nil || time.Now().After(deadline) {
				break
			}
		}
		if err != nil {
			t.Fatalf("%s: it is back, and: %v", c.name, err)
		}
		checkSignature(t, b, key, "input")
		if opened, err := b.Open(t.Context(), sealed, nil); err != nil || string(opened) != "secret" {
			t.Errorf("%s: opened %q, %v", c.name, opened, err)
		}
	}
}

// everything tries each operation and returns its error.
func everything(ctx context.Context, b *transit.Backend, key keys.Key, sealed []byte) map[string]error {
	errs := map[string]error{"delete": b.Delete(ctx, key.Kid), "probe": b.Probe(ctx)}
	_, errs["sign"] = b.Sign(ctx, key.Kid, key.Alg, []byte("a.b"))
	_, errs["keys"] = b.Keys(ctx)
	_, errs["create"] = b.Create(ctx, spec(key.Kid))
	_, errs["seal"] = b.Seal(ctx, []byte("x"), nil)
	_, errs["open"] = b.Open(ctx, sealed, nil)
	return errs
}

// TestSlowVault: who cannot wait leaves at once; who can gets an answer when Vault goes on.
func TestSlowVault(t *testing.T) {
	s := vaulttest.Start(t)
	b := open(t, options(t, s))
	key := create(t, b, "ES256", "")
	s.Pause(t)
	ctx, cancel := context.WithCancel(t.Context())
	var leaving, staying sync.WaitGroup
	for n := range 40 {
		leaving.Go(func() {
			if _, err := b.Sign(ctx, key.Kid, key.Alg, []byte("a.b")); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
		staying.Go(func() { checkSignature(t, b, key, fmt.Sprint(n)) })
	}
	cancel()
	leaving.Wait()
	s.Resume(t)
	staying.Wait()
}
