package token

import (
	"context"
	"errors"
	"time"

	"signet/provider/oauth"
)

// pollSlack is how much too early a poll may be: clients count from when their last one left them.
const pollSlack = 500 * time.Millisecond

// slowDown is how many seconds a client that polls too often has to wait longer, each time (CIBA Core section 11).
const slowDown = 5

// BackchannelStore reads backchannel authentication requests.
type BackchannelStore interface {
	// Backchannel returns oauth.ErrNotFound for a request that does not exist; an expired or redeemed one is
	// returned for as long as it is kept.
	Backchannel(ctx context.Context, digest oauth.Digest) (oauth.Backchannel, error)
}

// CIBA is the urn:openid:params:grant-type:ciba grant (CIBA Core section 10.1).
type CIBA struct {
	Store BackchannelStore
	Users UserStore
}

// GrantType implements oauth.GrantHandler.
func (CIBA) GrantType() string { return oauth.GrantCIBA }

// Redeem answers a poll (CIBA Core section 11). A request that waits for its user changes by being polled: it
// remembers when the next poll may come.
func (g CIBA) Redeem(ctx context.Context, req oauth.TokenRequest) (oauth.Authorization, error) {
	presented := req.Params.Secret("auth_req_id")
	if presented == "" {
		return oauth.Authorization{}, oauth.Errorf(oauth.InvalidRequest, "auth_req_id is missing")
	}
	b, err := g.Store.Backchannel(ctx, presented.Digest())
	if errors.Is(err, oauth.ErrNotFound) || err == nil && b.ClientID != req.Client.ID {
		return oauth.Authorization{}, oauth.Errorf(oauth.InvalidGrant, "the auth_req_id is not known for this client")
	}
	if err != nil {
		return oauth.Authorization{}, err
	}
	if b.Mode == oauth.BackchannelPush || req.Client.BackchannelMode == oauth.BackchannelPush {
		return oauth.Authorization{}, oauth.Errorf(oauth.UnauthorizedClient, "this client gets its tokens by push (CIBA Core section 11)")
	}
	switch {
	case b.Status == oauth.BackchannelRedeemed:
		return oauth.Authorization{}, oauth.Errorf(oauth.InvalidGrant, "the auth_req_id was used before")
	case b.Status == oauth.BackchannelDenied:
		return oauth.Authorization{}, oauth.Errorf(oauth.AccessDenied, "the user denied the request")
	case !req.Now.Before(b.ExpiresAt):
		return oauth.Authorization{}, oauth.Errorf(oauth.ExpiredToken, "the auth_req_id has expired")
	case b.Status == oauth.BackchannelPending:
		return oauth.Authorization{}, pending(b, req.Now)
	}
	return g.approved(ctx, b, req)
}

// pending refuses, and notes when the client may come again.
func pending(b oauth.Backchannel, now time.Time) *oauth.Refusal {
	now = now.UTC().Truncate(time.Microsecond) // as every database keeps it
	poll := oauth.PollBackchannel{Digest: b.Digest, Seen: b.NextPoll, Interval: b.Interval}
	fault := oauth.Errorf(oauth.AuthorizationPending, "the user has not answered yet")
	if now.Before(b.NextPoll.Add(-pollSlack)) {
		fault = oauth.Errorf(oauth.SlowDown, "poll less often: %d seconds have been added to the interval", slowDown)
		poll.Interval += slowDown
	}
	poll.NextPoll = now.Add(time.Duration(poll.Interval) * time.Second)
	return &oauth.Refusal{Err: fault, Changes: []oauth.Change{poll}}
}

// waits says that a poll found nothing new. Nothing was refused for good, so that the audit log is not told.
func waits(code oauth.Code) bool {
	return code == oauth.AuthorizationPending || code == oauth.SlowDown
}

func (g CIBA) approved(ctx context.Context, b oauth.Backchannel, req oauth.TokenRequest) (oauth.Authorization, error) {
	a, err := authorizationOf(b, req.Client)
	if err != nil {
		return oauth.Authorization{}, err
	}
	if _, err := userMayGoOn(ctx, g.Users, *b.User); err != nil {
		return oauth.Authorization{}, err
	}
	a.Changes = []oauth.Change{oauth.RedeemBackchannel{Digest: b.Digest, At: req.Now}}
	return a, nil
}

// errUnanswered: the store says approved and does not say by whom.
var errUnanswered = errors.New("an approved backchannel request has no user or no grant")

// authorizationOf is what an approved request allows.
func authorizationOf(b oauth.Backchannel, client *oauth.Client) (oauth.Authorization, error) {
	if b.Status != oauth.BackchannelApproved || b.User == nil || b.GrantID == "" {
		return oauth.Authorization{}, errUnanswered
	}
	// The browser session in which the user approved is none of the client's, which takes no part in it and hears
	// nothing of its end: no token names it.
	user := *b.User
	user.SessionID = ""
	return oauth.Authorization{
		Subject: user, GrantID: b.GrantID, Scope: b.Scope, Resources: b.Resources, Details: b.Details,
		Refresh: refreshFor(client, b.Scope),
	}, nil
}
