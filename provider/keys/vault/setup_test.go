package vault_test

import (
	"encoding/json"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"signet/provider/keys/vault"
	"signet/provider/keys/vaulttest"
)

// TestSecretIDsEnd: what is made for an AppRole identity can be used for SecretIDTTL; a role of an older setup that
// sets no end differs.
func TestSecretIDsEnd(t *testing.T) {
	s := vaulttest.Shared(t)
	l := vault.Layout{Backend: "vaultkv", KVMount: s.Mount(t, "kv"), Prefix: "ends"}
	identity := vault.Identity{Name: l.ServeName(), Policies: []string{l.ServeName()}, Server: true,
		Auth: vault.Auth{Method: vault.AppRole, Mount: s.EnableAuth(t, "approle")}}
	steps, err := l.Steps(identity)
	must(t, err)
	root := open(t, rootOptions(t, s))
	must(t, root.Apply(t.Context(), steps))
	t.Cleanup(func() {
		for _, name := range []string{l.ServeName(), l.KeysName()} {
			_ = s.Client(t).Sys().DeletePolicy(name)
		}
	})
	role := "auth/" + identity.Auth.Mount + "/role/" + identity.Name
	made, err := root.Write(t.Context(), role+"/secret-id", nil)
	must(t, err)
	if seconds, err := made.Data["secret_id_ttl"].(json.Number).Int64(); err != nil || time.Duration(seconds)*time.Second != vault.SecretIDTTL {
		t.Errorf("it ends after %d s, %v", seconds, err)
	}
	_, err = root.Write(t.Context(), role, map[string]any{"secret_id_ttl": 0})
	must(t, err)
	must(t, root.Check(t.Context(), steps))
	if last := steps[len(steps)-1]; last.State != vault.Differs || !strings.Contains(last.Detail, "secret_id_ttl") {
		t.Errorf("without an end it is %+v", last)
	}
}

// TestOldSecretIDIsReported ten days before it ends, at each login.
func TestOldSecretIDIsReported(t *testing.T) {
	s := vaulttest.Shared(t)
	o, _ := appRole(t, s, nil)
	for _, c := range []struct {
		age    time.Duration
		warned bool
	}{{vault.SecretIDTTL - 11*24*time.Hour, false}, {vault.SecretIDTTL - 9*24*time.Hour, true}} {
		var log lockedBuffer
		o.Log = slog.New(slog.NewTextHandler(&log, nil))
		written := time.Now().Add(-c.age)
		must(t, os.Chtimes(o.Auth.SecretIDFile, written, written))
		open(t, o)
		if warned := strings.Contains(log.String(), "is old"); warned != c.warned {
			t.Errorf("after %v: %s", c.age, log.String())
		}
	}
}
