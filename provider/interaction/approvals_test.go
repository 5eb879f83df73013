package interaction

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/provider/audit"
	"signet/provider/oauth"
)

// desk is the requests that wait, and the answers that were given.
type desk struct {
	waiting []oauth.Backchannel
	answers []answered
	err     error
}

type answered struct {
	ID      string
	User    string
	Session bool
	Approve bool
}

func (d *desk) Pending(_ context.Context, userID string) ([]oauth.Backchannel, error) {
	var own []oauth.Backchannel
	for _, b := range d.waiting {
		if b.UserID == userID {
			own = append(own, b)
		}
	}
	return own, d.err
}

func (d *desk) Answer(_ context.Context, id string, user oauth.EndUser, approve bool) error {
	d.answers = append(d.answers, answered{id, user.ID, user.SessionID != "", approve})
	return d.err
}

func newDesk(t *testing.T, changes ...func(*Deps)) (*rig, *desk) {
	d := &desk{}
	r := newRig(t, append([]func(*Deps){func(deps *Deps) { deps.Approvals = d }}, changes...)...)
	request := oauth.Backchannel{
		ID: "b1", ClientID: "app", UserID: "u1", Scope: oauth.Scope{"openid", "accounts"}, Resources: []string{"https://rs.example"},
		BindingMessage: "Kiosk 7 <X-42>", CreatedAt: r.now.Add(-20 * time.Second), ExpiresAt: r.now.Add(100 * time.Second),
		Details: oauth.Details{{Type: "payment", JSON: []byte(`{"type":"payment","amount":"12.00"}`)}},
	}
	other, gone := request, request
	other.ID, other.UserID = "b2", "u3"
	gone.ID, gone.ClientID = "b3", "deleted"
	d.waiting = []oauth.Backchannel{request, other, gone}
	return r, d
}

// approvals signs in at the approvals page.
func (r *rig) approvals(username string) (*http.Response, string) {
	r.t.Helper()
	const path = "https://id.bank.example/interaction/approvals/login"
	return r.send(r.request(http.MethodPost, path, url.Values{"username": {username}, "password": {"correct horse"}}))
}

const approvalsPage = "https://id.bank.example/interaction/approvals"

func TestApprovals(t *testing.T) {
	r, d := newDesk(t)
	res, _ := r.get(approvalsPage)
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/interaction/approvals/login" {
		t.Fatalf("not signed in: %d, to %q", res.StatusCode, res.Header.Get("Location"))
	}
	_, body := r.get(approvalsPage + "/login")
	if !strings.Contains(body, `id="login-form"`) || strings.Contains(body, "cancel-form") {
		t.Errorf("login page: %s", body)
	}
	if res, body = r.approvals("anna"); res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/interaction/approvals" {
		t.Fatalf("login: %d %s", res.StatusCode, body)
	}
	_, body = r.get(approvalsPage)
	for _, want := range []string{
		`data-page="approvals"`, "Anna Example", `id="approval-b1"`, `id="message-b1">Kiosk 7 &lt;X-42&gt;<`, "The &lt;b&gt;App&lt;/b&gt;",
		"See your accounts", "Accounts API", "12.00", "20 seconds ago", "100 seconds left", `id="approve-b1"`, `id="deny-b1"`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in %s", want, body)
		}
	}
	if strings.Contains(body, "approval-b2") || strings.Contains(body, "approval-b3") {
		t.Error("somebody else's request, or one whose client is gone, is shown")
	}
	sid := r.store.Commits[0][0].(oauth.StoreSession).Session.User.SessionID
	for _, c := range []struct {
		name   string
		form   url.Values
		status int
		to     string
	}{
		{"no decision", url.Values{"request": {"b1"}, "session": {sid}}, http.StatusBadRequest, ""},
		{"another session's page", url.Values{"request": {"b1"}, "session": {"s2"}, "decision": {"approve"}}, http.StatusSeeOther, "/interaction/approvals"},
		{"approved", url.Values{"request": {"b1"}, "session": {sid}, "decision": {"approve"}}, http.StatusSeeOther, "/interaction/approvals?done=approve"},
		{"denied", url.Values{"request": {"b2"}, "session": {sid}, "decision": {"deny"}}, http.StatusSeeOther, "/interaction/approvals?done=deny"},
	} {
		res, _ := r.send(r.request(http.MethodPost, approvalsPage, c.form))
		if res.StatusCode != c.status || res.Header.Get("Location") != c.to {
			t.Errorf("%s: %d, to %q", c.name, res.StatusCode, res.Header.Get("Location"))
		}
	}
	if diff := cmp.Diff([]answered{{"b1", "u1", true, true}, {"b2", "u1", true, false}}, d.answers); diff != "" {
		t.Error(diff)
	}
	d.waiting = nil
	if _, body = r.get(approvalsPage + "?done=approve"); !strings.Contains(body, "You approved the request.") || !strings.Contains(body, `id="approvals-none"`) {
		t.Errorf("nothing waits: %s", body)
	}
}

// Who was signed in before a payment was asked for logs in again, and sees it again, before approving it.
func TestApprovalsWantALogin(t *testing.T) {
	r, d := newDesk(t)
	r.approvals("anna")
	if _, body := r.get(approvalsPage); strings.Contains(body, `id="login-b1"`) {
		t.Errorf("just logged in: %s", body)
	}
	d.waiting[0].CreatedAt = r.now.Add(time.Second)
	if _, body := r.get(approvalsPage); !strings.Contains(body, `id="login-b1"`) {
		t.Errorf("nothing says so: %s", body)
	}
	sid := r.store.Commits[0][0].(oauth.StoreSession).Session.User.SessionID
	d.err = oauth.Errorf(oauth.LoginRequired, "log in")
	res, _ := r.send(r.request(http.MethodPost, approvalsPage, url.Values{"request": {"b1"}, "session": {sid}, "decision": {"approve"}}))
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/interaction/approvals/login" {
		t.Errorf("%d, to %q", res.StatusCode, res.Header.Get("Location"))
	}
}

// A form from another site changes nothing, whoever is signed in.
func TestApprovalsFromElsewhere(t *testing.T) {
	r, d := newDesk(t)
	r.approvals("anna")
	req := r.request(http.MethodPost, approvalsPage, url.Values{"request": {"b1"}, "decision": {"approve"}})
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	req.Header.Set("Origin", "https://evil.example")
	if res, _ := r.send(req); res.StatusCode != http.StatusBadRequest || len(d.answers) != 0 {
		t.Errorf("%d, %d answers", res.StatusCode, len(d.answers))
	}
}

// A session whose account was disabled meanwhile is none, and a wrong password starts none.
func TestApprovalsNeedAnAccount(t *testing.T) {
	r, d := newDesk(t)
	if res, body := r.approvals("ben"); res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, "login-error") {
		t.Errorf("disabled: %d", res.StatusCode)
	}
	if len(r.store.Spooled) != 1 || r.store.Spooled[0].Event != string(audit.LoginFailed) || r.store.Spooled[0].ClientID != "" {
		t.Errorf("audit: %+v", r.store.Spooled)
	}
	r.approvals("anna")
	anna := r.store.Users["u1"]
	anna.Disabled = true
	r.store.Users["u1"] = anna
	if res, _ := r.get(approvalsPage); res.StatusCode != http.StatusSeeOther {
		t.Errorf("disabled meanwhile: %d", res.StatusCode)
	}
	if res, _ := r.send(r.request(http.MethodPost, approvalsPage, url.Values{"request": {"b1"}, "decision": {"approve"}})); res.StatusCode != http.StatusSeeOther || len(d.answers) != 0 {
		t.Errorf("disabled meanwhile: %d, %d answers", res.StatusCode, len(d.answers))
	}
}

func TestApprovalsFaults(t *testing.T) {
	r, d := newDesk(t)
	r.approvals("anna")
	sid := r.store.Commits[0][0].(oauth.StoreSession).Session.User.SessionID
	form := url.Values{"request": {"b1"}, "session": {sid}, "decision": {"approve"}}
	for _, c := range []struct {
		err  error
		want int
		text string
	}{
		{oauth.Errorf(oauth.NotFound, "there is no such request"), http.StatusNotFound, "no such page"},
		{&oauth.Conflict{Change: oauth.AnswerBackchannel{}}, http.StatusBadRequest, "already answered"},
		{errDisk, http.StatusInternalServerError, "our side"},
	} {
		d.err = c.err
		if res, body := r.send(r.request(http.MethodPost, approvalsPage, form)); res.StatusCode != c.want || !strings.Contains(body, c.text) {
			t.Errorf("%v: %d %s", c.err, res.StatusCode, body)
		}
	}
	if res, _ := r.get(approvalsPage); res.StatusCode != http.StatusInternalServerError {
		t.Errorf("no list: %d", res.StatusCode)
	}
	if res, _ := r.send(r.request(http.MethodPut, approvalsPage, nil)); res.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("PUT: %d", res.StatusCode)
	}
	if res, _ := newRig(t).get(approvalsPage); res.StatusCode != http.StatusNotFound {
		t.Errorf("without CIBA: %d", res.StatusCode)
	}
}

func TestUserCodes(t *testing.T) {
	r := newRig(t)
	passwords, err := NewPasswords(r.store, 1)
	if err != nil {
		t.Fatal(err)
	}
	codes, err := NewUserCodes(passwords, r.deps.Clock)
	if err != nil {
		t.Fatal(err)
	}
	user := oauth.User{ID: "u1", UserCodeHash: cheap(t, "4711")}
	for _, c := range []struct {
		code oauth.Secret
		want bool
	}{{"4711", true}, {"4712", false}, {"", false}, {oauth.Secret(strings.Repeat("4", 2000)), false}} {
		if right, err := codes.Check(t.Context(), "app", user, c.code); right != c.want || err != nil {
			t.Errorf("%d characters: %v, %v", len(c.code), right, err)
		}
	}
	for range usernameBurst {
		if _, err = codes.Check(t.Context(), "app", user, "4712"); err != nil {
			break
		}
	}
	if fault, ok := err.(*oauth.Error); !ok || fault.Code != oauth.InvalidUserCode { //nolint:errorlint // exactly this one
		t.Errorf("a client that guesses: %v", err)
	}
	if right, err := codes.Check(t.Context(), "other", user, "4711"); !right || err != nil {
		t.Errorf("another client: %v, %v", right, err)
	}
}
