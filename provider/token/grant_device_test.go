package token

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"signet/provider/oauth"
)

const deviceCode = oauth.Secret("the-device-code")

// counter is where device requests wait.
type counter struct {
	requests map[oauth.Digest]oauth.DeviceRequest
	err      error
}

func (c counter) DeviceRequest(_ context.Context, digest oauth.Digest) (oauth.DeviceRequest, error) {
	return find(c.requests, digest, c.err)
}

func deviceClient(change func(*oauth.Client)) *oauth.Client {
	c := client(change)
	c.GrantTypes = append(c.GrantTypes, oauth.GrantDevice)
	return c
}

// connecting is a request that has been approved, changed by change.
func connecting(change func(*oauth.DeviceRequest)) oauth.DeviceRequest {
	d := oauth.DeviceRequest{
		Digest: deviceCode.Digest(), ID: "d1", ClientID: "c1",
		Scope: oauth.Scope{"openid", "offline_access", "accounts"}, Resources: []string{"https://api"},
		Status: oauth.DeviceApproved, User: &oauth.EndUser{ID: "u1", AuthTime: noon, SessionID: "approved-in"}, GrantID: "g1",
		CreatedAt: noon, ExpiresAt: noon.Add(time.Minute), Interval: 5, NextPoll: noon,
	}
	if change != nil {
		change(&d)
	}
	return d
}

func TestDevice(t *testing.T) {
	status := func(s oauth.DeviceStatus) func(*oauth.DeviceRequest) {
		return func(d *oauth.DeviceRequest) { d.Status, d.User, d.GrantID = s, nil, "" }
	}
	pendingAt := func(next time.Time) func(*oauth.DeviceRequest) {
		return func(d *oauth.DeviceRequest) { d.Status, d.NextPoll = oauth.DevicePending, next }
	}
	bound := func(to oauth.Confirmation) func(*oauth.DeviceRequest) {
		return func(d *oauth.DeviceRequest) { d.Sender = to }
	}
	poll := func(seen time.Time, interval int) []oauth.Change {
		return []oauth.Change{oauth.PollDevice{
			Digest: deviceCode.Digest(), Seen: seen, NextPoll: noon.Add(time.Duration(interval) * time.Second), Interval: interval,
		}}
	}
	approved := outcome{
		Scope: "openid offline_access accounts", Refresh: oauth.NewRefresh{},
		Changes: []oauth.Change{oauth.RedeemDevice{Digest: deviceCode.Digest(), At: noon}},
	}
	without := approved
	without.Refresh = oauth.NoRefresh{}
	refused := func(code oauth.Code) outcome { return outcome{Error: code} }
	for name, c := range map[string]struct {
		request func(*oauth.DeviceRequest)
		client  func(*oauth.Client)
		sender  oauth.Confirmation
		code    string
		user    oauth.User
		want    outcome
	}{
		"approved":                {want: approved},
		"approved, no refresh":    {client: func(c *oauth.Client) { c.GrantTypes = nil }, want: without},
		"approved, polled early":  {request: func(d *oauth.DeviceRequest) { d.NextPoll = noon.Add(time.Second * 30) }, want: approved},
		"pending":                 {request: pendingAt(noon), want: outcome{Error: oauth.AuthorizationPending, Changes: poll(noon, 5)}},
		"a little early":          {request: pendingAt(noon.Add(pollSlack)), want: outcome{Error: oauth.AuthorizationPending, Changes: poll(noon.Add(pollSlack), 5)}},
		"too early":               {request: pendingAt(noon.Add(time.Second)), want: outcome{Error: oauth.SlowDown, Changes: poll(noon.Add(time.Second), 10)}},
		"denied":                  {request: status(oauth.DeviceDenied), want: refused(oauth.AccessDenied)},
		"redeemed":                {request: status(oauth.DeviceRedeemed), want: refused(oauth.InvalidGrant)},
		"expired, unanswered":     {request: func(d *oauth.DeviceRequest) { d.Status, d.ExpiresAt = oauth.DevicePending, noon }, want: refused(oauth.ExpiredToken)},
		"expired, approved":       {request: func(d *oauth.DeviceRequest) { d.ExpiresAt = noon }, want: refused(oauth.ExpiredToken)},
		"another client's":        {request: func(d *oauth.DeviceRequest) { d.ClientID = "c2" }, want: refused(oauth.InvalidGrant)},
		"unknown":                 {code: "x", want: refused(oauth.InvalidGrant)},
		"missing":                 {code: "-", want: refused(oauth.InvalidRequest)},
		"bound, held":             {request: bound(oauth.Confirmation{JKT: "k"}), sender: oauth.Confirmation{JKT: "k", X5TS256: "x"}, want: approved},
		"bound, another key":      {request: bound(oauth.Confirmation{JKT: "k"}), sender: oauth.Confirmation{JKT: "l"}, want: refused(oauth.InvalidGrant)},
		"bound, no key":           {request: bound(oauth.Confirmation{JKT: "k"}), want: refused(oauth.InvalidGrant)},
		"bound, another leaf":     {request: bound(oauth.Confirmation{X5TS256: "x"}), sender: oauth.Confirmation{X5TS256: "y"}, want: refused(oauth.InvalidGrant)},
		"bound to both, held one": {request: bound(oauth.Confirmation{JKT: "k", X5TS256: "x"}), sender: oauth.Confirmation{JKT: "k"}, want: refused(oauth.InvalidGrant)},
		"unbound, with a key":     {sender: oauth.Confirmation{JKT: "k"}, want: approved},
		"disabled meanwhile":      {user: oauth.User{Disabled: true}, want: refused(oauth.InvalidGrant)},
		"approved by nobody":      {request: status(oauth.DeviceApproved), want: refused(oauth.ServerError)},
	} {
		t.Run(name, func(t *testing.T) {
			d := connecting(c.request)
			code := deviceCode.Reveal()
			if c.code != "" {
				code = c.code
			}
			params := map[string]string{"device_code": code}
			if c.code == "-" {
				params = nil
			}
			g := Device{Store: counter{requests: map[oauth.Digest]oauth.DeviceRequest{d.Digest: d}}, Users: rest{users: map[string]oauth.User{"u1": c.user}}}
			req := request(deviceClient(c.client), params)
			req.Sender = c.sender
			a, err := g.Redeem(t.Context(), req)
			if diff := cmp.Diff(c.want, outcomeOf(a, err)); diff != "" {
				t.Error(diff)
			}
			if user, ok := a.Subject.(oauth.EndUser); err == nil && (!ok || user.ID != "u1" || user.SessionID != "" || a.GrantID != "g1") {
				t.Errorf("%+v: the device takes no part in the browser's session", a)
			}
			if d.User != nil && d.User.SessionID != "approved-in" {
				t.Error("the request was changed")
			}
		})
	}
	down := Device{Store: counter{err: errors.New("disk on fire")}, Users: rest{}}
	if got := outcomeOf(down.Redeem(t.Context(), request(deviceClient(nil), map[string]string{"device_code": "x"}))); got.Error != oauth.ServerError {
		t.Errorf("without a store: %+v", got)
	}
}

// However a device polls, the interval never gets shorter, each slow_down adds to it, and a device that keeps to it
// is never told to slow down.
func TestDevicePolling(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := connecting(func(d *oauth.DeviceRequest) { d.Status = oauth.DevicePending })
		now := noon
		for range rapid.IntRange(1, 20).Draw(t, "polls") {
			patient := rapid.Bool().Draw(t, "patient")
			if patient {
				now = d.NextPoll
			} else {
				now = now.Add(time.Duration(rapid.IntRange(0, 30_000).Draw(t, "wait")) * time.Millisecond)
			}
			refusal := devicePending(d, now)
			poll := refusal.Changes[0].(oauth.PollDevice) //nolint:forcetypeassert // it is the one change there is
			slow := refusal.Err.Code == oauth.SlowDown
			switch {
			case !poll.Seen.Equal(d.NextPoll) || poll.Digest != d.Digest:
				t.Fatalf("the change is conditional on %v, not on %v", poll.Seen, d.NextPoll)
			case slow && (patient || poll.Interval != d.Interval+slowDown):
				t.Fatalf("slow_down: from %d to %d s, patient: %v", d.Interval, poll.Interval, patient)
			case !slow && poll.Interval != d.Interval:
				t.Fatalf("%s changed the interval", refusal.Err.Code)
			case poll.NextPoll.Sub(now) < time.Duration(poll.Interval)*time.Second-time.Microsecond:
				t.Fatalf("the next poll may come after %v, the interval is %d s", poll.NextPoll.Sub(now), poll.Interval)
			}
			d.NextPoll, d.Interval = poll.NextPoll, poll.Interval
		}
	})
}
