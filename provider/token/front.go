package token

import (
	"context"
	"errors"

	"signet/provider/oauth"
	"signet/provider/web"
)

// Front makes the access tokens of authorization responses (OpenID Connect Core sections 3.2.2.5 and 3.3.2.5): by the
// same policy, and from the same issuer, as those that the endpoint hands out.
type Front struct {
	Endpoint *Endpoint
	Users    UserStore
}

// FrontTokens is an access token that leaves in an authorization response.
type FrontTokens struct {
	AccessToken oauth.Secret
	TokenType   string
	ExpiresIn   int64 // seconds
	Scope       oauth.Scope
	JTI         string
	DecisionID  string // of the policy's decision
}

// Tokens decides by policy, to which this is the grant type implicit and a client that has not authenticated, and issues
// an access token about the user for the whole of the grant. Nothing is stored: the changes, its audit entry among them,
// go into the commit that keeps the grant. With an error there are none. It is an *[oauth.Error], or an *[oauth.Refusal]
// by policy, unless something is out of order; among others for a client whose tokens are sender-constrained: nobody
// shows a key at the authorization endpoint.
func (f Front) Tokens(
	ctx context.Context, c *oauth.Client, p oauth.Profile, grant oauth.Grant, user oauth.EndUser,
) (FrontTokens, []oauth.Change, error) {
	e := f.Endpoint
	caller := oauth.ClientAuthentication{Client: c, Profile: p, Method: oauth.AuthNone}
	if err := checkFront(caller); err != nil {
		return FrontTokens{}, nil, err
	}
	if _, err := userMayGoOn(ctx, f.Users, user); err != nil {
		return FrontTokens{}, nil, inFront(err)
	}
	req := oauth.TokenRequest{ID: web.RequestID(ctx), Now: e.Clock(), GrantType: oauth.GrantImplicit, Client: c, Profile: p}
	a := oauth.Authorization{
		Subject: user, GrantID: grant.ID, Scope: grant.Scope, Resources: grant.Resources, Details: grant.Details,
		Refresh: oauth.NoRefresh{},
	}
	target, err := e.target(req, a)
	if err != nil {
		return FrontTokens{}, nil, err
	}
	decision, err := e.decide(ctx, req, caller, a, target)
	if err != nil {
		return FrontTokens{}, nil, err
	}
	m := e.mandate(req, a, target, decision)
	issued, err := e.accessToken(ctx, m)
	if err != nil {
		return FrontTokens{}, nil, err
	}
	entry := oauth.RecordAudit{Entry: issuedEntry(req, a, issued, decision)}
	return FrontTokens{
		AccessToken: oauth.Secret(issued.response.AccessToken), TokenType: issued.response.TokenType,
		ExpiresIn: issued.response.ExpiresIn, Scope: m.Scope, JTI: issued.jti, DecisionID: decision.ID,
	}, append(issued.changes, entry), nil
}

// inFront gives the error a code of the authorization endpoint (RFC 6749 section 4.2.2.1).
func inFront(err error) error {
	var fault *oauth.Error
	if errors.As(err, &fault) && fault.Code == oauth.InvalidGrant {
		return oauth.Errorf(oauth.AccessDenied, "%s", fault.Description).Because(err)
	}
	return err
}

// checkFront refuses clients that may not have access tokens in front.
func checkFront(caller oauth.ClientAuthentication) *oauth.Error {
	if !caller.Client.Allows(oauth.GrantImplicit) {
		return oauth.Errorf(oauth.UnauthorizedClient, "this client is not registered for the grant type implicit")
	}
	if err := checkSender(caller, oauth.Confirmation{}); err != nil {
		const text = "this client's tokens are sender-constrained: none leaves the authorization endpoint"
		return oauth.Errorf(oauth.UnauthorizedClient, text).Because(err)
	}
	return nil
}
