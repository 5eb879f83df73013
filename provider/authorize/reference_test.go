package authorize

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"signet/provider/jose"
	"signet/provider/oauth"
)

const at = "https://app.example/requests/1"

// refer is a request by reference: what OAuth 2.0 wants, and the request_uri.
func refer(client, reference string, changes ...string) url.Values {
	v := params(append([]string{"client_id", client, "state", "", "nonce", "", "code_challenge", "", "code_challenge_method", ""}, changes...)...)
	v.Set("request_uri", reference)
	return v
}

// fetchRig serves an object at the address that the client app has registered.
func fetchRig(t *testing.T, object func(*rig) string) *rig {
	t.Helper()
	r := newRig(t)
	r.deps.Fetch = r
	r.store.Clients["app"].RequestObjectEncAlg = jose.DecryptionAlg
	r.store.Clients["app"].RequestURIs = []string{"https://app.example/requests/0", at + "#registered"}
	r.documents = map[string]string{at: object(r)}
	return r
}

func TestRequestObjectByReference(t *testing.T) {
	for _, test := range []struct {
		name      string
		reference string
		object    func(*rig) string
		signed    bool
	}{
		{"signed", at, func(r *rig) string { return r.object("app") }, true},
		{"signed, and of the present by itself", at, func(r *rig) string { return r.object("app", "exp", nil, "nbf", nil, "aud", nil) }, true},
		{"unsigned", at, func(r *rig) string { return unsigned(t, r.bare("app")) }, false},
		{"encrypted", at, func(r *rig) string { return encrypted(t, r.object("app")) }, true},
		{"with a line end", at, func(r *rig) string { return r.object("app") + "\r\n" }, true},
		{"as registered", at + "#registered", func(r *rig) string { return r.object("app") }, true},
		{"changed since", at + "#changed", func(r *rig) string { return r.object("app") }, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := fetchRig(t, test.object)
			for range 2 { // no copy is kept
				r.get(refer("app", test.reference))
			}
			if len(r.asked) != 2 || len(r.fetched) != 2 || r.fetched[0] != at {
				t.Fatalf("asked %+v, fetched %v", r.asked, r.fetched)
			}
			if req := r.asked[0].Request; req.State != "inside" || req.Signed != test.signed || req.Pushed {
				t.Errorf("request %+v", req)
			}
		})
	}
}

// What is beside a reference counts as it does beside a value; the strict rules hold for who has to sign.
func TestReferenceIsHeldToTheSameRules(t *testing.T) {
	r := fetchRig(t, func(r *rig) string { return r.object("app", "nbf", nil) })
	if r.get(refer("app", at, "login_hint", "anna")); len(r.asked) != 1 || r.asked[0].Request.LoginHint != "anna" || r.asked[0].Request.Signed {
		t.Errorf("merged: %+v", r.asked)
	}
	r.store.Clients["app"].RequireSignedRequest = true
	if answer := r.answerOf(r.get(refer("app", at)), callback); answer.Get("error") != "invalid_request_object" {
		t.Errorf("without nbf: %v", answer)
	}
	r.documents[at] = r.object("app")
	if r.get(refer("app", at, "login_hint", "anna")); len(r.asked) != 2 || r.asked[1].Request.LoginHint != "" || !r.asked[1].Request.Signed {
		t.Errorf("has to sign: %+v", r.asked)
	}
}

func TestReferencesThatAreRefused(t *testing.T) {
	for _, test := range []struct {
		name, reference string
		change          func(*rig)
		want            oauth.Code
		fetches         bool
	}{
		{"not registered", "https://app.example/requests/2", nil, oauth.InvalidRequestURI, false},
		{"longer than registered", at + "/x", nil, oauth.InvalidRequestURI, false},
		{"with a query", at + "?x", nil, oauth.InvalidRequestURI, false},
		{"shorter than registered", strings.TrimSuffix(at, "1"), nil, oauth.InvalidRequestURI, false},
		{"another host", "https://evil.example/requests/1", nil, oauth.InvalidRequestURI, false},
		{"userinfo", "https://app.example@evil.example/requests/1", nil, oauth.InvalidRequestURI, false},
		{"http, though registered", "http://app.example/r", func(r *rig) {
			r.store.Clients["app"].RequestURIs = []string{"http://app.example/r"}
		}, oauth.InvalidRequestURI, false},
		{"a file, though registered", "file:///etc/passwd", func(r *rig) {
			r.store.Clients["app"].RequestURIs = []string{"file:///etc/passwd"}
		}, oauth.InvalidRequestURI, false},
		{"another client's", at, func(r *rig) { r.store.Clients["app"].RequestURIs = nil }, oauth.InvalidRequestURI, false},
		{"nothing there", at, func(r *rig) { r.documents = nil }, oauth.InvalidRequestURI, true},
		{"empty", at, func(r *rig) { r.documents[at] = " \n" }, oauth.InvalidRequestURI, true},
		{"a page", at, func(r *rig) { r.documents[at] = "<html></html>" }, oauth.InvalidRequestObject, true},
		{"a stranger's object", at, func(r *rig) { r.documents[at] = signed(r.t, otherKey, "", r.claims("app")) }, oauth.InvalidRequestObject, true},
		{"expired", at, func(r *rig) { r.documents[at] = r.object("app", "exp", r.now.Unix()-60) }, oauth.InvalidRequestObject, true},
		{"another reference in it", at, func(r *rig) { r.documents[at] = unsigned(r.t, r.bare("app", "request_uri", at)) }, oauth.InvalidRequestObject, true},
		{"not served", at, func(r *rig) { r.deps.Fetch = nil }, oauth.RequestURINotSupported, false},
		{"must push", at, func(r *rig) { r.store.Clients["app"].RequirePAR = true }, oauth.RequestURINotSupported, false},
		{"FAPI 2.0", at, func(r *rig) { r.store.Clients["app"].Profile = oauth.ProfileFAPI2Security }, oauth.RequestURINotSupported, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := fetchRig(t, func(r *rig) string { return r.object("app") })
			if test.change != nil {
				test.change(r)
			}
			answer := r.answerOf(r.get(refer("app", test.reference, "state", "outside")), callback)
			if answer.Get("error") != string(test.want) || strings.Contains(answer.Get("error_description"), "fire") || len(r.asked) != 0 {
				t.Errorf("answer %v", answer)
			}
			if fetches := len(r.fetched) > 0; fetches != test.fetches {
				t.Errorf("fetched %v", r.fetched)
			}
			if location := r.get(refer("app", test.reference, "redirect_uri", "https://evil.example/")).Header.Get("Location"); strings.Contains(location, "evil") {
				t.Errorf("location %q", location)
			}
		})
	}
}

func TestReferencesAreNotPushed(t *testing.T) {
	r := fetchRig(t, func(r *rig) string { return r.object("app") })
	if status, answer := r.push("app", refer("app", at)); status != http.StatusBadRequest || answer["error"] != "invalid_request" || len(r.fetched) != 0 {
		t.Errorf("%v, fetched %v", answer, r.fetched)
	}
}
