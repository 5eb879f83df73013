package logout_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/provider/audit"
	"signet/provider/fetch"
	"signet/provider/logout"
	"signet/provider/oauth"
)

// loggedOut is a rig in which the client has just been queued a logout notice.
func loggedOut(t *testing.T, client string) *rig {
	t.Helper()
	r := newRig(t)
	r.login("u1", oauth.Participation{ClientID: client, GrantID: "g1"})
	r.get(url.Values{"id_token_hint": {r.idToken(client, nil)}})
	if len(r.store.deliveries) != 1 {
		t.Fatalf("%d deliveries", len(r.store.deliveries))
	}
	return r
}

// run attempts what is due, second by second.
func (r *rig) run(seconds int) {
	r.t.Helper()
	for range seconds {
		if err := r.Deliver(r.t.Context()); err != nil {
			r.t.Fatal(err)
		}
		r.now = r.now.Add(time.Second)
	}
}

// A token is made for each attempt, with sid where the client asks for it.
func TestLogoutTokens(t *testing.T) {
	r := loggedOut(t, "app")
	r.world.script = []int{503, 200}
	r.run(10)
	sid := r.sid
	form := "application/x-www-form-urlencoded"
	body := func(text string) string { return url.Values{"logout_token": {text}}.Encode() }
	if diff := cmp.Diff([]post{
		{"https://app.example/back", form, body(`u1@app for app, "` + sid + `", at 0, by 4 algorithms`)},
		{"https://app.example/back", form, body(`u1@app for app, "` + sid + `", at 2, by 4 algorithms`)},
	}, r.world.got); diff != "" {
		t.Error(diff)
	}
	entries := r.entries(audit.LogoutDelivered)
	if len(entries) != 1 || entries[0].ClientID != "app" || entries[0].Subject != "u1" {
		t.Fatalf("%+v", entries)
	}
	delete(entries[0].Detail, "delivery")
	if diff := cmp.Diff(map[string]any{"attempts": 2, "status": 200, "sid": sid}, entries[0].Detail); diff != "" {
		t.Error(diff)
	}
	r = loggedOut(t, "shop")
	r.run(1)
	if diff := cmp.Diff([]post{{"https://shop.example/back", form, body(`u1@shop for shop, "", at 0, by 4 algorithms`)}}, r.world.got); diff != "" {
		t.Error(diff)
	}
}

// TestLogoutAttempts is what becomes of a notice by what the client answers.
func TestLogoutAttempts(t *testing.T) {
	for name, c := range map[string]struct {
		script  []int
		err     error
		posts   int
		reason  string // why it was given up; "" = it was delivered
		prepare func(*rig)
	}{
		"done":               {script: []int{200}, posts: 1},
		"done without body":  {script: []int{204}, posts: 1},
		"refused":            {script: []int{400, 200}, posts: 1, reason: "it was refused"},
		"other answers":      {script: []int{202, 301, 401, 404, 500, 504, 200}, posts: 7},
		"no answer":          {script: []int{0, 0, 200}, err: errors.New("timeout"), posts: 3},
		"address refused":    {script: []int{0}, err: fetch.ErrRefused, posts: 1, reason: "it was refused"},
		"down for ever":      {script: []int{503}, posts: 64, reason: "its time is over"}, // for an hour, each minute in the end
		"moved":              {script: []int{200}, posts: 1, prepare: func(r *rig) { r.store.Clients["app"].BackchannelLogoutURI = "https://new.example/back" }},
		"no URI any more":    {reason: "it was refused", prepare: func(r *rig) { r.store.Clients["app"].BackchannelLogoutURI = "" }},
		"disabled":           {reason: "it was refused", prepare: func(r *rig) { r.store.Clients["app"].Disabled = true }},
		"gone":               {reason: "it was refused", prepare: func(r *rig) { delete(r.store.Clients, "app") }},
		"no keys at present": {reason: "its time is over", prepare: func(r *rig) { r.tokens.err = oauth.ErrUnavailable }},
		"an unknown profile": {reason: "its time is over", prepare: func(r *rig) { r.store.Clients["app"].Profile = "nonsense" }},
		"not to be read": {reason: "its time is over", prepare: func(r *rig) {
			for id, d := range r.store.deliveries {
				d.Sealed = []byte("nonsense")
				r.store.deliveries[id] = d
			}
		}},
		"not to be found out": {posts: 1, script: []int{200}, prepare: func(r *rig) {
			r.store.FailRead = errors.New("disk on fire")
			r.run(2)
			r.store.FailRead = nil
		}},
	} {
		t.Run(name, func(t *testing.T) {
			r := loggedOut(t, "app")
			r.world.script, r.world.err = c.script, c.err
			if c.prepare != nil {
				c.prepare(r)
			}
			r.run(3700)
			if len(r.world.got) != c.posts || len(r.store.deliveries) != 0 {
				t.Errorf("%d posts, %d left", len(r.world.got), len(r.store.deliveries))
			}
			delivered, givenUp := r.entries(audit.LogoutDelivered), r.entries(audit.LogoutGivenUp)
			if len(delivered)+len(givenUp) != 1 || (len(givenUp) == 1) != (c.reason != "") {
				t.Fatalf("delivered: %v, given up: %v", delivered, givenUp)
			}
			if c.reason != "" && givenUp[0].Detail["reason"] != c.reason {
				t.Errorf("%+v", givenUp[0])
			}
			if name == "moved" && r.world.got[0].URL != "https://new.example/back" {
				t.Errorf("sent to %s", r.world.got[0].URL)
			}
		})
	}
}

// Whatever a row of the database says, a token goes only to where its client is registered.
func TestLogoutTokenGoesNowhereElse(t *testing.T) {
	r := loggedOut(t, "app")
	for id, d := range r.store.deliveries {
		d.URL = "https://elsewhere.example"
		r.store.deliveries[id] = d
	}
	r.run(1)
	if len(r.world.got) != 1 || r.world.got[0].URL != "https://app.example/back" {
		t.Errorf("%v", r.world.got)
	}
}

// signal says that something was posted.
type signal chan string

func (s signal) Post(_ context.Context, address string, _ http.Header, _ []byte) (int, error) {
	s <- address
	return http.StatusOK, nil
}

// Clients are told at once, without waiting for the queue's next turn.
func TestToldAtOnce(t *testing.T) {
	told := make(signal, 1)
	r := newRig(t, func(d *logout.Deps) { d.Post = told })
	r.store.looked = make(chan struct{}, 10)
	r.login("u1", oauth.Participation{ClientID: "app", GrantID: "g1"})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { r.Run(ctx, time.Hour) })
	<-r.store.looked // the queue is empty
	r.get(url.Values{"id_token_hint": {r.idToken("app", nil)}})
	if got := <-told; got != "https://app.example/back" {
		t.Error(got)
	}
	cancel()
	running.Wait()
}

func TestStatusesOfALogoutAnswer(t *testing.T) {
	r := loggedOut(t, "app")
	r.world.script = []int{http.StatusBadRequest}
	r.run(1)
	if entries := r.entries(audit.LogoutGivenUp); len(entries) != 1 || entries[0].Detail["status"] != 400 {
		t.Errorf("%+v", entries)
	}
}
