package token

import (
	"slices"
	"time"

	"signet/provider/oauth"
)

// Resource is a resource server as the token endpoint sees it (RFC 8707).
type Resource struct {
	ID       string
	Scopes   oauth.Scope
	Opaque   bool
	Alg      string // signs its JWT access tokens
	Lifetime time.Duration
}

// Catalog knows the resource servers. It does not change after NewCatalog.
type Catalog struct{ byID map[string]Resource }

// NewCatalog indexes the configured resource servers.
func NewCatalog(resources []Resource) *Catalog {
	c := &Catalog{byID: make(map[string]Resource, len(resources))}
	for _, r := range resources {
		c.byID[r.ID] = r
	}
	return c
}

// target is what one access token is for: its audience, and what that audience allows.
type target struct {
	audience []string
	scope    oauth.Scope   // upper bound for policy
	details  oauth.Details // likewise
	opaque   bool
	alg      string
	lifetime time.Duration
}

// target resolves the resource indicators of a request within what the grant allows (RFC 8707 section 2.2) and
// the client is registered for now: what a registration lost, older grants have lost, too. Scopes that mean
// nothing at the audience are left out of the token.
func (c *Catalog) target(req oauth.TokenRequest, a oauth.Authorization) (target, error) {
	ids, allowed := choose(req.Resources, a.Resources, req.Client.Resources)
	if len(ids) == 0 {
		return target{}, oauth.Errorf(oauth.InvalidTarget, "this client is registered for no resource server that the token could be for")
	}
	var t target
	var meaningful oauth.Scope
	for i, id := range ids {
		r, known := c.byID[id]
		if !known || !slices.Contains(allowed, id) {
			return target{}, oauth.Errorf(oauth.InvalidTarget, "the resource is unknown, or not allowed for this client or grant (RFC 8707 section 2)")
		}
		if i > 0 && (r.Opaque != t.opaque || r.Alg != t.alg) {
			return target{}, oauth.Errorf(oauth.InvalidTarget, "these resources take tokens of different kinds: request one at a time")
		}
		if i == 0 || r.Lifetime < t.lifetime {
			t.lifetime = r.Lifetime
		}
		t.opaque, t.alg = r.Opaque, r.Alg
		if !slices.Contains(t.audience, id) {
			t.audience = append(t.audience, id)
		}
		meaningful = append(meaningful, r.Scopes...)
	}
	if _, person := a.Subject.(oauth.EndUser); person {
		meaningful = append(meaningful, userScopes...)
	}
	t.scope = a.Scope.Intersect(meaningful).Intersect(req.Client.Scopes())
	if len(t.scope) == 0 && len(a.Scope) > 0 {
		return target{}, oauth.Errorf(oauth.InvalidScope, "none of the scopes is registered for this client and means anything at the resource")
	}
	return t, nil
}

// choose returns which resources are asked for and which are allowed. What a request does not name is all that
// was granted, or, where nothing in particular was, the client's first.
func choose(asked, granted, registered []string) (ids, allowed []string) {
	if len(granted) == 0 {
		if len(asked) == 0 && len(registered) > 0 {
			asked = registered[:1]
		}
		return asked, registered
	}
	for _, id := range granted {
		if slices.Contains(registered, id) {
			allowed = append(allowed, id)
		}
	}
	if len(asked) == 0 {
		asked = allowed
	}
	return asked, allowed
}

// userScopes are about the user, not about a resource server (OpenID Connect Core sections 5.4 and 11).
var userScopes = oauth.StandardScopes
