package authorize

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"signet/provider/jose"
	"signet/provider/oauth"
)

// signsAnswers registers clients for signed answers.
func (r *rig) signsAnswers(clients ...string) {
	for _, id := range clients {
		r.store.Clients[id].ResponseAlg = "ES256"
	}
}

// A signature is not for everybody who can make up a URL. Here every attempt to sign one fails.
func TestStrangersGetNoSignature(t *testing.T) {
	for _, mode := range []string{"jwt", "query.jwt", "fragment.jwt", "form_post.jwt"} {
		r := newRig(t)
		r.failing = errDisk
		for name, v := range map[string]url.Values{
			"plain":               params("response_mode", mode, "prompt", "none"),
			"a bad object":        withObject("app", signed(t, otherKey, "", r.claims("app", "response_mode", mode))),
			"a foreign reference": params("response_mode", mode, "request_uri", "https://app.example/r"),
		} {
			answer := r.answerOf(r.get(v), callback)
			if !strings.HasPrefix(answer.Get("error"), "invalid_request") && answer.Get("error") != "request_uri_not_supported" {
				t.Errorf("%s %s: %v", mode, name, answer)
			}
		}
		v := params("client_id", "native", "redirect_uri", "http://127.0.0.1:1/cb", "scope", "openid", "response_mode", mode)
		if res := r.do(r.Push(), http.MethodPost, "/par", v); res.StatusCode != http.StatusBadRequest {
			t.Errorf("%s pushed by a public client: %d", mode, res.StatusCode)
		}
	}
}

// Who has made the request gets one, registered for it or not.
func TestWhoMadeTheRequestGetsASignature(t *testing.T) {
	r := newRig(t)
	for name, v := range map[string]url.Values{
		"signed": withObject("app", r.object("app", "response_mode", "jwt", "prompt", "none")),
		"pushed": r.pushed("app", params("response_mode", "jwt", "prompt", "none")),
	} {
		answer := r.carried(r.get(v), callback)
		if claims := opened(t, answer.Get("response")); claims["error"] != "login_required" {
			t.Errorf("%s: %v", name, claims)
		}
	}
}

func TestJWTSecuredAnswers(t *testing.T) {
	for _, test := range []struct{ mode, client, responseType, want string }{
		{"jwt", "app", "code", callback + "?response="},
		{"query.jwt", "app", "code", callback + "?response="},
		{"fragment.jwt", "app", "code", callback + "#response="},
		{"form_post.jwt", "app", "code", "FORM"},
		{"jwt", "advanced", "code id_token", callback + "#response="},
	} {
		t.Run(test.mode+" "+test.responseType, func(t *testing.T) {
			r := newRig(t)
			r.store.Clients["advanced"].Profile = ""
			r.store.Clients["advanced"].GrantTypes = []string{oauth.GrantAuthorizationCode, oauth.GrantImplicit}
			r.signsAnswers("app", "advanced")
			r.login("u1")
			r.consent("u1", oauth.Scope{"openid", "accounts"})
			r.consentTo("advanced", "u1", oauth.Scope{"openid", "accounts"})
			res := r.get(params("client_id", test.client, "response_mode", test.mode, "response_type", test.responseType))
			var answer url.Values
			if test.want == "FORM" {
				fields := strings.Split(page(t, res), " ")
				answer, _ = url.ParseQuery(fields[len(fields)-1])
			} else {
				if !strings.HasPrefix(res.Header.Get("Location"), test.want) {
					t.Fatalf("location %q", res.Header.Get("Location"))
				}
				answer = r.carried(res, callback)
			}
			claims := opened(t, answer.Get("response"))
			if len(answer) != 1 || claims["iss"] != issuer || claims["aud"] != test.client || claims["state"] != "s&1" || claims["code"] == nil ||
				claims["exp"] != float64(r.now.Add(5*time.Minute).Unix()) || (claims["id_token"] != nil) != carriesToken(test.responseType) {
				t.Errorf("answer %v, claims %v", answer, claims)
			}
		})
	}
}

func TestJWTSecuredErrors(t *testing.T) {
	r := newRig(t)
	r.signsAnswers("app")
	answer := r.carried(r.get(params("response_mode", "jwt", "scope", "openid payments")), callback)
	if claims := opened(t, answer.Get("response")); len(answer) != 1 || claims["error"] != "invalid_scope" || claims["state"] != "s&1" || claims["aud"] != "app" {
		t.Errorf("answer %v", answer)
	}
	// An object that is not to be believed still says how its client wants to be answered.
	object := signed(t, otherKey, "", r.claims("advanced", "response_mode", "jwt"))
	answer = r.carried(r.get(withObject("advanced", object)), callback)
	if claims := opened(t, answer.Get("response")); claims["error"] != "invalid_request_object" || claims["state"] != "inside" {
		t.Errorf("answer %v", answer)
	}
	r.get(params("response_mode", "jwt"))
	answer = r.carried(r.do(r.Resume(), http.MethodPost, r.resumeURL(), url.Values{"decision": {"deny"}}), callback)
	if claims := opened(t, answer.Get("response")); claims["error"] != "access_denied" {
		t.Errorf("denied: %v", claims)
	}
}

// What cannot be signed is not answered, and changes nothing.
func TestSigningOutage(t *testing.T) {
	r := newRig(t)
	r.signsAnswers("app")
	r.login("u1")
	r.consent("u1", oauth.Scope{"openid", "accounts"})
	r.failing = oauth.ErrUnavailable
	if text := page(t, r.get(params("response_mode", "jwt"))); !strings.Contains(text, "temporarily_unavailable") || len(r.store.Commits) != 0 {
		t.Errorf("page %q, commits %v", text, r.store.Commits)
	}
	r.get(params("response_mode", "jwt", "prompt", "login"))
	if text := page(t, r.do(r.Resume(), http.MethodPost, r.resumeURL(), url.Values{"decision": {"deny"}})); !strings.Contains(text, "temporarily_unavailable") || len(r.store.Waiting) != 1 {
		t.Errorf("deny: page %q, %d wait", text, len(r.store.Waiting))
	}
	if answer := r.answerOf(r.get(params()), callback); !answer.Has("code") {
		t.Errorf("without a signature: %v", answer)
	}
}

func TestHybridAnswer(t *testing.T) {
	for _, state := range []string{"s&1", ""} {
		r := newRig(t)
		user := r.login("u1")
		r.get(withObject("advanced", r.object("advanced", "response_type", "code id_token", "state", anyOf(state), "acr_values", "moon urn:bank:sca")))
		answer := r.answerOf(r.do(r.Resume(), http.MethodPost, r.resumeURL(), approve(user)), callback)
		claims := opened(t, answer.Get("id_token"))
		hash := func(text string) any {
			half, err := jose.HalfHash("ES256", text)
			if err != nil {
				t.Fatal(err)
			}
			return half
		}
		var wantState any
		if state != "" {
			wantState = hash(state)
		}
		if claims["c_hash"] != hash(answer.Get("code")) || claims["s_hash"] != wantState || claims["at_hash"] != nil ||
			claims["nonce"] != "n-inside" || claims["aud"] != "advanced" || claims["sub"] != "u1" || claims["acr"] != "urn:bank:sca" ||
			claims["exp"] != float64(r.now.Add(10*time.Minute).Unix()) || claims["auth_time"] == nil {
			t.Errorf("claims %v", claims)
		}
		for _, change := range r.store.Commits[len(r.store.Commits)-1] {
			recorded, ok := change.(oauth.RecordAudit)
			if ok && recorded.Entry.Event == "code.issued" && (recorded.Entry.Detail["id_token"] != true || recorded.Entry.Detail["response_type"] != "code id_token") {
				t.Errorf("the audit log keeps %v", recorded.Entry.Detail)
			}
		}
		if code := r.codes()[0]; code.User.ACR != "urn:bank:sca" || answer.Get("state") != state {
			t.Errorf("acr %q, state %q", code.User.ACR, answer.Get("state"))
		}
	}
}

func anyOf(state string) any {
	if state == "" {
		return nil
	}
	return state
}

func TestModeFor(t *testing.T) {
	for _, test := range []struct {
		responseType, asked, want string
		fault                     bool
	}{
		{"code", "", "query", false},
		{"code id_token", "", "fragment", false},
		{"token", "", "fragment", false},
		{"", "", "query", false},
		{"code", "jwt", "query.jwt", false},
		{"id_token code", "jwt", "fragment.jwt", false},
		{"code id_token", "query", "fragment", true},
		{"code id_token", "query.jwt", "fragment.jwt", true},
		{"code id_token", "form_post", "form_post", false},
		{"code", "pigeon", "query", true},
		{"code", "pigeon.jwt", "query", true},
		{"code", "jwt.jwt", "query", true},
		{"code id_token", ".jwt", "fragment", true},
	} {
		p := oauth.NewParams(map[string][]string{"response_type": {test.responseType}, "response_mode": {test.asked}})
		if mode, fault := modeFor(inquiry{party: party{client: &oauth.Client{ResponseAlg: "ES256"}}, params: p}, callback); mode != test.want || (fault != nil) != test.fault {
			t.Errorf("%q %q: %q %v", test.responseType, test.asked, mode, fault)
		}
	}
}
