package userinfo

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"signet/mtls"
	"signet/provider/issue"
	"signet/provider/oauth"
	"signet/provider/resource"
)

// house is everything that the endpoint works with: one access token "access" of the user "u1".
type house struct {
	scope       oauth.Scope
	user        oauth.User
	userErr     error
	peer        *mtls.Peer
	peerErr     error
	tokenErr    error
	verified    int
	bound       oauth.Confirmation // what the token is bound to
	own         oauth.Client       // of the token
	usersLooked []string
	committed   []oauth.Change
	commitErr   error
}

func newHouse(scope string) *house {
	parsed, _ := oauth.ParseScope(scope)
	return &house{scope: parsed, user: oauth.User{ID: "u1", Username: "anna", PasswordHash: "PRIVATE", Claims: map[string]any{
		"sub": "somebody else", "iss": "https://evil.example", "salary": 1.0, "password_hash": "PRIVATE",
		"name": "Anna Example", "birthdate": "1980-01-02", "email": "anna@example.com", "email_verified": true,
		"address": map[string]any{"country": "DE"}, "phone_number": "+49 30 1234",
	}}}
}

// Active implements issue.Guard.Tokens.
func (h *house) Active(_ context.Context, token oauth.Secret) (*resource.Token, error) {
	h.verified++
	if h.tokenErr != nil {
		return nil, h.tokenErr
	}
	if token != "access" {
		return nil, oauth.Errorf(oauth.InvalidToken, "the access token is not active")
	}
	return &resource.Token{Subject: "u1", ClientID: "app", Scope: h.scope, Confirmation: h.bound}, nil
}

// Client implements issue.Guard.Clients.
func (h *house) Client(context.Context, string) (*oauth.Client, error) { return &h.own, nil }

// User implements Deps.Users.
func (h *house) User(_ context.Context, id string) (oauth.User, error) {
	h.usersLooked = append(h.usersLooked, id)
	return h.user, h.userErr
}

func (h *house) ask(authorization string, more ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "/userinfo", nil)
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	for _, change := range more {
		change(r)
	}
	w := httptest.NewRecorder()
	New(Deps{
		Endpoints: []string{endpointURL},
		Guard: &issue.Guard{
			Peer:   func(*http.Request) (*mtls.Peer, error) { return h.peer, h.peerErr },
			Tokens: h, Clients: h, Bind: binder(), Floor: oauth.Profile{Name: oauth.ProfileOpenID, SigningAlgs: []string{"ES256", "RS256"}},
		},
		Users: h, Store: h, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}).ServeHTTP(w, r)
	return w
}

// fails wants the error in the body and a challenge with these parts, and no claim of the user.
func fails(t *testing.T, w *httptest.ResponseRecorder, status int, code oauth.Code, challenge ...string) {
	t.Helper()
	var got map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != status || got["error"] != string(code) {
		t.Errorf("%d %s (%v), want %d %s", w.Code, w.Body, err, status, code)
	}
	for _, part := range challenge {
		if !strings.Contains(w.Header().Get("WWW-Authenticate"), part) {
			t.Errorf("WWW-Authenticate %q lacks %q", w.Header().Get("WWW-Authenticate"), part)
		}
	}
	for _, private := range []string{"u1", "Anna", "PRIVATE"} {
		if strings.Contains(w.Body.String(), private) {
			t.Errorf("the error tells %q: %s", private, w.Body)
		}
	}
}

// A claim leaves only when the scope asks for it, and nothing in the account can say who somebody is.
func TestClaimsOfGrantedScopes(t *testing.T) {
	profile := map[string]any{"sub": "u1", "name": "Anna Example", "birthdate": "1980-01-02"}
	email := map[string]any{"sub": "u1", "email": "anna@example.com", "email_verified": true}
	for scope, want := range map[string]map[string]any{
		"openid":                         {"sub": "u1"},
		"openid accounts offline_access": {"sub": "u1"},
		"openid profile":                 profile,
		"email openid":                   email,
		"openid address":                 {"sub": "u1", "address": map[string]any{"country": "DE"}},
		"openid phone":                   {"sub": "u1", "phone_number": "+49 30 1234"},
		"openid profile email address phone": {"sub": "u1", "name": "Anna Example", "birthdate": "1980-01-02", "email": "anna@example.com",
			"email_verified": true, "address": map[string]any{"country": "DE"}, "phone_number": "+49 30 1234"},
	} {
		t.Run(scope, func(t *testing.T) {
			h := newHouse(scope)
			w := h.ask("Bearer access")
			var got map[string]any
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK || w.Header().Get("Cache-Control") != "no-store" {
				t.Fatalf("%d %v %s (%v)", w.Code, w.Header(), w.Body, err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff([]string{"u1"}, h.usersLooked); diff != "" {
				t.Errorf("whose account: %s", diff)
			}
		})
	}
}

// What discovery publishes is what can be answered: each name once, in order.
func TestClaimNames(t *testing.T) {
	names := ClaimNames()
	if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) || !slices.Contains(names, "sub") {
		t.Errorf("%v", names)
	}
	everything := map[string]any{}
	for _, name := range names {
		everything[name] = name
	}
	answered := claimsFor(oauth.User{ID: "sub", Claims: everything}, oauth.Scope{"openid", "profile", "email", "address", "phone"})
	if diff := cmp.Diff(everything, answered); diff != "" {
		t.Error(diff)
	}
}

func TestAccountMustBeUsable(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*house)
		status int
		code   oauth.Code
	}{
		{"disabled", func(h *house) { h.user.Disabled = true }, 401, oauth.InvalidToken},
		{"removed", func(h *house) { h.user, h.userErr = oauth.User{}, fmt.Errorf("user: %w", oauth.ErrNotFound) }, 401, oauth.InvalidToken},
		{"not readable", func(h *house) { h.userErr = errors.New("PRIVATE: disk on fire") }, 500, oauth.ServerError},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHouse("openid profile")
			c.change(h)
			w := h.ask("Bearer access")
			fails(t, w, c.status, c.code)
			if challenged := strings.Contains(w.Header().Get("WWW-Authenticate"), `error="invalid_token"`); challenged != (c.status == 401) {
				t.Errorf("WWW-Authenticate %q", w.Header().Get("WWW-Authenticate"))
			}
		})
	}
}

// An access token without openid is none of OpenID Connect's (OpenID Connect Core section 5.3).
func TestScopeOpenIDIsNeeded(t *testing.T) {
	for _, scope := range []string{"", "profile email", "accounts openid2"} {
		h := newHouse(scope)
		fails(t, h.ask("Bearer access"), http.StatusForbidden, oauth.InsufficientScope, `error="insufficient_scope"`, `scope="openid"`)
		if h.usersLooked != nil {
			t.Errorf("%q: accounts were looked up: %v", scope, h.usersLooked)
		}
	}
}

// What the token is bound to is what the sender's certificate has to prove.
func TestSender(t *testing.T) {
	leaf := &x509.Certificate{Raw: []byte("the DER form is all that is hashed")}
	for name, c := range map[string]struct {
		peer  *mtls.Peer
		holds bool
	}{
		"no certificate":    {nil, false},
		"peer without leaf": {&mtls.Peer{}, false},
		"another":           {&mtls.Peer{Leaf: &x509.Certificate{Raw: []byte("another")}}, false},
		"certificate":       {&mtls.Peer{Leaf: leaf}, true},
		"through a proxy":   {&mtls.Peer{Leaf: leaf, ViaProxy: true}, true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse("openid")
			h.peer = c.peer
			if w := h.ask("Bearer access"); w.Code != http.StatusOK {
				t.Errorf("a token that is not bound: %d %s", w.Code, w.Body)
			}
			h.bound.X5TS256 = mtls.Thumbprint(leaf)
			if w := h.ask("Bearer access"); (w.Code == http.StatusOK) != c.holds {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
}

func TestTokenIsRefused(t *testing.T) {
	t.Run("none", func(t *testing.T) {
		h := newHouse("openid")
		w := h.ask("")
		if w.Code != http.StatusUnauthorized || w.Header().Get("WWW-Authenticate") != `Bearer realm="signet"` || h.verified != 0 {
			t.Errorf("%d %v, verified %d times", w.Code, w.Header(), h.verified)
		}
	})
	t.Run("not live", func(t *testing.T) {
		h := newHouse("openid")
		h.tokenErr = oauth.Errorf(oauth.InvalidToken, "the access token is revoked")
		fails(t, h.ask("Bearer access"), http.StatusUnauthorized, oauth.InvalidToken, `error="invalid_token"`)
	})
	t.Run("cannot be checked", func(t *testing.T) {
		h := newHouse("openid")
		h.tokenErr = oauth.Errorf(oauth.TemporarilyUnavailable, "not now").Because(errors.New("PRIVATE"))
		fails(t, h.ask("Bearer access"), http.StatusServiceUnavailable, oauth.TemporarilyUnavailable)
	})
	t.Run("unreadable certificate", func(t *testing.T) {
		h := newHouse("openid")
		h.peerErr = errors.New("PRIVATE: a proxy's header")
		fails(t, h.ask("Bearer access"), http.StatusBadRequest, oauth.InvalidRequest)
		if h.verified != 0 {
			t.Error("verified without knowing the sender")
		}
	})
}
