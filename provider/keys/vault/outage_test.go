package vault_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"signet/provider/keys/vault"
	"signet/provider/keys/vaulttest"
	"signet/provider/oauth"
)

// recovers waits until requests pass again, without anything being done to the client.
func recovers(t testing.TB, c *vault.Client, mount string) {
	t.Helper()
	eventually(t, "recovery", func() bool {
		_, _, err := c.ReadKV(t.Context(), mount, "a")
		return err == nil
	})
	if c.State() != "closed" {
		t.Errorf("the breaker is %s", c.State())
	}
	must(t, c.Probe(t.Context()))
}

// fails wants ErrUnavailable, also from the probe, until the breaker opens; and then without delay.
func fails(t testing.TB, c *vault.Client, mount string, within time.Duration) {
	t.Helper()
	if err := c.Probe(t.Context()); !errors.Is(err, oauth.ErrUnavailable) {
		t.Errorf("probe: %v", err)
	}
	eventually(t, "the breaker opens", func() bool {
		begin := time.Now()
		_, _, err := c.ReadKV(t.Context(), mount, "a")
		if !errors.Is(err, oauth.ErrUnavailable) {
			t.Fatalf("got %v", err)
		}
		if took := time.Since(begin); took > within {
			t.Errorf("it took %s", took)
		}
		return c.State() == "open"
	})
}

// TestOutages: sealed, killed and paused, with a client that lives through all of it.
func TestOutages(t *testing.T) {
	t.Parallel()
	s := vaulttest.Start(t)
	mount := s.Mount(t, "kv")
	o, _ := appRole(t, s, nil)
	o.Timeout = time.Second
	c := open(t, o)
	const within = 10 * time.Second // the timeout, on a machine that is busy
	_, err := c.WriteKV(t.Context(), mount, "a", map[string]any{"k": "v"}, 0)
	must(t, err)

	s.Seal(t)
	fails(t, c, mount, within)
	s.Unseal(t)
	recovers(t, c, mount)

	s.Kill()
	fails(t, c, mount, within)
	if _, err := vault.Open(t.Context(), o); !errors.Is(err, oauth.ErrUnavailable) {
		t.Errorf("opening without a Vault: %v", err)
	}
	s.Start(t)
	recovers(t, c, mount)

	s.Pause(t)
	for range 2 * failuresToOpen { // who has less time than we say nothing about Vault
		impatient, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		_, err := c.Read(impatient, "sys/health", nil)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, oauth.ErrUnavailable) || c.State() != "closed" {
			t.Fatalf("got %v, the breaker is %s", err, c.State())
		}
	}
	fails(t, c, mount, within)
	s.Resume(t)
	recovers(t, c, mount)
	if data, _, err := c.ReadKV(t.Context(), mount, "a"); err != nil || data["k"] != "v" {
		t.Errorf("read %v, %v", data, err)
	}
}

// failuresToOpen is how many failures open the breaker.
const failuresToOpen = 5

// TestCallerGoesAway is no failure of Vault's, whether the caller gave up or its time is over.
func TestCallerGoesAway(t *testing.T) {
	t.Parallel()
	s := vaulttest.Shared(t)
	c := open(t, rootOptions(t, s))
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	for want, ctx := range map[error]context.Context{context.Canceled: cancelled, context.DeadlineExceeded: late} {
		for range 2 * failuresToOpen {
			if _, err := c.Read(ctx, "sys/health", nil); !errors.Is(err, want) || errors.Is(err, oauth.ErrUnavailable) {
				t.Fatalf("got %v", err)
			}
		}
		if err := c.Probe(ctx); !errors.Is(err, want) || errors.Is(err, oauth.ErrUnavailable) {
			t.Errorf("probe: %v", err)
		}
		if _, err := vault.Open(ctx, rootOptions(t, s)); !errors.Is(err, want) || errors.Is(err, oauth.ErrUnavailable) {
			t.Errorf("opening: %v", err)
		}
	}
	if c.State() != "closed" {
		t.Errorf("the breaker is %s", c.State())
	}
}

// TestCallerGoesAwayDuringLogin: the token has ended, and the new login takes longer than the caller can wait.
func TestCallerGoesAwayDuringLogin(t *testing.T) {
	t.Parallel()
	var hang atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !hang.Load():
			fmt.Fprint(w, `{"auth": {"client_token": "t", "lease_duration": 3600, "renewable": false}}`)
		case strings.HasSuffix(r.URL.Path, "/login"):
			_, _ = io.Copy(io.Discard, r.Body) // or the server does not see that the caller leaves
			<-r.Context().Done()
		default:
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	t.Cleanup(server.Close)
	c := open(t, vault.Options{Address: server.URL, Clock: time.Now, Timeout: time.Minute,
		Auth: vault.Auth{Method: vault.Kubernetes, Role: "r", JWTFile: file(t, "jwt", "a.b.c")}})
	t.Cleanup(func() { hang.Store(false) })
	hang.Store(true)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := c.Read(ctx, "secret", nil); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, oauth.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}

// TestWrongCA does not talk to a Vault that it cannot verify.
func TestWrongCA(t *testing.T) {
	t.Parallel()
	s, other := vaulttest.Shared(t), vaulttest.Start(t)
	o := rootOptions(t, s)
	o.CAFile = other.CAFile()
	_, err := vault.Open(t.Context(), o)
	if !errors.Is(err, oauth.ErrUnavailable) || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("got %v", err)
	}
}

// TestNothingSecretIsLogged reads what the client says through a life with failures.
func TestNothingSecretIsLogged(t *testing.T) {
	t.Parallel()
	s := vaulttest.Shared(t)
	o, _ := appRole(t, s, nil)
	var log lockedBuffer
	o.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	secretID, err := os.ReadFile(o.Auth.SecretIDFile)
	must(t, err)
	must(t, os.Chmod(o.Auth.SecretIDFile, 0o604))
	c := open(t, o)
	about := lookup(t, c)
	must(t, os.WriteFile(o.Auth.SecretIDFile, []byte("not-the-secret-id"), 0o600))
	must(t, s.Client(t).Auth().Token().RevokeAccessor(about["accessor"].(string)))
	err = c.Probe(t.Context())
	if !errors.Is(err, vault.ErrDenied) {
		t.Errorf("got %v", err)
	}
	must(t, os.WriteFile(o.Auth.SecretIDFile, secretID, 0o600))
	eventually(t, "a login", func() bool { return c.Probe(t.Context()) == nil })
	said := log.String() + err.Error()
	for _, secret := range []string{string(secretID), "not-the-secret-id", about["id"].(string), lookup(t, c)["id"].(string)} {
		if strings.Contains(said, secret) {
			t.Errorf("%q is in\n%s", secret, said)
		}
	}
	if !strings.Contains(said, "others on this machine can read") {
		t.Errorf("no warning of the file's mode in\n%s", said)
	}
}

type lockedBuffer struct {
	sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.Lock()
	defer b.Unlock()
	return b.Buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.Lock()
	defer b.Unlock()
	return b.Buffer.String()
}
