package vaultkv_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"signet/provider/keys"
	"signet/provider/keys/keystest"
	"signet/provider/keys/vault"
	"signet/provider/keys/vaultkv"
	"signet/provider/keys/vaulttest"
	"signet/provider/oauth"
)

func TestMain(m *testing.M) { os.Exit(vaulttest.Main(m)) }

var start = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

var first = keys.Spec{Alg: "ES256", CreatedAt: start, ActivatesAt: start}

// place is a prefix of its own in a Vault.
type place struct {
	server        *vaulttest.Server
	mount, prefix string
	clock         oauth.Clock
}

var prefixes atomic.Int64

func newPlace(t testing.TB, s *vaulttest.Server, mount string) place {
	t.Helper()
	return place{s, mount, "signet-" + strconv.FormatInt(prefixes.Add(1), 10), time.Now}
}

// client logs in with a token; "" is the root's.
func (p place) client(t testing.TB, token string) *vault.Client {
	t.Helper()
	c, err := vault.Open(t.Context(), vault.Options{
		Address: p.server.Address(), CAFile: p.server.CAFile(), Timeout: time.Second, Clock: time.Now,
		Auth: vault.Auth{Method: vault.TokenFile, TokenFile: p.server.TokenFile(t, token)},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func (p place) options(c *vault.Client) vaultkv.Options {
	return vaultkv.Options{
		Client: c, Mount: p.mount, Prefix: p.prefix, RSABits: 2048,
		Clock: p.clock, Random: rand.Reader, Log: slog.New(slog.DiscardHandler),
	}
}

func (p place) open(t testing.TB) *vaultkv.Backend {
	t.Helper()
	b, err := vaultkv.Open(t.Context(), p.options(p.client(t, "")))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func create(t testing.TB, b *vaultkv.Backend, spec keys.Spec) keys.Key {
	t.Helper()
	key, err := b.Create(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestContract(t *testing.T) {
	s := vaulttest.Shared(t)
	mount := s.Mount(t, "kv")
	keystest.Run(t, func(t *testing.T) keys.Backend { return newPlace(t, s, mount).open(t) })
	keystest.RunShared(t, func(t *testing.T) (keys.Backend, keys.Backend) {
		p := newPlace(t, s, mount)
		return p.open(t), p.open(t)
	})
}

// TestStartAtOnce: many processes that start on an empty Vault agree on one data key.
func TestStartAtOnce(t *testing.T) {
	s := vaulttest.Shared(t)
	p := newPlace(t, s, s.Mount(t, "kv"))
	client := p.client(t, "")
	backends := make([]*vaultkv.Backend, 8)
	var wait sync.WaitGroup
	for i := range backends {
		wait.Go(func() {
			b, err := vaultkv.Open(t.Context(), p.options(client))
			if err != nil {
				t.Error(err)
			}
			backends[i] = b
		})
	}
	wait.Wait()
	if t.Failed() {
		return
	}
	sealed, err := backends[0].Seal(t.Context(), []byte("secret"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range backends {
		if opened, err := b.Open(t.Context(), sealed, nil); err != nil || string(opened) != "secret" {
			t.Errorf("opened %q, %v", opened, err)
		}
	}
	if n := current(t, p, "data-keys"); n != 1 {
		t.Errorf("%d data keys were written", n)
	}
}

// current returns the version that a secret is at.
func current(t *testing.T, p place, name string) int {
	t.Helper()
	m, err := p.server.Client(t).KVv2(p.mount).GetMetadata(t.Context(), p.prefix+"/"+name)
	if err != nil {
		t.Fatal(err)
	}
	return m.CurrentVersion
}

// TestDataKeyRotation: what was sealed before opens after, in a process that starts then, too; nothing of the
// signing keys remains under the old data key.
func TestDataKeyRotation(t *testing.T) {
	s := vaulttest.Shared(t)
	p := newPlace(t, s, s.Mount(t, "kv"))
	b := p.open(t)
	key := create(t, b, first)
	old, err := b.Seal(t.Context(), []byte("old"), []byte("label"))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.RotateDataKey(t.Context()); err != nil {
		t.Fatal(err)
	}
	fresh, err := b.Seal(t.Context(), []byte("new"), []byte("label"))
	if err != nil {
		t.Fatal(err)
	}
	if string(old[:9]) == string(fresh[:9]) {
		t.Error("the old data key still seals")
	}
	later := p.open(t)
	for want, sealed := range map[string][]byte{"old": old, "new": fresh} {
		if opened, err := later.Open(t.Context(), sealed, []byte("label")); err != nil || string(opened) != want {
			t.Errorf("opened %q, %v; want %q", opened, err, want)
		}
	}
	if _, err := later.Sign(t.Context(), key.Kid, key.Alg, []byte("a.b")); err != nil {
		t.Error(err)
	}
	checkOneVersion(t, p)
}

// checkOneVersion: of all versions of the signing keys only the present one can be read.
func checkOneVersion(t *testing.T, p place) {
	t.Helper()
	kv, path := p.server.Client(t).KVv2(p.mount), p.prefix+"/keys"
	now := current(t, p, "keys")
	for version := 1; version <= now; version++ {
		secret, err := kv.GetVersion(t.Context(), path, version)
		if there := err == nil && secret.Data != nil; there != (version == now) {
			t.Errorf("version %d of %d can be read: %v (%v)", version, now, there, err)
		}
		if version < now {
			_ = kv.Undelete(t.Context(), path, []int{version})
		}
	}
}

// TestDeleteDestroys: no version of the secret has a deleted key, whatever number of versions is kept.
func TestDeleteDestroys(t *testing.T) {
	s := vaulttest.Shared(t)
	p := newPlace(t, s, s.Mount(t, "kv"))
	b := p.open(t)
	key := create(t, b, first)
	next := create(t, b, keys.Spec{Alg: "ES256", After: key.Kid, CreatedAt: start, ActivatesAt: start.Add(time.Hour)})
	checkOneVersion(t, p) // Vault's own limit does it
	client := s.Client(t).KVv2(p.mount)
	if err := client.PutMetadata(t.Context(), p.prefix+"/keys", api.KVMetadataPutInput{MaxVersions: 10, CASRequired: true}); err != nil {
		t.Fatal(err)
	}
	create(t, b, keys.Spec{Alg: "EdDSA", CreatedAt: start, ActivatesAt: start})
	if m, err := client.GetMetadata(t.Context(), p.prefix+"/keys"); err != nil || len(m.Versions) != 2 {
		t.Fatalf("the test wants several versions: %+v, %v", m, err)
	}
	if err := b.Delete(t.Context(), key.Kid); err != nil {
		t.Fatal(err)
	}
	checkOneVersion(t, p)
	checkOneVersion(t, p) // undeleting has brought nothing back
	if _, err := b.Sign(t.Context(), next.Kid, next.Alg, []byte("a.b")); err != nil {
		t.Error(err)
	}
}

// TestCheckAndSetIsRequired: nobody overwrites the signing keys unseen.
func TestCheckAndSetIsRequired(t *testing.T) {
	s := vaulttest.Shared(t)
	p := newPlace(t, s, s.Mount(t, "kv"))
	create(t, p.open(t), first)
	if _, err := s.Client(t).KVv2(p.mount).Put(t.Context(), p.prefix+"/keys", map[string]any{"a": "b"}); err == nil {
		t.Error("they were overwritten")
	}
}

// token returns one that may do what the policy says.
func (p place) token(t *testing.T, policy string) string {
	t.Helper()
	client := p.server.Client(t)
	name := fmt.Sprintf("%s-%d", p.prefix, prefixes.Add(1))
	if err := client.Sys().PutPolicyWithContext(t.Context(), name, policy); err != nil {
		t.Fatal(err)
	}
	secret, err := client.Auth().Token().CreateWithContext(t.Context(), &api.TokenCreateRequest{Policies: []string{name}})
	if err != nil {
		t.Fatal(err)
	}
	return secret.Auth.ClientToken
}

// TestIdentities: with the shipped policies the keeper may do everything, the serving identity may sign and seal.
func TestIdentities(t *testing.T) {
	s := vaulttest.Shared(t)
	p := newPlace(t, s, s.Mount(t, "kv"))
	layout := vault.Layout{Backend: "vaultkv", KVMount: p.mount, Prefix: p.prefix}
	serving, keeping := p.client(t, p.token(t, layout.ServePolicy())), p.client(t, p.token(t, layout.KeysPolicy()))
	if _, err := vaultkv.Open(t.Context(), p.options(serving)); !errors.Is(err, vault.ErrDenied) || !errors.Is(err, keys.ErrNoKey) {
		t.Errorf("serving from an empty Vault: %v", err)
	}
	keeper, err := vaultkv.Open(t.Context(), p.options(keeping))
	if err != nil {
		t.Fatal(err)
	}
	key := create(t, keeper, first)
	next := create(t, keeper, keys.Spec{Alg: "ES256", After: key.Kid, CreatedAt: start, ActivatesAt: start.Add(time.Hour)})
	if err := errors.Join(keeper.RotateDataKey(t.Context()), keeper.Delete(t.Context(), key.Kid)); err != nil {
		t.Fatal(err)
	}
	server, err := vaultkv.Open(t.Context(), p.options(serving))
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Probe(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := server.Sign(t.Context(), next.Kid, "ES256", []byte("a.b")); err != nil {
		t.Error(err)
	}
	if _, err := server.Seal(t.Context(), []byte("secret"), nil); err != nil {
		t.Error(err)
	}
	_, err = server.Create(t.Context(), keys.Spec{Alg: "ES256", After: next.Kid, CreatedAt: start, ActivatesAt: start.Add(2 * time.Hour)})
	for what, err := range map[string]error{
		"create": err, "delete": server.Delete(t.Context(), next.Kid), "rotate": server.RotateDataKey(t.Context()),
	} {
		if !errors.Is(err, vault.ErrDenied) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
