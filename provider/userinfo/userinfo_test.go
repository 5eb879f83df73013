package userinfo

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
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

// house is everything that the endpoint works with: one access token "access" of the user "u1", whom its client knows
// as "anna-here".
type house struct {
	scope     oauth.Scope
	user      oauth.User
	claims    oauth.ClaimsRequest // of the grant
	nobody    bool                // stands behind the token
	peer      *mtls.Peer
	peerErr   error
	tokenErr  error
	verified  int
	bound     oauth.Confirmation // what the token is bound to
	own       oauth.Client       // of the token
	committed []oauth.Change
	commitErr error
	signErr   error
}

func newHouse(scope string) *house {
	parsed, _ := oauth.ParseScope(scope)
	own := oauth.Client{ID: "app", Scope: "openid profile email address phone accounts"}
	return &house{scope: parsed, own: own, user: oauth.User{ID: "u1", Username: "anna", PasswordHash: "PRIVATE", Claims: map[string]any{
		"sub": "somebody else", "iss": "https://evil.example", "salary": 1.0, "password_hash": "PRIVATE",
		"name": "Anna Example", "birthdate": "1980-01-02", "email": "anna@example.com", "email_verified": true,
		"address": map[string]any{"country": "DE"}, "phone_number": "+49 30 1234",
	}}}
}

// Active implements issue.Guard.Tokens.
func (h *house) Active(_ context.Context, token oauth.Secret) (*issue.Held, error) {
	h.verified++
	if h.tokenErr != nil {
		return nil, h.tokenErr
	}
	if token != "access" {
		return nil, oauth.Errorf(oauth.InvalidToken, "the access token is not active")
	}
	held := &issue.Held{Token: &resource.Token{Subject: "anna-here", ClientID: "app", Scope: h.scope, Confirmation: h.bound}, Client: &h.own}
	if !h.nobody {
		held.Grant, held.User = &oauth.Grant{ID: "g1", UserID: "u1", Claims: h.claims}, &h.user
	}
	return held, nil
}

// Sign "signs" by showing what it was asked for.
func (h *house) Sign(_ context.Context, alg, typ string, payload []byte) (string, error) {
	return alg + "." + typ + "." + string(payload), h.signErr
}

func (h *house) ask(authorization string, more ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "/userinfo", nil)
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	for _, change := range more {
		change(r)
	}
	return h.send(r)
}

func (h *house) send(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	New(Deps{
		Endpoints: []string{endpointURL},
		Guard: &issue.Guard{
			Peer:   func(*http.Request) (*mtls.Peer, error) { return h.peer, h.peerErr },
			Tokens: h, Bind: binder(), Floor: oauth.Profile{Name: oauth.ProfileOpenID, SigningAlgs: []string{"ES256", "RS256"}},
		},
		Issue: issue.New(issue.Options{Issuer: "https://as.example", Signer: h, Algs: []string{"ES256", "RS256"}}),
		Store: h, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
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
	for _, private := range []string{"u1", "anna", "Anna", "PRIVATE"} {
		if strings.Contains(w.Body.String(), private) {
			t.Errorf("the error tells %q: %s", private, w.Body)
		}
	}
}

// A claim leaves only when the scope asks for it, and nothing in the account can say who somebody is.
func TestClaimsOfGrantedScopes(t *testing.T) {
	profile := map[string]any{"sub": "anna-here", "name": "Anna Example", "birthdate": "1980-01-02"}
	email := map[string]any{"sub": "anna-here", "email": "anna@example.com", "email_verified": true}
	for scope, want := range map[string]map[string]any{
		"openid":                         {"sub": "anna-here"},
		"openid accounts offline_access": {"sub": "anna-here"},
		"openid profile":                 profile,
		"email openid":                   email,
		"openid address":                 {"sub": "anna-here", "address": map[string]any{"country": "DE"}},
		"openid phone":                   {"sub": "anna-here", "phone_number": "+49 30 1234"},
		"openid profile email address phone": {"sub": "anna-here", "name": "Anna Example", "birthdate": "1980-01-02", "email": "anna@example.com",
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
	scope := oauth.Scope{"openid", "profile", "email", "address", "phone"}
	answered := claimsOf(&issue.Held{
		Token: &resource.Token{Subject: "sub", Scope: scope}, Client: &oauth.Client{Scope: scope.String()},
		Grant: &oauth.Grant{}, User: &oauth.User{Claims: everything},
	})
	if diff := cmp.Diff(everything, answered); diff != "" {
		t.Error(diff)
	}
}

// Claims that were asked for one by one are there beside the scope's, as far as the client may have them.
func TestRequestedClaims(t *testing.T) {
	one := func(name string) map[string]oauth.ClaimRequest {
		return map[string]oauth.ClaimRequest{name: {Essential: true}}
	}
	for name, c := range map[string]struct {
		registered string
		claims     oauth.ClaimsRequest
		want       map[string]any
	}{
		"at userinfo":                   {"openid profile email", oauth.ClaimsRequest{Userinfo: one("name")}, map[string]any{"sub": "anna-here", "name": "Anna Example"}},
		"in the ID token":               {"openid profile email", oauth.ClaimsRequest{IDToken: one("name")}, map[string]any{"sub": "anna-here"}},
		"not the client's any more":     {"openid email", oauth.ClaimsRequest{Userinfo: one("name")}, map[string]any{"sub": "anna-here"}},
		"not known":                     {"openid profile", oauth.ClaimsRequest{Userinfo: one("nickname")}, map[string]any{"sub": "anna-here"}},
		"none that this server answers": {"openid profile", oauth.ClaimsRequest{Userinfo: one("salary")}, map[string]any{"sub": "anna-here"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse("openid")
			h.own.Scope, h.claims = c.registered, c.claims
			var got map[string]any
			if err := json.Unmarshal(h.ask("Bearer access").Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A token of a client that acts for itself is about nobody, whatever its scope says.
func TestATokenAboutNobody(t *testing.T) {
	h := newHouse("openid profile")
	h.nobody = true
	fails(t, h.ask("Bearer access"), http.StatusUnauthorized, oauth.InvalidToken, `error="invalid_token"`)
}

// Who has registered it gets a JWT, and nothing else.
func TestSigned(t *testing.T) {
	h := newHouse("openid email")
	h.own.UserinfoAlg = "RS256"
	w := h.ask("Bearer access")
	const want = `RS256.JWT.{"aud":"app","email":"anna@example.com","email_verified":true,"iss":"https://as.example","sub":"anna-here"}`
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/jwt" || w.Header().Get("Cache-Control") != "no-store" || w.Body.String() != want {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	h.own.Profile = oauth.ProfileFAPI2Security // which has no RS256
	if w := h.ask("Bearer access"); !strings.HasPrefix(w.Body.String(), "ES256.JWT.") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	h.signErr = errors.New("PRIVATE: sealed")
	fails(t, h.ask("Bearer access"), http.StatusServiceUnavailable, oauth.TemporarilyUnavailable)
	h.signErr, h.own.UserinfoEncAlg = nil, "RSA-OAEP-256" // and nothing reads the client's keys here
	fails(t, h.ask("Bearer access"), http.StatusServiceUnavailable, oauth.TemporarilyUnavailable)
}

// A proof is not used up by a request that is not answered.
func TestUnsignedUsesNothingUp(t *testing.T) {
	proof, jkt := proofFor(t, endpointURL, "access")
	h := newHouse("openid")
	h.bound.JKT, h.own.UserinfoAlg, h.signErr = jkt, "ES256", errors.New("sealed")
	fails(t, h.prove("DPoP access", proof), http.StatusServiceUnavailable, oauth.TemporarilyUnavailable)
	if h.committed != nil {
		t.Errorf("committed %v", h.committed)
	}
}

// An access token without openid is none of OpenID Connect's (OpenID Connect Core section 5.3).
func TestScopeOpenIDIsNeeded(t *testing.T) {
	for _, scope := range []string{"", "profile email", "accounts openid2"} {
		h := newHouse(scope)
		fails(t, h.ask("Bearer access"), http.StatusForbidden, oauth.InsufficientScope, `error="insufficient_scope"`, `scope="openid"`)
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
