package ciba

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/provider/fetch"
	"signet/provider/oauth"
)

var anna = oauth.EndUser{ID: "u1", AuthTime: noon.Add(-time.Hour), ACR: "own", SessionID: "s1"}

func TestApproval(t *testing.T) {
	r := newRig(t)
	secret, b := r.ask("poll", "acr_values", "platinum gold", "authorization_details", `[{"type":"payment"}]`)
	anna := oauth.EndUser{ID: "u1", AuthTime: noon.Add(5 * time.Second), ACR: "own", SessionID: "s1"}
	if waiting, err := r.Pending(t.Context(), "u1"); err != nil || len(waiting) != 1 || waiting[0].ID != b.ID {
		t.Errorf("pending: %v, %v", waiting, err)
	}
	r.now = r.now.Add(10 * time.Second)
	if err := r.Answer(t.Context(), b.ID, anna, true); err != nil {
		t.Fatal(err)
	}
	got := r.store.requests[secret.Digest()]
	user := anna
	user.ACR = "gold" // the first of the requested ones that a login reaches
	b.Status, b.User, b.GrantID = oauth.BackchannelApproved, &user, got.GrantID
	if diff := cmp.Diff(b, got); diff != "" || got.GrantID == "" {
		t.Error(diff)
	}
	want := oauth.Grant{
		ID: got.GrantID, ClientID: "poll", UserID: "u1", Scope: b.Scope, Resources: b.Resources, Details: b.Details,
		CreatedAt: r.now, ExpiresAt: b.ExpiresAt.Add(time.Hour),
	}
	if diff := cmp.Diff(want, r.store.grants[got.GrantID]); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"backchannel.requested", "consent.given"}, r.events()); diff != "" {
		t.Error(diff)
	}
	if len(r.store.deliveries) != 0 {
		t.Error("a client that polls is not told")
	}
	if waiting, err := r.Pending(t.Context(), "u1"); err != nil || len(waiting) != 0 {
		t.Errorf("pending: %v, %v", waiting, err)
	}
}

func TestDenial(t *testing.T) {
	r := newRig(t)
	secret, b := r.ask("poll")
	if err := r.Answer(t.Context(), b.ID, anna, false); err != nil {
		t.Fatal(err)
	}
	got := r.store.requests[secret.Digest()]
	if got.Status != oauth.BackchannelDenied || got.User != nil || got.GrantID != "" || len(r.store.grants) != 0 {
		t.Errorf("%+v", got)
	}
	if diff := cmp.Diff([]string{"backchannel.requested", "consent.denied"}, r.events()); diff != "" {
		t.Error(diff)
	}
}

func TestAnswerRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*rig)
		user   oauth.EndUser
		id     string
		want   oauth.Code
		pairs  []string
	}{
		"an old login, details": {user: anna, want: oauth.LoginRequired, pairs: []string{"authorization_details", `[{"type":"payment"}]`}},
		"an old login, acr":     {user: anna, want: oauth.LoginRequired, pairs: []string{"acr_values", "gold"}},
		"somebody else's":       {user: oauth.EndUser{ID: "u3"}, want: oauth.NotFound},
		"no such request":       {user: anna, id: "x", want: oauth.NotFound},
		"expired":               {change: func(r *rig) { r.now = r.now.Add(2 * time.Minute) }, user: anna, want: oauth.InvalidRequest},
		"client disabled":       {change: func(r *rig) { r.store.clients["ping"].Disabled = true }, user: anna, want: oauth.InvalidRequest},
		"client deleted":        {change: func(r *rig) { delete(r.store.clients, "ping") }, user: anna, want: oauth.InvalidRequest},
		"grant type taken away": {change: func(r *rig) { r.store.clients["ping"].GrantTypes = nil }, user: anna, want: oauth.InvalidRequest},
		"scope taken away":      {change: func(r *rig) { r.store.clients["ping"].Scope = "openid" }, user: anna, want: oauth.InvalidRequest},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			_, b := r.ask("ping", c.pairs...)
			if c.change != nil {
				c.change(r)
			}
			if c.id == "" {
				c.id = b.ID
			}
			if err := r.Answer(t.Context(), c.id, c.user, true); codeOf(err) != c.want {
				t.Errorf("%v, want %s", err, c.want)
			}
			if r.store.commits != 1 {
				t.Error("a refused answer changed something")
			}
		})
	}
}

// Of two answers given at the same moment one counts.
func TestAnswersRace(t *testing.T) {
	r := newRig(t)
	_, b := r.ask("ping")
	errs := make([]error, 8)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() { errs[i] = r.Answer(context.Background(), b.ID, anna, i%2 == 0) })
	}
	all.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		}
	}
	if won != 1 || len(r.store.grants) > 1 || len(r.store.deliveries) != 1 {
		t.Errorf("%d answers counted; %d grants, %d notices", won, len(r.store.grants), len(r.store.deliveries))
	}
}

func TestPing(t *testing.T) {
	for _, approve := range []bool{true, false} {
		r := newRig(t)
		secret, b := r.ask("ping")
		if err := r.Answer(t.Context(), b.ID, anna, approve); err != nil {
			t.Fatal(err)
		}
		if err := r.Deliver(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := []notice{{"https://app.example/ciba", "Bearer token-of-the-client", `{"auth_req_id":"` + secret.Reveal() + `"}`}}
		if diff := cmp.Diff(want, r.world.got, cmp.AllowUnexported(notice{})); diff != "" {
			t.Error(diff)
		}
		if len(r.store.deliveries) != 0 {
			t.Error("what was delivered is kept")
		}
	}
}

// TestAttempts is what becomes of a notice by what the client answers, minute by minute.
func TestAttempts(t *testing.T) {
	for name, c := range map[string]struct {
		script []int
		err    error
		posts  int
	}{
		"done":              {[]int{204}, nil, 1},
		"done with a body":  {[]int{200}, nil, 1},
		"unauthorized":      {[]int{401, 204}, nil, 1},
		"told to wait":      {[]int{429, 408, 204}, nil, 3},
		"forbidden":         {[]int{403, 204}, nil, 1},
		"not there":         {[]int{404, 204}, nil, 1},
		"redirect":          {[]int{301, 204}, nil, 1},
		"address refused":   {[]int{0, 204}, fetch.ErrRefused, 1},
		"down, then there":  {[]int{503, 500, 204}, nil, 3},
		"no answer at once": {[]int{0, 204}, context.DeadlineExceeded, 2},
		"down for ever":     {[]int{503}, nil, 6}, // after 2, 4, 8, 16, 32 s; a minute on the request is over
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.world.script, r.world.err = c.script, c.err
			_, b := r.ask("ping")
			if err := r.Answer(t.Context(), b.ID, anna, true); err != nil {
				t.Fatal(err)
			}
			for range 300 {
				if err := r.Deliver(t.Context()); err != nil {
					t.Fatal(err)
				}
				r.now = r.now.Add(time.Second)
			}
			if len(r.world.got) != c.posts || len(r.store.deliveries) != 0 {
				t.Errorf("%d posts, %d left", len(r.world.got), len(r.store.deliveries))
			}
		})
	}
}

// An answer is told of at once, without waiting for the queue's next turn.
func TestToldAtOnce(t *testing.T) {
	sent := make(chan struct{}, 1)
	r := newRig(t, func(d *Deps) { d.Post = posts(func() { sent <- struct{}{} }) })
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { r.Run(ctx, time.Hour) })
	_, b := r.ask("ping")
	if err := r.Answer(t.Context(), b.ID, anna, true); err != nil {
		t.Fatal(err)
	}
	<-sent
	cancel()
	running.Wait()
}

type posts func()

func (p posts) Post(context.Context, string, http.Header, []byte) (int, error) {
	p()
	return http.StatusNoContent, nil
}

func TestPush(t *testing.T) {
	policy := oauth.Errorf(oauth.AccessDenied, "refused by policy")
	for name, c := range map[string]struct {
		approve bool
		err     error
		want    map[string]any
		fault   oauth.Code
	}{
		"approved":           {approve: true, want: map[string]any{"access_token": "at"}},
		"denied":             {want: map[string]any{"error": "access_denied", "error_description": "the user denied the request"}},
		"refused by policy":  {approve: true, err: policy, want: map[string]any{"error": "access_denied", "error_description": "refused by policy"}},
		"keys cannot sign":   {approve: true, err: oauth.Errorf(oauth.TemporarilyUnavailable, "no keys"), fault: oauth.TemporarilyUnavailable},
		"something is wrong": {approve: true, err: context.DeadlineExceeded, fault: oauth.ServerError},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(d *Deps) { d.Push = tokens{c.err} })
			secret, b := r.ask("push")
			if err := r.Answer(t.Context(), b.ID, anna, c.approve); codeOf(err) != c.fault {
				t.Fatal(err)
			}
			if c.fault != "" {
				if r.store.requests[secret.Digest()].Status != oauth.BackchannelPending {
					t.Error("answered, although nothing could be sent")
				}
				return
			}
			status, grants, events := oauth.BackchannelApproved, 1, []string{"backchannel.requested", "consent.given", "token.issued"}
			switch {
			case !c.approve:
				status, grants, events = oauth.BackchannelDenied, 0, []string{"backchannel.requested", "consent.denied"}
			case c.err != nil: // the last entry is what the maker of tokens has to say
				status, grants, events = oauth.BackchannelDenied, 0, []string{"backchannel.requested", "token.issued"}
			}
			if got := r.store.requests[secret.Digest()]; got.Status != status || len(r.store.grants) != grants || (got.GrantID == "") != (grants == 0) {
				t.Errorf("%+v, %d grants", got, len(r.store.grants))
			}
			if diff := cmp.Diff(events, r.events()); diff != "" {
				t.Error(diff)
			}
			if err := r.Deliver(t.Context()); err != nil || len(r.world.got) != 1 {
				t.Fatalf("%v, %d posts", err, len(r.world.got))
			}
			var got map[string]any
			if err := json.Unmarshal([]byte(r.world.got[0].body), &got); err != nil {
				t.Fatal(err)
			}
			c.want["auth_req_id"] = secret.Reveal()
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	r := newRig(t)
	_, b := r.ask("push")
	r.store.clients["push"].DPoPBound = true
	if err := r.Answer(t.Context(), b.ID, anna, true); codeOf(err) != oauth.InvalidRequest {
		t.Errorf("sender-constrained meanwhile: %v", err)
	}
}

// TestPushLost is what becomes of tokens that do not reach their client.
func TestPushLost(t *testing.T) {
	revoke := func(r *rig) {
		for id, grant := range r.store.grants {
			grant.Revoked = true
			r.store.grants[id] = grant
		}
	}
	for name, c := range map[string]struct {
		meanwhile func(*rig)
		script    []int
		after     time.Duration // of the request's life
		posts     int
		ends      bool // the grant does, by this
	}{
		"delivered":                {script: []int{200}, posts: 1},
		"in the last moment, late": {script: []int{503, 503, 503, 200}, after: 2*time.Minute - time.Second, posts: 4},
		"refused":                  {script: []int{400}, posts: 1, ends: true},
		"down for ever":            {script: []int{503}, posts: 14, ends: true}, // as often as ten minutes allow
		"client disabled":          {meanwhile: func(r *rig) { r.store.clients["push"].Disabled = true }, ends: true},
		"client gone":              {meanwhile: func(r *rig) { delete(r.store.clients, "push") }, ends: true},
		"grant revoked":            {meanwhile: revoke, ends: true},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			if r.world.script = c.script; c.script == nil {
				r.world.script = []int{200}
			}
			_, b := r.ask("push")
			r.now = r.now.Add(c.after)
			if err := r.Answer(t.Context(), b.ID, anna, true); err != nil {
				t.Fatal(err)
			}
			if c.meanwhile != nil {
				c.meanwhile(r)
			}
			for range 700 {
				if err := r.Deliver(t.Context()); err != nil {
					t.Fatal(err)
				}
				r.now = r.now.Add(time.Second)
			}
			if len(r.world.got) != c.posts || len(r.store.deliveries) != 0 {
				t.Errorf("%d posts, %d left", len(r.world.got), len(r.store.deliveries))
			}
			for _, grant := range r.store.grants {
				if grant.Revoked != c.ends {
					t.Errorf("revoked: %v", grant.Revoked)
				}
			}
			if said := slices.Contains(r.events(), "grant.revoked"); said != c.ends {
				t.Errorf("audit: %v", r.events())
			}
		})
	}
}

// screen is a device that somebody built.
type screen struct {
	got []Notice
	err error
}

func (s *screen) Notify(_ context.Context, n Notice) error {
	s.got = append(s.got, n)
	return s.err
}

func TestDevices(t *testing.T) {
	device, inside := &screen{err: context.DeadlineExceeded}, &world{script: []int{http.StatusNoContent}}
	r := newRig(t, func(d *Deps) {
		d.Device = device
		d.Webhook = &Webhook{URL: "https://devices.bank.example", Token: func() (oauth.Secret, error) { return "device-token", nil }, Post: inside}
	})
	_, b := r.ask("poll")
	want := Notice{
		ID: b.ID, Subject: "u1", ClientID: "poll", ClientName: "The App", BindingMessage: "1234", Scope: "openid accounts",
		Resources: b.Resources, ApprovalURL: issuer + "/interaction/approvals", ExpiresAt: b.ExpiresAt,
	}
	if diff := cmp.Diff([]Notice{want}, device.got); diff != "" {
		t.Error(diff)
	}
	for id, d := range r.store.deliveries {
		d.URL = "https://elsewhere.example" // the device's token goes nowhere that a row of the database says
		r.store.deliveries[id] = d
	}
	if err := r.Deliver(t.Context()); err != nil || len(inside.got) != 1 || len(r.world.got) != 0 {
		t.Fatalf("%v, %d posts by the device's client, %d by the clients'", err, len(inside.got), len(r.world.got))
	}
	got := inside.got[0]
	var told Notice
	if err := json.Unmarshal([]byte(got.body), &told); err != nil || got.url != "https://devices.bank.example" || got.authorization != "Bearer device-token" {
		t.Errorf("%+v, %v", got, err)
	}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Error(diff)
	}
}

func TestDevelopment(t *testing.T) {
	r := newRig(t)
	h := r.Development("/ciba/development/")
	post := func(method, secret, action string) reply {
		return r.serve(h, httptest.NewRequest(method, "/ciba/development/"+secret+"/"+action, nil))
	}
	allowed, _ := r.ask("ping", "acr_values", "gold")
	denied, _ := r.ask("ping")
	for _, c := range []struct {
		method, secret, action string
		want                   int
	}{
		{http.MethodGet, allowed.Reveal(), "allow", 405}, {http.MethodPost, allowed.Reveal(), "maybe", 400}, {http.MethodPost, "x", "allow", 404},
		{http.MethodPost, allowed.Reveal(), "allow", 200}, {http.MethodPost, allowed.Reveal(), "deny", 400}, {http.MethodPost, denied.Reveal(), "deny", 200},
	} {
		if got := post(c.method, c.secret, c.action); got.Status != c.want {
			t.Errorf("%s %s: %d %s", c.method, c.action, got.Status, got.body)
		}
	}
	a, d := r.store.requests[allowed.Digest()], r.store.requests[denied.Digest()]
	if a.Status != oauth.BackchannelApproved || a.User.ID != "u1" || a.User.ACR != "gold" || !a.User.AuthTime.Equal(noon) || d.Status != oauth.BackchannelDenied {
		t.Errorf("%+v, %+v", a, d)
	}
}
