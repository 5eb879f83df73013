package vault_test

import (
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"signet/provider/keys/vault"
	"signet/provider/keys/vaulttest"
)

func TestMain(m *testing.M) { os.Exit(vaulttest.Main(m)) }

// options are those of a client of s, without an identity.
func options(s *vaulttest.Server) vault.Options {
	return vault.Options{Address: s.Address(), CAFile: s.CAFile(), Timeout: 30 * time.Second, Clock: time.Now}
}

// rootOptions log in with the root token.
func rootOptions(t testing.TB, s *vaulttest.Server) vault.Options {
	o := options(s)
	o.Auth = vault.Auth{Method: vault.TokenFile, TokenFile: s.TokenFile(t, "")}
	return o
}

func open(t testing.TB, o vault.Options) *vault.Client {
	t.Helper()
	c, err := vault.Open(t.Context(), o)
	must(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// number makes names unique on a shared Vault.
var number atomic.Int64

func cutList(path string) (string, url.Values) {
	path, list := strings.CutSuffix(path, "?list=true")
	if !list {
		return path, nil
	}
	return path, url.Values{"list": {"true"}}
}
