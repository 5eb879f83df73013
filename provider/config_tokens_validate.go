package provider

import (
	"fmt"
	"slices"
	"time"

	"signet/provider/oauth"
)

// mostNotBeforeLeeway: a clock that is slower than this is no clock.
const mostNotBeforeLeeway = 5 * time.Minute

// mostArchive is as long as refresh tokens can live.
const mostArchive = 10 * 365 * 24 * time.Hour

// tokens checks what is said of tokens, and of how they are asked for and refused.
func (v *validator) tokens(c Config) {
	v.endpoints(c.Endpoints)
	v.grantList(c)
	if leeway := c.TokenEndpoint.NotBeforeLeeway; leeway != nil {
		v.within("token_endpoint.not_before_leeway", *leeway, 0, mostNotBeforeLeeway)
	}
	v.refreshTokens(c)
	if !slices.Contains([]IDTokenClaims{ClaimsRequested, ClaimsGranted, ClaimsScope}, c.IDTokens.Claims) {
		v.fault("id_tokens.claims", "want requested, granted or scope")
	}
	if c.Authorization.OpenIDOptional && c.Profile != oauth.ProfileOpenID {
		v.fault("authorization.openid_optional", "is for the profile openid alone")
	}
	if c.Errors.Documentation != "" && !httpsURL(c.Errors.Documentation) {
		v.fault("errors.documentation", "want an https URL without a fragment: that will be the error's code")
	}
	v.within("dpop.proof_lifetime", c.DPoP.ProofLifetime, 5*time.Second, 5*time.Minute)
	v.within("dpop.proof_leeway", c.DPoP.ProofLeeway, time.Second, time.Minute)
	v.within("keys.archive_for", c.Keys.ArchiveFor, 0, mostArchive)
	for i, r := range c.Resources {
		if r.TokenLayout != LayoutRFC9068 && r.TokenLayout != LayoutLight {
			v.fault(fmt.Sprintf("resources[%d].token_layout", i), "want rfc9068 or light")
		}
	}
}

func (v *validator) refreshTokens(c Config) {
	r := c.RefreshTokens
	if r.RetryGrace > 5*time.Minute {
		v.fault("refresh_tokens.retry_grace", "want at most 5m")
	}
	if !r.ChecksUser() && c.Profile != oauth.ProfileOpenID {
		v.fault("refresh_tokens.check_user", "false is for the profile openid alone")
	}
	if floor, known := oauth.Profiles[c.Profile]; known && !r.Persists() && r.Rotates() && floor.RotateRefreshTokens {
		v.fault("refresh_tokens.persist", "false needs refresh_tokens.rotate: false: a token that is not kept cannot be used up")
	}
	if c.Logout.RevokeRefreshTokens && !c.Logout.On() {
		v.fault("logout.revoke_refresh_tokens", "needs logout.enabled")
	}
}

// grantList: what is listed must be on, and what somebody has switched on must be listed: one of the two is a mistake.
func (v *validator) grantList(c Config) {
	const path = "token_endpoint.grant_types"
	listed := c.TokenEndpoint.GrantTypes
	floor, known := oauth.Profiles[c.Profile]
	if len(listed) == 0 || !known {
		return
	}
	for i, grant := range listed {
		at := fmt.Sprintf("%s[%d]", path, i)
		key := c.switchOf(grant, floor)
		switch {
		case slices.Contains(listed[:i], grant):
			v.fault(at, "listed twice")
		case !slices.Contains(oauth.GrantTypes, grant) && !c.declares(grant):
			v.fault(at, "%q is not known; known: %v, and those of declared_grants", grant, oauth.GrantTypes)
		case key != "":
			v.fault(at, "%s is off: see %s", grant, key)
		}
	}
	for _, s := range c.grantSwitches(floor) {
		if s.on && !slices.Contains(listed, s.grant) {
			v.fault(s.key, "is on, but %s has not %s", path, s.grant)
		}
	}
	for i, g := range c.DeclaredGrants {
		if !slices.Contains(listed, g.Type) {
			v.fault(fmt.Sprintf("declared_grants[%d].type", i), "is not in %s", path)
		}
	}
	for i, t := range c.Authorization.ResponseTypes {
		if missing := c.withoutGrant(t, floor); missing != "" {
			v.fault(fmt.Sprintf("authorization.response_types[%d]", i), "needs %s in %s", missing, path)
		}
	}
}
