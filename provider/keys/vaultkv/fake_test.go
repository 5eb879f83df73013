package vaultkv

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"signet/provider/keys"
	"signet/provider/keys/vault"
	"signet/provider/oauth"
)

var start = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// clock is a settable oauth.Clock.
type clock struct{ since atomic.Int64 }

func (c *clock) now() time.Time          { return start.Add(time.Duration(c.since.Load())) }
func (c *clock) advance(d time.Duration) { c.since.Add(int64(d)) }

func testOptions(c *clock) Options {
	return Options{
		Mount: "secret", Prefix: "signet", RSABits: 2048,
		Clock: c.now, Random: rand.Reader, Log: slog.New(slog.DiscardHandler),
	}
}

// fake is as much of a KV v2 engine as the backend uses, with faults on demand. The contract of the real one is
// tested on a real one; this is for what cannot be timed there.
type fake struct {
	mu        sync.Mutex
	secrets   map[string][]map[string]any // by path, all versions
	gone      map[string]bool             // destroyed: path@version
	failure   error                       // of every operation
	denied    bool                        // of every write
	deny      string                      // reading this path is denied
	loseOnce  string                      // the next write to this path is done and then refused, as if sent twice
	hold      chan struct{}               // reading waits for it
	before    func(path string)           // called before a write, without the lock
	reads     atomic.Int64                // of the signing keys
	dataReads atomic.Int64                // of the data keys
}

func newFake() *fake {
	return &fake{secrets: make(map[string][]map[string]any), gone: make(map[string]bool)}
}

func (f *fake) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failure = err
}

func (f *fake) ReadKV(_ context.Context, _, path string) (map[string]any, int, error) {
	if path == "signet/keys" {
		f.reads.Add(1)
	} else {
		f.dataReads.Add(1)
	}
	f.mu.Lock()
	hold := f.hold
	f.mu.Unlock()
	if hold != nil {
		<-hold
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	versions := f.secrets[path]
	if f.deny == path {
		return nil, 0, vault.ErrDenied
	}
	if f.failure != nil || len(versions) == 0 {
		return nil, 0, f.failure
	}
	return maps.Clone(versions[len(versions)-1]), len(versions), nil // nil: that version has been deleted
}

func (f *fake) WriteKV(_ context.Context, _, path string, data map[string]any, cas int) (int, error) {
	if f.before != nil {
		f.before(path)
	}
	raw, err := json.Marshal(data)
	if err != nil {
		return 0, err
	}
	var plain map[string]any
	if err := json.Unmarshal(raw, &plain); err != nil {
		return 0, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.failure != nil:
		return 0, f.failure
	case f.denied:
		return 0, vault.ErrDenied
	case cas != len(f.secrets[path]):
		return 0, vault.ErrCAS
	}
	f.secrets[path] = append(f.secrets[path], plain)
	if f.loseOnce == path {
		f.loseOnce = ""
		return 0, vault.ErrCAS
	}
	return len(f.secrets[path]), nil
}

func (f *fake) Read(_ context.Context, path string, _ url.Values) (*api.Secret, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failure != nil {
		return nil, f.failure
	}
	versions := map[string]any{}
	for i := range f.secrets[path[len("secret/metadata/"):]] {
		n := strconv.Itoa(i + 1)
		versions[n] = map[string]any{"destroyed": f.gone[path[len("secret/metadata/"):]+"@"+n]}
	}
	return &api.Secret{Data: map[string]any{"versions": versions}}, nil
}

func (f *fake) Write(_ context.Context, path string, data map[string]any) (*api.Secret, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.failure != nil:
		return nil, f.failure
	case f.denied:
		return nil, vault.ErrDenied
	}
	if versions, ok := data["versions"].([]int); ok {
		for _, n := range versions {
			f.gone[fmt.Sprintf("%s@%d", path[len("secret/destroy/"):], n)] = true
		}
	}
	return nil, nil
}

func opened(t *testing.T, opt Options, f *fake) *Backend {
	t.Helper()
	b, err := open(t.Context(), opt, f)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// made returns a backend on a fake Vault with one key.
func made(t *testing.T, grace time.Duration) (*Backend, *fake, *clock, keys.Key) {
	t.Helper()
	c, f := &clock{}, newFake()
	opt := testOptions(c)
	opt.Grace = grace
	b := opened(t, opt, f)
	key, err := b.Create(t.Context(), keys.Spec{Alg: "ES256", CreatedAt: start, ActivatesAt: start})
	if err != nil {
		t.Fatal(err)
	}
	return b, f, c, key
}

func signs(t *testing.T, b *Backend, kid string) bool {
	t.Helper()
	_, err := b.Sign(t.Context(), kid, "ES256", []byte("a.b"))
	if err != nil && !errors.Is(err, oauth.ErrUnavailable) {
		t.Fatal(err)
	}
	return err == nil
}

// poll waits for what another goroutine brings about.
func poll(t *testing.T, condition func() bool) {
	t.Helper()
	for range 2000 {
		if condition() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("it did not come about")
}
