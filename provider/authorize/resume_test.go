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
	r.store.commits = nil
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
		req := httptest.NewRequest(http.MethodPost, resume, strings.NewReader(approve(user).Encode()))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for name, value := range r.cookies {
			req.AddCookie(&http.Cookie{Name: name, Value: value})
		}
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
	if codes := r.store.codes(); sent != 1 || len(codes) != 1 {
		t.Errorf("%d codes sent, %d stored, want one", sent, len(codes))
	}
}

// The same when the second press found the request before the first one's commit.
func TestLostRaceShowsAPage(t *testing.T) {
	r, resume, user := askedRig(t)
	p, err := r.resume(requestWith(r, resume))
	if err != nil {
		t.Fatal(err)
	}
	r.answerOf(r.do(r.Resume(), http.MethodPost, resume, approve(user)), callback)
	answer := httptest.NewRecorder()
	r.issue(answer, requestWith(r, resume), p, user, true)
	if text := page(t, answer.Result()); !strings.Contains(text, "already completed") || len(r.store.codes()) != 1 {
		t.Errorf("page %q, %d codes", text, len(r.store.codes()))
	}
}

func requestWith(r *rig, target string) *http.Request {
	req := httptest.NewRequest(http.MethodGet, target, nil)
	for name, value := range r.cookies {
		req.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	return req
}

func TestDeny(t *testing.T) {
	r, resume, _ := askedRig(t)
	answer := r.answerOf(r.do(r.Resume(), http.MethodPost, resume, url.Values{"decision": {"deny"}}), callback)
	if answer.Get("error") != "access_denied" || answer.Get("state") != "s&1" || answer.Has("code") {
		t.Errorf("answer %v", answer)
	}
	if len(r.store.commits) != 1 {
		t.Fatalf("%d commits", len(r.store.commits))
	}
	if diff := cmp.Diff([]string{"finish", "consent.denied"}, kinds(r.store.commits[0])); diff != "" {
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
		{"logged out", func(r *rig, _ url.Values) { clear(r.store.sessions) }},
		{"disabled", func(r *rig, _ url.Values) { r.store.users["u1"] = oauth.User{ID: "u1", Disabled: true} }},
		{"before any login", func(r *rig, _ url.Values) {
			for digest, waiting := range r.store.waiting {
				waiting.User = nil
				r.store.waiting[digest] = waiting
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, resume, user := askedRig(t)
			form := approve(user)
			test.change(r, form)
			res := r.do(r.Resume(), http.MethodPost, resume, form)
			if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != resume || len(r.store.codes()) != 0 {
				t.Errorf("status %d, location %q, %d codes", res.StatusCode, res.Header.Get("Location"), len(r.store.codes()))
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
		{"finished", func(r *rig, _ *http.Request) { clear(r.store.waiting) }, "expired or was already completed"},
		{"from another site", func(_ *rig, req *http.Request) {
			req.Header.Set("Sec-Fetch-Site", "cross-site")
			req.Header.Del("Origin")
		}, "another site"},
		{"from another origin", func(_ *rig, req *http.Request) { req.Header.Set("Origin", "https://evil.example") }, "another site"},
		{"client disabled", func(r *rig, _ *http.Request) { r.store.clients["app"].Disabled = true }, "not known"},
		{"redirect_uri removed", func(r *rig, _ *http.Request) { r.store.clients["app"].RedirectURIs = nil }, "no longer registered"},
		{"scope reduced", func(r *rig, _ *http.Request) { r.store.clients["app"].Scope = "openid" }, "reduced"},
		{"store fault", func(r *rig, _ *http.Request) { r.store.failRead = errDisk }, "server_error"},
		{"no decision", func(_ *rig, req *http.Request) { req.Body, req.ContentLength = http.NoBody, 0 }, "approve or deny"},
		{"wrong content type", func(_ *rig, req *http.Request) { req.Header.Set("Content-Type", "text/plain") }, "content type"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, resume, user := askedRig(t)
			req := postFrom(issuer, approve(user))
			req.URL, _ = url.Parse(resume)
			for name, value := range r.cookies {
				req.AddCookie(&http.Cookie{Name: name, Value: value})
			}
			test.change(r, req)
			if text := page(t, r.send(r.Resume(), req)); !strings.Contains(text, test.want) {
				t.Errorf("page %q, want %q", text, test.want)
			}
			if len(r.store.codes()) != 0 {
				t.Error("a code was issued")
			}
		})
	}
}

func TestApprovalWithoutCommitSendsNoCode(t *testing.T) {
	r, resume, user := askedRig(t)
	r.store.failWrit = errDisk
	answer := r.answerOf(r.do(r.Resume(), http.MethodPost, resume, approve(user)), callback)
	if answer.Get("error") != "server_error" || answer.Has("code") {
		t.Errorf("answer %v", answer)
	}
	r.store.failWrit = nil // nothing was burnt: the user can press the button again
	if answer := r.answerOf(r.do(r.Resume(), http.MethodPost, resume, approve(user)), callback); !answer.Has("code") {
		t.Errorf("again: %v", answer)
	}
}
