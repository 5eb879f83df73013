package issue

import (
	"time"

	"signet/provider/oauth"
)

// NewRefreshToken draws a grant's first refresh token. It keeps the whole of what the user granted, whatever the
// access token beside it was narrowed to (RFC 6749 section 6), and who acts for the user. One that is made from another
// token ends no later than that one does.
func (i *Issuer) NewRefreshToken(m Mandate, user oauth.EndUser, granted oauth.Authorization, lifetime time.Duration) (oauth.Secret, oauth.RefreshToken, error) {
	value, err := oauth.NewSecret(i.opt.Random)
	if err != nil {
		return "", oauth.RefreshToken{}, err
	}
	token := oauth.RefreshToken{
		Digest: value.Digest(), ClientID: m.Client.ID, GrantID: m.GrantID, User: user, Scope: granted.Scope,
		Resources: granted.Resources, Details: granted.Details, Managed: granted.TellGrant,
		Claims: granted.Claims, // userinfo's, too: policy is asked about them at every refresh
		Actor:  granted.Actor, Derived: granted.Parent != "" || !granted.NotAfter.IsZero(),
		IssuedAt: m.Now, ExpiresAt: m.Now.Add(lifetime),
	}
	if !granted.NotAfter.IsZero() && granted.NotAfter.Before(token.ExpiresAt) {
		token.ExpiresAt = granted.NotAfter
	}
	if m.Client.Public() || token.Derived {
		// A public client's refresh token is bound to its key (RFC 8705 section 4, RFC 9449 section 5); a
		// confidential client's is bound by client authentication, which lets it renew its keys. What is made from a
		// bound token must not become one that anybody may use, by way of a refresh token either.
		token.Confirmation = m.Confirmation
	}
	return value, token, nil
}

// Successor draws the token that replaces old: same grant, scope, binding and expiry.
func (i *Issuer) Successor(old oauth.RefreshToken, now time.Time) (oauth.Secret, oauth.RefreshToken, error) {
	value, err := oauth.NewSecret(i.opt.Random)
	if err != nil {
		return "", oauth.RefreshToken{}, err
	}
	next := old
	next.Digest, next.IssuedAt = value.Digest(), now
	next.RotatedAt, next.Successor, next.SuccessorUsed = time.Time{}, oauth.Digest{}, false
	return value, next, nil
}
