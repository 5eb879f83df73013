package revocation

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"signet/provider/audit"
	"signet/provider/issue"
	"signet/provider/keys/keystest"
	"signet/provider/oauth"
	"signet/provider/resource"
	"signet/provider/web"
)

var (
	now  = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	used = oauth.UseAssertion{ClientID: "app", JTI: "j-1", Until: now.Add(time.Minute)}

	revokedGrant = []oauth.Change{used, oauth.RevokeGrant{GrantID: "g1", At: now}, oauth.RecordAudit{Entry: oauth.AuditEntry{
		At: now, Event: "grant.revoked", RequestID: "r-1", ClientID: "app", Subject: "u1", GrantID: "g1"}}}
	revokedToken = []oauth.Change{used, oauth.RevokeAccessToken{JTI: "g1.t1", Until: now.Add(5 * time.Minute)}, oauth.RecordAudit{Entry: oauth.AuditEntry{
		At: now, Event: "token.revoked", RequestID: "r-1", ClientID: "app", Subject: "u1", JTI: "g1.t1"}}}
	revokedOwn = []oauth.Change{used, oauth.RevokeAccessToken{JTI: "t2", Until: now.Add(5 * time.Minute)}, oauth.RecordAudit{Entry: oauth.AuditEntry{
		At: now, Event: "token.revoked", RequestID: "r-1", ClientID: "app", Subject: "app", JTI: "t2"}}}
)

// house is everything that the endpoint works with: one access token "access" and one refresh token
// "refresh", both of the client "app".
type house struct {
	client                       *oauth.Client // that calls
	refused                      error         // by client authentication
	refresh                      oauth.RefreshToken
	readErr, storeErr, commitErr error
	seal                         *issue.RefreshSeal
	random                       io.Reader
	looked, commits              int
	committed                    []oauth.Change
}

func newHouse() *house {
	return &house{
		client: &oauth.Client{ID: "app", AuthMethod: oauth.AuthPrivateKeyJWT}, random: rand.Reader,
		refresh: oauth.RefreshToken{ClientID: "app", GrantID: "g1", User: oauth.EndUser{ID: "u1"}, ExpiresAt: now.Add(time.Hour)},
	}
}

// Authenticate implements Deps.Authenticate.
func (h *house) Authenticate(context.Context, *http.Request, oauth.Params, []string) (oauth.ClientAuthentication, error) {
	if h.refused != nil {
		return oauth.ClientAuthentication{}, h.refused
	}
	return oauth.ClientAuthentication{Client: h.client, Changes: []oauth.Change{used}}, nil
}

// Read implements Deps.Tokens.
func (h *house) Read(_ context.Context, token oauth.Secret) (*issue.Held, error) {
	h.looked++
	switch {
	case h.readErr != nil:
		return nil, h.readErr
	case token == "access":
		held := &issue.Held{Token: &resource.Token{ClientID: "app", Subject: "anna-here", JTI: "g1.t1", Expiry: now.Add(5 * time.Minute)}}
		held.Grant = &oauth.Grant{ID: "g1", UserID: "u1"}
		return held, nil
	case token == "own":
		return &issue.Held{Token: &resource.Token{ClientID: "app", Subject: "app", JTI: "t2", Expiry: now.Add(5 * time.Minute)}}, nil
	default:
		return nil, oauth.Errorf(oauth.InvalidToken, "the access token is not active")
	}
}

// RefreshToken implements Deps.Store.
func (h *house) RefreshToken(_ context.Context, digest oauth.Digest) (oauth.RefreshToken, error) {
	h.looked++
	switch {
	case h.storeErr != nil:
		return oauth.RefreshToken{}, h.storeErr
	case digest == oauth.Secret("refresh").Digest():
		return h.refresh, nil
	default:
		return oauth.RefreshToken{}, fmt.Errorf("refresh token: %w", oauth.ErrNotFound)
	}
}

// Grant implements Deps.Store.
func (h *house) Grant(_ context.Context, id string) (oauth.Grant, error) {
	if id != "g1" {
		return oauth.Grant{}, oauth.ErrNotFound
	}
	return oauth.Grant{ID: "g1"}, nil
}

// Commit implements Deps.Store.
func (h *house) Commit(_ context.Context, changes ...oauth.Change) error {
	h.commits++
	if h.commitErr != nil {
		return h.commitErr
	}
	h.committed = append(h.committed, changes...)
	return nil
}

func (h *house) ask(token, hint string) *httptest.ResponseRecorder {
	form := url.Values{"token": {token}, "token_type_hint": {hint}}
	r := httptest.NewRequest(http.MethodPost, "/revoke", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	clock := func() time.Time { return now }
	New(Deps{
		Authenticate: h, Tokens: h, Store: h, Seal: h.seal, Record: audit.NewRecorder(clock, h.random), Clock: clock,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}).ServeHTTP(w, r.WithContext(web.WithRequest(r.Context(), "r-1", web.DoorMain)))
	return w
}

func fails(t *testing.T, w *httptest.ResponseRecorder, status int, code oauth.Code) {
	t.Helper()
	var got map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != status || got["error"] != string(code) || strings.Contains(w.Body.String(), "PRIVATE") {
		t.Errorf("%d %s (%v), want %d %s", w.Code, w.Body, err, status, code)
	}
}

// A refresh token takes its grant with it, an access token goes alone, and both in one commit with the proof
// of who asked and the audit entry.
func TestRevoked(t *testing.T) {
	for _, c := range []struct {
		name, token string
		change      func(*house)
		want        []oauth.Change
	}{
		{"refresh token", "refresh", nil, revokedGrant},
		{"refresh token that was rotated", "refresh", func(h *house) { h.refresh.RotatedAt = now.Add(-time.Minute) }, revokedGrant},
		{"refresh token that is revoked", "refresh", func(h *house) { h.refresh.Revoked = true }, revokedGrant},
		{"public client's", "refresh", func(h *house) { h.client.AuthMethod = oauth.AuthNone }, revokedGrant},
		{"access token", "access", nil, revokedToken},
		{"access token of the client itself", "own", nil, revokedOwn},
		{"unknown", "nonsense", nil, []oauth.Change{used}},
		{"access token that is no longer live", "access",
			func(h *house) { h.readErr = oauth.Errorf(oauth.InvalidToken, "the access token has expired") }, []oauth.Change{used}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, hint := range []string{"", "access_token", "refresh_token", "odd"} {
				h := newHouse()
				if c.change != nil {
					c.change(h)
				}
				w := h.ask(c.token, hint)
				if w.Code != http.StatusOK || w.Body.Len() != 0 || w.Header().Get("Cache-Control") != "no-store" {
					t.Errorf("hint %q: %d %v %s", hint, w.Code, w.Header(), w.Body)
				}
				if diff := cmp.Diff(c.want, h.committed, cmpopts.IgnoreFields(oauth.AuditEntry{}, "ID")); diff != "" || h.commits != 1 {
					t.Errorf("hint %q: %d commits: %s", hint, h.commits, diff)
				}
				if record, ok := h.committed[len(h.committed)-1].(oauth.RecordAudit); ok && record.Entry.ID == "" {
					t.Error("the audit entry has no id")
				}
			}
		})
	}
}

// Nothing that is refused, or fails, changes anything or is told as a success.
func TestNotRevoked(t *testing.T) {
	down := errors.New("PRIVATE: disk on fire")
	for _, c := range []struct {
		name   string
		change func(*house)
		tokens []string
		status int
		code   oauth.Code
	}{
		{"another client's", func(h *house) { h.client.ID = "other" }, []string{"refresh", "access"}, 400, oauth.InvalidRequest},
		{"resource server", func(h *house) { h.client.ID, h.client.Introspects = "rs", []string{"https://localhost:9446"} },
			[]string{"refresh", "access"}, 400, oauth.InvalidRequest},
		{"refresh tokens cannot be read", func(h *house) { h.storeErr = down }, []string{"refresh", "access", "nonsense"}, 500, oauth.ServerError},
		{"access tokens cannot be read", func(h *house) { h.readErr = down }, []string{"access", "nonsense"}, 500, oauth.ServerError},
		{"keys cannot be read", func(h *house) { h.readErr = oauth.Errorf(oauth.TemporarilyUnavailable, "not now").Because(down) },
			[]string{"access", "nonsense"}, 503, oauth.TemporarilyUnavailable},
		{"no audit entry can be made", func(h *house) { h.random = strings.NewReader("") }, []string{"refresh", "access"}, 500, oauth.ServerError},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, token := range c.tokens {
				h := newHouse()
				c.change(h)
				fails(t, h.ask(token, ""), c.status, c.code)
				if h.commits != 0 {
					t.Errorf("%s: committed %v", token, h.committed)
				}
			}
		})
	}
}

// A success means that the revocation is durable.
func TestFailedCommitIsNoSuccess(t *testing.T) {
	for _, token := range []string{"refresh", "access", "nonsense"} {
		h := newHouse()
		h.commitErr = errors.New("PRIVATE: disk on fire")
		fails(t, h.ask(token, ""), http.StatusInternalServerError, oauth.ServerError)
		h.commitErr = &oauth.Conflict{Change: used}
		fails(t, h.ask(token, ""), http.StatusUnauthorized, oauth.InvalidClient)
	}
}

func TestRequestIsChecked(t *testing.T) {
	h := newHouse()
	fails(t, h.ask("", ""), http.StatusBadRequest, oauth.InvalidRequest)
	h.refused = oauth.Errorf(oauth.InvalidClient, "client authentication failed")
	fails(t, h.ask("refresh", ""), http.StatusUnauthorized, oauth.InvalidClient)
	if h.looked != 0 || h.commits != 0 {
		t.Errorf("looked %d times, committed %d times", h.looked, h.commits)
	}
}

// A refresh token that is its own record is revoked by its grant, as a stored one is.
func TestReference_J29_revocation_of_a_sealed_refresh_token(t *testing.T) {
	h := newHouse()
	h.seal = &issue.RefreshSeal{Sealer: keystest.NewMemory()}
	sealed, ok, err := h.seal.Seal(t.Context(), h.refresh)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	w := h.ask(sealed.Reveal(), "")
	if diff := cmp.Diff(revokedGrant, h.committed, cmpopts.IgnoreFields(oauth.AuditEntry{}, "ID")); w.Code != http.StatusOK || diff != "" {
		t.Errorf("%d %s", w.Code, diff)
	}
}
