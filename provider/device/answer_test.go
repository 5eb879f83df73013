package device

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/provider/oauth"
)

var anna = oauth.EndUser{ID: "u1", AuthTime: noon.Add(5 * time.Second), ACR: "own", SessionID: "s1"}

func TestApproval(t *testing.T) {
	r := newRig(t)
	got, b := r.ask("acr_values", "platinum gold", "authorization_details", `[{"type":"payment"}]`)
	typed := strings.ToLower(strings.ReplaceAll(got.UserCode, "-", " "))
	if shown := r.UserCode(typed); shown != got.UserCode {
		t.Errorf("shown as %q", shown)
	}
	waiting, err := r.Waiting(t.Context(), typed)
	if diff := cmp.Diff(b, waiting); diff != "" || err != nil {
		t.Error(err, diff)
	}
	r.now = r.now.Add(10 * time.Second)
	if err := r.Answer(t.Context(), typed, anna, true); err != nil {
		t.Fatal(err)
	}
	answered := r.store.requests[b.UserCode]
	user := anna
	user.ACR = "gold" // the first of the requested ones that a login reaches
	b.Status, b.User, b.GrantID = oauth.DeviceApproved, &user, answered.GrantID
	if diff := cmp.Diff(b, answered); diff != "" || answered.GrantID == "" {
		t.Error(diff)
	}
	want := oauth.Grant{
		ID: answered.GrantID, ClientID: "tv", UserID: "u1", Scope: b.Scope, Resources: b.Resources, Details: b.Details,
		CreatedAt: r.now, ExpiresAt: b.ExpiresAt.Add(time.Hour),
	}
	if diff := cmp.Diff(want, r.store.grants[answered.GrantID]); diff != "" {
		t.Error(diff)
	}
	entry := r.store.entries[0]
	if entry.Event != "consent.given" || entry.Subject != "u1" || entry.GrantID != want.ID || entry.Detail["device_request_id"] != b.ID || entry.Detail["asked_in"] != "request-1" {
		t.Errorf("%+v", entry)
	}
	if _, err := r.Waiting(t.Context(), got.UserCode); codeOf(err) != oauth.NotFound {
		t.Errorf("answered, and still there: %v", err)
	}
	if err := r.Answer(t.Context(), got.UserCode, anna, false); codeOf(err) != oauth.NotFound {
		t.Errorf("answered twice: %v", err)
	}
}

func TestDenial(t *testing.T) {
	r := newRig(t)
	got, b := r.ask()
	if err := r.Answer(t.Context(), got.UserCode, anna, false); err != nil {
		t.Fatal(err)
	}
	b.Status = oauth.DeviceDenied
	if diff := cmp.Diff(b, r.store.requests[b.UserCode]); diff != "" {
		t.Error(diff)
	}
	if len(r.store.grants) != 0 || len(r.store.entries) != 1 || r.store.entries[0].Event != "consent.denied" || r.store.entries[0].Subject != "u1" {
		t.Errorf("%+v, %+v", r.store.grants, r.store.entries)
	}
}

func TestAnswerRefused(t *testing.T) {
	old := oauth.EndUser{ID: "u1", AuthTime: noon.Add(-time.Hour), SessionID: "s1"}
	payment := []string{"authorization_details", `[{"type":"payment"}]`}
	for name, c := range map[string]struct {
		pairs  []string
		change func(*rig)
		typed  string
		user   oauth.EndUser
		deny   bool
		want   oauth.Code
	}{
		"an old login":               {user: old},
		"an old login, details":      {user: old, pairs: payment, want: oauth.LoginRequired},
		"an old login, acr":          {user: old, pairs: []string{"acr_values", "gold"}, want: oauth.LoginRequired},
		"an old login, denied":       {user: old, pairs: payment, deny: true},
		"a login in the same second": {user: oauth.EndUser{ID: "u1", AuthTime: noon}, pairs: payment},
		"another code":               {user: anna, typed: "BBBB-BBBB", want: oauth.NotFound},
		"no code":                    {user: anna, typed: "x", want: oauth.NotFound},
		"expired":                    {user: anna, change: func(r *rig) { r.now = r.now.Add(10 * time.Minute) }, want: oauth.NotFound},
		"in the last moment":         {user: anna, change: func(r *rig) { r.now = r.now.Add(10*time.Minute - time.Microsecond) }},
		"client gone":                {user: anna, change: func(r *rig) { delete(r.store.clients, "tv") }, want: oauth.NotFound},
		"client disabled":            {user: anna, change: func(r *rig) { r.store.clients["tv"].Disabled = true }, want: oauth.NotFound},
		"client without the grant":   {user: anna, change: func(r *rig) { r.store.clients["tv"].GrantTypes = nil }, want: oauth.NotFound},
		"client without the scope":   {user: anna, change: func(r *rig) { r.store.clients["tv"].Scope = "openid" }, want: oauth.NotFound},
		"no store":                   {user: anna, change: func(r *rig) { r.store.failure = errDisk }, want: oauth.ServerError},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			got, b := r.ask(c.pairs...)
			if c.typed == "" {
				c.typed = got.UserCode
			}
			if c.change != nil {
				c.change(r)
			}
			err := r.Answer(t.Context(), c.typed, c.user, !c.deny)
			if codeOf(err) != c.want {
				t.Errorf("%v, want %q", err, c.want)
			}
			if pending := r.store.requests[b.UserCode].Status == oauth.DevicePending; pending != (c.want != "") {
				t.Errorf("status %s", r.store.requests[b.UserCode].Status)
			}
		})
	}
}

// Of several answers at once one counts, and there is one grant at most.
func TestAnswersRace(t *testing.T) {
	r := newRig(t)
	got, b := r.ask()
	outcomes := make([]oauth.Code, 20)
	var wait sync.WaitGroup
	for i := range outcomes {
		wait.Go(func() { outcomes[i] = codeOf(r.Answer(t.Context(), got.UserCode, anna, i%2 == 0)) })
	}
	wait.Wait()
	won := slices.Index(outcomes, "")
	if won < 0 || slices.Index(outcomes[won+1:], "") >= 0 {
		t.Fatalf("%q", outcomes)
	}
	approved := r.store.requests[b.UserCode].Status == oauth.DeviceApproved
	if approved != (won%2 == 0) || approved != (len(r.store.grants) == 1) || len(r.store.entries) != 1 {
		t.Errorf("%d won; %+v, %d grants", won, r.store.requests[b.UserCode], len(r.store.grants))
	}
}
