package vaulttest

import (
	"os"
	"testing"
)

func TestMain(m *testing.M) { os.Exit(Main(m)) }

// TestLives takes a Vault through what tests do to it: the data outlives each.
func TestLives(t *testing.T) {
	s := Start(t)
	mount := s.Mount(t, "kv")
	client := s.Client(t)
	if _, err := client.KVv2(mount).Put(t.Context(), "record", map[string]any{"value": "kept"}); err != nil {
		t.Fatal(err)
	}
	check := func(after string) {
		t.Helper()
		got, err := client.KVv2(mount).Get(t.Context(), "record")
		if err != nil || got.Data["value"] != "kept" {
			t.Fatalf("after %s: %v, %v", after, got, err)
		}
	}
	s.Seal(t)
	if _, err := client.KVv2(mount).Get(t.Context(), "record"); err == nil {
		t.Fatal("a sealed Vault answers")
	}
	s.Unseal(t)
	check("seal")
	s.Kill()
	s.Start(t)
	check("kill")
	s.Pause(t)
	s.Resume(t)
	check("pause")
}

// TestMounts checks that every engine and authentication method that Signet uses is there.
func TestMounts(t *testing.T) {
	s := Shared(t)
	for _, engine := range []string{"transit", "kv", "pki"} {
		s.Mount(t, engine)
	}
	for _, method := range []string{"approle", "cert"} {
		s.EnableAuth(t, method)
	}
}
