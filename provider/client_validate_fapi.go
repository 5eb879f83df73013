package provider

import (
	"slices"
	"strings"

	"signet/provider/oauth"
)

// responses checks what the client wants to be answered with.
func (v *clientValidator) responses() {
	c := v.client
	signing := v.profile.Algorithms(v.config.Keys.Algorithms)
	if len(signing) > 0 { // otherwise that is the fault
		v.signedBy("id_token_signed_response_alg", "OpenID Connect Registration section 2", c.IDTokenAlg, signing)
		v.signedBy("authorization_signed_response_alg", "JARM section 3", c.ResponseAlg, signing)
		v.signedBy("introspection_signed_response_alg", "RFC 9701 section 6", c.IntrospectionAlg, signing)
	}
	for i, t := range c.ResponseTypes {
		switch {
		case !slices.Contains(every.ResponseTypes, t):
			v.fault("response_types", "RFC 7591 section 2", "%q is not known; known: %q", t, every.ResponseTypes)
		case slices.Contains(c.ResponseTypes[:i], t):
			v.fault("response_types", "RFC 7591 section 2", "%q is listed twice", t)
		case strings.Contains(t, "id_token") && !c.Scopes().Has(oauth.ScopeOpenID):
			v.fault("response_types", "OpenID Connect Core section 3.3.2.1", "%q needs the scope openid", t)
		}
	}
	if len(c.ResponseTypes) > 0 && !c.Allows(oauth.GrantAuthorizationCode) {
		v.fault("response_types", "RFC 7591 section 2.1", "need the grant type authorization_code")
	}
	for _, acr := range c.DefaultACR {
		if acr == "" || strings.Contains(acr, " ") {
			v.fault("default_acr_values", "OpenID Connect Registration section 2", "a value is empty or has a space")
		} else if !slices.Contains(v.config.Authentication.PasswordACR, acr) {
			v.warn("default_acr_values", "OpenID Connect Registration section 2", "no login reaches %q", acr)
		}
	}
}

// signedBy checks an algorithm that Signet is to sign with. What the profile forbids, its table says.
func (v *clientValidator) signedBy(field, clause, alg string, signing []string) {
	if alg == "" || slices.Contains(every.SigningAlgs, alg) && !slices.Contains(v.profile.SigningAlgs, alg) {
		return
	}
	v.oneOf(field, clause, alg, signing)
}

// requests checks how the client asks for authorization.
func (v *clientValidator) requests() {
	c := v.client
	v.oneOf("request_object_signing_alg", "RFC 9101 section 10.5", c.RequestObjectAlg, every.SigningAlgs)
	if (c.RequestObjectAlg != "" || c.RequireSignedRequest) && !hasKeys(c) {
		v.fault("jwks", "RFC 9101 section 6.2", "jwks or jwks_uri is needed to sign request objects")
	}
	if c.Allows(oauth.GrantAuthorizationCode) {
		return
	}
	for _, f := range []struct {
		field, clause string
		set           bool
	}{
		{"require_signed_request_object", "RFC 9101 section 10.5", c.RequireSignedRequest},
		{"require_pushed_authorization_requests", "RFC 9126 section 6", c.RequirePAR},
	} {
		if f.set {
			v.warn(f.field, f.clause, "has no effect without the grant type authorization_code")
		}
	}
}

// details checks the authorization_details types that the client may use.
func (v *clientValidator) details() {
	c := v.client
	for i, name := range c.DetailsTypes {
		at := slices.IndexFunc(v.config.DetailsTypes, func(t DetailsType) bool { return t.Type == name })
		switch {
		case at < 0:
			v.fault("authorization_details_types", "RFC 9396 section 10", "%q is not configured", name)
		case slices.Contains(c.DetailsTypes[:i], name):
			v.fault("authorization_details_types", "RFC 9396 section 10", "%q is listed twice", name)
		case !v.config.DetailsTypes[at].meant(c.Resources):
			v.warn("authorization_details_types", "RFC 9396 section 9", "none of the client's resources takes %q", name)
		}
	}
}

// meant says whether one of the resource servers takes the type.
func (t DetailsType) meant(resources []string) bool {
	return len(t.Resources) == 0 || slices.ContainsFunc(t.Resources, func(id string) bool { return slices.Contains(resources, id) })
}

const cibaMetadata = "CIBA Core section 4"

// backchannel checks what CIBA needs, and that nothing is left of it where the client does not use it.
func (v *clientValidator) backchannel() {
	c := v.client
	if !c.Allows(oauth.GrantCIBA) {
		if c.BackchannelMode != "" || c.BackchannelEndpoint != "" || c.BackchannelAlg != "" || c.BackchannelUserCode {
			v.warn("backchannel_token_delivery_mode", cibaMetadata, "the backchannel_ fields have no effect without the grant type %s", oauth.GrantCIBA)
		}
		return
	}
	switch {
	case !v.config.CIBA.Enabled:
		v.fault("grant_types", "", "%s is not enabled: see ciba.enabled", oauth.GrantCIBA)
	case c.Public():
		v.fault("grant_types", "CIBA Core section 7.1", "a public client cannot use %s", oauth.GrantCIBA)
	case !c.Scopes().Has(oauth.ScopeOpenID):
		v.fault("scope", "CIBA Core section 7.1", "openid is needed for %s", oauth.GrantCIBA)
	}
	v.delivery()
	v.oneOf("backchannel_authentication_request_signing_alg", cibaMetadata, c.BackchannelAlg, every.SigningAlgs)
	if c.BackchannelAlg != "" && !hasKeys(c) {
		v.fault("jwks", "CIBA Core section 7.1.1", "jwks or jwks_uri is needed to sign backchannel requests")
	}
}

func (v *clientValidator) delivery() {
	c := v.client
	switch c.BackchannelMode {
	case oauth.BackchannelPoll:
		if c.BackchannelEndpoint != "" {
			v.warn("backchannel_client_notification_endpoint", cibaMetadata, "has no effect with poll")
		}
		return
	case oauth.BackchannelPing:
	case oauth.BackchannelPush:
		// What is pushed goes to whoever is at the endpoint; nobody there has shown a key.
		if c.DPoPBound || c.BoundAccessTokens {
			v.fault("backchannel_token_delivery_mode", "CIBA Core section 5", "push cannot deliver tokens that are bound to a certificate or a DPoP key")
		} else if v.profile.SenderConstrained || !v.profile.PushMode {
			v.fault("backchannel_token_delivery_mode", "CIBA Core section 5", "push cannot deliver the bound tokens that the profile asks for")
		}
	default:
		v.fault("backchannel_token_delivery_mode", cibaMetadata, "want poll, ping or push")
		return
	}
	if !httpsURL(c.BackchannelEndpoint) {
		v.fault("backchannel_client_notification_endpoint", cibaMetadata, "an https URL is needed for %s", c.BackchannelMode)
	}
}
