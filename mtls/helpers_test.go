package mtls_test

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"testing"
	"time"

	"signet/certs"
)

// now is the moment of every test.
var now = time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)

func newCA(t testing.TB, name string) *certs.CA {
	t.Helper()
	ca, err := certs.NewCA(rand.Reader, now, name)
	return must(t, ca, err)
}

func issue(t testing.TB, ca *certs.CA, request certs.Request) *certs.Leaf {
	t.Helper()
	leaf, err := ca.Issue(request)
	return must(t, leaf, err)
}

func must[T any](t testing.TB, value T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// write puts data into a file of dir, replacing it in one step, and returns its path.
func write(t testing.TB, dir, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	return path
}

// eventually polls for at most ten seconds.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for range 1000 {
		if done() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("still not: %s", what)
}
