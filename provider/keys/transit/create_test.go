package transit_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"signet/provider/jose"
	"signet/provider/keys"
	"signet/provider/keys/transit"
	"signet/provider/keys/vault"
	"signet/provider/keys/vaulttest"
	"signet/provider/oauth"
)

// versions reads from Vault which versions of a transit key it still has.
func versions(t *testing.T, s *vaulttest.Server, opt transit.Options, suffix string) []string {
	t.Helper()
	secret, err := s.Client(t).Logical().ReadWithContext(t.Context(), opt.Mount+"/keys/"+opt.Prefix+"-"+suffix)
	if err != nil || secret == nil {
		t.Fatal(secret, err)
	}
	held, _ := secret.Data["keys"].(map[string]any)
	return slices.Sorted(maps.Keys(held))
}

func write(t *testing.T, s *vaulttest.Server, path string, data map[string]any) {
	t.Helper()
	if _, err := s.Client(t).Logical().WriteWithContext(t.Context(), path, data); err != nil {
		t.Fatal(err)
	}
}

func spec(after string) keys.Spec {
	return keys.Spec{Alg: "ES256", After: after, CreatedAt: start, ActivatesAt: start.Add(time.Hour)}
}

// TestStopsBeforeItRecords: the version that was made does not count, and the next Create takes it.
func TestStopsBeforeItRecords(t *testing.T) {
	s := vaulttest.Shared(t)
	opt := options(t, s)
	b, hooks := openBetween(t, opt)
	first := create(t, b, "ES256", "")
	hooks.onWriteKV = func() error { return oauth.ErrUnavailable }
	if _, err := b.Create(t.Context(), spec(first.Kid)); !errors.Is(err, oauth.ErrUnavailable) {
		t.Fatal(err)
	}
	if list := load(t, b); len(list) != 1 || list[0].Kid != first.Kid {
		t.Fatalf("listed: %v", list)
	}
	if held := versions(t, s, opt, "es256"); len(held) != 2 {
		t.Fatalf("transit has versions %v", held)
	}
	again := open(t, opt)
	second := create(t, again, "ES256", first.Kid)
	if held := versions(t, s, opt, "es256"); len(held) != 2 {
		t.Errorf("transit has versions %v, want the left one used", held)
	}
	checkSignature(t, again, second, "input")
	checkSignature(t, again, first, "input")
}

// TestAnswerOfTheRecordLost: the key is there, and trying again is a conflict, not a second key.
func TestAnswerOfTheRecordLost(t *testing.T) {
	b, hooks := openBetween(t, options(t, vaulttest.Shared(t)))
	hooks.afterKV = func() error { return oauth.ErrUnavailable }
	if _, err := b.Create(t.Context(), spec("")); !errors.Is(err, oauth.ErrUnavailable) {
		t.Fatal(err)
	}
	if _, err := b.Create(t.Context(), spec("")); !errors.Is(err, keys.ErrConflict) {
		t.Fatalf("again: %v", err)
	}
	list := load(t, b)
	if len(list) != 1 {
		t.Fatalf("listed: %v", list)
	}
	checkSignature(t, b, list[0], "input")
}

// TestOvertaken: another process records while this one has made its version and not recorded it yet. The other
// takes that very version; nothing is recorded twice.
func TestOvertaken(t *testing.T) {
	s := vaulttest.Shared(t)
	opt := options(t, s)
	b, hooks := openBetween(t, opt)
	first := create(t, b, "ES256", "")
	other := open(t, opt)
	var winner keys.Key
	hooks.onWriteKV = func() error {
		hooks.onWriteKV = nil
		winner = create(t, other, "ES256", first.Kid)
		return nil
	}
	if _, err := b.Create(t.Context(), spec(first.Kid)); !errors.Is(err, keys.ErrConflict) {
		t.Fatalf("overtaken: %v", err)
	}
	list := load(t, b)
	if len(list) != 2 || list[1].Kid != winner.Kid || !list[1].ActivatesAt.Equal(winner.ActivatesAt) {
		t.Fatalf("listed: %v", list)
	}
	third := create(t, b, "ES256", winner.Kid)
	for _, key := range []keys.Key{first, winner, third} {
		checkSignature(t, b, key, "input")
	}
	if held := versions(t, s, opt, "es256"); len(held) != 3 {
		t.Errorf("transit has versions %v", held)
	}
}

func TestDeleteDestroys(t *testing.T) {
	s := vaulttest.Shared(t)
	opt := options(t, s)
	b := open(t, opt)
	first := create(t, b, "ES256", "")
	second := create(t, b, "ES256", first.Kid)
	third := create(t, b, "ES256", second.Kid)
	remove := func(key keys.Key, want string) {
		t.Helper()
		if err := b.Delete(t.Context(), key.Kid); err != nil {
			t.Fatal(err)
		}
		if held := fmt.Sprint(versions(t, s, opt, "es256")); held != want {
			t.Errorf("transit has versions %s, want %s", held, want)
		}
		if _, err := b.Sign(t.Context(), key.Kid, key.Alg, nil); !errors.Is(err, keys.ErrNoKey) {
			t.Errorf("a deleted key signs: %v", err)
		}
	}
	remove(second, "[1 2 3]") // the first is in use: Vault destroys only from below
	checkSignature(t, b, first, "input")
	remove(first, "[3]")
	checkSignature(t, b, third, "input")
	path := opt.Mount + "/keys/" + opt.Prefix + "-es256/config"
	if _, err := s.Client(t).Logical().WriteWithContext(t.Context(), path, map[string]any{"min_decryption_version": 1}); err == nil {
		t.Error("what was destroyed can be called back")
	}
	remove(third, "[4]") // Vault keeps a latest version: one that never signed
	fourth := create(t, b, "ES256", "")
	checkSignature(t, b, fourth, "input")
	if held := fmt.Sprint(versions(t, s, opt, "es256")); held != "[4]" {
		t.Errorf("transit has versions %s", held)
	}
}

// TestDeletedStaysDeleted: the next key is not the newest version of before, which somebody wanted gone.
func TestDeletedStaysDeleted(t *testing.T) {
	b := open(t, options(t, vaulttest.Shared(t)))
	first := create(t, b, "ES256", "")
	bad := create(t, b, "ES256", first.Kid)
	if err := b.Delete(t.Context(), bad.Kid); err != nil {
		t.Fatal(err)
	}
	if next := create(t, b, "ES256", first.Kid); next.Kid == bad.Kid {
		t.Error("a deleted key is back")
	}
}

// TestInterruptedDelete: the key signs no more, and the next Delete destroys what was left.
func TestInterruptedDelete(t *testing.T) {
	s := vaulttest.Shared(t)
	opt := options(t, s)
	b, hooks := openBetween(t, opt)
	first := create(t, b, "ES256", "")
	create(t, b, "ES256", first.Kid)
	for _, step := range []string{"/config", "/trim"} {
		hooks.onWrite = func(path string, _ map[string]any) error {
			if strings.HasSuffix(path, step) {
				return oauth.ErrUnavailable
			}
			return nil
		}
		if err := b.Delete(t.Context(), first.Kid); !errors.Is(err, oauth.ErrUnavailable) {
			t.Fatalf("%s: %v", step, err)
		}
		if list := load(t, b); len(list) != 1 {
			t.Fatalf("listed: %v", list)
		}
	}
	hooks.onWrite = nil
	if err := b.Delete(t.Context(), "any"); err != nil {
		t.Fatal(err)
	}
	if held := fmt.Sprint(versions(t, s, opt, "es256")); held != "[2]" {
		t.Errorf("transit has versions %s", held)
	}
}

// TestDeleteMeetsOthers: a change of the record in between is met again, not overwritten.
func TestDeleteMeetsOthers(t *testing.T) {
	opt := options(t, vaulttest.Shared(t))
	b, hooks := openBetween(t, opt)
	first := create(t, b, "ES256", "")
	second := create(t, b, "ES256", first.Kid)
	other := open(t, opt)
	var third keys.Key
	hooks.onWriteKV = func() error {
		hooks.onWriteKV = nil
		third = create(t, other, "ES256", second.Kid)
		return nil
	}
	if err := b.Delete(t.Context(), first.Kid); err != nil {
		t.Fatal(err)
	}
	list := load(t, b)
	if len(list) != 2 || list[0].Kid != second.Kid || list[1].Kid != third.Kid {
		t.Fatalf("listed: %v", list)
	}
}

// TestOperatorRotates: a version that someone made in Vault neither signs nor is published.
func TestOperatorRotates(t *testing.T) {
	s := vaulttest.Shared(t)
	opt := options(t, s)
	b := open(t, opt)
	first := create(t, b, "ES256", "")
	write(t, s, opt.Mount+"/keys/"+opt.Prefix+"-es256/rotate", nil)
	if list := load(t, open(t, opt)); len(list) != 1 {
		t.Fatalf("listed: %v", list)
	}
	checkSignature(t, b, first, "input")
}

// TestPrivateKeysStay: Vault gives out no private key that this backend had made.
func TestPrivateKeysStay(t *testing.T) {
	s := vaulttest.Shared(t)
	opt := options(t, s)
	create(t, open(t, opt), "ES256", "")
	for _, path := range []string{"export/signing-key/", "backup/"} {
		secret, err := s.Client(t).Logical().ReadWithContext(t.Context(), opt.Mount+"/"+path+opt.Prefix+"-es256")
		if err == nil {
			t.Errorf("%s: got %v", path, secret)
		}
	}
}

// TestExportableKeyIsReported: a key that somebody prepared in Vault is taken, and the log says what is wrong with it.
func TestExportableKeyIsReported(t *testing.T) {
	s := vaulttest.Shared(t)
	opt := options(t, s)
	write(t, s, opt.Mount+"/keys/"+opt.Prefix+"-es256", map[string]any{"type": "ecdsa-p256", "exportable": true})
	var log bytes.Buffer
	opt.Log = slog.New(slog.NewTextHandler(&log, nil))
	b := open(t, opt)
	checkSignature(t, b, create(t, b, "ES256", ""), "input")
	if !strings.Contains(log.String(), "can be taken out of Vault") {
		t.Errorf("the log: %s", log.String())
	}
}

// TestRecordMustFit: whatever does not fit fails the whole listing, and what is loaded goes on signing.
func TestRecordMustFit(t *testing.T) {
	s := vaulttest.Shared(t)
	at := start.Format(time.RFC3339)
	entry := func(version int, kid string) map[string]any {
		return map[string]any{"version": version, "kid": kid, "created_at": at, "activates_at": at}
	}
	record := func(format, alg string, last int, entries ...any) map[string]any {
		return map[string]any{"format": format, "lines": map[string]any{alg: map[string]any{"last": last, "keys": entries}}}
	}
	const format = "signet transit keys 1"
	for name, spoilt := range map[string]func(kid string) map[string]any{
		"missing version":   func(kid string) map[string]any { return record(format, "ES256", 7, entry(1, kid), entry(7, "other")) },
		"another kid":       func(string) map[string]any { return record(format, "ES256", 1, entry(1, "another")) },
		"unknown format":    func(kid string) map[string]any { return record("signet transit keys 2", "ES256", 1, entry(1, kid)) },
		"unknown algorithm": func(kid string) map[string]any { return record(format, "HS256", 1, entry(1, kid)) },
		"another algorithm": func(kid string) map[string]any { return record(format, "EdDSA", 1, entry(1, kid)) },
		"twice":             func(kid string) map[string]any { return record(format, "ES256", 1, entry(1, kid), entry(1, kid)) },
		"beyond the last":   func(kid string) map[string]any { return record(format, "ES256", 0, entry(1, kid)) },
		"no times": func(kid string) map[string]any {
			return record(format, "ES256", 1, map[string]any{"version": 1, "kid": kid})
		},
		"not a record": func(string) map[string]any { return map[string]any{"password": "x"} },
		"wrong types":  func(string) map[string]any { return map[string]any{"format": format, "lines": "none"} },
	} {
		t.Run(name, func(t *testing.T) {
			opt := options(t, s)
			b := open(t, opt)
			key := create(t, b, "ES256", "")
			write(t, s, opt.KVMount+"/data/"+opt.Prefix+"/transit", map[string]any{"data": spoilt(key.Kid)})
			if list, err := b.Keys(t.Context()); err == nil {
				t.Errorf("listed: %v", list)
			}
			checkSignature(t, b, key, "input")
			if _, err := transit.Open(t.Context(), opt); err == nil {
				t.Error("opened")
			}
		})
	}
}

// TestRecordDeleted: it is not taken for a new installation, whose first keys would replace the old ones.
func TestRecordDeleted(t *testing.T) {
	s := vaulttest.Shared(t)
	opt := options(t, s)
	b := open(t, opt)
	key := create(t, b, "ES256", "")
	path := opt.Prefix + "/transit"
	if _, err := s.Client(t).Logical().DeleteWithContext(t.Context(), opt.KVMount+"/data/"+path); err != nil {
		t.Fatal(err)
	}
	if list, err := b.Keys(t.Context()); err == nil {
		t.Errorf("listed: %v", list)
	}
	if _, err := b.Create(t.Context(), spec("")); err == nil {
		t.Error("made a first key")
	}
	write(t, s, opt.KVMount+"/undelete/"+path, map[string]any{"versions": []int{1}})
	if list := load(t, b); len(list) != 1 || list[0].Kid != key.Kid {
		t.Errorf("listed: %v", list)
	}
}

// TestTransitKeyMustFit: so does a transit key that is gone, made anew or of another type.
func TestTransitKeyMustFit(t *testing.T) {
	s := vaulttest.Shared(t)
	for name, anew := range map[string]string{"gone": "", "made anew": "ecdsa-p256", "another type": "ed25519"} {
		t.Run(name, func(t *testing.T) {
			opt := options(t, s)
			b := open(t, opt)
			key := create(t, b, "ES256", "")
			path := opt.Mount + "/keys/" + opt.Prefix + "-es256"
			write(t, s, path+"/config", map[string]any{"deletion_allowed": true})
			if _, err := s.Client(t).Logical().DeleteWithContext(t.Context(), path); err != nil {
				t.Fatal(err)
			}
			if anew != "" {
				write(t, s, path, map[string]any{"type": anew})
			}
			for range 2 { // also for a process that has loaded them
				_, err := b.Keys(t.Context())
				if err == nil || anew != "ed25519" && !names(err, opt.KVMount+"/"+opt.Prefix+"/transit", "ES256", "restore", "signet key maintain") {
					t.Errorf("loaded: %v", err)
				}
			}
			if _, err := transit.Open(t.Context(), opt); err == nil {
				t.Error("opened")
			}
			if _, err := b.Create(t.Context(), spec(key.Kid)); err == nil && anew != "ecdsa-p256" {
				t.Error("made a key")
			}
		})
	}
}

// names says that an error has all of these in it.
func names(err error, parts ...string) bool {
	return !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(err.Error(), part) })
}

// TestVersionTrimmed: a version that somebody trims away is missed at the next loading.
func TestVersionTrimmed(t *testing.T) {
	s := vaulttest.Shared(t)
	opt := options(t, s)
	b := open(t, opt)
	create(t, b, "ES256", create(t, b, "ES256", "").Kid)
	path := opt.Mount + "/keys/" + opt.Prefix + "-es256"
	write(t, s, path+"/config", map[string]any{"min_decryption_version": 2, "min_encryption_version": 2})
	write(t, s, path+"/trim", map[string]any{"min_available_version": 2})
	if _, err := b.Keys(t.Context()); !errors.Is(err, keys.ErrNoKey) || !names(err, "version 1", "/transit", "ES256", "restore") {
		t.Errorf("loaded: %v", err)
	}
}

// as logs in with a token that has one policy.
func as(t *testing.T, s *vaulttest.Server, name, policy string) *vault.Client {
	t.Helper()
	root := s.Client(t)
	if err := root.Sys().PutPolicyWithContext(t.Context(), name, policy); err != nil {
		t.Fatal(err)
	}
	secret, err := root.Logical().WriteWithContext(t.Context(), "auth/token/create", map[string]any{"policies": []string{name}})
	if err != nil {
		t.Fatal(err)
	}
	return login(t, s, secret.Auth.ClientToken)
}

// TestIdentities: with the policies that ship, the keeper makes, rotates and destroys but can neither sign nor decrypt;
// the serving identity does both, opens what the keeper has sealed, and is told whose work the rest is.
func TestIdentities(t *testing.T) {
	s := vaulttest.Shared(t)
	keeping := options(t, s)
	layout := vault.Layout{Backend: "transit", TransitMount: keeping.Mount, KVMount: keeping.KVMount, Prefix: keeping.Prefix}
	serving := keeping
	serving.Client = as(t, s, keeping.Mount+"-serve", layout.ServePolicy())
	keeping.Client = as(t, s, keeping.Mount+"-keys", layout.KeysPolicy())
	refused := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, vault.ErrDenied) || !strings.Contains(err.Error(), "keeper") {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err := transit.Open(t.Context(), serving)
	refused("opening without a data key", err)
	keeper := open(t, keeping)
	server := open(t, serving)
	_, err = server.Create(t.Context(), spec(""))
	refused("the first key", err)
	key := create(t, keeper, "ES256", "")
	for _, alg := range []string{"EdDSA", "PS256", "RS256"} {
		create(t, keeper, alg, "")
	}
	if list := load(t, server); len(list) != 4 {
		t.Fatalf("the server sees %v", list)
	}
	for _, key := range load(t, server) {
		checkSignature(t, server, key, "input")
	}
	enc := create(t, keeper, jose.DecryptionAlg, "")
	load(t, server)
	encrypted, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, enc.Public.(*rsa.PublicKey), []byte("key"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if contentKey, err := server.DecryptKey(t.Context(), enc.Kid, enc.Alg, encrypted); err != nil || string(contentKey) != "key" {
		t.Errorf("decrypted %q, %v", contentKey, err)
	}
	if _, err := keeper.DecryptKey(t.Context(), enc.Kid, enc.Alg, encrypted); !errors.Is(err, vault.ErrDenied) {
		t.Errorf("the keeper decrypts: %v", err)
	}
	if _, err := keeper.Sign(t.Context(), key.Kid, key.Alg, []byte("a.b")); !errors.Is(err, vault.ErrDenied) {
		t.Errorf("the keeper signs: %v", err)
	}
	_, err = server.Seal(t.Context(), []byte("secret"), nil)
	refused("sealing", err)
	sealed, err := keeper.Seal(t.Context(), []byte("secret"), []byte("context"))
	if err != nil {
		t.Fatal(err)
	}
	if opened, err := server.Open(t.Context(), sealed, []byte("context")); err != nil || string(opened) != "secret" {
		t.Errorf("opened %q, %v", opened, err)
	}
	_, err = server.Create(t.Context(), spec(key.Kid))
	refused("the next key", err)
	refused("deleting", server.Delete(t.Context(), key.Kid))
	refused("rotating the data key", server.RotateDataKey(t.Context()))
	next := create(t, keeper, "ES256", key.Kid)
	if err := errors.Join(keeper.Delete(t.Context(), key.Kid), keeper.RotateDataKey(t.Context())); err != nil {
		t.Fatal(err)
	}
	if held := fmt.Sprint(versions(t, s, keeping, "es256")); held != "[2]" {
		t.Errorf("transit has versions %s", held)
	}
	load(t, server)
	checkSignature(t, server, next, "input")
}
