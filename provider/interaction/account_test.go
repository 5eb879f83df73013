package interaction

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"signet/provider/oauth"
	"signet/provider/session"
)

// selecting is a rig where anna is signed in and another request waits that wants an account to be selected.
func selecting(t *testing.T, change func(*oauth.AuthorizationRequest)) *rig {
	t.Helper()
	r := newRig(t)
	r.tryLogin("anna", "correct horse")
	waiting := r.store.Waiting[r.ticket.Digest]
	waiting.User, waiting.Request.Prompt = nil, []string{"select_account"}
	change(&waiting.Request)
	r.store.Waiting[r.ticket.Digest] = waiting
	return r
}

func TestSelectAccount(t *testing.T) {
	r := selecting(t, func(*oauth.AuthorizationRequest) {})
	res, body := r.get("/interaction/login")
	sid := r.store.Commits[0][0].(oauth.StoreSession).Session.User.SessionID
	for _, want := range []string{
		"<h1>Choose an account</h1>", `<strong id="continue-user">Anna Example</strong>`, `name="session" value="` + sid + `"`, "Continue as Anna Example",
		"Use another account", `id="username"`, `id="login-button"`, `data-page="login"`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in %s", want, body)
		}
	}
	if strings.Count(body, "autofocus") != 1 || res.StatusCode != http.StatusOK {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	res, _ = r.send(r.request(http.MethodPost, "/interaction/login", url.Values{"session": {sid}}))
	if want := session.PageURL("/authorize/resume", r.ticket.Digest); res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != want {
		t.Fatalf("%d, to %s", res.StatusCode, res.Header.Get("Location"))
	}
	if user := r.store.Waiting[r.ticket.Digest].User; user == nil || user.ID != "u1" || user.SessionID != sid || user.ACR != ACRPassword || !user.AuthTime.Equal(r.now) {
		t.Errorf("%+v", user)
	}
	if len(r.store.Sessions) != 1 || len(r.store.Commits) != 2 {
		t.Errorf("%d sessions, %d commits", len(r.store.Sessions), len(r.store.Commits))
	}
}

// Another account logs in as ever, and replaces the session.
func TestSelectAnotherAccount(t *testing.T) {
	r := selecting(t, func(*oauth.AuthorizationRequest) {})
	r.store.Users["u4"] = oauth.User{ID: "u4", Username: "dora", PasswordHash: cheap(t, "correct horse")}
	if res, body := r.tryLogin("dora", "wrong"); res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, "continue-button") || strings.Count(body, "autofocus") != 1 {
		t.Errorf("wrong password: %d %s", res.StatusCode, body)
	}
	r.tryLogin("dora", "correct horse")
	if user := r.store.Waiting[r.ticket.Digest].User; user == nil || user.ID != "u4" || len(r.store.Sessions) != 1 {
		t.Errorf("%+v, %d sessions", user, len(r.store.Sessions))
	}
}

// Choosing an account takes the place of no login that the request asks for besides.
func TestSelectAccountSatisfiesNothingElse(t *testing.T) {
	second := 60
	for name, c := range map[string]struct {
		request func(*oauth.AuthorizationRequest)
		before  func(*rig)
		offered bool
	}{
		"nothing else":       {func(*oauth.AuthorizationRequest) {}, nil, true},
		"no selection asked": {func(q *oauth.AuthorizationRequest) { q.Prompt = []string{"consent"} }, nil, false},
		"prompt=login":       {func(q *oauth.AuthorizationRequest) { q.Prompt = []string{"select_account", "login"} }, nil, false},
		"recent enough":      {func(q *oauth.AuthorizationRequest) { q.MaxAge = &second }, func(r *rig) { r.now = r.now.Add(59 * time.Second) }, true},
		"too long ago":       {func(q *oauth.AuthorizationRequest) { q.MaxAge = &second }, func(r *rig) { r.now = r.now.Add(time.Minute) }, false},
		"a certain user":     {func(q *oauth.AuthorizationRequest) { q.Subject = "the client's name for u1" }, nil, true},
		"that acr":           {func(q *oauth.AuthorizationRequest) { q.EssentialACR, q.ACRValues = true, []string{"x", ACRPassword} }, nil, true},
		"another acr":        {func(q *oauth.AuthorizationRequest) { q.EssentialACR, q.ACRValues = true, []string{"x"} }, nil, false},
		"another acr, maybe": {func(q *oauth.AuthorizationRequest) { q.ACRValues = []string{"x"} }, nil, true},
		"signed out":         {func(*oauth.AuthorizationRequest) {}, func(r *rig) { clear(r.store.Sessions) }, false},
		"disabled meanwhile": {func(*oauth.AuthorizationRequest) {}, func(r *rig) { r.store.Users["u1"] = oauth.User{ID: "u1", Disabled: true} }, false},
		"removed meanwhile":  {func(*oauth.AuthorizationRequest) {}, func(r *rig) { delete(r.store.Users, "u1") }, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := selecting(t, c.request)
			sid := r.store.Commits[0][0].(oauth.StoreSession).Session.User.SessionID
			if c.before != nil {
				c.before(r)
			}
			if _, body := r.get("/interaction/login"); strings.Contains(body, "continue-button") != c.offered {
				t.Error(body)
			}
			res, _ := r.send(r.request(http.MethodPost, "/interaction/login", url.Values{"session": {sid}}))
			if settled := r.store.Waiting[r.ticket.Digest].User != nil; settled != c.offered {
				t.Errorf("settled: %v, %d, to %s", settled, res.StatusCode, res.Header.Get("Location"))
			}
			if to := session.PageURL("/interaction/login", r.ticket.Digest); !c.offered && res.Header.Get("Location") != to {
				t.Errorf("to %s", res.Header.Get("Location"))
			}
		})
	}
}

// The choice is of the user whom the page named, by the browser that has the page, of a request that still waits.
func TestSelectAccountRefusals(t *testing.T) {
	r := selecting(t, func(*oauth.AuthorizationRequest) {})
	sid := r.store.Commits[0][0].(oauth.StoreSession).Session.User.SessionID
	r.send(r.request(http.MethodPost, "/interaction/login", url.Values{"session": {"s2"}}))
	from := r.request(http.MethodPost, "/interaction/login", url.Values{"session": {sid}})
	from.Header.Set("Sec-Fetch-Site", "cross-site")
	if res, _ := r.send(from); res.StatusCode != http.StatusBadRequest || r.store.Waiting[r.ticket.Digest].User != nil {
		t.Errorf("from elsewhere: %d", res.StatusCode)
	}
	r.store.FailWrite = errDisk
	if res, _ := r.send(r.request(http.MethodPost, "/interaction/login", url.Values{"session": {sid}})); res.StatusCode != http.StatusInternalServerError {
		t.Errorf("not kept: %d", res.StatusCode)
	}
	r.store.FailWrite = nil
	clear(r.store.Waiting)
	if res, body := r.send(r.request(http.MethodPost, "/interaction/login", url.Values{"session": {sid}})); res.StatusCode != http.StatusBadRequest || !strings.Contains(body, "has expired") {
		t.Errorf("answered: %d %s", res.StatusCode, body)
	}
}
