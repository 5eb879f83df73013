package storetest

import (
	"testing"
	"time"

	"signet/provider/oauth"
)

func device(name string) oauth.DeviceRequest {
	return oauth.DeviceRequest{
		Digest: digest(name), UserCode: digest("user code of " + name), ID: name, ClientID: "tv",
		Scope: oauth.Scope{"openid", "accounts"}, Resources: []string{"https://localhost:9446"}, Details: details("2.00"),
		ACRValues: []string{"urn:signet:mfa"}, Sender: oauth.Confirmation{JKT: "thumb"}, Status: oauth.DevicePending,
		RequestID: "r-1", CreatedAt: now, ExpiresAt: now.Add(10 * time.Minute), Interval: 5, NextPoll: now,
	}
}

// deviceAnswer is a request with its user's answer.
func deviceAnswer(r oauth.DeviceRequest, status oauth.DeviceStatus, grantID string) oauth.AnswerDevice {
	user := endUser()
	r.Status, r.User, r.GrantID = status, &user, grantID
	return oauth.AnswerDevice{Request: r}
}

// prepareDeviceApproved stores a request that its user has approved.
func prepareDeviceApproved(key string) []oauth.Change {
	return []oauth.Change{
		oauth.StoreDevice{Request: device(key)}, oauth.StoreGrant{Grant: grant(key)},
		deviceAnswer(device(key), oauth.DeviceApproved, key),
	}
}

func redeemDevice(key string) oauth.RedeemDevice {
	return oauth.RedeemDevice{Digest: digest(key), At: now}
}

func testDevice(t *testing.T, b Backend) {
	ctx := t.Context()
	got, err := b.DeviceRequest(ctx, digest("d"))
	gone(t, got, err)
	kept := device("d")
	got, err = b.DeviceRequestByUserCode(ctx, kept.UserCode)
	gone(t, got, err)

	answer := deviceAnswer(kept, oauth.DeviceApproved, "g")
	commitConflicts(t, b, answer, answer) // there is none
	commit(t, b, oauth.StoreDevice{Request: kept})
	got, err = b.DeviceRequest(ctx, kept.Digest)
	same(t, got, err, kept)
	got, err = b.DeviceRequestByUserCode(ctx, kept.UserCode)
	same(t, got, err, kept)
	got, err = b.DeviceRequest(ctx, kept.UserCode) // each code has its own use
	gone(t, got, err)
	got, err = b.DeviceRequestByUserCode(ctx, kept.Digest)
	gone(t, got, err)

	redeem := redeemDevice("d")
	commitConflicts(t, b, redeem, redeem) // not approved
	commit(t, b, answer, oauth.StoreGrant{Grant: grant("g")})
	commitConflicts(t, b, answer, answer)
	commitConflicts(t, b, answer, deviceAnswer(kept, oauth.DeviceDenied, ""))
	got, err = b.DeviceRequestByUserCode(ctx, kept.UserCode)
	same(t, got, err, answer.Request)

	commit(t, b, redeem)
	commitConflicts(t, b, redeem, redeem)
	commitConflicts(t, b, answer, answer)
	kept = answer.Request
	kept.Status = oauth.DeviceRedeemed
	got, err = b.DeviceRequest(ctx, kept.Digest)
	same(t, got, err, kept)

	denied := deviceAnswer(device("denied"), oauth.DeviceDenied, "")
	commit(t, b, oauth.StoreDevice{Request: device("denied")}, denied)
	got, err = b.DeviceRequest(ctx, digest("denied"))
	same(t, got, err, denied.Request)
	commitConflicts(t, b, redeem, redeemDevice("denied"))
	commitConflicts(t, b, redeem, redeemDevice("none"))

	for _, status := range []oauth.DeviceStatus{"", oauth.DevicePending, oauth.DeviceRedeemed, "approved "} {
		if err := b.Commit(ctx, deviceAnswer(device("denied"), status, "")); err == nil {
			t.Errorf("%q was accepted for an answer", status)
		}
	}
	for _, edit := range []func(*oauth.DeviceRequest){
		func(r *oauth.DeviceRequest) { r.Status = oauth.DeviceApproved },
		func(r *oauth.DeviceRequest) { r.Digest = oauth.Digest{} },
		func(r *oauth.DeviceRequest) { r.UserCode = oauth.Digest{} },
	} {
		wrong := device("wrong")
		edit(&wrong)
		if err := b.Commit(ctx, oauth.StoreDevice{Request: wrong}); err == nil {
			t.Errorf("stored: %+v", wrong)
		}
	}
}

// testDeviceGrant: an approval is worth as much as the grant that came with it.
func testDeviceGrant(t *testing.T, b Backend) {
	commit(t, b, prepareDeviceApproved("d")...)
	commit(t, b, oauth.RevokeGrant{GrantID: "d", At: now})
	commitConflicts(t, b, oauth.RedeemDevice{}, redeemDevice("d"))
	for name, grantID := range map[string]string{"orphan": "g-none", "bare": ""} {
		commit(t, b, oauth.StoreDevice{Request: device(name)}, deviceAnswer(device(name), oauth.DeviceApproved, grantID))
		commitConflicts(t, b, oauth.RedeemDevice{}, redeemDevice(name))
	}
}

func testDevicePolls(t *testing.T, b Backend) {
	kept := device("d")
	kept.NextPoll = time.Time{} // the first may come at once
	commit(t, b, oauth.StoreDevice{Request: kept})
	for i, next := range []time.Time{now.Add(5 * time.Second), now.Add(10*time.Second + 999), now.Add(time.Hour)} {
		got, err := b.DeviceRequest(t.Context(), kept.Digest)
		same(t, got, err, kept)
		poll := oauth.PollDevice{Digest: kept.Digest, Seen: got.NextPoll, NextPoll: next, Interval: 5 + 5*i}
		commit(t, b, poll)
		commitConflicts(t, b, poll, poll)
		kept.NextPoll, kept.Interval = next.Truncate(time.Microsecond), 5+5*i
	}
	// An answer leaves the polls alone, whatever it says of them.
	answer := deviceAnswer(device("d"), oauth.DeviceDenied, "")
	commit(t, b, answer)
	want := answer.Request
	want.NextPoll, want.Interval = kept.NextPoll, kept.Interval
	got, err := b.DeviceRequest(t.Context(), kept.Digest)
	same(t, got, err, want)
	none := oauth.PollDevice{Digest: digest("none"), NextPoll: now}
	commitConflicts(t, b, none, none)
}

// testDeviceUserCodes gives a user code again: to nobody while a request waits under it, to the next one afterwards.
func testDeviceUserCodes(t *testing.T, b Backend) {
	again := func(name, of string) oauth.DeviceRequest {
		r := device(name)
		r.UserCode = device(of).UserCode
		return r
	}
	answers := map[string]oauth.Change{
		"denied":   deviceAnswer(device("denied"), oauth.DeviceDenied, ""),
		"approved": deviceAnswer(device("approved"), oauth.DeviceApproved, "g"),
		"expired":  nil,
	}
	for name, answer := range answers {
		commit(t, b, oauth.StoreDevice{Request: device(name)})
		second := again(name+"-2", name)
		commitConflicts(t, b, oauth.StoreDevice{}, oauth.StoreDevice{Request: second})
		if answer != nil {
			commit(t, b, answer)
		} else {
			second.CreatedAt = device(name).ExpiresAt
		}
		commit(t, b, oauth.StoreDevice{Request: second})
		got, err := b.DeviceRequestByUserCode(t.Context(), second.UserCode)
		same(t, got, err, second)
		// Its client still hears what became of the first.
		first, err := b.DeviceRequest(t.Context(), digest(name))
		if err != nil || first.UserCode != (oauth.Digest{}) || answer != nil && string(first.Status) != name {
			t.Errorf("%s: %+v, %v", name, first, err)
		}
	}
}
