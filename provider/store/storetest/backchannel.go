package storetest

import (
	"fmt"
	"testing"
	"time"

	"signet/provider/oauth"
)

func backchannel(name string) oauth.Backchannel {
	return oauth.Backchannel{
		Digest: digest(name), ID: name, ClientID: "tpp", UserID: "u-1", Mode: oauth.BackchannelPing,
		Scope: oauth.Scope{"openid", "payments"}, Resources: []string{"https://localhost:9446"}, Details: details("2.00"),
		ACRValues: []string{"urn:signet:mfa"}, BindingMessage: "XK-42 é", Sealed: []byte{0, 1, 255},
		Status: oauth.BackchannelPending, RequestID: "r-1", CreatedAt: now, ExpiresAt: now.Add(2 * time.Minute),
		Interval: 5, NextPoll: now,
	}
}

// answered is a request with its user's answer.
func answered(r oauth.Backchannel, status oauth.BackchannelStatus, grantID string) oauth.AnswerBackchannel {
	user := endUser()
	r.Status, r.User, r.GrantID = status, &user, grantID
	return oauth.AnswerBackchannel{Request: r}
}

// prepareApproved stores a request that its user has approved.
func prepareApproved(key string) []oauth.Change {
	return []oauth.Change{
		oauth.StoreBackchannel{Request: backchannel(key)}, oauth.StoreGrant{Grant: grant(key)},
		answered(backchannel(key), oauth.BackchannelApproved, key),
	}
}

func redeemBackchannel(key string) oauth.RedeemBackchannel {
	return oauth.RedeemBackchannel{Digest: digest(key), At: now}
}

func testBackchannel(t *testing.T, b Backend) {
	ctx := t.Context()
	got, err := b.Backchannel(ctx, digest("q"))
	gone(t, got, err)
	got, err = b.BackchannelByID(ctx, "q")
	gone(t, got, err)

	kept := backchannel("q")
	answer := answered(kept, oauth.BackchannelApproved, "g")
	commitConflicts(t, b, answer, answer) // there is none
	commit(t, b, oauth.StoreBackchannel{Request: kept})
	got, err = b.Backchannel(ctx, kept.Digest)
	same(t, got, err, kept)
	got, err = b.BackchannelByID(ctx, "q")
	same(t, got, err, kept)
	got, err = b.BackchannelByID(ctx, "Q")
	gone(t, got, err)
	for _, taken := range []oauth.Backchannel{{Digest: kept.Digest, ID: "other"}, {Digest: digest("other"), ID: kept.ID}} {
		taken.Status = oauth.BackchannelPending
		if err := b.Commit(ctx, oauth.StoreBackchannel{Request: taken}); err == nil {
			t.Error("two backchannel requests have one key")
		}
	}

	redeem := redeemBackchannel("q")
	commitConflicts(t, b, redeem, redeem) // not approved
	commit(t, b, oauth.StoreGrant{Grant: grant("g")}, answer)
	commitConflicts(t, b, answer, answer)
	got, err = b.Backchannel(ctx, kept.Digest)
	same(t, got, err, answer.Request)
	commitConflicts(t, b, answer, answered(kept, oauth.BackchannelDenied, ""))

	commit(t, b, redeem)
	commitConflicts(t, b, redeem, redeem)
	commitConflicts(t, b, answer, answer)
	kept = answer.Request
	kept.Status = oauth.BackchannelRedeemed
	got, err = b.BackchannelByID(ctx, "q")
	same(t, got, err, kept)

	denied := answered(backchannel("denied"), oauth.BackchannelDenied, "")
	commit(t, b, oauth.StoreBackchannel{Request: backchannel("denied")}, denied)
	got, err = b.Backchannel(ctx, digest("denied"))
	same(t, got, err, denied.Request)
	commitConflicts(t, b, redeem, redeemBackchannel("denied"))
	commitConflicts(t, b, redeem, redeemBackchannel("none"))

	for _, status := range []oauth.BackchannelStatus{"", oauth.BackchannelPending, oauth.BackchannelRedeemed, "approved "} {
		if err := b.Commit(ctx, answered(backchannel("denied"), status, "")); err == nil {
			t.Errorf("%q was accepted for an answer", status)
		}
	}
}

// testBackchannelGrant revokes the grant between approval and redemption.
func testBackchannelGrant(t *testing.T, b Backend) {
	commit(t, b, prepareApproved("q")...)
	commit(t, b, oauth.RevokeGrant{GrantID: "q", At: now})
	commitConflicts(t, b, oauth.RedeemBackchannel{}, redeemBackchannel("q"))
	commit(t, b, oauth.StoreBackchannel{Request: backchannel("orphan")}, answered(backchannel("orphan"), oauth.BackchannelApproved, "g-none"))
	commitConflicts(t, b, oauth.RedeemBackchannel{}, redeemBackchannel("orphan"))
	// Approved without a grant.
	commit(t, b, oauth.StoreBackchannel{Request: backchannel("bare")}, answered(backchannel("bare"), oauth.BackchannelApproved, ""))
	commit(t, b, redeemBackchannel("bare"))
}

func testBackchannelPolls(t *testing.T, b Backend) {
	kept := backchannel("q")
	kept.NextPoll = time.Time{} // the first may come at once
	commit(t, b, oauth.StoreBackchannel{Request: kept})
	for i, next := range []time.Time{now.Add(5 * time.Second), now.Add(10*time.Second + 999), now.Add(time.Hour)} {
		got, err := b.Backchannel(t.Context(), kept.Digest)
		same(t, got, err, kept)
		poll := oauth.PollBackchannel{Digest: kept.Digest, Seen: got.NextPoll, NextPoll: next, Interval: 5 + 5*i}
		commit(t, b, poll)
		commitConflicts(t, b, poll, poll)
		kept.NextPoll, kept.Interval = next.Truncate(time.Microsecond), 5+5*i
	}
	// An answer leaves the polls alone, whatever it says of them.
	stale := backchannel("q")
	answer := answered(stale, oauth.BackchannelDenied, "")
	commit(t, b, answer)
	want := answer.Request
	want.NextPoll, want.Interval = kept.NextPoll, kept.Interval
	got, err := b.Backchannel(t.Context(), kept.Digest)
	same(t, got, err, want)
	none := oauth.PollBackchannel{Digest: digest("none"), NextPoll: now}
	commitConflicts(t, b, none, none)
}

func testBackchannelPending(t *testing.T, b Backend) {
	ids := func(userID string, at time.Time) (ids []string) {
		t.Helper()
		pending, err := b.PendingBackchannels(t.Context(), userID, at)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range pending {
			if r.Digest != digest(r.ID) || r.Interval != 5 {
				t.Errorf("%s came back as %+v", r.ID, r)
			}
			ids = append(ids, r.ID)
		}
		return ids
	}
	same(t, ids("u-1", now), nil, nil)
	for _, name := range []string{"a", "b", "c", "d"} {
		r := backchannel(name)
		if name == "b" {
			r.ExpiresAt = now.Add(time.Second)
		}
		commit(t, b, oauth.StoreBackchannel{Request: r})
	}
	other := backchannel("other")
	other.UserID = "U-1"
	commit(t, b, oauth.StoreBackchannel{Request: other}, answered(backchannel("c"), oauth.BackchannelDenied, ""))
	same(t, ids("u-1", now), nil, []string{"d", "b", "a"})
	same(t, ids("u-1", now.Add(time.Second)), nil, []string{"d", "a"})
	same(t, ids("U-1", now), nil, []string{"other"})
	same(t, ids("u-2", now), nil, nil)
	for i := range 55 {
		r := backchannel(fmt.Sprint("many-", i))
		r.UserID = "u-2"
		commit(t, b, oauth.StoreBackchannel{Request: r})
	}
	if many := ids("u-2", now); len(many) != 50 || many[0] != "many-54" {
		t.Errorf("%d requests wait, %v", len(many), many)
	}
}
