package token

import (
	"context"
	"time"

	"signet/provider/assertion"
	"signet/provider/issue"
	"signet/provider/oauth"
)

// SAMLAssertions judges SAML 2.0 assertions, base64url; *assertion.Reader does. The errors are those of [JWTAssertions].
type SAMLAssertions interface {
	SAML(ctx context.Context, client *oauth.Client, raw, use string, now time.Time) (assertion.Asserted, error)
}

// SAML2Bearer is the urn:ietf:params:oauth:grant-type:saml2-bearer grant (RFC 7522 section 2.1): a SAML 2.0 assertion says
// who the user is.
type SAML2Bearer struct {
	Assertions SAMLAssertions
	// Lifetime is how long the grant is kept: no less than the longest life of an access token.
	Lifetime time.Duration
	// IDClaims says which of the user's claims may go into an ID token.
	IDClaims issue.IDTokenClaims
	Random   oauth.Random
}

// GrantType implements oauth.GrantHandler.
func (SAML2Bearer) GrantType() string { return oauth.GrantSAML2Bearer }

// Redeem grants what [JWTBearer.Redeem] does.
func (g SAML2Bearer) Redeem(ctx context.Context, req oauth.TokenRequest) (oauth.Authorization, error) {
	raw := req.Params.Get("assertion")
	if raw == "" {
		return oauth.Authorization{}, oauth.Errorf(oauth.InvalidRequest, "assertion is missing")
	}
	asserted, err := g.Assertions.SAML(ctx, req.Client, raw, oauth.GrantSAML2Bearer, req.Now)
	if err != nil {
		return oauth.Authorization{}, err
	}
	return assertedGrant{g.Lifetime, g.IDClaims, g.Random}.authorize(req, asserted)
}
