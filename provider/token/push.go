package token

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"signet/provider/oauth"
	"signet/provider/web"
)

// Push makes the tokens of approved backchannel requests for clients that get them by push (CIBA Core section
// 10.3.1): by the same policy, and from the same issuer, as those that the endpoint hands out.
type Push struct {
	Endpoint *Endpoint
	Users    UserStore
}

// pushed is the payload (CIBA Core section 10.3.1).
type pushed struct {
	AuthReqID string `json:"auth_req_id"`
	*response
}

// Tokens returns the JSON for the client and what must be committed before it is sent: with the approval, in one
// commit, whose StoreGrant comes first. An *oauth.Error says that there are no tokens, and unless it is about the
// present only, the changes have the audit entry of that; there must be no grant then. A client whose tokens are
// sender-constrained is refused: nobody was there to prove a key.
func (p Push) Tokens(ctx context.Context, client *oauth.Client, profile oauth.Profile, request oauth.Backchannel, authReqID oauth.Secret) ([]byte, []oauth.Change, error) {
	req := oauth.TokenRequest{ID: web.RequestID(ctx), Now: p.Endpoint.Clock(), GrantType: oauth.GrantCIBA, Client: client, Profile: profile}
	body, changes, err := p.tokens(ctx, req, request, authReqID)
	if err != nil {
		changes, err = p.refused(req, request, err)
		return nil, changes, err
	}
	return body, changes, nil
}

func (p Push) tokens(ctx context.Context, req oauth.TokenRequest, request oauth.Backchannel, authReqID oauth.Secret) ([]byte, []oauth.Change, error) {
	e := p.Endpoint
	caller := oauth.ClientAuthentication{Client: req.Client, Profile: req.Profile, Method: req.Client.AuthMethod}
	if err := checkSender(caller, oauth.Confirmation{}); err != nil {
		return nil, nil, err
	}
	a, err := authorizationOf(request, req.Client)
	if err != nil {
		return nil, nil, err
	}
	a.AuthReqID = authReqID.Reveal()
	if _, err := userMayGoOn(ctx, p.Users, *request.User); err != nil {
		return nil, nil, err
	}
	target, err := e.target(req, a)
	if err != nil {
		return nil, nil, err
	}
	decision, err := e.decide(ctx, req, caller, a, target)
	if err != nil {
		return nil, nil, err
	}
	issued, err := e.issue(ctx, req, a, target, decision)
	if err != nil {
		return nil, nil, err
	}
	body, err := json.Marshal(pushed{authReqID.Reveal(), issued.response})
	if err != nil {
		return nil, nil, err
	}
	entry := oauth.RecordAudit{Entry: e.issuedEntry(req, a, issued, decision)}
	return body, append(slices.Clone(issued.changes), entry), nil
}

// refused is what is kept of a refusal: the user had approved, and hears nothing of it.
func (p Push) refused(req oauth.TokenRequest, request oauth.Backchannel, err error) ([]oauth.Change, error) {
	var refusal *oauth.Refusal
	var fault *oauth.Error
	switch {
	case errors.As(err, &refusal):
	case errors.As(err, &fault):
		refusal = &oauth.Refusal{Err: fault}
	default:
		return nil, err
	}
	if code := refusal.Err.Code; code == oauth.TemporarilyUnavailable || code == oauth.ServerError {
		return nil, err
	}
	entry, failure := p.Endpoint.refusedEntry(req, refusal)
	if failure != nil {
		return nil, failure
	}
	entry.Subject, entry.Detail["backchannel_id"] = request.UserID, request.ID
	return append(slices.Clone(refusal.Changes), oauth.RecordAudit{Entry: entry}), refusal.Err
}
