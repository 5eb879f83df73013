package authorize

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"signet/provider/oauth"
)

func TestErrorsThatAreSentToTheClient(t *testing.T) {
	for _, test := range []struct {
		name    string
		changes []string
		want    oauth.Code
	}{
		{"no response_type", []string{"response_type", ""}, oauth.InvalidRequest},
		{"implicit", []string{"response_type", "token"}, oauth.UnsupportedResponseType},
		{"hybrid without registration", []string{"response_type", "code id_token"}, oauth.UnauthorizedClient},
		{"id_token in the query", []string{"response_type", "code id_token", "response_mode", "query"}, oauth.InvalidRequest},
		{"unknown response_mode", []string{"response_mode", "pigeon"}, oauth.InvalidRequest},
		{"no PKCE", []string{"code_challenge", "", "code_challenge_method", ""}, oauth.InvalidRequest},
		{"no challenge", []string{"code_challenge", ""}, oauth.InvalidRequest},
		{"PKCE plain", []string{"code_challenge_method", "plain"}, oauth.InvalidRequest},
		{"PKCE without method", []string{"code_challenge_method", ""}, oauth.InvalidRequest},
		{"short challenge", []string{"code_challenge", "abc"}, oauth.InvalidRequest},
		{"padded challenge", []string{"code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM="}, oauth.InvalidRequest},
		{"no scope", []string{"scope", ""}, oauth.InvalidScope},
		{"malformed scope", []string{"scope", "openid  accounts"}, oauth.InvalidScope},
		{"only unknown scope", []string{"scope", "moon"}, oauth.InvalidScope},
		{"scope not registered", []string{"scope", "openid payments"}, oauth.InvalidScope},
		{"unknown resource", []string{"resource", "https://moon.example"}, oauth.InvalidTarget},
		{"resource not registered", []string{"resource", "https://other.example"}, oauth.InvalidTarget},
		{"relative resource", []string{"resource", "/accounts"}, oauth.InvalidTarget},
		{"resource with fragment", []string{"resource", accounts + "#x"}, oauth.InvalidTarget},
		{"unsigned request object", []string{"request", "e30.e30."}, oauth.InvalidRequestObject},
		{"request_uri", []string{"request_uri", "https://app.example/r"}, oauth.RequestURINotSupported},
		{"registration", []string{"registration", "{}"}, oauth.RegistrationUnsupported},
		{"malformed dpop_jkt", []string{"dpop_jkt", "abc"}, oauth.InvalidRequest},
		{"details of no type", []string{"authorization_details", "[{}]"}, oauth.InvalidDetails},
		{"unknown details", []string{"authorization_details", `[{"type":"moon"}]`}, oauth.InvalidDetails},
		{"claims is no object", []string{"claims", "[]"}, oauth.InvalidRequest},
		{"claims is no JSON", []string{"claims", `{"id_token":`}, oauth.InvalidRequest},
		{"long claims", []string{"claims", `{"x":"` + strings.Repeat("x", 9000) + `"}`}, oauth.InvalidRequest},
		{"many acr values", []string{"acr_values", strings.Repeat("a ", 17)}, oauth.InvalidRequest},
		{"long acr value", []string{"acr_values", strings.Repeat("a", 257)}, oauth.InvalidRequest},
		{"unreachable acr", []string{"claims", `{"id_token":{"acr":{"essential":true,"values":["moon"]}}}`}, oauth.UnmetAuthentication},
		{"unknown grant action", []string{"grant_management_action", "shred"}, oauth.InvalidRequest},
		{"create with an id", []string{"grant_management_action", "create", "grant_id", "g1"}, oauth.InvalidRequest},
		{"merge without an id", []string{"grant_management_action", "merge"}, oauth.InvalidRequest},
		{"an id without action", []string{"grant_id", "g1"}, oauth.InvalidRequest},
		{"unknown grant", []string{"grant_management_action", "merge", "grant_id", "g1"}, oauth.InvalidGrantID},
		{"unknown prompt", []string{"prompt", "create"}, oauth.InvalidRequest},
		{"long prompt", []string{"prompt", strings.Repeat("login ", 12)}, oauth.InvalidRequest},
		{"none with login", []string{"prompt", "none login"}, oauth.InvalidRequest},
		{"max_age text", []string{"max_age", "soon"}, oauth.InvalidRequest},
		{"max_age negative", []string{"max_age", "-1"}, oauth.InvalidRequest},
		{"max_age fraction", []string{"max_age", "1.5"}, oauth.InvalidRequest},
		{"long nonce", []string{"nonce", strings.Repeat("n", 1025)}, oauth.InvalidRequest},
		{"long login_hint", []string{"login_hint", strings.Repeat("h", 257)}, oauth.InvalidRequest},
		{"PAR is required", []string{"client_id", "fapi"}, oauth.InvalidRequest},
		{"not the code grant's client", []string{"client_id", "machine"}, oauth.UnauthorizedClient},
		{"nobody logged in", []string{"prompt", "none"}, oauth.LoginRequired},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t)
			answer := r.answerOf(r.get(params(test.changes...)), callback)
			if answer.Get("error") != string(test.want) || answer.Get("state") != "s&1" || answer.Has("code") {
				t.Errorf("answer %v, want %s", answer, test.want)
			}
			if len(r.store.Commits) != 0 {
				t.Errorf("state changed: %v", r.store.Commits)
			}
			if len(r.store.Spooled) != 0 {
				t.Errorf("a stranger wrote to the audit log: %v", r.store.Spooled)
			}
		})
	}
}

func TestRefusalsOfALoggedInUserAreRecorded(t *testing.T) {
	r := newRig(t)
	r.login("u1")
	r.answerOf(r.get(params("scope", "openid payments")), callback)
	if len(r.store.Spooled) != 1 || r.store.Spooled[0].Event != "code.refused" || r.store.Spooled[0].RequestID != "request-1" || r.store.Spooled[0].Subject != "u1" {
		t.Errorf("audit: %v", r.store.Spooled)
	}
}

func TestLongStateIsNotReturned(t *testing.T) {
	r := newRig(t)
	answer := r.answerOf(r.get(params("state", strings.Repeat("s", 4097))), callback)
	if answer.Get("error") != "invalid_request" || answer.Has("state") {
		t.Errorf("answer %v", answer)
	}
}

// Only validated values get into the type that says so.
func TestValidatedRequest(t *testing.T) {
	r, age := newRig(t), 300
	v := params("scope", "openid accounts moon openid", "max_age", "300", "prompt", "login consent", "login_hint", "anna",
		"acr_values", "a b", "ui_locales", "de en", "response_mode", "fragment", "unknown_parameter", "x")
	v["resource"] = []string{accounts, accounts}
	r.get(v)
	if len(r.asked) != 1 {
		t.Fatalf("asked %d times", len(r.asked))
	}
	want := oauth.AuthorizationRequest{
		ClientID: "app", RedirectURI: callback, ResponseType: "code", ResponseMode: "fragment", Scope: oauth.Scope{"openid", "accounts"},
		State: "s&1", Nonce: "n1", CodeChallenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", Prompt: []string{"login", "consent"},
		MaxAge: &age, LoginHint: "anna", Resources: []string{accounts}, ACRValues: []string{"a", "b"},
		UILocales: []string{"de", "en"},
	}
	if diff := cmp.Diff(want, r.asked[0].Request); diff != "" {
		t.Error(diff)
	}
}

func TestOfflineAccessNeedsTheRefreshGrant(t *testing.T) {
	r := newRig(t)
	r.store.Clients["app"].GrantTypes = []string{oauth.GrantAuthorizationCode}
	r.get(params("scope", "openid offline_access"))
	if got := r.asked[0].Request.Scope.String(); got != "openid" {
		t.Errorf("scope %q", got)
	}
}

func TestRegistries(t *testing.T) {
	if diff := cmp.Diff([]string{"form_post", "form_post.jwt", "fragment", "fragment.jwt", "jwt", "query", "query.jwt"}, ResponseModes()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"code", "id_token", "id_token token", "code id_token", "code token", "code id_token token"}, ResponseTypes()); diff != "" {
		t.Error(diff)
	}
	if !slices.Contains(PromptValues(), "none") || !slices.Equal(DisplayValues(), []string{"page", "popup", "touch", "wap"}) {
		t.Errorf("%v %v", PromptValues(), DisplayValues())
	}
}

func TestNewListsAllThatIsMissing(t *testing.T) {
	_, err := New(Deps{})
	if err == nil {
		t.Fatal("no error")
	}
	for _, field := range []string{"Store", "Sessions", "Interact", "Audit", "ErrorPage", "FormPostPage", "Issuer", "ResumePath", "Floor", "CodeLifetime", "RefreshLifetime", "InteractionLifetime", "Clock",
		"Authenticate", "Bind", "Details", "Issue", "Subjects", "ResponseTypes", "PushEndpoints", "PushedLifetime", "ResponseLifetime", "IDTokenLifetime"} {
		if !strings.Contains(err.Error(), field) {
			t.Errorf("%s is not named", field)
		}
	}
}

func TestResponseModes(t *testing.T) {
	for _, test := range []struct{ mode, uri, want string }{
		{"query", callback, callback + "?code="},
		{"", callback, callback + "?code="},
		{"query", "https://app.example/cb?tenant=1", "https://app.example/cb?tenant=1&code="},
		{"fragment", callback, callback + "#code="},
	} {
		r := newRig(t)
		r.login("u1")
		r.consent("u1", oauth.Scope{"openid", "accounts"})
		res := r.get(params("response_mode", test.mode, "redirect_uri", test.uri))
		if location := res.Header.Get("Location"); !strings.HasPrefix(location, test.want) || res.StatusCode != http.StatusSeeOther {
			t.Errorf("%s: %d %q", test.mode, res.StatusCode, location)
		}
	}
}

func TestFormPost(t *testing.T) {
	r := newRig(t)
	text := page(t, r.get(params("response_mode", "form_post", "prompt", "none")))
	rest, ok := strings.CutPrefix(text, "FORM The App "+callback+" ")
	answer, err := url.ParseQuery(rest)
	if !ok || err != nil || answer.Get("error") != "login_required" || answer.Get("iss") != issuer || answer.Get("state") != "s&1" {
		t.Errorf("page %q", text)
	}
	res := r.get(params("client_id", "native", "redirect_uri", "com.example.app:/cb", "scope", "openid", "response_mode", "form_post"))
	if answer := r.answerOf(res, "com.example.app:/cb"); answer.Get("error") != "invalid_request" {
		t.Errorf("an app's scheme: %v", answer)
	}
}
