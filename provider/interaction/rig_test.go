package interaction

import (
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"

	"signet/provider/oauth"
	"signet/provider/session"
	"signet/provider/session/sessiontest"
)

// rig is the pages with a store in memory, one waiting request, and a browser that keeps its cookies.
type rig struct {
	*Pages
	t       *testing.T
	store   *sessiontest.Store
	now     time.Time
	ticket  session.Ticket
	cookies sessiontest.Browser
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
	r := &rig{t: t, now: time.Unix(1_800_000_000, 0).UTC(), cookies: sessiontest.Browser{}}
	clock := func() time.Time { return r.now }
	r.store = sessiontest.NewStore(
		[]*oauth.Client{{
			ID: "app", Name: `The <b>App</b> & "Co"`, AuthMethod: oauth.AuthTLS, Scope: "openid accounts", Resources: []string{"https://rs.example"},
		}},
		[]oauth.User{
			{ID: "u1", Username: "anna", PasswordHash: cheap(t, "correct horse"), Claims: map[string]any{"name": "Anna Example"}},
			{ID: "u2", Username: "ben", PasswordHash: cheap(t, "correct horse"), Disabled: true},
			{ID: "u3", Username: "carl"},
		},
	)
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
		Floor: oauth.Profiles[oauth.ProfileOpenID], Scopes: map[string]string{"openid": "Recognise you when you sign in", "accounts": "See your accounts"},
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
	r.store.Waiting[r.ticket.Digest] = oauth.Interaction{
		Digest: r.ticket.Digest, RequestID: "request-0", ExpiresAt: r.now.Add(15 * time.Minute),
		Request: oauth.AuthorizationRequest{ClientID: "app", RedirectURI: "https://app.example/cb", Scope: oauth.Scope{"openid", "accounts", "x-odd"}, Resources: []string{"https://rs.example"}},
	}
	r.cookies.Send(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.ticket.Write(w, req, time.Minute)
	}), httptest.NewRequest(http.MethodGet, "/", nil))
	return r
}

func (r *rig) request(method, path string, form url.Values) *http.Request {
	target := path
	if strings.HasPrefix(path, "/interaction/") {
		target = session.PageURL(path, r.ticket.Digest)
	}
	return r.cookies.Request(method, target, form)
}

func (r *rig) send(req *http.Request) (*http.Response, string) {
	r.t.Helper()
	res := r.cookies.Send(r.Handler(), req).Result()
	return res, bodyOf(r.t, res)
}

func bodyOf(t *testing.T, res *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func (r *rig) get(path string) (*http.Response, string) {
	r.t.Helper()
	return r.send(r.request(http.MethodGet, path, nil))
}

func (r *rig) tryLogin(username, password string) (*http.Response, string) {
	r.t.Helper()
	return r.send(r.request(http.MethodPost, "/interaction/login", url.Values{"username": {username}, "password": {password}}))
}
