package vault_test

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/hashicorp/vault/api"

	"signet/provider/keys/vault"
	"signet/provider/keys/vaulttest"
)

// TestPolicies tries, with tokens that have the shipped policies alone, what each identity may and may not do.
func TestPolicies(t *testing.T) {
	s := vaulttest.Shared(t)
	l := vault.Layout{Backend: "transit", TransitMount: s.Mount(t, "transit"), KVMount: s.Mount(t, "kv"), Prefix: "pol"}
	serve, keeper := withPolicy(t, s, l.ServePolicy()), withPolicy(t, s, l.KeysPolicy())
	root := open(t, rootOptions(t, s))
	for _, key := range append(l.VersionedKeys(), l.DataKey(), "other") {
		data := map[string]any{"type": "ecdsa-p256", "exportable": false, "allow_plaintext_backup": false}
		switch key {
		case l.DataKey():
			data["type"] = "aes256-gcm96"
		case l.DecryptionKey():
			data["type"] = "rsa-3072"
		}
		if _, err := write(keeper, l.TransitMount+"/keys/"+key, data)(t); key == "other" {
			if !errors.Is(err, vault.ErrDenied) {
				t.Errorf("keeper makes %s: %v", key, err)
			}
			_, err = write(root, l.TransitMount+"/keys/"+key, data)(t)
			must(t, err)
		} else {
			must(t, err)
		}
	}
	sealed, err := keeper.Write(t.Context(), l.TransitMount+"/encrypt/pol-data", map[string]any{"plaintext": "aGVsbG8="})
	must(t, err)
	encrypted, err := root.Write(t.Context(), l.TransitMount+"/encrypt/pol-enc", map[string]any{"plaintext": "aGVsbG8="})
	must(t, err)
	_, err = keeper.WriteKV(t.Context(), l.KVMount, "pol/transit", map[string]any{"a": "b"}, 0)
	must(t, err)

	transit, kv := l.TransitMount, l.KVMount
	input := map[string]any{"input": "aGVsbG8="}
	opening := map[string]any{"ciphertext": sealed.Data["ciphertext"]}
	for _, c := range []struct {
		what          string
		do            func(*vault.Client) func(testing.TB) (*api.Secret, error)
		serve, keeper bool
	}{
		{"read a public key", reading(transit + "/keys/pol-es256"), true, true},
		{"sign", writing(transit+"/sign/pol-es256", input), true, false},
		{"sign with another's key", writing(transit+"/sign/other", input), false, false},
		{"seal", writing(transit+"/encrypt/pol-data", map[string]any{"plaintext": "aGVsbG8="}), false, true},
		{"open", writing(transit+"/decrypt/pol-data", opening), true, false},
		{"decrypt", writing(transit+"/decrypt/pol-enc", map[string]any{"ciphertext": encrypted.Data["ciphertext"]}), true, false},
		{"rotate the decryption key", writing(transit+"/keys/pol-enc/rotate", nil), false, true},
		{"make a key by encrypting", writing(transit+"/encrypt/pol-new", map[string]any{"plaintext": "aGVsbG8="}), false, false},
		{"rotate", writing(transit+"/keys/pol-es256/rotate", nil), false, true},
		{"rotate the data key", writing(transit+"/keys/pol-data/rotate", nil), false, true},
		{"rotate another's key", writing(transit+"/keys/other/rotate", nil), false, false},
		{"raise the minimum", writing(transit+"/keys/pol-es256/config", map[string]any{"min_decryption_version": 2, "min_encryption_version": 2}), false, true},
		{"trim", writing(transit+"/keys/pol-es256/trim", map[string]any{"min_available_version": 2}), false, true},
		{"raise the data key's minimum", writing(transit+"/keys/pol-data/config", map[string]any{"min_decryption_version": 2, "min_encryption_version": 2}), false, false},
		{"trim the data key", writing(transit+"/keys/pol-data/trim", map[string]any{"min_available_version": 2}), false, false},
		{"permit deletion", writing(transit+"/keys/pol-es256/config", map[string]any{"deletion_allowed": true}), false, false},
		{"permit export", writing(transit+"/keys/pol-es256/config", map[string]any{"exportable": true}), false, false},
		{"make an exportable key", writing(transit+"/keys/pol-rs256", map[string]any{"type": "rsa-3072", "exportable": true}), false, false},
		{"export", reading(transit + "/export/signing-key/pol-es256"), false, false},
		{"back up", reading(transit + "/backup/pol-es256"), false, false},
		{"list the keys", reading(transit + "/keys?list=true"), false, false},
		{"read the record", reading(kv + "/data/pol/transit"), true, true},
		{"write the record", writing(kv+"/data/pol/transit", map[string]any{"data": map[string]any{"a": "c"}, "options": map[string]any{"cas": 1}}), false, true},
		{"write another record", writing(kv+"/data/other/transit", map[string]any{"data": map[string]any{}}), false, false},
		{"delete the record", deleting(kv + "/data/pol/transit"), false, false},
		{"delete the record's history", deleting(kv + "/metadata/pol/transit"), false, false},
		{"delete a key", deleting(transit + "/keys/pol-es256"), false, false},
		{"read a policy", reading("sys/policies/acl/pol-serve"), false, false},
		{"make a token", writing("auth/token/create", nil), false, false},
	} {
		expect(t, "serve: "+c.what, c.do(serve), c.serve)
		expect(t, "keys: "+c.what, c.do(keeper), c.keeper)
	}
}

// TestPoliciesKV is the same for the backend vaultkv.
func TestPoliciesKV(t *testing.T) {
	s := vaulttest.Shared(t)
	l := vault.Layout{Backend: "vaultkv", KVMount: s.Mount(t, "kv"), Prefix: "pol"}
	serve, keeper := withPolicy(t, s, l.ServePolicy()), withPolicy(t, s, l.KeysPolicy())
	put := map[string]any{"data": map[string]any{"a": "b"}}
	for _, c := range []struct {
		what          string
		do            func(*vault.Client) func(testing.TB) (*api.Secret, error)
		serve, keeper bool
	}{
		{"limit the versions", writing(l.KVMount+"/metadata/pol/keys", map[string]any{"max_versions": 1, "cas_required": false}), false, true},
		{"write the keys", writing(l.KVMount+"/data/pol/keys", put), false, true},
		{"write the data keys", writing(l.KVMount+"/data/pol/data-keys", put), false, true},
		{"read the keys", reading(l.KVMount + "/data/pol/keys"), true, true},
		{"read the data keys", reading(l.KVMount + "/data/pol/data-keys"), true, true},
		{"read the versions", reading(l.KVMount + "/metadata/pol/keys"), false, true},
		{"destroy a version", writing(l.KVMount+"/destroy/pol/keys", map[string]any{"versions": []int{1}}), false, true},
		{"destroy a data key", writing(l.KVMount+"/destroy/pol/data-keys", map[string]any{"versions": []int{1}}), false, false},
		{"delete the keys", deleting(l.KVMount + "/data/pol/keys"), false, false},
		{"delete the data keys for good", deleting(l.KVMount + "/metadata/pol/data-keys"), false, false},
		{"read another's keys", reading(l.KVMount + "/data/other/keys"), false, false},
		{"list", reading(l.KVMount + "/metadata/pol?list=true"), false, false},
	} {
		expect(t, "serve: "+c.what, c.do(serve), c.serve)
		expect(t, "keys: "+c.what, c.do(keeper), c.keeper)
	}
}

func expect(t *testing.T, what string, do func(testing.TB) (*api.Secret, error), allowed bool) {
	t.Helper()
	if _, err := do(t); allowed && err != nil {
		t.Errorf("%s: %v", what, err)
	} else if !allowed && !errors.Is(err, vault.ErrDenied) {
		t.Errorf("%s: got %v, want ErrDenied", what, err)
	}
}

// withPolicy is a client whose token has one policy and not even the default one.
func withPolicy(t testing.TB, s *vaulttest.Server, policy string) *vault.Client {
	t.Helper()
	o := options(s)
	o.Auth = vault.Auth{Method: vault.TokenFile, TokenFile: s.TokenFile(t, token(t, s, &api.TokenCreateRequest{
		Policies: []string{policyNamed(t, s, policy)}, NoDefaultPolicy: true, TTL: "1h",
	}))}
	return open(t, o)
}

func policyNamed(t testing.TB, s *vaulttest.Server, policy string) string {
	t.Helper()
	name, root := fmt.Sprintf("signet-test-%d-%d", os.Getpid(), number.Add(1)), s.Client(t)
	must(t, root.Sys().PutPolicy(name, policy))
	t.Cleanup(func() { _ = root.Sys().DeletePolicy(name) })
	return name
}

func token(t testing.TB, s *vaulttest.Server, r *api.TokenCreateRequest) string {
	t.Helper()
	made, err := s.Client(t).Auth().Token().Create(r)
	must(t, err)
	return made.Auth.ClientToken
}

func write(c *vault.Client, path string, data map[string]any) func(testing.TB) (*api.Secret, error) {
	return func(t testing.TB) (*api.Secret, error) { return c.Write(t.Context(), path, data) }
}

func writing(path string, data map[string]any) func(*vault.Client) func(testing.TB) (*api.Secret, error) {
	return func(c *vault.Client) func(testing.TB) (*api.Secret, error) { return write(c, path, data) }
}

func reading(path string) func(*vault.Client) func(testing.TB) (*api.Secret, error) {
	return func(c *vault.Client) func(testing.TB) (*api.Secret, error) {
		return func(t testing.TB) (*api.Secret, error) {
			path, list := cutList(path)
			return c.Read(t.Context(), path, list)
		}
	}
}

func deleting(path string) func(*vault.Client) func(testing.TB) (*api.Secret, error) {
	return func(c *vault.Client) func(testing.TB) (*api.Secret, error) {
		return func(t testing.TB) (*api.Secret, error) { return nil, c.Delete(t.Context(), path) }
	}
}
