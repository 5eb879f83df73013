package authorize

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"signet/provider/oauth"
)

// committed names the changes of the first commit.
func (r *rig) committed() []string {
	if len(r.store.Commits) == 0 {
		return nil
	}
	return kinds(r.store.Commits[0])
}

// An error is an answer, too: nothing waits for another one.
func TestErrorUsesThePushedRequestUp(t *testing.T) {
	r := newRig(t)
	v := r.pushed("fapi", params("prompt", "none"))
	r.store.Commits = nil
	if answer := r.answerOf(r.get(v), callback); answer.Get("error") != "login_required" {
		t.Errorf("answer %v", answer)
	}
	if diff := cmp.Diff([]string{"pushed is used"}, r.committed()); diff != "" || len(r.store.Spooled) != 0 {
		t.Errorf("%s, spooled %v", diff, r.store.Spooled)
	}
	r.login("u1")
	if text := page(t, r.get(v)); !strings.Contains(text, "invalid_request_uri") || !strings.Contains(text, "used") {
		t.Errorf("again: %q", text)
	}
}

// The audit entry about somebody who is logged in is part of the commit, where there is one.
func TestErrorToALoggedInUserIsRecordedInTheCommit(t *testing.T) {
	r := newRig(t)
	v := r.pushed("fapi", params("prompt", "none"))
	r.login("u1")
	if answer := r.answerOf(r.get(v), callback); answer.Get("error") != "consent_required" {
		t.Errorf("answer %v", answer)
	}
	if diff := cmp.Diff([]string{"pushed is used", "code.refused"}, r.committed()); diff != "" || len(r.store.Spooled) != 0 {
		t.Errorf("%s, spooled %v", diff, r.store.Spooled)
	}
	if t.Failed() {
		return
	}
	entry := r.store.Commits[0][1].(oauth.RecordAudit).Entry
	if entry.Subject != "u1" || entry.ClientID != "fapi" || entry.RequestID != "request-1" {
		t.Errorf("%+v", entry)
	}
}

func TestErrorFinishesTheInteraction(t *testing.T) {
	r := newRig(t)
	r.get(params("id_token_hint", r.hint(serverKey, "sub", "u2")))
	resume := r.resumeURL()
	r.login("u1")
	if answer := r.answerOf(r.do(r.Resume(), http.MethodGet, resume, nil), callback); answer.Get("error") != "login_required" {
		t.Errorf("answer %v", answer)
	}
	if diff := cmp.Diff([]string{"finish", "code.refused"}, r.committed()); diff != "" {
		t.Error(diff)
	}
	if len(r.cookies) != 1 { // the session's; the ticket is gone
		t.Errorf("cookies %v", r.cookies)
	}
	if text := page(t, r.do(r.Resume(), http.MethodGet, resume, nil)); !strings.Contains(text, "already completed") {
		t.Errorf("again: %q", text)
	}
}

// Two windows at once: one error. The second shows a page.
func TestErrorRace(t *testing.T) {
	r := newRig(t)
	v := r.pushed("app", params("prompt", "none"))
	who, err := r.client(t.Context(), "app")
	if err != nil {
		t.Fatal(err)
	}
	p, err := r.receive(t.Context(), who, oauth.NewParams(v))
	if err != nil {
		t.Fatal(err)
	}
	r.answerOf(r.get(v), callback)
	late := httptest.NewRecorder()
	r.advance(late, r.cookies.Request(http.MethodGet, "/authorize", nil), p)
	if text := page(t, late.Result()); !strings.Contains(text, "invalid_request_uri") {
		t.Errorf("page %q", text)
	}
}

// What fails for a reason of ours can be sent again: an error that could not be committed, and one that is no answer.
func TestFailureOfOursUsesNothingUp(t *testing.T) {
	r := newRig(t)
	v := r.pushed("fapi", params("prompt", "none"))
	r.store.FailWrite = errDisk
	if answer := r.answerOf(r.get(v), callback); answer.Get("error") != "server_error" {
		t.Errorf("no commit: %v", answer)
	}
	r.store.FailWrite = oauth.ErrUnavailable
	if answer := r.answerOf(r.get(v), callback); answer.Get("error") != "temporarily_unavailable" {
		t.Errorf("outage: %v", answer)
	}
	r.store.FailWrite = nil
	who, err := r.client(t.Context(), "fapi")
	if err != nil {
		t.Fatal(err)
	}
	p, err := r.receive(t.Context(), who, oauth.NewParams(v))
	if err != nil {
		t.Fatal(err)
	}
	r.store.Commits = nil
	got := httptest.NewRecorder()
	r.refuse(got, r.cookies.Request(http.MethodGet, "/authorize", nil), p, errDisk)
	if answer := r.answerOf(got.Result(), callback); answer.Get("error") != "server_error" || len(r.store.Commits) != 0 {
		t.Errorf("a failure: %v, commits %v", answer, r.store.Commits)
	}
	if answer := r.answerOf(r.get(v), callback); answer.Get("error") != "login_required" {
		t.Errorf("again: %v", answer)
	}
}

// An error that cannot be signed is a page, and no answer.
func TestUnsignedErrorUsesNothingUp(t *testing.T) {
	r := newRig(t)
	v := r.pushed("fapi", params("prompt", "none", "response_mode", "jwt"))
	r.store.Commits, r.failing = nil, oauth.ErrUnavailable
	if text := page(t, r.get(v)); text == "" || len(r.store.Commits) != 0 {
		t.Errorf("page %q, commits %v", text, r.store.Commits)
	}
	r.failing = nil
	if answer := r.carried(r.get(v), callback); opened(t, answer.Get("response"))["error"] != "login_required" {
		t.Errorf("again: %v", answer)
	}
}

// Strangers cannot fill the audit log: not by pushing in a public client's name, not by pressing "Cancel".
func TestWhatStrangersDoIsNotAudited(t *testing.T) {
	r := newRig(t)
	native := params("client_id", "native", "redirect_uri", "http://127.0.0.1:1/cb", "scope", "openid")
	if res := r.do(r.Push(), http.MethodPost, "/par", native); res.StatusCode != http.StatusCreated {
		t.Fatalf("status %d", res.StatusCode)
	}
	if diff := cmp.Diff([]string{"push"}, r.committed()); diff != "" {
		t.Error(diff)
	}
	r.get(params())
	r.store.Commits = nil
	r.answerOf(r.do(r.Resume(), http.MethodPost, r.resumeURL(), url.Values{"decision": {"deny"}}), callback)
	if diff := cmp.Diff([]string{"finish"}, r.committed()); diff != "" || len(r.store.Spooled) != 0 {
		t.Errorf("%s, spooled %v", diff, r.store.Spooled)
	}
}
