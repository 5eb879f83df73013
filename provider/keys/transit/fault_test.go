package transit_test

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"sync"
	"testing"

	"signet/provider/keys/transit"
)

// between stands between a backend and Vault. A hook that is nil does nothing; one that returns an error keeps
// the call from Vault.
type between struct {
	transit.Caller
	onRead    func(path string) error
	onWrite   func(path string, data map[string]any) error
	onAnswer  func(path string, answer map[string]any)
	onWriteKV func() error
	afterKV   func() error // the answer of a write to KV is lost

	mu    sync.Mutex
	signs []signCall
}

type signCall struct {
	path    string
	version int
	items   int
}

func (b *between) Read(ctx context.Context, path string, query url.Values) (map[string]any, error) {
	if b.onRead != nil {
		if err := b.onRead(path); err != nil {
			return nil, err
		}
	}
	return b.Caller.Read(ctx, path, query)
}

func (b *between) Write(ctx context.Context, path string, data map[string]any) (map[string]any, error) {
	if b.onWrite != nil {
		if err := b.onWrite(path, data); err != nil {
			return nil, err
		}
	}
	if strings.Contains(path, "/sign/") {
		b.note(path, data)
	}
	answer, err := b.Caller.Write(ctx, path, data)
	if b.onAnswer != nil && err == nil {
		b.onAnswer(path, answer)
	}
	return answer, err
}

func (b *between) note(path string, data map[string]any) {
	var items []map[string]string
	raw, err := json.Marshal(data["batch_input"])
	if err != nil {
		panic(err)
	}
	if err := json.Unmarshal(raw, &items); err != nil {
		panic(err)
	}
	version, _ := data["key_version"].(int)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.signs = append(b.signs, signCall{path, version, len(items)})
}

func (b *between) WriteKV(ctx context.Context, mount, path string, data map[string]any, cas int) (int, error) {
	if b.onWriteKV != nil {
		if err := b.onWriteKV(); err != nil {
			return 0, err
		}
	}
	version, err := b.Caller.WriteKV(ctx, mount, path, data, cas)
	if b.afterKV != nil && err == nil {
		return 0, b.afterKV()
	}
	return version, err
}

// openBetween opens a backend with hooks to be set.
func openBetween(t testing.TB, opt transit.Options) (*transit.Backend, *between) {
	t.Helper()
	hooks := &between{Caller: opt.Calls()}
	b, err := transit.OpenWith(t.Context(), opt, hooks)
	if err != nil {
		t.Fatal(err)
	}
	return b, hooks
}
