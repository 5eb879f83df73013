package authorize

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"signet/provider/jose"
	"signet/provider/oauth"
)

// hint is an ID token that the server gave the client app.
func (r *rig) hint(key *jose.PrivateKey, changes ...any) string {
	r.t.Helper()
	claims := map[string]any{"iss": issuer, "sub": "u1", "aud": "app", "iat": r.now.Unix(), "exp": r.now.Add(-time.Minute).Unix(), "auth_time": r.now.Unix()}
	for i := 0; i < len(changes); i += 2 {
		claims[changes[i].(string)] = changes[i+1]
	}
	return signed(r.t, key, "JWT", claims)
}

// The two ways to ask for one user (OpenID Connect Core section 3.1.2.2).
func (r *rig) asksFor(user string) map[string]url.Values {
	return map[string]url.Values{
		"hint":       params("id_token_hint", r.hint(serverKey, "sub", user)),
		"claim":      params("claims", `{"id_token":{"sub":{"value":"`+user+`"}}}`),
		"one of one": params("claims", `{"id_token":{"sub":{"values":["`+user+`"]}}}`),
	}
}

func TestRequestForTheUserWhoIsThere(t *testing.T) {
	for name, v := range newRig(t).asksFor("u1") {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.login("u1")
			r.consent("u1", oauth.Scope{"openid", "accounts"})
			if answer := r.answerOf(r.get(v), callback); !answer.Has("code") {
				t.Errorf("answer %v", answer)
			}
		})
	}
}

func TestSilentRequestForAnotherUser(t *testing.T) {
	for name, v := range newRig(t).asksFor("u2") {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.login("u1")
			r.consent("u1", oauth.Scope{"openid", "accounts"})
			v.Set("prompt", "none")
			if answer := r.answerOf(r.get(v), callback); answer.Get("error") != "login_required" || answer.Has("code") {
				t.Errorf("answer %v", answer)
			}
		})
	}
}

// Whoever is there may make room for the user who is asked for; nobody else gets past the login.
func TestRequestForAnotherUser(t *testing.T) {
	for name, v := range newRig(t).asksFor("u2") {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.login("u1")
			r.consent("u1", oauth.Scope{"openid", "accounts"})
			if r.get(v); len(r.asked) != 1 || r.asked[0].User != nil || len(r.codes()) != 0 {
				t.Fatalf("asked %+v", r.asked)
			}
			resume := r.resumeURL()
			r.login("u2")
			if r.do(r.Resume(), http.MethodGet, resume, nil); len(r.asked) != 2 || r.asked[1].User == nil || r.asked[1].User.ID != "u2" {
				t.Errorf("the right user: asked %+v", r.asked)
			}
			r.login("u1")
			answer := r.answerOf(r.do(r.Resume(), http.MethodGet, resume, nil), callback)
			if answer.Get("error") != "login_required" || len(r.codes()) != 0 {
				t.Errorf("the wrong user: %v, %d codes", answer, len(r.codes()))
			}
		})
	}
}

// An approval that was made up, without the page that this user is not shown.
func TestApprovalByAnotherUser(t *testing.T) {
	r := newRig(t)
	r.get(params("id_token_hint", r.hint(serverKey, "sub", "u2")))
	resume := r.resumeURL()
	user := r.login("u1")
	answer := r.answerOf(r.do(r.Resume(), http.MethodPost, resume, approve(user)), callback)
	if answer.Get("error") != "login_required" || len(r.codes()) != 0 {
		t.Errorf("answer %v, %d codes", answer, len(r.codes()))
	}
}

func TestPushedHint(t *testing.T) {
	r := newRig(t)
	v := r.pushed("app", params("id_token_hint", r.hint(serverKey, "sub", "u2")))
	r.login("u1")
	r.consent("u1", oauth.Scope{"openid", "accounts"})
	if r.get(v); len(r.asked) != 1 || r.asked[0].User != nil || r.asked[0].Request.Subject != "u2" {
		t.Errorf("asked %+v", r.asked)
	}
}

func TestBadHints(t *testing.T) {
	r := newRig(t)
	for name, v := range map[string]url.Values{
		"no JWT":           params("id_token_hint", "u1"),
		"another key":      params("id_token_hint", r.hint(otherKey)),
		"another client's": params("id_token_hint", r.hint(serverKey, "aud", "native")),
		"two users":        params("id_token_hint", r.hint(serverKey), "claims", `{"id_token":{"sub":{"value":"u2"}}}`),
		"number":           params("claims", `{"id_token":{"sub":{"value":1}}}`),
		"empty":            params("claims", `{"id_token":{"sub":{"value":""}}}`),
		"several":          params("claims", `{"id_token":{"sub":{"values":["u1","u2"]}}}`),
		"none of":          params("claims", `{"id_token":{"sub":{"values":[]}}}`),
		"value and values": params("claims", `{"id_token":{"sub":{"value":"u1","values":["u1"]}}}`),
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			if answer := r.answerOf(r.get(v), callback); answer.Get("error") != "invalid_request" {
				t.Errorf("answer %v", answer)
			}
		})
	}
	for _, claims := range []string{`{"id_token":{"sub":null}}`, `{"id_token":{"sub":{"essential":true}}}`, `{"userinfo":{"sub":{"value":"u2"}}}`} {
		if subject, fault := claimSubject(claims); subject != "" || fault != nil {
			t.Errorf("%s: %q, %v", claims, subject, fault)
		}
	}
}

// A client that knows users by other names is asked about them by these (OpenID Connect Core section 8).
func TestPairwiseHints(t *testing.T) {
	known, err := newRig(t).deps.Subjects.Subject(&oauth.Client{SubjectType: oauth.SubjectPairwise, RedirectURIs: []string{callback}}, "u1")
	if err != nil || known == "u1" {
		t.Fatal(known, err)
	}
	for _, test := range []struct {
		name, subject string
		claim, good   bool
	}{
		{"the client's name, hinted", known, false, true},
		{"the client's name, claimed", known, true, true},
		{"ours, hinted", "u1", false, false},
		{"ours, claimed", "u1", true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, _ := agreedTo(t, "pairwise")
			v := params("client_id", "pairwise", "id_token_hint", r.hint(serverKey, "sub", test.subject, "aud", "pairwise"))
			if test.claim {
				v = params("client_id", "pairwise", "claims", `{"id_token":{"sub":{"value":"`+test.subject+`"}}}`)
			}
			v.Set("prompt", "none")
			answer := r.answerOf(r.get(v), callback)
			if answer.Has("code") != test.good || !test.good && answer.Get("error") != "login_required" {
				t.Errorf("answer %v", answer)
			}
			v.Set("prompt", "login consent")
			r.get(v)
			user := r.login("u1")
			answer = r.answerOf(r.do(r.Resume(), http.MethodPost, r.resumeURL(), approve(user)), callback)
			if answer.Has("code") != test.good || !test.good && answer.Get("error") != "login_required" {
				t.Errorf("approved: %v", answer)
			}
		})
	}
}

// A name that cannot be made lets nobody in.
func TestUnknownNamesLetNobodyIn(t *testing.T) {
	r, _ := agreedTo(t, "pairwise")
	r.store.Clients["pairwise"].RedirectURIs = []string{callback, "https://other.example/cb"}
	v := params("client_id", "pairwise", "prompt", "none", "id_token_hint", r.hint(serverKey, "aud", "pairwise"))
	if answer := r.answerOf(r.get(v), callback); answer.Get("error") != "server_error" || len(r.store.Grants) != 0 {
		t.Errorf("answer %v", answer)
	}
}
