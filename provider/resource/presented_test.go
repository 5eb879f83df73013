package resource

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"signet/provider/oauth"
)

func TestPresentedToken(t *testing.T) {
	tests := []struct {
		name    string
		headers []string
		target  string // "" = /accounts
		form    string
		want    string
		code    oauth.Code
	}{
		{name: "token", headers: []string{"Bearer abc.DEF-_~+/09=="}, want: "abc.DEF-_~+/09=="},
		{name: "under the DPoP scheme", headers: []string{"DPoP abc"}, want: "abc"},
		{name: "two schemes", headers: []string{"DPoP abc, Bearer abc"}, code: oauth.InvalidRequest},
		{name: "scheme in another case", headers: []string{"bEARER abc"}, want: "abc"},
		{name: "several spaces", headers: []string{"Bearer   abc"}, want: "abc"},
		{name: "other parameters in the query", headers: []string{"Bearer abc"}, target: "/accounts?access_tokens=1&x=%zz", want: "abc"},
		{name: "other parameters in the form", headers: []string{"Bearer abc"}, form: "a=access_token", want: "abc"},

		{name: "nothing", code: oauth.InvalidToken},
		{name: "another scheme", headers: []string{"Basic YTpi"}, code: oauth.InvalidToken},
		{name: "a scheme that begins alike", headers: []string{"BearerX abc"}, code: oauth.InvalidToken},

		{name: "no token", headers: []string{"Bearer"}, code: oauth.InvalidRequest},
		{name: "empty token", headers: []string{"Bearer "}, code: oauth.InvalidRequest},
		{name: "padding only", headers: []string{"Bearer =="}, code: oauth.InvalidRequest},
		{name: "two tokens", headers: []string{"Bearer abc def"}, code: oauth.InvalidRequest},
		{name: "two credentials", headers: []string{"Bearer abc, Bearer def"}, code: oauth.InvalidRequest},
		{name: "bad character", headers: []string{"Bearer a\"b"}, code: oauth.InvalidRequest},
		{name: "too long", headers: []string{"Bearer " + strings.Repeat("a", maxTokenBytes+1)}, code: oauth.InvalidRequest},
		{name: "two headers", headers: []string{"Bearer abc", "Bearer abc"}, code: oauth.InvalidRequest},
		{name: "query", target: "/accounts?access_token=abc", code: oauth.InvalidRequest},
		{name: "query besides the header", headers: []string{"Bearer abc"}, target: "/accounts?a=1&access_token=abc", code: oauth.InvalidRequest},
		{name: "query, encoded", target: "/accounts?%61ccess_token=abc", code: oauth.InvalidRequest},
		{name: "query, behind a malformed pair", target: "/accounts?x=%zz&access_token=abc", code: oauth.InvalidRequest},
		{name: "query, behind a semicolon", target: "/accounts?x=1;access_token=abc", code: oauth.InvalidRequest},
		{name: "form", form: "access_token=abc", code: oauth.InvalidRequest},
		{name: "form besides the header", headers: []string{"Bearer abc"}, form: "x=1&access_token=abc", code: oauth.InvalidRequest},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			target := test.target
			if target == "" {
				target = "/accounts"
			}
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, target, strings.NewReader(test.form))
			if test.form != "" {
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
			}
			r.Header["Authorization"] = test.headers
			got, err := PresentedToken(r)
			token := got.Token.Reveal()
			if test.code == "" {
				if err != nil || token != test.want {
					t.Errorf("PresentedToken = %q, %v; want %q", token, err, test.want)
				}
			} else if err == nil || err.Code != test.code || token != "" {
				t.Errorf("PresentedToken = %q, %v; want %s", token, err, test.code)
			}
			if got := err != nil && errors.Is(err, ErrNoToken); got != (test.code == oauth.InvalidToken) {
				t.Errorf("ErrNoToken is the cause: %v", got)
			}
			if body, err := io.ReadAll(r.Body); err != nil || string(body) != test.form {
				t.Errorf("the handler reads %q, %v; want %q", body, err, test.form)
			}
		})
	}
}

func TestPresentedTokenTellsTheScheme(t *testing.T) {
	for header, want := range map[string]Scheme{"Bearer abc": Bearer, "dpop abc": DPoP, "DPoP  abc": DPoP, "DPOP abc": DPoP} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.Header.Set("Authorization", header)
		if got, err := PresentedToken(r); err != nil || got.Scheme != want || got.Token.Reveal() != "abc" {
			t.Errorf("%q: %q %v", header, got.Scheme, err)
		}
	}
}

func TestALongFormStaysReadable(t *testing.T) {
	long := "x=" + strings.Repeat("a", 3*maxFormBytes)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(long))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Authorization", "Bearer abc")
	if _, err := PresentedToken(r); err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(r.Body); err != nil || string(body) != long {
		t.Errorf("the handler reads %d bytes, %v; want %d", len(body), err, len(long))
	}
}

func FuzzPresentedToken(f *testing.F) {
	f.Add("Bearer abc", "a=1", "access_token=2")
	f.Add("bearer  a.b.c==", "access_token", ";")
	f.Add("dpop a.b.c", "", "")
	f.Add("Basic YTpi", "%61ccess_token=", "&&&")
	f.Fuzz(func(t *testing.T, header, query, form string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(form))
		r.URL.RawQuery = query
		r.Header.Set("Authorization", header)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		presented, fault := PresentedToken(r)
		token := presented.Token.Reveal()
		if (token == "") != (fault != nil) || (presented.Scheme == "") != (fault != nil) || len(token) > maxTokenBytes || strings.ContainsAny(token, " ,\"\r\n\x00") {
			t.Errorf("PresentedToken(%q) = %q, %v", header, token, fault)
		}
		if body, err := io.ReadAll(r.Body); err != nil || string(body) != form {
			t.Errorf("the body became %q, %v", body, err)
		}
	})
}
