package authorize

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"signet/provider/binding"
	"signet/provider/oauth"
)

// Which response types are refused, to whom and how: none of these the suite asks for.
func TestResponseTypesThatAreRefused(t *testing.T) {
	implicit := func(c *oauth.Client) { c.GrantTypes = []string{oauth.GrantImplicit} }
	code := func(c *oauth.Client) { c.GrantTypes = []string{oauth.GrantAuthorizationCode} }
	for _, test := range []struct {
		name, responseType, separator string
		change                        func(*oauth.Client)
		want                          oauth.Code
	}{
		{"missing", "", "?", nil, oauth.InvalidRequest},
		{"unknown", "none", "?", nil, oauth.UnsupportedResponseType},
		{"a token alone", "token", "#", nil, oauth.UnsupportedResponseType},
		{"a part twice", "code code", "?", nil, oauth.UnsupportedResponseType},
		{"not registered", "id_token", "#", func(c *oauth.Client) { c.ResponseTypes = []string{"id_token token"} }, oauth.UnauthorizedClient},
		{"code without the grant", "code", "?", implicit, oauth.UnauthorizedClient},
		{"hybrid without the code grant", "code token", "#", implicit, oauth.UnauthorizedClient},
		{"implicit without the grant", "id_token", "#", code, oauth.UnauthorizedClient},
		{"implicit token without the grant", "id_token token", "#", code, oauth.UnauthorizedClient},
		{"hybrid without the implicit grant", "code id_token", "#", code, oauth.UnauthorizedClient},
		{"hybrid token without the implicit grant", "code token", "#", code, oauth.UnauthorizedClient},
		{"bound by certificate", "id_token token", "#", func(c *oauth.Client) { c.BoundAccessTokens = true }, oauth.UnauthorizedClient},
		{"bound by DPoP", "code token", "#", func(c *oauth.Client) { c.DPoPBound = true }, oauth.UnauthorizedClient},
		{"authenticates by certificate", "code token", "#", func(c *oauth.Client) { c.AuthMethod = oauth.AuthTLS }, oauth.UnauthorizedClient},
		{"authenticates by one of its own", "id_token token", "#", func(c *oauth.Client) { c.AuthMethod = oauth.AuthSelfSignedTLS }, oauth.UnauthorizedClient},
		{"unsigned in front", "id_token", "#", func(c *oauth.Client) { c.IDTokenAlg = oauth.AlgNone }, oauth.UnauthorizedClient},
		{"unsigned in the hybrid flow", "code id_token token", "#", func(c *oauth.Client) { c.IDTokenAlg = oauth.AlgNone }, oauth.UnauthorizedClient},
		{"FAPI 1.0", "id_token token", "#", func(c *oauth.Client) { c.Profile = oauth.ProfileFAPI1Advanced }, oauth.InvalidRequest},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, _ := agreedTo(t, "web")
			if test.change != nil {
				test.change(r.store.Clients["web"])
			}
			res := r.get(front(test.responseType))
			answer := r.answerOf(res, callback)
			if answer.Get("error") != string(test.want) || answer.Get("state") != "s&1" || !strings.HasPrefix(res.Header.Get("Location"), callback+test.separator) {
				t.Errorf("%q", res.Header.Get("Location"))
			}
			if len(r.store.Commits) != 0 {
				t.Errorf("state changed: %v", r.store.Commits)
			}
		})
	}
}

// What only a token in front forbids, the code of the same client does not suffer from.
func TestWhatConcernsTokensInFrontOnly(t *testing.T) {
	r, _ := agreedTo(t, "web")
	web := r.store.Clients["web"]
	web.IDTokenAlg, web.DPoPBound, web.GrantTypes = oauth.AlgNone, true, []string{oauth.GrantAuthorizationCode}
	if answer := r.answerOf(r.get(front("code")), callback); !answer.Has("code") {
		t.Errorf("answer %v", answer)
	}
}

func TestResponseTypesOfTheServer(t *testing.T) {
	r, _ := agreedTo(t, "web")
	r.deps.ResponseTypes = []string{oauth.ResponseCode}
	if answer := r.answerOf(r.get(front("code id_token")), callback); answer.Get("error") != "unsupported_response_type" {
		t.Errorf("answer %v", answer)
	}
	if _, err := New(Deps{ResponseTypes: []string{"token"}}); err == nil || !strings.Contains(err.Error(), `"token"`) {
		t.Errorf("a response type that there is not: %v", err)
	}
	if _, err := New(Deps{ResponseTypes: []string{"code id_token"}}); err == nil || !strings.Contains(err.Error(), "FrontIDToken") {
		t.Errorf("nobody decides about the ID token: %v", err)
	}
	if _, err := New(Deps{ResponseTypes: []string{"code token"}}); err == nil || !strings.Contains(err.Error(), "Front") {
		t.Errorf("nobody makes the token: %v", err)
	}
}

// What becomes of the response type while the user reads the page.
func TestResponseTypeTakenAwayMeanwhile(t *testing.T) {
	for name, change := range map[string]func(*rig){
		"from the server":  func(r *rig) { r.deps.ResponseTypes = []string{oauth.ResponseCode} },
		"from the client":  func(r *rig) { r.store.Clients["web"].ResponseTypes = nil },
		"its grant type":   func(r *rig) { r.store.Clients["web"].GrantTypes = []string{oauth.GrantAuthorizationCode} },
		"by its profile":   func(r *rig) { r.store.Clients["web"].Profile = oauth.ProfileFAPI2Security },
		"by its algorithm": func(r *rig) { r.store.Clients["web"].IDTokenAlg = oauth.AlgNone },
		"by its method":    func(r *rig) { r.store.Clients["web"].AuthMethod = oauth.AuthTLS },
		"by its binding":   func(r *rig) { r.store.Clients["web"].BoundAccessTokens = true },
		"its claims' scope": func(r *rig) {
			r.store.Clients["web"].Scope = "openid accounts"
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			user := r.login("u1")
			r.get(front("id_token token", "claims", `{"userinfo":{"email":null}}`))
			change(r)
			if text := page(t, r.do(r.Resume(), http.MethodPost, r.resumeURL(), approve(user))); !strings.Contains(text, "reduced") || len(r.store.Grants) != 0 {
				t.Errorf("page %q", text)
			}
		})
	}
}

// OpenID Connect Core sections 3.2.2.1 and 3.3.2.11: nonce where an ID token comes through the browser.
func TestWhoNeedsANonce(t *testing.T) {
	for responseType, needed := range map[string]bool{
		"code": false, "code token": false, "id_token": true, "id_token token": true, "code id_token": true, "code id_token token": true,
	} {
		r, _ := agreedTo(t, "web")
		answer := r.answerOf(r.get(front(responseType, "nonce", "")), callback)
		if refused := answer.Get("error") == "invalid_request"; refused != needed || refused == (answer.Has("code") || answer.Has("id_token")) {
			t.Errorf("%s: %v", responseType, answer)
		}
		answer = r.answerOf(r.get(front(responseType, "scope", "accounts")), callback)
		if refused := answer.Get("error") == "invalid_request"; refused != needed || answer.Has("id_token") {
			t.Errorf("%s without openid: %v", responseType, answer)
		}
	}
}

func TestTokensNeverGoByQuery(t *testing.T) {
	for _, responseType := range ResponseTypes()[1:] {
		r, _ := agreedTo(t, "web")
		res := r.get(front(responseType, "response_mode", "query"))
		if answer := r.answerOf(res, callback); answer.Get("error") != "invalid_request" || !strings.HasPrefix(res.Header.Get("Location"), callback+"#") {
			t.Errorf("%s: %q", responseType, res.Header.Get("Location"))
		}
		text := page(t, r.get(front(responseType, "response_mode", "form_post")))
		answer, err := url.ParseQuery(strings.TrimPrefix(text, "FORM The App "+callback+" "))
		if err != nil || answer.Has("error") || answer.Has("access_token") != carries(responseType, partToken) {
			t.Errorf("%s by form: %q", responseType, text)
		}
	}
}

// A token in a fragment does not go where anybody can listen.
func TestTokensNeverGoByHTTPOrToOthers(t *testing.T) {
	for _, uri := range []string{"http://app.example/cb", "http://localhost/cb", "http://127.0.0.1.evil.example/cb"} {
		r, _ := agreedTo(t, "web")
		r.store.Clients["web"].RedirectURIs = append(r.store.Clients["web"].RedirectURIs, uri)
		if text := page(t, r.get(front("id_token token", "redirect_uri", uri))); !strings.Contains(text, "invalid_request") {
			t.Errorf("%s: %q", uri, text)
		}
	}
}

func TestImplicitNeedsNoPKCEAndGivesNoOfflineAccess(t *testing.T) {
	for _, client := range []string{"single", "web"} { // web may have it, with a code
		r, user := agreedTo(t, client)
		r.answerOf(r.get(front("id_token token", "client_id", client, "scope", "openid offline_access", "code_challenge", "", "code_challenge_method", "")), callback)
		r.checkJoin(user, false)
		for _, grant := range r.store.Grants {
			if grant.Scope.String() != "openid" {
				t.Errorf("%s: scope %s", client, grant.Scope)
			}
		}
	}
	r, _ := agreedTo(t, "web")
	if answer := r.answerOf(r.get(front("code token", "scope", "offline_access")), callback); !answer.Has("code") {
		t.Errorf("with a code: %v", answer)
	}
	if answer := r.answerOf(r.get(front("id_token", "code_challenge_method", "plain")), callback); answer.Get("error") != "invalid_request" {
		t.Errorf("a bad challenge: %v", answer)
	}
}

// With require_pkce for public clients only.
func TestPKCEOnlyWhereItMustBe(t *testing.T) {
	none := []string{"code_challenge", "", "code_challenge_method", "", "nonce", ""}
	r, _ := agreedTo(t, "web")
	r.deps.RequirePKCE = false
	if answer := r.answerOf(r.get(front("code", none...)), callback); !answer.Has("code") {
		t.Errorf("a confidential client: %v", answer)
	}
	native := params(append([]string{"client_id", "native", "redirect_uri", "http://127.0.0.1:1/cb", "scope", "openid"}, none...)...)
	if answer := r.answerOf(r.get(native), "http://127.0.0.1:1/cb"); answer.Get("error") != "invalid_request" {
		t.Errorf("a public one: %v", answer)
	}
	r.deps.PublicWithoutPKCE = true
	r.get(native)
	if len(r.asked) == 0 || r.asked[len(r.asked)-1].Request.ClientID != "native" {
		t.Error("a public one, which the owner exempts, was not taken further")
	}
	r.asked = nil
	for _, client := range []string{"fapi", "signing"} {
		v := params(none...)
		if client == "signing" {
			v = withObject(client, r.object(client, "code_challenge", nil, "code_challenge_method", nil))
		}
		if status, answer := r.push(client, v); status != http.StatusBadRequest || answer["error"] != "invalid_request" {
			t.Errorf("%s: %v", client, answer)
		}
	}
	object := r.object("advanced", "code_challenge", nil, "code_challenge_method", nil, "scope", "accounts", "response_mode", "jwt")
	if r.get(withObject("advanced", object)); len(r.asked) != 0 {
		t.Error("FAPI 1.0 without openid needs PKCE, whatever the owner asks of others")
	}
	if answer := r.answerOf(r.get(front("code", "code_challenge", "", "nonce", "")), callback); answer.Get("error") != "invalid_request" {
		t.Errorf("a method without challenge: %v", answer)
	}
}

// What has no place in an answer through the browser.
func TestWhatNeedsTheTokenEndpoint(t *testing.T) {
	details := []string{"authorization_details", `[{"type":"payment"}]`}
	key := []string{"dpop_jkt", jkt}
	for _, test := range []struct {
		responseType string
		changes      []string
		refused      bool
	}{
		{"code token", details, true},
		{"id_token token", details, true},
		{"code id_token", details, false},
		{"code token", key, true},
		{"code id_token token", key, true},
		{"code id_token", key, false},
		{"id_token", []string{"grant_management_action", "create"}, true},
		{"id_token token", []string{"grant_management_action", "create"}, true},
		{"code token", []string{"grant_management_action", "create"}, false},
	} {
		r := newRig(t)
		r.login("u1")
		res := r.get(front(test.responseType, test.changes...))
		if refused := len(r.asked) == 0; refused != test.refused || refused && r.answerOf(res, callback).Get("error") != "invalid_request" {
			t.Errorf("%s %v: %q", test.responseType, test.changes, res.Header.Get("Location"))
		}
	}
}

// A push with a proof binds what comes of it as dpop_jkt does.
func TestNoProofForATokenInFront(t *testing.T) {
	for responseType, refused := range map[string]bool{"code": false, "code id_token": false, "code token": true} {
		r := newRig(t)
		r.sender = binding.Sender{Confirmation: oauth.Confirmation{JKT: jkt}}
		status, answer := r.push("web", front(responseType))
		if (status != http.StatusCreated) != refused || refused && answer["error"] != "invalid_request" {
			t.Errorf("%s: %d %v", responseType, status, answer)
		}
	}
}

// What a merge keeps is issued again: details of before are no more for a token in front than those of the request, and
// the user is not asked first.
func TestNoTokenInFrontForDetailsOfBefore(t *testing.T) {
	for _, test := range []struct {
		responseType, action string
		refused              bool
	}{
		{"code token", "merge", true}, {"code id_token token", "merge", true}, {"code id_token", "merge", false}, {"code token", "replace", false},
	} {
		r := newRig(t)
		user := r.login("u1")
		plain := oauth.Grant{
			ID: "g1", ClientID: "web", UserID: "u1", Scope: oauth.Scope{"openid"}, Managed: true, UpdatedAt: r.now.Add(-1), ExpiresAt: r.now.Add(time.Hour),
		}
		detailed := plain
		detailed.Details = oauth.Details{payment("1")}
		v := front(test.responseType, "grant_management_action", test.action, "grant_id", "g1")
		r.store.Grants["g1"] = detailed
		res := r.get(v)
		if refused := len(r.asked) == 0; refused != test.refused || refused && r.answerOf(res, callback).Get("error") != "invalid_request" {
			t.Errorf("%s, %s: %q", test.responseType, test.action, res.Header.Get("Location"))
		}
		if !test.refused {
			continue
		}
		r.store.Grants["g1"] = plain
		r.get(v)
		r.store.Grants["g1"] = detailed // while the user reads the page
		if answer := r.answerOf(r.do(r.Resume(), http.MethodPost, r.resumeURL(), approve(user)), callback); answer.Get("error") != "invalid_request" {
			t.Errorf("meanwhile: %v", answer)
		}
	}
}

// Nothing leaves of an answer of which a part is refused, or cannot be made.
func TestNoPartLeavesAlone(t *testing.T) {
	denied := oauth.Errorf(oauth.AccessDenied, "refused by policy")
	denied.Decision = "d9"
	const all = "code id_token token"
	refuses := func(r *rig) {
		r.frontErr = &oauth.Refusal{Err: denied, Detail: map[string]any{"rules": []string{"token/hours"}}}
	}
	withholds := func(r *rig) { r.withheld = oauth.Scope{"openid"} }
	out := func(r *rig) { r.frontErr = oauth.Errorf(oauth.TemporarilyUnavailable, "out") }
	for _, test := range []struct {
		name, responseType string
		change             func(*rig)
		want, decision     string
	}{
		{"the policy refuses", all, refuses, "access_denied", "d9"},
		{"the policy refuses the ID token alone", "id_token", refuses, "access_denied", "d9"},
		{"the policy refuses the ID token beside a code", "code id_token", refuses, "access_denied", "d9"},
		{"the policy withholds openid", all, withholds, "access_denied", "d1"},
		{"the policy withholds openid from the ID token", "code id_token", withholds, "access_denied", "d2"},
		{"the policy is out", all, out, "temporarily_unavailable", ""},
		{"the policy is out, for the ID token alone", "id_token", out, "temporarily_unavailable", ""},
		{"nothing can be signed", all, func(r *rig) { r.failing = oauth.ErrUnavailable }, "temporarily_unavailable", ""},
		{"nothing can be kept", all, func(r *rig) { r.store.FailWrite = errDisk }, "server_error", ""},
		{"the session has no state", all, func(r *rig) {
			r.deps.SessionState = func(*http.Request, *oauth.Client, string) (string, error) { return "", errDisk }
		}, "server_error", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, _ := agreedTo(t, "web")
			test.change(r)
			res := r.get(front(test.responseType))
			answer := r.answerOf(res, callback)
			if answer.Get("error") != test.want || answer.Has("code") || answer.Has("id_token") || answer.Has("access_token") || !strings.HasPrefix(res.Header.Get("Location"), callback+"#") {
				t.Errorf("answer %v", answer)
			}
			if len(r.store.Grants) != 0 {
				t.Errorf("grants %v", r.store.Grants)
			}
			if test.want != "access_denied" {
				return
			}
			if len(r.store.Spooled) != 1 || r.store.Spooled[0].DecisionID != test.decision || r.store.Spooled[0].Detail["rules"] == nil || r.store.Spooled[0].Detail["error"] != "access_denied" {
				t.Errorf("audit %+v", r.store.Spooled)
			}
		})
	}
}
