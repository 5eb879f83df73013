package token

import (
	"context"
	"errors"
	"time"

	"signet/provider/oauth"
	"signet/provider/web"
)

// Front makes the access tokens of authorization responses (OpenID Connect Core sections 3.2.2.5 and 3.3.2.5): by the
// same policy, and from the same issuer, as those that the endpoint hands out.
type Front struct {
	Endpoint *Endpoint
	Users    UserStore
}

// FrontTokens is an access token that leaves in an authorization response, and what an ID token may say that leaves with
// it, or without any.
type FrontTokens struct {
	AccessToken oauth.Secret // "" = none
	TokenType   string
	ExpiresIn   int64       // seconds
	Scope       oauth.Scope // granted by policy
	JTI         string
	DecisionID  string         // of the policy's decision
	IDClaims    map[string]any // of the ID token, by policy
	IDLifetime  time.Duration
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
	req, caller, err := f.request(ctx, c, p, user)
	if err != nil {
		return FrontTokens{}, nil, err
	}
	if err := checkFront(caller, grant); err != nil {
		return FrontTokens{}, nil, err
	}
	a := oauth.Authorization{
		Subject: user, GrantID: grant.ID, Scope: grant.Scope, Resources: grant.Resources, Claims: grant.Claims,
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
	entry := oauth.RecordAudit{Entry: e.issuedEntry(req, a, issued, decision)}
	return FrontTokens{
		AccessToken: oauth.Secret(issued.response.AccessToken), TokenType: issued.response.TokenType,
		ExpiresIn: issued.response.ExpiresIn, Scope: m.Scope, JTI: issued.jti, DecisionID: decision.ID,
		IDClaims: m.IDClaims, IDLifetime: m.IDLifetime,
	}, append(issued.changes, entry), nil
}

// IDToken decides by policy about the ID token of an authorization response that has no access token: what it may say
// of the user, and for how long. To policy this is the grant type implicit for no resource server, and the scope is what
// the ID token is about. Without openid in the scope that comes back there must be no ID token. The errors are those of
// Tokens, but that a client whose tokens are sender-constrained can have an ID token.
func (f Front) IDToken(
	ctx context.Context, c *oauth.Client, p oauth.Profile, grant oauth.Grant, user oauth.EndUser,
) (FrontTokens, error) {
	req, caller, err := f.request(ctx, c, p, user)
	if err != nil {
		return FrontTokens{}, err
	}
	a := oauth.Authorization{
		Subject: user, GrantID: grant.ID, Claims: oauth.ClaimsRequest{IDToken: grant.Claims.IDToken}, Refresh: oauth.NoRefresh{},
	}
	about := target{scope: grant.Scope.Intersect(userScopes).Intersect(c.Scopes())}
	decision, err := f.Endpoint.decide(ctx, req, caller, a, about)
	if err != nil {
		return FrontTokens{}, err
	}
	m := f.Endpoint.mandate(req, a, about, decision)
	return FrontTokens{Scope: m.Scope, DecisionID: decision.ID, IDClaims: m.IDClaims, IDLifetime: m.IDLifetime}, nil
}

// request is what policy is told of whoever is at the authorization endpoint: a client that has not authenticated, and
// a user whose account is in order.
func (f Front) request(
	ctx context.Context, c *oauth.Client, p oauth.Profile, user oauth.EndUser,
) (oauth.TokenRequest, oauth.ClientAuthentication, error) {
	caller := oauth.ClientAuthentication{Client: c, Profile: p, Method: oauth.AuthNone}
	req := oauth.TokenRequest{
		ID: web.RequestID(ctx), Now: f.Endpoint.Clock(), GrantType: oauth.GrantImplicit, Client: c, Profile: p,
	}
	if !c.Allows(oauth.GrantImplicit) {
		return req, caller, oauth.Errorf(oauth.UnauthorizedClient, "this client is not registered for the grant type implicit")
	}
	_, err := userMayGoOn(ctx, f.Users, user)
	return req, caller, inFront(err)
}

// inFront gives the error a code of the authorization endpoint (RFC 6749 section 4.2.2.1).
func inFront(err error) error {
	var fault *oauth.Error
	if errors.As(err, &fault) && fault.Code == oauth.InvalidGrant {
		return oauth.Errorf(oauth.AccessDenied, "%s", fault.Description).Because(err)
	}
	return err
}

// checkFront refuses what may not be had by an access token in front: what is bound, as the tokens of a client are that
// shows its certificate, and authorization_details, of which each is about one thing.
func checkFront(caller oauth.ClientAuthentication, grant oauth.Grant) error {
	const bound = "this client's tokens are sender-constrained: none leaves the authorization endpoint"
	if err := checkSender(caller, oauth.Confirmation{}); err != nil {
		return oauth.Errorf(oauth.UnauthorizedClient, bound).Because(err)
	}
	if caller.Client.AuthMethod.UsesCertificate() {
		return oauth.Errorf(oauth.UnauthorizedClient, bound)
	}
	if len(grant.Details) > 0 {
		return oauth.Errorf(oauth.InvalidRequest, "the grant has authorization_details: no access token leaves the authorization endpoint for it")
	}
	return nil
}
