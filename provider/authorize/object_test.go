package authorize

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"signet/provider/jose"
	"signet/provider/oauth"
	"signet/provider/web"
)

// bare are the claims of an object that says nothing of itself, as OpenID Connect Core section 6.1 allows.
func (r *rig) bare(client string, changes ...any) map[string]any {
	return r.claims(client, append([]any{"iss", nil, "aud", nil, "exp", nil, "nbf", nil}, changes...)...)
}

// OpenID Connect Core section 6.1: what is inside goes first, what is not may stand beside it.
func TestWhatStandsBesideARequestObject(t *testing.T) {
	for name, object := range map[string]func(*rig) string{
		"unsigned": func(r *rig) string { return unsigned(t, r.bare("app", "login_hint", nil, "state", "")) },
		"signed":   func(r *rig) string { return r.object("app", "login_hint", nil, "state", "") },
		"encrypted": func(r *rig) string {
			return encrypted(t, r.object("app", "login_hint", nil, "state", ""))
		},
		"encrypted and unsigned": func(r *rig) string {
			return encrypted(t, unsigned(t, r.bare("app", "login_hint", nil, "state", nil)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.store.Clients["app"].RequestObjectEncAlg = jose.DecryptionAlg
			r.get(withObject("app", object(r), "state", "outside", "nonce", "outside", "scope", "openid profile", "login_hint", "anna",
				"redirect_uri", "https://evil.example/", "request_uri", ""))
			if len(r.asked) != 1 {
				t.Fatalf("asked %d times", len(r.asked))
			}
			want := oauth.AuthorizationRequest{
				ClientID: "app", RedirectURI: callback, ResponseType: "code", ResponseMode: "query", Scope: oauth.Scope{"openid", "accounts"},
				State: "outside", Nonce: "n-inside", CodeChallenge: params().Get("code_challenge"), Prompt: []string{},
				LoginHint: "anna", Resources: []string{accounts},
			}
			if diff := cmp.Diff(want, r.asked[0].Request); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Whoever is held to more than OpenID Connect is not offered anything that the signature does not cover.
func TestNothingBesideCountsForTheStricter(t *testing.T) {
	for name, change := range map[string]func(*oauth.Client){
		"FAPI 1.0":     func(c *oauth.Client) { c.Profile = oauth.ProfileFAPI1Advanced },
		"has to sign":  func(c *oauth.Client) { c.RequireSignedRequest = true },
		"signs pushed": func(c *oauth.Client) { c.RequirePAR = true },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			change(r.store.Clients["app"])
			v := withObject("app", r.object("app", "login_hint", nil, "response_mode", "jwt"), "login_hint", "anna")
			if r.store.Clients["app"].RequirePAR {
				v = r.pushed("app", v)
			}
			if r.get(v); len(r.asked) != 1 || r.asked[0].Request.LoginHint != "" || !r.asked[0].Request.Signed {
				t.Errorf("asked %+v", r.asked)
			}
		})
	}
}

// A signature that does not cover all of the request earns nothing that a signed request is let off.
func TestHalfSignedIsNotSigned(t *testing.T) {
	for _, test := range []struct {
		name    string
		inside  []any
		outside []string
		refused bool
	}{
		{"all inside", nil, nil, false},
		{"the same beside it", nil, []string{"state", "other"}, false},
		{"nonce outside", []any{"nonce", nil}, []string{"nonce", "n1"}, true},
		{"anything outside", nil, []string{"login_hint", "anna"}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t)
			object := r.object("app", append([]any{"code_challenge", nil, "code_challenge_method", nil}, test.inside...)...)
			res := r.get(withObject("app", object, test.outside...))
			if refused := len(r.asked) == 0; refused != test.refused {
				t.Errorf("PKCE: %q", res.Header.Get("Location"))
			}
			r.asked, r.failing = nil, errDisk // no signature for a stranger's request
			object = r.object("app", append([]any{"response_mode", "jwt", "prompt", "moon"}, test.inside...)...)
			res = r.get(withObject("app", object, test.outside...))
			if signs := res.Header.Get("Location") == ""; signs == test.refused {
				t.Errorf("signed answers: %q", res.Header.Get("Location"))
			}
		})
	}
}

func TestUnsignedObjects(t *testing.T) {
	none := func(c *oauth.Client) { c.RequestObjectAlg = oauth.AlgNone }
	for _, test := range []struct {
		name    string
		change  func(*oauth.Client)
		pushed  bool
		object  func(*rig) string
		refused bool
	}{
		{"nothing registered", nil, false, nil, false},
		{"registered", none, false, nil, false},
		{"a signed one, where none is registered", none, false, func(r *rig) string { return r.object("app") }, true},
		{"an algorithm is registered", func(c *oauth.Client) { c.RequestObjectAlg = "ES256" }, false, nil, true},
		{"has to sign", func(c *oauth.Client) { c.RequireSignedRequest = true }, false, nil, true},
		{"has to sign, but for none", func(c *oauth.Client) { none(c); c.RequireSignedRequest = true }, false, nil, true},
		{"FAPI 1.0", func(c *oauth.Client) { c.Profile = oauth.ProfileFAPI1Advanced }, false, nil, true},
		{"FAPI 1.0, registered", func(c *oauth.Client) { none(c); c.Profile = oauth.ProfileFAPI1Advanced }, false, nil, true},
		{"FAPI CIBA", func(c *oauth.Client) { c.Profile = oauth.ProfileFAPICIBA }, false, nil, true},
		{"FAPI 2.0", func(c *oauth.Client) { c.Profile = oauth.ProfileFAPI2Security }, false, nil, true},
		{"pushed", nil, true, nil, true},
		{"pushed, registered", none, true, nil, true},
		{"encrypted, has to sign", func(c *oauth.Client) { c.RequireSignedRequest = true }, false, func(r *rig) string { return encrypted(t, unsigned(t, r.claims("app"))) }, true},
		{"a signature cut off", nil, false, func(r *rig) string { s := r.object("app"); return s[:strings.LastIndex(s, ".")+1] }, true},
		{"none with a signature", nil, false, func(r *rig) string { return unsigned(t, r.bare("app")) + "AAAA" }, true},
		{"another client's", nil, false, func(r *rig) string { return unsigned(t, r.bare("web")) }, true},
		{"another issuer's", nil, false, func(r *rig) string { return unsigned(t, r.bare("app", "iss", "web")) }, true},
		{"for another server", nil, false, func(r *rig) string { return unsigned(t, r.bare("app", "aud", "https://other.example")) }, true},
		{"expired", nil, false, func(r *rig) string { return unsigned(t, r.bare("app", "exp", r.now.Unix()-60)) }, true},
		{"names no client", nil, false, func(r *rig) string { return unsigned(t, r.bare("app", "client_id", nil)) }, false},
		{"a request in it", nil, false, func(r *rig) string { return unsigned(t, r.bare("app", "request", "e30.e30.")) }, true},
		{"a request_uri in it", nil, false, func(r *rig) string { return unsigned(t, r.bare("app", "request_uri", "https://app.example/r")) }, true},
		{"control characters", nil, false, func(r *rig) string { return unsigned(t, r.bare("app", "login_hint", "a\x00")) }, true},
		{"no object", nil, false, func(*rig) string { return jose.Unsigned("", []byte(`[]`)) }, true},
		{"an assertion of the client's", nil, false, func(r *rig) string { return unsigned(t, r.bare("app", "sub", "app")) }, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t)
			if test.change != nil {
				test.change(r.store.Clients["app"])
			}
			object := unsigned(t, r.claims("app"))
			if test.object != nil {
				object = test.object(r)
			}
			if test.pushed {
				status, answer := r.push("app", withObject("app", object))
				if status != http.StatusBadRequest || answer["error"] != "invalid_request_object" {
					t.Errorf("status %d, answer %v", status, answer)
				}
				return
			}
			res := r.get(withObject("app", object))
			switch {
			case !test.refused && (len(r.asked) != 1 || r.asked[0].Request.Signed):
				t.Errorf("asked %+v, location %q", r.asked, res.Header.Get("Location"))
			case test.refused && (len(r.asked) != 0 || r.answerOf(res, callback).Get("error") != "invalid_request_object"):
				t.Errorf("asked %+v, location %q", r.asked, res.Header.Get("Location"))
			}
		})
	}
}

// An unsigned object is no more than a query: PKCE and a signed answer are not had for it.
func TestUnsignedEarnsNothing(t *testing.T) {
	r := newRig(t)
	object := unsigned(t, r.bare("app", "code_challenge", nil, "code_challenge_method", nil))
	if answer := r.answerOf(r.get(withObject("app", object)), callback); answer.Get("error") != "invalid_request" {
		t.Errorf("without PKCE: %v", answer)
	}
	r.failing = errDisk
	object = unsigned(t, r.bare("app", "response_mode", "jwt"))
	if answer := r.answerOf(r.get(withObject("app", object)), callback); answer.Get("error") != "invalid_request" {
		t.Errorf("a signed answer: %v", answer)
	}
}

// OpenID Connect Core section 6.1: what OAuth 2.0 wants outside has to say the same.
func TestResponseTypeBesideTheObject(t *testing.T) {
	for _, test := range []struct {
		inside, outside string
		refused         bool
	}{
		{"code id_token", "id_token code", false},
		{"code id_token", "", false},
		{"", "code id_token", false},
		{"code id_token", "code", true},
		{"code", "id_token token", true},
	} {
		r, _ := agreedTo(t, "web")
		var inside any
		if test.inside != "" {
			inside = test.inside
		}
		object := unsigned(t, r.bare("web", "response_type", inside))
		answer := r.answerOf(r.get(withObject("web", object, "response_type", test.outside)), callback)
		if refused := answer.Get("error") == "invalid_request"; refused != test.refused || !refused && !answer.Has("id_token") {
			t.Errorf("%q inside, %q outside: %v", test.inside, test.outside, answer)
		}
	}
}

// Where two objects come at once, nobody guesses which is meant.
func TestRequestAndRequestURI(t *testing.T) {
	r := newRig(t)
	r.deps.Fetch = r
	v := withObject("app", r.object("app"), "request_uri", "https://app.example/r")
	if text := page(t, r.get(v)); !strings.Contains(text, "exclude") || len(r.fetched) != 0 {
		t.Errorf("page %q, fetched %v", text, r.fetched)
	}
}

func TestEncryptedObjects(t *testing.T) {
	for _, test := range []struct {
		name   string
		object func(*rig) string
		change func(*rig)
		want   string // "" = accepted
	}{
		{"signed inside", func(r *rig) string { return encrypted(t, r.object("app")) }, nil, ""},
		{"by a stranger", func(r *rig) string { return encrypted(t, signed(t, otherKey, "", r.claims("app"))) }, nil, "invalid_request_object"},
		{"twice", func(r *rig) string { return encrypted(t, encrypted(t, r.object("app"))) }, nil, "invalid_request_object"},
		{"no JWT in it", func(*rig) string { return encrypted(t, `{"client_id":"app"}`) }, nil, "invalid_request_object"},
		{"changed on the way", func(r *rig) string { s := encrypted(t, r.object("app")); return s[:len(s)-4] + "AAAA" }, nil, "invalid_request_object"},
		{"another algorithm", func(*rig) string {
			return "eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0..AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA"
		}, nil, "invalid_request_object"},
		{"nothing", func(*rig) string { return "...." }, nil, "invalid_request_object"},
		{"no keys here", func(r *rig) string { return encrypted(t, r.object("app")) }, func(r *rig) { r.deps.Decrypt = nil }, "invalid_request_object"},
		{"out of order", func(r *rig) string { return encrypted(t, r.object("app")) }, func(r *rig) { r.failing = errDisk }, "temporarily_unavailable"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t)
			r.store.Clients["app"].RequestObjectEncAlg = jose.DecryptionAlg
			if test.change != nil {
				test.change(r)
			}
			res := r.get(withObject("app", test.object(r)))
			if test.want == "" {
				if len(r.asked) != 1 || !r.asked[0].Request.Signed {
					t.Errorf("asked %+v, location %q", r.asked, res.Header.Get("Location"))
				}
				return
			}
			answer := r.answerOf(res, callback)
			if answer.Get("error") != test.want || strings.Contains(answer.Get("error_description"), "fire") || len(r.asked) != 0 {
				t.Errorf("answer %v", answer)
			}
		})
	}
}

// A stranger does not make the key work: the client is registered for it or has authenticated. What is refused for that
// is refused as what cannot be read.
func TestWhoMayMakeTheKeyWork(t *testing.T) {
	r := newRig(t)
	r.deps.Fetch, r.store.Clients["app"].RequestURIs = r, []string{at}
	object := encrypted(t, r.object("app"))
	r.documents = map[string]string{at: object}
	r.store.Clients["app"].RequestObjectEncAlg = jose.DecryptionAlg
	unreadable := r.answerOf(r.get(withObject("app", object[:len(object)-4]+"AAAA")), callback).Get("error_description")
	r.store.Clients["app"].RequestObjectEncAlg = ""
	r.failing = errDisk // of the key: it would be another error
	for name, v := range map[string]url.Values{"by value": withObject("app", object), "by reference": refer("app", at)} {
		answer := r.answerOf(r.get(v), callback)
		if answer.Get("error") != "invalid_request_object" || answer.Get("error_description") != unreadable {
			t.Errorf("%s: %v", name, answer)
		}
	}
	if status, answer := r.push("app", withObject("app", object)); status != http.StatusServiceUnavailable {
		t.Errorf("pushed: the key is not asked: %v", answer)
	}
	public := inquiry{party: party{client: &oauth.Client{AuthMethod: oauth.AuthNone}}, pushed: true}
	if _, err := r.decrypted(t.Context(), public, object); err == nil || web.Public(err).Code != oauth.InvalidRequestObject {
		t.Errorf("pushed by a public client: %v", err)
	}
	r.failing = nil
	if status, answer := r.push("app", withObject("app", object)); status != http.StatusCreated {
		t.Errorf("pushed: %v", answer)
	}
}

func TestEncryptedObjectsOfFAPI(t *testing.T) {
	r := newRig(t)
	r.store.Clients["advanced"].RequestObjectEncAlg = jose.DecryptionAlg
	object := encrypted(t, r.object("advanced", "response_type", "code id_token"))
	if r.get(withObject("advanced", object)); len(r.asked) != 1 || !r.asked[0].Request.Signed {
		t.Errorf("asked %+v", r.asked)
	}
	if status, answer := r.push("signing", withObject("signing", encrypted(t, r.object("signing")))); status != http.StatusCreated {
		t.Errorf("pushed: %v", answer)
	}
}

// Whatever an object of alg none says, an answer goes to a registered redirect URI or nowhere.
func FuzzUnsignedObject(f *testing.F) {
	for _, seed := range []string{
		`{"redirect_uri":"https://evil.example/","response_type":"code"}`, `{"redirect_uri":"https://app.example/cb","claims":{"userinfo":{"name":null}}}`,
		`{"client_id":["web"],"redirect_uri":{"a":1}}`, `{"response_mode":"fragment.jwt","response_type":"id_token token","prompt":"none"}`, `[]`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		r := newRig(t)
		v := url.Values{"client_id": {"web"}, "request": {jose.Unsigned("", payload)}}
		location := r.get(v).Header.Get("Location")
		if location != "" && !strings.HasPrefix(location, callback+"?") && !strings.HasPrefix(location, callback+"#") {
			t.Errorf("redirected to %q", location)
		}
	})
}
