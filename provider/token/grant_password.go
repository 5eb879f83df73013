package token

import (
	"context"
	"errors"
	"time"

	"signet/provider/issue"
	"signet/provider/oauth"
)

// Passwords judges passwords that people have given to clients.
type Passwords interface {
	// Check returns who the username and the password are those of, with the ACR and AMR of such a login. When they are
	// wrong, or there have been too many wrong ones, reason says so for the audit log, and user has no more than the id of
	// the account that was tried, if there is one; neither the client nor the time that it takes may tell the cases apart.
	// Any error means that it could not find out.
	Check(ctx context.Context, clientID, username string, password oauth.Secret) (user oauth.EndUser, reason string, err error)
}

// Password is the password grant (RFC 6749 section 4.3), for clients that have not got rid of it: the user's password
// passes through the client, and no login page and no second factor is seen. RFC 9700 section 2.4 forbids it, and so does
// every profile but the oldest.
type Password struct {
	Passwords Passwords
	Users     UserStore
	// ACR is how strong such a login is; "" = as Passwords says.
	ACR string
	// Lifetime is how long a grant is kept that has no refresh token: no less than the longest life of an access token.
	Lifetime time.Duration
	// IDClaims says which of the user's claims may go into an ID token.
	IDClaims issue.IDTokenClaims
	Random   oauth.Random
}

// GrantType implements oauth.GrantHandler.
func (Password) GrantType() string { return oauth.GrantPassword }

// Redeem checks the password and grants the requested scope within the registered one, or all of it when none was
// requested.
func (g Password) Redeem(ctx context.Context, req oauth.TokenRequest) (oauth.Authorization, error) {
	if !req.Profile.PasswordGrant {
		return oauth.Authorization{}, oauth.Errorf(oauth.UnauthorizedClient, "the client's security profile has no password grant (RFC 9700 section 2.4)")
	}
	username, password := req.Params.Get("username"), req.Params.Secret("password")
	switch {
	case username == "":
		return oauth.Authorization{}, oauth.Errorf(oauth.InvalidRequest, "username is missing")
	case password == "":
		return oauth.Authorization{}, oauth.Errorf(oauth.InvalidRequest, "password is missing")
	}
	scope, fault := requestedScope(req, req.Client.Scopes()) // before the password: it says nothing about that
	if fault != nil {
		return oauth.Authorization{}, fault
	}
	login, account, err := g.login(ctx, req, username, password)
	if err != nil {
		return oauth.Authorization{}, err
	}
	grant, err := userGrant(req, login, scope, g.Lifetime, g.Random)
	if err != nil {
		return oauth.Authorization{}, err
	}
	return oauth.Authorization{
		Subject: login, GrantID: grant.ID, Scope: scope, Resources: grant.Resources, Refresh: refreshFor(req.Client, scope),
		UserClaims: g.IDClaims.For(account, req.Client, scope, nil), Changes: []oauth.Change{oauth.StoreGrant{Grant: grant}},
	}, nil
}

// login is who gives a right password, and the account. Whatever is wrong about it, the client is told the same, and the
// audit log more.
func (g Password) login(ctx context.Context, req oauth.TokenRequest, username string, password oauth.Secret) (oauth.EndUser, oauth.User, error) {
	user, reason, err := g.Passwords.Check(ctx, req.Client.ID, username, password)
	if err != nil {
		return oauth.EndUser{}, oauth.User{}, err
	}
	if reason != "" {
		return oauth.EndUser{}, oauth.User{}, wrongPassword(user.ID, reason)
	}
	if user.AuthTime = req.Now.UTC().Truncate(time.Second); g.ACR != "" { // auth_time has whole seconds
		user.ACR = g.ACR
	}
	account, err := userMayGoOn(ctx, g.Users, user)
	if fault := (*oauth.Error)(nil); errors.As(err, &fault) && fault.Code == oauth.InvalidGrant {
		return oauth.EndUser{}, oauth.User{}, wrongPassword(user.ID, "the account is not usable")
	}
	return user, account, err
}

func wrongPassword(userID, reason string) *oauth.Refusal {
	detail := map[string]any{"reason": reason}
	if userID != "" {
		detail["user_id"] = userID
	}
	return &oauth.Refusal{
		Err:    oauth.Errorf(oauth.InvalidGrant, "the username or the password is wrong, or there have been too many wrong ones"),
		Detail: detail,
	}
}

// requestedScope is what was asked for within what is allowed, or all that is allowed when nothing was (RFC 6749 section
// 3.3).
func requestedScope(req oauth.TokenRequest, allowed oauth.Scope) (oauth.Scope, *oauth.Error) {
	switch {
	case req.Scope == nil:
		return allowed, nil
	case !req.Scope.Within(allowed):
		return nil, oauth.Errorf(oauth.InvalidScope, "the scope is not registered for this client, or not for this grant")
	default:
		return req.Scope, nil
	}
}

// userGrant is a new grant about a user who is there now.
func userGrant(req oauth.TokenRequest, user oauth.EndUser, scope oauth.Scope, lifetime time.Duration, random oauth.Random) (oauth.Grant, error) {
	id, err := oauth.NewID(random)
	return oauth.Grant{
		ID: id, ClientID: req.Client.ID, UserID: user.ID, Scope: scope, Resources: req.Resources,
		CreatedAt: req.Now, ExpiresAt: req.Now.Add(lifetime),
	}, err
}
