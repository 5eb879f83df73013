package vault_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"signet/provider/keys/vault"
	"signet/provider/keys/vaulttest"
	"signet/provider/oauth"
)

// patience bounds waits for what happens in the background.
const patience = 90 * time.Second

func eventually(t testing.TB, what string, try func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !try(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("never: " + what)
		}
	}
}

func lookup(t testing.TB, c *vault.Client) map[string]any {
	t.Helper()
	about, err := c.Read(t.Context(), "auth/token/lookup-self", nil)
	must(t, err)
	return about.Data
}

func file(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	must(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// TestTokenOutlivesItsTTL holds a token of nine seconds for longer than that: it is renewed.
func TestTokenOutlivesItsTTL(t *testing.T) {
	t.Parallel()
	s := vaulttest.Shared(t)
	o := options(s)
	o.Auth = vault.Auth{Method: vault.TokenFile, TokenFile: s.TokenFile(t, token(t, s, &api.TokenCreateRequest{TTL: "9s", ExplicitMaxTTL: "1h"}))}
	c := open(t, o)
	accessor := lookup(t, c)["accessor"]
	for end := time.Now().Add(11 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		must(t, c.Probe(t.Context()))
	}
	if lookup(t, c)["accessor"] != accessor {
		t.Error("it is another token")
	}
}

// TestTokenFileChanges takes up a new token before the old one ends.
func TestTokenFileChanges(t *testing.T) {
	t.Parallel()
	s := vaulttest.Shared(t)
	o := rootOptions(t, s)
	c := open(t, o)
	first := lookup(t, c)["accessor"]
	must(t, os.WriteFile(o.Auth.TokenFile, []byte(token(t, s, &api.TokenCreateRequest{TTL: "1h"})), 0o600))
	eventually(t, "the new token is in use", func() bool { return lookup(t, c)["accessor"] != first })
}

// TestRevokedToken: of a token file, until the file has a good one.
func TestRevokedToken(t *testing.T) {
	t.Parallel()
	s := vaulttest.Shared(t)
	mount := s.Mount(t, "kv")
	o := options(s)
	doomed := token(t, s, &api.TokenCreateRequest{TTL: "1h"})
	o.Auth = vault.Auth{Method: vault.TokenFile, TokenFile: s.TokenFile(t, doomed)}
	c := open(t, o)
	must(t, s.Client(t).Auth().Token().RevokeTree(doomed))
	if _, _, err := c.ReadKV(t.Context(), mount, "a"); !errors.Is(err, vault.ErrDenied) || !errors.Is(err, oauth.ErrUnavailable) {
		t.Errorf("with a revoked token: %v", err)
	}
	must(t, os.WriteFile(o.Auth.TokenFile, []byte(s.RootToken()), 0o600))
	eventually(t, "the good token is used", func() bool {
		_, _, err := c.ReadKV(t.Context(), mount, "a")
		return err == nil
	})
}

// appRole makes a role and the files of its identity. More settings of the role can be given.
func appRole(t testing.TB, s *vaulttest.Server, settings map[string]any) (vault.Options, string) {
	t.Helper()
	mount := s.EnableAuth(t, "approle")
	root := s.Client(t).Logical()
	role := "auth/" + mount + "/role/signet"
	data := map[string]any{"token_ttl": "1h", "token_policies": policyNamed(t, s, `path "*" { capabilities = ["read", "create", "update"] }`)}
	for key, value := range settings {
		data[key] = value
	}
	_, err := root.Write(role, data)
	must(t, err)
	id, err := root.Read(role + "/role-id")
	must(t, err)
	secret, err := root.Write(role+"/secret-id", nil)
	must(t, err)
	o := options(s)
	o.Auth = vault.Auth{
		Method: vault.AppRole, Mount: mount, Role: "signet",
		RoleIDFile: file(t, "role-id", id.Data["role_id"].(string)), SecretIDFile: file(t, "secret-id", secret.Data["secret_id"].(string)),
	}
	return o, role
}

// TestAppRole logs in again when its token is revoked, in the course of the request that notices.
func TestAppRole(t *testing.T) {
	t.Parallel()
	s := vaulttest.Shared(t)
	o, _ := appRole(t, s, nil)
	c := open(t, o)
	first := lookup(t, c)["accessor"]
	must(t, s.Client(t).Auth().Token().RevokeAccessor(first.(string)))
	if again := lookup(t, c)["accessor"]; again == first {
		t.Error("the revoked token works")
	}
	must(t, c.Probe(t.Context()))
}

// TestAppRoleEnds outlives the longest life that a token may have.
func TestAppRoleEnds(t *testing.T) {
	t.Parallel()
	s := vaulttest.Shared(t)
	o, _ := appRole(t, s, map[string]any{"token_ttl": "2s", "token_max_ttl": "3s"})
	c := open(t, o)
	first := lookup(t, c)["accessor"]
	eventually(t, "another token", func() bool { return lookup(t, c)["accessor"] != first })
}

// TestCloseRevokes leaves no token behind.
func TestCloseRevokes(t *testing.T) {
	t.Parallel()
	s := vaulttest.Shared(t)
	o, _ := appRole(t, s, nil)
	c, err := vault.Open(t.Context(), o)
	must(t, err)
	accessor := lookup(t, c)["accessor"].(string)
	must(t, c.Close())
	if _, err := s.Client(t).Auth().Token().LookupAccessor(accessor); err == nil {
		t.Error("the token is still good")
	}
}

// TestSecretIDForOneUse: the session cannot be begun anew before there is another secret id.
func TestSecretIDForOneUse(t *testing.T) {
	t.Parallel()
	s := vaulttest.Shared(t)
	o, role := appRole(t, s, map[string]any{"secret_id_num_uses": 1})
	c := open(t, o)
	accessor := lookup(t, c)["accessor"].(string)
	must(t, s.Client(t).Auth().Token().RevokeAccessor(accessor))
	if err := c.Probe(t.Context()); !errors.Is(err, vault.ErrDenied) {
		t.Errorf("with a used secret id: %v", err)
	}
	fresh, err := s.Client(t).Logical().Write(role+"/secret-id", nil)
	must(t, err)
	must(t, os.WriteFile(o.Auth.SecretIDFile, []byte(fresh.Data["secret_id"].(string)), 0o600))
	eventually(t, "the new secret id is used", func() bool { return c.Probe(t.Context()) == nil })
}

// TestWrappedSecretID is unwrapped once and serves for further logins.
func TestWrappedSecretID(t *testing.T) {
	t.Parallel()
	s := vaulttest.Shared(t)
	o, role := appRole(t, s, nil)
	o.Auth.Wrapped = true
	wrap := func(path string, data map[string]any) {
		client := s.Client(t)
		client.SetWrappingLookupFunc(func(string, string) string { return "5m" })
		made, err := client.Logical().Write(path, data)
		must(t, err)
		must(t, os.WriteFile(o.Auth.SecretIDFile, []byte(made.WrapInfo.Token+"\n"), 0o600))
	}
	wrap(role+"/secret-id", nil)
	c := open(t, o)
	must(t, s.Client(t).Auth().Token().RevokeAccessor(lookup(t, c)["accessor"].(string)))
	must(t, c.Probe(t.Context()))
	if _, err := vault.Open(t.Context(), o); !errors.Is(err, vault.ErrDenied) {
		t.Errorf("a wrapping token was used twice: %v", err)
	}

	// Someone unwraps ours and leaves a wrapping token of their own making.
	wrap("sys/wrapping/wrap", map[string]any{"secret_id": "of someone else"})
	_, err := vault.Open(t.Context(), o)
	if !errors.Is(err, vault.ErrDenied) {
		t.Errorf("a swapped wrapping token: %v", err)
	}
	// It was not used up by the look at it.
	swapped, err := os.ReadFile(o.Auth.SecretIDFile)
	must(t, err)
	_, err = s.Client(t).Logical().Unwrap(string(swapped[:len(swapped)-1]))
	must(t, err)

	wrap(role+"/secret-id", nil)
	o.Auth.Role = "other"
	if _, err := vault.Open(t.Context(), o); !errors.Is(err, vault.ErrDenied) {
		t.Errorf("the wrapping token is for another role: %v", err)
	}
}

// TestRelogins: many requests that notice a dead token at once log in once.
func TestRelogins(t *testing.T) {
	t.Parallel()
	s := vaulttest.Shared(t)
	o, _ := appRole(t, s, nil)
	o.Timeout = 30 * time.Second
	c := open(t, o)
	must(t, s.Client(t).Auth().Token().RevokeAccessor(lookup(t, c)["accessor"].(string)))
	accessors := make(chan any, 32)
	for range cap(accessors) {
		go func() {
			about, err := c.Read(t.Context(), "auth/token/lookup-self", nil)
			if err != nil {
				accessors <- err
				return
			}
			accessors <- about.Data["accessor"]
		}()
	}
	first := <-accessors
	for range cap(accessors) - 1 {
		if next := <-accessors; next != first {
			t.Errorf("%v and %v", first, next)
		}
	}
}

// TestOptions lists every fault.
func TestOptions(t *testing.T) {
	for name, o := range map[string]vault.Options{
		"no clock":   {Address: "https://v", Auth: vault.Auth{Method: vault.TokenFile, TokenFile: "f"}},
		"plain http": {Address: "http://v", Clock: time.Now, Auth: vault.Auth{Method: vault.TokenFile, TokenFile: "f"}},
		"no URL":     {Address: "v:8200", Clock: time.Now, Auth: vault.Auth{Method: vault.TokenFile, TokenFile: "f"}},
		"no method":  {Address: "https://v", Clock: time.Now},
		"no file":    {Address: "https://v", Clock: time.Now, Auth: vault.Auth{Method: vault.AppRole, RoleIDFile: "f"}},
		"no such":    {Address: "https://v", Clock: time.Now, CAFile: "/nonexistent", Auth: vault.Auth{Method: vault.TokenFile, TokenFile: "f"}},
	} {
		if _, err := vault.Open(t.Context(), o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
