package keystest

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"signet/provider/jose"
	"signet/provider/keys"
)

// Algorithms are those that every backend must be able to make signing keys for.
var Algorithms = []string{"ES256", "PS256", "RS256", "EdDSA"}

// start is when the suite's keys are made; backends take times as given.
var start = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// Run checks a backend against the contract of keys.Backend. open returns a new, empty one each time.
func Run(t *testing.T, open func(t *testing.T) keys.Backend) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, b keys.Backend)
	}{
		{"empty", testEmpty},
		{"create and sign", testCreateAndSign},
		{"create is conditional", testConditional},
		{"one of many wins", func(t *testing.T, b keys.Backend) { testRace(t, b, b) }},
		{"delete", testDelete},
		{"decrypt", testDecrypt},
		{"decrypt refuses", testDecryptRefuses},
		{"seal", testSeal},
		{"data key rotation", func(t *testing.T, b keys.Backend) { testDataKeyRotation(t, b, b) }},
		{"concurrent signing", testConcurrentSigning},
		{"ring", testRing},
		{"ring that decrypts", testDecryptingRing},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

// RunShared checks two backends that look at the same, empty keys, as two processes would.
func RunShared(t *testing.T, open func(t *testing.T) (a, b keys.Backend)) {
	t.Run("one of many wins", func(t *testing.T) {
		a, b := open(t)
		testRace(t, a, b)
	})
	t.Run("data key rotation", func(t *testing.T) {
		a, b := open(t)
		testDataKeyRotation(t, a, b)
	})
	t.Run("what one makes the other uses", func(t *testing.T) {
		a, b := open(t)
		key := create(t, a, keys.Spec{Alg: "ES256", CreatedAt: start, ActivatesAt: start})
		if list := load(t, b); len(list) != 1 || !equal(list[0], key) {
			t.Fatalf("the other sees %v, want %v", list, key)
		}
		checkSignature(t, b, key)
		toDecrypt := create(t, a, decryption)
		if list := load(t, b); len(list) != 2 {
			t.Fatalf("the other sees %v", list)
		}
		checkDecryption(t, b, toDecrypt)
		sealed, err := a.Seal(t.Context(), []byte("secret"), []byte("client 1"))
		if err != nil {
			t.Fatal(err)
		}
		if opened, err := b.Open(t.Context(), sealed, []byte("client 1")); err != nil || string(opened) != "secret" {
			t.Fatalf("the other opens %q, %v", opened, err)
		}
		for _, kid := range []string{key.Kid, toDecrypt.Kid} {
			if err := a.Delete(t.Context(), kid); err != nil {
				t.Fatal(err)
			}
		}
		if list := load(t, b); len(list) != 0 {
			t.Fatalf("the other still sees %v", list)
		}
		if _, err := b.Sign(t.Context(), key.Kid, key.Alg, []byte("a.b")); !errors.Is(err, keys.ErrNoKey) {
			t.Fatalf("the other signs with a deleted key: %v", err)
		}
		_, err = b.DecryptKey(t.Context(), toDecrypt.Kid, toDecrypt.Alg, make([]byte, 256))
		if !errors.Is(err, keys.ErrNoKey) {
			t.Fatalf("the other decrypts with a deleted key: %v", err)
		}
	})
}

func testEmpty(t *testing.T, b keys.Backend) {
	if list := load(t, b); len(list) != 0 {
		t.Fatalf("a new backend has keys: %v", list)
	}
	if _, err := b.Sign(t.Context(), "unknown", "ES256", []byte("a.b")); !errors.Is(err, keys.ErrNoKey) {
		t.Fatalf("signing with an unknown key: %v", err)
	}
}

func testCreateAndSign(t *testing.T, b keys.Backend) {
	var made []keys.Key
	for _, alg := range Algorithms {
		spec := keys.Spec{Alg: alg, CreatedAt: start, ActivatesAt: start.Add(time.Hour)}
		key := create(t, b, spec)
		if thumbprint, err := jose.Thumbprint(key.Public); err != nil || key.Kid != thumbprint {
			t.Errorf("%s: kid %q is not the thumbprint %q (%v)", alg, key.Kid, thumbprint, err)
		}
		if key.Alg != alg || !key.CreatedAt.Equal(spec.CreatedAt) || !key.ActivatesAt.Equal(spec.ActivatesAt) {
			t.Errorf("%s: made %+v, asked for %+v", alg, key, spec)
		}
		checkSignature(t, b, key)
		made = append(made, key)
	}
	list := load(t, b)
	for _, key := range made {
		if !slices.ContainsFunc(list, func(k keys.Key) bool { return equal(k, key) }) {
			t.Errorf("%s key %s is not listed as it was made", key.Alg, key.Kid)
		}
	}
	if len(list) != len(made) {
		t.Errorf("%d keys are listed, %d were made", len(list), len(made))
	}
	if _, err := b.Create(t.Context(), keys.Spec{Alg: "none", CreatedAt: start, ActivatesAt: start}); err == nil {
		t.Error("a key was made for alg none")
	}
	if _, err := b.Sign(t.Context(), made[0].Kid, "PS256", []byte("a.b")); err == nil {
		t.Error("an ES256 key signed as PS256")
	}
}

func testConditional(t *testing.T, b keys.Backend) {
	first := create(t, b, keys.Spec{Alg: "ES256", CreatedAt: start, ActivatesAt: start})
	for _, after := range []string{"", "another"} {
		spec := keys.Spec{Alg: "ES256", After: after, CreatedAt: start, ActivatesAt: start.Add(time.Hour)}
		if _, err := b.Create(t.Context(), spec); !errors.Is(err, keys.ErrConflict) {
			t.Errorf("creating after %q: %v, want a conflict", after, err)
		}
	}
	second := create(t, b, keys.Spec{Alg: "ES256", After: first.Kid, CreatedAt: start, ActivatesAt: start.Add(time.Hour)})
	create(t, b, keys.Spec{Alg: "EdDSA", CreatedAt: start, ActivatesAt: start}) // another line of keys
	if newest, _ := keys.Newest(load(t, b), "ES256"); newest.Kid != second.Kid {
		t.Errorf("the newest is %s, want %s", newest.Kid, second.Kid)
	}
}

// testRace lets twenty try to make the same next key, a and b in turn.
func testRace(t *testing.T, a, b keys.Backend) {
	first := create(t, a, keys.Spec{Alg: "ES256", CreatedAt: start, ActivatesAt: start})
	outcomes := make([]error, 20)
	var wait sync.WaitGroup
	for i := range outcomes {
		backend := []keys.Backend{a, b}[i%2]
		wait.Go(func() {
			spec := keys.Spec{Alg: "ES256", After: first.Kid, CreatedAt: start, ActivatesAt: start.Add(time.Hour)}
			_, outcomes[i] = backend.Create(context.WithoutCancel(t.Context()), spec)
		})
	}
	wait.Wait()
	won := 0
	for _, err := range outcomes {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, keys.ErrConflict):
			t.Errorf("losing the race: %v, want a conflict", err)
		}
	}
	if won != 1 || len(load(t, a)) != 2 {
		t.Errorf("%d won and there are %d keys; want 1 and 2", won, len(load(t, a)))
	}
}

func testDelete(t *testing.T, b keys.Backend) {
	key := create(t, b, keys.Spec{Alg: "ES256", CreatedAt: start, ActivatesAt: start})
	for range 2 {
		if err := b.Delete(t.Context(), key.Kid); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Delete(t.Context(), "../elsewhere"); err != nil {
		t.Errorf("deleting what cannot be a key: %v", err)
	}
	if list := load(t, b); len(list) != 0 {
		t.Errorf("still there: %v", list)
	}
	if _, err := b.Sign(t.Context(), key.Kid, key.Alg, []byte("a.b")); !errors.Is(err, keys.ErrNoKey) {
		t.Errorf("signing with a deleted key: %v", err)
	}
}

func testSeal(t *testing.T, b keys.Backend) {
	secret, label := []byte("a client's secret"), []byte("client 1")
	sealed, err := b.Seal(t.Context(), secret, label)
	if err != nil {
		t.Fatal(err)
	}
	again, err := b.Seal(t.Context(), secret, label)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(sealed, again) || bytes.Contains(sealed, secret) {
		t.Error("sealing shows what is inside")
	}
	if opened, err := b.Open(t.Context(), sealed, label); err != nil || !bytes.Equal(opened, secret) {
		t.Errorf("opened %q, %v", opened, err)
	}
	damaged := bytes.Clone(sealed)
	damaged[len(damaged)-1] ^= 1
	for name, attempt := range map[string][2][]byte{
		"damaged": {damaged, label}, "another context": {sealed, []byte("client 2")}, "cut": {sealed[:5], label}, "nothing": {nil, label},
	} {
		if opened, err := b.Open(t.Context(), attempt[0], attempt[1]); !errors.Is(err, keys.ErrSealed) {
			t.Errorf("%s: opened %q, %v", name, opened, err)
		}
	}
}

// testDataKeyRotation: a rotates; what it sealed before and after opens at b, and signing goes on. It asks nothing
// of a backend whose data key cannot be replaced.
func testDataKeyRotation(t *testing.T, a, b keys.Backend) {
	rotator, ok := a.(keys.DataKeyRotator)
	if !ok {
		return
	}
	key := create(t, a, keys.Spec{Alg: "ES256", CreatedAt: start, ActivatesAt: start})
	label := []byte("client 1")
	var sealed [][]byte
	for range 3 {
		s, err := a.Seal(t.Context(), []byte("secret"), label)
		if err != nil {
			t.Fatal(err)
		}
		sealed = append(sealed, s)
		for i, s := range sealed {
			if opened, err := b.Open(t.Context(), s, label); err != nil || string(opened) != "secret" {
				t.Fatalf("sealed with data key %d of %d: opened %q, %v", i+1, len(sealed), opened, err)
			}
		}
		if list := load(t, b); len(list) != 1 || !equal(list[0], key) {
			t.Fatalf("keys %v, want %v", list, key)
		}
		checkSignature(t, b, key)
		if err := rotator.RotateDataKey(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func testConcurrentSigning(t *testing.T, b keys.Backend) {
	key := create(t, b, keys.Spec{Alg: "ES256", CreatedAt: start, ActivatesAt: start})
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 10 {
				if _, err := b.Sign(t.Context(), key.Kid, key.Alg, []byte("a.b")); err != nil {
					t.Error(err)
				}
				if _, err := b.Keys(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
}

// checkSignature signs by the backend and checks by jose: the form of RFC 7518 section 3.
func checkSignature(t *testing.T, b keys.Backend, key keys.Key) {
	t.Helper()
	header, err := jose.NewHeader(key.Alg, key.Kid)
	if err != nil {
		t.Fatal(err)
	}
	input, err := header.Input("JWT", []byte(`{"sub":"demo"}`))
	if err != nil {
		t.Fatal(err)
	}
	signature, err := b.Sign(t.Context(), key.Kid, key.Alg, input)
	if err != nil {
		t.Fatalf("%s: %v", key.Alg, err)
	}
	token := jose.Compact(input, signature)
	raw, err := jose.MarshalKeySet([]jose.PublicKey{{Kid: key.Kid, Alg: key.Alg, Public: key.Public}})
	if err != nil {
		t.Fatal(err)
	}
	set, err := jose.ParseKeySet(raw)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := jose.Verify(token, set, []string{key.Alg}); err != nil {
		t.Errorf("%s: %v", key.Alg, err)
	}
}

func create(t *testing.T, b keys.Backend, spec keys.Spec) keys.Key {
	t.Helper()
	key, err := b.Create(t.Context(), spec)
	if err != nil {
		t.Fatalf("making a %s key: %v", spec.Alg, err)
	}
	return key
}

func load(t *testing.T, b keys.Backend) []keys.Key {
	t.Helper()
	list, err := b.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func equal(a, b keys.Key) bool {
	return a.Kid == b.Kid && a.Alg == b.Alg && a.CreatedAt.Equal(b.CreatedAt) && a.ActivatesAt.Equal(b.ActivatesAt)
}
