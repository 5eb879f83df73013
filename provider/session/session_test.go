package session_test

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"signet/provider/oauth"
	"signet/provider/session"
)

type sessions map[oauth.Digest]oauth.Session

func (s sessions) Session(_ context.Context, digest oauth.Digest) (oauth.Session, error) {
	found, ok := s[digest]
	if !ok {
		return oauth.Session{}, oauth.ErrNotFound
	}
	return found, nil
}

// apply does what a store does with the changes of this package.
func (s sessions) apply(changes []oauth.Change) {
	for _, change := range changes {
		switch change := change.(type) {
		case oauth.StoreSession:
			s[change.Session.Digest] = change.Session
		case oauth.EndSession:
			delete(s, change.Digest)
		}
	}
}

type broken struct{}

func (broken) Session(context.Context, oauth.Digest) (oauth.Session, error) {
	return oauth.Session{}, errors.New("disk on fire")
}

func newManager(t *testing.T, store session.Store, now *time.Time) *session.Manager {
	t.Helper()
	m, err := session.New(session.Deps{
		Store: store, Clock: func() time.Time { return *now }, Random: rand.Reader, Lifetime: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// next returns a request with the cookies that the answer set.
func next(answer *httptest.ResponseRecorder) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	for _, c := range answer.Result().Cookies() {
		if c.MaxAge >= 0 {
			r.AddCookie(c)
		}
	}
	return r
}

func TestNewNeedsEverything(t *testing.T) {
	if _, err := session.New(session.Deps{}); err == nil {
		t.Error("no error")
	}
}

func TestLifeOfASession(t *testing.T) {
	store, now := sessions{}, time.Unix(1_800_000_000, 0)
	m := newManager(t, store, &now)
	anonymous := httptest.NewRequest(http.MethodGet, "/", nil)
	if found, err := m.Current(anonymous); found != nil || err != nil {
		t.Fatalf("without a cookie: %v, %v", found, err)
	}
	login, err := m.Start(anonymous, oauth.EndUser{ID: "u1", AuthTime: now})
	if err != nil {
		t.Fatal(err)
	}
	answer := httptest.NewRecorder()
	login.Write(answer)
	signedIn := next(answer)
	if found, err := m.Current(signedIn); found != nil || err != nil {
		t.Fatalf("before the commit: %v, %v", found, err)
	}
	store.apply(login.Changes)
	found, err := m.Current(signedIn)
	if err != nil || found == nil {
		t.Fatalf("after the commit: %v, %v", found, err)
	}
	if diff := cmp.Diff(login.User, found.User); diff != "" {
		t.Error(diff)
	}
	now = now.Add(time.Hour)
	if found, err := m.Current(signedIn); found != nil || err != nil {
		t.Errorf("after its lifetime: %v, %v", found, err)
	}
}

func TestCookieIsSafe(t *testing.T) {
	now := time.Now()
	login, err := newManager(t, sessions{}, &now).Start(httptest.NewRequest(http.MethodGet, "/", nil), oauth.EndUser{ID: "u1"})
	if err != nil {
		t.Fatal(err)
	}
	answer := httptest.NewRecorder()
	login.Write(answer)
	c := answer.Result().Cookies()[0]
	if !strings.HasPrefix(c.Name, "__Host-") || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || c.MaxAge != 0 {
		t.Errorf("cookie: %s", answer.Header().Get("Set-Cookie"))
	}
}

func TestLoginReplacesTheSessionBefore(t *testing.T) {
	store, now := sessions{}, time.Unix(1_800_000_000, 0)
	m := newManager(t, store, &now)
	first, err := m.Start(httptest.NewRequest(http.MethodGet, "/", nil), oauth.EndUser{ID: "attacker"})
	if err != nil {
		t.Fatal(err)
	}
	store.apply(first.Changes)
	answer := httptest.NewRecorder()
	first.Write(answer)
	fixed := next(answer)
	second, err := m.Start(fixed, oauth.EndUser{ID: "victim"})
	if err != nil {
		t.Fatal(err)
	}
	store.apply(second.Changes)
	if first.User.SessionID == second.User.SessionID {
		t.Error("the session id was kept")
	}
	if found, err := m.Current(fixed); found != nil || err != nil {
		t.Errorf("the fixed session is alive: %v, %v", found, err)
	}
	if len(store) != 1 {
		t.Errorf("%d sessions, want 1", len(store))
	}
}

// A user who logs in again stays in the session that the clients know; its secret and its time are new.
func TestLoginAgainKeepsTheSessionID(t *testing.T) {
	store, now := sessions{}, time.Unix(1_800_000_000, 0)
	m := newManager(t, store, &now)
	first, err := m.Start(httptest.NewRequest(http.MethodGet, "/", nil), oauth.EndUser{ID: "u1"})
	if err != nil {
		t.Fatal(err)
	}
	store.apply(first.Changes)
	answer := httptest.NewRecorder()
	first.Write(answer)
	for name, test := range map[string]struct {
		after time.Duration
		same  bool
	}{"while it lasts": {time.Minute, true}, "after its end": {time.Hour, false}} {
		now = time.Unix(1_800_000_000, 0).Add(test.after)
		second, err := m.Start(next(answer), oauth.EndUser{ID: "u1"})
		if err != nil {
			t.Fatal(err)
		}
		if same := second.User.SessionID == first.User.SessionID; same != test.same || second.User.SessionID == "" {
			t.Errorf("%s: the session id is the same: %v", name, same)
		}
		var prolonged []oauth.Change
		if test.same { // or the sweep would drop what is noted of it while it lasts
			prolonged = []oauth.Change{oauth.ProlongSession{SessionID: first.User.SessionID, Until: now.Add(time.Hour)}}
		}
		if diff := cmp.Diff(prolonged, second.Changes[2:], cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		ended, stored := second.Changes[0].(oauth.EndSession), second.Changes[1].(oauth.StoreSession)
		if ended.Present {
			t.Errorf("%s: a login can come second", name)
		}
		if _, known := store[ended.Digest]; !known || stored.Session.Digest == ended.Digest {
			t.Errorf("%s: the secret stayed", name)
		}
	}
}

func TestStartFailsClosed(t *testing.T) {
	now := time.Now()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Cookie", "__Host-signet-session="+strings.Repeat("a", 43))
	if _, err := newManager(t, broken{}, &now).Start(r, oauth.EndUser{ID: "u1"}); err == nil {
		t.Error("a login began although nobody knows what it replaces")
	}
}

func TestEnd(t *testing.T) {
	store, now := sessions{}, time.Unix(1_800_000_000, 0)
	m := newManager(t, store, &now)
	anonymous := httptest.NewRequest(http.MethodGet, "/", nil)
	untouched := httptest.NewRecorder()
	if m.End(anonymous).Write(untouched); len(m.End(anonymous).Changes) != 0 || len(untouched.Result().Cookies()) != 0 {
		t.Errorf("without a session: %v, %v", m.End(anonymous).Changes, untouched.Header())
	}
	login, err := m.Start(anonymous, oauth.EndUser{ID: "u1"})
	if err != nil {
		t.Fatal(err)
	}
	store.apply(login.Changes)
	answer := httptest.NewRecorder()
	login.Write(answer)
	signedIn := next(answer)
	logout := m.End(signedIn)
	if end, ok := logout.Changes[0].(oauth.EndSession); !ok || !end.Present {
		t.Errorf("two can end it: %+v", logout.Changes)
	}
	store.apply(logout.Changes)
	if found, err := m.Current(signedIn); found != nil || err != nil || len(store) != 0 {
		t.Errorf("after it: %v, %v", found, err)
	}
	answer = httptest.NewRecorder()
	logout.Write(answer)
	dropped := map[string]bool{}
	for _, c := range answer.Result().Cookies() {
		dropped[c.Name] = c.MaxAge < 0 && c.Value == "" && c.Secure && c.Path == "/"
	}
	if diff := cmp.Diff(map[string]bool{"__Host-signet-session": true, "__Host-signet-state": true}, dropped); diff != "" {
		t.Error(diff)
	}
}

func TestCurrentFailsClosed(t *testing.T) {
	now := time.Now()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Cookie", "__Host-signet-session="+strings.Repeat("a", 43))
	if found, err := newManager(t, broken{}, &now).Current(r); err == nil || found != nil {
		t.Errorf("got %v, %v", found, err)
	}
	r.Header.Add("Cookie", "__Host-signet-session="+strings.Repeat("b", 43))
	if found, err := newManager(t, broken{}, &now).Current(r); err != nil || found != nil {
		t.Errorf("two cookies of one name: got %v, %v", found, err)
	}
}
