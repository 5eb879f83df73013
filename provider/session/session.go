package session

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"signet/provider/oauth"
)

// cookieName is the login session's cookie.
const cookieName = "__Host-signet-session"

// Store is what the package reads. Changes are returned to the caller, who commits them with its own.
type Store interface {
	// Session returns the session, or oauth.ErrNotFound when there is none or it has expired.
	Session(ctx context.Context, digest oauth.Digest) (oauth.Session, error)
}

// Deps is what a Manager works with. All fields but BrowserState are required.
type Deps struct {
	Store    Store
	Clock    oauth.Clock
	Random   oauth.Random
	Lifetime time.Duration // from login to the end of the session, used or not
	// BrowserState gives browsers what OpenID Connect Session Management needs, see [Manager.State].
	BrowserState bool
}

// Manager reads, starts and ends login sessions.
type Manager struct{ deps Deps }

// New makes a Manager. It fails when a dependency is missing.
func New(deps Deps) (*Manager, error) {
	if deps.Store == nil || deps.Clock == nil || deps.Random == nil || deps.Lifetime <= 0 {
		return nil, errors.New("session: store, clock, random and a positive lifetime are required")
	}
	return &Manager{deps}, nil
}

// Current returns the request's session, or nil when it has none that is alive. Any other fault of the
// store is an error: the caller cannot know who is there.
func (m *Manager) Current(r *http.Request) (*oauth.Session, error) {
	secret, ok := secretFrom(r, cookieName)
	if !ok {
		return nil, nil
	}
	found, err := m.deps.Store.Session(r.Context(), secret.Digest())
	if errors.Is(err, oauth.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the session: %w", err)
	}
	if !m.deps.Clock().Before(found.ExpiresAt) {
		return nil, nil
	}
	return &found, nil
}

// Login is a session about to begin. Commit Changes first, then call Write.
type Login struct {
	User    oauth.EndUser // with SessionID
	Changes []oauth.Change
	secret  oauth.Secret
	state   bool
}

// Start makes a new session for somebody who has just proved who they are; it replaces the one that the
// request carries, whoever that belonged to. User.SessionID is given by Start: when the same user logs in again it
// stays, so that who took part in the session before is told of its logout, too.
func (m *Manager) Start(r *http.Request, user oauth.EndUser) (Login, error) {
	secret, err := oauth.NewSecret(m.deps.Random)
	if err != nil {
		return Login{}, err
	}
	before, err := m.Current(r)
	if err != nil {
		return Login{}, err
	}
	kept := before != nil && before.User.ID == user.ID && before.User.SessionID != ""
	if kept {
		user.SessionID = before.User.SessionID
	} else if user.SessionID, err = oauth.NewID(m.deps.Random); err != nil {
		return Login{}, err
	}
	until := m.deps.Clock().Add(m.deps.Lifetime)
	login := Login{User: user, secret: secret, Changes: m.end(r, false), state: m.deps.BrowserState}
	login.Changes = append(login.Changes, oauth.StoreSession{Session: oauth.Session{
		Digest: secret.Digest(), User: user, ExpiresAt: until,
	}})
	if kept { // what was noted of the session so far lives as long as it does now
		login.Changes = append(login.Changes, oauth.ProlongSession{SessionID: user.SessionID, Until: until})
	}
	return login, nil
}

// Write gives the browser the session's cookie, and its state. They end with the browser; the server's limit holds
// besides.
func (l Login) Write(w http.ResponseWriter) {
	setCookie(w, cookieName, l.secret.Reveal(), 0)
	if l.state {
		setState(w, stateOf(l.secret), 0)
	}
}

// Logout is a session about to end. Commit Changes first, then call Write.
type Logout struct{ Changes []oauth.Change }

// End ends the session that the request carries; Changes is empty when it carries none. Conditional: of two requests
// that end a session at once, the commit of the second conflicts.
func (m *Manager) End(r *http.Request) Logout { return Logout{Changes: m.end(r, true)} }

// Write makes the browser forget the session that it sent, and its state. A browser that sent none keeps what it has:
// the request may be another site's doing, to which browsers do not add the session's cookie.
func (l Logout) Write(w http.ResponseWriter) {
	if len(l.Changes) == 0 {
		return
	}
	dropCookie(w, cookieName)
	setState(w, "", -1)
}

func (m *Manager) end(r *http.Request, present bool) []oauth.Change {
	secret, ok := secretFrom(r, cookieName)
	if !ok {
		return nil
	}
	return []oauth.Change{oauth.EndSession{Digest: secret.Digest(), Present: present}}
}

// secretFrom reads a cookie of ours. Two cookies of one name cannot both be ours, so neither counts.
func secretFrom(r *http.Request, name string) (oauth.Secret, bool) {
	found := r.CookiesNamed(name)
	if len(found) != 1 || len(found[0].Value) != secretLength {
		return "", false
	}
	return oauth.Secret(found[0].Value), true
}
