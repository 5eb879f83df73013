package vault_test

import (
	"errors"
	"testing"

	"signet/provider/keys/vault"
	"signet/provider/keys/vaulttest"
)

func TestKV(t *testing.T) {
	s := vaulttest.Shared(t)
	mount, c := s.Mount(t, "kv"), open(t, rootOptions(t, s))
	read := func(want any, wantVersion int) {
		t.Helper()
		data, version, err := c.ReadKV(t.Context(), mount, "a/b")
		if err != nil || data["k"] != want || version != wantVersion {
			t.Fatalf("read %v, version %d, %v; want %v, version %d", data, version, err, want, wantVersion)
		}
	}
	write := func(value string, cas, want int) {
		t.Helper()
		version, err := c.WriteKV(t.Context(), mount, "a/b", map[string]any{"k": value}, cas)
		if want == 0 && !errors.Is(err, vault.ErrCAS) {
			t.Fatalf("write with %d: version %d, %v; want ErrCAS", cas, version, err)
		} else if want > 0 && (err != nil || version != want) {
			t.Fatalf("write with %d: version %d, %v; want %d", cas, version, err, want)
		}
	}
	read(nil, 0)
	write("x", 1, 0)
	write("one", 0, 1)
	read("one", 1)
	write("x", 0, 0)
	write("two", 1, 2)
	read("two", 2)
	must(t, c.Delete(t.Context(), mount+"/data/a/b"))
	read(nil, 2)
	write("x", 0, 0)
	write("three", 2, 3)
	must(t, c.Delete(t.Context(), mount+"/metadata/a/b"))
	read(nil, 0)
}

// TestKVWantsVersion2 gives a path that is no KV version 2 mount.
func TestKVWantsVersion2(t *testing.T) {
	s := vaulttest.Shared(t)
	c := open(t, rootOptions(t, s))
	_, err := c.WriteKV(t.Context(), "nowhere", "a", map[string]any{"k": "v"}, 0)
	var answer *vault.Error
	if !errors.As(err, &answer) || answer.Status != 404 {
		t.Errorf("got %v", err)
	}
}
