package session_test

import (
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"signet/provider/session"
)

func newTicket(t *testing.T) session.Ticket {
	t.Helper()
	ticket, err := session.NewTicket(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return ticket
}

func TestTicketNeedsUrlAndCookie(t *testing.T) {
	mine, other := newTicket(t), newTicket(t)
	answer := httptest.NewRecorder()
	mine.Write(answer, httptest.NewRequest(http.MethodGet, "/", nil), time.Minute)
	cookie := answer.Result().Cookies()[0]
	swapped := &http.Cookie{Name: strings.Replace(cookie.Name, mine.Handle, other.Handle, 1), Value: cookie.Value}
	for _, test := range []struct {
		name   string
		url    string
		cookie *http.Cookie
		want   bool
	}{
		{"both", session.PageURL("/p", mine.Digest), cookie, true},
		{"no cookie", session.PageURL("/p", mine.Digest), nil, false},
		{"no handle", "/p", cookie, false},
		{"another's handle", session.PageURL("/p", other.Digest), cookie, false},
		{"a cookie under another's name", session.PageURL("/p", other.Digest), swapped, false},
		{"a handle of the wrong length", "/p?interaction=abc", cookie, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, test.url, nil)
			if test.cookie != nil {
				r.AddCookie(test.cookie)
			}
			got, ok := session.TicketFrom(r)
			if ok != test.want || ok && got.Digest != mine.Digest {
				t.Errorf("got %v, want %v", ok, test.want)
			}
		})
	}
}

func TestTicketsDoNotPileUp(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	var first string
	for range 8 {
		answer := httptest.NewRecorder()
		newTicket(t).Write(answer, httptest.NewRequest(http.MethodGet, "/", nil), time.Minute)
		c := answer.Result().Cookies()[0]
		if first == "" {
			first = c.Name
		}
		r.AddCookie(c)
	}
	answer := httptest.NewRecorder()
	newTicket(t).Write(answer, r, time.Minute)
	set := answer.Result().Cookies()
	if len(set) != 2 || set[0].Name != first || set[0].MaxAge >= 0 || set[1].MaxAge != 60 {
		t.Errorf("cookies: %v", answer.Header()["Set-Cookie"])
	}
}

func TestDropTicket(t *testing.T) {
	answer := httptest.NewRecorder()
	newTicket(t).Drop(answer)
	if c := answer.Result().Cookies()[0]; c.MaxAge >= 0 || c.Value != "" {
		t.Errorf("cookie: %v", c)
	}
}

func FuzzTicketFrom(f *testing.F) {
	f.Add("interaction=aaaaaaaaaaaaaaaa", "__Host-signet-ticket-aaaaaaaaaaaaaaaa="+strings.Repeat("a", 43))
	f.Add("interaction=%00", "=;=")
	f.Fuzz(func(t *testing.T, query, cookies string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL.RawQuery = query
		r.Header.Set("Cookie", cookies)
		if _, ok := session.TicketFrom(r); ok {
			t.Error("a made-up ticket was believed") // it would be a SHA-256 prefix hit
		}
	})
}
