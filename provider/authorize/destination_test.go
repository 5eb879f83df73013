package authorize

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"signet/provider/oauth"
)

func TestRedirectURIExactness(t *testing.T) {
	confidential := &oauth.Client{AuthMethod: oauth.AuthPrivateKeyJWT, RedirectURIs: []string{
		"https://app.example/cb", "https://app.example/q?a=1", "http://localhost:3000/cb", "http://app.example/cb",
		"http://127.0.0.1/cb", "javascript:alert(1)", "https://app.example/f#x", "https://app.example/%0a",
	}}
	native := &oauth.Client{AuthMethod: oauth.AuthNone, RedirectURIs: []string{
		"http://127.0.0.1/cb", "http://[::1]:1/six", "http://localhost/cb", "com.example.app:/cb", "myapp:/cb", "https://claimed.example/cb",
	}}
	for _, test := range []struct {
		client *oauth.Client
		uri    string
		want   bool
	}{
		{confidential, "https://app.example/cb", true},
		{confidential, "https://app.example/q?a=1", true},
		{confidential, "https://app.example/cb/", false},
		{confidential, "https://app.example/cb?", false},
		{confidential, "https://app.example/cb?x=1", false},
		{confidential, "https://app.example/cb#", false},
		{confidential, "https://app.example:443/cb", false},
		{confidential, "https://APP.example/cb", false},
		{confidential, "HTTPS://app.example/cb", false},
		{confidential, "https://app.example/CB", false},
		{confidential, "https://app.example/x/../cb", false},
		{confidential, "https://app.example/%63b", false},
		{confidential, "https://app.example/cb ", false},
		{confidential, "https://app.example", false},
		{confidential, "https://app.example.evil.example/cb", false},
		{confidential, "https://app.example@evil.example/cb", false},
		{confidential, "https://evil.example/https://app.example/cb", false},
		{confidential, "//app.example/cb", false},
		{confidential, "/cb", false},
		{confidential, "http://app.example/cb", false},        // registered, but unencrypted
		{confidential, "javascript:alert(1)", false},          // registered, but unsafe
		{confidential, "https://app.example/f#x", false},      // registered, but a fragment
		{confidential, "http://127.0.0.1/cb", true},           // exactly
		{confidential, "http://127.0.0.1:5000/cb", false},     // the port is free for native apps only
		{confidential, "http://localhost:3000/cb", false},     // registered, but a name (RFC 8252 section 8.3)
		{confidential, "http://localhost:3001/cb", false},     //
		{native, "http://127.0.0.1:51004/cb", true},           // RFC 8252 section 7.3
		{native, "http://127.0.0.1/cb", true},                 //
		{native, "http://[::1]:51004/six", true},              //
		{native, "http://[::1]/six", true},                    //
		{native, "http://127.0.0.1:51004/cb/", false},         // the path is exact
		{native, "http://127.0.0.1:51004/cb?x=1", false},      // and the query
		{native, "http://[::1]:51004/cb", false},              // and the address
		{native, "http://127.0.0.1:/cb", false},               // an empty port
		{native, "http://127.0.0.1:123456/cb", false},         // no port
		{native, "http://127.0.0.1:1@evil.example/cb", false}, // userinfo
		{native, "http://127.0.0.1.evil.example/cb", false},   //
		{native, "http://localhost:51004/cb", false},          // RFC 8252 section 8.3
		{native, "com.example.app:/cb", true},                 // RFC 8252 section 7.1
		{native, "myapp:/cb", false},                          // registered, but not reverse-domain
		{native, "https://claimed.example/cb", true},          //
	} {
		if got := registered(test.client, test.uri); got != test.want {
			t.Errorf("registered(%q) = %v, want %v", test.uri, got, test.want)
		}
	}
}

// What decides where an answer goes is never answered by a redirect.
func TestErrorsThatNeverRedirect(t *testing.T) {
	for _, test := range []struct {
		name, query, want string
	}{
		{"no client_id", params("client_id", "").Encode(), "client_id is missing"},
		{"unknown client", params("client_id", "nobody").Encode(), "the client is not known"},
		{"disabled client", params("client_id", "off").Encode(), "the client is not known"},
		{"client of an unknown profile", params("client_id", "odd").Encode(), "server_error"},
		{"no redirect_uri", params("redirect_uri", "").Encode(), "redirect_uri is missing"},
		{"unregistered redirect_uri", params("redirect_uri", "https://evil.example/").Encode(), "redirect_uri is not registered"},
		{"another client's redirect_uri", params("client_id", "native").Encode(), "redirect_uri is not registered"},
		{"repeated parameter", params().Encode() + "&state=2", "more than once"},
		{"repeated redirect_uri", params().Encode() + "&redirect_uri=" + url.QueryEscape(callback), "more than once"},
		{"NUL", params().Encode() + "&x=%00", "control characters"},
		{"bad escape", params().Encode() + "&x=%zz", "percent-encoded"},
		{"10000 parameters", params().Encode() + strings.Repeat("&a=1", 10_000), "parameters"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t)
			res := r.do(r.Endpoint, http.MethodGet, "/authorize?"+test.query, nil)
			if text := page(t, res); !strings.Contains(text, test.want) || strings.Contains(text, "evil.example") {
				t.Errorf("page %q, want %q", text, test.want)
			}
			if len(r.store.Commits) != 0 || len(r.cookies) != 0 {
				t.Errorf("state changed: %v %v", r.store.Commits, r.cookies)
			}
		})
	}
}

// FAPI 1.0 Baseline section 5.2.2 item 20: what is registered but not https gets no answer, now or later.
func TestProfileAsksForHTTPS(t *testing.T) {
	for _, uri := range []string{"http://127.0.0.1/cb", "com.example.app:/cb"} {
		r := newRig(t)
		for _, id := range []string{"app", "advanced"} {
			r.store.Clients[id].RedirectURIs = append(r.store.Clients[id].RedirectURIs, uri)
		}
		if text := page(t, r.get(withObject("advanced", r.object("advanced", "redirect_uri", uri, "response_mode", "jwt")))); !strings.Contains(text, "not https") {
			t.Errorf("%s: page %q", uri, text)
		}
		if status, answer := r.push("advanced", withObject("advanced", r.object("advanced", "redirect_uri", uri, "response_mode", "jwt"))); status != http.StatusBadRequest {
			t.Errorf("%s: pushed: %v", uri, answer)
		}
		v := r.pushed("app", params("redirect_uri", uri))
		r.store.Clients["app"].Profile = oauth.ProfileFAPI1Advanced
		if text := page(t, r.get(v)); !strings.Contains(text, "no longer registered") {
			t.Errorf("%s: after the profile was tightened: %q", uri, text)
		}
	}
}

func TestStoreFaultNeverRedirectsBeforeTheClientIsKnown(t *testing.T) {
	r := newRig(t)
	r.store.FailRead = errDisk
	if text := page(t, r.get(params())); !strings.Contains(text, "server_error") || strings.Contains(text, "fire") {
		t.Errorf("page %q", text)
	}
}

func TestOtherMethodsAreRefused(t *testing.T) {
	r := newRig(t)
	for _, method := range []string{http.MethodHead, http.MethodPut, http.MethodDelete, http.MethodOptions} {
		if text := page(t, r.do(r.Endpoint, method, "/authorize?"+params().Encode(), nil)); !strings.Contains(text, "method_not_allowed") {
			t.Errorf("%s: %q", method, text)
		}
		if text := page(t, r.do(r.Resume(), method, "/authorize/resume", nil)); !strings.Contains(text, "method_not_allowed") {
			t.Errorf("resume %s: %q", method, text)
		}
	}
}

// Whatever is sent, a redirect goes to a registered URI of the client or nowhere.
func FuzzAuthorize(f *testing.F) {
	f.Add(params().Encode())
	f.Add(params("redirect_uri", "https://app.example@evil.example/cb").Encode())
	f.Add(params("client_id", "native", "redirect_uri", "http://127.0.0.1:80/cb").Encode())
	f.Add(params("prompt", "none login", "max_age", "99999999999999999999").Encode())
	f.Add(params("resource", "https://%zz").Encode() + "&resource=&resource=x#y")
	f.Fuzz(func(t *testing.T, query string) {
		r := newRig(t)
		req, err := http.NewRequest(http.MethodGet, "https://localhost:9443/authorize", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.URL.RawQuery = query
		location := r.send(r.Endpoint, req).Header.Get("Location")
		for _, known := range []string{"https://app.example/cb?", "https://app.example/cb#", "http://127.0.0.1", "com.example.app:/cb?", "com.example.app:/cb#"} {
			if location == "" || strings.HasPrefix(location, known) {
				return
			}
		}
		t.Errorf("redirected to %q", location)
	})
}

func FuzzRedirectURI(f *testing.F) {
	f.Add("http://127.0.0.1:8080/cb")
	f.Add("http://[::1]:99999/cb")
	f.Add("http://127.0.0.1:1@evil.example/cb")
	client := &oauth.Client{AuthMethod: oauth.AuthNone, RedirectURIs: []string{"http://127.0.0.1/cb", "http://[::1]/cb"}}
	f.Fuzz(func(t *testing.T, uri string) {
		if !registered(client, uri) {
			return
		}
		u, err := url.Parse(uri)
		if err != nil || u.Scheme != "http" || u.Hostname() != "127.0.0.1" && u.Hostname() != "::1" || u.Path != "/cb" || u.RawQuery != "" || u.User != nil {
			t.Errorf("accepted %q", uri)
		}
	})
}
