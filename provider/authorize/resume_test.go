package authorize

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/provider/oauth"
)

func postFrom(origin string, form url.Values) *http.Request {
	req := httptest.NewRequest(http.MethodPost, "/authorize", strings.NewReader(form.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", origin)
	return req
}

// asked returns a rig whose user has logged in and looks at the consent page.
func askedRig(t *testing.T) (r *rig, resume string, user oauth.EndUser) {
	t.Helper()
	r = newRig(t)
	user = r.login("u1")
	r.get(params())
	if len(r.asked) != 1 || r.asked[0].User == nil {
		t.Fatalf("asked %v", r.asked)
	}
	resume = r.resumeURL()
	r.store.Commits = nil
	return r, resume, user
}

func approve(user oauth.EndUser) url.Values {
	return url.Values{"decision": {"approve"}, "session": {user.SessionID}}
}

// Twenty presses of the button at once: one code, and one redirect that carries it.
func TestDoubleSubmitGivesOneCode(t *testing.T) {
	r, resume, user := askedRig(t)
	type result struct {
		location, page string
	}
	results := make([]result, 20)
	var started, done sync.WaitGroup
	started.Add(1)
	for i := range results {
		req := r.cookies.Request(http.MethodPost, resume, approve(user))
		done.Go(func() {
			started.Wait()
			answer := httptest.NewRecorder()
			r.Resume().ServeHTTP(answer, req)
			results[i] = result{answer.Header().Get("Location"), answer.Body.String()}
		})
	}
	started.Done()
	done.Wait()
	sent := 0
	for _, got := range results {
		switch {
		case strings.HasPrefix(got.location, callback+"?code="):
			sent++
		case got.location != "" || !strings.Contains(got.page, "already completed"):
			t.Errorf("location %q, page %q", got.location, got.page)
		}
	}
	if codes := r.codes(); sent != 1 || len(codes) != 1 {
		t.Errorf("%d codes sent, %d stored, want one", sent, len(codes))
	}
}

// The same when the second press found the request before the first one's commit.
func TestLostRaceShowsAPage(t *testing.T) {
	r, resume, user := askedRig(t)
	p, err := r.resume(r.cookies.Request(http.MethodGet, resume, nil))
	if err != nil {
		t.Fatal(err)
	}
	r.answerOf(r.do(r.Resume(), http.MethodPost, resume, approve(user)), callback)
	answer := httptest.NewRecorder()
	r.issue(answer, r.cookies.Request(http.MethodGet, resume, nil), p, outcome{}, user, true)
	if text := page(t, answer.Result()); !strings.Contains(text, "already completed") || len(r.codes()) != 1 {
		t.Errorf("page %q, %d codes", text, len(r.codes()))
	}
}

// A request that was answered while a second tab went on with it does not wait again.
func TestGoingOnDoesNotReviveAFinishedRequest(t *testing.T) {
	r, resume, user := askedRig(t)
	p, err := r.resume(r.cookies.Request(http.MethodGet, resume, nil))
	if err != nil {
		t.Fatal(err)
	}
	r.answerOf(r.do(r.Resume(), http.MethodPost, resume, approve(user)), callback)
	answer := httptest.NewRecorder()
	r.ask(answer, r.cookies.Request(http.MethodGet, resume, nil), p, outcome{}, &user)
	if text := page(t, answer.Result()); !strings.Contains(text, "already completed") || len(r.store.Waiting) != 0 || len(r.asked) != 1 {
		t.Errorf("page %q, %d requests wait, asked %d times", text, len(r.store.Waiting), len(r.asked))
	}
}

func TestDeny(t *testing.T) {
	r, resume, _ := askedRig(t)
	answer := r.answerOf(r.do(r.Resume(), http.MethodPost, resume, url.Values{"decision": {"deny"}}), callback)
	if answer.Get("error") != "access_denied" || answer.Get("state") != "s&1" || answer.Has("code") {
		t.Errorf("answer %v", answer)
	}
	if len(r.store.Commits) != 1 {
		t.Fatalf("%d commits", len(r.store.Commits))
	}
	if diff := cmp.Diff([]string{"finish", "consent.denied"}, kinds(r.store.Commits[0])); diff != "" {
		t.Error(diff)
	}
	if text := page(t, r.do(r.Resume(), http.MethodPost, resume, url.Values{"decision": {"deny"}})); !strings.Contains(text, "already completed") {
		t.Errorf("again: %q", text)
	}
}

func TestCancelBeforeLogin(t *testing.T) {
	r := newRig(t)
	r.get(params())
	answer := r.answerOf(r.do(r.Resume(), http.MethodPost, r.resumeURL(), url.Values{"decision": {"deny"}}), callback)
	if answer.Get("error") != "access_denied" {
		t.Errorf("answer %v", answer)
	}
}

// An approval counts only from the session that the page named.
func TestApprovalFromSomebodyElse(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(r *rig, form url.Values)
	}{
		{"no session field", func(_ *rig, form url.Values) { form.Del("session") }},
		{"another session's page", func(_ *rig, form url.Values) { form.Set("session", "other") }},
		{"somebody else has logged in", func(r *rig, _ url.Values) { r.login("u2") }},
		{"logged out", func(r *rig, _ url.Values) { clear(r.store.Sessions) }},
		{"disabled", func(r *rig, _ url.Values) { r.store.Users["u1"] = oauth.User{ID: "u1", Disabled: true} }},
		{"before any login", func(r *rig, _ url.Values) {
			for digest, waiting := range r.store.Waiting {
				waiting.User = nil
				r.store.Waiting[digest] = waiting
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, resume, user := askedRig(t)
			form := approve(user)
			test.change(r, form)
			res := r.do(r.Resume(), http.MethodPost, resume, form)
			if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != resume || len(r.codes()) != 0 {
				t.Errorf("status %d, location %q, %d codes", res.StatusCode, res.Header.Get("Location"), len(r.codes()))
			}
		})
	}
}

// What ends a waiting request is shown on a page: there is nobody to redirect to, or no reason to.
func TestResumeRefusals(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(r *rig, req *http.Request)
		want   string
	}{
		{"no ticket", func(_ *rig, req *http.Request) { req.Header.Del("Cookie") }, "expired or was already completed"},
		{"another ticket's name", func(_ *rig, req *http.Request) { req.URL.RawQuery = "interaction=aaaaaaaaaaaaaaaa" }, "expired or was already completed"},
		{"expired", func(r *rig, _ *http.Request) { r.now = r.now.Add(15 * time.Minute) }, "expired or was already completed"},
		{"finished", func(r *rig, _ *http.Request) { clear(r.store.Waiting) }, "expired or was already completed"},
		{"from another site", func(_ *rig, req *http.Request) {
			req.Header.Set("Sec-Fetch-Site", "cross-site")
			req.Header.Del("Origin")
		}, "another site"},
		{"from another origin", func(_ *rig, req *http.Request) { req.Header.Set("Origin", "https://evil.example") }, "another site"},
		{"client disabled", func(r *rig, _ *http.Request) { r.store.Clients["app"].Disabled = true }, "not known"},
		{"redirect_uri removed", func(r *rig, _ *http.Request) { r.store.Clients["app"].RedirectURIs = nil }, "no longer registered"},
		{"scope reduced", func(r *rig, _ *http.Request) { r.store.Clients["app"].Scope = "openid" }, "reduced"},
		{"store fault", func(r *rig, _ *http.Request) { r.store.FailRead = errDisk }, "server_error"},
		{"no decision", func(_ *rig, req *http.Request) { req.Body, req.ContentLength = http.NoBody, 0 }, "approve or deny"},
		{"wrong content type", func(_ *rig, req *http.Request) { req.Header.Set("Content-Type", "text/plain") }, "content type"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, resume, user := askedRig(t)
			req := postFrom(issuer, approve(user))
			req.URL, _ = url.Parse(resume)
			r.cookies.Carry(req)
			test.change(r, req)
			if text := page(t, r.send(r.Resume(), req)); !strings.Contains(text, test.want) {
				t.Errorf("page %q, want %q", text, test.want)
			}
			if len(r.codes()) != 0 {
				t.Error("a code was issued")
			}
		})
	}
}

func TestApprovalWithoutCommitSendsNoCode(t *testing.T) {
	r, resume, user := askedRig(t)
	r.store.FailWrite = errDisk
	answer := r.answerOf(r.do(r.Resume(), http.MethodPost, resume, approve(user)), callback)
	if answer.Get("error") != "server_error" || answer.Has("code") {
		t.Errorf("answer %v", answer)
	}
	r.store.FailWrite = nil // nothing was burnt: the user can press the button again
	if answer := r.answerOf(r.do(r.Resume(), http.MethodPost, resume, approve(user)), callback); !answer.Has("code") {
		t.Errorf("again: %v", answer)
	}
}
