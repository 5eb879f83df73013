package provider

import (
	"slices"
	"strings"
	"time"

	"signet/provider/oauth"
)

// grants checks what the client redeems.
func (v *clientValidator) grants() {
	c := v.client
	if len(c.GrantTypes) == 0 {
		v.fault("grant_types", "RFC 7591 section 2", "at least one is needed")
	}
	for _, g := range c.GrantTypes {
		v.grant(g)
	}
	if c.Public() && c.Allows(oauth.GrantClientCredentials) {
		v.fault("grant_types", "RFC 6749 section 4.4", "a public client cannot use client_credentials")
	}
	v.trust()
	v.trustDomains()
	for _, g := range []string{oauth.GrantAuthorizationCode, oauth.GrantImplicit} {
		if c.Allows(g) && len(c.RedirectURIs) == 0 {
			v.fault("redirect_uris", "RFC 7591 section 2", "at least one is needed for %s", g)
			return
		}
	}
}

// grant checks that a grant type is served. Of CIBA and implicit, what they need says so.
func (v *clientValidator) grant(g string) {
	cfg := v.config
	key := cfg.switchOf(g, every) // what the profile forbids, its table says
	switch declared := cfg.declares(g); {
	case !declared && !slices.Contains(oauth.GrantTypes, g):
		v.fault("grant_types", "RFC 7591 section 2", "%q is not known; known: %s", g, strings.Join(v.knownGrants(), ", "))
	case declared && !v.client.Trusts(g):
		v.fault("trusted_for", "", "%s is needed for the grant type, by which the client says who the user is", g)
	case declared && v.client.Public():
		v.fault("grant_types", "RFC 6749 section 4.5", "a public client cannot use %s", g)
	case g == oauth.GrantCIBA || g == oauth.GrantImplicit:
	case key != "":
		v.fault("grant_types", "", "%s is not enabled: see %s", g, key)
	}
	if !cfg.servesGrant(g) {
		v.fault("grant_types", "", "%s is not served: see token_endpoint.grant_types", g)
	}
}

// knownGrants are the grant types that a client can have at all.
func (v *clientValidator) knownGrants() []string {
	known := slices.Clone(oauth.GrantTypes)
	for _, g := range v.config.DeclaredGrants {
		known = append(known, g.Type)
	}
	return known
}

const selfIssued = "RFC 7521 section 4.1"

// trust checks the grant types by which the client may name users itself: grants that are declared, and its own
// assertions.
func (v *clientValidator) trust() {
	c, cfg := v.client, v.config
	for i, g := range c.TrustedFor {
		own := g == oauth.GrantJWTBearer || g == oauth.GrantSAML2Bearer
		switch {
		case !own && !cfg.declares(g):
			v.fault("trusted_for", "", "%q is neither one of declared_grants nor a grant type of assertions", g)
		case slices.Contains(c.TrustedFor[:i], g):
			v.fault("trusted_for", "", "%q is listed twice", g)
		case c.Public():
			v.fault("trusted_for", selfIssued, "a public client cannot be trusted: anybody can say to be it")
		case own && !hasKeys(c):
			v.fault("jwks", selfIssued, "jwks or jwks_uri is needed to sign assertions")
		case !c.Allows(g):
			v.warn("trusted_for", "", "%s has no effect without the grant type", g)
		case own && !cfg.AssertionGrants.SelfIssued:
			v.warn("trusted_for", selfIssued, "%s has no effect: see assertion_grants.self_issued", g)
		}
	}
}

// transactionTokens is where the parties are defined that get transaction tokens.
const transactionTokens = "Transaction Tokens section 7"

// trustDomains checks for which trust domains the client, a workload, may get transaction tokens.
func (v *clientValidator) trustDomains() {
	c := v.client
	for i, name := range c.TrustDomains {
		known := slices.ContainsFunc(v.config.TransactionTokens.TrustDomains, func(d TrustDomain) bool { return d.Audience == name })
		switch {
		case !known:
			v.fault("transaction_token_audiences", transactionTokens, "%q is not one of transaction_tokens.trust_domains", name)
		case slices.Contains(c.TrustDomains[:i], name):
			v.fault("transaction_token_audiences", transactionTokens, "%q is listed twice", name)
		}
	}
	switch {
	case len(c.TrustDomains) == 0:
	case c.Public():
		v.fault("transaction_token_audiences", transactionTokens, "a public client cannot get transaction tokens: a workload authenticates")
	case !c.Allows(oauth.GrantTokenExchange):
		v.warn("transaction_token_audiences", transactionTokens, "has no effect without the grant type %s", oauth.GrantTokenExchange)
	}
}

// tokens checks what the client's own tokens are like.
func (v *clientValidator) tokens() {
	c := v.client
	if c.AccessTokenFormat != "" && c.AccessTokenFormat != FormatJWT && c.AccessTokenFormat != FormatOpaque {
		v.fault("access_token_format", "", "want jwt or opaque")
	}
	if signing := v.profile.Algorithms(v.config.Keys.Algorithms); len(signing) > 0 {
		v.signedBy("access_token_signing_alg", "RFC 9068 section 2.1", c.AccessTokenAlg, signing)
	}
	for _, l := range []struct {
		field, key string
		seconds    int
		most       time.Duration
	}{
		{"access_token_lifetime", "access_token", c.AccessTokenLifetime, v.config.Lifetimes.AccessToken},
		{"id_token_lifetime", "id_token", c.IDTokenLifetime, v.config.Lifetimes.IDToken},
		{"refresh_token_lifetime", "refresh_token", c.RefreshTokenLifetime, v.config.Lifetimes.RefreshToken},
	} {
		switch {
		case l.seconds < 0:
			v.fault(l.field, "", "must not be negative")
		case l.most > 0 && l.seconds > int(l.most/time.Second):
			v.warn(l.field, "", "has no effect, as it is longer than lifetimes.%s", l.key)
		}
	}
	v.refreshTokens()
}

// refreshTokens finds what would surprise about the client's refresh tokens.
func (v *clientValidator) refreshTokens() {
	c := v.client
	required := v.config.RefreshTokens.RequireOfflineAccess
	if c.RequireOfflineAccess != nil {
		required = *c.RequireOfflineAccess
	}
	rotates := c.RotateRefreshTokens
	switch refreshes := c.Allows(oauth.GrantRefreshToken); {
	case !refreshes:
		for _, f := range []struct {
			field string
			set   bool
		}{
			{"refresh_token_lifetime", c.RefreshTokenLifetime > 0}, {"require_offline_access", c.RequireOfflineAccess != nil},
			{"rotate_refresh_tokens", rotates != nil},
		} {
			if f.set {
				v.warn(f.field, "", "has no effect without the grant type refresh_token")
			}
		}
		return
	case required && !c.Scopes().Has(oauth.ScopeOfflineAccess):
		v.warn("scope", "OpenID Connect Core section 11", "without offline_access the client gets no refresh tokens")
	}
	switch {
	case rotates == nil:
	case *rotates && !v.profile.RotateRefreshTokens:
		v.warn("rotate_refresh_tokens", "FAPI 2.0 section 5.3.2.1", "has no effect: the profile rotates no refresh tokens")
	case !*rotates && c.Public() && !c.DPoPBound:
		v.warn("rotate_refresh_tokens", "RFC 9700 section 2.2.2", "has no effect on refresh tokens that are bound to no key, as the client is public")
	}
}
