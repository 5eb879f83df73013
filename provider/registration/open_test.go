package registration

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

// Open registration needs no token; one that is sent has to be right.
func TestOpen(t *testing.T) {
	for name, c := range map[string]struct {
		token, by string
		without   bool // no initial access token is configured
		status    int
	}{
		"no token":          {status: 201, by: "open"},
		"the initial token": {token: initial, status: 201, by: "initial_access_token"},
		"another token":     {token: "x", status: 401},
		"none configured":   {without: true, status: 201, by: "open"},
		"a token for none":  {token: "x", without: true, status: 401},
	} {
		h := newHouse()
		h.open, h.most = true, 100
		if c.without {
			h.endpoint().InitialToken = nil
		}
		r := h.send(http.MethodPost, "/register", c.token, `{}`)
		if r.Code != c.status || (len(h.committed) > 0) != (c.status == 201) {
			t.Errorf("%s: %d %s", name, r.Code, r.Body)
		}
		if c.by != "" && h.asked[0].Registration.AdmittedBy != c.by {
			t.Errorf("%s: admitted by %s", name, h.asked[0].Registration.AdmittedBy)
		}
	}
}

// Strangers get so many registrations in an hour, one address fewer; a refused try counts for its address.
func TestStrangersAreThrottled(t *testing.T) {
	h := newHouse()
	h.open, h.most = true, 40 // 4 of one address
	try := func(address, body, token string, want int) {
		t.Helper()
		h.address = address
		r := h.send(http.MethodPost, "/register", token, body)
		if r.Code != want || want == http.StatusTooManyRequests && (r.Header().Get("Retry-After") == "" || r.json["error"] != "temporarily_unavailable" || r.Header().Get("Cache-Control") != "no-store") {
			t.Fatalf("%s: %d %s %v", address, r.Code, r.Body, r.Header())
		}
	}
	try("192.0.2.1:1", `{}`, "", 201)
	try("192.0.2.1:2", `[]`, "", 400)
	try("192.0.2.1:3", `{}`, "", 201)
	try("192.0.2.1:4", `{}`, "", 201)
	try("192.0.2.1:5", `{}`, "", 429)
	try("192.0.2.1:5", `{}`, initial, 201)
	try("192.0.2.2:5", `{}`, "", 201)
	for i := range 4 {
		try(fmt.Sprintf("[2001:db8::%d]:1", i), `{}`, "", 201) // one subscriber's network
	}
	try("[2001:db8::9]:1", `{}`, "", 429)
	h.now = h.now.Add(15 * time.Minute)
	try("192.0.2.1:6", `{}`, "", 201)
	try("192.0.2.1:7", `{}`, "", 429)
	for i := range 40 - 9 {
		try(fmt.Sprintf("198.51.100.%d", i), `{}`, "", 201)
	}
	try("198.51.100.200", `{}`, "", 429)
	try("198.51.100.201", `[]`, "", 400)
	h.now = h.now.Add(45*time.Minute - time.Second)
	try("198.51.100.202", `{}`, "", 429)
	h.now = h.now.Add(time.Second) // the first eight are an hour old
	for i := range 8 {
		try(fmt.Sprintf("203.0.113.%d", i), `{}`, "", 201)
	}
	try("203.0.113.8", `{}`, "", 429)
	if n := len(h.asked); n < 40 {
		t.Errorf("%d decisions", n)
	}
}

// However many addresses come, the memory is bounded.
func TestThrottleForgetsAddresses(t *testing.T) {
	now := now
	th := newThrottle(func() time.Time { return now }, 1)
	for i := range maxBuckets + 100 {
		if th.attempt(fmt.Sprint(i)) != 0 {
			t.Fatal("refused")
		}
	}
	if len(th.known) != maxBuckets || th.order.Len() != maxBuckets {
		t.Errorf("%d addresses", len(th.known))
	}
	for range minOfAddress {
		_ = th.attempt("x")
	}
	if wait := th.attempt("x"); wait != window/minOfAddress {
		t.Errorf("wait %s", wait)
	}
	if th.take() != 0 || th.take() != window {
		t.Error("more than one")
	}
}
