package transit_test

import (
	"log/slog"
	"os"
	"testing"
	"time"

	"signet/provider/keys"
	"signet/provider/keys/keystest"
	"signet/provider/keys/transit"
	"signet/provider/keys/vault"
	"signet/provider/keys/vaulttest"
)

func TestMain(m *testing.M) { os.Exit(vaulttest.Main(m)) }

var start = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// login returns a client with a token: the root's, if it is "".
func login(t testing.TB, s *vaulttest.Server, token string) *vault.Client {
	t.Helper()
	client, err := vault.Open(t.Context(), vault.Options{
		Address: s.Address(), CAFile: s.CAFile(), Timeout: 30 * time.Second, Clock: time.Now,
		Auth: vault.Auth{Method: "token_file", TokenFile: s.TokenFile(t, token)}, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// options are those of a new, empty installation in a Vault.
func options(t testing.TB, s *vaulttest.Server) transit.Options {
	t.Helper()
	return transit.Options{
		Client: login(t, s, ""), Mount: s.Mount(t, "transit"), KVMount: s.Mount(t, "kv"), Prefix: "signet",
		Clock: time.Now, Log: slog.New(slog.DiscardHandler),
	}
}

func open(t testing.TB, opt transit.Options) *transit.Backend {
	t.Helper()
	b, err := transit.Open(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// create makes the next key of an algorithm.
func create(t testing.TB, b *transit.Backend, alg, after string) keys.Key {
	t.Helper()
	activates := start
	if after != "" {
		list := load(t, b)
		for _, key := range list {
			if key.Kid == after {
				activates = key.ActivatesAt.Add(time.Hour)
			}
		}
	}
	key, err := b.Create(t.Context(), keys.Spec{Alg: alg, After: after, CreatedAt: start, ActivatesAt: activates})
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func load(t testing.TB, b *transit.Backend) []keys.Key {
	t.Helper()
	list, err := b.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestContract(t *testing.T) {
	s := vaulttest.Shared(t)
	keystest.Run(t, func(t *testing.T) keys.Backend { return open(t, options(t, s)) })
	keystest.RunShared(t, func(t *testing.T) (keys.Backend, keys.Backend) {
		opt := options(t, s)
		first := open(t, opt)
		opt.Client = login(t, s, "")
		return first, open(t, opt)
	})
}
