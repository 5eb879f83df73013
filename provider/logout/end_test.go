package logout_test

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/provider/audit"
	"signet/provider/logout"
	"signet/provider/oauth"
	"signet/provider/session"
	"signet/provider/session/sessiontest"
)

func (r *rig) grant(grants ...oauth.Grant) {
	for _, g := range grants {
		r.store.Grants[g.ID] = g
	}
}

// A grant ends with the session in which it was made, unless it is meant to outlast it.
func TestGrantsThatEnd(t *testing.T) {
	for name, c := range map[string]struct {
		grant oauth.Grant
		part  oauth.Participation
		ends  bool
	}{
		"a login":                       {grant: oauth.Grant{Scope: oauth.Scope{"openid"}}, ends: true},
		"a login with more":             {grant: oauth.Grant{Scope: oauth.Scope{"accounts", "openid"}}, ends: true},
		"offline_access":                {grant: oauth.Grant{Scope: oauth.Scope{"offline_access", "openid"}}},
		"offline when it was noted":     {grant: oauth.Grant{Scope: oauth.Scope{"openid"}}, part: oauth.Participation{Offline: true}},
		"no login":                      {grant: oauth.Grant{Scope: oauth.Scope{"accounts"}}},
		"managed by its client":         {grant: oauth.Grant{Scope: oauth.Scope{"openid"}, Managed: true}},
		"revoked already":               {grant: oauth.Grant{Scope: oauth.Scope{"openid"}, Revoked: true}},
		"gone":                          {part: oauth.Participation{GrantID: "other"}, grant: oauth.Grant{Scope: oauth.Scope{"openid"}}},
		"its client does not exist":     {part: oauth.Participation{ClientID: "nobody"}, grant: oauth.Grant{Scope: oauth.Scope{"openid"}}, ends: true},
		"its client has been disabled":  {part: oauth.Participation{ClientID: "off"}, grant: oauth.Grant{Scope: oauth.Scope{"openid"}}, ends: true},
		"a participation without grant": {part: oauth.Participation{ClientID: "silent", GrantID: "none"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			c.grant.ID = "g1"
			r.grant(c.grant)
			if c.part.ClientID == "" {
				c.part.ClientID = "silent"
			}
			if c.part.GrantID == "" {
				c.part.GrantID = "g1"
			}
			again := c.part
			r.login("u1", c.part, again)
			r.get(url.Values{"id_token_hint": {r.idToken("app", nil)}})
			if ended := r.store.Grants["g1"].Revoked && !c.grant.Revoked; ended != c.ends {
				t.Errorf("ended: %v", ended)
			}
			want := []string(nil)
			if c.ends {
				want = []string{"g1"}
			}
			if got := r.entries(audit.LogoutCompleted)[0].Detail["revoked_grants"]; cmp.Diff(any(want), got) != "" {
				t.Errorf("audit: %v", got)
			}
		})
	}
}

// TestOneCommit is a whole logout: what it changes at once, and what the browser is to load.
func TestOneCommit(t *testing.T) {
	r := newRig(t)
	r.grant(oauth.Grant{ID: "g1", Scope: oauth.Scope{"openid"}}, oauth.Grant{ID: "g2", Scope: oauth.Scope{"openid"}}, oauth.Grant{ID: "g3", Scope: oauth.Scope{"offline_access", "openid"}})
	r.login("u1",
		oauth.Participation{ClientID: "app", GrantID: "g1"}, oauth.Participation{ClientID: "off", GrantID: "g0"}, oauth.Participation{ClientID: "silent", GrantID: "g2"},
		oauth.Participation{ClientID: "shop", GrantID: "g3", Offline: true}, oauth.Participation{ClientID: "app", GrantID: "g4"},
	)
	digest := oauth.Secret(r.browser["__Host-signet-session"]).Digest()
	got := r.get(url.Values{"id_token_hint": {r.idToken("app", nil)}, "post_logout_redirect_uri": {out}, "state": {"s"}})
	want := shown{
		Page: "out", Client: "The App", Continue: out + "?state=s",
		Frames: []string{"https://app.example/front?x=y&iss=https%3A%2F%2Fid.bank.example&sid=" + url.QueryEscape(r.sid), "https://shop.example/front"},
	}
	if diff := cmp.Diff(want, got.shown); diff != "" {
		t.Error(diff)
	}
	if len(r.store.Commits) != 1 || len(r.store.Spooled) != 0 {
		t.Fatalf("%d commits, %d entries beside", len(r.store.Commits), len(r.store.Spooled))
	}
	var deliveries []oauth.Delivery
	var entry oauth.AuditEntry
	rest := slices.DeleteFunc(slices.Clone(r.store.Commits[0]), func(change oauth.Change) bool {
		switch c := change.(type) {
		case oauth.StoreDelivery:
			c.Delivery.ID = ""
			deliveries = append(deliveries, c.Delivery)
		case oauth.RecordAudit:
			entry = c.Entry
		default:
			return false
		}
		return true
	})
	if diff := cmp.Diff([]oauth.Change{
		oauth.EndSession{Digest: digest, Present: true}, oauth.RevokeGrant{GrantID: "g1", At: noon}, oauth.RevokeGrant{GrantID: "g2", At: noon}, oauth.LeaveSession{SessionID: r.sid},
	}, rest); diff != "" {
		t.Error(diff)
	}
	carried := []byte(`{"sub":"u1","sid":"` + r.sid + `"}`)
	if diff := cmp.Diff([]oauth.Delivery{
		{Kind: "backchannel-logout", ClientID: "app", URL: "https://app.example/back", Sealed: carried, NextAt: noon, ExpiresAt: noon.Add(time.Hour)},
		{Kind: "backchannel-logout", ClientID: "shop", URL: "https://shop.example/back", Sealed: carried, NextAt: noon, ExpiresAt: noon.Add(time.Hour)},
	}, deliveries); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(oauth.AuditEntry{
		ID: entry.ID, At: noon, Event: "logout.completed", RequestID: "request-1", ClientID: "app", Subject: "u1", Detail: map[string]any{
			"sid": r.sid, "asked": false, "revoked_grants": []string{"g1", "g2"}, "backchannel": []string{"app", "shop"}, "frontchannel": 2,
		},
	}, entry); diff != "" || entry.ID == "" {
		t.Error(diff)
	}
}

// Of two requests at once one ends the session; the other finds it done, and shows the same.
func TestTwoAtOnce(t *testing.T) {
	r := newRig(t)
	r.grant(oauth.Grant{ID: "g1", Scope: oauth.Scope{"openid"}})
	r.login("u1", oauth.Participation{ClientID: "app", GrantID: "g1"})
	var both, running sync.WaitGroup
	both.Add(2)
	r.store.joined = func() { both.Done(); both.Wait() } // both know what to end before either does
	target := pathEnd + "?" + url.Values{"id_token_hint": {r.idToken("app", nil)}, "post_logout_redirect_uri": {out}}.Encode()
	browsers, answers := [2]sessiontest.Browser{maps.Clone(r.browser), maps.Clone(r.browser)}, [2]string{}
	for i, browser := range browsers {
		running.Go(func() {
			answers[i] = browser.Send(r.handler, browser.Request(http.MethodGet, target, nil)).Body.String()
		})
	}
	running.Wait()
	if answers[0] != answers[1] || !strings.Contains(answers[0], `"Page":"out"`) || !strings.Contains(answers[0], "https://app.example/front") {
		t.Errorf("%s\n%s", answers[0], answers[1])
	}
	if len(browsers[0]) != 0 || len(browsers[1]) != 0 || r.signedIn() {
		t.Errorf("cookies: %v, signed in: %v", browsers, r.signedIn())
	}
	if entries := r.entries(audit.LogoutCompleted); len(entries) != 1 || len(r.store.deliveries) != 1 || len(r.store.Commits) != 1 {
		t.Errorf("%d entries, %d deliveries, %d commits; want one each", len(entries), len(r.store.deliveries), len(r.store.Commits))
	}
}

// Channels that are off are not used.
func TestChannelsOff(t *testing.T) {
	r := newRig(t, func(d *logout.Deps) {
		d.Frontchannel, d.Backchannel = false, false
		d.Queue, d.Post, d.RetryFor = nil, nil, 0
	})
	r.login("u1", oauth.Participation{ClientID: "app", GrantID: "g1"})
	got := r.answer(r.get(nil), session.DecisionApprove)
	if got.Page != "out" || len(got.Frames) != 0 || len(r.store.deliveries) != 0 || r.signedIn() {
		t.Errorf("%+v, %d deliveries", got.shown, len(r.store.deliveries))
	}
	if entries := r.entries(audit.LogoutCompleted); len(entries) != 1 || entries[0].Detail["asked"] != true || entries[0].ClientID != "" {
		t.Errorf("%+v", entries)
	}
}

// A pairwise client knows the session, like the user, by a name of its own, which is all that it sees and says.
func TestPairwiseClientsSession(t *testing.T) {
	r := newRig(t)
	r.login("u1", oauth.Participation{ClientID: "pair", GrantID: "g1"})
	if got := r.get(url.Values{"id_token_hint": {r.idToken("pair", nil)}}); got.Page != "ask" {
		t.Errorf("a hint with the name that others use: %+v", got)
	}
	own := r.sid + "@pair"
	got := r.get(url.Values{"id_token_hint": {r.idToken("pair", map[string]any{"sid": own, "sub": "u1@pair"})}})
	if want := []string{"https://pair.example/front?" + url.Values{"iss": {issuer}, "sid": {own}}.Encode()}; got.Page != "out" || !slices.Equal(got.Frames, want) {
		t.Errorf("%+v, want the frames %q", got, want)
	}
	r.run(1)
	if len(r.world.got) != 1 || !strings.Contains(r.world.got[0].Body, url.QueryEscape(own)) {
		t.Errorf("sent: %+v", r.world.got)
	}
}
