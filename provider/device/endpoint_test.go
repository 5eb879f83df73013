package device

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/provider/oauth"
)

func TestRequest(t *testing.T) {
	for name, c := range map[string]struct {
		client string
		pairs  []string
		want   oauth.Code
		status int
	}{
		"public":                      {"tv", nil, "", 200},
		"confidential":                {"box", nil, "", 200},
		"with a proof":                {"tv", []string{"DPoP", "key"}, "", 200},
		"unknown scope is ignored":    {"tv", []string{"scope", "openid unheard-of"}, "", 200},
		"details":                     {"tv", []string{"scope", "", "authorization_details", `[{"type":"payment"}]`}, "", 200},
		"another client":              {"nobody", nil, oauth.InvalidClient, 401},
		"not registered for it":       {"web", nil, oauth.UnauthorizedClient, 400},
		"a proof that is none":        {"tv", []string{"DPoP", "bad"}, oauth.InvalidDPoPProof, 400},
		"nothing asked for":           {"tv", []string{"scope", ""}, oauth.InvalidScope, 400},
		"nothing that is known":       {"tv", []string{"scope", "unheard-of"}, oauth.InvalidScope, 400},
		"malformed scope":             {"tv", []string{"scope", "openid  accounts"}, oauth.InvalidScope, 400},
		"scope of others":             {"tv", []string{"scope", "openid payments"}, oauth.InvalidScope, 400},
		"resource of others":          {"tv", []string{"resource", "https://other.example"}, oauth.InvalidTarget, 400},
		"relative resource":           {"tv", []string{"resource", "/rs"}, oauth.InvalidTarget, 400},
		"unknown details":             {"tv", []string{"authorization_details", `[{"type":"gift"}]`}, oauth.InvalidDetails, 400},
		"too many wishes for a login": {"tv", []string{"acr_values", strings.Repeat("a ", 17)}, oauth.InvalidRequest, 400},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			got := r.post(c.client, c.pairs...)
			if got.Status != c.status || got.Error != c.want {
				t.Fatalf("%d %s, want %d %s", got.Status, got.body, c.status, c.want)
			}
			if (r.store.commits == 1) != (c.want == "") {
				t.Errorf("%d commits", r.store.commits)
			}
		})
	}
	bare := newRig(t, func(d *Deps) { d.Details = nil })
	if got := bare.post("tv", "authorization_details", `[{"type":"payment"}]`); got.Error != oauth.InvalidDetails {
		t.Errorf("no types: %s", got.body)
	}
}

// TestKept is what a good request leaves behind, and what the device gets.
func TestKept(t *testing.T) {
	r := newRig(t)
	got, kept := r.ask("scope", "openid offline_access", "acr_values", "gold silver", "DPoP", "key")
	if !regexp.MustCompile(`^[B-DF-HJ-NP-TV-XZ]{4}-[B-DF-HJ-NP-TV-XZ]{4}$`).MatchString(got.UserCode) || len(got.DeviceCode) != 43 {
		t.Errorf("%s", got.body)
	}
	want := response{
		DeviceCode: got.DeviceCode, UserCode: got.UserCode, URI: page, Complete: page + "?user_code=" + got.UserCode,
		Picture: page + "/qr?user_code=" + got.UserCode, ExpiresIn: 600, Interval: 5,
	}
	if diff := cmp.Diff(want, got.response); diff != "" {
		t.Error(diff)
	}
	if kept.Digest != oauth.Secret(got.DeviceCode).Digest() || kept.ID == "" {
		t.Errorf("%+v", kept)
	}
	request := oauth.DeviceRequest{
		Digest: kept.Digest, UserCode: oauth.Secret(strings.ReplaceAll(got.UserCode, "-", "")).Digest(), ID: kept.ID, ClientID: "tv",
		Scope: oauth.Scope{"openid", "offline_access"}, Resources: []string{"https://rs.example"}, ACRValues: []string{"gold", "silver"},
		Sender: oauth.Confirmation{JKT: "key"}, Status: oauth.DevicePending, RequestID: "request-1",
		CreatedAt: noon, ExpiresAt: noon.Add(10 * time.Minute), Interval: 5, NextPoll: noon,
	}
	if diff := cmp.Diff(request, kept); diff != "" {
		t.Error(diff)
	}
	if len(r.store.entries) != 0 {
		t.Errorf("strangers can fill the audit log: %+v", r.store.entries)
	}
	if again := r.post("tv", "DPoP", "key"); again.Error != oauth.InvalidDPoPProof {
		t.Errorf("the proof once more: %s", again.body)
	}
}

// A user code that is another waiting request's is drawn anew, with a device_code of its own; the proof counts once.
func TestUserCodeIsTaken(t *testing.T) {
	r := newRig(t)
	r.store.taken = attempts - 1
	if got := r.post("tv", "DPoP", "key"); got.Status != http.StatusOK || len(r.store.requests) != 1 {
		t.Errorf("%s", got.body)
	}
	r.store.taken = attempts
	if got := r.post("tv"); got.Status != http.StatusServiceUnavailable || got.Error != oauth.TemporarilyUnavailable {
		t.Errorf("all are taken: %s", got.body)
	}
	r.store.failure = errDisk
	if got := r.post("tv"); got.Error == "" || len(r.store.requests) != 1 {
		t.Errorf("no store: %s", got.body)
	}
}

// One client has so many requests in the time that one of them waits, and one address so many for public clients.
func TestPace(t *testing.T) {
	r := newRig(t, func(d *Deps) { d.PendingOfClient = 3 })
	for i := range 3 {
		if got := r.post("box"); got.Status != http.StatusOK {
			t.Fatalf("request %d: %s", i, got.body)
		}
	}
	if got := r.post("box"); got.Status != http.StatusBadRequest || got.Error != oauth.SlowDown || len(r.store.requests) != 3 {
		t.Errorf("one too many: %s", got.body)
	}
	if got := r.post("tv"); got.Status != http.StatusOK {
		t.Errorf("another client: %s", got.body)
	}
	r.now = r.now.Add(200 * time.Second)
	if got := r.post("box"); got.Status != http.StatusOK {
		t.Errorf("a third of the time later: %s", got.body)
	}

	sender := "192.0.2.1:1"
	r = newRig(t, func(d *Deps) {
		d.PendingOfClient = 1000
		d.Address = func(*http.Request) string { return sender }
	})
	for i := range addressBurst {
		sender = "192.0.2.1:" + strconv.Itoa(i)
		if got := r.post("tv"); got.Status != http.StatusOK {
			t.Fatalf("request %d: %s", i, got.body)
		}
	}
	if got := r.post("tv"); got.Error != oauth.SlowDown {
		t.Errorf("one too many from the address: %s", got.body)
	}
	if got := r.post("box"); got.Status != http.StatusOK {
		t.Errorf("a client that authenticates itself is behind one address: %s", got.body)
	}
	sender = "192.0.2.2:1"
	if got := r.post("tv"); got.Status != http.StatusOK {
		t.Errorf("another address: %s", got.body)
	}
}

// However many names there are, the memory is bounded, and a name that is in use is not forgotten.
func TestBucketsAreBounded(t *testing.T) {
	now := noon
	b := newBuckets(func() time.Time { return now }, 1, time.Minute)
	for i := range 3 * maxBuckets {
		b.take(strconv.Itoa(i))
		if i%1000 == 0 && b.take("in use") && i > 0 {
			t.Fatalf("forgotten after %d", i)
		}
	}
	if n := len(b.young) + len(b.old); n > 2*maxBuckets {
		t.Errorf("%d buckets", n)
	}
}

func TestNewNeedsEverything(t *testing.T) {
	if _, err := New(Deps{}); err == nil || !strings.Contains(err.Error(), "VerificationURI") || !strings.Contains(err.Error(), "Interval") {
		t.Errorf("%v", err)
	}
	good := newRig(t).deps
	for name, change := range map[string]func(*Deps){
		"no scopes": func(d *Deps) { d.Scopes = nil }, "relative page": func(d *Deps) { d.VerificationURI = "/device" },
		"page with a query": func(d *Deps) { d.VerificationURI += "?a=b" }, "none may wait": func(d *Deps) { d.PendingOfClient = 0 },
		"no binder": func(d *Deps) { d.Bind = nil }, "no time": func(d *Deps) { d.Expiry = 0 },
	} {
		deps := good
		change(&deps)
		if _, err := New(deps); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
