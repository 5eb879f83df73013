package logout

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"signet/provider/audit"
	"signet/provider/deliver"
	"signet/provider/issue"
	"signet/provider/jose"
	"signet/provider/oauth"
	"signet/provider/session"
	"signet/provider/session/sessiontest"
	"signet/provider/store"
)

// plain are pages without any looks.
type plain struct{}

func (plain) AskLogout(w http.ResponseWriter, _ *http.Request, _, action string, fields url.Values) {
	w.Header().Set("Location", action+"?"+fields.Encode())
}

func (plain) LoggedOut(w http.ResponseWriter, _ *http.Request, _, _ string, _ []string) {
	w.WriteHeader(http.StatusOK)
}

func (plain) Stayed(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }

func (plain) WriteError(w http.ResponseWriter, _ *http.Request, err error) {
	http.Error(w, err.Error(), http.StatusInternalServerError)
}

// fixed makes the same token always, and posts nowhere.
type fixed struct{ posts int }

func (*fixed) Subject(_ *oauth.Client, userID string) (string, error) { return userID, nil }
func (*fixed) SessionID(_ *oauth.Client, sid string) (string, error)  { return sid, nil }
func (*fixed) LogoutToken(context.Context, *oauth.Client, []string, string, string, time.Time) (string, error) {
	return "token", nil
}

func (f *fixed) Post(context.Context, string, http.Header, []byte) (int, error) {
	f.posts++
	return http.StatusOK, nil
}

func (*fixed) KeySet() *jose.KeySet { return nil }
func (*fixed) Algorithms() []string { return nil }

// TestDatabase is a logout on a real store, of a session with two logins: asked for, answered, delivered; and nothing of it is left.
func TestDatabase(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	log := slog.New(slog.DiscardHandler)
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "signet.db"), store.Options{Clock: clock, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	sessions, err := session.New(session.Deps{Store: db, Clock: clock, Random: rand.Reader, Lifetime: time.Hour, BrowserState: true})
	if err != nil {
		t.Fatal(err)
	}
	queue, err := deliver.New(deliver.Deps{Store: db, Clock: clock, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	world := &fixed{}
	spool := sessiontest.NewStore(nil, nil)
	s, err := New(Deps{
		Store: db, Sessions: sessions, Pages: plain{}, Hints: issue.Hints{Issuer: "https://id.bank.example", Keys: world}, Record: audit.NewRecorder(clock, rand.Reader), Audit: spool,
		Floor: oauth.Profiles[oauth.ProfileOpenID], Issuer: "https://id.bank.example", Path: "/out", ConfirmPath: "/out/confirm", Backchannel: true, Queue: queue,
		Tokens: world, Post: world, RetryFor: time.Hour, Clock: clock, Random: rand.Reader, Log: log,
	})
	if err != nil {
		t.Fatal(err)
	}

	browser := sessiontest.Browser{}
	signIn := func(changes ...oauth.Change) session.Login {
		t.Helper()
		login, err := sessions.Start(browser.Request(http.MethodGet, "/", nil), oauth.EndUser{ID: "u1", AuthTime: now})
		if err != nil {
			t.Fatal(err)
		}
		for _, change := range changes {
			if c, ok := change.(oauth.JoinSession); ok {
				c.Participation.SessionID = login.User.SessionID
				change = c
			}
			login.Changes = append(login.Changes, change)
		}
		if err := db.Commit(t.Context(), login.Changes...); err != nil {
			t.Fatal(err)
		}
		browser.Send(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { login.Write(w) }), browser.Request(http.MethodGet, "/", nil))
		return login
	}
	grant := oauth.Grant{ID: "g1", ClientID: "app", UserID: "u1", Scope: oauth.Scope{"openid"}, CreatedAt: now, ExpiresAt: now.Add(3 * time.Hour)}
	first := signIn(
		oauth.StoreClient{Client: oauth.Client{ID: "app", AuthMethod: oauth.AuthNone, BackchannelLogoutURI: "https://app.example/back"}},
		oauth.StoreGrant{Grant: grant},
		oauth.JoinSession{Participation: oauth.Participation{ClientID: "app", GrantID: "g1", Until: now.Add(time.Hour)}},
	)
	// A login beside it prolongs the session; what is noted of it lasts as long.
	now = now.Add(50 * time.Minute)
	login := signIn()
	sid := login.User.SessionID
	now = now.Add(50 * time.Minute)
	if _, err := db.Sweep(t.Context(), 100); err != nil || sid != first.User.SessionID {
		t.Fatalf("%v, session %s after %s", err, sid, first.User.SessionID)
	}

	asked := browser.Send(s.EndSession(), browser.Request(http.MethodGet, "/out?client_id=app", nil))
	form, err := url.Parse(asked.Header().Get("Location"))
	if err != nil || form.Path != "/out/confirm" {
		t.Fatalf("%v: %v", asked.Header(), err)
	}
	fields := form.Query()
	fields.Set(session.FieldDecision, session.DecisionApprove)
	var answered *httptest.ResponseRecorder
	if answered = browser.Send(s.Confirm(), browser.Request(http.MethodPost, form.Path, fields)); answered.Code != http.StatusOK || len(browser) != 0 {
		t.Fatalf("%d %s, cookies %v", answered.Code, answered.Body, browser)
	}
	for range 2 { // once is enough
		if err := queue.Deliver(t.Context()); err != nil || world.posts != 1 {
			t.Errorf("%v, %d posts", err, world.posts)
		}
		now = now.Add(2 * time.Minute)
	}
	if _, err := db.Session(t.Context(), login.Changes[1].(oauth.StoreSession).Session.Digest); err == nil {
		t.Error("the session is there")
	}
	if parts, err := db.SessionParticipations(t.Context(), sid); err != nil || len(parts) != 0 {
		t.Errorf("%v, %v", parts, err)
	}
	if ended, err := db.Grant(t.Context(), "g1"); err != nil || !ended.Revoked {
		t.Errorf("%+v, %v", ended, err)
	}
}
