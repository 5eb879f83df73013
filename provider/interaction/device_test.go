package interaction

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/provider/oauth"
)

const devicePage = "https://id.bank.example/device"

// shop is the devices that wait, and the answers that were given.
type shop struct {
	waiting map[string]oauth.DeviceRequest // by code as it is shown
	login   bool
	asked   int
	answers []answered
	err     error
}

func (s *shop) UserCode(typed string) string {
	letters := strings.ToUpper(strings.NewReplacer("-", "", " ", "").Replace(typed))
	if len(letters) != 8 || strings.ContainsAny(letters, "AEIOUY0123456789<>?&") {
		return ""
	}
	return letters[:4] + "-" + letters[4:]
}

func (s *shop) Waiting(_ context.Context, userCode string) (oauth.DeviceRequest, error) {
	s.asked++
	request, ok := s.waiting[userCode]
	if s.err == nil && !ok {
		return request, oauth.Errorf(oauth.NotFound, "no request waits under this user code")
	}
	return request, s.err
}

func (s *shop) WantsLogin(oauth.DeviceRequest, time.Time) bool { return s.login }

func (s *shop) Answer(ctx context.Context, userCode string, user oauth.EndUser, approve bool) error {
	_, err := s.Waiting(ctx, userCode)
	if err == nil {
		s.answers = append(s.answers, answered{userCode, user.ID, user.SessionID != "", approve})
	}
	return err
}

func newShop(t *testing.T) (*rig, *shop) {
	s := &shop{waiting: map[string]oauth.DeviceRequest{}}
	r := newRig(t, func(deps *Deps) { deps.Devices = s })
	s.waiting["WDJB-MJHT"] = oauth.DeviceRequest{
		ID: "d1", ClientID: "app", Scope: oauth.Scope{"openid", "accounts"}, Resources: []string{"https://rs.example"},
		CreatedAt: r.now.Add(-20 * time.Second), ExpiresAt: r.now.Add(100 * time.Second),
		Details: oauth.Details{{Type: "payment", JSON: []byte(`{"type":"payment","amount":"12.00"}`)}},
	}
	return r, s
}

// atDevice sends a request to the device page.
func (r *rig) atDevice(method, target string, form url.Values) (*http.Response, string) {
	r.t.Helper()
	res := r.cookies.Send(r.Device(), r.request(method, target, form)).Result()
	return res, bodyOf(r.t, res)
}

// connect signs in at the device page and returns the public id of the session.
func (r *rig) connect(target string) (sid string) {
	r.t.Helper()
	res, body := r.atDevice(http.MethodPost, target, url.Values{"username": {"anna"}, "password": {"correct horse"}})
	if res.StatusCode != http.StatusSeeOther {
		r.t.Fatalf("login: %d %s", res.StatusCode, body)
	}
	last := r.store.Commits[len(r.store.Commits)-1]
	return last[0].(oauth.StoreSession).Session.User.SessionID //nolint:forcetypeassert // a login begins with it
}

// From the address that a device shows, with its code, to the end.
func TestDevicePage(t *testing.T) {
	r, s := newShop(t)
	res, _ := r.atDevice(http.MethodGet, devicePage+"?user_code=wdjb+mjht", nil)
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/device/login?user_code=WDJB-MJHT" {
		t.Fatalf("not signed in: %d, to %q", res.StatusCode, res.Header.Get("Location"))
	}
	_, body := r.atDevice(http.MethodGet, devicePage+"/login?user_code=WDJB-MJHT", nil)
	for _, want := range []string{"to connect a device", `action="/device/login?user_code=WDJB-MJHT"`} {
		if !strings.Contains(body, want) || strings.Contains(body, "cancel-form") {
			t.Errorf("no %s in the login page: %s", want, body)
		}
	}
	if s.asked != 0 {
		t.Error("who is not logged in learns about codes")
	}
	sid := r.connect(devicePage + "/login?user_code=WDJB-MJHT")
	_, body = r.atDevice(http.MethodGet, devicePage+"?user_code=WDJB-MJHT", nil)
	for _, want := range []string{
		`data-page="device"`, "Anna Example", `id="device-code">WDJB-MJHT<`, "The &lt;b&gt;App&lt;/b&gt;", "See your accounts", "Accounts API", "12.00",
		"20 seconds ago", "100 seconds left", "Up to 30 days", `id="device-approve"`, `id="device-deny"`, `href="/device/login?user_code=WDJB-MJHT"`,
		"Allow this only if you have started it yourself", `name="session" value="` + sid + `"`, "https://id.bank.example</strong>",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in %s", want, body)
		}
	}
	if strings.Contains(body, "device-login") || strings.Contains(body, "user-code") {
		t.Error(body)
	}
	s.login = true
	if _, body = r.atDevice(http.MethodGet, devicePage+"?user_code=WDJB-MJHT", nil); !strings.Contains(body, `id="device-login"`) {
		t.Error("nothing says that approving takes a login")
	}
	for _, c := range []struct {
		name   string
		form   url.Values
		status int
		to     string
	}{
		{"no such decision", url.Values{"user_code": {"WDJB-MJHT"}, "session": {sid}, "decision": {"yes"}}, http.StatusBadRequest, ""},
		{"another session's page", url.Values{"user_code": {"WDJB-MJHT"}, "session": {"s2"}, "decision": {"approve"}}, http.StatusSeeOther, "/device?user_code=WDJB-MJHT"},
		{"typed", url.Values{"user_code": {" wdjb-mjht "}}, http.StatusSeeOther, "/device?user_code=WDJB-MJHT"},
		{"approved", url.Values{"user_code": {"WDJB-MJHT"}, "session": {sid}, "decision": {"approve"}}, http.StatusSeeOther, "/device?done=approve"},
		{"denied", url.Values{"user_code": {"WDJB-MJHT"}, "session": {sid}, "decision": {"deny"}}, http.StatusSeeOther, "/device?done=deny"},
	} {
		res, _ := r.atDevice(http.MethodPost, devicePage, c.form)
		if res.StatusCode != c.status || res.Header.Get("Location") != c.to {
			t.Errorf("%s: %d, to %q", c.name, res.StatusCode, res.Header.Get("Location"))
		}
	}
	if diff := cmp.Diff([]answered{{"WDJB-MJHT", "u1", true, true}, {"WDJB-MJHT", "u1", true, false}}, s.answers); diff != "" {
		t.Error(diff)
	}
	for query, want := range map[string]string{
		"?done=approve": "Your device is connected", "?done=deny": "The device is not connected", "?done=x": `id="user-code"`, "": `id="user-code"`,
	} {
		if res, body := r.atDevice(http.MethodGet, devicePage+query, nil); res.StatusCode != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%q: %d, no %s in %s", query, res.StatusCode, want, body)
		}
	}
}

// A code that nothing waits under, whether it is typed, comes with the address, or is answered.
func TestDeviceCodeIsWrong(t *testing.T) {
	r, s := newShop(t)
	sid := r.connect(devicePage + "/login")
	answer := url.Values{"user_code": {"BBBB-BBBB"}, "session": {sid}, "decision": {"approve"}}
	for name, c := range map[string]struct {
		method, target string
		form           url.Values
		text           string
		asked          int
	}{
		"typed, none":    {http.MethodPost, "", url.Values{"user_code": {`<x "`}}, "No device is waiting", 0},
		"typed, nothing": {http.MethodPost, "", url.Values{"user_code": {""}}, "Please enter the code", 0},
		"in the address": {http.MethodGet, "?user_code=BBBB-BBBB", nil, "No device is waiting", 1},
		"no code there":  {http.MethodGet, "?user_code=%00", nil, "No device is waiting", 0},
		"twice there":    {http.MethodGet, "?user_code=WDJB-MJHT&user_code=WDJB-MJHT", nil, "Please enter the code", 0},
		"answered":       {http.MethodPost, "", answer, "No device is waiting", 1},
	} {
		s.asked = 0
		res, body := r.atDevice(c.method, devicePage+c.target, c.form)
		if res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, c.text) || !strings.Contains(body, `id="device-error" role="alert"`) || s.asked != c.asked {
			t.Errorf("%s: %d, asked %d times, %s", name, res.StatusCode, s.asked, body)
		}
	}
	if len(s.answers) != 0 {
		t.Errorf("%v", s.answers)
	}
	_, body := r.atDevice(http.MethodPost, devicePage, url.Values{"user_code": {strings.Repeat("é", 80)}})
	if !strings.Contains(body, strings.Repeat("é", 32)+`"`) {
		t.Errorf("what was typed is not shown: %s", body)
	}
}

// Guessing comes to an end: for an account, whatever address it uses, and for an address, whatever account. A right code
// in between forgives nothing.
func TestDeviceGuessing(t *testing.T) {
	address := "192.0.2.1:1"
	s := &shop{waiting: map[string]oauth.DeviceRequest{}}
	r := newRig(t, func(deps *Deps) {
		deps.Devices = s
		deps.Address = func(*http.Request) string { return address }
	})
	s.waiting["WDJB-MJHT"] = oauth.DeviceRequest{ClientID: "app", CreatedAt: r.now, ExpiresAt: r.now.Add(time.Minute)}
	sid := r.connect(devicePage + "/login")
	guess := func(code string) int {
		res, _ := r.atDevice(http.MethodGet, devicePage+"?user_code="+code, nil)
		return res.StatusCode
	}
	for i := range usernameBurst {
		if status := guess("BBBB-BBBB"); status != http.StatusUnprocessableEntity {
			t.Fatalf("guess %d: %d", i, status)
		}
		if i < usernameBurst-1 && guess("WDJB-MJHT") != http.StatusOK {
			t.Fatalf("a right code after guess %d is refused", i)
		}
	}
	s.asked = 0
	address = "198.51.100.1:1"
	res, body := r.atDevice(http.MethodGet, devicePage+"?user_code=WDJB-MJHT", nil)
	if res.StatusCode != http.StatusTooManyRequests || res.Header.Get("Retry-After") != "60" || !strings.Contains(body, "try again in 1 minute.") {
		t.Errorf("%d, Retry-After %q, %s", res.StatusCode, res.Header.Get("Retry-After"), body)
	}
	form := url.Values{"user_code": {"WDJB-MJHT"}, "session": {sid}, "decision": {"approve"}}
	if res, _ = r.atDevice(http.MethodPost, devicePage, form); res.StatusCode != http.StatusTooManyRequests {
		t.Errorf("an answer: %d", res.StatusCode)
	}
	if s.asked != 0 || len(s.answers) != 0 {
		t.Error("a guess that is too many was judged")
	}
	r.now = r.now.Add(usernameLeak)
	if status := guess("WDJB-MJHT"); status != http.StatusOK {
		t.Errorf("a minute later: %d", status)
	}

	r.codes = newThrottle(r.deps.Clock)
	for range addressBurst {
		r.codes.begin("u-other", "198.51.100.1")
		r.codes.touch("u:u-other", usernameLeak).level = 0
	}
	if status := guess("WDJB-MJHT"); status != http.StatusTooManyRequests {
		t.Errorf("an address from which many accounts guess: %d", status)
	}
}

// A form from another site changes nothing, whoever is signed in.
func TestDeviceFromElsewhere(t *testing.T) {
	r, s := newShop(t)
	sid := r.connect(devicePage + "/login")
	req := r.request(http.MethodPost, devicePage, url.Values{"user_code": {"WDJB-MJHT"}, "session": {sid}, "decision": {"approve"}})
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	req.Header.Set("Origin", "https://evil.example")
	if res := r.cookies.Send(r.Device(), req).Result(); res.StatusCode != http.StatusBadRequest || len(s.answers) != 0 {
		t.Errorf("%d, %d answers", res.StatusCode, len(s.answers))
	}
}

func TestDeviceFaults(t *testing.T) {
	r, s := newShop(t)
	sid := r.connect(devicePage + "/login")
	form := url.Values{"user_code": {"WDJB-MJHT"}, "session": {sid}, "decision": {"approve"}}
	for _, c := range []struct {
		err      error
		status   int
		text, to string
	}{
		{oauth.Errorf(oauth.LoginRequired, "log in"), http.StatusSeeOther, "", "/device/login?user_code=WDJB-MJHT"},
		{&oauth.Conflict{Change: oauth.AnswerDevice{}}, http.StatusBadRequest, "already answered", ""},
		{errDisk, http.StatusInternalServerError, "our side", ""},
	} {
		s.err = c.err
		res, body := r.atDevice(http.MethodPost, devicePage, form)
		if res.StatusCode != c.status || !strings.Contains(body, c.text) || res.Header.Get("Location") != c.to {
			t.Errorf("%v: %d, to %q, %s", c.err, res.StatusCode, res.Header.Get("Location"), body)
		}
	}
	for range 2 * usernameBurst { // what nobody has found out is no guess
		if res, _ := r.atDevice(http.MethodGet, devicePage+"?user_code=WDJB-MJHT", nil); res.StatusCode != http.StatusInternalServerError {
			t.Fatalf("no store: %d", res.StatusCode)
		}
	}
	s.err = nil
	for name, c := range map[string]struct {
		method, target string
		want           int
	}{
		"PUT": {http.MethodPut, devicePage, http.StatusMethodNotAllowed}, "PUT of a login": {http.MethodPut, devicePage + "/login", http.StatusMethodNotAllowed},
		"nothing there": {http.MethodGet, devicePage + "/moon", http.StatusNotFound},
	} {
		if res, _ := r.atDevice(c.method, c.target, nil); res.StatusCode != c.want {
			t.Errorf("%s: %d", name, res.StatusCode)
		}
	}
	anna := r.store.Users["u1"]
	anna.Disabled = true
	r.store.Users["u1"] = anna
	if res, _ := r.atDevice(http.MethodPost, devicePage, form); res.StatusCode != http.StatusSeeOther || len(s.answers) != 0 {
		t.Errorf("disabled meanwhile: %d", res.StatusCode)
	}
	if newRig(t).Device() != nil {
		t.Error("a page without devices")
	}
	for _, path := range []string{"device", "/device/"} {
		deps := r.deps
		deps.DevicePath = path
		if _, err := New(deps); err == nil {
			t.Errorf("path %q was taken", path)
		}
	}
}
