package storetest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"signet/provider/oauth"
)

func participation(sid, clientID, grantID string) oauth.Participation {
	return oauth.Participation{SessionID: sid, ClientID: clientID, GrantID: grantID, Until: now.Add(time.Hour)}
}

// testSessionRevoked ends what was granted in a session, but for what is to outlive it.
func testSessionRevoked(t *testing.T, b Backend) {
	for _, id := range []string{"on", "on-2", "off", "other", "apart"} {
		commit(t, b, oauth.StoreGrant{Grant: grant(id)})
	}
	off := participation("sid-1", "tpp", "off")
	off.Offline = true
	for _, j := range []oauth.Participation{
		participation("sid-1", "tpp", "on"), participation("sid-1", "app", "on-2"), off, participation("sid-1", "app", "gone"),
		participation("SID-1", "tpp", "other"),
	} {
		commit(t, b, oauth.JoinSession{Participation: j})
	}
	commit(t, b, derived("from-on", "on", ""), derived("from-off", "off", ""))
	revoke := oauth.RevokeSession{SessionID: "sid-1", At: now}
	commit(t, b, oauth.RevokeSession{SessionID: "sid-none", At: now})
	wantRevoked(t, b, "on", false)
	commit(t, b, revoke, oauth.LeaveSession{SessionID: "sid-1"})
	commit(t, b, revoke) // nothing is noted any more
	for id, want := range map[string]bool{
		"on": true, "on-2": true, "from-on": true, "off": false, "from-off": false, "other": false, "apart": false,
	} {
		wantRevoked(t, b, id, want)
	}
}

func testParticipations(t *testing.T, b Backend) {
	ctx := t.Context()
	got, err := b.SessionParticipations(ctx, "sid-1")
	same(t, got, err, nil)

	first, second := participation("sid-1", "tpp", "g-2"), participation("sid-1", "tpp", "g-1")
	third := participation("sid-1", "app", "g-1")
	second.Offline = true
	third.Until = now.Add(-time.Second) // over, and still noted
	other := participation("SID-1", "tpp", "g-2")
	for _, j := range []oauth.Participation{first, other, second, third} {
		commit(t, b, oauth.JoinSession{Participation: j})
	}
	got, err = b.SessionParticipations(ctx, "sid-1")
	same(t, got, err, []oauth.Participation{first, second, third})

	// Who takes part already stays as noted, until later and never until earlier.
	again := first
	again.Until, again.Offline = now, true
	commit(t, b, oauth.JoinSession{Participation: again}, oauth.JoinSession{Participation: again})
	got, err = b.SessionParticipations(ctx, "sid-1")
	same(t, got, err, []oauth.Participation{first, second, third})
	first.Until = now.Add(2 * time.Hour)
	commit(t, b, oauth.JoinSession{Participation: first})
	got, err = b.SessionParticipations(ctx, "sid-1")
	same(t, got, err, []oauth.Participation{first, second, third})

	prolongSessions(t, b, "sid-1", []oauth.Participation{first, second, third})
	second.Until, third.Until = now.Add(90*time.Minute), now.Add(90*time.Minute)

	// The end of the session is not the end of what is noted about it.
	session := oauth.Session{Digest: digest("cookie"), User: endUser(), ExpiresAt: now.Add(time.Hour)}
	commit(t, b, oauth.StoreSession{Session: session}, oauth.EndSession{Digest: session.Digest})
	got, err = b.SessionParticipations(ctx, "sid-1")
	same(t, got, err, []oauth.Participation{first, second, third})

	leave := oauth.LeaveSession{SessionID: "sid-1"}
	commit(t, b, leave)
	commit(t, b, leave) // twice is no conflict
	got, err = b.SessionParticipations(ctx, "sid-1")
	same(t, got, err, nil)
	got, err = b.SessionParticipations(ctx, "SID-1")
	same(t, got, err, []oauth.Participation{other})
	commit(t, b, leave, oauth.JoinSession{Participation: second}) // in the order of the commit
	got, err = b.SessionParticipations(ctx, "sid-1")
	same(t, got, err, []oauth.Participation{second})

	if err := b.Commit(ctx, oauth.JoinSession{Participation: participation("", "tpp", "g-1")}); err == nil {
		t.Error("a participation in no session was accepted")
	}
	got, err = b.SessionParticipations(ctx, "")
	same(t, got, err, nil)
}

// prolongSessions moves the ends of all that is noted, the oldest first until now+2h, to now+90m.
func prolongSessions(t *testing.T, b Backend, sid string, noted []oauth.Participation) {
	t.Helper()
	for _, until := range []time.Duration{time.Hour, 90 * time.Minute, time.Minute, 90 * time.Minute} {
		commit(t, b, oauth.ProlongSession{SessionID: sid, Until: now.Add(until)}) // never closer
	}
	commit(t, b, oauth.ProlongSession{SessionID: "nobody's", Until: now.Add(3 * time.Hour)}) // no conflict
	want := slices.Clone(noted)
	for i := range want[1:] {
		want[i+1].Until = now.Add(90 * time.Minute)
	}
	got, err := b.SessionParticipations(t.Context(), sid)
	same(t, got, err, want)
}

// testJoinedAtOnce has many join a session at once, twelve times each of two grants: each is noted once, until the
// latest of its ends.
func testJoinedAtOnce(t *testing.T, b Backend) {
	for round := range 4 {
		sid := fmt.Sprint("sid-", round)
		var wg sync.WaitGroup
		for i := range 24 {
			wg.Go(func() {
				j := participation(sid, "tpp", fmt.Sprint("g-", i%2))
				j.Until = now.Add(time.Duration(i) * time.Second)
				record := oauth.RecordAudit{Entry: entry(fmt.Sprint(sid, i))}
				if err := b.Commit(t.Context(), oauth.JoinSession{Participation: j}, record); err != nil {
					t.Errorf("joining %s: %v", sid, err)
				}
			})
		}
		wg.Wait()
		got, err := b.SessionParticipations(t.Context(), sid)
		if err != nil || len(got) != 2 {
			t.Fatalf("%s: %+v, %v; want two", sid, got, err)
		}
		for _, j := range got {
			want := now.Add(22 * time.Second)
			if j.GrantID == "g-1" {
				want = now.Add(23 * time.Second)
			}
			if !j.Until.Equal(want) {
				t.Errorf("%s: %s is noted until %v, want %v", sid, j.GrantID, j.Until, want)
			}
		}
	}
}
