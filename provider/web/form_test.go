package web

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"signet/provider/oauth"
)

func form(body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/token", strings.NewReader(body))
	r.Header.Set("Content-Type", formType)
	return r
}

// snapshot shows everything that Params has.
func snapshot(p oauth.Params) map[string][]string {
	got := map[string][]string{}
	for _, name := range p.Names() {
		got[name] = p.All(name)
	}
	return got
}

func TestParseForm(t *testing.T) {
	tests := []struct {
		name, body string
		repeatable []string
		want       map[string][]string
	}{
		{"nothing", "", nil, map[string][]string{}},
		{"one", "grant_type=client_credentials", nil, map[string][]string{"grant_type": {"client_credentials"}}},
		{"escapes", "scope=a+b%20c&x%79=%e2%82%AC%26", nil, map[string][]string{"scope": {"a b c"}, "xy": {"€&"}}},
		{"stray separators", "&a=1&&b=2&", nil, map[string][]string{"a": {"1"}, "b": {"2"}}},
		{"value with equals signs", "a=b==", nil, map[string][]string{"a": {"b=="}}},
		{"empty is omitted", "scope=&state", nil, map[string][]string{"scope": nil, "state": nil}},
		{"repeatable", "resource=a&resource=b&resource=&resource=c&x=y", []string{"resource"},
			map[string][]string{"resource": {"a", "b", "c"}, "x": {"y"}}},
		{"JSON keeps its line breaks", "claims=%7B%0D%0A%09%7D", nil, map[string][]string{"claims": {"{\r\n\t}"}}},
		{"as many as allowed", many(MaxParameters), nil, manyMap(MaxParameters)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, fault := ParseForm(httptest.NewRecorder(), form(tt.body), tt.repeatable...)
			if fault != nil {
				t.Fatal(fault)
			}
			if diff := cmp.Diff(tt.want, snapshot(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func many(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "&p%d=%d", i, i)
	}
	return b.String()[1:]
}

func manyMap(n int) map[string][]string {
	m := map[string][]string{}
	for i := range n {
		m[fmt.Sprintf("p%d", i)] = []string{fmt.Sprint(i)}
	}
	return m
}

func TestParseFormRefuses(t *testing.T) {
	tests := []struct {
		name string
		make func() *http.Request
		want oauth.Code
	}{
		{"GET", func() *http.Request { return httptest.NewRequest(http.MethodGet, "/token", nil) }, oauth.MethodNotAllowed},
		{"PUT", func() *http.Request { r := form("a=b"); r.Method = http.MethodPut; return r }, oauth.MethodNotAllowed},
		{"no content type", withType(), oauth.InvalidRequest},
		{"JSON", withType("application/json"), oauth.InvalidRequest},
		{"multipart", withType("multipart/form-data; boundary=x"), oauth.InvalidRequest},
		{"two content types", withType(formType, formType), oauth.InvalidRequest},
		{"list of content types", withType(formType + ", text/plain"), oauth.InvalidRequest},
		{"other charset", withType(formType + "; charset=iso-8859-1"), oauth.InvalidRequest},
		{"charset twice", withType(formType + "; charset=utf-8; charset=utf-16"), oauth.InvalidRequest},
		{"compressed", func() *http.Request { r := form("a=b"); r.Header.Set("Content-Encoding", "gzip"); return r }, oauth.InvalidRequest},
		{"repeated", body("a=1&a=2"), oauth.InvalidRequest},
		{"repeated, same value", body("a=1&a=1"), oauth.InvalidRequest},
		{"repeated, escaped name", body("a=1&%61=1"), oauth.InvalidRequest},
		{"repeated, one empty", body("a=&a=1"), oauth.InvalidRequest},
		{"repeated without value", body("a&a"), oauth.InvalidRequest},
		{"NUL", body("a=%00"), oauth.InvalidRequest},
		{"raw NUL", body("a=b\x00c"), oauth.InvalidRequest},
		{"NUL in a name", body("a%00=b"), oauth.InvalidRequest},
		{"escape character", body("a=%1b%5b2J"), oauth.InvalidRequest},
		{"DEL", body("a=%7f"), oauth.InvalidRequest},
		{"not UTF-8", body("a=%ff"), oauth.InvalidRequest},
		{"overlong UTF-8", body("a=%c0%80"), oauth.InvalidRequest},
		{"surrogate", body("a=%ed%a0%80"), oauth.InvalidRequest},
		{"bad escape", body("a=%zz"), oauth.InvalidRequest},
		{"cut escape", body("a=%4"), oauth.InvalidRequest},
		{"bad escape in a name", body("%=1"), oauth.InvalidRequest},
		{"semicolon", body("a=1;b=2"), oauth.InvalidRequest},
		{"10k parameters", body(strings.Repeat("a&", 10_000)), oauth.InvalidRequest},
		{"one parameter too many", body(many(MaxParameters + 1)), oauth.InvalidRequest},
		{"oversized", body("a=" + strings.Repeat("x", MaxFormBytes)), oauth.PayloadTooLarge},
		{"oversized, length unknown", func() *http.Request {
			r := form("a=" + strings.Repeat("x", MaxFormBytes))
			r.ContentLength = -1
			return r
		}, oauth.PayloadTooLarge},
		{"cut short", func() *http.Request { r := form("a=b"); r.ContentLength = 10; return r }, oauth.InvalidRequest},
		{"connection breaks", func() *http.Request {
			r := form("")
			r.ContentLength, r.Body = -1, io.NopCloser(iotest.ErrReader(errors.New("reset")))
			return r
		}, oauth.InvalidRequest},
		{"secret in the URL", query("client_secret=s"), oauth.InvalidRequest},
		{"escaped secret in the URL", query("x=y&client%5Fsecret=s"), oauth.InvalidRequest},
		{"assertion in the URL", query("client_assertion"), oauth.InvalidRequest},
		{"code in the URL", query("code=c"), oauth.InvalidRequest},
		{"undecodable URL", query("%"), oauth.InvalidRequest},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, fault := ParseForm(httptest.NewRecorder(), tt.make(), "resource")
			if fault == nil {
				t.Fatalf("accepted: %v", snapshot(got))
			}
			if fault.Code != tt.want {
				t.Errorf("code %s, want %s (%v)", fault.Code, tt.want, fault)
			}
			if len(got.Names()) > 0 {
				t.Error("parameters beside an error")
			}
		})
	}
}

func withType(types ...string) func() *http.Request {
	return func() *http.Request {
		r := form("a=b")
		r.Header["Content-Type"] = types
		return r
	}
}

func body(text string) func() *http.Request { return func() *http.Request { return form(text) } }

func query(text string) func() *http.Request {
	return func() *http.Request { r := form("a=b"); r.URL.RawQuery = text; return r }
}

func TestParseFormAcceptsContentTypes(t *testing.T) {
	for _, kind := range []string{
		formType, formType + ";charset=UTF-8", formType + `; charset="utf-8"`, strings.ToUpper(formType), formType + "; x=y",
	} {
		r := form("a=b")
		r.Header.Set("Content-Type", kind)
		if got, fault := ParseForm(httptest.NewRecorder(), r); fault != nil || got.Get("a") != "b" {
			t.Errorf("%s: %v", kind, fault)
		}
	}
}

func TestParseFormIgnoresHarmlessQuery(t *testing.T) {
	r := form("a=b")
	r.URL.RawQuery = "a=c&tenant=x"
	got, fault := ParseForm(httptest.NewRecorder(), r)
	if fault != nil {
		t.Fatal(fault)
	}
	if diff := cmp.Diff(map[string][]string{"a": {"b"}}, snapshot(got)); diff != "" {
		t.Error(diff)
	}
}

func TestParseQuery(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "/authorize?scope=a+b&resource=x&resource=y", nil)
	got, fault := ParseQuery(r, "resource")
	if fault != nil {
		t.Fatal(fault)
	}
	if diff := cmp.Diff(map[string][]string{"scope": {"a b"}, "resource": {"x", "y"}}, snapshot(got)); diff != "" {
		t.Error(diff)
	}
	for text, want := range map[string]oauth.Code{
		"a=1&a=2":                           oauth.InvalidRequest,
		"a=%00":                             oauth.InvalidRequest,
		strings.Repeat("a&", 10_000):        oauth.InvalidRequest,
		strings.Repeat("a", MaxFormBytes+1): oauth.PayloadTooLarge,
	} {
		r.URL.RawQuery = text
		if _, fault := ParseQuery(r); fault == nil || fault.Code != want {
			t.Errorf("%.20s: %v, want %s", text, fault, want)
		}
	}
}

// The body is refused on the real wire, too, where it is larger than announced sizes can tell.
func TestOversizedBodyOverTheWire(t *testing.T) {
	log, _ := logger()
	server := httptest.NewServer(Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, fault := ParseForm(w, r); fault != nil {
			WriteError(w, r, log, fault)
		}
	}), options(log)))
	defer server.Close()
	for _, length := range []string{"Content-Length: 1000000", "Transfer-Encoding: chunked"} {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = fmt.Fprintf(conn, "POST /token HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\n%s\r\n\r\n", formType, length)
		if strings.HasPrefix(length, "T") {
			go func() {
				for range 100 {
					_, _ = fmt.Fprintf(conn, "400\r\n%s\r\n", strings.Repeat("x", 1024))
				}
			}()
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != http.StatusRequestEntityTooLarge || !resp.Close {
			t.Errorf("%s: status %d, close %v", length, resp.StatusCode, resp.Close)
		}
		_ = resp.Body.Close()
		_ = conn.Close()
	}
}

func FuzzForm(f *testing.F) {
	for _, seed := range []string{
		"", "&", "=", "a=b&c=d", "a=1&a=2", "a=&a=1", "resource=a&resource=b", "a=%00", "%61=%ff", "a=%zz", "a;b", "a=+%2B",
		strings.Repeat("a&", 300), "grant_type=client_credentials&scope=accounts%20payments&client_id=demo",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, fault := ParseForm(httptest.NewRecorder(), form(text), "resource")
		std, err := url.ParseQuery(text)
		if fault != nil {
			return
		}
		if err != nil {
			t.Fatalf("accepted what net/url refuses: %v", err)
		}
		if len(std) != len(got.Names()) {
			t.Fatalf("%d names, net/url has %d", len(got.Names()), len(std))
		}
		for name, values := range std {
			if len(values) > 1 && name != "resource" {
				t.Fatalf("repeated %q accepted", name)
			}
			if name != "resource" && got.Get(name) != values[0] {
				t.Fatalf("%q is %q, net/url has %q", name, got.Get(name), values[0])
			}
			if v := got.Get(name); strings.ContainsRune(name+v, 0) || !utf8.ValidString(name+v) {
				t.Fatalf("unclean %q=%q", name, v)
			}
		}
	})
}

const benchForm = "grant_type=client_credentials&scope=accounts+payments&resource=https%3A%2F%2Flocalhost%3A9446&client_id=demo"

func BenchmarkParseForm(b *testing.B) {
	r := form(benchForm)
	reader := strings.NewReader(benchForm)
	r.Body = io.NopCloser(reader)
	w := httptest.NewRecorder()
	b.ReportAllocs()
	for b.Loop() {
		reader.Reset(benchForm)
		if _, fault := ParseForm(w, r, "resource"); fault != nil {
			b.Fatal(fault)
		}
	}
}

// BenchmarkNetURL is the measure beside it: what net/url alone needs.
func BenchmarkNetURL(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := url.ParseQuery(benchForm); err != nil {
			b.Fatal(err)
		}
	}
}
