package token

import (
	"context"
	"errors"
	"time"

	"signet/provider/issue"
	"signet/provider/oauth"
)

// DeviceStore reads device authorization requests.
type DeviceStore interface {
	// DeviceRequest returns oauth.ErrNotFound for a request that does not exist; an expired or redeemed one is
	// returned for as long as it is kept.
	DeviceRequest(ctx context.Context, deviceCode oauth.Digest) (oauth.DeviceRequest, error)
}

// Device is the urn:ietf:params:oauth:grant-type:device_code grant (RFC 8628 section 3.4).
type Device struct {
	Store DeviceStore
	Users UserStore
	// IDClaims says which of the user's claims may go into the ID token.
	IDClaims issue.IDTokenClaims
}

// GrantType implements oauth.GrantHandler.
func (Device) GrantType() string { return oauth.GrantDevice }

// Redeem answers a poll (RFC 8628 section 3.5). A request that waits for its user changes by being polled: it remembers
// when the next poll may come. Nobody but the client that asked, holding the key that it asked with, learns anything.
func (g Device) Redeem(ctx context.Context, req oauth.TokenRequest) (oauth.Authorization, error) {
	presented := req.Params.Secret("device_code")
	if presented == "" {
		return oauth.Authorization{}, oauth.Errorf(oauth.InvalidRequest, "device_code is missing")
	}
	d, err := g.Store.DeviceRequest(ctx, presented.Digest())
	if errors.Is(err, oauth.ErrNotFound) || err == nil && d.ClientID != req.Client.ID {
		return oauth.Authorization{}, oauth.Errorf(oauth.InvalidGrant, "the device_code is not known for this client")
	}
	if err != nil {
		return oauth.Authorization{}, err
	}
	switch {
	case !holds(req.Sender, d.Sender):
		return oauth.Authorization{}, oauth.Errorf(oauth.InvalidGrant, "the device_code is bound to another key or certificate: poll with the one that it was asked for with")
	case d.Status == oauth.DeviceRedeemed:
		return oauth.Authorization{}, oauth.Errorf(oauth.InvalidGrant, "the device_code was used before")
	case d.Status == oauth.DeviceDenied:
		return oauth.Authorization{}, oauth.Errorf(oauth.AccessDenied, "the user denied the request")
	case !req.Now.Before(d.ExpiresAt):
		return oauth.Authorization{}, oauth.Errorf(oauth.ExpiredToken, "the device_code has expired")
	case d.Status == oauth.DevicePending:
		return oauth.Authorization{}, devicePending(d, req.Now)
	}
	return g.approved(ctx, d, req)
}

// holds says whether a sender proved to hold all that something is bound to.
func holds(sender, bound oauth.Confirmation) bool {
	return (bound.JKT == "" || bound.JKT == sender.JKT) && (bound.X5TS256 == "" || bound.X5TS256 == sender.X5TS256)
}

// devicePending refuses, and notes when the client may come again (RFC 8628 section 3.5).
func devicePending(d oauth.DeviceRequest, now time.Time) *oauth.Refusal {
	now = now.UTC().Truncate(time.Microsecond) // as every database keeps it
	poll := oauth.PollDevice{Digest: d.Digest, Seen: d.NextPoll, Interval: d.Interval}
	fault := oauth.Errorf(oauth.AuthorizationPending, "the user has not answered yet")
	if now.Before(d.NextPoll.Add(-pollSlack)) {
		fault = oauth.Errorf(oauth.SlowDown, "poll less often: %d seconds have been added to the interval", slowDown)
		poll.Interval += slowDown
	}
	poll.NextPoll = now.Add(time.Duration(poll.Interval) * time.Second)
	return &oauth.Refusal{Err: fault, Changes: []oauth.Change{poll}}
}

// errDeviceUnanswered: the store says approved and does not say by whom.
var errDeviceUnanswered = errors.New("an approved device request has no user or no grant")

func (g Device) approved(ctx context.Context, d oauth.DeviceRequest, req oauth.TokenRequest) (oauth.Authorization, error) {
	if d.Status != oauth.DeviceApproved || d.User == nil || d.GrantID == "" {
		return oauth.Authorization{}, errDeviceUnanswered
	}
	account, err := userMayGoOn(ctx, g.Users, *d.User)
	if err != nil {
		return oauth.Authorization{}, err
	}
	// The device takes no part in the browser session in which the user approved, and hears nothing of its end: no
	// token names it.
	user := *d.User
	user.SessionID = ""
	return oauth.Authorization{
		Subject: user, GrantID: d.GrantID, Scope: d.Scope, Resources: d.Resources, Details: d.Details,
		Refresh: refreshFor(req.Client, d.Scope), UserClaims: g.IDClaims.For(account, req.Client, d.Scope, nil),
		Changes: []oauth.Change{oauth.RedeemDevice{Digest: d.Digest, At: req.Now}},
	}, nil
}
