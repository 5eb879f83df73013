package token

import (
	"context"
	"time"

	"signet/policy"
	"signet/provider/issue"
	"signet/provider/oauth"
)

// RefreshOptions say who gets refresh tokens, how they are kept and what their use does to them. The zero value gives them
// as OpenID Connect Core section 11 and RFC 9700 section 2.2.2 have it. What is given here must be the same for the
// endpoint and for the refresh_token grant.
type RefreshOptions struct {
	// RequireOfflineAccess gives none without the scope offline_access, in plain OAuth neither. A client's own
	// RequireOfflineAccess counts before it.
	RequireOfflineAccess bool
	// NoRotation leaves a refresh token as it is when it is used. A client's own RotateRefreshTokens counts before it. A
	// public client's is replaced all the same, unless it is bound to a key (RFC 9700 section 2.2.2); and where the profile
	// forbids rotation, none is (FAPI 2.0 section 5.3.2.1).
	NoRotation bool
	// ExtendOnRotation gives the token that replaces another the whole life that the other one began with, instead of the
	// rest of it, for no longer than policy.MaxRefreshLifetime after the user's login. One that was itself made from another
	// token keeps its end.
	ExtendOnRotation bool
	// IgnoreUser lets a refresh go on whatever has become of the user's account. Access tokens of a user who is disabled
	// are still good for nothing at this server's own endpoints.
	IgnoreUser bool
	// Seal reads refresh tokens that are their own record; nil = there are none. With Unstored such are made, too, for
	// those that need no memory: they are not rotated, and their grant is not one that the client manages.
	Seal     *issue.RefreshSeal
	Unstored bool
}

// Issues says whether a grant of this scope comes with a refresh token: to clients registered for it, in an OpenID
// Connect request only with offline_access (OpenID Connect Core section 11), and in any other where that is required.
func (o RefreshOptions) Issues(client *oauth.Client, scope oauth.Scope) bool {
	required := scope.Has(oauth.ScopeOpenID) || o.requires(client)
	return client.Allows(oauth.GrantRefreshToken) && (!required || scope.Has(oauth.ScopeOfflineAccess))
}

// requires says whether the client gets none without offline_access, whatever the request.
func (o RefreshOptions) requires(client *oauth.Client) bool {
	if client.RequireOfflineAccess != nil {
		return *client.RequireOfflineAccess
	}
	return o.RequireOfflineAccess
}

// Rotates says whether the use of a refresh token with this binding replaces it.
func (o RefreshOptions) Rotates(client *oauth.Client, profile oauth.Profile, bound oauth.Confirmation) bool {
	switch {
	case !profile.RotateRefreshTokens:
		return false
	case client.Public() && bound.IsZero():
		return true
	case client.RotateRefreshTokens != nil:
		return *client.RotateRefreshTokens
	default:
		return !o.NoRotation
	}
}

// first makes a grant's first refresh token, with what keeps it. The value is "" where the client gets none without
// offline_access, whichever the grant type.
func (o RefreshOptions) first(
	ctx context.Context, issuer *issue.Issuer, profile oauth.Profile, m issue.Mandate, user oauth.EndUser, a oauth.Authorization, lifetime time.Duration,
) (oauth.Secret, oauth.RefreshToken, []oauth.Change, error) {
	if o.requires(m.Client) && !a.Scope.Has(oauth.ScopeOfflineAccess) {
		return "", oauth.RefreshToken{}, nil, nil
	}
	value, made, err := issuer.NewRefreshToken(m, user, a, lifetime)
	if err != nil {
		return "", oauth.RefreshToken{}, nil, err
	}
	supersedes := false
	if r, ok := a.Refresh.(oauth.NewRefresh); ok {
		supersedes = r.Supersedes
	}
	until := oauth.ExtendGrant{GrantID: made.GrantID, ExpiresAt: made.ExpiresAt}
	if o.Unstored && o.Seal != nil && !supersedes && !made.Managed && !o.Rotates(m.Client, profile, made.Confirmation) {
		sealed, ok, err := o.Seal.Seal(ctx, made)
		switch {
		case err != nil:
			return "", oauth.RefreshToken{}, nil, unavailable(err)
		case ok:
			made.Digest = sealed.Digest()
			return sealed, made, []oauth.Change{oauth.UseGrant{GrantID: made.GrantID}, until}, nil
		}
	}
	var keep oauth.Change = oauth.StoreRefresh{Token: made}
	if supersedes {
		keep = oauth.SupersedeRefresh{Token: made}
	}
	return value, made, []oauth.Change{keep, until}, nil
}

// extended is the token with the end that its successor has, and whether that is another one: the life that it began
// with, counted from now. That life is what policy gave it, so that no refresh widens it; the client's own bound, and that
// of all that comes of one login, hold besides.
func (o RefreshOptions) extended(token oauth.RefreshToken, client *oauth.Client, now time.Time) (oauth.RefreshToken, bool) {
	if !o.ExtendOnRotation || token.Derived {
		return token, false
	}
	until := now.Add(shorter(token.ExpiresAt.Sub(token.IssuedAt), client.RefreshTokenLifetime))
	if last := token.User.AuthTime.Add(policy.MaxRefreshLifetime); last.Before(until) {
		until = last
	}
	if !until.After(token.ExpiresAt) {
		return token, false
	}
	token.ExpiresAt = until
	return token, true
}

// used is what the use of a refresh token does to it.
func (o RefreshOptions) used(token oauth.RefreshToken, sealed bool, req oauth.TokenRequest, grace time.Duration) (oauth.Refresh, []oauth.Change, error) {
	rotates := o.Rotates(req.Client, req.Profile, token.Confirmation)
	switch {
	case sealed && req.Client.Public() && rotates: // it was no public client when it got the token
		return nil, nil, oauth.Errorf(oauth.InvalidGrant, "this client's refresh tokens have to be replaced when they are used, which this one cannot be")
	case sealed:
		return oauth.KeepRefresh{}, []oauth.Change{oauth.UseGrant{GrantID: token.GrantID}}, nil
	case !rotates:
		return oauth.KeepRefresh{}, []oauth.Change{oauth.UseRefresh{Digest: token.Digest, GrantID: token.GrantID}}, nil
	}
	old, longer := o.extended(token, req.Client, req.Now)
	var changes []oauth.Change
	if longer {
		changes = append(changes, oauth.ExtendGrant{GrantID: token.GrantID, ExpiresAt: old.ExpiresAt})
	}
	return oauth.RotateRefresh{Old: old, Grace: grace}, changes, nil
}
