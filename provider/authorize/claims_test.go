package authorize

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"signet/provider/oauth"
)

// OpenID Connect Core section 5.5: what is understood is kept, the rest is ignored and no error.
func TestRequestedClaims(t *testing.T) {
	for _, test := range []struct {
		name, claims, scope string
		want                oauth.ClaimsRequest
	}{
		{"none", "", "openid", oauth.ClaimsRequest{}},
		{"empty", "{}", "openid", oauth.ClaimsRequest{}},
		{"nothing of either", `{"id_token":null,"userinfo":{}}`, "openid", oauth.ClaimsRequest{}},
		{"every manner", `{"userinfo":{"name":null,"email":{},"nickname":{"essential":true},"locale":{"essential":false,"value":"de","ext":1},"gender":{"values":["x","y"]}}}`, "openid", oauth.ClaimsRequest{
			Userinfo: map[string]oauth.ClaimRequest{
				"name": {}, "email": {}, "nickname": {Essential: true}, "locale": {Value: "de"}, "gender": {Values: []any{"x", "y"}},
			},
		}},
		{"in the ID token", `{"id_token":{"email":{"essential":true}}}`, "openid", oauth.ClaimsRequest{
			IDToken: map[string]oauth.ClaimRequest{"email": {Essential: true}},
		}},
		{"unknown ones", `{"userinfo":{"http://example.info/claims/groups":null,"moon":{"essential":true},"name#de":null},"other":{"name":null}}`, "openid", oauth.ClaimsRequest{}},
		{"what is kept elsewhere", `{"id_token":{"acr":{"values":["pw"]},"sub":{"value":"u1"},"auth_time":{"essential":true}}}`, "openid", oauth.ClaimsRequest{}},
		{"not registered for", `{"userinfo":{"phone_number":{"essential":true},"address":null}}`, "openid", oauth.ClaimsRequest{}},
		{"without openid", `{"userinfo":{"name":null}}`, "accounts", oauth.ClaimsRequest{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t)
			r.get(front("code", "claims", test.claims, "scope", test.scope))
			if len(r.asked) != 1 {
				t.Fatalf("asked %v", r.asked)
			}
			if diff := cmp.Diff(test.want, r.asked[0].Request.Claims); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestMalformedClaims(t *testing.T) {
	for _, claims := range []string{
		`[]`, `null`, `"x"`, `{"userinfo":[]}`, `{"userinfo":{"name":true}}`, `{"userinfo":{"name":{"essential":"yes"}}}`, `{"userinfo":{"name":{"values":"x"}}}`,
		`{"userinfo":{}`, `{} {}`, `{"x":"` + strings.Repeat("x", maxClaims) + `"}`,
	} {
		r := newRig(t)
		if answer := r.answerOf(r.get(front("code", "claims", claims)), callback); answer.Get("error") != "invalid_request" || len(r.asked) != 0 {
			t.Errorf("%.40s: %v", claims, answer)
		}
	}
}

// A claim is agreed to as the scope value that stands for it, and is kept with the grant, the code and the log.
func TestClaimsAreAgreedTo(t *testing.T) {
	const claims = `{"userinfo":{"email":{"value":"secret@bank.example"}},"id_token":{"name":null}}`
	r := newRig(t)
	user := r.login("u1")
	r.consentTo("web", "u1", oauth.Scope{"openid", "accounts"})
	if answer := r.answerOf(r.get(front("code", "claims", claims, "prompt", "none")), callback); answer.Get("error") != "consent_required" {
		t.Fatalf("silently: %v", answer)
	}
	r.get(front("code", "claims", claims))
	r.store.Commits = nil
	r.answerOf(r.do(r.Resume(), http.MethodPost, r.resumeURL(), approve(user)), callback)
	want := oauth.ClaimsRequest{
		IDToken: map[string]oauth.ClaimRequest{"name": {}}, Userinfo: map[string]oauth.ClaimRequest{"email": {Value: "secret@bank.example"}},
	}
	code := r.codes()[0]
	if diff := cmp.Diff([]oauth.ClaimsRequest{want, want}, []oauth.ClaimsRequest{code.Request.Claims, r.store.Grants[code.GrantID].Claims}); diff != "" {
		t.Error(diff)
	}
	if code.Scope.String() != "openid accounts" {
		t.Errorf("a claim widened the scope: %s", code.Scope)
	}
	for _, change := range r.store.Commits[0] {
		if recorded, ok := change.(oauth.RecordAudit); ok {
			if diff := cmp.Diff(map[string][]string{"id_token": {"name"}, "userinfo": {"email"}}, recorded.Entry.Detail["claims"]); diff != "" {
				t.Errorf("%s: %s", recorded.Entry.Event, diff)
			}
		}
	}
	if answer := r.answerOf(r.get(front("code", "claims", claims, "prompt", "none")), callback); !answer.Has("code") {
		t.Errorf("agreed to: %v", answer)
	}
	if answer := r.answerOf(r.get(front("code", "scope", "openid profile email", "prompt", "none")), callback); !answer.Has("code") {
		t.Errorf("the scope values that were agreed to: %v", answer)
	}
}

// A merge keeps what was asked for before, a replacement does not; neither gives anything silently.
func TestClaimsOfAChangedGrant(t *testing.T) {
	before := oauth.ClaimsRequest{Userinfo: map[string]oauth.ClaimRequest{"name": {}}}
	asked := oauth.ClaimsRequest{Userinfo: map[string]oauth.ClaimRequest{"email": {}}}
	for action, want := range map[string]oauth.ClaimsRequest{"merge": before.Union(asked), "replace": asked} {
		t.Run(action, func(t *testing.T) {
			r := newRig(t)
			user := r.login("u1")
			r.store.Grants["g1"] = oauth.Grant{
				ID: "g1", ClientID: "web", UserID: "u1", Scope: oauth.Scope{"openid"}, Claims: before, Managed: true,
				UpdatedAt: r.now.Add(-1), ExpiresAt: r.now.Add(1e15),
			}
			r.consentTo("web", "u1", oauth.Scope{"openid", "accounts", "email"})
			v := front("code", "grant_management_action", action, "grant_id", "g1", "claims", `{"userinfo":{"email":null}}`)
			if r.get(v); action == "merge" && (len(r.asked) != 1 || r.asked[0].Outcome == nil || len(r.asked[0].Outcome.Claims.Userinfo) != 2) {
				t.Fatalf("the page is not given all of it: %+v", r.asked)
			}
			if len(r.store.Waiting) == 1 {
				r.answerOf(r.do(r.Resume(), http.MethodPost, r.resumeURL(), approve(user)), callback)
			}
			if diff := cmp.Diff(want, r.store.Grants["g1"].Claims); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// OpenID Connect Core section 5.4: the scope's claims are in the ID token only where no access token ever comes.
func TestClaimsOfTheIDTokenInFront(t *testing.T) {
	name, email, nickname := "Anna", "anna@bank.example", "an"
	for _, test := range []struct {
		responseType, claims string
		want                 []any // name, email, nickname
	}{
		{"id_token", "", []any{name, nil, nickname}},
		{"id_token", `{"id_token":{"email":null}}`, []any{name, email, nickname}},
		{"id_token", `{"userinfo":{"email":null}}`, []any{name, nil, nickname}},
		{"id_token token", "", []any{nil, nil, nil}},
		{"code id_token", "", []any{nil, nil, nil}},
		{"code id_token token", `{"id_token":{"email":{"essential":true}},"userinfo":{"name":null}}`, []any{nil, email, nil}},
	} {
		r, _ := agreedTo(t, "web")
		answer := r.answerOf(r.get(front(test.responseType, "scope", "openid profile", "claims", test.claims)), callback)
		got := opened(t, answer.Get("id_token"))
		if diff := cmp.Diff(test.want, []any{got["name"], got["email"], got["nickname"]}); diff != "" {
			t.Errorf("%s %s: %s", test.responseType, test.claims, diff)
		}
	}
}

// Policy is asked once about the tokens of an answer. What it withholds is not in the ID token, what it adds is, and its
// lifetime is the ID token's. A profile without an implicit flow has an ID token that says nothing of the user.
func TestPolicyOfTheIDTokenInFront(t *testing.T) {
	for _, test := range []struct {
		client, responseType string
		decision             string // "" = policy is not asked
		want                 []any  // name, email, tier, lifetime
	}{
		{"web", "id_token", "d2", []any{nil, "anna@bank.example", "gold", 90.0}},
		{"web", "code id_token", "d2", []any{nil, "anna@bank.example", "gold", 90.0}},
		{"web", "id_token token", "d1", []any{nil, "anna@bank.example", "gold", 90.0}},
		{"web", "code id_token token", "d1", []any{nil, "anna@bank.example", "gold", 90.0}},
		{"advanced", "code id_token", "", []any{nil, nil, nil, 600.0}},
	} {
		r, _ := agreedTo(t, test.client)
		r.withheld, r.idClaims = oauth.Scope{"profile"}, map[string]any{"tier": "gold"}
		v := front(test.responseType, "scope", "openid profile", "claims", `{"id_token":{"email":null}}`)
		if test.client == "advanced" {
			r.store.Clients["advanced"].Scope += " email"
			v = withObject("advanced", r.object("advanced", "response_type", "code id_token", "scope", "openid", "claims",
				map[string]any{"id_token": map[string]any{"email": nil}}))
		}
		got := opened(t, r.answerOf(r.get(v), callback).Get("id_token"))
		if diff := cmp.Diff(test.want, []any{got["name"], got["email"], got["tier"], got["exp"].(float64) - got["iat"].(float64)}); diff != "" {
			t.Errorf("%s %s: %s", test.client, test.responseType, diff)
		}
		commit := r.store.Commits[0]
		if entry := commit[len(commit)-1].(oauth.RecordAudit).Entry; entry.DecisionID != test.decision || strings.Join(r.decisions, " ") != test.decision {
			t.Errorf("%s %s: decisions %v, audited %q", test.client, test.responseType, r.decisions, entry.DecisionID)
		}
	}
}

// What the client's registration has lost does not leave, though the grant has it.
func TestClaimsTheClientHasLost(t *testing.T) {
	r := newRig(t)
	p := progress{destination: destination{party: party{client: &oauth.Client{Scope: "openid"}}}}
	p.waiting.Request.ResponseType = oauth.ResponseIDToken
	out := handout{front: FrontTokens{Scope: oauth.Scope{"openid", "profile"}, DecisionID: "d1"}}
	out.grant.Claims.IDToken = map[string]oauth.ClaimRequest{"email": {}}
	if claims, err := r.userClaims(t.Context(), p, oauth.EndUser{ID: "u1"}, out); err != nil || len(claims) != 0 {
		t.Errorf("%v, %v", claims, err)
	}
	p.client.Scope = "openid profile email"
	if claims, err := r.userClaims(t.Context(), p, oauth.EndUser{ID: "u1"}, out); err != nil || len(claims) != 3 {
		t.Errorf("%v, %v", claims, err)
	}
}

func FuzzClaims(f *testing.F) {
	for _, seed := range []string{
		`{"userinfo":{"name":null},"id_token":{"acr":{"essential":true,"values":["a"]},"sub":{"value":"u1"}}}`, `{"id_token":{"name":[]}}`, `{`, ``,
		`{"userinfo":{"email":{"value":{"a":[1]}},"email":null}}`, `{"userinfo":{"phone_number":{}}}`,
	} {
		f.Add(seed)
	}
	client := &oauth.Client{Scope: "openid profile"}
	f.Fuzz(func(t *testing.T, claims string) {
		req := oauth.AuthorizationRequest{Scope: oauth.Scope{"openid"}}
		from := inquiry{party: party{client: client}, params: oauth.NewParams(map[string][]string{"claims": {claims}})}
		if checkClaims(from, &req) != nil && !req.Claims.IsZero() {
			t.Errorf("refused, and kept: %v", req.Claims)
		}
		if !req.Claims.Scope().Within(oauth.Scope{"profile"}) {
			t.Errorf("%q asks for %v", claims, req.Claims.Scope())
		}
	})
}
