package file_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"signet/provider/keys"
	"signet/provider/keys/file"
)

// childVariable makes this test binary a second process that starts on a key directory and rotates.
const childVariable = "SIGNET_TEST_KEY_DIRECTORY"

func TestMain(m *testing.M) {
	if directory := os.Getenv(childVariable); directory != "" {
		if err := child(directory); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func child(directory string) error {
	log := slog.New(slog.DiscardHandler)
	backend, err := file.Open(context.Background(), file.Cheap(file.Options{
		Directory: filepath.Join(directory, "keys"), PassphraseFile: filepath.Join(directory, "passphrase"), Random: rand.Reader, Log: log,
	}))
	if err != nil {
		return err
	}
	ring, err := keys.NewRing(context.Background(), backend, keys.Options{
		Clock: time.Now, Algs: []string{"ES256", "EdDSA"}, PublishFor: time.Hour, RetireAfter: time.Hour, Maintain: true, Log: log,
	})
	if err != nil {
		return err
	}
	if _, err := ring.Rotate(context.Background(), "ES256"); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(ring.List())
}

// TestProcesses starts four processes on one empty directory: together they make one set of first keys and
// rotate once.
func TestProcesses(t *testing.T) {
	directory := t.TempDir()
	write(t, filepath.Join(directory, "passphrase"), []byte(passphrase))
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	type result struct {
		out []byte
		err error
	}
	results := make(chan result)
	for range 4 {
		go func() {
			command := exec.CommandContext(t.Context(), binary)
			command.Env = append(os.Environ(), childVariable+"="+directory)
			command.Stderr = os.Stderr
			out, err := command.Output()
			results <- result{out, err}
		}()
	}
	var first string
	for range 4 {
		r := <-results
		if r.err != nil {
			t.Fatal(r.err)
		}
		var list []keys.Info
		if err := json.Unmarshal(r.out, &list); err != nil {
			t.Fatal(err)
		}
		if len(list) != 3 || list[0].State != keys.Active || list[1].State != keys.Next || list[2].Alg != "EdDSA" {
			t.Errorf("a process sees %s", r.out)
		}
		if first == "" {
			first = string(r.out)
		}
		if string(r.out) != first {
			t.Errorf("processes disagree:\n%s%s", first, r.out)
		}
	}
}
