package interaction

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/provider/oauth"
	"signet/provider/session"
)

func TestLogin(t *testing.T) {
	r := newRig(t)
	res, _ := r.tryLogin(" anna ", "correct horse")
	if want := session.PageURL("/authorize/resume", r.ticket.Digest); res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != want {
		t.Fatalf("status %d, location %q", res.StatusCode, res.Header.Get("Location"))
	}
	if len(r.store.Commits) != 1 || len(r.store.Sessions) != 1 {
		t.Fatalf("%d commits, %d sessions", len(r.store.Commits), len(r.store.Sessions))
	}
	user := r.store.Waiting[r.ticket.Digest].User
	want := &oauth.EndUser{ID: "u1", AuthTime: r.now, ACR: ACRPassword, AMR: []string{"pwd"}, SessionID: user.SessionID}
	if diff := cmp.Diff(want, user); diff != "" || user.SessionID == "" {
		t.Error(diff)
	}
	last := r.store.Commits[0][len(r.store.Commits[0])-1].(oauth.RecordAudit).Entry
	if last.Event != "login.succeeded" || last.Subject != "u1" || last.ClientID != "app" || last.RequestID != "request-1" {
		t.Errorf("audit: %+v", last)
	}
	current, err := r.deps.Sessions.Current(r.request(http.MethodGet, "/", nil))
	if err != nil || current == nil || current.User.SessionID != user.SessionID {
		t.Errorf("the browser's session: %v, %v", current, err)
	}
}

// Session fixation: a session that was there before ends, whoever it belonged to.
func TestLoginMakesANewSession(t *testing.T) {
	r := newRig(t)
	r.tryLogin("anna", "correct horse")
	before := r.cookies["__Host-signet-session"]
	first := r.store.Waiting[r.ticket.Digest].User.SessionID
	r.tryLogin("anna", "correct horse")
	if r.cookies["__Host-signet-session"] == before || len(r.store.Sessions) != 1 {
		t.Errorf("the old session lives on: %d sessions", len(r.store.Sessions))
	}
	// Who took part in the session is told of its end by its public id, also when its user logged in again.
	if now := r.store.Waiting[r.ticket.Digest].User.SessionID; now != first {
		t.Errorf("the same user has session id %s, and had %s", now, first)
	}
}

// A login that meets the answer given in another tab neither brings the request back nor starts a session.
func TestLoginDoesNotReviveAFinishedRequest(t *testing.T) {
	r := newRig(t)
	req := r.request(http.MethodPost, "/interaction/login", url.Values{})
	waiting, client, err := r.open(req)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.store.Commit(t.Context(), oauth.FinishInteraction{Digest: waiting.Digest}); err != nil {
		t.Fatal(err)
	}
	answer := newAnswer()
	r.Pages.tryLogin(answer, req, r.signInFor(req, waiting, client), "anna", "correct horse")
	if answer.Code != http.StatusBadRequest || !strings.Contains(answer.Body.String(), "already answered") || len(answer.Result().Cookies()) != 0 {
		t.Errorf("status %d, cookies %v, page %s", answer.Code, answer.Result().Cookies(), answer.Body)
	}
	if len(r.store.Waiting) != 0 || len(r.store.Sessions) != 0 || len(r.store.Commits) != 1 {
		t.Errorf("%d requests, %d sessions, %d commits", len(r.store.Waiting), len(r.store.Sessions), len(r.store.Commits))
	}
}

func TestFailedLogins(t *testing.T) {
	const wrong = "The username or the password is not right"
	for _, test := range []struct {
		name, username, password string
		subject                  string // of the audit entry
		want                     string
	}{
		{"wrong password", "anna", "wrong", "u1", wrong},
		{"unknown user", "nobody", "correct horse", "", wrong},
		{"disabled user", "ben", "correct horse", "u2", wrong},
		{"user without a password", "carl", "correct horse", "u3", wrong},
		{"case matters", "Anna", "correct horse", "", wrong},
		{"too long", "anna", strings.Repeat("x", 1025), "", wrong},
		{"nothing typed", "", "", "-", "Please enter"},
		{"no password", "anna", "", "-", "Please enter"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t)
			res, body := r.tryLogin(test.username, test.password)
			if res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, test.want) || !strings.Contains(body, `role="alert"`) {
				t.Errorf("status %d, page %s", res.StatusCode, body)
			}
			if test.password != "" && strings.Contains(body, test.password) {
				t.Error("the page has the password")
			}
			if len(r.store.Commits) != 0 || r.store.Waiting[r.ticket.Digest].User != nil {
				t.Error("state changed")
			}
			if test.subject == "-" {
				return
			}
			if len(r.store.Spooled) != 1 || r.store.Spooled[0].Event != "login.failed" || r.store.Spooled[0].Subject != test.subject {
				t.Errorf("audit: %+v", r.store.Spooled)
			}
		})
	}
}

// The answers for an unknown user and for a wrong password are the same to the letter.
func TestUsernamesAreNotTold(t *testing.T) {
	r := newRig(t)
	_, known := r.tryLogin("anna", "wrong")
	_, unknown := r.tryLogin("annb", "wrong")
	if diff := cmp.Diff(known, strings.ReplaceAll(unknown, "annb", "anna")); diff != "" {
		t.Error(diff)
	}
}

func TestLoginRefusals(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(r *rig, req *http.Request)
		want   string
	}{
		{"no ticket", func(_ *rig, req *http.Request) { req.Header.Del("Cookie") }, "expired or was already completed"},
		{"expired", func(r *rig, _ *http.Request) { r.now = r.now.Add(15 * time.Minute) }, "expired or was already completed"},
		{"finished", func(r *rig, _ *http.Request) { clear(r.store.Waiting) }, "expired or was already completed"},
		{"client removed", func(r *rig, _ *http.Request) { clear(r.store.Clients) }, "expired or was already completed"},
		{"another site", func(_ *rig, req *http.Request) { req.Header.Set("Sec-Fetch-Site", "cross-site") }, "another site"},
		{"another origin", func(_ *rig, req *http.Request) { req.Header.Set("Origin", "https://evil.example") }, "another site"},
		{"JSON", func(_ *rig, req *http.Request) { req.Header.Set("Content-Type", "application/json") }, "content type"},
		{"password in the URL", func(_ *rig, req *http.Request) { req.URL.RawQuery += "&password=x" }, "not in the URL"},
		{"store fault", func(r *rig, _ *http.Request) { r.store.Fail(errDisk) }, "server_error"},
		{"method", func(_ *rig, req *http.Request) { req.Method = http.MethodPut }, "method_not_allowed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t)
			req := r.request(http.MethodPost, "/interaction/login", url.Values{"username": {"anna"}, "password": {"correct horse"}})
			test.change(r, req)
			res, body := r.send(req)
			if res.StatusCode < 400 || !strings.Contains(body, test.want) || !strings.Contains(body, "request-1") || strings.Contains(body, "fire") {
				t.Errorf("status %d, page %s", res.StatusCode, body)
			}
			if len(r.store.Sessions) != 0 {
				t.Error("a session was started")
			}
		})
	}
}

func TestLoginHint(t *testing.T) {
	r := newRig(t)
	waiting := r.store.Waiting[r.ticket.Digest]
	waiting.Request.LoginHint = `"><script>alert(1)</script>`
	r.store.Waiting[r.ticket.Digest] = waiting
	_, body := r.get("/interaction/login")
	if !strings.Contains(body, `value="&#34;&gt;&lt;script&gt;alert(1)&lt;/script&gt;"`) {
		t.Error(body)
	}
}

func TestThrottledLogin(t *testing.T) {
	r := newRig(t)
	for range usernameBurst {
		r.tryLogin("anna", "wrong")
	}
	res, body := r.tryLogin("anna", "correct horse")
	if res.StatusCode != http.StatusTooManyRequests || res.Header.Get("Retry-After") != "60" || !strings.Contains(body, "try again in 1 minute.") {
		t.Fatalf("status %d, Retry-After %q, page %s", res.StatusCode, res.Header.Get("Retry-After"), body)
	}
	if len(r.store.Spooled) != usernameBurst || len(r.store.Sessions) != 0 {
		t.Errorf("%d failures kept, %d sessions", len(r.store.Spooled), len(r.store.Sessions))
	}
	r.now = r.now.Add(time.Minute)
	if res, _ := r.tryLogin("anna", "correct horse"); res.StatusCode != http.StatusSeeOther {
		t.Errorf("a minute later: status %d", res.StatusCode)
	}
}

// Failures of the machine are not the user's.
func TestUndecidedLoginIsNotCounted(t *testing.T) {
	r := newRig(t)
	for range 2 * usernameBurst {
		r.store.Fail(nil)
		req := r.request(http.MethodPost, "/interaction/login", url.Values{"username": {"anna"}, "password": {"x"}})
		waiting, client, err := r.open(req)
		if err != nil {
			t.Fatal(err)
		}
		r.store.Fail(errDisk)
		answer := newAnswer()
		r.Pages.tryLogin(answer, req, r.signInFor(req, waiting, client), "anna", "x")
		if answer.Code != http.StatusInternalServerError {
			t.Fatalf("status %d", answer.Code)
		}
	}
	r.store.Fail(nil)
	if res, _ := r.tryLogin("anna", "correct horse"); res.StatusCode != http.StatusSeeOther {
		t.Errorf("status %d", res.StatusCode)
	}
}
