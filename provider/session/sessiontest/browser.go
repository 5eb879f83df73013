package sessiontest

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"signet/provider/web"
)

// Browser keeps cookies: values by name.
type Browser map[string]string

// Request makes a request with the browser's cookies; form, unless nil, is its body.
func (b Browser) Request(method, target string, form url.Values) *http.Request {
	r := httptest.NewRequest(method, target, strings.NewReader(form.Encode()))
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return b.Carry(r)
}

// Carry adds the browser's cookies to a request, and returns it.
func (b Browser) Carry(r *http.Request) *http.Request {
	for name, value := range b {
		r.AddCookie(&http.Cookie{Name: name, Value: value}) //nolint:gosec // in a request a cookie has no attributes
	}
	return r
}

// Send has h answer a request, under the id "request-1" at the main door, and takes the answer's cookies.
func (b Browser) Send(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, r.WithContext(web.WithRequest(r.Context(), "request-1", web.DoorMain)))
	for _, c := range answer.Result().Cookies() {
		if c.MaxAge < 0 {
			delete(b, c.Name)
		} else {
			b[c.Name] = c.Value
		}
	}
	return answer
}
