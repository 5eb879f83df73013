package introspection

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/provider/issue"
	"signet/provider/oauth"
	"signet/provider/resource"
)

const (
	issuer = "https://localhost:9443"
	api    = "https://localhost:9446"
)

var (
	now     = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	hints   = []string{"", "access_token", "refresh_token", "odd"}
	used    = oauth.UseAssertion{ClientID: "app", JTI: "j-1", Until: now.Add(time.Minute)}
	unknown = oauth.Errorf(oauth.InvalidToken, "the access token is not active")
)

// house is everything that the endpoint works with: one access token "access" and one refresh token
// "refresh", both of the client "app".
type house struct {
	client                       *oauth.Client // that calls
	profile                      oauth.Profile // it is held to
	refused                      error         // by client authentication
	access                       *issue.Held
	refresh                      oauth.RefreshToken
	readErr, storeErr, commitErr error
	looked                       int
	revoked                      bool // the grant "g1" is
	seal                         *issue.RefreshSeal
	committed                    []oauth.Change
}

func newHouse() *house {
	return &house{
		client: &oauth.Client{ID: "app", AuthMethod: oauth.AuthPrivateKeyJWT},
		access: &issue.Held{Client: &oauth.Client{ID: "app"}, Token: &resource.Token{ClientID: "app", Audience: []string{api, "https://other.example"}, Claims: map[string]any{
			"iss": issuer, "sub": "u1", "aud": []any{api, "https://other.example"}, "client_id": "app", "scope": "openid accounts", "jti": "g1.t1",
			"iat": json.Number("1772600767"), "exp": json.Number("1772601067"), "acr": "urn:signet:acr:password", "amr": []any{"pwd"},
			"cnf": map[string]any{"x5t#S256": "thumbprint"}, "psd2_roles": []any{"PSP_AI"},
		}}},
		refresh: oauth.RefreshToken{
			ClientID: "app", GrantID: "g1", User: oauth.EndUser{ID: "u1"}, Scope: oauth.Scope{"openid", "accounts"}, Resources: []string{api},
			Confirmation: oauth.Confirmation{X5TS256: "thumbprint"}, IssuedAt: now.Add(-time.Hour), ExpiresAt: now.Add(time.Second),
		},
	}
}

// Authenticate implements Deps.Authenticate.
func (h *house) Authenticate(context.Context, *http.Request, oauth.Params, []string) (oauth.ClientAuthentication, error) {
	if h.refused != nil {
		return oauth.ClientAuthentication{}, h.refused
	}
	return oauth.ClientAuthentication{Client: h.client, Profile: h.profile, Changes: []oauth.Change{used}}, nil
}

// Active implements Deps.Tokens.
func (h *house) Active(_ context.Context, token oauth.Secret) (*issue.Held, error) {
	h.looked++
	switch {
	case h.readErr != nil:
		return nil, h.readErr
	case token == "access":
		return h.access, nil
	default:
		return nil, unknown
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
	if id != "g1" || h.storeErr != nil {
		return oauth.Grant{}, orNotFound(h.storeErr)
	}
	return oauth.Grant{ID: "g1", Revoked: h.revoked}, nil
}

func orNotFound(err error) error {
	if err != nil {
		return err
	}
	return oauth.ErrNotFound
}

// For implements Deps.Details: a detail counts where it says.
func (h *house) For(client *oauth.Client, details oauth.Details, audience []string) oauth.Details {
	return slices.DeleteFunc(slices.Clone(details), func(d oauth.Detail) bool {
		var at struct{ At string }
		return client.ID != "app" || json.Unmarshal(d.JSON, &at) != nil || !slices.Contains(audience, at.At)
	})
}

// Commit implements Deps.Store.
func (h *house) Commit(_ context.Context, changes ...oauth.Change) error {
	if h.commitErr != nil {
		return h.commitErr
	}
	h.committed = append(h.committed, changes...)
	return nil
}

func (h *house) ask(token, hint string) *httptest.ResponseRecorder {
	form := url.Values{"token": {token}, "token_type_hint": {hint}}
	r := httptest.NewRequest(http.MethodPost, "/introspect", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	New(Deps{
		Authenticate: h, Tokens: h, Details: h, Store: h, Seal: h.seal, Issuer: issuer, Clock: func() time.Time { return now },
		Issue: issue.New(issue.Options{Issuer: issuer, Subjects: issue.Subjects{Salt: "salt"}}), Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}).ServeHTTP(w, r)
	return w
}

// answers wants the document, whatever the hint, and the proof of the caller committed with each answer.
func (h *house) answers(t *testing.T, token string, want map[string]any) {
	t.Helper()
	for _, hint := range hints {
		h.committed = nil
		w := h.ask(token, hint)
		var got map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK || w.Header().Get("Cache-Control") != "no-store" {
			t.Fatalf("hint %q: %d %v %s (%v)", hint, w.Code, w.Header(), w.Body, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("hint %q: %s", hint, diff)
		}
		if diff := cmp.Diff([]oauth.Change{used}, h.committed); diff != "" {
			t.Errorf("hint %q: committed: %s", hint, diff)
		}
	}
}

// fails wants an error that says nothing about the token.
func fails(t *testing.T, w *httptest.ResponseRecorder, status int, code oauth.Code) {
	t.Helper()
	var got map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != status || got["error"] != string(code) || strings.Contains(w.Body.String(), "PRIVATE") {
		t.Errorf("%d %s (%v), want %d %s", w.Code, w.Body, err, status, code)
	}
	for _, name := range []string{"active", "sub", "client_id", "scope"} {
		if _, said := got[name]; said {
			t.Errorf("the error tells %q: %s", name, w.Body)
		}
	}
}

var inactive = map[string]any{"active": false}

// Who may know about a token learns all that it says, policy's claims included; anybody else what it would
// learn about one that never existed.
func TestAccessToken(t *testing.T) {
	full := map[string]any{
		"active": true, "token_type": "Bearer", "iss": issuer, "sub": "u1", "aud": []any{api, "https://other.example"}, "client_id": "app",
		"scope": "openid accounts", "jti": "g1.t1", "iat": 1772600767.0, "exp": 1772601067.0, "acr": "urn:signet:acr:password", "amr": []any{"pwd"},
		"cnf": map[string]any{"x5t#S256": "thumbprint"}, "psd2_roles": []any{"PSP_AI"},
	}
	for _, c := range []struct {
		name   string
		caller *oauth.Client
		want   map[string]any
	}{
		{"its own client", &oauth.Client{ID: "app"}, full},
		{"its resource server", &oauth.Client{ID: "rs", Introspects: []string{"https://x.example", api}}, full},
		{"its second resource server", &oauth.Client{ID: "rs", Introspects: []string{"https://other.example"}}, full},
		{"another client", &oauth.Client{ID: "other"}, inactive},
		{"another client of the same resource", &oauth.Client{ID: "other", Resources: []string{api}}, inactive},
		{"another resource server", &oauth.Client{ID: "rs", Introspects: []string{api + "/"}}, inactive},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHouse()
			h.client = c.caller
			said := maps.Clone(h.access.Claims)
			h.answers(t, "access", c.want)
			if diff := cmp.Diff(said, h.access.Claims); diff != "" {
				t.Errorf("the token's claims are shared, and were changed: %s", diff)
			}
		})
	}
	t.Run("not live", func(t *testing.T) {
		h := newHouse()
		h.readErr = oauth.Errorf(oauth.InvalidToken, "the access token is revoked").Because(errors.New("PRIVATE"))
		h.answers(t, "access", inactive)
	})
	t.Run("never existed", func(t *testing.T) { newHouse().answers(t, "nonsense", inactive) })
}

// A resource server learns of those authorization_details that count there; the token's own client, of all.
func TestDetailsAreEachServersOwn(t *testing.T) {
	const other = "https://other.example"
	here, there := map[string]any{"type": "pay", "at": api}, map[string]any{"type": "pay", "at": other}
	for name, c := range map[string]struct {
		caller oauth.Client
		want   any
	}{
		"one":             {oauth.Client{ID: "rs", Introspects: []string{api}}, []any{here}},
		"the other":       {oauth.Client{ID: "rs", Introspects: []string{other, "https://third.example"}}, []any{there}},
		"both":            {oauth.Client{ID: "rs", Introspects: []string{api, other}}, []any{here, there}},
		"neither":         {oauth.Client{ID: "rs", Introspects: []string{"https://neither.example"}}, nil},
		"its own client":  {oauth.Client{ID: "app"}, []any{here, there}},
		"the very server": {oauth.Client{ID: "app", Introspects: []string{api}}, []any{here, there}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse()
			h.client = &c.caller
			h.access.Audience = append(h.access.Audience, "https://neither.example")
			h.access.Claims["authorization_details"] = []any{here, there}
			for _, detail := range []map[string]any{here, there} {
				raw, err := json.Marshal(detail)
				if err != nil {
					t.Fatal(err)
				}
				h.access.Details = append(h.access.Details, oauth.Detail{Type: "pay", JSON: raw})
			}
			var got map[string]any
			if err := json.Unmarshal(h.ask("access", "").Body.Bytes(), &got); err != nil || got["active"] != true {
				t.Fatal(got, err)
			}
			if diff := cmp.Diff(c.want, got["authorization_details"]); diff != "" {
				t.Error(diff)
			}
			if len(h.access.Claims["authorization_details"].([]any)) != 2 {
				t.Error("the token's claims are shared, and were changed")
			}
		})
	}
}

// named is the document for a client of the sector app.example that knows its users by pairwise names.
func named(t *testing.T, doc map[string]any) map[string]any {
	t.Helper()
	name, err := issue.Subjects{Salt: "salt"}.For(&oauth.Client{SubjectType: oauth.SubjectPairwise, SectorURI: "https://app.example/x"}, "u1")
	if err != nil || name == "u1" {
		t.Fatal(name, err)
	}
	doc = maps.Clone(doc)
	doc["sub"] = name
	return doc
}

func TestRefreshToken(t *testing.T) {
	full := map[string]any{
		"active": true, "iss": issuer, "sub": "u1", "client_id": "app", "scope": "openid accounts", "cnf": map[string]any{"x5t#S256": "thumbprint"},
		"iat": float64(now.Add(-time.Hour).Unix()), "exp": float64(now.Add(time.Second).Unix()),
	}
	plain := maps.Clone(full)
	delete(plain, "cnf")
	for _, c := range []struct {
		name   string
		change func(*house)
		want   map[string]any
	}{
		{"live", func(*house) {}, full},
		{"of a pairwise client", func(h *house) {
			h.client.SubjectType, h.client.RedirectURIs = oauth.SubjectPairwise, []string{"https://app.example/cb"}
		}, named(t, full)},
		{"not bound", func(h *house) { h.refresh.Confirmation = oauth.Confirmation{} }, plain},
		{"another client's", func(h *house) { h.client.ID = "other" }, inactive},
		{"asked by the resource server", func(h *house) { h.client.ID, h.client.Introspects = "rs", []string{api} }, inactive},
		{"rotated", func(h *house) { h.refresh.RotatedAt = now.Add(-time.Second) }, inactive},
		{"revoked", func(h *house) { h.refresh.Revoked = true }, inactive},
		{"expired", func(h *house) { h.refresh.ExpiresAt = now.Add(-time.Hour) }, inactive},
		{"expires now", func(h *house) { h.refresh.ExpiresAt = now }, inactive},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHouse()
			c.change(h)
			h.answers(t, "refresh", c.want)
		})
	}
}

// Who has not proved who it is does not even cause a look.
func TestCallerMustAuthenticate(t *testing.T) {
	for name, change := range map[string]func(*house){
		"public client": func(h *house) {
			h.client = &oauth.Client{ID: "app", AuthMethod: oauth.AuthNone, Introspects: []string{api}}
		},
		"refused": func(h *house) { h.refused = oauth.Errorf(oauth.InvalidClient, "client authentication failed") },
	} {
		t.Run(name, func(t *testing.T) {
			for _, token := range []string{"access", "refresh", "nonsense"} {
				h := newHouse()
				change(h)
				w := h.ask(token, "")
				fails(t, w, http.StatusUnauthorized, oauth.InvalidClient)
				if h.looked != 0 || h.committed != nil || w.Header().Get("WWW-Authenticate") == "" {
					t.Errorf("looked %d times, committed %v, headers %v", h.looked, h.committed, w.Header())
				}
			}
		})
	}
}

func TestTokenMissing(t *testing.T) {
	h := newHouse()
	fails(t, h.ask("", "access_token"), http.StatusBadRequest, oauth.InvalidRequest)
	if h.looked != 0 || h.committed != nil {
		t.Errorf("looked %d times, committed %v", h.looked, h.committed)
	}
}

// "Inactive" is a statement. Who cannot look, or cannot keep the caller's proof, makes none.
func TestFailureIsNoAnswer(t *testing.T) {
	down := errors.New("PRIVATE: disk on fire")
	for _, c := range []struct {
		name   string
		change func(*house)
		tokens []string
		status int
		code   oauth.Code
	}{
		{"access tokens cannot be read", func(h *house) { h.readErr = down }, []string{"access", "nonsense"}, 500, oauth.ServerError},
		{"keys cannot be read", func(h *house) { h.readErr = oauth.Errorf(oauth.TemporarilyUnavailable, "not now").Because(down) },
			[]string{"access", "nonsense"}, 503, oauth.TemporarilyUnavailable},
		{"refresh tokens cannot be read", func(h *house) { h.storeErr = down }, []string{"refresh", "nonsense"}, 500, oauth.ServerError},
		{"its user cannot be named", func(h *house) { h.client.SubjectType = oauth.SubjectPairwise }, []string{"refresh"}, 500, oauth.ServerError},
		{"nothing can be committed", func(h *house) { h.commitErr = down }, []string{"access", "refresh", "nonsense"}, 500, oauth.ServerError},
		{"the assertion was used before", func(h *house) { h.commitErr = &oauth.Conflict{Change: used} }, []string{"access", "refresh", "nonsense"},
			401, oauth.InvalidClient},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, token := range c.tokens {
				h := newHouse()
				c.change(h)
				fails(t, h.ask(token, ""), c.status, c.code)
				if h.committed != nil {
					t.Errorf("%s: committed %v", token, h.committed)
				}
			}
		})
	}
}
