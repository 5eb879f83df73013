package interaction

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"

	"signet/provider/oauth"
	"signet/provider/session"
	"signet/provider/web"
)

// rig is the pages with a store in memory, one waiting request, and a browser that keeps its cookies.
type rig struct {
	*Pages
	t       *testing.T
	store   *memory
	now     time.Time
	ticket  session.Ticket
	cookies map[string]string
}

type memory struct {
	mu       sync.Mutex
	clients  map[string]*oauth.Client
	users    map[string]oauth.User
	waiting  map[oauth.Digest]oauth.Interaction
	sessions map[oauth.Digest]oauth.Session
	commits  [][]oauth.Change
	spooled  []oauth.AuditEntry
	fail     error
}

func read[K comparable, V any](m *memory, from map[K]V, key K) (V, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	value, ok := from[key]
	switch {
	case m.fail != nil:
		return value, m.fail
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

func (m *memory) UserByName(_ context.Context, name string) (oauth.User, error) {
	for _, user := range m.users {
		if user.Username == name {
			return user, m.fail
		}
	}
	return oauth.User{}, oauth.ErrNotFound
}

func (m *memory) Add(_ context.Context, entry oauth.AuditEntry) error {
	m.spooled = append(m.spooled, entry)
	return m.fail
}

func (m *memory) Commit(_ context.Context, changes ...oauth.Change) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	for _, change := range changes {
		switch c := change.(type) {
		case oauth.StoreInteraction:
			m.waiting[c.Interaction.Digest] = c.Interaction
		case oauth.StoreSession:
			m.sessions[c.Session.Digest] = c.Session
		case oauth.EndSession:
			delete(m.sessions, c.Digest)
		}
	}
	m.commits = append(m.commits, changes)
	return nil
}

var errDisk = errors.New("disk on fire")

// cheap is a hash that takes no time.
func cheap(t *testing.T, password string) string {
	t.Helper()
	hash, err := argon2id.CreateHash(password, &argon2id.Params{Memory: 64, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32})
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

func newRig(t *testing.T, changes ...func(*Deps)) *rig {
	t.Helper()
	r := &rig{t: t, now: time.Unix(1_800_000_000, 0).UTC(), cookies: map[string]string{}}
	clock := func() time.Time { return r.now }
	r.store = &memory{
		clients: map[string]*oauth.Client{"app": {
			ID: "app", Name: `The <b>App</b> & "Co"`, AuthMethod: oauth.AuthTLS, Scope: "openid accounts", Resources: []string{"https://rs.example"},
		}},
		users: map[string]oauth.User{
			"u1": {ID: "u1", Username: "anna", PasswordHash: cheap(t, "correct horse"), Claims: map[string]any{"name": "Anna Example"}},
			"u2": {ID: "u2", Username: "ben", PasswordHash: cheap(t, "correct horse"), Disabled: true},
			"u3": {ID: "u3", Username: "carl"},
		},
		waiting: map[oauth.Digest]oauth.Interaction{}, sessions: map[oauth.Digest]oauth.Session{},
	}
	manager, err := session.New(session.Deps{Store: r.store, Clock: clock, Random: rand.Reader, Lifetime: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	passwords, err := NewPasswords(r.store, 2)
	if err != nil {
		t.Fatal(err)
	}
	deps := Deps{
		Store: r.store, Sessions: manager, Authenticator: passwords, Audit: r.store,
		Issuer: "https://id.bank.example", Prefix: "/interaction", ResumePath: "/authorize/resume",
		Floor: oauth.Profiles[oauth.ProfileOpenID], Scopes: map[string]string{"accounts": "See your accounts"},
		Resources: map[string]string{"https://rs.example": "Accounts API"},
		Lasts:     func(*oauth.Client, oauth.Scope) time.Duration { return 30 * 24 * time.Hour },
		Clock:     clock, Random: rand.Reader, Log: slog.New(slog.DiscardHandler),
	}
	for _, change := range changes {
		change(&deps)
	}
	if r.Pages, err = New(deps); err != nil {
		t.Fatal(err)
	}
	if r.ticket, err = session.NewTicket(rand.Reader); err != nil {
		t.Fatal(err)
	}
	r.store.waiting[r.ticket.Digest] = oauth.Interaction{
		Digest: r.ticket.Digest, RequestID: "request-0", ExpiresAt: r.now.Add(15 * time.Minute),
		Request: oauth.AuthorizationRequest{ClientID: "app", RedirectURI: "https://app.example/cb", Scope: oauth.Scope{"openid", "accounts", "x-odd"}},
	}
	r.keep(func(w http.ResponseWriter) {
		r.ticket.Write(w, httptest.NewRequest(http.MethodGet, "/", nil), time.Minute)
	})
	return r
}

// keep gives the browser the cookies that write sets.
func (r *rig) keep(write func(http.ResponseWriter)) {
	answer := httptest.NewRecorder()
	write(answer)
	r.take(answer.Result())
}

func (r *rig) take(res *http.Response) {
	for _, c := range res.Cookies() {
		if c.MaxAge < 0 {
			delete(r.cookies, c.Name)
		} else {
			r.cookies[c.Name] = c.Value
		}
	}
}

func (r *rig) request(method, path string, form url.Values) *http.Request {
	target := path
	if strings.HasPrefix(path, "/interaction/") {
		target = session.PageURL(path, r.ticket.Digest)
	}
	req := httptest.NewRequest(method, target, strings.NewReader(form.Encode()))
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, value := range r.cookies {
		req.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	return req
}

func (r *rig) send(req *http.Request) (*http.Response, string) {
	r.t.Helper()
	answer := httptest.NewRecorder()
	r.Handler().ServeHTTP(answer, req.WithContext(web.WithRequest(req.Context(), "request-1", web.DoorMain)))
	res := answer.Result()
	r.take(res)
	body, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return res, string(body)
}

func (r *rig) get(path string) (*http.Response, string) {
	r.t.Helper()
	return r.send(r.request(http.MethodGet, path, nil))
}

func (r *rig) tryLogin(username, password string) (*http.Response, string) {
	r.t.Helper()
	return r.send(r.request(http.MethodPost, "/interaction/login", url.Values{"username": {username}, "password": {password}}))
}
