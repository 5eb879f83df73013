package token

import (
	"cmp"
	"slices"
	"time"

	"signet/provider/issue"
	"signet/provider/oauth"
)

// Resource is a resource server as the token endpoint sees it (RFC 8707).
type Resource struct {
	ID       string
	Scopes   oauth.Scope
	Opaque   bool
	Alg      string // signs its JWT access tokens
	Layout   string // of their claims: issue.LayoutRFC9068 or issue.LayoutLight; "" is the former
	Lifetime time.Duration
}

// Catalog knows the resource servers. It does not change after NewCatalog.
type Catalog struct{ byID map[string]Resource }

// NewCatalog indexes the configured resource servers.
func NewCatalog(resources []Resource) *Catalog {
	c := &Catalog{byID: make(map[string]Resource, len(resources))}
	for _, r := range resources {
		if r.Layout == issue.LayoutRFC9068 {
			r.Layout = ""
		}
		c.byID[r.ID] = r
	}
	return c
}

// kind is how access tokens look; one is of one kind only.
type kind struct {
	opaque      bool
	alg, layout string
}

// kindFor is how those of a client look at the resource server, by the output that is asked for. The client's
// registration comes before what the resource server likes.
func (r Resource) kindFor(c *oauth.Client, out oauth.Output) kind {
	k := kind{r.Opaque, cmp.Or(c.AccessTokenAlg, r.Alg), r.Layout}
	if c.AccessTokenFormat != "" {
		k.opaque = c.AccessTokenFormat == oauth.FormatOpaque
	}
	if token, alone := out.(oauth.OutputToken); alone && token.Type == oauth.TokenTypeJWT {
		k.opaque = false
	}
	return k
}

// target resolves the resource indicators of a request within what the grant allows (RFC 8707 section 2.2) and
// the client is registered for now: what a registration lost, older grants have lost, too. Scopes that mean
// nothing at the audience are left out of the token.
func (c *Catalog) target(req oauth.TokenRequest, a oauth.Authorization) (target, error) {
	ids, allowed := choose(named(req, a), a.Resources, req.Client.Resources)
	if len(ids) == 0 {
		return target{}, oauth.Errorf(oauth.InvalidTarget, "this client is registered for no resource server that the token could be for")
	}
	var t target
	var looks kind
	var meaningful oauth.Scope
	for i, id := range ids {
		r, known := c.byID[id]
		if !known || !slices.Contains(allowed, id) {
			return target{}, oauth.Errorf(oauth.InvalidTarget, "the resource is unknown, or not allowed for this client or grant (RFC 8707 section 2)")
		}
		next := r.kindFor(req.Client, a.Output)
		if i > 0 && next != looks {
			return target{}, oauth.Errorf(oauth.InvalidTarget, "these resources take tokens of different kinds: request one at a time")
		}
		if i == 0 || r.Lifetime < t.lifetime {
			t.lifetime = r.Lifetime
		}
		looks = next
		if !slices.Contains(t.audience, id) {
			t.audience = append(t.audience, id)
		}
		meaningful = append(meaningful, r.Scopes...)
	}
	t.opaque, t.alg, t.layout = looks.opaque, looks.alg, looks.layout
	t.lifetime = shorter(t.lifetime, req.Client.AccessTokenLifetime)
	if _, person := a.Subject.(oauth.EndUser); person {
		meaningful = append(meaningful, userScopes...)
	}
	t.scope = a.Scope.Intersect(meaningful).Intersect(req.Client.Scopes())
	if len(t.scope) == 0 && len(a.Scope) > 0 {
		return target{}, oauth.Errorf(oauth.InvalidScope, "none of the scopes is registered for this client and means anything at the resource")
	}
	return t, nil
}

// named are the resources that a request names. A token exchange reads further ones from its audience parameter (RFC 8693
// section 2.1); where it names any, its authorization is for just those.
func named(req oauth.TokenRequest, a oauth.Authorization) []string {
	if req.GrantType == oauth.GrantTokenExchange && (len(req.Resources) > 0 || req.Params.Has(paramAudience)) {
		return a.Resources
	}
	return req.Resources
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
