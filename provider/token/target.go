package token

import (
	"slices"
	"time"

	"signet/provider/issue"
	"signet/provider/oauth"
)

// target is what one token is for: its audience, and what that audience allows.
type target struct {
	audience []string
	scope    oauth.Scope   // upper bound for policy
	details  oauth.Details // likewise
	opaque   bool
	alg      string
	layout   string // "" = issue.LayoutRFC9068
	lifetime time.Duration
}

// target is what the token is for, details included.
func (e *Endpoint) target(req oauth.TokenRequest, a oauth.Authorization) (target, error) {
	t, err := e.targetOf(req, a)
	if err != nil {
		return target{}, err
	}
	t.lifetime, err = issue.Within(t.lifetime, req.Now, a.NotAfter)
	return t, err
}

func (e *Endpoint) targetOf(req oauth.TokenRequest, a oauth.Authorization) (target, error) {
	switch out := a.Output.(type) {
	case oauth.OutputIDToken:
		return e.idTokenTarget(req, a)
	case oauth.OutputTransactionToken:
		return e.domainTarget(req, a, out)
	}
	t, err := e.Catalog.target(req, a)
	if err != nil {
		return target{}, err
	}
	t.details, err = e.details(req, a, t.audience)
	return t, err
}

// idTokenTarget is that of an ID token without an access token: no resource server, and what is about the user.
func (e *Endpoint) idTokenTarget(req oauth.TokenRequest, a oauth.Authorization) (target, error) {
	if len(req.Resources) > 0 {
		return target{}, oauth.Errorf(oauth.InvalidTarget, "an ID token is for the client itself: name no resource")
	}
	scope := a.Scope.Intersect(userScopes).Intersect(req.Client.Scopes())
	if !e.IDTokens.issues(req.Profile, scope, scope) {
		return target{}, oauth.Errorf(oauth.InvalidScope, "an ID token needs the scope openid (OpenID Connect Core section 3.1.2.1)")
	}
	return target{scope: scope}, nil
}

// domainTarget is that of a transaction token: its trust domain, and those scopes that mean something there.
func (e *Endpoint) domainTarget(req oauth.TokenRequest, a oauth.Authorization, out oauth.OutputTransactionToken) (target, error) {
	meaningful, known := e.Domains[out.Audience]
	if !known || !slices.Contains(req.Client.TrustDomains, out.Audience) {
		return target{}, oauth.Errorf(oauth.InvalidTarget, "the trust domain is unknown, or not allowed for this client")
	}
	scope := a.Scope.Intersect(req.Client.Scopes())
	if meaningful != nil {
		scope = scope.Intersect(meaningful)
	}
	if len(scope) == 0 {
		return target{}, oauth.Errorf(oauth.InvalidScope, "none of the scopes is registered for this client and means anything in the trust domain")
	}
	return target{audience: []string{out.Audience}, scope: scope, lifetime: out.Lifetime}, nil
}
