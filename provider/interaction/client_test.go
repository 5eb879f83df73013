package interaction

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"signet/provider/oauth"
)

// described gives the rig's client a face.
func (r *rig) described(change func(c *oauth.Client)) {
	client := *r.store.Clients["app"]
	client.LogoURI, client.ClientURI = "https://cdn.app.example:8443/logo.png?a=1&b=2", "https://app.example/"
	client.PolicyURI, client.TermsURI = "https://app.example/privacy", "http://app.example/terms"
	change(&client)
	r.store.Clients["app"] = &client
}

// The login page and the consent page show who asks, with its picture from its own place and nowhere else.
func TestClientOnThePages(t *testing.T) {
	r := newRig(t)
	r.described(func(*oauth.Client) {})
	login, loginPage := r.get("/interaction/login")
	r.tryLogin("anna", "correct horse")
	consent, consentPage := r.get("/interaction/consent")
	for name, body := range map[string]string{"login": loginPage, "consent": consentPage} {
		for _, want := range []string{
			`id="client-logo" src="https://cdn.app.example:8443/logo.png?a=1&amp;b=2" alt="" referrerpolicy="no-referrer"`,
			`id="client-website" href="https://app.example/" target="_blank" rel="noopener noreferrer"`,
			`id="client-policy" href="https://app.example/privacy"`, `id="client-terms" href="http://app.example/terms"`,
		} {
			if !strings.Contains(body, want) {
				t.Errorf("%s: no %s in %s", name, want, body)
			}
		}
	}
	for name, res := range map[string]*http.Response{"login": login, "consent": consent} {
		if policy := res.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "; img-src 'self' https://cdn.app.example:8443; ") {
			t.Errorf("%s: policy %s", name, policy)
		}
	}
	if res, _ := r.get("/interaction/moon"); strings.Contains(res.Header.Get("Content-Security-Policy"), "cdn") {
		t.Error("other pages load the logo, too")
	}
}

// What is no web address, or would say more in the policy than it should, is not shown.
func TestClientWithOddAddresses(t *testing.T) {
	for _, odd := range []string{
		"", "javascript:alert(1)", "data:image/png;base64,AAAA", "https://a.example;script-src 'unsafe-inline'/x", "https://a.example,b/x", "https://*/x",
		"https://user:secret@a.example/x", "ftp://a.example/x", "/x", "https://a.example:port/x", "%zz",
	} {
		r := newRig(t)
		r.described(func(c *oauth.Client) { c.LogoURI, c.ClientURI, c.PolicyURI, c.TermsURI = odd, odd, odd, odd })
		res, body := r.get("/interaction/login")
		policy := res.Header.Get("Content-Security-Policy")
		if strings.Contains(body, `id="client-`) || !strings.Contains(policy, "img-src 'self';") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: policy %s, page %s", odd, policy, body)
		}
	}
	r := newRig(t)
	r.described(func(c *oauth.Client) { c.LogoURI = "http://app.example/logo.png" }) // would not be loaded anyway
	if _, body := r.get("/interaction/login"); strings.Contains(body, "client-logo") || !strings.Contains(body, "client-terms") {
		t.Error(body)
	}
}

// Claims that are asked for one by one are agreed to by what they stand for, once.
func TestConsentShowsRequestedClaims(t *testing.T) {
	r := newRig(t)
	body := r.ask(func(req *oauth.AuthorizationRequest) {
		req.Scope = oauth.Scope{"openid", "email", "offline_access"}
		req.Claims = oauth.ClaimsRequest{
			Userinfo: map[string]oauth.ClaimRequest{"phone_number": {}, "email": {Essential: true}},
			IDToken:  map[string]oauth.ClaimRequest{"name": {}},
		}
	})
	for _, want := range []string{
		`<li id="scope-openid">Recognise you when you sign in</li>`, `<li id="scope-email">See your e-mail address</li>`, `<li id="scope-phone">See your phone number</li>`,
		`<li id="scope-profile">See your name and profile</li>`, `<li id="scope-offline_access">Keep this access while you are not signed in</li>`,
	} {
		if strings.Count(body, want) != 1 {
			t.Errorf("%s is there %d times in %s", want, strings.Count(body, want), body)
		}
	}
	waiting := r.store.Waiting[r.ticket.Digest]
	waiting.Request.GrantAction, waiting.Request.GrantID, waiting.Request.Claims = oauth.GrantMerge, "g1", oauth.ClaimsRequest{}
	waiting.Outcome = &oauth.Grant{UserID: "u1", Scope: oauth.Scope{"openid"}, Claims: oauth.ClaimsRequest{Userinfo: map[string]oauth.ClaimRequest{"address": {}}}}
	r.store.Waiting[r.ticket.Digest] = waiting
	if _, body := r.get("/interaction/consent"); !strings.Contains(body, "scope-address") || strings.Contains(body, "scope-phone") {
		t.Errorf("of the whole grant: %s", body)
	}
}

// Whatever the answer has is sent on, and nothing of it is markup.
func TestWriteForm(t *testing.T) {
	r := newRig(t)
	answer := newAnswer()
	fields := url.Values{"code": {"c"}, "id_token": {"i"}, "access_token": {"a"}, "token_type": {"Bearer"}, "expires_in": {"300"}, "session_state": {"s.t"}, "state": {`"><x`}, "iss": {"x"}}
	r.WriteForm(answer, r.request(http.MethodGet, "/", nil), "", "http://127.0.0.1:5000/cb?x=1", fields)
	body := answer.Body.String()
	for name := range fields {
		if strings.Count(body, `<input type="hidden" name="`+name+`" value="`) != 1 {
			t.Errorf("no %s in %s", name, body)
		}
	}
	for _, want := range []string{`action="http://127.0.0.1:5000/cb?x=1"`, `value="&#34;&gt;&lt;x"`, "the app on this device", `document.getElementById("forward-form").submit()`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in %s", want, body)
		}
	}
	if strings.Contains(body, "access_token") && strings.Contains(body, `name="submit"`) {
		t.Error("a field hides the form's own submit")
	}
	for client, want := range map[string]string{"App": "You are going back to <strong>App</strong> at app.example.", "": "You are going back to <strong>app.example</strong>."} {
		answer := newAnswer()
		r.WriteForm(answer, r.request(http.MethodGet, "/", nil), client, "https://app.example/cb", fields)
		if !strings.Contains(answer.Body.String(), want) {
			t.Errorf("no %s in %s", want, answer.Body)
		}
	}
}
