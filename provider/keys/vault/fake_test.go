package vault_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"signet/provider/keys/vault"
	"signet/provider/oauth"
)

// fake is what no Vault at hand does: Kubernetes logins, namespaces, and answers of clusters. A login gives the
// token "token-1", then "token-2", and so on.
type fake struct {
	*httptest.Server
	status atomic.Int64 // of the answer to "GET secret"; 200 by default
	logins atomic.Int64
	jwt    string
}

func newFake(t *testing.T, namespace string) *fake {
	f := &fake{jwt: "header.payload.signature"}
	f.status.Store(http.StatusOK)
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /v1/auth/k8s/login", func(w http.ResponseWriter, r *http.Request) {
		var got map[string]string
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil || got["jwt"] != f.jwt || got["role"] != "signet" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		if r.Header.Get("X-Vault-Token") != "" {
			t.Error("a login with a token")
		}
		fmt.Fprintf(w, `{"auth": {"client_token": "token-%d", "lease_duration": 3600, "renewable": true}}`, f.logins.Add(1))
	})
	mux.HandleFunc("PUT /v1/auth/token/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"auth": {"client_token": "`+r.Header.Get("X-Vault-Token")+`", "lease_duration": 3600, "renewable": true}}`)
	})
	mux.HandleFunc("GET /v1/", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Vault-Token") != fmt.Sprintf("token-%d", f.logins.Load()) {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"errors": ["permission denied"]}`)
			return
		}
		w.WriteHeader(int(f.status.Load()))
		if f.status.Load() == http.StatusOK {
			fmt.Fprint(w, `{"data": {"k": "v"}}`)
		} else {
			fmt.Fprint(w, `{"errors": ["as told"]}`)
		}
	})
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("X-Vault-Namespace"); got != namespace {
			t.Errorf("%s %s: namespace %q, want %q", r.Method, r.URL.Path, got, namespace)
		}
		if r.Header.Get("X-Vault-Request") != "true" {
			t.Errorf("%s %s: no X-Vault-Request", r.Method, r.URL.Path)
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(f.Close)
	return f
}

func (f *fake) options(t *testing.T) vault.Options {
	return vault.Options{Address: f.URL, Timeout: 5 * time.Second, Clock: time.Now, Auth: vault.Auth{
		Method: vault.Kubernetes, Mount: "k8s", Role: "signet", JWTFile: file(t, "jwt", f.jwt+"\n"),
	}}
}

// TestKubernetesAndNamespace logs in with the pod's token, everything in a namespace, whatever VAULT_... says.
func TestKubernetesAndNamespace(t *testing.T) {
	t.Setenv("VAULT_NAMESPACE", "elsewhere")
	t.Setenv("VAULT_TOKEN", "another-token")
	t.Setenv("VAULT_ADDR", "http://127.0.0.1:1")
	f := newFake(t, "bank/prod")
	o := f.options(t)
	o.Namespace = "bank/prod"
	c := open(t, o)
	secret, err := c.Read(t.Context(), "secret", nil)
	if err != nil || secret.Data["k"] != "v" {
		t.Fatalf("read %v, %v", secret, err)
	}
	f.jwt = "another.pod's.token"
	if _, err := vault.Open(t.Context(), o); !errors.Is(err, vault.ErrDenied) || strings.Contains(err.Error(), "payload") {
		t.Errorf("a JWT that is not accepted: %v", err)
	}
}

// TestStatuses sorts Vault's answers.
func TestStatuses(t *testing.T) {
	f := newFake(t, "")
	for status, want := range map[int]error{
		200: nil, 404: nil, 400: &vault.Error{}, 405: &vault.Error{}, 403: vault.ErrDenied,
		412: oauth.ErrUnavailable, 429: oauth.ErrUnavailable, 472: oauth.ErrUnavailable, 473: oauth.ErrUnavailable,
		500: oauth.ErrUnavailable, 501: oauth.ErrUnavailable, 502: oauth.ErrUnavailable, 503: oauth.ErrUnavailable,
	} {
		f.status.Store(http.StatusOK)
		c := open(t, f.options(t))
		f.status.Store(int64(status))
		_, err := c.Read(t.Context(), "secret", nil)
		var answer *vault.Error
		switch {
		case want == nil:
			if err != nil {
				t.Errorf("%d: %v", status, err)
			}
		case !errors.As(err, &answer) || answer.Status != status:
			t.Errorf("%d: %v has no status", status, err)
		case errors.Is(err, oauth.ErrUnavailable) != errors.Is(want, oauth.ErrUnavailable),
			errors.Is(err, vault.ErrDenied) != errors.Is(want, vault.ErrDenied):
			t.Errorf("%d: %v, want %v", status, err, want)
		}
	}
}

// TestNoVault is something that answers, in HTML.
func TestNoVault(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "<html>maintenance</html>")
	}))
	t.Cleanup(server.Close)
	_, err := vault.Open(t.Context(), vault.Options{Address: server.URL, Clock: time.Now,
		Auth: vault.Auth{Method: vault.Kubernetes, Role: "r", JWTFile: file(t, "jwt", "a.b.c")}})
	if !errors.Is(err, oauth.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}
