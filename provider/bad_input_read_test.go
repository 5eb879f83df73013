package provider_test

import (
	"html"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"signet/certs"
	"signet/provider"
)

// TestBadInputAtReadingEndpoints is about userinfo, the documents, and paths where there is nothing.
func TestBadInputAtReadingEndpoints(t *testing.T) {
	tw := badHouse(t)
	for _, in := range userinfoFaults() {
		t.Run("userinfo/"+in.name, func(t *testing.T) {
			if in.method == "" {
				in.method = http.MethodGet
			}
			in.anon = true
			tw.send(t, tw.issuer+"/userinfo", in)
		})
	}
	t.Run("userinfo/a token without openid", func(t *testing.T) {
		token := tw.post(tw.http(nil), tw.issuer+"/token", form("grant_type", "client_credentials"), basic("app")).text("access_token")
		want := refused(403, "insufficient_scope", "the access token does not have the scope that is needed")
		want.headers = map[string]string{"WWW-Authenticate": bearerChallenge +
			`, error="insufficient_scope", error_description="the access token does not have the scope that is needed", scope="openid"`}
		tw.send(t, tw.issuer+"/userinfo", hostile{method: "GET", edit: header("Authorization", "Bearer "+token), want: want})
	})
	t.Run("userinfo/a bound token without its certificate", tw.stolenBoundToken)
	for _, path := range []string{"/jwks", "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"} {
		want := refused(405, "method_not_allowed", "the method must be GET or HEAD")
		want.headers = map[string]string{"Allow": "GET, HEAD"}
		t.Run("method at "+path, func(t *testing.T) { tw.send(t, tw.issuer+path, hostile{method: "POST", body: canary, want: want}) })
	}
	nowhere := refused(404, "not_found", "there is nothing at this path; the endpoints are listed in /.well-known/openid-configuration")
	for _, path := range []string{
		"/" + canary, "/", "/token/", "/token/" + canary, "/TOKEN", "//token", "/./token", "/x/../token", "/token%2f", "/toke%6e%00",
		"/.well-known/" + canary, "/.well-known/openid-configuration/" + canary, "/register", "/admin",
	} {
		t.Run("path "+path, func(t *testing.T) {
			tw.send(t, "", hostile{method: "GET", path: path, want: nowhere})
			tw.send(t, "", hostile{path: path, body: "a=" + canary, want: nowhere})
		})
	}
}

func userinfoFaults() []hostile {
	invalid := func(text string) fault {
		want := refused(400, "invalid_request", "%s", text)
		want.headers = map[string]string{"WWW-Authenticate": bearerChallenge + `, error="invalid_request", error_description="` + text + `"`}
		return want
	}
	unauthorized := func(text string) fault {
		want := refused(401, "invalid_token", "%s", text)
		want.headers = map[string]string{"WWW-Authenticate": bearerChallenge + `, error="invalid_token", error_description="` + text + `"`}
		return want
	}
	// Who sent no token, or has another scheme, is told of no error (RFC 6750 section 3.1).
	nothing := fault{status: 401, headers: map[string]string{"WWW-Authenticate": bearerChallenge + dpopChallenge}}
	method := refused(405, "method_not_allowed", "the method must be GET or POST")
	method.headers = map[string]string{"Allow": "GET, POST"}
	elsewhere := invalid("send the access token in the Authorization header only")
	malformed := invalid("the Authorization header is malformed")
	plain := refused(400, "invalid_request", "the client certificate cannot be read")
	plain.headers = map[string]string{"WWW-Authenticate": bearerChallenge + `, error="invalid_request", error_description="the client certificate cannot be read"`}
	return []hostile{
		{name: "no token", want: nothing},
		{name: "no token, POST", method: "POST", want: nothing},
		{name: "another scheme", edit: header("Authorization", rawBasic("app:"+canary)), want: nothing},
		{name: "DELETE", method: "DELETE", want: method},
		{name: "PUT", method: "PUT", want: method},
		{name: "token in the query", query: "access_token=" + canary, want: elsewhere},
		{name: "token in the query, escaped", query: "access%5Ftoken=" + canary, want: elsewhere},
		{name: "unknown token in the body", method: "POST", body: "access_token=" + canary, want: unauthorized("the access token is not active")},
		{name: "token in header and body", method: "POST", body: "access_token=" + canary, edit: header("Authorization", "Bearer "+canary), want: elsewhere},
		{name: "two headers", edit: header("Authorization", "Bearer a", "Bearer "+canary), want: invalid("more than one Authorization header")},
		{name: "empty token", edit: header("Authorization", "Bearer "), want: malformed},
		{name: "token with a space", edit: header("Authorization", "Bearer a "+canary), want: malformed},
		{name: "token with a quote", edit: header("Authorization", `Bearer a"`+canary), want: malformed},
		{name: "oversized token", edit: header("Authorization", "Bearer "+strings.Repeat("a", 17<<10)), want: malformed},
		{name: "unknown token", edit: header("Authorization", "Bearer "+canary), want: unauthorized("the access token is not active")},
		{name: "unsigned token", edit: header("Authorization", "Bearer "+noneAssertion(canary)), want: unauthorized("the access token's signature is not valid")},
		{name: "certificate that does not parse", edit: func(h http.Header) {
			h.Set("Authorization", "Bearer "+canary)
			h.Set("Client-Cert", ":"+canary+":")
		}, want: plain},
		{name: "oversized header", edit: header("X-Padding", strings.Repeat(canary, 8<<10)),
			want: refused(431, "payload_too_large", "the URL and header fields are larger than 65536 bytes")},
	}
}

// stolenBoundToken presents a certificate-bound token with another certificate and with none (RFC 8705 section 3).
func (tw *twin) stolenBoundToken(t *testing.T) {
	plain := tw.house.twin(func(c *provider.Config) { c.TrustedProxies.Addresses = nil }, nil)
	leaf := tw.leaf(certs.Request{})
	issued := plain.post(plain.http(leaf), plain.mtls+"/token", form(redeem(tw.storedCode("app", bankingAll))...), basic("app"))
	if issued.Status != http.StatusOK {
		t.Fatalf("%d %s", issued.Status, issued.Body)
	}
	token := bearer(issued.text("access_token"))
	if r := plain.get(plain.http(leaf), plain.mtls+"/userinfo", token); r.Status != http.StatusOK {
		t.Fatalf("its holder: %d %s", r.Status, r.Body)
	}
	for name, got := range map[string]reply{
		"another certificate": plain.get(plain.http(tw.leaf(certs.Request{})), plain.mtls+"/userinfo", token),
		"none":                plain.get(plain.http(nil), plain.mtls+"/userinfo", token),
		"none, main door":     plain.get(plain.http(leaf), plain.issuer+"/userinfo", token),
	} {
		if got.Status != http.StatusUnauthorized || got.text("error") != "invalid_token" {
			t.Errorf("%s: %d %s", name, got.Status, got.Body)
		}
	}
}

// TestBadInputAtAuthorize shows that nothing is redirected before the redirect URI is known to be the
// client's, and what is redirected afterwards (RFC 6749 section 4.1.2.1).
func TestBadInputAtAuthorize(t *testing.T) {
	tw := badHouse(t)
	t.Run("pages", func(t *testing.T) {
		for _, c := range authorizePages() {
			t.Run(c.name, func(t *testing.T) { tw.errorPage(t, c) })
		}
	})
	t.Run("redirects", func(t *testing.T) {
		for _, c := range authorizeRedirects() {
			t.Run(c.name, func(t *testing.T) { tw.errorRedirect(t, c) })
		}
	})
	for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodHead, http.MethodOptions} {
		t.Run("method "+method, func(t *testing.T) {
			before := tw.state(t)
			got := tw.do(tw.http(nil), badAuthorize{method: method}.request(t, tw))
			unchanged(t, before, tw.state(t))
			if got.Status != http.StatusMethodNotAllowed || got.Header.Get("Allow") != "GET, POST" || got.Header.Get("X-Request-Id") == "" {
				t.Errorf("%d %v", got.Status, got.Header)
			}
		})
	}
	t.Run("a hostile state comes back as it was", tw.hostileState)
}

// hostileState must neither split the answer's header nor run in its form_post page.
func (tw *twin) hostileState(t *testing.T) {
	const state = "\"><script>x</script>\r\nSet-Cookie: a=b\t&iss=https://evil.example#é "
	for mode, wrong := range map[string]string{"query": "", "fragment": "token"} {
		got := tw.do(tw.http(nil), badAuthorize{replace: []string{"state", state, "response_type", wrong, "response_mode", mode}}.request(t, tw))
		location, err := url.Parse(got.Header.Get("Location"))
		must(t, err)
		answer := location.Query()
		if mode == "fragment" {
			answer, err = url.ParseQuery(location.EscapedFragment())
			must(t, err)
		}
		if diff := cmp.Diff([][]string{{state}, {tw.issuer}}, [][]string{answer["state"], answer["iss"]}); diff != "" || got.Header.Get("Set-Cookie") != "" {
			t.Errorf("%s: %s %v", mode, diff, got.Header)
		}
	}
	page := tw.do(tw.http(nil), badAuthorize{replace: []string{"state", state, "response_type", "token", "response_mode", "form_post"}}.request(t, tw))
	values := inputTag.FindAllStringSubmatch(page.Body, -1)
	found := false
	for _, value := range values {
		found = found || value[1] == "state" && html.UnescapeString(value[2]) == state
	}
	if page.Status != http.StatusOK || strings.Contains(page.Body, "<script>x") || !found {
		t.Errorf("form_post: %d %s", page.Status, page.Body)
	}
}

// badAuthorize is a good authorization request with some parameters replaced ("" = left out).
type badAuthorize struct {
	name                    string
	replace                 []string
	raw                     string // appended to the query
	method, body, mediaType string
	status                  int
	code, description       string
}

func (c badAuthorize) request(t *testing.T, tw *twin) *http.Request {
	t.Helper()
	query := form("response_type", "code", "client_id", "app", "redirect_uri", callback, "scope", "openid accounts", "state", "st-1",
		"code_challenge", challengeOf(verifier), "code_challenge_method", "S256")
	for name, values := range form(c.replace...) {
		if query[name] = values; values[0] == "" {
			query.Del(name)
		}
	}
	method := http.MethodGet
	if c.method != "" {
		method = c.method
	}
	req, err := http.NewRequestWithContext(t.Context(), method, tw.issuer+"/authorize?"+query.Encode()+c.raw, io.NopCloser(strings.NewReader(c.body)))
	must(t, err)
	if c.mediaType != "" {
		req.Header.Set("Content-Type", c.mediaType)
	}
	return req
}

func authorizePages() []badAuthorize {
	unknown := "redirect_uri is not registered for this client"
	return []badAuthorize{
		{name: "no client", replace: []string{"client_id", ""}, status: 400, code: "invalid_request", description: "client_id is missing"},
		{name: "unknown client", replace: []string{"client_id", canary}, status: 400, code: "invalid_request", description: "the client is not known"},
		{name: "no redirect URI", replace: []string{"redirect_uri", ""}, status: 400, code: "invalid_request", description: "redirect_uri is missing"},
		{name: "another's redirect URI", replace: []string{"redirect_uri", "https://" + canary + ".example/"}, status: 400, code: "invalid_request", description: unknown},
		{name: "longer redirect URI", replace: []string{"redirect_uri", callback + "/" + canary}, status: 400, code: "invalid_request", description: unknown},
		{name: "redirect URI with a query", replace: []string{"redirect_uri", callback + "?" + canary}, status: 400, code: "invalid_request", description: unknown},
		{name: "redirect URI with a fragment", replace: []string{"redirect_uri", callback + "#" + canary}, status: 400, code: "invalid_request", description: unknown},
		{name: "redirect URI in another case", replace: []string{"redirect_uri", strings.Replace(callback, "app", "APP", 1)}, status: 400, code: "invalid_request", description: unknown},
		{name: "repeated parameter", raw: "&state=" + canary, status: 400, code: "invalid_request", description: "a parameter was sent more than once"},
		{name: "repeated redirect URI", raw: "&redirect_uri=https://" + canary, status: 400, code: "invalid_request", description: "a parameter was sent more than once"},
		{name: "NUL", raw: "&login_hint=" + canary + "%00", status: 400, code: "invalid_request", description: "a parameter has control characters or is not UTF-8"},
		{name: "bad escape", raw: "&x=%zz" + canary, status: 400, code: "invalid_request", description: "a parameter is not correctly percent-encoded"},
		{name: "10k parameters", raw: strings.Repeat("&a", 10_000), status: 400, code: "invalid_request", description: "more than 200 parameters"},
		{name: "POST of JSON", method: "POST", body: canary, mediaType: "application/json", status: 400, code: "invalid_request",
			description: "the content type must be application/x-www-form-urlencoded"},
		{name: "POST, oversized", method: "POST", body: "a=" + strings.Repeat("a", 64<<10), mediaType: "application/x-www-form-urlencoded", status: 413,
			code: "payload_too_large", description: "the body is larger than 65536 bytes"},
	}
}

func (tw *twin) errorPage(t *testing.T, c badAuthorize) {
	t.Helper()
	before := tw.state(t)
	got := tw.do(tw.plain, c.request(t, tw))
	unchanged(t, before, tw.state(t))
	if got.Status != c.status || got.Header.Get("Location") != "" || len(got.Header.Values("Set-Cookie")) > 0 {
		t.Errorf("%d %v", got.Status, got.Header)
	}
	headers := map[string]string{}
	for _, name := range []string{"Content-Type", "Cache-Control", "Pragma", "X-Frame-Options", "Referrer-Policy"} {
		headers[name] = got.Header.Get(name)
	}
	if diff := cmp.Diff(map[string]string{
		"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store", "Pragma": "no-cache", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
	}, headers); diff != "" {
		t.Error(diff)
	}
	for id, text := range map[string]string{
		"error-code": c.code, "error-description": c.description, "request-id": got.Header.Get("X-Request-Id"),
	} {
		if text == "" || !strings.Contains(got.Body, `id="`+id+`">`+text+"<") {
			t.Errorf("no %s %q in the page: %s", id, text, got.Body)
		}
	}
	if strings.Contains(got.Body, canary) {
		t.Errorf("the page repeats the input: %s", got.Body)
	}
}

func authorizeRedirects() []badAuthorize {
	redirect := func(name, code, description string, replace ...string) badAuthorize {
		return badAuthorize{name: name, code: code, description: description, replace: replace}
	}
	return []badAuthorize{
		redirect("no response type", "invalid_request", "response_type is missing", "response_type", ""),
		redirect("implicit", "unsupported_response_type", "the response type is not supported", "response_type", "token"),
		redirect("hybrid", "unauthorized_client", "the client is not registered for the response type", "response_type", "code id_token"),
		redirect("unknown response mode", "invalid_request", "response_mode is not supported", "response_mode", canary),
		redirect("no PKCE", "invalid_request", "code_challenge is missing: PKCE is required", "code_challenge", ""),
		redirect("plain PKCE", "invalid_request", "code_challenge_method must be S256", "code_challenge_method", "plain"),
		redirect("PKCE without method", "invalid_request", "code_challenge_method must be S256", "code_challenge_method", ""),
		redirect("malformed challenge", "invalid_request", "code_challenge is malformed", "code_challenge", canary),
		redirect("malformed scope", "invalid_scope", "scope is malformed", "scope", `"`+canary),
		redirect("unknown scope", "invalid_scope", "scope names nothing that this server knows", "scope", canary),
		redirect("scope that is not registered", "invalid_scope", "the client is not registered for all of the scope", "scope", "openid phone"),
		redirect("unknown resource", "invalid_target", "the resource is not known or not allowed for this client", "resource", "https://"+canary),
		redirect("unknown prompt", "invalid_request", "prompt has an unknown value", "prompt", canary),
		redirect("prompt none and login", "invalid_request", "prompt=none excludes every other value", "prompt", "none login"),
		redirect("prompt none without a login", "login_required", "", "prompt", "none"),
		redirect("negative max_age", "invalid_request", "max_age must be a number of seconds", "max_age", "-1"),
		redirect("unsigned request object", "invalid_request_object", "the request object is another client's", "request", noneAssertion(canary)),
		redirect("request_uri", "request_uri_not_supported", "only request_uris of this server are supported", "request_uri", "https://"+canary),
		redirect("registration", "registration_not_supported", "the registration parameter is not supported", "registration", "{}"),
		redirect("grant that is not registered", "unauthorized_client", "the client is not registered for the authorization code grant", "client_id", "narrow"),
		redirect("not pushed", "invalid_request", "the authorization request must be pushed", "client_id", "fapi"),
	}
}

// errorRedirect checks the answer, and that a stranger's request changed nothing, not even the audit log.
func (tw *twin) errorRedirect(t *testing.T, c badAuthorize) {
	t.Helper()
	before := tw.state(t)
	got := tw.do(tw.plain, c.request(t, tw))
	after := tw.state(t)
	unchanged(t, before, after)
	location, err := url.Parse(got.Header.Get("Location"))
	must(t, err)
	answer := location.Query()
	if location.Fragment != "" { // where a token would have been (OAuth 2.0 Multiple Response Type Encoding Practices section 5)
		answer, err = url.ParseQuery(location.EscapedFragment())
		must(t, err)
		location.Fragment, location.RawFragment = "", ""
	}
	if c.description == "" {
		c.description = answer.Get("error_description") // its words are the interaction's own
	}
	location.RawQuery = ""
	if got.Status != http.StatusSeeOther || location.String() != callback || got.Header.Get("Cache-Control") != "no-store" || got.Header.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("%d %v", got.Status, got.Header)
	}
	if diff := cmp.Diff(form("error", c.code, "error_description", c.description, "state", "st-1", "iss", tw.issuer), answer); diff != "" {
		t.Errorf("answer: %s", diff)
	}
	if strings.Contains(got.Body+answer.Get("error_description"), canary) {
		t.Errorf("the answer repeats the input: %s", got.Body)
	}
}
