package authorize

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/provider/jose"
	"signet/provider/oauth"
)

// Of who has to sign, only what is inside a request object counts, whatever stands beside it (RFC 9101 section 6.3).
func TestRequestObjectByValue(t *testing.T) {
	r := newRig(t)
	r.store.Clients["app"].RequireSignedRequest = true
	r.get(withObject("app", r.object("app", "max_age", 300, "resource", []string{accounts}, "unknown", true, "sub", nil,
		"authorization_details", []any{map[string]any{"type": "payment", "amount": 1}},
		"claims", map[string]any{"id_token": map[string]any{"acr": map[string]any{"essential": true, "value": "pw"}}},
	), "state", "outside", "nonce", "outside", "scope", "openid profile", "prompt", "none"))
	if len(r.asked) != 1 {
		t.Fatalf("asked %d times", len(r.asked))
	}
	age := 300
	want := oauth.AuthorizationRequest{
		ClientID: "app", RedirectURI: callback, ResponseType: "code", ResponseMode: "query", Scope: oauth.Scope{"openid", "accounts"},
		State: "inside", Nonce: "n-inside", CodeChallenge: params().Get("code_challenge"), Prompt: []string{},
		MaxAge: &age, Resources: []string{accounts}, Signed: true, ACRValues: []string{"pw"}, EssentialACR: true,
		Details: oauth.Details{{Type: "payment", JSON: []byte(`{"amount":1,"type":"payment"}`)}},
	}
	if diff := cmp.Diff(want, r.asked[0].Request); diff != "" {
		t.Error(diff)
	}
}

func TestRequestObjectsThatAreAccepted(t *testing.T) {
	for _, test := range []struct {
		name, client string
		changes      []any
	}{
		{"as it should be", "signing", nil},
		{"several audiences", "signing", []any{"aud", []string{"https://other.example", issuer}}},
		{"nbf 10 s ahead", "signing", []any{"nbf", int64(10)}},
		{"nbf an hour ago", "signing", []any{"nbf", int64(-3600), "exp", int64(0)}},
		{"an hour long", "signing", []any{"exp", int64(3600)}},
		{"without iss", "signing", []any{"iss", nil}},
		{"without client_id", "signing", []any{"client_id", nil}},
		{"long nonce and state", "signing", []any{"nonce", strings.Repeat("n", 384), "state", strings.Repeat("s", 1000)}},
		{"without state", "signing", []any{"state", nil}},
		{"null for absent", "signing", []any{"state", json.RawMessage("null")}},
		{"without times, where requests need no signature", "app", []any{"exp", nil, "nbf", nil, "aud", nil}},
		{"a user as sub", "signing", []any{"sub", "anna"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t)
			v := params("scope", "")
			v.Set("request", r.object(test.client, relative(r.now, test.changes)...))
			if status, answer := r.push(test.client, v); status != http.StatusCreated {
				t.Errorf("status %d, answer %v", status, answer)
			}
		})
	}
}

// relative makes times out of the numbers that stand for seconds from now.
func relative(now time.Time, changes []any) []any {
	made := append([]any(nil), changes...)
	for i, value := range made {
		if seconds, ok := value.(int64); ok {
			made[i] = now.Unix() + seconds
		}
	}
	return made
}

func TestRequestObjectsThatAreRefused(t *testing.T) {
	for _, test := range []struct {
		name, client string
		key          *jose.PrivateKey
		typ          string
		changes      []any
		want         oauth.Code
	}{
		{"another client's key", "advanced", otherKey, "", nil, oauth.InvalidRequestObject},
		{"another algorithm", "advanced", rsaKey, "", nil, oauth.InvalidRequestObject},
		{"another type", "advanced", appKey, "at+jwt", nil, oauth.InvalidRequestObject},
		{"another audience", "advanced", appKey, "", []any{"aud", "https://other.example"}, oauth.InvalidRequestObject},
		{"the endpoint as audience", "advanced", appKey, "", []any{"aud", pushURL}, oauth.InvalidRequestObject},
		{"no audience", "advanced", appKey, "", []any{"aud", nil}, oauth.InvalidRequestObject},
		{"another issuer", "advanced", appKey, "", []any{"iss", "app"}, oauth.InvalidRequestObject},
		{"another client_id", "advanced", appKey, "", []any{"client_id", "app"}, oauth.InvalidRequestObject},
		{"a client assertion", "advanced", appKey, "", []any{"sub", "advanced"}, oauth.InvalidRequestObject},
		{"names no client", "advanced", appKey, "", []any{"client_id", nil, "iss", nil}, oauth.InvalidRequestObject},
		{"expired", "advanced", appKey, "", []any{"exp", int64(-10)}, oauth.InvalidRequestObject},
		{"not valid yet", "advanced", appKey, "", []any{"nbf", int64(31)}, oauth.InvalidRequestObject},
		{"issued in the future", "advanced", appKey, "", []any{"iat", int64(31)}, oauth.InvalidRequestObject},
		{"no exp", "advanced", appKey, "", []any{"exp", nil}, oauth.InvalidRequestObject},
		{"no nbf", "advanced", appKey, "", []any{"nbf", nil}, oauth.InvalidRequestObject},
		{"lives too long", "advanced", appKey, "", []any{"exp", int64(3601)}, oauth.InvalidRequestObject},
		{"nbf too long ago", "advanced", appKey, "", []any{"nbf", int64(-3601), "exp", int64(-1)}, oauth.InvalidRequestObject},
		{"request inside", "advanced", appKey, "", []any{"request", "e30.e30."}, oauth.InvalidRequestObject},
		{"request_uri inside", "advanced", appKey, "", []any{"request_uri", "urn:x"}, oauth.InvalidRequestObject},
		{"NUL", "advanced", appKey, "", []any{"login_hint", "a\x00"}, oauth.InvalidRequestObject},
		{"resource is no list of strings", "advanced", appKey, "", []any{"resource", []any{1}}, oauth.InvalidTarget},
		{"no scope inside", "advanced", appKey, "", []any{"scope", nil}, oauth.InvalidRequestObject},
		{"no nonce inside", "advanced", appKey, "", []any{"nonce", nil}, oauth.InvalidRequest},
		{"no state without openid", "advanced", appKey, "", []any{"state", nil, "scope", "accounts", "response_type", "code", "response_mode", "jwt"}, oauth.InvalidRequest},
		{"ID token without openid", "advanced", appKey, "", []any{"scope", "accounts"}, oauth.InvalidRequest},
		{"code without a JWT", "advanced", appKey, "", []any{"response_type", "code"}, oauth.InvalidRequest},
		{"code by query", "advanced", appKey, "", []any{"response_type", "code", "response_mode", "query"}, oauth.InvalidRequest},
		{"PKCE plain", "advanced", appKey, "", []any{"code_challenge_method", "plain"}, oauth.InvalidRequest},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t)
			changes := append([]any{"response_type", "code id_token"}, relative(r.now, test.changes)...)
			object := signed(t, test.key, test.typ, r.claims(test.client, changes...))
			status, answer := r.push(test.client, withObject(test.client, object))
			if status != http.StatusBadRequest || answer["error"] != string(test.want) || len(r.store.Requests) != 0 {
				t.Errorf("pushed: status %d, answer %v", status, answer)
			}
			// By value the client hears of it by redirect, with the state that it had signed.
			text := r.get(withObject(test.client, object, "response_type", "code id_token")).Header.Get("Location")
			rest, ok := strings.CutPrefix(text, callback)
			if !ok || !strings.Contains(rest, "error="+string(test.want)) && !strings.Contains(rest, "response=") {
				t.Errorf("by value: %q", text)
			}
			wantState := test.changes == nil || test.changes[0] != "state"
			if wantState && !strings.Contains(rest, "response=") && !strings.Contains(rest, "state=inside") {
				t.Errorf("by value, state: %q", text)
			}
			if len(r.store.Commits) != 0 {
				t.Errorf("state changed: %v", r.store.Commits)
			}
		})
	}
}

// A bad request object leads nowhere but to registered places.
func TestBadRequestObjectNeverRedirectsElsewhere(t *testing.T) {
	for _, test := range []struct {
		name, outside string
		inside        any
		want          string
	}{
		{"nowhere", "", nil, "invalid_request_object"},
		{"evil inside", callback, "https://evil.example/", "invalid_request_object"},
		{"evil outside", "https://evil.example/", nil, "invalid_request_object"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t)
			object := signed(t, otherKey, "", r.claims("app", "redirect_uri", test.inside))
			if text := page(t, r.get(withObject("app", object, "redirect_uri", test.outside))); !strings.Contains(text, test.want) {
				t.Errorf("page %q", text)
			}
		})
	}
	r := newRig(t)
	r.store.Clients["app"].RequireSignedRequest = true
	object := r.object("app", "redirect_uri", nil)
	if text := page(t, r.get(withObject("app", object))); !strings.Contains(text, "redirect_uri is missing") {
		t.Errorf("a redirect_uri outside of a good request object counts: %q", text)
	}
}

func TestRequestObjectAlgorithmOfTheClient(t *testing.T) {
	r := newRig(t)
	r.store.Clients["app"].RequestObjectAlg = "PS256"
	if answer := r.answerOf(r.get(withObject("app", r.object("app"))), callback); answer.Get("error") != "invalid_request_object" {
		t.Errorf("answer %v", answer)
	}
	r.store.Clients["app"].RequestObjectAlg = "ES256"
	if r.get(withObject("app", r.object("app"))); len(r.asked) != 1 {
		t.Error("the right algorithm is refused")
	}
}

func TestKeysThatCannotBeHad(t *testing.T) {
	r := newRig(t)
	r.store.Clients["app"].JWKS = nil
	if answer := r.answerOf(r.get(withObject("app", r.object("app"))), callback); answer.Get("error") != "invalid_request_object" {
		t.Errorf("no keys: %v", answer)
	}
	r.store.Clients["app"].JWKSURI = "https://app.example/jwks"
	answer := r.answerOf(r.get(withObject("app", r.object("app"))), callback)
	if answer.Get("error") != "temporarily_unavailable" || strings.Contains(answer.Get("error_description"), "fire") {
		t.Errorf("out of reach: %v", answer)
	}
}

// Where nothing else is asked for, PKCE can be replaced by a signature and nonce, and by nothing less.
func TestWhoNeedsPKCE(t *testing.T) {
	for _, test := range []struct {
		name, client string
		pushed       bool
		changes      []any
		refused      bool
	}{
		{"signed with nonce", "app", false, nil, false},
		{"signed and pushed, with nonce", "app", true, nil, false},
		{"without nonce", "app", false, []any{"nonce", nil}, true},
		{"without openid", "app", false, []any{"scope", "accounts"}, true},
		{"FAPI 1.0 by value", "advanced", false, nil, false},
		{"FAPI 1.0 pushed", "advanced", true, nil, true},
		{"FAPI 2.0", "signing", true, nil, true},
		{"a method without a challenge", "app", false, []any{"code_challenge_method", "S256"}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t)
			changes := append([]any{"code_challenge", nil, "code_challenge_method", nil, "response_mode", "jwt"}, test.changes...)
			v := withObject(test.client, r.object(test.client, changes...))
			if test.pushed {
				status, answer := r.push(test.client, v)
				if (status != http.StatusCreated) != test.refused || test.refused && answer["error"] != "invalid_request" {
					t.Errorf("status %d, answer %v", status, answer)
				}
				return
			}
			res := r.get(v)
			if refused := len(r.asked) == 0; refused != test.refused {
				t.Errorf("status %d, location %q", res.StatusCode, res.Header.Get("Location"))
			}
		})
	}
}

func TestRequestsThatMustBeSigned(t *testing.T) {
	r := newRig(t)
	answer := r.answerOf(r.get(params("client_id", "advanced", "response_type", "code id_token")), callback)
	if answer.Get("error") != "invalid_request" || answer.Get("state") != "s&1" {
		t.Errorf("by profile: %v", answer)
	}
	r.store.Clients["app"].RequireSignedRequest = true
	if answer := r.answerOf(r.get(params()), callback); answer.Get("error") != "invalid_request" {
		t.Errorf("by registration: %v", answer)
	}
	if status, answer := r.push("signing", params()); status != http.StatusBadRequest || answer["error"] != "invalid_request" {
		t.Errorf("pushed: %d %v", status, answer)
	}
}

// What a browser brings has to expire, and whoever has to sign has to say when and for whom.
func TestHowStrict(t *testing.T) {
	for _, test := range []struct {
		name           string
		pushed, signed bool
		changes        []any
		refused        bool
	}{
		{"by value without exp", false, false, []any{"exp", nil}, true},
		{"by value without the rest", false, false, []any{"nbf", nil, "aud", nil}, false},
		{"pushed without exp", true, false, []any{"exp", nil}, false},
		{"has to sign, complete", true, true, nil, false},
		{"has to sign, without exp", true, true, []any{"exp", nil}, true},
		{"has to sign, without nbf", true, true, []any{"nbf", nil}, true},
		{"has to sign, without aud", true, true, []any{"aud", nil}, true},
		{"has to sign, for too long", true, true, []any{"exp", int64(3601)}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t)
			r.store.Clients["app"].RequireSignedRequest = test.signed
			v := withObject("app", r.object("app", relative(r.now, test.changes)...))
			if test.pushed {
				status, answer := r.push("app", v)
				if (status != http.StatusCreated) != test.refused || test.refused && answer["error"] != "invalid_request_object" {
					t.Errorf("status %d, answer %v", status, answer)
				}
				return
			}
			location := r.get(v).Header.Get("Location")
			if refused := len(r.asked) == 0; refused != test.refused || refused && !strings.Contains(location, "error=invalid_request_object") {
				t.Errorf("location %q", location)
			}
		})
	}
}

// Where an error may go is all that counts of an object that is refused.
func TestClaimed(t *testing.T) {
	outside := oauth.NewParams(map[string][]string{"redirect_uri": {"https://a"}, "state": {"outside"}, "scope": {"openid"}})
	payload := base64.RawURLEncoding.EncodeToString([]byte(`{"state":"inside","scope":"payments","login_hint":"\u0000"}`))
	p := claimed(outside, "e30."+payload+".")
	if names := p.Names(); !slices.Equal(names, []string{"redirect_uri", "state"}) || p.Get("state") != "inside" {
		t.Errorf("%v, state %q", names, p.Get("state"))
	}
}
