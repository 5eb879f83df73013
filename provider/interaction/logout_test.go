package interaction

import (
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

func logoutPage(r *rig, client, action string, fields url.Values, accept string) *httptest.ResponseRecorder {
	answer, req := httptest.NewRecorder(), r.request(http.MethodGet, "/logout", nil)
	req.Header.Set("Accept-Language", accept)
	r.AskLogout(answer, req, client, action, fields)
	return answer
}

func TestAskLogout(t *testing.T) {
	r := newRig(t)
	r.tryLogin("anna", "correct horse")
	answer := logoutPage(r, `App <b>`, "/logout", url.Values{
		"id_token_hint": {"a.b.c"}, "state": {`"><script>`}, "post_logout_redirect_uri": {"com.example.app:/out"},
	}, "")
	body := answer.Body.String()
	for _, want := range []string{
		`data-page="logout"`, `<strong id="logout-client">App &lt;b&gt;</strong>`, `<strong id="logout-user">Anna Example</strong>`, `<form id="logout-form" method="post" action="/logout">`,
		`name="id_token_hint" value="a.b.c"`, `name="state" value="&#34;&gt;&lt;script&gt;"`, `name="post_logout_redirect_uri" value="com.example.app:/out"`,
		`id="logout-approve" type="submit" name="decision" value="approve"`, `id="logout-deny" type="submit" name="decision" value="deny"`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in %s", want, body)
		}
	}
	if policy := answer.Header().Get("Content-Security-Policy"); !strings.HasSuffix(policy, "form-action 'self' https: com.example.app:") {
		t.Errorf("policy %s", policy)
	}
	if strings.Index(body, `id="logout-approve"`) < strings.Index(body, `name="state"`) {
		t.Error("the buttons come before the fields")
	}
}

// Neither who asks nor who is signed in needs to be known.
func TestAskLogoutOfNobody(t *testing.T) {
	r := newRig(t)
	body := logoutPage(r, "", "/logout", nil, "fi").Body.String()
	if strings.Contains(body, "logout-client") || strings.Contains(body, "logout-user") || !strings.Contains(body, "Haluatko kirjautua ulos?") {
		t.Error(body)
	}
	body = logoutPage(r, "", "/logout?x=1", url.Values{"ui_locales": {"se de"}}, "fi").Body.String()
	if !strings.Contains(body, `<html lang="de">`) || !strings.Contains(html.UnescapeString(body), `action="/logout?x=1&ui_locales=se+de"`) {
		t.Error(body)
	}
	r.tryLogin("anna", "correct horse")
	r.store.Fail(errDisk)
	if answer := logoutPage(r, "", "/logout", nil, ""); answer.Code != http.StatusOK || strings.Contains(answer.Body.String(), "logout-user") {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
}

func loggedOut(r *rig, client, to string, frames ...string) *httptest.ResponseRecorder {
	answer := httptest.NewRecorder()
	r.LoggedOut(answer, r.request(http.MethodGet, "/logout", nil), client, to, frames)
	return answer
}

func TestLoggedOut(t *testing.T) {
	answer := loggedOut(newRig(t), "App", "https://app.example/out?state=a&b=%22", "https://one.example/fc?iss=x&sid=y", "https://two.example:8443/fc", "https://one.example/other")
	body, policy := answer.Body.String(), answer.Header().Get("Content-Security-Policy")
	if !strings.Contains(policy, "; frame-src https://one.example https://two.example:8443;") {
		t.Errorf("policy %s", policy)
	}
	if strings.Count(body, `sandbox="allow-same-origin allow-scripts" referrerpolicy="no-referrer"`) != 3 || strings.Count(body, " hidden></iframe>") != 3 {
		t.Error(body)
	}
	for _, want := range []string{
		`id="logout-continue" href="https://app.example/out?state=a&b=%22"`, ">Continue to App</a>",
		`src="https://one.example/fc?iss=x&sid=y"`, `src="https://two.example:8443/fc"`, "3000",
	} {
		if !strings.Contains(html.UnescapeString(body), want) {
			t.Errorf("no %s in %s", want, body)
		}
	}
	if strings.Index(body, "<iframe") > strings.Index(body, "<script>") {
		t.Error("the script does not wait for the frames")
	}
}

// Without anywhere to go there is no script; and nothing leads to what would run on our page.
func TestLoggedOutForGood(t *testing.T) {
	for to, goes := range map[string]bool{
		"": false, "javascript:alert(1)": false, "data:text/html,x": false, "blob:https://x": false, "/relative": false, "vbscript:x": false, "file:///x": false,
		"https://app.example/out": true, "http://127.0.0.1:5000/out": true, "com.example.app:/out": true,
	} {
		answer := loggedOut(newRig(t), "", to)
		body := answer.Body.String()
		script := strings.Contains(answer.Header().Get("Content-Security-Policy"), "script-src")
		if strings.Contains(body, "logout-continue") != goes || strings.Contains(body, "<script>") != goes || script != goes || strings.Contains(body, "ZgotmplZ") {
			t.Errorf("%q: %s", to, body)
		}
		if goes && !strings.Contains(body, `href="`+to+`"`) {
			t.Errorf("%q: %s", to, body)
		}
	}
}

// What cannot be framed, or would be more than an origin in the policy, is left out.
func TestFramesThatAreNone(t *testing.T) {
	answer := loggedOut(newRig(t), "", "", "javascript:alert(1)", "https://a.example;script-src/x", "https://a.example,b/x", "https://*.example/", "https://user@a.example/",
		"https://", "//a.example/x", "https://[::1]/x", "https://a b/", "%zz", "data:text/html,x")
	if policy := answer.Header().Get("Content-Security-Policy"); strings.Contains(policy, "frame-src") || strings.Contains(policy, "example") {
		t.Errorf("policy %s", policy)
	}
	if strings.Contains(answer.Body.String(), "<iframe") {
		t.Error(answer.Body)
	}
}
