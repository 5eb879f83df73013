package token

import (
	"context"
	"errors"
	"slices"
	"time"

	"signet/provider/issue"
	"signet/provider/oauth"
)

// NamedUsers finds the accounts that others name; oauth.ErrNotFound, wrapped, when there is none.
type NamedUsers interface {
	UserStore
	UserByName(ctx context.Context, username string) (oauth.User, error)
}

// How a parameter names a user: the values of [Declared.Subject].
const (
	SubjectUsername = "username" // the name that the user logs in with
	SubjectSub      = "sub"      // the account's id
)

// Declared is a grant of a bank's own (RFC 6749 section 4.5), as its configuration declares it: the client, which is
// trusted for it, says who the user is, or acts for itself, and policy decides. Nothing is granted without a rule that
// says yes: the built-in rules deny grants that they do not know.
type Declared struct {
	Type string // the grant_type
	// User is the parameter that names the user; "" = the client acts for itself. Subject says how it does: one of the
	// Subject constants, "" = SubjectSub.
	User, Subject string
	// Parameters are those that policy is told, where they are sent; Required ones must be sent, and policy is told them,
	// too. A request's other parameters are ignored (RFC 6749 section 3.2).
	Parameters, Required []string
	Users                NamedUsers
	// Lifetime is how long the grant is kept: no less than the longest life of an access token.
	Lifetime time.Duration
	// IDClaims says which of the user's claims may go into an ID token.
	IDClaims issue.IDTokenClaims
	Random   oauth.Random
}

// GrantType implements oauth.GrantHandler.
func (g Declared) GrantType() string { return g.Type }

// Redeem grants the requested scope within the registered one, or all of it when none was requested; never a refresh
// token: the client can ask again. The client vouches for it that the user is there at this moment.
func (g Declared) Redeem(ctx context.Context, req oauth.TokenRequest) (oauth.Authorization, error) {
	if req.Client.Public() || !req.Client.Trusts(g.Type) {
		return oauth.Authorization{}, oauth.Errorf(oauth.UnauthorizedClient, "this client is not trusted for this grant_type")
	}
	told, fault := g.parameters(req)
	if fault != nil {
		return oauth.Authorization{}, fault
	}
	a := oauth.Authorization{Refresh: oauth.NoRefresh{}, Question: &oauth.Question{Parameters: told}}
	if g.User == "" {
		if a.Scope, fault = requestedScope(req, withoutUserScopes(req.Client.Scopes())); fault != nil {
			return oauth.Authorization{}, fault
		}
		a.Subject = oauth.ClientItself{ClientID: req.Client.ID}
		return a, nil
	}
	if a.Scope, fault = requestedScope(req, req.Client.Scopes()); fault != nil {
		return oauth.Authorization{}, fault
	}
	account, err := g.account(ctx, req.Params.Get(g.User))
	if err != nil {
		return oauth.Authorization{}, err
	}
	user := oauth.EndUser{ID: account.ID, AuthTime: req.Now.UTC().Truncate(time.Second)} // how the user logged in is not known
	grant, err := userGrant(req, user, a.Scope, g.Lifetime, g.Random)
	if err != nil {
		return oauth.Authorization{}, err
	}
	a.Subject, a.GrantID, a.Resources = user, grant.ID, grant.Resources
	a.UserClaims, a.Changes = g.IDClaims.For(account, req.Client, a.Scope, nil), []oauth.Change{oauth.StoreGrant{Grant: grant}}
	return a, nil
}

// parameters are what policy is told.
func (g Declared) parameters(req oauth.TokenRequest) (map[string]string, *oauth.Error) {
	if g.User != "" && !req.Params.Has(g.User) {
		return nil, oauth.Errorf(oauth.InvalidRequest, "%s is missing", g.User)
	}
	for _, name := range g.Required {
		if !req.Params.Has(name) {
			return nil, oauth.Errorf(oauth.InvalidRequest, "%s is missing", name)
		}
	}
	told := map[string]string{}
	for _, name := range slices.Concat(g.Required, g.Parameters) {
		if len(req.Params.All(name)) > 1 { // some may be repeated in other grants
			return nil, oauth.Errorf(oauth.InvalidRequest, "%s is there more than once", name)
		}
		if req.Params.Has(name) {
			told[name] = req.Params.Get(name)
		}
	}
	return told, nil
}

// account is the named user's. Of those that cannot be used nobody learns why.
func (g Declared) account(ctx context.Context, name string) (oauth.User, error) {
	find := g.Users.User
	if g.Subject == SubjectUsername {
		find = g.Users.UserByName
	}
	account, err := find(ctx, name)
	switch {
	case errors.Is(err, oauth.ErrNotFound), err == nil && account.Disabled:
		return oauth.User{}, oauth.Errorf(oauth.InvalidGrant, "the user's account is not usable")
	case err != nil:
		return oauth.User{}, err
	}
	return account, nil
}

// withoutUserScopes leaves out the scopes that are about a user: there is none.
func withoutUserScopes(scope oauth.Scope) oauth.Scope {
	left := oauth.Scope{}
	for _, value := range scope {
		if !userScopes.Has(value) {
			left = append(left, value)
		}
	}
	return left
}
