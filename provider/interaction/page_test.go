package interaction

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"signet/provider/oauth"
	"signet/provider/session"
	"signet/provider/web"
)

// everyPage returns each page as a browser gets it.
func everyPage(t *testing.T, r *rig) map[string]*httptest.ResponseRecorder {
	t.Helper()
	pages := map[string]*httptest.ResponseRecorder{}
	show := func(name string, h http.HandlerFunc, path string) {
		answer, req := httptest.NewRecorder(), r.request(http.MethodGet, path, nil)
		h(answer, req.WithContext(web.WithRequest(req.Context(), "request-1", web.DoorMain)))
		pages[name] = answer
	}
	show(pageLogin, r.Handler().ServeHTTP, "/interaction/login")
	r.tryLogin("anna", "correct horse")
	show(pageConsent, r.Handler().ServeHTTP, "/interaction/consent")
	show(pageError, r.Handler().ServeHTTP, "/interaction/moon")
	show(pageForward, func(w http.ResponseWriter, req *http.Request) {
		r.WriteForm(w, req, "App", "https://app.example/cb", url.Values{"code": {"c"}, "state": {`"><x`}, "iss": {"i"}})
	}, "/")
	show(pageApprovals, r.Handler().ServeHTTP, "/interaction/approvals")
	show(pageDevice, r.Device().ServeHTTP, "/device")
	show(pageLogout, func(w http.ResponseWriter, req *http.Request) {
		r.AskLogout(w, req, "App", "/logout", url.Values{"state": {`"><x`}})
	}, "/")
	show(pageLoggedOut, func(w http.ResponseWriter, req *http.Request) {
		r.LoggedOut(w, req, "App", "https://app.example/out", []string{"https://one.example/fc?sid=1"})
	}, "/")
	show(pageStayed, r.Stayed, "/")
	return pages
}

var inlineScript = regexp.MustCompile(`(?s)<script>(.*?)</script>`)

func TestEveryPage(t *testing.T) {
	ids := map[string][]string{
		pageLogin: {"username", "password", "login-button", "cancel-button"},
		pageConsent: {"consent-approve", "consent-deny", "consent-client", "consent-user", "consent-scopes", "scope-accounts",
			"consent-resources", "consent-bound", "consent-lifetime", "consent-return", "switch-user"},
		pageError:     {"error-title", "error-code", "error-description", "request-id"},
		pageForward:   {"forward-form", "forward-button"},
		pageApprovals: {"approvals-user", "approvals-refresh", "switch-user", "approval-b1", "approve-b1", "deny-b1"},
		pageDevice:    {"device-user", "switch-user", "user-code", "device-continue"},
		pageLogout:    {"logout-form", "logout-client", "logout-user", "logout-approve", "logout-deny"},
		pageLoggedOut: {"logout-continue"},
	}
	active := regexp.MustCompile(`(?i)<script|javascript:|\son[a-z]+\s*=|style\s*=|<style`)
	r, _ := newDesk(t, func(deps *Deps) { deps.Devices = &shop{} })
	pages := everyPage(t, r)
	for _, name := range allPages {
		t.Run(name, func(t *testing.T) {
			answer := pages[name]
			body, policy := answer.Body.String(), answer.Header().Get("Content-Security-Policy")
			for _, want := range append([]string{`<html lang="en">`, `name="viewport"`, `data-page="` + name + `"`, `<title>`, `<h1`}, ids[name]...) {
				if !strings.Contains(want, "<") && !strings.Contains(want, "=") {
					want = `id="` + want + `"`
				}
				if strings.Count(body, want) != 1 {
					t.Errorf("%s is there %d times:\n%s", want, strings.Count(body, want), body)
				}
			}
			wantScript := 0
			if name == pageForward || name == pageLoggedOut {
				wantScript = 1
			}
			scripts := inlineScript.FindAllStringSubmatch(body, -1)
			if len(scripts) != wantScript || strings.Count(policy, "script-src") != wantScript {
				t.Errorf("%d scripts, policy %s", len(scripts), policy)
			}
			for _, s := range scripts {
				sum := sha256.Sum256([]byte(s[1]))
				if allowed := "script-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "';"; !strings.Contains(policy, allowed) {
					t.Errorf("the policy %s does not allow the script %s", policy, s[1])
				}
			}
			if found := active.FindString(inlineScript.ReplaceAllString(body, "")); found != "" {
				t.Errorf("the page has %q", found)
			}
			for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
				if !strings.Contains(policy, want) {
					t.Errorf("the policy lacks %s: %s", want, policy)
				}
			}
			if strings.Contains(policy, "unsafe") || strings.Contains(policy, "frame-src") != (name == pageLoggedOut) {
				t.Errorf("policy: %s", policy)
			}
			for key, want := range map[string]string{
				"Content-Type": "text/html; charset=utf-8", "Content-Language": "en", "Cache-Control": "no-store",
				"Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff",
			} {
				if got := answer.Header().Get(key); got != want {
					t.Errorf("%s: %q, want %q", key, got, want)
				}
			}
		})
	}
}

// Every input has a label, and an error is tied to the inputs that it is about.
func TestLoginIsAccessible(t *testing.T) {
	r := newRig(t)
	_, body := r.tryLogin("anna", "wrong")
	for _, want := range []string{
		`<label for="username">`, `<label for="password">`, `autocomplete="username"`, `autocomplete="current-password"`,
		`id="login-error" role="alert"`, `<title>Error: Sign in`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s", want)
		}
	}
	if strings.Count(body, `aria-describedby="login-error"`) != 2 || strings.Count(body, "autofocus") != 1 {
		t.Error(body)
	}
}

func TestConsentSaysWhatIsAsked(t *testing.T) {
	r := newRig(t)
	r.tryLogin("anna", "correct horse")
	_, body := r.get("/interaction/consent")
	sid := r.store.Waiting[r.ticket.Digest].User.SessionID
	for _, want := range []string{
		"The &lt;b&gt;App&lt;/b&gt; &amp; &#34;Co&#34;", "Anna Example", "Recognise you when you sign in", "See your accounts", ">x-odd<",
		"Accounts API", "Up to 30 days", "own certificate", "You return to app.example",
		`action="` + session.PageURL("/authorize/resume", r.ticket.Digest) + `"`,
		`name="session" value="` + sid + `"`, `name="decision" value="approve"`, `name="decision" value="deny"`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in\n%s", want, body)
		}
	}
}

func TestConsentBinding(t *testing.T) {
	for name, test := range map[string]struct {
		client oauth.Client
		floor  oauth.ProfileName
		want   bool
	}{
		"certificate authenticates": {oauth.Client{AuthMethod: oauth.AuthSelfSignedTLS}, oauth.ProfileOpenID, true},
		"tokens must be bound":      {oauth.Client{AuthMethod: oauth.AuthNone, BoundAccessTokens: true}, oauth.ProfileOpenID, true},
		"the profile binds":         {oauth.Client{AuthMethod: oauth.AuthPrivateKeyJWT}, oauth.ProfileFAPI2Security, true},
		"the client's own profile":  {oauth.Client{AuthMethod: oauth.AuthPrivateKeyJWT, Profile: oauth.ProfileFAPI2Security}, oauth.ProfileOpenID, true},
		"bearer":                    {oauth.Client{AuthMethod: oauth.AuthSecretBasic}, oauth.ProfileOpenID, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(d *Deps) { d.Floor = oauth.Profiles[test.floor] })
			test.client.ID = "app"
			r.store.Clients["app"] = &test.client
			r.tryLogin("anna", "correct horse")
			if _, body := r.get("/interaction/consent"); strings.Contains(body, "consent-bound") != test.want {
				t.Error(body)
			}
		})
	}
}

// The page names the person whose session it is; anybody else is sent back to log in.
func TestConsentNeedsTheSessionOfItsUser(t *testing.T) {
	r := newRig(t)
	want := session.PageURL("/authorize/resume", r.ticket.Digest)
	if res, _ := r.get("/interaction/consent"); res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != want {
		t.Errorf("before a login: status %d", res.StatusCode)
	}
	r.tryLogin("anna", "correct horse")
	clear(r.store.Sessions)
	if res, _ := r.get("/interaction/consent"); res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != want {
		t.Errorf("logged out: status %d", res.StatusCode)
	}
	if res, body := r.send(r.request(http.MethodPost, "/interaction/consent", url.Values{})); res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") != "GET" {
		t.Errorf("POST: status %d, %s", res.StatusCode, body)
	}
}

func TestInteract(t *testing.T) {
	r := newRig(t)
	for path, user := range map[string]*oauth.EndUser{"/interaction/login": nil, "/interaction/consent": {ID: "u1"}} {
		answer := newAnswer()
		r.Interact(answer, nil, oauth.Interaction{Digest: r.ticket.Digest, User: user})
		if got := answer.Header().Get("Location"); got != session.PageURL(path, r.ticket.Digest) || answer.Code != http.StatusSeeOther {
			t.Errorf("status %d, location %q", answer.Code, got)
		}
	}
}

// Browsers hold form-action against the redirect that follows the form.
func TestFormActionAllowsTheWayBack(t *testing.T) {
	for uri, want := range map[string]string{
		"https://app.example/cb":   "form-action 'self' https:",
		"http://127.0.0.1:5000/cb": "form-action 'self' https: http:",
		"com.example.app:/cb":      "form-action 'self' https: com.example.app:",
		"":                         "form-action 'self'",
	} {
		if got := (policy{returns: uri}).String(); !strings.HasSuffix(got, want) {
			t.Errorf("%s: %s", uri, got)
		}
	}
}

func TestWriteError(t *testing.T) {
	r := newRig(t)
	for _, test := range []struct {
		err    error
		status int
		want   string
	}{
		{oauth.Errorf(oauth.InvalidRequest, "redirect_uri is missing"), 400, "redirect_uri is missing"},
		{errors.New("secret cause"), 500, "server_error"},
		{oauth.Errorf(oauth.TemporarilyUnavailable, "busy"), 503, "try again in a moment"},
		{oauth.Errorf(oauth.PayloadTooLarge, "big"), 413, "payload_too_large"},
		{oauth.Errorf(oauth.InvalidRequest, "<script>").Because(errors.New("secret cause")), 400, "&lt;script&gt;"},
		{&oauth.Conflict{Change: oauth.FinishInteraction{}}, 400, "already answered"},
	} {
		answer := newAnswer()
		req := httptest.NewRequest(http.MethodGet, "/", nil)
		r.WriteError(answer, req.WithContext(web.WithRequest(req.Context(), "request-1", web.DoorMain)), test.err)
		body := answer.Body.String()
		if answer.Code != test.status || !strings.Contains(body, test.want) || !strings.Contains(body, "request-1") || strings.Contains(body, "secret cause") {
			t.Errorf("%v: status %d, page %s", test.err, answer.Code, body)
		}
		if (answer.Header().Get("Retry-After") != "") != (test.status == 503) {
			t.Errorf("%v: Retry-After %q", test.err, answer.Header().Get("Retry-After"))
		}
	}
}

func TestAssets(t *testing.T) {
	logo := []byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`)
	r := newRig(t, func(d *Deps) {
		d.Brand = Brand{Name: "Bank", Logo: logo, LogoType: "image/svg+xml", Links: []Link{{"Help", "https://bank.example/help"}}}
	})
	_, body := r.get("/interaction/login")
	if !strings.Contains(body, `<a href="https://bank.example/help">Help</a>`) || !strings.Contains(body, `alt="Bank"`) {
		t.Error(body)
	}
	for path, kind := range map[string]string{r.assets.style: "text/css; charset=utf-8", r.assets.icon: "image/svg+xml", r.assets.logo: "image/svg+xml"} {
		res, content := r.get(path)
		if !strings.Contains(body, path) || res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != kind || content == "" ||
			!strings.Contains(res.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: status %d, %v", path, res.StatusCode, res.Header)
		}
	}
	if res, _ := r.get("/interaction/assets/../page.go"); res.StatusCode == http.StatusOK {
		t.Error("a file outside was served")
	}
	if res, _ := r.get("/interaction/assets/moon.css"); res.StatusCode != http.StatusNotFound {
		t.Errorf("status %d", res.StatusCode)
	}
}

func TestNewListsAllThatIsMissing(t *testing.T) {
	_, err := New(Deps{Brand: Brand{Logo: []byte("x"), LogoType: "text/html"}})
	if err == nil {
		t.Fatal("no error")
	}
	for _, field := range []string{"Store", "Sessions", "Authenticator", "Audit", "Prefix", "ResumePath", "Floor", "Lasts", "Clock", "LogoType"} {
		if !strings.Contains(err.Error(), field) {
			t.Errorf("%s is not named", field)
		}
	}
	for _, bad := range []string{"javascript:alert(1)", "http://bank.example", "help", "//evil.example"} {
		if err := (Brand{Links: []Link{{"x", bad}}}).validate(); err == nil {
			t.Errorf("link %s was accepted", bad)
		}
	}
}
