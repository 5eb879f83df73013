package token

import (
	"context"
	"slices"

	"signet/provider/oauth"
)

// ClientCredentials is the client_credentials grant (RFC 6749 section 4.4): the client acts for itself.
type ClientCredentials struct {
	Details interface {
		Check(client *oauth.Client, raw string) (oauth.Details, *oauth.Error)
	}
}

// GrantType implements oauth.GrantHandler.
func (ClientCredentials) GrantType() string { return oauth.GrantClientCredentials }

// Redeem grants the requested scope within the registered one, or all of it when none was requested. Scopes
// that are about a user are never granted: there is none.
func (g ClientCredentials) Redeem(_ context.Context, req oauth.TokenRequest) (oauth.Authorization, error) {
	if req.Client.Public() {
		return oauth.Authorization{}, oauth.Errorf(oauth.UnauthorizedClient, "a public client cannot use client_credentials (RFC 6749 section 4.4)")
	}
	allowed := slices.DeleteFunc(req.Client.Scopes(), userScopes.Has)
	scope := req.Scope
	if scope == nil {
		scope = allowed
	}
	if !scope.Within(allowed) {
		return oauth.Authorization{}, oauth.Errorf(oauth.InvalidScope, "the scope is not registered for this client, or is about a user")
	}
	a := oauth.Authorization{Subject: oauth.ClientItself{ClientID: req.Client.ID}, Scope: scope, Refresh: oauth.NoRefresh{}}
	if raw := req.Params.Get(paramDetails); raw != "" {
		var fault *oauth.Error
		if a.Details, fault = g.Details.Check(req.Client, raw); fault != nil {
			return oauth.Authorization{}, fault
		}
	}
	return a, nil
}
