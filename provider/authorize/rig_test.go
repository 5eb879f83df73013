package authorize

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"signet/provider/oauth"
	"signet/provider/session"
	"signet/provider/web"
)

// rig is an endpoint with a store in memory, and a browser that keeps its cookies.
type rig struct {
	*Endpoint
	t       *testing.T
	store   *memory
	now     time.Time
	cookies map[string]string
	asked   []oauth.Interaction // what Interact was called with
}

// memory does what the store's contract says, for the changes that this package makes.
type memory struct {
	mu       sync.Mutex
	clients  map[string]*oauth.Client
	users    map[string]oauth.User
	waiting  map[oauth.Digest]oauth.Interaction
	sessions map[oauth.Digest]oauth.Session
	consents map[[2]string]oauth.Consent
	commits  [][]oauth.Change
	spooled  []oauth.AuditEntry
	failRead error
	failWrit error
}

func read[K comparable, V any](m *memory, from map[K]V, key K) (V, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	value, ok := from[key]
	switch {
	case m.failRead != nil:
		return value, m.failRead
	case !ok:
		return value, oauth.ErrNotFound
	}
	return value, nil
}

func (m *memory) Client(_ context.Context, id string) (*oauth.Client, error) {
	return read(m, m.clients, id)
}
func (m *memory) User(_ context.Context, id string) (oauth.User, error) { return read(m, m.users, id) }
func (m *memory) Interaction(_ context.Context, d oauth.Digest) (oauth.Interaction, error) {
	return read(m, m.waiting, d)
}
func (m *memory) Session(_ context.Context, d oauth.Digest) (oauth.Session, error) {
	return read(m, m.sessions, d)
}
func (m *memory) Consent(_ context.Context, user, client string) (oauth.Consent, error) {
	return read(m, m.consents, [2]string{user, client})
}

func (m *memory) Add(_ context.Context, entry oauth.AuditEntry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.spooled = append(m.spooled, entry)
	return m.failWrit
}

func (m *memory) Commit(_ context.Context, changes ...oauth.Change) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failWrit != nil {
		return m.failWrit
	}
	for _, change := range changes {
		if c, ok := change.(oauth.FinishInteraction); ok {
			if _, waits := m.waiting[c.Digest]; !waits {
				return &oauth.Conflict{Change: c}
			}
			delete(m.waiting, c.Digest)
		}
	}
	for _, change := range changes {
		switch c := change.(type) {
		case oauth.StoreInteraction:
			m.waiting[c.Interaction.Digest] = c.Interaction
		case oauth.StoreSession:
			m.sessions[c.Session.Digest] = c.Session
		case oauth.EndSession:
			delete(m.sessions, c.Digest)
		case oauth.RememberConsent:
			m.consents[[2]string{c.Consent.UserID, c.Consent.ClientID}] = c.Consent
		}
	}
	m.commits = append(m.commits, changes)
	return nil
}

// codes are those committed.
func (m *memory) codes() (codes []oauth.AuthorizationCode) {
	for _, changes := range m.commits {
		for _, change := range changes {
			if c, ok := change.(oauth.StoreCode); ok {
				codes = append(codes, c.Code)
			}
		}
	}
	return codes
}

const (
	issuer   = "https://localhost:9443"
	callback = "https://app.example/cb"
	accounts = "https://localhost:9446"
)

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, now: time.Unix(1_800_000_000, 0).UTC(), cookies: map[string]string{}}
	app := &oauth.Client{
		ID: "app", Name: "The App", AuthMethod: oauth.AuthPrivateKeyJWT, Scope: "openid profile accounts offline_access",
		GrantTypes:   []string{oauth.GrantAuthorizationCode, oauth.GrantRefreshToken},
		RedirectURIs: []string{callback, "https://app.example/cb?tenant=1"}, Resources: []string{accounts},
	}
	native := &oauth.Client{
		ID: "native", AuthMethod: oauth.AuthNone, Scope: "openid accounts", GrantTypes: []string{oauth.GrantAuthorizationCode},
		RedirectURIs: []string{"http://127.0.0.1/cb", "com.example.app:/cb"},
	}
	fapi, off, odd, machine := *app, *app, *app, *app
	fapi.ID, fapi.Profile = "fapi", oauth.ProfileFAPI2Security
	off.ID, off.Disabled = "off", true
	odd.ID, odd.Profile = "odd", "unheard-of"
	machine.ID, machine.GrantTypes = "machine", []string{oauth.GrantClientCredentials}
	r.store = &memory{
		clients: map[string]*oauth.Client{
			"app": app, "native": native, "fapi": &fapi, "off": &off, "odd": &odd, "machine": &machine,
		},
		users:    map[string]oauth.User{"u1": {ID: "u1", Username: "anna"}, "u2": {ID: "u2", Username: "ben"}},
		waiting:  map[oauth.Digest]oauth.Interaction{},
		sessions: map[oauth.Digest]oauth.Session{}, consents: map[[2]string]oauth.Consent{},
	}
	r.Endpoint = r.endpoint()
	return r
}

func (r *rig) endpoint() *Endpoint {
	clock := func() time.Time { return r.now }
	manager, err := session.New(session.Deps{Store: r.store, Clock: clock, Random: rand.Reader, Lifetime: 8 * time.Hour})
	if err != nil {
		r.t.Fatal(err)
	}
	endpoint, err := New(Deps{
		Store: r.store, Sessions: manager, Interact: r, Audit: r.store,
		ErrorPage: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, "PAGE "+string(web.Public(err).Code)+" "+web.Public(err).Description, http.StatusBadRequest)
		},
		FormPostPage: func(w http.ResponseWriter, _ *http.Request, name, action string, fields url.Values) {
			_, _ = w.Write([]byte("FORM " + name + " " + action + " " + fields.Encode()))
		},
		Issuer: issuer, ResumePath: "/authorize/resume", Floor: oauth.Profiles[oauth.ProfileOpenID],
		Scopes: []string{"openid", "profile", "accounts", "payments", "offline_access"}, Resources: []string{accounts, "https://other.example"},
		CodeLifetime: time.Minute, RefreshLifetime: time.Hour, InteractionLifetime: 15 * time.Minute,
		Clock: clock, Random: rand.Reader, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return endpoint
}

// Interact implements Interactor.
func (r *rig) Interact(w http.ResponseWriter, _ *http.Request, waiting oauth.Interaction) {
	r.asked = append(r.asked, waiting)
	w.WriteHeader(http.StatusTeapot)
}

// params is a good request with changes: an empty value removes a parameter.
func params(changes ...string) url.Values {
	v := url.Values{
		"client_id": {"app"}, "redirect_uri": {callback}, "response_type": {"code"}, "scope": {"openid accounts"},
		"state": {"s&1"}, "nonce": {"n1"}, "code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"},
	}
	for pair := range slices.Chunk(changes, 2) {
		if pair[1] == "" {
			v.Del(pair[0])
		} else {
			v.Set(pair[0], pair[1])
		}
	}
	return v
}

// do sends a request with the browser's cookies, and keeps those of the answer.
func (r *rig) do(h http.Handler, method, target string, body url.Values) *http.Response {
	r.t.Helper()
	var req *http.Request
	if body != nil {
		req = httptest.NewRequest(method, target, strings.NewReader(body.Encode()))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	} else {
		req = httptest.NewRequest(method, target, nil)
	}
	for name, value := range r.cookies {
		req.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	return r.send(h, req)
}

func (r *rig) send(h http.Handler, req *http.Request) *http.Response {
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, req.WithContext(web.WithRequest(req.Context(), "request-1", web.DoorMain)))
	for _, c := range answer.Result().Cookies() {
		if c.MaxAge < 0 {
			delete(r.cookies, c.Name)
		} else {
			r.cookies[c.Name] = c.Value
		}
	}
	return answer.Result()
}

func (r *rig) get(v url.Values) *http.Response {
	r.t.Helper()
	return r.do(r.Endpoint, http.MethodGet, "/authorize?"+v.Encode(), nil)
}

// login gives the browser a session, and any parked request that user, as the login page does.
func (r *rig) login(userID string) oauth.EndUser {
	r.t.Helper()
	req := httptest.NewRequest(http.MethodGet, "/", nil)
	for name, value := range r.cookies {
		req.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	login, err := r.deps.Sessions.Start(req, oauth.EndUser{ID: userID, AuthTime: r.now, ACR: "pw"})
	if err != nil {
		r.t.Fatal(err)
	}
	for _, waiting := range r.store.waiting {
		waiting.User = &login.User
		login.Changes = append(login.Changes, oauth.StoreInteraction{Interaction: waiting})
	}
	if err := r.store.Commit(context.Background(), login.Changes...); err != nil {
		r.t.Fatal(err)
	}
	r.store.commits = nil
	r.send(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { login.Write(w) }), req)
	return login.User
}

func (r *rig) consent(userID string, scope oauth.Scope) {
	r.store.consents[[2]string{userID, "app"}] = oauth.Consent{UserID: userID, ClientID: "app", Scope: scope, Resources: []string{accounts}}
}

// resumeURL is where the only parked request goes on.
func (r *rig) resumeURL() string {
	r.t.Helper()
	if len(r.store.waiting) != 1 {
		r.t.Fatalf("%d requests are waiting, want 1", len(r.store.waiting))
	}
	for digest := range r.store.waiting {
		return session.PageURL("/authorize/resume", digest)
	}
	return ""
}

// answerOf returns the parameters that a redirect carries, after checking that it goes to uri and has
// what every answer has.
func (r *rig) answerOf(res *http.Response, uri string) url.Values {
	r.t.Helper()
	location := res.Header.Get("Location")
	if res.StatusCode != http.StatusSeeOther || !strings.HasPrefix(location, uri+"?") {
		r.t.Fatalf("status %d, location %q", res.StatusCode, location)
	}
	if res.Header.Get("Cache-Control") != "no-store" || res.Header.Get("Referrer-Policy") != "no-referrer" {
		r.t.Errorf("headers: %v", res.Header)
	}
	answer, err := url.ParseQuery(strings.TrimPrefix(location, uri+"?"))
	if err != nil {
		r.t.Fatal(err)
	}
	if answer.Get("iss") != issuer {
		r.t.Errorf("iss = %q", answer.Get("iss"))
	}
	return answer
}

func page(t *testing.T, res *http.Response) string {
	t.Helper()
	if location := res.Header.Get("Location"); location != "" {
		t.Fatalf("redirected to %q instead of showing a page", location)
	}
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var errDisk = errors.New("disk on fire")
