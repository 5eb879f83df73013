package logout_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"signet/provider/oauth"
	"signet/provider/session"
)

// uris are those that clients have registered, and what an attacker makes of them.
func uris() []string {
	var all []string
	for _, c := range clients() {
		for _, uri := range c.PostLogoutRedirectURIs {
			all = append(all, uri, uri+"/", uri+"?", uri+"#", uri+"?x=y", uri+"\\@evil.example", uri+"@evil.example", uri+"\t", " "+uri, uri+"%00",
				strings.ToUpper(uri), strings.Replace(uri, "https://", "http://", 1), strings.Replace(uri, "https://", "//", 1), strings.Replace(uri, "https:", "javascript:", 1))
		}
	}
	return append(all, "", "/", "//evil.example", "https://evil.example", "javascript:alert(1)", "data:text/html,x", "\\\\evil.example")
}

// leads says where an answer may send the browser: to ourselves, or to a URI of the client that the parameters name.
func (r *rig) leads(to string, params url.Values, hinted string) bool {
	if path, _, _ := strings.Cut(to, "?"); to == "" || path == pathEnd {
		return true
	}
	client := hinted
	if client == "" {
		client = params.Get("client_id")
	}
	registered, known := r.store.Clients[client]
	if !known || registered.Disabled {
		return false
	}
	uri := params.Get("post_logout_redirect_uri")
	want := uri
	if state := params.Get("state"); state != "" {
		mark := "?"
		if strings.Contains(uri, "?") {
			mark = "&"
		}
		want += mark + "state=" + strings.ReplaceAll(url.QueryEscape(state), "+", "%20")
	}
	return slices.Contains(registered.PostLogoutRedirectURIs, uri) && to == want
}

// TestLeadsNowhereElse: whatever comes in whatever way, the browser goes only to where the named client has registered.
func TestLeadsNowhereElse(t *testing.T) {
	all, outer := uris(), t
	rapid.Check(t, func(t *rapid.T) {
		r := newRig(outer)
		r.login("u1", oauth.Participation{ClientID: "silent", GrantID: "g1"})
		params, hinted := url.Values{}, ""
		switch rapid.SampledFrom([]string{"none", "own", "other session", "forged"}).Draw(t, "hint") {
		case "own":
			hinted = rapid.SampledFrom([]string{"app", "shop", "silent", "off", "nobody"}).Draw(t, "aud")
			params.Set("id_token_hint", r.idToken(hinted, nil))
		case "other session":
			hinted = rapid.SampledFrom([]string{"app", "shop"}).Draw(t, "aud")
			params.Set("id_token_hint", r.idToken(hinted, map[string]any{"sid": "another"}))
		case "forged":
			params.Set("id_token_hint", r.idToken("app", map[string]any{"iss": "https://evil.example"}))
		}
		for name, values := range map[string][]string{
			"client_id": {"", "app", "shop", "silent", "off", "nobody"}, "post_logout_redirect_uri": all, "state": {"", "s", "&post_logout_redirect_uri=https://evil.example", "#x", "\r\nLocation: x"},
		} {
			if value := rapid.SampledFrom(values).Draw(t, name); value != "" {
				params.Set(name, value)
			}
		}
		if rapid.Bool().Draw(t, "away") {
			clear(r.browser)
		}
		method, path, form := http.MethodGet, pathEnd+"?"+params.Encode(), url.Values(nil)
		if rapid.Bool().Draw(t, "by POST") {
			method, path, form = http.MethodPost, pathEnd, params
		}
		got := r.send(r.browser.Request(method, path, form))
		for range 3 {
			if !r.leads(got.To, params, hinted) {
				t.Fatalf("%v leads to %q", params, got.To)
			}
			if path, _, _ := strings.Cut(got.To, "?"); path == pathEnd && got.To != "" {
				got = r.send(r.browser.Request(http.MethodGet, got.To, nil))
				continue
			}
			if got.Page != "ask" {
				break
			}
			got = r.answer(got, rapid.SampledFrom([]string{session.DecisionApprove, session.DecisionDeny, "x"}).Draw(t, "answer"))
		}
		if got.Continue != "" && !r.leads(got.Continue, params, hinted) {
			t.Fatalf("%v continues to %q", params, got.Continue)
		}
	})
}

// FuzzEndSession: no query ends a session without its token or its user, makes the server fail, or leads anywhere.
func FuzzEndSession(f *testing.F) {
	for _, seed := range []string{
		"", "state=s", "client_id=app&post_logout_redirect_uri=" + url.QueryEscape(out), "id_token_hint=a.b.c&state=%00", "id_token_hint=a.b.c.d.e", "client_id=app&client_id=app",
		"post_logout_redirect_uri=https%3A%2F%2Fevil.example&client_id=app", "%zz", "a;b", "id_token_hint=eyJhbGciOiJub25lIn0.e30.", "ui_locales=%F0%9F%87%AB%F0%9F%87%AE&logout_hint=%0a",
	} {
		f.Add(seed, false)
		f.Add(seed, true)
	}
	f.Fuzz(func(t *testing.T, raw string, byPost bool) {
		r := newRig(t)
		r.login("u1")
		request := r.browser.Request(http.MethodGet, pathEnd, nil)
		request.URL.RawQuery = raw
		if byPost {
			request = r.browser.Carry(httptest.NewRequest(http.MethodPost, pathEnd, strings.NewReader(raw)))
			request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		got := r.send(request)
		if got.Code >= http.StatusInternalServerError || !r.signedIn() {
			t.Errorf("%d %s; signed in: %v", got.Code, got.Body, r.signedIn())
		}
		if path, _, _ := strings.Cut(got.To, "?"); got.To != "" && path != pathEnd {
			t.Errorf("leads to %s", got.To)
		}
	})
}
