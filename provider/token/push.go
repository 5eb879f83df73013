package token

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"signet/provider/audit"
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
// commit, whose StoreGrant comes first. An *oauth.Error says that there are no tokens, and the changes then have the
// audit entry of that. A client whose tokens are sender-constrained is refused: nobody was there to prove a key.
func (p Push) Tokens(ctx context.Context, client *oauth.Client, profile oauth.Profile, request oauth.Backchannel, authReqID oauth.Secret) ([]byte, []oauth.Change, error) {
	e := p.Endpoint
	caller := oauth.ClientAuthentication{Client: client, Profile: profile, Method: client.AuthMethod}
	if err := checkSender(caller, oauth.Confirmation{}); err != nil {
		return nil, nil, err
	}
	a, err := authorizationOf(request, client)
	if err != nil {
		return nil, nil, err
	}
	a.AuthReqID = authReqID.Reveal()
	if err := userMayGoOn(ctx, p.Users, *request.User); err != nil {
		return nil, nil, err
	}
	req := oauth.TokenRequest{ID: web.RequestID(ctx), Now: e.Clock(), GrantType: oauth.GrantCIBA, Client: client, Profile: profile}
	target, err := e.target(req, a)
	if err != nil {
		return nil, nil, err
	}
	decision, err := e.decide(ctx, req, caller, a, target)
	if err != nil {
		return p.refused(req, err)
	}
	issued, err := e.issue(ctx, req, a, target, decision)
	if err != nil {
		return nil, nil, err
	}
	body, err := json.Marshal(pushed{authReqID.Reveal(), issued.response})
	if err != nil {
		return nil, nil, err
	}
	entry := oauth.RecordAudit{Entry: issuedEntry(req, a, issued, decision)}
	return body, append(slices.Clone(issued.changes), entry), nil
}

// refused keeps what policy said.
func (p Push) refused(req oauth.TokenRequest, err error) ([]byte, []oauth.Change, error) {
	var refusal *oauth.Refusal
	if !errors.As(err, &refusal) {
		return nil, nil, err
	}
	detail := map[string]any{"error": string(refusal.Err.Code), "grant_type": req.GrantType}
	for name, value := range refusal.Detail {
		detail[name] = value
	}
	entry, failure := p.Endpoint.Record.Change(audit.TokenRefused, oauth.AuditEntry{
		RequestID: req.ID, ClientID: req.Client.ID, DecisionID: refusal.Err.Decision, Detail: detail,
	})
	if failure != nil {
		return nil, nil, failure
	}
	return nil, append(slices.Clone(refusal.Changes), entry), refusal.Err
}
