package authorize

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"signet/provider/jose"
	"signet/provider/oauth"
)

// agreedTo is a rig whose user is logged in and has agreed to all that the client may have.
func agreedTo(t *testing.T, client string) (*rig, oauth.EndUser) {
	t.Helper()
	r := newRig(t)
	user := r.login("u1")
	r.consentTo(client, "u1", oauth.Scope{"openid", "profile", "email", "accounts", "offline_access"})
	return r, user
}

// front is a request of the client web for a response type.
func front(responseType string, changes ...string) url.Values {
	return params(append([]string{"client_id", "web", "response_type", responseType}, changes...)...)
}

func halfHash(t *testing.T, text string) any {
	t.Helper()
	half, err := jose.HalfHash("ES256", text)
	if err != nil {
		t.Fatal(err)
	}
	return half
}

// OpenID Connect Core sections 3.1.2.5, 3.2.2.5 and 3.3.2.5: each part, and its hash in the ID token beside it.
func TestWhatEachResponseTypeCarries(t *testing.T) {
	tokenFields := []string{"access_token", "expires_in", "scope", "token_type"}
	for _, test := range []struct {
		responseType, separator string
		fields, hashes, kept    []string
	}{
		{"code", "?", []string{"code"}, nil, []string{"grant", "code", "join", "code.issued"}},
		{"id_token", "#", []string{"id_token"}, nil, []string{"grant", "join", "token.issued"}},
		{"token id_token", "#", append([]string{"id_token"}, tokenFields...), []string{"at_hash"}, []string{"grant", "front", "join", "token.issued"}},
		{"code id_token", "#", []string{"code", "id_token"}, []string{"c_hash"}, []string{"grant", "code", "join", "code.issued"}},
		{"code token", "#", append([]string{"code"}, tokenFields...), nil, []string{"grant", "code", "front", "join", "code.issued"}},
		{"id_token token code", "#", append([]string{"code", "id_token"}, tokenFields...), []string{"at_hash", "c_hash"}, []string{"grant", "code", "front", "join", "code.issued"}},
	} {
		t.Run(test.responseType, func(t *testing.T) {
			r, user := agreedTo(t, "web")
			r.state = "hash.salt"
			res := r.get(front(test.responseType, "prompt", "none"))
			if location := res.Header.Get("Location"); !strings.HasPrefix(location, callback+test.separator) {
				t.Fatalf("location %q", location)
			}
			answer := r.answerOf(res, callback)
			want := slices.Sorted(slices.Values(append([]string{"iss", "session_state", "state"}, test.fields...)))
			if diff := cmp.Diff(want, keys(answer)); diff != "" {
				t.Error(diff)
			}
			if answer.Has("access_token") && (answer.Get("access_token") != "access-1" || answer.Get("token_type") != "Bearer" ||
				answer.Get("expires_in") != "300" || answer.Get("scope") != "openid accounts") {
				t.Errorf("answer %v", answer)
			}
			if answer.Has("id_token") {
				claims := opened(t, answer.Get("id_token"))
				for claim, field := range map[string]string{"at_hash": "access_token", "c_hash": "code", "s_hash": "state"} {
					var hash any
					if claim == "s_hash" || slices.Contains(test.hashes, claim) {
						hash = halfHash(t, answer.Get(field))
					}
					if claims[claim] != hash {
						t.Errorf("%s = %v, want %v", claim, claims[claim], hash)
					}
				}
				if claims["nonce"] != "n1" || claims["sub"] != "u1" || claims["aud"] != "web" {
					t.Errorf("claims %v", claims)
				}
			}
			if diff := cmp.Diff(test.kept, r.committed()); diff != "" || len(r.store.Commits) != 1 {
				t.Error(diff)
			}
			r.checkEntry(test.responseType, answer)
			r.checkJoin(user, false)
		})
	}
}

func keys(v url.Values) (names []string) {
	for name := range v {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// checkEntry: the audit log says what has left.
func (r *rig) checkEntry(responseType string, answer url.Values) {
	r.t.Helper()
	last := r.store.Commits[0][len(r.store.Commits[0])-1].(oauth.RecordAudit).Entry
	want := map[string]any{"response_type": responseType}
	parts := strings.Fields(responseType)
	slices.Sort(parts)
	want["response_type"] = strings.Join(parts, " ")
	got := map[string]any{"response_type": last.Detail["response_type"]}
	if answer.Has("id_token") {
		want["id_token"] = true
	}
	if answer.Has("access_token") {
		want["access_token"] = "jti-1"
	}
	for _, name := range []string{"id_token", "access_token"} {
		if value, there := last.Detail[name]; there {
			got[name] = value
		}
	}
	if diff := cmp.Diff(want, got); diff != "" || last.Subject != "u1" || last.GrantID == "" || last.ClientID != "web" {
		r.t.Errorf("%s %+v", diff, last)
	}
}

// checkJoin: the grant is noted in the session that it was made in, until that ends.
func (r *rig) checkJoin(user oauth.EndUser, offline bool) {
	r.t.Helper()
	for _, change := range r.store.Commits[len(r.store.Commits)-1] {
		if join, ok := change.(oauth.JoinSession); ok {
			part := join.Participation
			grant, known := r.store.Grants[part.GrantID]
			if !known || part.SessionID != user.SessionID || part.ClientID != grant.ClientID || part.Offline != offline || !part.Until.Equal(user.AuthTime.Add(sessionLifetime)) {
				r.t.Errorf("%+v", part)
			}
			return
		}
	}
	r.t.Error("nothing of the session is noted")
}

func TestJoinSaysWhatOutlivesTheSession(t *testing.T) {
	r, user := agreedTo(t, "web")
	r.answerOf(r.get(front("code", "scope", "openid offline_access")), callback)
	r.checkJoin(user, true)
	r.get(front("code", "prompt", "consent"))
	r.answerOf(r.do(r.Resume(), http.MethodPost, r.resumeURL(), approve(user)), callback)
	r.checkJoin(user, false)
}

// session_state is for OpenID Connect, and for answers that succeed.
func TestSessionState(t *testing.T) {
	r, _ := agreedTo(t, "web")
	r.state = "hash.salt"
	if answer := r.answerOf(r.get(front("code", "scope", "accounts")), callback); answer.Has("session_state") {
		t.Errorf("without openid: %v", answer)
	}
	if answer := r.answerOf(r.get(front("code", "max_age", "0", "prompt", "none")), callback); answer.Get("error") == "" || answer.Has("session_state") {
		t.Errorf("an error: %v", answer)
	}
	r.deps.SessionState = nil
	if answer := r.answerOf(r.get(front("code")), callback); !answer.Has("code") || answer.Has("session_state") {
		t.Errorf("not served: %v", answer)
	}
}
