package vaulttest

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hashicorp/vault/api"
)

// Server is a Vault that is initialised and unsealed. Nothing is mounted in it: see [Server.Mount].
type Server struct {
	address, ca string
	dir         string   // "" for a Vault that is not ours
	process     *process // nil for a Vault that is not ours
	unsealKey   string
	rootToken   string
}

// Start starts a Vault of the test's own, which ends with the test.
func Start(t testing.TB) *Server {
	t.Helper()
	s, err := start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.end)
	return s
}

// shared is the Vault of this test binary.
var shared struct {
	once   sync.Once
	server *Server
	err    error
}

// Shared is one Vault for all tests of the binary, for tests that leave it running; keep them apart with
// [Server.Mount]. When VAULT_ADDR and VAULT_TOKEN are set, it is that one (VAULT_CACERT names its CA).
// TestMain must be os.Exit(vaulttest.Main(m)).
func Shared(t testing.TB) *Server {
	t.Helper()
	shared.once.Do(func() {
		if address, token := os.Getenv(api.EnvVaultAddress), os.Getenv(api.EnvVaultToken); address != "" && token != "" {
			shared.server = &Server{address: address, rootToken: token, ca: os.Getenv(api.EnvVaultCACert)}
			return
		}
		shared.server, shared.err = start()
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.server
}

// Main runs the tests and then ends the shared Vault.
func Main(m *testing.M) int {
	defer func() {
		if shared.server != nil {
			shared.server.end()
		}
	}()
	return m.Run()
}

// Address is where it is reached: https://127.0.0.1:PORT.
func (s *Server) Address() string { return s.address }

// CAFile is the PEM file with the CA of its TLS certificate.
func (s *Server) CAFile() string { return s.ca }

// RootToken may do everything.
func (s *Server) RootToken() string { return s.rootToken }

// TokenFile writes a token into a new file that only the owner may read: the root token, if it is "".
func (s *Server) TokenFile(t testing.TB, token string) string {
	t.Helper()
	if token == "" {
		token = s.rootToken
	}
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// Client is a client with the root token. Nothing of the environment has a say in it.
func (s *Server) Client(t testing.TB) *api.Client {
	t.Helper()
	client, err := s.client()
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// Seal seals it: it answers every request with 503.
func (s *Server) Seal(t testing.TB) {
	t.Helper()
	s.mustBeOurs(t)
	if err := s.Client(t).Sys().SealWithContext(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Unseal reverses Seal and returns when requests are served again.
func (s *Server) Unseal(t testing.TB) {
	t.Helper()
	s.mustBeOurs(t)
	if err := s.unseal(); err != nil {
		t.Fatal(err)
	}
}

// Kill ends the process at once, as kill -9 does. What was acknowledged is in its files.
func (s *Server) Kill() {
	if s.process != nil {
		s.process.kill()
	}
}

// Start starts a killed Vault again, on the same data and address, and unseals it.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	s.mustBeOurs(t)
	if err := s.run(); err != nil {
		t.Fatal(err)
	}
	if err := s.unseal(); err != nil {
		t.Fatal(err)
	}
}

// StartSealed is Start without the unsealing.
func (s *Server) StartSealed(t testing.TB) {
	t.Helper()
	s.mustBeOurs(t)
	if err := s.run(); err != nil {
		t.Fatal(err)
	}
}

// Pause stops the process in its tracks: connections open, nothing is answered.
func (s *Server) Pause(t testing.TB) {
	t.Helper()
	s.mustBeOurs(t)
	if err := s.process.pause(); err != nil {
		t.Fatal(err)
	}
}

// Resume reverses Pause.
func (s *Server) Resume(t testing.TB) {
	t.Helper()
	s.mustBeOurs(t)
	if err := s.process.resume(); err != nil {
		t.Fatal(err)
	}
}

func (s *Server) mustBeOurs(t testing.TB) {
	t.Helper()
	if s.process == nil {
		t.Fatal("this Vault is VAULT_ADDR's: use vaulttest.Start for a test that seals or ends it")
	}
}

// mounts counts what this binary has mounted, for names of their own.
var mounts atomic.Int64

func ownPath(kind string) string { return fmt.Sprintf("%s-%d-%d", kind, os.Getpid(), mounts.Add(1)) }

// Mount enables an engine ("transit", "kv", which is version 2, or "pki") under a path of its own, waits until
// it can be used, and returns the path. It is unmounted when the test ends.
func (s *Server) Mount(t testing.TB, engine string) string {
	t.Helper()
	client, path := s.Client(t), ownPath(engine)
	input := &api.MountInput{Type: engine}
	if engine == "kv" {
		input.Options = map[string]string{"version": "2"}
	}
	if err := client.Sys().MountWithContext(t.Context(), path, input); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if s.process == nil || s.process.alive() {
			_ = client.Sys().Unmount(path)
		}
	})
	if engine == "kv" { // Vault prepares version 2 in the background
		err := wait(func() error {
			_, err := client.Logical().ReadWithContext(t.Context(), path+"/config")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// EnableAuth enables an authentication method ("approle", "cert") under a path of its own and returns the path.
func (s *Server) EnableAuth(t testing.TB, method string) string {
	t.Helper()
	client, path := s.Client(t), ownPath(method)
	if err := client.Sys().EnableAuthWithOptionsWithContext(t.Context(), path, &api.EnableAuthOptions{Type: method}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if s.process == nil || s.process.alive() {
			_ = client.Sys().DisableAuth(path)
		}
	})
	return path
}
