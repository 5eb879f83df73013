package grantmgmt

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"signet/mtls"
	"signet/provider/audit"
	"signet/provider/binding"
	"signet/provider/issue"
	"signet/provider/oauth"
	"signet/provider/resource"
	"signet/provider/web"
)

const api = "https://id.bank.example/grants"

var (
	now  = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	used = oauth.UseProof{Digest: oauth.Secret("proof").Digest(), Until: now.Add(time.Minute)}
)

// house is everything that the API works with: one grant "g1" of the client "app" by the user "u1".
type house struct {
	grants    map[string]oauth.Grant
	token     issue.Held
	failure   error // of the store
	committed []oauth.Change
	urls      []string // for which a proof would count
	asked     string   // grant that was looked up
}

func newHouse() *house {
	return &house{
		grants: map[string]oauth.Grant{"g1": {
			ID: "g1", ClientID: "app", UserID: "u1", Scope: oauth.Scope{"openid", "accounts", "profile", "payments"},
			Resources: []string{"https://rs.example"}, Details: oauth.Details{{Type: "payment", JSON: []byte(`{"type":"payment","amount":"1.00"}`)}},
			Managed: true, CreatedAt: now.Add(-time.Hour), ExpiresAt: now.Add(time.Hour),
		}},
		token: issue.Held{Client: &oauth.Client{ID: "app"}, Token: &resource.Token{
			Subject: "app", ClientID: "app", Audience: []string{"https://rs.example", api}, Scope: oauth.Scope{ScopeQuery, ScopeRevoke},
		}},
	}
}

func (h *house) Grant(_ context.Context, id string) (oauth.Grant, error) {
	h.asked = id
	grant, ok := h.grants[id]
	if !ok {
		return oauth.Grant{}, fmt.Errorf("grant: %w", oauth.ErrNotFound)
	}
	return grant, nil
}

func (h *house) Commit(_ context.Context, changes ...oauth.Change) error {
	if h.failure == nil {
		h.committed = append(h.committed, changes...)
	}
	return h.failure
}

func (h *house) Active(_ context.Context, token oauth.Secret) (*issue.Held, error) {
	if token != "token" {
		return nil, oauth.Errorf(oauth.InvalidToken, "no such token")
	}
	return &h.token, nil
}

func (h *house) From(_ http.ResponseWriter, r *http.Request, _ *x509.Certificate, urls, _ []string, _ oauth.Secret) (binding.Sender, error) {
	h.urls = urls
	return binding.Sender{Confirmation: oauth.Confirmation{JKT: r.Header.Get("DPoP")}, Changes: []oauth.Change{used}}, nil
}

func (h *house) send(method, path, authorization string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
		r.Header.Set("DPoP", "key-1")
	}
	w := httptest.NewRecorder()
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	clock := func() time.Time { return now }
	handler := New(Deps{
		Path: "/grants", Endpoints: []string{api, "https://mtls.bank.example/grants"}, Audience: api,
		Guard: &issue.Guard{Peer: func(*http.Request) (*mtls.Peer, error) { return nil, nil }, Tokens: h, Bind: h, Floor: oauth.Profile{SigningAlgs: []string{"ES256"}}},
		Store: h, Record: audit.NewRecorder(clock, rand.Reader), Clock: clock, Log: log,
	})
	web.Wrap(handler, web.Options{Random: rand.Reader, Log: log, Door: web.DoorMain, Clock: clock}).ServeHTTP(w, r)
	return w
}

func TestQuery(t *testing.T) {
	h := newHouse()
	w := h.send(http.MethodGet, "/grants/g1", "Bearer token")
	const want = `{"scopes":[{"scope":"accounts payments","resource":["https://rs.example"]},{"scope":"openid profile"}],` +
		`"authorization_details":[{"type":"payment","amount":"1.00"}]}`
	if w.Code != http.StatusOK || strings.TrimSpace(w.Body.String()) != want || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	if len(h.committed) != 0 {
		t.Errorf("a query changed %v", h.committed)
	}
	h.grants["g1"] = oauth.Grant{ID: "g1", ClientID: "app", UserID: "u1", Managed: true, ExpiresAt: now.Add(time.Hour)}
	if w := h.send(http.MethodGet, "/grants/g1", "Bearer token"); strings.TrimSpace(w.Body.String()) != "{}" {
		t.Errorf("an empty grant: %s", w.Body)
	}
}

func TestRevoke(t *testing.T) {
	h := newHouse()
	if w := h.send(http.MethodDelete, "/grants/g1", "Bearer token"); w.Code != http.StatusNoContent || w.Body.Len() != 0 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	forget := oauth.ForgetConsent{UserID: "u1", ClientID: "app"}
	want := []oauth.Change{oauth.RevokeGrant{GrantID: "g1", At: now}, forget, oauth.RecordAudit{Entry: oauth.AuditEntry{
		At: now, Event: "grant.revoked", ClientID: "app", Subject: "u1", GrantID: "g1", Detail: map[string]any{"by": "client"}}}}
	if diff := cmp.Diff(want, h.committed, cmpopts.IgnoreFields(oauth.AuditEntry{}, "ID", "RequestID")); diff != "" {
		t.Error(diff)
	}
}

// A DPoP proof is for the URL of the very grant, and is used up by a query as well as by a revocation.
func TestProof(t *testing.T) {
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		h := newHouse()
		h.token.Confirmation.JKT = "key-1"
		if w := h.send(method, "/grants/g1", "DPoP token"); w.Code >= 300 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		if diff := cmp.Diff([]string{api + "/g1", "https://mtls.bank.example/grants/g1"}, h.urls); diff != "" {
			t.Error(diff)
		}
		if len(h.committed) == 0 || h.committed[0] != oauth.Change(used) {
			t.Errorf("%s: committed %v", method, h.committed)
		}
		if w := h.send(method, "/grants/g1", "Bearer token"); w.Code != http.StatusUnauthorized {
			t.Errorf("without the proof's scheme: %d", w.Code)
		}
	}
}

// Whoever may not is told nothing about the grant, and changes nothing.
func TestRefused(t *testing.T) {
	change := func(edit func(*oauth.Grant)) func(*house) {
		return func(h *house) {
			grant := h.grants["g1"]
			edit(&grant)
			h.grants["g1"] = grant
		}
	}
	for name, c := range map[string]struct {
		edit          func(*house)
		path          string
		authorization string
		status        int
		code          string
	}{
		"no token":          {nil, "/grants/g1", "", 401, ""},
		"another token":     {nil, "/grants/g1", "Bearer other", 401, "invalid_token"},
		"not for the API":   {func(h *house) { h.token.Audience = []string{"https://rs.example"} }, "/grants/g1", "Bearer token", 401, "invalid_token"},
		"without the scope": {func(h *house) { h.token.Scope = oauth.Scope{"accounts"} }, "/grants/g1", "Bearer token", 403, "insufficient_scope"},
		"no such grant":     {nil, "/grants/g2", "Bearer token", 404, "not_found"},
		"another client's":  {change(func(g *oauth.Grant) { g.ClientID = "other" }), "/grants/g1", "Bearer token", 404, "not_found"},
		"another user's":    {func(h *house) { h.token.Grant = &oauth.Grant{ID: "g2", UserID: "u2"} }, "/grants/g1", "Bearer token", 404, "not_found"},
		"another user's, by a name like the client's": {func(h *house) { h.token.Subject, h.token.Grant = "app", &oauth.Grant{ID: "g2", UserID: "app"} }, "/grants/g1", "Bearer token", 404, "not_found"},
		"another user's, by the name of this one":     {func(h *house) { h.token.Subject, h.token.Grant = "u1", &oauth.Grant{ID: "g2", UserID: "u2"} }, "/grants/g1", "Bearer token", 404, "not_found"},
		"revoked":       {change(func(g *oauth.Grant) { g.Revoked = true }), "/grants/g1", "Bearer token", 404, "not_found"},
		"expired":       {change(func(g *oauth.Grant) { g.ExpiresAt = now }), "/grants/g1", "Bearer token", 404, "not_found"},
		"not managed":   {change(func(g *oauth.Grant) { g.Managed = false }), "/grants/g1", "Bearer token", 404, "not_found"},
		"no grant_id":   {nil, "/grants/", "Bearer token", 404, "not_found"},
		"nothing below": {nil, "/grants", "Bearer token", 404, "not_found"},
		"deeper":        {nil, "/grants/g1/x", "Bearer token", 404, "not_found"},
		"escaped":       {nil, "/grants/g%31", "Bearer token", 404, "not_found"},
		"too long":      {nil, "/grants/" + strings.Repeat("g", 65), "Bearer token", 404, "not_found"},
	} {
		for _, method := range []string{http.MethodGet, http.MethodDelete} {
			h := newHouse()
			if c.edit != nil {
				c.edit(h)
			}
			w := h.send(method, c.path, c.authorization)
			code := `"error":"` + c.code + `"`
			if w.Code != c.status || c.code != "" && !strings.Contains(w.Body.String(), code) || strings.Contains(w.Body.String(), "payment") || len(h.committed) > 0 {
				t.Errorf("%s %s: %d %s, %v", method, name, w.Code, w.Body, h.committed)
			}
		}
	}
	own := newHouse()
	own.token.Subject, own.token.Grant = "anna-here", &oauth.Grant{ID: "g2", UserID: "u1"}
	if w := own.send(http.MethodGet, "/grants/g1", "Bearer token"); w.Code != http.StatusOK {
		t.Errorf("the user's own: %d %s", w.Code, w.Body)
	}
	only := newHouse()
	only.token.Scope = oauth.Scope{ScopeQuery}
	if w := only.send(http.MethodDelete, "/grants/g1", "Bearer token"); w.Code != http.StatusForbidden || !strings.Contains(w.Header().Get("WWW-Authenticate"), ScopeRevoke) {
		t.Errorf("revoked with the scope for queries: %d %v", w.Code, w.Header())
	}
}

func TestMethods(t *testing.T) {
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodHead, http.MethodOptions} {
		if w := newHouse().send(method, "/grants/g1", "Bearer token"); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, DELETE" {
			t.Errorf("%s: %d %v", method, w.Code, w.Header())
		}
	}
}

// What cannot be committed is not answered.
func TestOutage(t *testing.T) {
	h := newHouse()
	h.failure = errors.Join(oauth.ErrUnavailable, errors.New("disk on fire"))
	if w := h.send(http.MethodDelete, "/grants/g1", "Bearer token"); w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), "disk") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestActions(t *testing.T) {
	if diff := cmp.Diff([]string{"query", "revoke", "create", "merge", "replace"}, Actions()); diff != "" {
		t.Error(diff)
	}
}
