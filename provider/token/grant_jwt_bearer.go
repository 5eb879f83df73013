package token

import (
	"context"
	"time"

	"signet/provider/assertion"
	"signet/provider/issue"
	"signet/provider/oauth"
)

// JWTAssertions judges JWTs of other issuers, and of clients; *assertion.Reader does. Errors are *oauth.Error:
// invalid_grant, or temporarily_unavailable when the issuer's keys cannot be had; any other is the store's.
type JWTAssertions interface {
	JWT(ctx context.Context, client *oauth.Client, raw, use string, now time.Time) (assertion.Asserted, error)
}

// JWTBearer is the urn:ietf:params:oauth:grant-type:jwt-bearer grant (RFC 7523 section 2.1): a JWT says who the user is.
type JWTBearer struct {
	Assertions JWTAssertions
	// Lifetime is how long the grant is kept: no less than the longest life of an access token.
	Lifetime time.Duration
	// IDClaims says which of the user's claims may go into an ID token.
	IDClaims issue.IDTokenClaims
	Random   oauth.Random
}

// GrantType implements oauth.GrantHandler.
func (JWTBearer) GrantType() string { return oauth.GrantJWTBearer }

// Redeem grants the requested scope within what the assertion's issuer and the client may have, or all of it when none was
// requested; never a refresh token: the client can bring another assertion (RFC 7521 section 4.1).
func (g JWTBearer) Redeem(ctx context.Context, req oauth.TokenRequest) (oauth.Authorization, error) {
	raw := req.Params.Get("assertion")
	if raw == "" {
		return oauth.Authorization{}, oauth.Errorf(oauth.InvalidRequest, "assertion is missing")
	}
	asserted, err := g.Assertions.JWT(ctx, req.Client, raw, oauth.GrantJWTBearer, req.Now)
	if err != nil {
		return oauth.Authorization{}, err
	}
	return assertedGrant{g.Lifetime, g.IDClaims, g.Random}.authorize(req, asserted)
}

// assertedGrant makes a grant of an assertion, whatever its form.
type assertedGrant struct {
	lifetime time.Duration
	idClaims issue.IDTokenClaims
	random   oauth.Random
}

// authorize decides what an accepted assertion gives. What is made of it may outlive the assertion, which is made for this
// one request, but not the session at its issuer, where that has an end.
func (g assertedGrant) authorize(req oauth.TokenRequest, asserted assertion.Asserted) (oauth.Authorization, error) {
	allowed := req.Client.Scopes()
	if asserted.Scope != nil {
		allowed = allowed.Intersect(asserted.Scope)
	}
	allowed = without(allowed, oauth.ScopeOfflineAccess) // there is no refresh token
	if asserted.ClientItself() {
		allowed = withoutUserScopes(allowed)
	}
	scope, fault := requestedScope(req, allowed)
	if fault != nil {
		return oauth.Authorization{}, fault
	}
	if len(scope) == 0 {
		return oauth.Authorization{}, oauth.Errorf(oauth.InvalidScope, "this client may have nothing of what the assertion's issuer may give")
	}
	a := oauth.Authorization{
		Scope: scope, Refresh: oauth.NoRefresh{}, NotAfter: asserted.SessionEnds, Changes: asserted.Changes,
		Question: &oauth.Question{Assertion: &oauth.AssertionFacts{Issuer: asserted.Issuer, Claims: asserted.Claims}},
	}
	if asserted.ClientItself() {
		a.Subject = oauth.ClientItself{ClientID: req.Client.ID}
		return a, nil
	}
	user := asserted.EndUser()
	grant, err := userGrant(req, user, scope, g.lifetime, g.random)
	if err != nil {
		return oauth.Authorization{}, err
	}
	a.Subject, a.GrantID, a.Resources = user, grant.ID, grant.Resources
	a.UserClaims = g.idClaims.For(asserted.User, req.Client, scope, nil)
	a.Changes = append(a.Changes, oauth.StoreGrant{Grant: grant})
	return a, nil
}

func without(scope oauth.Scope, value string) oauth.Scope {
	var left oauth.Scope
	for _, other := range scope {
		if other != value {
			left = append(left, other)
		}
	}
	return left
}
