package session_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"signet/provider/oauth"
	"signet/provider/session"
)

type interactions struct {
	found oauth.Interaction
	err   error
}

func (i interactions) Interaction(context.Context, oauth.Digest) (oauth.Interaction, error) {
	return i.found, i.err
}

func TestWaiting(t *testing.T) {
	now, ticket := time.Unix(1_800_000_000, 0), newTicket(t)
	answer := httptest.NewRecorder()
	ticket.Write(answer, httptest.NewRequest(http.MethodGet, "/", nil), time.Minute)
	holder := httptest.NewRequest(http.MethodGet, session.PageURL("/p", ticket.Digest), nil)
	holder.AddCookie(answer.Result().Cookies()[0])
	stranger := httptest.NewRequest(http.MethodGet, session.PageURL("/p", ticket.Digest), nil)
	waits, fire := oauth.Interaction{RequestID: "r-1", ExpiresAt: now.Add(time.Second)}, errors.New("disk on fire")

	for _, test := range []struct {
		name  string
		r     *http.Request
		store interactions
		gone  bool
		fault bool
	}{
		{"it waits", holder, interactions{found: waits}, false, false},
		{"no ticket", stranger, interactions{found: waits}, true, false},
		{"finished", holder, interactions{err: oauth.ErrNotFound}, true, false},
		{"expired", holder, interactions{found: oauth.Interaction{ExpiresAt: now}}, true, false},
		{"store fault", holder, interactions{err: fire}, false, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			waiting, got, err := session.Waiting(test.r, test.store, func() time.Time { return now })
			var public *oauth.Error
			if gone := errors.As(err, &public); gone != test.gone || errors.Is(err, fire) != test.fault {
				t.Fatalf("error %v", err)
			}
			if err == nil && (waiting.RequestID != "r-1" || waiting.Digest != ticket.Digest || got.Digest != ticket.Digest) {
				t.Errorf("got %+v by %v", waiting, got.Handle)
			}
		})
	}
}

func TestOrigin(t *testing.T) {
	origin, err := session.Origin("https://id.bank.example")
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		header, value string
		want          bool
	}{
		"our own, behind a proxy": {"Origin", "https://id.bank.example", true},
		"another site":            {"Origin", "https://evil.example", false},
		"another scheme":          {"Origin", "http://id.bank.example", false},
		"said by the browser":     {"Sec-Fetch-Site", "cross-site", false},
		"the same origin":         {"Sec-Fetch-Site", "same-origin", true},
	} {
		r := httptest.NewRequest(http.MethodPost, "https://10.0.0.1/login", nil)
		r.Header.Set(test.header, test.value)
		if err := origin.Check(r); (err == nil) != test.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, bad := range []string{"://", "id.bank.example", ""} {
		if _, err := session.Origin(bad); err == nil {
			t.Errorf("%q is no issuer", bad)
		}
	}
}
