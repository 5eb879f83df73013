package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/certs"
)

// start runs the command and returns the address that it prints. The end of the test stops it.
func (w *world) start(t *testing.T, more ...string) string {
	t.Helper()
	args := append([]string{
		"--listen", "127.0.0.1:0", "--issuer", w.server.URL, "--audience", testAudience,
		"--cert", w.file("server.pem"), "--key", w.file("server-key.pem"), "--ca", w.file("ca.pem"),
	}, more...)
	ctx, stop := context.WithCancel(t.Context())
	out, in := io.Pipe()
	ended := make(chan int, 1)
	var log strings.Builder
	go func() {
		ended <- run(ctx, args, in, &log)
		_ = in.Close()
	}()
	t.Cleanup(func() {
		stop()
		if code := <-ended; code != 0 {
			t.Errorf("exit code %d: %s", code, log.String())
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the server did not start: %v", err)
	}
	return regexp.MustCompile(`https://[0-9.:]+`).FindString(line)
}

type call struct {
	method, path, token string
	certificate         string // "" = none
	headers             map[string]string
	body                string
}

type answer struct {
	status int
	header http.Header
	body   string
}

func (w *world) do(t *testing.T, base string, c call) answer {
	t.Helper()
	settings := &tls.Config{RootCAs: w.ca.Pool(), MinVersion: tls.VersionTLS12}
	if c.certificate != "" {
		settings.Certificates = []tls.Certificate{w.certificate(t, c.certificate)}
	}
	transport := &http.Transport{TLSClientConfig: settings, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	if c.method == "" {
		c.method = http.MethodGet
	}
	r, err := http.NewRequestWithContext(t.Context(), c.method, base+c.path, strings.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	for name, value := range c.headers {
		r.Header.Set(name, value)
	}
	res, err := (&http.Client{Transport: transport, Timeout: 30 * time.Second}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err := res.Body.Close(); err != nil {
		t.Error(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(body)}
}

func TestTokensOverTLS(t *testing.T) {
	w := newWorld(t)
	base := w.start(t)
	good := w.token(t, "c1", "accounts", "client")
	expired := w.claims(t, "c1", "accounts", "client")
	expired["exp"] = time.Now().Add(-time.Minute).Unix()
	elsewhere := w.claims(t, "c1", "accounts", "client")
	elsewhere["aud"] = "https://localhost:1"
	stranger := w.claims(t, "c1", "accounts", "client")
	stranger["iss"] = "https://localhost:1"
	const id = "0C3E9F5A-1111-4222-8333-abcdefabcdef"

	tests := []struct {
		name   string
		call   call
		status int
		want   string // part of WWW-Authenticate
	}{
		{"right certificate", call{path: "/accounts", token: good, certificate: "client"}, 200, ""},
		{"HEAD", call{method: "HEAD", path: "/accounts", token: good, certificate: "client"}, 200, ""},
		{"another certificate", call{path: "/accounts", token: good, certificate: "other"}, 401, "invalid_token"},
		{"no certificate", call{path: "/accounts", token: good}, 401, "invalid_token"},
		{"wrong scope", call{path: "/payments", token: good, certificate: "client"}, 403, `scope="payments"`},
		{"expired", call{path: "/accounts", token: w.sign(t, expired), certificate: "client"}, 401, "expired"},
		{"wrong audience", call{path: "/accounts", token: w.sign(t, elsewhere), certificate: "client"}, 401, "another audience"},
		{"another issuer", call{path: "/accounts", token: w.sign(t, stranger), certificate: "client"}, 401, "another issuer"},
		{"unbound", call{path: "/accounts", token: w.token(t, "c1", "accounts", ""), certificate: "client"}, 401, "not bound"},
		{"opaque, and nobody to ask", call{path: "/accounts", token: "opaque", certificate: "client"}, 401, "invalid_token"},
		{"no token", call{path: "/accounts", certificate: "client"}, 401, "Bearer"},
		{"wrong method", call{method: "DELETE", path: "/accounts", token: good, certificate: "client"}, 405, ""},
		{"unknown path", call{path: "/admin", token: good, certificate: "client"}, 404, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.call.headers = map[string]string{"x-fapi-interaction-id": id}
			got := w.do(t, base, test.call)
			if got.status != test.status || !strings.Contains(got.header.Get("WWW-Authenticate"), test.want) {
				t.Errorf("%d %q %s; want %d %q", got.status, got.header.Get("WWW-Authenticate"), got.body, test.status, test.want)
			}
			if got.header.Get("X-Fapi-Interaction-Id") != id {
				t.Errorf("x-fapi-interaction-id %q is not echoed", got.header.Get("X-Fapi-Interaction-Id"))
			}
			if _, err := http.ParseTime(got.header.Get("Date")); err != nil {
				t.Errorf("Date: %v", err)
			}
			if test.call.method != "HEAD" && !json.Valid([]byte(got.body)) {
				t.Errorf("the body is not JSON: %s", got.body)
			}
			if test.status == 405 && got.header.Get("Allow") != "GET, HEAD" {
				t.Errorf("Allow is %q", got.header.Get("Allow"))
			}
		})
	}
}

func TestInteractionID(t *testing.T) {
	w := newWorld(t)
	base := w.start(t)
	fresh := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	token := w.token(t, "c1", "accounts", "client")
	seen := map[string]bool{}
	for sent, status := range map[string]int{"": 200, "not a uuid": 400, "c770aef3-6784-41f7-8e0e-ff5f97bddb3a;x": 400} {
		c := call{path: "/accounts", token: token, certificate: "client", headers: map[string]string{
			"x-fapi-auth-date": "Tue, 11 Sep 2012 19:43:31 GMT", "x-fapi-customer-ip-address": "2001:DB8::1893:25c8:1946",
		}}
		if sent != "" {
			c.headers["x-fapi-interaction-id"] = sent
		}
		answer := w.do(t, base, c)
		got := answer.header.Get("X-Fapi-Interaction-Id")
		if answer.status != status || !fresh.MatchString(got) || seen[got] {
			t.Errorf("%q was answered with %d and %q", sent, answer.status, got)
		}
		seen[got] = true
	}
}

func TestAccounts(t *testing.T) {
	w := newWorld(t)
	base := w.start(t)
	got := w.do(t, base, call{path: "/accounts", token: w.token(t, "c1", "accounts", "client"), certificate: "client"})
	var list struct{ Accounts []account }
	if err := json.Unmarshal([]byte(got.body), &list); err != nil || len(list.Accounts) != 3 {
		t.Fatalf("%v: %s", err, got.body)
	}
	for _, a := range list.Accounts {
		if !validIBAN(a.IBAN) || !uuid.MatchString(a.ResourceID) || len(a.Balances) == 0 {
			t.Errorf("account %+v", a)
		}
	}
	if got.header.Get("Cache-Control") != "no-store" || got.header.Get("Content-Type") != "application/json;charset=UTF-8" {
		t.Errorf("header %v", got.header)
	}
}

const goodOrder = `{"instructedAmount":{"currency":"EUR","amount":"123.50"},"debtorAccount":{"iban":"DE89370400440532013000"},
	"creditorAccount":{"iban":"GB29NWBK60161331926819"},"creditorName":"Bäckerei Müller","remittanceInformationUnstructured":"Invoice 7"}`

func TestPayments(t *testing.T) {
	w := newWorld(t)
	base := w.start(t)
	asJSON := map[string]string{"Content-Type": "application/json"}
	as := func(client string, c call) answer {
		c.token, c.certificate, c.headers = w.toPay(t, client, "payments"), "client", asJSON
		return w.do(t, base, c)
	}
	made := as("c1", call{method: "POST", path: "/payments", body: goodOrder})
	location := made.header.Get("Location")
	if made.status != 201 || !strings.HasPrefix(location, "/payments/") {
		t.Fatalf("%d %s", made.status, made.body)
	}
	var one map[string]any
	if err := json.Unmarshal([]byte(made.body), &one); err != nil || one["transactionStatus"] != "RCVD" || one["creditorName"] != "Bäckerei Müller" {
		t.Errorf("%v: %s", err, made.body)
	}
	if got := as("c1", call{path: location}); got.status != 200 || got.body != made.body {
		t.Errorf("%d %s", got.status, got.body)
	}
	if diff := cmp.Diff(`{"payments":[`+made.body+`]}`, as("c1", call{path: "/payments"}).body); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
	if got := as("c2", call{path: location}); got.status != 404 {
		t.Errorf("another client sees the payment: %d %s", got.status, got.body)
	}
	if got := as("c2", call{path: "/payments"}); got.body != `{"payments":[]}` {
		t.Errorf("another client's list: %s", got.body)
	}
	if got := as("c1", call{method: "PUT", path: location}); got.status != 405 {
		t.Errorf("PUT: %d", got.status)
	}
	readOnly := w.token(t, "c1", "accounts payments", "client")
	if got := w.do(t, base, call{method: "POST", path: "/payments", body: goodOrder, headers: asJSON, token: readOnly, certificate: "client"}); got.status != 403 {
		t.Errorf("POST with scopes only: %d", got.status)
	}
}

func TestBadPayments(t *testing.T) {
	w := newWorld(t)
	base := w.start(t)
	token := w.token(t, "c1", "payments", "client")
	change := func(old, changed string) string {
		if !strings.Contains(goodOrder, old) {
			t.Fatalf("%q is not in the order", old)
		}
		return strings.Replace(goodOrder, old, changed, 1)
	}
	tests := []struct{ name, kind, body, want string }{
		{"content type", "text/plain", goodOrder, "application/json"},
		{"no content type", "", goodOrder, "application/json"},
		{"empty", "application/json", "", "not one payment"},
		{"broken", "application/json", goodOrder[:40], "not one payment"},
		{"two", "application/json", goodOrder + goodOrder, "not one payment"},
		{"unknown member", "application/json", change(`"creditorName"`, `"creditorname2"`), "not one payment"},
		{"currency", "application/json", change("EUR", "USD"), "currency"},
		{"negative", "application/json", change("123.50", "-1"), "positive decimal"},
		{"zero", "application/json", change("123.50", "0.00"), "positive decimal"},
		{"three places", "application/json", change("123.50", "1.005"), "positive decimal"},
		{"exponent", "application/json", change("123.50", "1e3"), "positive decimal"},
		{"number", "application/json", change(`"123.50"`, `123.50`), "not one payment"},
		{"foreign account", "application/json", change("DE89370400440532013000", "GB29NWBK60161331926819"), "debtorAccount"},
		{"check digits", "application/json", change("GB29", "GB28"), "creditorAccount"},
		{"no name", "application/json", change("Bäckerei Müller", ""), "creditorName"},
		{"long name", "application/json", change("Bäckerei Müller", strings.Repeat("ü", 71)), "creditorName"},
		{"long text", "application/json", change("Invoice 7", strings.Repeat("x", 141)), "remittance"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := w.do(t, base, call{
				method: "POST", path: "/payments", body: test.body, token: token, certificate: "client", headers: map[string]string{"Content-Type": test.kind},
			})
			if got.status != 400 || !strings.Contains(got.body, test.want) || !strings.Contains(got.body, "request_id") {
				t.Errorf("%d %s; want 400 with %q", got.status, got.body, test.want)
			}
		})
	}
	large := change("Invoice 7", strings.Repeat("x", maxPaymentBytes))
	got := w.do(t, base, call{method: "POST", path: "/payments", body: large, token: token, certificate: "client", headers: map[string]string{"Content-Type": "application/json"}})
	if got.status != 413 {
		t.Errorf("large body: %d %s", got.status, got.body)
	}
}

func TestPaymentsAreBounded(t *testing.T) {
	p := newPayments(options{}, nil)
	for i := range maxPayments + 5 {
		p.keep(payment{ID: fmt.Sprint(i), clientID: "c"})
	}
	if kept := p.of("c"); len(kept) != maxPayments || kept[0].ID != "5" {
		t.Errorf("%d payments are kept, from %s", len(kept), kept[0].ID)
	}
}

func TestOpaqueTokensAreIntrospected(t *testing.T) {
	w := newWorld(t)
	w.introspected = func(token string) map[string]any {
		if token != "opaque-1" {
			return map[string]any{"active": false}
		}
		c := w.claims(t, "c1", "accounts", "client")
		c["active"], c["token_type"] = true, "Bearer"
		return c
	}
	ways := []struct {
		name  string
		flags []string
		how   string
	}{
		{"by certificate", []string{"--introspect-cert", w.file("rs.pem"), "--introspect-key", w.file("rs-key.pem")}, "certificate of rs"},
		{"by private_key_jwt", []string{"--introspect-key", w.file("rs-key.pem")}, "assertion"},
	}
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			base := w.start(t, append(way.flags, "--introspect-client", "rs")...)
			for _, test := range []struct {
				name, token, certificate string
				status                   int
			}{
				{"active", "opaque-1", "client", 200},
				{"another certificate", "opaque-1", "other", 401},
				{"inactive", "opaque-2", "client", 401},
			} {
				got := w.do(t, base, call{path: "/accounts", token: test.token, certificate: test.certificate})
				if got.status != test.status {
					t.Errorf("%s: %d %s, want %d", test.name, got.status, got.body, test.status)
				}
			}
			if w.how.Load() != way.how {
				t.Errorf("the resource server proved itself by %v", w.how.Load())
			}
		})
	}
	t.Run("JWTs too, when always", func(t *testing.T) {
		base := w.start(t, "--introspect-client", "rs", "--introspect-key", w.file("rs-key.pem"), "--introspect-always")
		got := w.do(t, base, call{path: "/accounts", token: w.token(t, "c1", "accounts", "client"), certificate: "client"})
		if got.status != 401 { // the issuer says inactive: revoked
			t.Errorf("%d %s", got.status, got.body)
		}
	})
}

func TestTheIssuerMayStartLater(t *testing.T) {
	w := newWorld(t)
	w.away.Store(true)
	base := w.start(t, "--allow-unbound")
	token := w.token(t, "c1", "accounts", "")
	if got := w.do(t, base, call{path: "/accounts", token: token}); got.status != 503 || got.header.Get("Retry-After") == "" {
		t.Fatalf("%d %s", got.status, got.body)
	}
	w.away.Store(false)
	var got answer
	for range 100 { // a failed fetch is remembered for some seconds
		if got = w.do(t, base, call{path: "/accounts", token: token}); got.status == 200 {
			return
		}
		time.Sleep(200 * time.Millisecond)
	}
	t.Errorf("%d %s", got.status, got.body)
}

func TestCommandLine(t *testing.T) {
	w := newWorld(t)
	w.write(t, "empty.pem", nil)
	w.issue(t, "rsa", certs.Request{Key: certs.RSA2048})
	files := []string{"--cert", w.file("server.pem"), "--key", w.file("server-key.pem"), "--listen", "127.0.0.1:0"}
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"nothing", nil, `required flag(s) "cert", "key" not set`},
		{"unknown flag", append(files, "--tls"), "unknown flag"},
		{"argument", append(files, "x"), "unknown command"},
		{"no such certificate", []string{"--cert", "/nowhere", "--key", "/nowhere"}, "--cert, --key"},
		{"CA without certificates", append(files, "--ca", w.file("empty.pem")), "--ca"},
		{"no such CA", append(files, "--ca", "/nowhere"), "--ca"},
		{"issuer over http", append(files, "--issuer", "http://localhost"), "--issuer"},
		{"issuer that is no URL", append(files, "--issuer", "://"), "--issuer"},
		{"no audience", append(files, "--audience", ""), "--audience"},
		{"audience that is no URL", append(files, "--audience", "accounts-api"), "--base-url"},
		{"base URL with a path", append(files, "--base-url", "https://api.example/v1"), "BaseURLs"},
		{"no key to sign with", append(files, "--sign-responses", "/nowhere"), "--sign-responses"},
		{"an RSA key to sign with", append(files, "--sign-responses", w.file("rsa-key.pem")), "EC P-256 or Ed25519"},
		{"address", append(files, "--listen", "nowhere:x"), "--listen"},
		{"certificate without client", append(files, "--introspect-cert", "x"), "--introspect-client"},
		{"client without key", append(files, "--introspect-client", "rs"), "--introspect-key"},
		{"key that is none", append(files, "--introspect-client", "rs", "--introspect-key", w.file("empty.pem")), "not PEM"},
		{"key that is a certificate", append(files, "--introspect-client", "rs", "--introspect-key", w.file("rs.pem")), "PKCS #8"},
		{"certificate and key that differ", append(files, "--introspect-client", "rs", "--introspect-cert", w.file("rs.pem"), "--introspect-key", w.file("client-key.pem")), "--introspect-cert"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var out, errOut strings.Builder
			if code := run(t.Context(), test.args, &out, &errOut); code != 1 || !strings.Contains(errOut.String(), test.want) {
				t.Errorf("exit code %d, %q; want 1 and %q", code, errOut.String(), test.want)
			}
		})
	}
	var help strings.Builder
	if code := run(t.Context(), []string{"--help"}, &help, io.Discard); code != 0 {
		t.Errorf("--help: exit code %d", code)
	}
	for _, want := range []string{"Examples:", "--issuer https://localhost:9443", "--introspect-cert", "/accounts"} {
		if !strings.Contains(help.String(), want) {
			t.Errorf("--help lacks %q:\n%s", want, help.String())
		}
	}
}
