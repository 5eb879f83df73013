package authorize

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"signet/provider/oauth"
)

// kinds names a commit's changes; audit entries by their event.
func kinds(changes []oauth.Change) (names []string) {
	for _, change := range changes {
		switch c := change.(type) {
		case oauth.StoreGrant:
			names = append(names, "grant")
		case oauth.ReplaceGrant:
			names = append(names, "changed grant")
		case oauth.StorePushed:
			names = append(names, "push")
		case oauth.UsePushed:
			names = append(names, "pushed is used")
		case oauth.UseAssertion:
			names = append(names, "assertion")
		case oauth.UseProof:
			names = append(names, "proof")
		case oauth.StoreCode:
			names = append(names, "code")
		case oauth.JoinSession:
			names = append(names, "join")
		case oauth.RevokeAccessToken:
			names = append(names, "front")
		case oauth.FinishInteraction:
			names = append(names, "finish")
		case oauth.RememberConsent:
			names = append(names, "consent")
		case oauth.ForgetConsent:
			names = append(names, "consent is set")
		case oauth.StoreInteraction:
			names = append(names, "park")
		case oauth.UpdateInteraction:
			names = append(names, "park again")
		case oauth.RecordAudit:
			names = append(names, c.Entry.Event)
		default:
			names = append(names, "?")
		}
	}
	return names
}

func TestLoginThenConsentThenCode(t *testing.T) {
	r := newRig(t)
	if res := r.get(params()); res.StatusCode != http.StatusTeapot || r.asked[0].User != nil {
		t.Fatalf("first: status %d, asked %v", res.StatusCode, r.asked)
	}
	if len(r.cookies) != 1 || r.asked[0].RequestID != "request-1" || !r.asked[0].ExpiresAt.Equal(r.now.Add(15*time.Minute)) {
		t.Errorf("parked: %v, %+v", r.cookies, r.asked[0])
	}
	resume := r.resumeURL()
	user := r.login("u1")
	if res := r.do(r.Resume(), http.MethodGet, resume, nil); res.StatusCode != http.StatusTeapot || r.asked[1].User == nil || r.asked[1].User.ID != "u1" {
		t.Fatalf("second: status %d, asked %v", res.StatusCode, r.asked)
	}
	r.store.Commits = nil
	r.now = r.now.Add(10 * time.Second)
	form := url.Values{"decision": {"approve"}, "session": {user.SessionID}}
	answer := r.answerOf(r.do(r.Resume(), http.MethodPost, resume, form), callback)
	if answer.Get("state") != "s&1" || len(answer.Get("code")) < 43 || len(answer) != 3 {
		t.Errorf("answer %v", answer)
	}
	if len(r.store.Commits) != 1 {
		t.Fatalf("%d commits, want one", len(r.store.Commits))
	}
	if diff := cmp.Diff([]string{"grant", "code", "join", "finish", "consent", "consent.given", "code.issued"}, kinds(r.store.Commits[0])); diff != "" {
		t.Error(diff)
	}
	code := r.codes()[0]
	want := oauth.AuthorizationCode{
		Digest: oauth.Secret(answer.Get("code")).Digest(), ClientID: "app", GrantID: code.GrantID, Request: r.asked[1].Request, User: user,
		Scope: oauth.Scope{"openid", "accounts"}, IssuedAt: r.now, ExpiresAt: r.now.Add(time.Minute),
	}
	if diff := cmp.Diff(want, code); diff != "" {
		t.Error(diff)
	}
	grant := r.store.Commits[0][0].(oauth.StoreGrant).Grant
	wantGrant := oauth.Grant{
		ID: code.GrantID, ClientID: "app", UserID: "u1", Scope: want.Scope, Resources: []string{accounts}, CreatedAt: r.now, ExpiresAt: r.now.Add(time.Minute + time.Hour),
	}
	if diff := cmp.Diff(wantGrant, grant, cmpopts.EquateEmpty()); diff != "" || grant.ID == "" {
		t.Error(diff)
	}
	consent := r.store.Consents[[2]string{"u1", "app"}]
	if diff := cmp.Diff(oauth.Consent{
		UserID: "u1", ClientID: "app", At: r.now, Agreed: oauth.Agreement(want.Scope, []string{accounts}, r.now.Add(lasts(nil, nil))),
	}, consent); diff != "" {
		t.Error(diff)
	}
	if len(r.cookies) != 1 { // the session's; the ticket is gone
		t.Errorf("cookies %v", r.cookies)
	}
}

func TestRememberedConsentNeedsNoPage(t *testing.T) {
	r := newRig(t)
	r.login("u1")
	r.consent("u1", oauth.Scope{"openid", "accounts"})
	answer := r.answerOf(r.get(params("prompt", "none")), callback)
	if !answer.Has("code") || len(r.asked) != 0 {
		t.Errorf("answer %v, asked %v", answer, r.asked)
	}
	if len(r.store.Commits) != 1 {
		t.Fatalf("%d commits, want one", len(r.store.Commits))
	}
	if diff := cmp.Diff([]string{"grant", "code", "join", "code.issued"}, kinds(r.store.Commits[0])); diff != "" {
		t.Error(diff)
	}
}

func TestSilentRequestWithoutConsent(t *testing.T) {
	r := newRig(t)
	r.login("u1")
	answer := r.answerOf(r.get(params("prompt", "none")), callback)
	if answer.Get("error") != "consent_required" || len(r.store.Commits) != 0 {
		t.Errorf("answer %v, commits %v", answer, r.store.Commits)
	}
}

func TestMaxAge(t *testing.T) {
	r := newRig(t)
	r.login("u1")
	r.consent("u1", oauth.Scope{"openid", "accounts"})
	r.now = r.now.Add(59 * time.Second)
	if answer := r.answerOf(r.get(params("max_age", "60")), callback); !answer.Has("code") {
		t.Errorf("within: %v", answer)
	}
	r.now = r.now.Add(time.Second)
	if r.get(params("max_age", "60")); len(r.asked) != 1 || r.asked[0].User != nil {
		t.Fatalf("past: asked %v", r.asked)
	}
	resume := r.resumeURL()
	if r.do(r.Resume(), http.MethodGet, resume, nil); len(r.asked) != 2 || r.asked[1].User != nil {
		t.Fatalf("resumed without a login: asked %v", r.asked)
	}
	user := r.login("u1")
	r.now = r.now.Add(2 * time.Minute) // a slow reader: the login for this request still counts
	r.answerOf(r.do(r.Resume(), http.MethodGet, resume, nil), callback)
	if codes := r.codes(); len(codes) != 1 || !codes[0].User.AuthTime.Equal(user.AuthTime) {
		t.Errorf("codes %v", codes)
	}
}

func TestPromptLoginIgnoresTheSession(t *testing.T) {
	r := newRig(t)
	r.login("u1")
	r.consent("u1", oauth.Scope{"openid", "accounts"})
	r.get(params("prompt", "login"))
	if len(r.asked) != 1 || r.asked[0].User != nil {
		t.Fatalf("asked %v", r.asked)
	}
	resume := r.resumeURL()
	r.login("u1")
	if answer := r.answerOf(r.do(r.Resume(), http.MethodGet, resume, nil), callback); !answer.Has("code") {
		t.Errorf("answer %v", answer)
	}
}

func TestDisabledUserIsNobody(t *testing.T) {
	r := newRig(t)
	r.login("u1")
	r.consent("u1", oauth.Scope{"openid", "accounts"})
	r.store.Users["u1"] = oauth.User{ID: "u1", Disabled: true}
	if answer := r.answerOf(r.get(params("prompt", "none")), callback); answer.Get("error") != "login_required" {
		t.Errorf("disabled: %v", answer)
	}
	delete(r.store.Users, "u1")
	if answer := r.answerOf(r.get(params("prompt", "none")), callback); answer.Get("error") != "login_required" {
		t.Errorf("removed: %v", answer)
	}
}

func TestProfileCapsTheCodeLifetime(t *testing.T) {
	r := newRig(t)
	r.deps.CodeLifetime = time.Hour
	r.login("u1")
	r.consent("u1", oauth.Scope{"openid", "accounts"})
	r.get(params())
	if code := r.codes()[0]; code.ExpiresAt.Sub(code.IssuedAt) != oauth.Profiles[oauth.ProfileOpenID].MaxCodeLifetime {
		t.Errorf("lives %v", code.ExpiresAt.Sub(code.IssuedAt))
	}
}

func TestNoCodeLeavesWithoutItsCommit(t *testing.T) {
	r := newRig(t)
	r.login("u1")
	r.consent("u1", oauth.Scope{"openid", "accounts"})
	r.store.FailWrite = errDisk
	res := r.get(params())
	answer := r.answerOf(res, callback)
	if answer.Get("error") != "server_error" || answer.Has("code") || strings.Contains(res.Header.Get("Location"), "fire") {
		t.Errorf("answer %v", answer)
	}
	if answer := r.answerOf(r.get(params("prompt", "login")), callback); answer.Get("error") != "server_error" {
		t.Errorf("parking: %v", answer)
	}
}

// A form from the client's site brings no session cookie along; the request goes on by GET.
func TestPost(t *testing.T) {
	r := newRig(t)
	r.login("u1")
	r.consent("u1", oauth.Scope{"openid", "accounts"})
	req := postFrom("https://app.example", params("prompt", "none"))
	res := r.send(r.Endpoint, req)
	resume := r.resumeURL()
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != resume {
		t.Fatalf("status %d, location %q, want %q", res.StatusCode, res.Header.Get("Location"), resume)
	}
	if answer := r.answerOf(r.do(r.Resume(), http.MethodGet, resume, nil), callback); !answer.Has("code") {
		t.Errorf("answer %v", answer)
	}
	if diff := cmp.Diff([]string{"grant", "code", "join", "finish", "code.issued"}, kinds(r.store.Commits[1])); diff != "" {
		t.Error(diff)
	}
}

func TestPostErrors(t *testing.T) {
	r := newRig(t)
	answer := r.answerOf(r.do(r.Endpoint, http.MethodPost, "/authorize", params("scope", "")), callback)
	if answer.Get("error") != "invalid_scope" {
		t.Errorf("answer %v", answer)
	}
	req := postFrom("https://app.example", params())
	req.Header.Set("Content-Type", "application/json")
	if text := page(t, r.send(r.Endpoint, req)); !strings.Contains(text, "invalid_request") {
		t.Errorf("JSON: %q", text)
	}
}
