package session_test

import (
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"signet/provider/oauth"
	"signet/provider/session"
)

// stateful makes a Manager with session management.
func stateful(t *testing.T, store session.Store, random oauth.Random) *session.Manager {
	t.Helper()
	m, err := session.New(session.Deps{
		Store: store, Clock: func() time.Time { return time.Unix(1_800_000_000, 0) }, Random: random, Lifetime: time.Hour, BrowserState: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// login logs the user in and returns the answer.
func login(t *testing.T, m *session.Manager, r *http.Request, user string) *httptest.ResponseRecorder {
	t.Helper()
	started, err := m.Start(r, oauth.EndUser{ID: user})
	if err != nil {
		t.Fatal(err)
	}
	answer := httptest.NewRecorder()
	started.Write(answer)
	return answer
}

func TestStateChangesWithEachLogin(t *testing.T) {
	m := stateful(t, sessions{}, rand.Reader)
	anonymous := httptest.NewRequest(http.MethodGet, "/", nil)
	if got := m.State(anonymous); got != "" {
		t.Errorf("nobody has logged in: %q", got)
	}
	first := next(login(t, m, anonymous, "u1"))
	second := next(login(t, m, first, "u1"))
	if m.State(first) == "" || m.State(first) == m.State(second) {
		t.Errorf("states %q, then %q", m.State(first), m.State(second))
	}
	out := httptest.NewRecorder()
	m.End(second).Write(out)
	if got := m.State(next(out)); got != "" {
		t.Errorf("after the logout: %q", got)
	}
}

func TestStateCookie(t *testing.T) {
	answer := login(t, stateful(t, sessions{}, rand.Reader), httptest.NewRequest(http.MethodGet, "/", nil), "u1")
	cookies := map[string]*http.Cookie{}
	for _, c := range answer.Result().Cookies() {
		cookies[c.Name] = c
	}
	c, secret := cookies[session.StateCookie], oauth.Secret(cookies["__Host-signet-session"].Value)
	if !strings.HasPrefix(c.Name, "__Host-") || !c.Secure || c.HttpOnly || c.SameSite != http.SameSiteNoneMode || c.Path != "/" || c.Domain != "" || c.MaxAge != 0 {
		t.Errorf("cookie: %v", c)
	}
	if c.Value == secret.Reveal() || c.Value == secret.Digest().String() {
		t.Error("the state gives away the secret, or what the store knows it by")
	}

	now := time.Now()
	for _, c := range login(t, newManager(t, sessions{}, &now), httptest.NewRequest(http.MethodGet, "/", nil), "u1").Result().Cookies() {
		if c.Name == session.StateCookie {
			t.Error("there is a state without session management")
		}
	}
}

func TestStateIsWhatTheScriptSees(t *testing.T) {
	m, good := stateful(t, sessions{}, rand.Reader), strings.Repeat("a", 43)
	for cookies, want := range map[string]string{
		"__Host-signet-state=" + good:                                       good,
		"x=y; __Host-signet-state=" + good:                                  good,
		"__Host-signet-state=" + good + "; __Host-signet-state=" + good:     "",
		"__Host-signet-state=short":                                         "",
		"__Host-signet-state=" + strings.Repeat(".", 43):                    "",
		"__Host-signet-session=" + good:                                     "",
		"__host-signet-state=" + good + "; __Host-signet-statement=" + good: "",
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Cookie", cookies)
		if got := m.State(r); got != want {
			t.Errorf("%s: %q", cookies, got)
		}
	}
}

// The values were computed by "printf '%s' 'app https://app.example BROWSER SALT' | openssl dgst -sha256 -binary | basenc --base64url".
func TestSessionState(t *testing.T) {
	const want = "Duj7cW0rYOgRpo48RbzPMHj_LhiAtEz3lxoHUaeMXLw.SALT"
	if got := session.SessionState("app", "https://app.example", "BROWSER", "SALT"); got != want {
		t.Errorf("got %s", got)
	}
	for name, other := range map[string]string{
		"another client": session.SessionState("app2", "https://app.example", "BROWSER", "SALT"),
		"another origin": session.SessionState("app", "https://app.example:8443", "BROWSER", "SALT"),
		"another state":  session.SessionState("app", "https://app.example", "", "SALT"),
		"another salt":   session.SessionState("app", "https://app.example", "BROWSER", "PEPPER"),
	} {
		if other == want {
			t.Errorf("%s makes no difference", name)
		}
	}
}

func TestSessionStateOfAResponse(t *testing.T) {
	m := stateful(t, sessions{}, rand.Reader)
	client := &oauth.Client{ID: "app"}
	signedIn := next(login(t, m, httptest.NewRequest(http.MethodGet, "/", nil), "u1"))
	for _, r := range []*http.Request{httptest.NewRequest(http.MethodGet, "/", nil), signedIn} {
		for redirect, origin := range map[string]string{
			"https://App.example/cb?a=b":  "https://app.example",
			"https://app.example:443/cb":  "https://app.example",
			"https://app.example:/cb":     "https://app.example",
			"https://app.example:8443/cb": "https://app.example:8443",
			"http://127.0.0.1:8080/cb":    "http://127.0.0.1:8080",
			"http://[::1]:80/cb":          "http://[::1]",
			"https://[2001:db8::443]/cb":  "https://[2001:db8::443]",
			"com.example.app:/cb":         "",
			"com.example.app://host/cb":   "",
			"urn:ietf:wg:oauth:2.0:oob":   "",
			"https:///cb":                 "",
			"":                            "",
			"https://app.example/%zz":     "",
		} {
			got, err := m.SessionState(r, client, redirect)
			if err != nil {
				t.Fatal(err)
			}
			want := ""
			if origin != "" {
				_, salt, _ := strings.Cut(got, ".")
				want = session.SessionState("app", origin, m.State(r), salt)
			}
			if got != want || strings.Contains(got, " ") {
				t.Errorf("%s: %q, want %q", redirect, got, want)
			}
		}
	}
	now := time.Now()
	if got, err := newManager(t, sessions{}, &now).SessionState(signedIn, client, "https://app.example/cb"); got != "" || err != nil {
		t.Errorf("without session management: %q, %v", got, err)
	}
	if _, err := stateful(t, sessions{}, strings.NewReader("")).SessionState(signedIn, client, "https://app.example/cb"); err == nil {
		t.Error("no salt, and no error")
	}
}
