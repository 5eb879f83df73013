package authorize

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/provider/binding"
	"signet/provider/oauth"
)

var jkt = strings.Repeat("A", 43)

func TestPush(t *testing.T) {
	r := newRig(t)
	r.sender = binding.Sender{Confirmation: oauth.Confirmation{JKT: jkt}, Changes: []oauth.Change{oauth.UseProof{}}}
	status, answer := r.push("fapi", params("grant_management_action", "create"))
	reference, _ := answer["request_uri"].(string)
	secret, ok := strings.CutPrefix(reference, "urn:ietf:params:oauth:request_uri:")
	if status != http.StatusCreated || !ok || len(secret) != 43 || answer["expires_in"] != 60.0 || len(answer) != 2 {
		t.Fatalf("status %d, answer %v", status, answer)
	}
	if len(r.store.Commits) != 1 {
		t.Fatalf("%d commits, want one", len(r.store.Commits))
	}
	if diff := cmp.Diff([]string{"assertion", "proof", "push", "request.pushed"}, kinds(r.store.Commits[0])); diff != "" {
		t.Error(diff)
	}
	want := oauth.PushedRequest{
		Digest: oauth.Secret(secret).Digest(), ExpiresAt: r.now.Add(time.Minute),
		Request: oauth.AuthorizationRequest{
			ClientID: "fapi", RedirectURI: callback, ResponseType: "code", ResponseMode: "query", Scope: oauth.Scope{"openid", "accounts"},
			State: "s&1", Nonce: "n1", CodeChallenge: params().Get("code_challenge"), Prompt: []string{}, Resources: []string{accounts},
			DPoPJKT: jkt, GrantAction: "create", Pushed: true,
		},
	}
	if diff := cmp.Diff(want, r.store.Requests[want.Digest]); diff != "" {
		t.Error(diff)
	}
}

func TestProfileCapsTheLifeOfARequestURI(t *testing.T) {
	r := newRig(t)
	r.deps.PushedLifetime = time.Hour
	if _, answer := r.push("fapi", params()); answer["expires_in"] != 599.0 {
		t.Errorf("answer %v", answer)
	}
}

func TestPushRefusals(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(r *rig, v url.Values)
		status int
		want   string
	}{
		{"request_uri", func(_ *rig, v url.Values) { v.Set("request_uri", "urn:x") }, 400, "invalid_request"},
		{"no redirect_uri", func(_ *rig, v url.Values) { v.Del("redirect_uri") }, 400, "invalid_request"},
		{"unregistered redirect_uri", func(_ *rig, v url.Values) { v.Set("redirect_uri", callback+"/x") }, 400, "invalid_request"},
		{"no PKCE", func(_ *rig, v url.Values) { v.Del("code_challenge"); v.Del("code_challenge_method") }, 400, "invalid_request"},
		{"PKCE plain", func(_ *rig, v url.Values) { v.Set("code_challenge_method", "plain") }, 400, "invalid_request"},
		{"hybrid", func(_ *rig, v url.Values) { v.Set("response_type", "code id_token") }, 400, "unsupported_response_type"},
		{"implicit", func(_ *rig, v url.Values) { v.Set("response_type", "token") }, 400, "unsupported_response_type"},
		{"another DPoP key", func(r *rig, v url.Values) {
			v.Set("dpop_jkt", strings.Repeat("B", 42)+"A")
			r.sender.Confirmation.JKT = jkt
		}, 400, "invalid_dpop_proof"},
		{"long state", func(_ *rig, v url.Values) { v.Set("state", strings.Repeat("s", 4097)) }, 400, "invalid_request"},
		{"another client's assertion", func(r *rig, _ url.Values) { r.store.Clients["fapi"].JWKS = keysOf(otherKey) }, 401, "invalid_client"},
		{"no commit", func(r *rig, _ url.Values) { r.store.FailWrite = errDisk }, 500, "server_error"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, v := newRig(t), params()
			test.change(r, v)
			status, answer := r.push("fapi", v)
			if status != test.status || answer["error"] != test.want || len(r.store.Commits) != 0 {
				t.Errorf("status %d, answer %v, commits %v", status, answer, r.store.Commits)
			}
		})
	}
}

func TestPushNeedsAProofAndPOST(t *testing.T) {
	r := newRig(t)
	if res := r.do(r.Push(), http.MethodPost, "/par", params("client_id", "fapi")); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("no assertion: %d", res.StatusCode)
	}
	for _, method := range []string{http.MethodPut, http.MethodGet} {
		if res := r.do(r.Push(), method, "/par", params()); res.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d", method, res.StatusCode)
		}
	}
	req := r.cookies.Request(http.MethodPost, "/par", params("client_id", "native", "redirect_uri", "http://127.0.0.1:1/cb", "scope", "openid"))
	if res := r.send(r.Push(), req); res.StatusCode != http.StatusCreated {
		t.Errorf("a public client: %d", res.StatusCode)
	}
	req = r.cookies.Request(http.MethodPost, "/par", params("client_id", "native", "redirect_uri", "http://127.0.0.1:1/cb", "scope", "openid"))
	req.Header.Set("DPoP", "bad")
	if res := r.send(r.Push(), req); res.StatusCode != http.StatusBadRequest {
		t.Errorf("a bad proof: %d", res.StatusCode)
	}
}

// What stands beside a request_uri counts for nothing, and its answer uses it up: not the page, and no reload.
func TestPushedRequestIsAnsweredOnce(t *testing.T) {
	r := newRig(t)
	v := r.pushed("fapi", params())
	v.Set("state", "outside")
	v.Set("redirect_uri", "https://evil.example/")
	v.Set("response_type", "token")
	r.get(v)
	r.now = r.now.Add(59 * time.Second)
	r.get(v)
	if len(r.asked) != 2 || r.asked[1].Request.State != "s&1" || r.asked[1].Pushed == (oauth.Digest{}) {
		t.Fatalf("asked %+v", r.asked)
	}
	r.now = r.now.Add(10 * time.Minute) // a slow login: the request_uri has long expired
	user := r.login("u1")
	resumes := make([]string, 0, 2)
	for digest := range r.store.Waiting {
		resumes = append(resumes, "/authorize/resume?interaction="+digest.String()[:16])
	}
	r.store.Commits = nil
	answer := r.answerOf(r.do(r.Resume(), http.MethodPost, resumes[0], approve(user)), callback)
	if !answer.Has("code") || answer.Get("state") != "s&1" {
		t.Errorf("answer %v", answer)
	}
	if diff := cmp.Diff([]string{"grant", "code", "join", "finish", "pushed is used", "consent", "consent.given", "code.issued"}, kinds(r.store.Commits[0])); diff != "" {
		t.Error(diff)
	}
	if text := page(t, r.do(r.Resume(), http.MethodPost, resumes[1], approve(user))); !strings.Contains(text, "invalid_request_uri") || len(r.codes()) != 1 {
		t.Errorf("the second window: %q, %d codes", text, len(r.codes()))
	}
	if text := page(t, r.get(v)); !strings.Contains(text, "invalid_request_uri") || !strings.Contains(text, "used") {
		t.Errorf("again: %q", text)
	}
}

func TestDenialUsesThePushedRequestUp(t *testing.T) {
	r := newRig(t)
	v := r.pushed("fapi", params())
	r.get(v)
	r.store.Commits = nil
	r.answerOf(r.do(r.Resume(), http.MethodPost, r.resumeURL(), url.Values{"decision": {"deny"}}), callback)
	if diff := cmp.Diff([]string{"finish", "pushed is used"}, kinds(r.store.Commits[0])); diff != "" {
		t.Error(diff)
	}
	if text := page(t, r.get(v)); !strings.Contains(text, "invalid_request_uri") {
		t.Errorf("again: %q", text)
	}
}

// Two windows at once: one code.
func TestPushedRequestRace(t *testing.T) {
	r := newRig(t)
	v := r.pushed("app", params())
	r.login("u1")
	r.consent("u1", oauth.Scope{"openid", "accounts"})
	who, err := r.client(t.Context(), "app")
	if err != nil {
		t.Fatal(err)
	}
	p, err := r.receive(t.Context(), who, oauth.NewParams(v))
	if err != nil {
		t.Fatal(err)
	}
	if answer := r.answerOf(r.get(v), callback); !answer.Has("code") {
		t.Errorf("answer %v", answer)
	}
	late := httptest.NewRecorder()
	r.advance(late, r.cookies.Request(http.MethodGet, "/authorize", nil), p)
	if text := page(t, late.Result()); !strings.Contains(text, "invalid_request_uri") || len(r.codes()) != 1 {
		t.Errorf("page %q, %d codes", text, len(r.codes()))
	}
}

func TestRequestURIRefusals(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(r *rig, v url.Values)
		want   string
	}{
		{"expired", func(r *rig, _ url.Values) { r.now = r.now.Add(time.Minute) }, "invalid_request_uri"},
		{"another client", func(_ *rig, v url.Values) { v.Set("client_id", "app") }, "invalid_request_uri"},
		{"no client", func(_ *rig, v url.Values) { v.Del("client_id") }, "client_id is missing"},
		{"unknown", func(_ *rig, v url.Values) { v.Set("request_uri", v.Get("request_uri")+"x") }, "invalid_request_uri"},
		{"foreign", func(_ *rig, v url.Values) { v.Set("request_uri", "https://app.example/r") }, "invalid_request_uri"},
		{"with a request object", func(_ *rig, v url.Values) { v.Set("request", "e30.e30.") }, "exclude"},
		{"client disabled", func(r *rig, _ url.Values) { r.store.Clients["fapi"].Disabled = true }, "not known"},
		{"redirect_uri removed", func(r *rig, _ url.Values) { r.store.Clients["fapi"].RedirectURIs = nil }, "no longer registered"},
		{"response type removed", func(r *rig, _ url.Values) { r.store.Clients["fapi"].ResponseTypes = []string{"code id_token"} }, "reduced"},
		{"store fault", func(r *rig, _ url.Values) { r.store.FailRead = errDisk }, "server_error"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t)
			v := r.pushed("fapi", params())
			test.change(r, v)
			if text := page(t, r.get(v)); !strings.Contains(text, test.want) {
				t.Errorf("page %q, want %q", text, test.want)
			}
		})
	}
}

func TestPostedRequestURI(t *testing.T) {
	r := newRig(t)
	req := postFrom("https://app.example", r.pushed("fapi", params()))
	if res := r.send(r.Endpoint, req); res.StatusCode != http.StatusSeeOther {
		t.Fatalf("status %d", res.StatusCode)
	}
	if r.do(r.Resume(), http.MethodGet, r.resumeURL(), nil); len(r.asked) != 1 || r.asked[0].Pushed == (oauth.Digest{}) {
		t.Errorf("asked %v", r.asked)
	}
}
