package token

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"signet/provider/issue"
	"signet/provider/oauth"
)

// RefreshStore reads refresh tokens at rest.
type RefreshStore = issue.RefreshStore

// UserStore reads accounts.
type UserStore interface {
	User(ctx context.Context, id string) (oauth.User, error)
}

// RefreshToken is the refresh_token grant (RFC 6749 section 6).
type RefreshToken struct {
	Store RefreshStore
	Users UserStore
	// RetryGrace is how long a rotated token may be presented again by its sender while its successor is
	// unused; 0 = never.
	RetryGrace time.Duration
	// Options say what becomes of the token; IDClaims, which of the user's claims may go into an ID token.
	Options  RefreshOptions
	IDClaims issue.IDTokenClaims
}

// GrantType implements oauth.GrantHandler.
func (RefreshToken) GrantType() string { return oauth.GrantRefreshToken }

// Redeem rotates the token, or keeps it where the profile forbids rotation (FAPI 2.0 section 5.3.2.1) or the options do
// without. The reuse of a rotated token revokes its grant (RFC 9700 section 4.14.2). What is made from a token that was
// itself made from another ends with it, and has the same actor.
func (g RefreshToken) Redeem(ctx context.Context, req oauth.TokenRequest) (oauth.Authorization, error) {
	presented := req.Params.Secret("refresh_token")
	if presented == "" {
		return oauth.Authorization{}, oauth.Errorf(oauth.InvalidRequest, "refresh_token is missing")
	}
	token, err := g.Options.Seal.Find(ctx, g.Store, presented)
	if errors.Is(err, oauth.ErrNotFound) || err == nil && token.ClientID != req.Client.ID {
		return oauth.Authorization{}, oauth.Errorf(oauth.InvalidGrant, "the refresh token is not known for this client")
	}
	if err != nil {
		return oauth.Authorization{}, err
	}
	user, err := g.check(ctx, token, req)
	if err != nil {
		return oauth.Authorization{}, err
	}
	granted, changes, err := g.granted(ctx, token)
	if err != nil {
		return oauth.Authorization{}, err
	}
	scope := req.Scope
	if scope == nil {
		scope = granted.Scope
	}
	if !scope.Within(granted.Scope) {
		return oauth.Authorization{}, oauth.Errorf(oauth.InvalidScope, "the scope is wider than what was granted (RFC 6749 section 6)")
	}
	a := oauth.Authorization{
		Subject: token.User, GrantID: token.GrantID, Scope: scope, Resources: granted.Resources, Details: granted.Details, TellGrant: token.Managed,
		Claims: granted.Claims, UserClaims: g.IDClaims.For(user, req.Client, scope, granted.Claims.IDToken), Actor: token.Actor,
	}
	if token.Derived {
		a.NotAfter = token.ExpiresAt
	}
	refresh, used, err := g.Options.used(token, g.Options.Seal.Sealed(presented), req, g.RetryGrace)
	if err != nil {
		return oauth.Authorization{}, err
	}
	a.Refresh, a.Changes = refresh, append(changes, used...)
	return a, nil
}

// check refuses a token that is expired, revoked, held by somebody else, or was rotated. It returns its user's account,
// the zero one where that is gone and need not be there.
func (g RefreshToken) check(ctx context.Context, token oauth.RefreshToken, req oauth.TokenRequest) (oauth.User, error) {
	if err := g.usable(token, req); err != nil {
		return oauth.User{}, err
	}
	if g.Options.IgnoreUser {
		return account(ctx, g.Users, token.User.ID)
	}
	return userMayGoOn(ctx, g.Users, token.User)
}

func (g RefreshToken) usable(token oauth.RefreshToken, req oauth.TokenRequest) error {
	switch {
	case token.Revoked:
		return oauth.Errorf(oauth.InvalidGrant, "the refresh token is revoked")
	case token.Confirmation.JKT != "" && token.Confirmation.JKT != req.Sender.JKT:
		return oauth.Errorf(oauth.InvalidGrant, "the refresh token is bound to another DPoP key (RFC 9449 section 5)")
	case !token.Confirmation.HeldBy(req.Sender):
		return oauth.Errorf(oauth.InvalidGrant, "the refresh token is bound to another certificate (RFC 8705 section 4)")
	case !token.RotatedAt.IsZero() && !g.retry(token, req.Now):
		return &oauth.Refusal{
			Err:     oauth.Errorf(oauth.InvalidGrant, "the refresh token was used before; its grant is revoked"),
			Changes: []oauth.Change{oauth.RevokeGrant{GrantID: token.GrantID, At: req.Now}},
		}
	case !req.Now.Before(token.ExpiresAt):
		return oauth.Errorf(oauth.InvalidGrant, "the refresh token has expired")
	default:
		return nil
	}
}

// granted is the token with what it may still give, and the condition on which it does. Where its client manages the
// grant, a later request may have replaced it (Grant Management section 6.2): then that is no more than the present
// grant gives, which must still be so at the commit.
func (g RefreshToken) granted(ctx context.Context, token oauth.RefreshToken) (oauth.RefreshToken, []oauth.Change, error) {
	if !token.Managed {
		return token, nil, nil
	}
	grant, err := g.Store.Grant(ctx, token.GrantID)
	if errors.Is(err, oauth.ErrNotFound) {
		return oauth.RefreshToken{}, nil, oauth.Errorf(oauth.InvalidGrant, "the refresh token is revoked")
	}
	if err != nil {
		return oauth.RefreshToken{}, nil, err
	}
	of := token
	of.Scope, of.Details = token.Scope.Intersect(grant.Scope), within(token.Details, grant.Details)
	of.Claims.IDToken = stillAsked(token.Claims.IDToken, grant.Claims.IDToken)
	of.Claims.Userinfo = grant.Claims.Userinfo // by which the endpoint answers, to older tokens, too
	if len(token.Resources) == 0 {
		of.Resources = grant.Resources
	} else if len(grant.Resources) > 0 {
		of.Resources = slices.DeleteFunc(slices.Clone(token.Resources), func(id string) bool { return !slices.Contains(grant.Resources, id) })
	}
	// Details that are gone must not leave the scope without its bounds.
	if lost(token.Details, of.Details) || lost(token.Scope, of.Scope) && len(of.Details) == 0 || lost(token.Resources, of.Resources) {
		return oauth.RefreshToken{}, nil, oauth.Errorf(oauth.InvalidGrant, "the grant was replaced, and nothing is left of what this refresh token was for")
	}
	return of, []oauth.Change{oauth.CheckGrant{GrantID: grant.ID, Seen: grant.UpdatedAt}}, nil
}

// lost says that there was something and nothing is left.
func lost[S ~[]E, E any](had, left S) bool { return len(had) > 0 && len(left) == 0 }

// within returns those details that are in the other set, as they are.
func within(details, other oauth.Details) oauth.Details {
	var both oauth.Details
	for _, detail := range details {
		if slices.ContainsFunc(other, func(o oauth.Detail) bool { return bytes.Equal(o.JSON, detail.JSON) }) {
			both = append(both, detail)
		}
	}
	return both
}

// stillAsked returns those claims that the grant has, too.
func stillAsked(claims, granted map[string]oauth.ClaimRequest) map[string]oauth.ClaimRequest {
	if len(claims) == 0 {
		return nil
	}
	both := maps.Clone(claims)
	maps.DeleteFunc(both, func(name string, _ oauth.ClaimRequest) bool {
		_, given := granted[name]
		return !given
	})
	return both
}

// retry recognises a client that lost the response: it comes back soon, and nobody has used the successor.
func (g RefreshToken) retry(token oauth.RefreshToken, now time.Time) bool {
	return g.RetryGrace > 0 && !token.SuccessorUsed && now.Sub(token.RotatedAt) <= g.RetryGrace
}

// account is the user's, in whatever state; the zero one when it is gone.
func account(ctx context.Context, users UserStore, id string) (oauth.User, error) {
	user, err := users.User(ctx, id)
	if errors.Is(err, oauth.ErrNotFound) {
		return oauth.User{}, nil
	}
	return user, err
}

// userMayGoOn refuses tokens about an account that is disabled, gone, or no longer accepts the login.
func userMayGoOn(ctx context.Context, users UserStore, login oauth.EndUser) (oauth.User, error) {
	user, err := users.User(ctx, login.ID)
	if err != nil && !errors.Is(err, oauth.ErrNotFound) {
		return oauth.User{}, err
	}
	if err != nil || !user.Accepts(login.AuthTime) {
		return oauth.User{}, oauth.Errorf(oauth.InvalidGrant, "the user's account is not usable")
	}
	return user, nil
}
