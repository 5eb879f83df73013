package provider_test

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"signet/certs"
	"signet/provider"
	"signet/provider/oauth"
)

// canary is in every hostile input; no answer may repeat it.
const canary = "zq7canary"

// hostile is one bad request. The zero value is an authenticated, empty POST of a form.
type hostile struct {
	name   string
	method string
	path   string // instead of the endpoint's
	query  string
	body   string // form-encoded
	reader func() io.Reader
	edit   func(http.Header)
	anon   bool // without the valid Basic header
	want   fault
}

// badHouse is what the bad requests are sent to. It believes 127.0.0.1 to be a TLS-terminating proxy.
func badHouse(t *testing.T) *twin {
	h := newHouse(t, nil)
	h.account("alice")
	h.register("app", nil)
	h.register("other", nil)
	h.register("narrow", func(c *oauth.Client) { c.GrantTypes = []string{oauth.GrantClientCredentials} })
	h.register("public", func(c *oauth.Client) {
		c.AuthMethod, c.GrantTypes = oauth.AuthNone, []string{oauth.GrantAuthorizationCode, oauth.GrantRefreshToken}
	})
	h.register("fapi", func(c *oauth.Client) {
		c.AuthMethod, c.JWKS, c.Profile = oauth.AuthPrivateKeyJWT, newSigningKey(t, "k1").jwks, oauth.ProfileFAPI2Security
	})
	return h.twin(func(c *provider.Config) { c.TrustedProxies.Addresses = []string{"127.0.0.1/32"} }, nil)
}

// send makes the request and checks the answer, that it repeats nothing, and that no state changed.
func (tw *twin) send(t *testing.T, endpoint string, in hostile) {
	t.Helper()
	target := endpoint
	if in.path != "" {
		target = tw.issuer + in.path
	}
	if in.query != "" {
		target += "?" + in.query
	}
	var body io.Reader = strings.NewReader(in.body)
	if in.reader != nil {
		body = in.reader()
	}
	method := in.method
	if method == "" {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(t.Context(), method, target, body)
	must(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if !in.anon {
		basic("app")(req)
	}
	if in.edit != nil {
		in.edit(req.Header)
	}
	before := tw.state(t)
	got := tw.do(tw.plain, req)
	in.want.check(t, got)
	unchanged(t, before, tw.state(t))
	if strings.Contains(got.Body+fmt.Sprint(got.Header), canary) {
		t.Errorf("the answer repeats the input: %v %s", got.Header, got.Body)
	}
}

func header(name string, values ...string) func(http.Header) {
	return func(h http.Header) { h[name] = values }
}

func rawBasic(text string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(text)) }

// TestBadInputAtFormEndpoints sends what no endpoint that takes a form and a client's credentials accepts.
func TestBadInputAtFormEndpoints(t *testing.T) {
	tw := badHouse(t)
	for _, path := range []string{"/token", "/introspect", "/revoke"} {
		for _, in := range formFaults() {
			t.Run(strings.TrimPrefix(path, "/")+"/"+in.name, func(t *testing.T) { tw.send(t, tw.issuer+path, in) })
		}
		for _, in := range authenticationFaults() {
			t.Run(strings.TrimPrefix(path, "/")+"/"+in.name, func(t *testing.T) { tw.send(t, tw.issuer+path, in) })
		}
	}
	for _, in := range tokenFaults() {
		t.Run("token/"+in.name, func(t *testing.T) { tw.send(t, tw.issuer+"/token", in) })
	}
	t.Run("a certificate that does not parse in the handshake", tw.brokenHandshake)
	t.Run("header beyond net/http", tw.beyondNetHTTP)
	t.Run("over HTTP 2", tw.overHTTP2)
	t.Run("introspect/public client", func(t *testing.T) {
		tw.send(t, tw.issuer+"/introspect", hostile{anon: true, body: "client_id=public&token=" + canary,
			want: refused(401, "invalid_client", "introspection needs client authentication (RFC 7662 section 2.1)")})
	})
	t.Run("revoke/a token of another client", func(t *testing.T) {
		foreign := tw.storedRefresh("other", bankingAll)
		tw.send(t, tw.issuer+"/revoke", hostile{body: "token=" + foreign,
			want: refused(400, "invalid_request", "the token was issued to another client (RFC 7009 section 2.1)")})
	})
	for _, path := range []string{"/introspect", "/revoke"} {
		t.Run(path[1:]+"/no token", func(t *testing.T) {
			tw.send(t, tw.issuer+path, hostile{body: "token_type_hint=" + canary, want: refused(400, "invalid_request", "token is missing")})
		})
	}
	t.Run("an assertion is not used up by a bad request", tw.assertionSurvives)
}

func formFaults() []hostile {
	invalid := func(text string) fault { return refused(400, "invalid_request", "%s", text) }
	tooLarge := refused(413, "payload_too_large", "the body is larger than 65536 bytes")
	contentType := invalid("the content type must be application/x-www-form-urlencoded")
	control := invalid("a parameter has control characters or is not UTF-8")
	method := func(name string) hostile {
		want := refused(405, "method_not_allowed", "the method must be POST")
		want.headers = map[string]string{"Allow": "POST"}
		return hostile{name: "method " + name, method: name, query: "x=" + canary, want: want}
	}
	return []hostile{
		method("GET"), method("PUT"), method("DELETE"), method("OPTIONS"), method("PATCH"), method("TRACE"), method("BREW"),
		{name: "JSON", body: `{"grant_type":"` + canary + `"}`, edit: header("Content-Type", "application/json"), want: contentType},
		{name: "multipart", edit: header("Content-Type", "multipart/form-data; boundary="+canary), want: contentType},
		{name: "no content type", body: "a=" + canary, edit: func(h http.Header) { h.Del("Content-Type") }, want: contentType},
		{name: "malformed content type", edit: header("Content-Type", "application/x-www-form-urlencoded; ="+canary), want: contentType},
		{name: "two content types", edit: header("Content-Type", "application/x-www-form-urlencoded", "text/"+canary), want: contentType},
		{name: "charset", edit: header("Content-Type", "application/x-www-form-urlencoded; charset="+canary), want: invalid("the charset must be UTF-8")},
		{name: "content encoding", edit: header("Content-Encoding", "gzip"), want: invalid("the body must not have a content encoding")},
		{name: "repeated parameter", body: "token=a&token=" + canary, want: invalid("a parameter was sent more than once")},
		{name: "repeated parameter, empty", body: "grant_type=client_credentials&grant_type=", want: invalid("a parameter was sent more than once")},
		{name: "repeated parameter, escaped", body: "scope=a&%73cope=" + canary, want: invalid("a parameter was sent more than once")},
		{name: "repeated unknown parameter", body: canary + "=1&" + canary + "=1", want: invalid("a parameter was sent more than once")},
		{name: "oversized body", body: "token=" + strings.Repeat("a", 64<<10), want: tooLarge},
		{name: "oversized chunked body", reader: func() io.Reader { return io.MultiReader(bytes.NewReader(make([]byte, 80<<10))) }, want: tooLarge},
		{name: "10k short parameters", body: strings.Repeat("a=1&", 10_000), want: invalid("more than 200 parameters")},
		{name: "10k different parameters", body: manyParameters(10_000), want: tooLarge},
		{name: "201 parameters", body: manyParameters(201), want: invalid("more than 200 parameters")},
		{name: "NUL, escaped", body: "token=" + canary + "%00", want: control},
		{name: "NUL, raw", body: "token=" + canary + "\x00", want: control},
		{name: "NUL in a name", body: canary + "%00=1", want: control},
		{name: "not UTF-8", body: "token=%ff" + canary, want: control},
		{name: "bad escape", body: "token=%zz" + canary, want: invalid("a parameter is not correctly percent-encoded")},
		{name: "bad escape in a name", body: "%z" + canary + "=1", want: invalid("a parameter is not correctly percent-encoded")},
		{name: "semicolon", body: "token=a;b=" + canary, want: invalid("a semicolon must be percent-encoded")},
		{name: "secret in the query", query: "client_secret=" + canary, want: invalid("credentials must be in the body, not in the URL")},
		{name: "escaped secret in the query", query: "x=1&client%5Fsecret=" + canary, want: invalid("credentials must be in the body, not in the URL")},
		{name: "token in the query", query: "token=" + canary, want: invalid("credentials must be in the body, not in the URL")},
		{name: "code in the query", query: "code=" + canary, want: invalid("credentials must be in the body, not in the URL")},
		{name: "assertion in the query", query: "client_assertion=" + canary, want: invalid("credentials must be in the body, not in the URL")},
		{name: "malformed query", query: "%zz" + canary, want: invalid("the query is not correctly encoded")},
		{name: "oversized header", edit: header("X-Padding", strings.Repeat(canary, 8<<10)),
			want: refused(431, "payload_too_large", "the URL and header fields are larger than 65536 bytes")},
		{name: "oversized URL", query: "x=" + strings.Repeat(canary, 8<<10),
			want: refused(431, "payload_too_large", "the URL and header fields are larger than 65536 bytes")},
		{name: "certificate that does not parse", edit: header("Client-Cert", ":"+base64.StdEncoding.EncodeToString([]byte(canary))+":"),
			want: invalid("the client certificate cannot be read")},
		{name: "certificate that is no byte sequence", edit: header("Client-Cert", canary), want: invalid("the client certificate cannot be read")},
		{name: "chain without certificate", edit: header("Client-Cert-Chain", canary), want: invalid("the client certificate cannot be read")},
	}
}

func manyParameters(n int) string {
	var body strings.Builder
	for i := range n {
		fmt.Fprintf(&body, "p%06d=1&", i)
	}
	return strings.TrimSuffix(body.String(), "&")
}

func authenticationFaults() []hostile {
	unauthorized := func(text string) fault { return refused(401, "invalid_client", "%s", text) }
	malformed, failed := unauthorized("the Authorization header is malformed"), unauthorized("client authentication failed")
	invalid := func(text string) fault { return refused(400, "invalid_request", "%s", text) }
	two := invalid("more than one client authentication method was used")
	authorization := func(values ...string) func(http.Header) { return header("Authorization", values...) }
	assertion := "client_assertion_type=" + url.QueryEscape(jwtBearer) + "&client_assertion=" + noneAssertion("app")
	return []hostile{
		{name: "no authentication", anon: true, want: unauthorized("the request has no client authentication")},
		{name: "Basic: not base64", edit: authorization("Basic !!" + canary), want: malformed},
		{name: "Basic: nothing", edit: authorization("Basic"), want: malformed},
		{name: "Basic: no padding", edit: authorization("Basic YXBwOmI"), want: malformed},
		{name: "Basic: no colon", edit: authorization(rawBasic(canary)), want: malformed},
		{name: "Basic: no name", edit: authorization(rawBasic(":" + canary)), want: malformed},
		{name: "Basic: bad escape", edit: authorization(rawBasic("app:%zz" + canary)), want: malformed},
		{name: "Basic: NUL", edit: authorization(rawBasic("app:\x00" + canary)), want: malformed},
		{name: "Basic: escaped NUL", edit: authorization(rawBasic("app%00:" + canary)), want: malformed},
		{name: "Basic: not UTF-8", edit: authorization(rawBasic("\xff:" + canary)), want: malformed},
		{name: "Basic: oversized", edit: authorization("Basic " + strings.Repeat("QUJD", 2000)), want: malformed},
		{name: "another scheme", edit: authorization("Bearer " + canary), want: unauthorized("the Authorization header's scheme must be Basic")},
		{name: "two Authorization headers", edit: authorization(rawBasic("app:a"), rawBasic("app:"+canary)),
			want: invalid("the Authorization header was sent more than once")},
		{name: "unknown client", edit: authorization(rawBasic(canary + ":" + secretOf("app").Reveal())), want: failed},
		{name: "wrong secret", edit: authorization(rawBasic("app:" + secretOf(canary).Reveal())), want: failed},
		{name: "another client's secret", edit: authorization(rawBasic("app:" + secretOf("other").Reveal())), want: failed},
		{name: "empty secret", edit: authorization(rawBasic("app:")), want: failed},
		{name: "no VSCHAR in the client_id", edit: authorization(rawBasic("%C3%A4" + canary + ":b")), want: failed},
		{name: "another method than the registered", anon: true, body: "client_id=app&client_secret=" + secretOf("app").Reveal(), want: failed},
		{name: "no method for a confidential client", anon: true, body: "client_id=app", want: failed},
		{name: "two clients", body: "client_id=other", want: unauthorized("the request names two different clients")},
		{name: "Basic and post", body: "client_secret=" + canary, want: two},
		{name: "Basic and assertion", body: assertion, want: two},
		{name: "post and assertion", anon: true, body: assertion + "&client_secret=" + canary, want: two},
		{name: "assertion without type", anon: true, body: "client_assertion=" + canary, want: invalid("client_assertion and client_assertion_type belong together")},
		{name: "assertion type without assertion", anon: true, body: "client_assertion_type=" + canary, want: invalid("client_assertion and client_assertion_type belong together")},
		{name: "another assertion type", anon: true, body: "client_assertion=a.b.c&client_assertion_type=" + canary,
			want: unauthorized("the client_assertion_type is not supported")},
		{name: "assertion that is no JWT", anon: true, body: "client_assertion=" + canary + "&client_assertion_type=" + url.QueryEscape(jwtBearer),
			want: unauthorized("the client_assertion is malformed")},
	}
}

// noneAssertion is an unsigned assertion.
func noneAssertion(client string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"none"}`)) + "." + encode([]byte(`{"iss":"`+client+`","sub":"`+client+`"}`)) + "."
}

func tokenFaults() []hostile {
	at := func(status int, code, text string) fault { return refused(status, code, "%s", text) }
	as := func(client string) func(http.Header) {
		return header("Authorization", rawBasic(client+":"+secretOf(client).Reveal()))
	}
	unsupported := at(400, "unsupported_grant_type", "grant_type is not one of grant_types_supported")
	return []hostile{
		{name: "no grant_type", body: "scope=accounts", want: at(400, "invalid_request", "grant_type is missing")},
		{name: "empty grant_type", body: "grant_type=", want: at(400, "invalid_request", "grant_type is missing")},
		{name: "unknown grant", body: "grant_type=" + canary, want: unsupported},
		{name: "password grant", body: "grant_type=password&username=alice&password=" + canary, want: unsupported},
		{name: "implicit grant", body: "grant_type=implicit", want: unsupported},
		{name: "grant in another case", body: "grant_type=Client_Credentials", want: unsupported},
		{name: "grant that the client is not registered for", edit: as("narrow"), body: "grant_type=refresh_token&refresh_token=" + canary,
			want: at(400, "unauthorized_client", "this client is not registered for this grant_type")},
		{name: "malformed scope", body: "grant_type=client_credentials&scope=accounts++payments", want: at(400, "invalid_scope", "scope is malformed (RFC 6749 section 3.3)")},
		{name: "scope with a quote", body: "grant_type=client_credentials&scope=%22" + canary, want: at(400, "invalid_scope", "scope is malformed (RFC 6749 section 3.3)")},
		{name: "unknown scope", body: "grant_type=client_credentials&scope=" + canary,
			want: at(400, "invalid_scope", "the scope is not registered for this client, or is about a user")},
		{name: "scope about a user", body: "grant_type=client_credentials&scope=openid",
			want: at(400, "invalid_scope", "the scope is not registered for this client, or is about a user")},
		{name: "unknown resource", body: "grant_type=client_credentials&resource=https://" + canary,
			want: at(400, "invalid_target", "the resource is unknown, or not allowed for this client or grant (RFC 8707 section 2)")},
		{name: "resources of two kinds", body: "grant_type=client_credentials&resource=" + apiJWT + "&resource=" + apiOpaque,
			want: at(400, "invalid_target", "these resources take tokens of different kinds: request one at a time")},
		{name: "no code", body: "grant_type=authorization_code", want: at(400, "invalid_request", "code is missing")},
		{name: "unknown code", body: "grant_type=authorization_code&code=" + canary, want: at(400, "invalid_grant", "the authorization code is not known for this client")},
		{name: "no refresh token", body: "grant_type=refresh_token", want: at(400, "invalid_request", "refresh_token is missing")},
		{name: "unknown refresh token", body: "grant_type=refresh_token&refresh_token=" + canary,
			want: at(400, "invalid_grant", "the refresh token is not known for this client")},
		{name: "client_credentials by a public client", anon: true, body: "client_id=public&grant_type=client_credentials",
			want: at(400, "unauthorized_client", "this client is not registered for this grant_type")},
	}
}

// brokenHandshake offers bytes that are no certificate: TLS refuses them, and goes on serving others.
func (tw *twin) brokenHandshake(t *testing.T) {
	before := tw.state(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	client := tw.http(nil)
	transport, _ := client.Transport.(*http.Transport)
	transport.TLSClientConfig.Certificates = []tls.Certificate{{Certificate: [][]byte{[]byte(canary)}, PrivateKey: key}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, tw.mtls+"/jwks", nil)
	must(t, err)
	if response, err := client.Do(req); err == nil {
		_ = response.Body.Close()
		t.Errorf("the handshake succeeded: %d", response.StatusCode)
	}
	unchanged(t, before, tw.state(t))
	if r := tw.get(tw.http(tw.leaf(certs.Request{})), tw.mtls+"/jwks"); r.Status != http.StatusOK {
		t.Errorf("the next client: %d", r.Status)
	}
}

// overHTTP2 repeats what depends on the framing.
func (tw *twin) overHTTP2(t *testing.T) {
	client := tw.http(nil)
	transport, _ := client.Transport.(*http.Transport)
	transport.ForceAttemptHTTP2 = true
	for _, in := range formFaults() {
		if !strings.Contains(in.name, "oversized") && !strings.HasPrefix(in.name, "two ") {
			continue
		}
		t.Run(in.name, func(t *testing.T) {
			var body io.Reader = strings.NewReader(in.body)
			if in.reader != nil {
				body = in.reader()
			}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, tw.issuer+"/token?"+in.query, body)
			must(t, err)
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			basic("app")(req)
			if in.edit != nil {
				in.edit(req.Header)
			}
			in.want.check(t, tw.do(client, req))
		})
	}
}

// beyondNetHTTP sends what net/http refuses before any handler: there is no request id, but no state either.
func (tw *twin) beyondNetHTTP(t *testing.T) {
	for name, line := range map[string]string{
		"NUL in a header":     "X-Bad: a\x00" + canary,
		"no header":           canary,
		"smuggled length":     "Content-Length: 5\r\nContent-Length: 6",
		"line folding":        "X-Bad: a\r\n " + canary + "\x00",
		"oversized by a mile": "X-Bad: " + strings.Repeat("a", 2<<20),
	} {
		t.Run(name, func(t *testing.T) {
			before := tw.state(t)
			dialer := tls.Dialer{Config: &tls.Config{RootCAs: tw.ca.Pool(), MinVersion: tls.VersionTLS12, ServerName: "localhost"}}
			conn, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(tw.issuer, "https://"))
			must(t, err)
			defer func() { _ = conn.Close() }()
			written := make(chan struct{})
			go func() { // the server may stop reading
				defer close(written)
				_, _ = io.WriteString(conn, "POST /token HTTP/1.1\r\nHost: localhost\r\n"+line+"\r\n\r\n")
			}()
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			must(t, err)
			defer func() { _ = response.Body.Close() }()
			text, _ := io.ReadAll(response.Body)
			if response.StatusCode != http.StatusBadRequest && response.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
				t.Errorf("%d %s", response.StatusCode, text)
			}
			if strings.Contains(string(text), canary) {
				t.Errorf("the answer repeats the input: %s", text)
			}
			_ = conn.Close()
			<-written
			unchanged(t, before, tw.state(t))
		})
	}
}

// assertionSurvives sends a good assertion with a bad request, and then with a good one.
func (tw *twin) assertionSurvives(t *testing.T) {
	key := newSigningKey(t, "k1")
	tw.register("pk", func(c *oauth.Client) { c.AuthMethod, c.JWKS = oauth.AuthPrivateKeyJWT, key.jwks })
	assertion := proof(tw.assertion(key, "pk", nil))
	for _, bad := range [][]string{{}, {"grant_type", canary}, {"grant_type", "authorization_code", "code", canary}, {"grant_type", "client_credentials", "scope", canary}} {
		tw.send(t, tw.issuer+"/token", hostile{anon: true, body: form(append(bad, assertion...)...).Encode(), want: wantFor(bad)})
	}
	if r := tw.post(tw.http(nil), tw.issuer+"/token", form(append(assertion, "grant_type", "client_credentials")...)); r.Status != http.StatusOK {
		t.Errorf("%d %s", r.Status, r.Body)
	}
}

func wantFor(bad []string) fault {
	switch {
	case len(bad) == 0:
		return refused(400, "invalid_request", "grant_type is missing")
	case bad[1] == canary:
		return refused(400, "unsupported_grant_type", "grant_type is not one of grant_types_supported")
	case bad[1] == "authorization_code":
		return refused(400, "invalid_grant", "the authorization code is not known for this client")
	default:
		return refused(400, "invalid_scope", "the scope is not registered for this client, or is about a user")
	}
}
