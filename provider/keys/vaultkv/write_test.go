package vaultkv

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"signet/provider/keys"
	"signet/provider/keys/vault"
)

// TestLostAnswer: a write that Vault did although its answer was lost is recognised when it is sent again.
func TestLostAnswer(t *testing.T) {
	c, f := &clock{}, newFake()
	f.loseOnce = "signet/data-keys"
	b := opened(t, testOptions(c), f)
	f.loseOnce = "signet/keys"
	key, err := b.Create(t.Context(), keys.Spec{Alg: "ES256", CreatedAt: start, ActivatesAt: start})
	if err != nil {
		t.Fatal(err)
	}
	if list, err := b.Keys(t.Context()); err != nil || len(list) != 1 || list[0].Kid != key.Kid {
		t.Errorf("%v, %v", list, err)
	}
	f.loseOnce = "signet/data-keys"
	if err := b.RotateDataKey(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(f.secrets["signet/data-keys"]); n != 2 {
		t.Errorf("%d versions of the data keys, want 2", n)
	}
	f.loseOnce = "signet/keys"
	if err := b.Delete(t.Context(), key.Kid); err != nil {
		t.Fatal(err)
	}
	if list, err := b.Keys(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("%v, %v", list, err)
	}
	checkDestroyed(t, f)
}

// TestOtherAlgorithmBetween: a key of another algorithm that comes between is no conflict.
func TestOtherAlgorithmBetween(t *testing.T) {
	c, f := &clock{}, newFake()
	a, b := opened(t, testOptions(c), f), opened(t, testOptions(c), f)
	f.before = func(path string) {
		f.before = nil
		if _, err := b.Create(t.Context(), keys.Spec{Alg: "EdDSA", CreatedAt: start, ActivatesAt: start}); err != nil {
			t.Error(path, err)
		}
	}
	if _, err := a.Create(t.Context(), keys.Spec{Alg: "ES256", CreatedAt: start, ActivatesAt: start}); err != nil {
		t.Fatal(err)
	}
	if list, err := b.Keys(t.Context()); err != nil || len(list) != 2 {
		t.Errorf("%v, %v", list, err)
	}
}

// TestDataKeysAtOnce: two processes that rotate the data key at once make one.
func TestDataKeysAtOnce(t *testing.T) {
	b, f, c, key := made(t, 0)
	other := opened(t, testOptions(c), f)
	f.before = func(string) {
		f.before = nil
		if err := other.RotateDataKey(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if err := b.RotateDataKey(t.Context()); !errors.Is(err, keys.ErrConflict) {
		t.Errorf("the loser: %v", err)
	}
	if n := len(f.secrets["signet/data-keys"]); n != 2 {
		t.Errorf("%d versions of the data keys, want 2", n)
	}
	if _, err := b.Keys(t.Context()); err != nil || !signs(t, b, key.Kid) {
		t.Error(err)
	}
	checkDestroyed(t, f)
}

// checkDestroyed: no former version of the signing keys has content.
func checkDestroyed(t *testing.T, f *fake) {
	t.Helper()
	for n := 1; n < len(f.secrets["signet/keys"]); n++ {
		if !f.gone[fmt.Sprintf("signet/keys@%d", n)] {
			t.Errorf("version %d of the signing keys is still there", n)
		}
	}
}

// TestDeleteCompletes: a Delete that failed between its two steps is completed by the next.
func TestDeleteCompletes(t *testing.T) {
	b, f, _, key := made(t, 0)
	next := f.secrets["signet/keys"][0]
	f.secrets["signet/keys"] = append(f.secrets["signet/keys"], map[string]any{"format": next["format"], "keys": []any{}})
	if err := b.Delete(t.Context(), key.Kid); err != nil {
		t.Fatal(err)
	}
	checkDestroyed(t, f)
}

func TestReadOnly(t *testing.T) {
	b, f, c, key := made(t, 0)
	f.denied = true
	_, err := b.Create(t.Context(), keys.Spec{Alg: "EdDSA", CreatedAt: start, ActivatesAt: start})
	for name, err := range map[string]error{
		"create": err, "delete": b.Delete(t.Context(), key.Kid), "rotate": b.RotateDataKey(t.Context()),
	} {
		if !errors.Is(err, vault.ErrDenied) || strings.Count(err.Error(), "keys.vault.keeper") != 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if !signs(t, b, key.Kid) {
		t.Error("does not sign any more")
	}
	empty := newFake()
	empty.denied = true
	if _, err := open(t.Context(), testOptions(c), empty); !errors.Is(err, keys.ErrNoKey) || !errors.Is(err, vault.ErrDenied) {
		t.Errorf("opening what is empty: %v", err)
	}
}

// TestResealed: after a rotation nothing is sealed with the data key before, not even by a process that has not
// taken notice of the new one.
func TestResealed(t *testing.T) {
	b, f, c, key := made(t, 0)
	other := opened(t, testOptions(c), f)
	if err := b.RotateDataKey(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Create(t.Context(), keys.Spec{Alg: "ES256", After: key.Kid, CreatedAt: start, ActivatesAt: start.Add(1)}); err != nil {
		t.Fatal(err)
	}
	for kid, e := range other.now.Load().byKid {
		if id, ok := sealedWith(e.record.Private); !ok || id != b.data.Load().signing.newest {
			t.Errorf("%s is sealed with %x", kid, id)
		}
	}
	checkContent(t, f, 2)
}

func checkContent(t *testing.T, f *fake, want int) {
	t.Helper()
	versions := f.secrets["signet/keys"]
	records, err := parseRecords(versions[len(versions)-1])
	if err != nil || len(records) != want {
		t.Fatalf("%d records, %v", len(records), err)
	}
	if !slices.IsSortedFunc(records, func(a, b record) int { return strings.Compare(a.Kid(), b.Kid()) }) {
		t.Error("the records have no fixed order")
	}
}

// TestUnknownDataKey: damaged data that names a data key nobody has costs one look per Fresh.
func TestUnknownDataKey(t *testing.T) {
	b, f, c, _ := made(t, 0)
	sealed, err := b.Seal(t.Context(), []byte("secret"), nil)
	if err != nil {
		t.Fatal(err)
	}
	sealed[3] ^= 1
	dataKeyReads := func() int64 { return f.dataReads.Load() }
	before := dataKeyReads()
	for range 5 {
		if _, err := b.Open(t.Context(), sealed, nil); !errors.Is(err, keys.ErrSealed) {
			t.Errorf("opening: %v", err)
		}
	}
	if n := dataKeyReads() - before; n != 1 {
		t.Errorf("%d reads", n)
	}
	c.advance(Fresh)
	_, _ = b.Open(t.Context(), sealed, nil)
	if n := dataKeyReads() - before; n != 3 { // one look, and one loading to be in contact
		t.Errorf("%d reads after a while", n)
	}
}
