package vault_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"signet/provider/keys/vault"
	"signet/provider/keys/vaulttest"
)

// TestEnvironment: what Vault's library would take from the environment has no say, in no request and no login.
func TestEnvironment(t *testing.T) {
	s := vaulttest.Shared(t)
	mount := s.Mount(t, "kv")
	identity, role := appRole(t, s, nil)
	for name, value := range map[string]string{
		"VAULT_ADDR": "https://192.0.2.1:8200", "VAULT_AGENT_ADDR": "https://192.0.2.1:8200", "VAULT_PROXY_ADDR": "http://192.0.2.1:1",
		"VAULT_HTTP_PROXY": "http://192.0.2.1:1", "VAULT_TOKEN": "another", "VAULT_NAMESPACE": "elsewhere", "VAULT_WRAP_TTL": "60",
		"VAULT_HEADERS": `{"Authorization": "Bearer another"}`, "VAULT_RATE_LIMIT": "0.001:1", "VAULT_MAX_RETRIES": "9",
		"VAULT_TLS_SERVER_NAME": "elsewhere.example", "VAULT_CLIENT_TIMEOUT": "1ms", "VAULT_SKIP_VERIFY": "true",
	} {
		t.Setenv(name, value)
	}
	must(t, open(t, identity).Probe(t.Context()))
	root := open(t, rootOptions(t, s))
	must(t, root.Probe(t.Context()))
	_, err := root.WriteKV(t.Context(), mount, "a", map[string]any{"k": "v"}, 0)
	must(t, err)
	data, version, err := root.ReadKV(t.Context(), mount, "a")
	if err != nil || version != 1 || data["k"] != "v" {
		t.Errorf("read %v, version %d, %v", data, version, err)
	}
	made, err := root.Write(t.Context(), role+"/secret-id", nil)
	if err != nil || made.WrapInfo != nil || made.Data["secret_id"] == nil {
		t.Errorf("a secret id: %+v, %v", made, err)
	}
	parts := strings.Split(role, "/") // auth/MOUNT/role/NAME
	keeper := vault.Identity{Name: parts[3], Auth: vault.Auth{Method: vault.AppRole, Mount: parts[1], Wrapped: true}}
	credentials, err := root.Bootstrap(t.Context(), keeper, time.Hour) // the one answer that is to be wrapped
	must(t, err)
	wrapped := identity
	wrapped.Auth.Wrapped, wrapped.Auth.SecretIDFile = true, file(t, "secret-id", credentials.SecretID.Reveal())
	must(t, open(t, wrapped).Probe(t.Context()))
}

// TestEnvironmentHeaders: not even a header is added, to a login or to what follows it.
func TestEnvironmentHeaders(t *testing.T) {
	t.Setenv("VAULT_HEADERS", `{"X-Other": "header"}`)
	t.Setenv("VAULT_WRAP_TTL", "60")
	f := newFake(t, "")
	inner := f.Config.Handler
	f.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Other") != "" || r.Header.Get("X-Vault-Wrap-Ttl") != "" {
			t.Errorf("%s %s has %v", r.Method, r.URL.Path, r.Header)
		}
		inner.ServeHTTP(w, r)
	})
	c := open(t, f.options(t))
	_, err := c.Read(t.Context(), "secret", nil)
	must(t, err)
}

// TestEnvironmentUnreadable: the error says what to do about a variable that nobody needs.
func TestEnvironmentUnreadable(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	for name, value := range map[string]string{
		"VAULT_CACERT": "/nonexistent", "VAULT_SKIP_VERIFY": "maybe", "VAULT_CLIENT_TIMEOUT": "x", "VAULT_HEADERS": "secret", "VAULT_RATE_LIMIT": "fast",
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, value)
			_, err := vault.Open(t.Context(), vault.Options{Address: server.URL, Clock: time.Now, Auth: vault.Auth{Method: vault.Token, Token: "t"}})
			if err == nil || !strings.Contains(err.Error(), "unset "+name) || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %v", err)
			}
		})
	}
}
