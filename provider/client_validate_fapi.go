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
		if c.IDTokenAlg != oauth.AlgNone {
			v.signedBy("id_token_signed_response_alg", registrationMetadata, c.IDTokenAlg, signing)
		}
		v.signedBy("userinfo_signed_response_alg", registrationMetadata, c.UserinfoAlg, signing)
		v.signedBy("authorization_signed_response_alg", "JARM section 3", c.ResponseAlg, signing)
		v.signedBy("introspection_signed_response_alg", "RFC 9701 section 6", c.IntrospectionAlg, signing)
	}
	v.unsigned()
	v.responseTypes()
	for _, acr := range c.DefaultACR {
		if acr == "" || strings.Contains(acr, " ") {
			v.fault("default_acr_values", registrationMetadata, "a value is empty or has a space")
		} else if !slices.Contains(v.config.Authentication.PasswordACR, acr) {
			v.warn("default_acr_values", registrationMetadata, "no login reaches %q", acr)
		}
	}
}

// unsigned: an ID token may go without a signature only where the connection vouches for it, from the token endpoint.
// What a profile says, its table does.
func (v *clientValidator) unsigned() {
	c := v.client
	front := slices.ContainsFunc(c.ResponseTypes, func(t string) bool { return strings.Contains(t, "id_token") })
	if c.IDTokenAlg == oauth.AlgNone && (front || c.BackchannelMode == oauth.BackchannelPush) {
		v.fault("id_token_signed_response_alg", registrationMetadata, "must not be none, as ID tokens come from elsewhere than the token endpoint")
	}
}

// responseTypes checks them, and that the grant types are those that they need (OpenID Connect Registration section 2).
func (v *clientValidator) responseTypes() {
	c, served := v.client, v.config.responseTypes(v.profile)
	for i, t := range c.ResponseTypes {
		switch {
		case !slices.Contains(every.ResponseTypes, t):
			v.fault("response_types", "RFC 7591 section 2", "%q is not known; known: %q", t, every.ResponseTypes)
		case slices.Contains(c.ResponseTypes[:i], t):
			v.fault("response_types", "RFC 7591 section 2", "%q is listed twice", t)
		case slices.Contains(v.profile.ResponseTypes, t) && !slices.Contains(served, t):
			v.fault("response_types", "", "%q is not served: see authorization.response_types", t)
		default:
			v.responseType(t)
		}
	}
	implicit := func(t string) bool { return needsImplicit(v.profile, t) }
	switch needed := slices.ContainsFunc(c.ResponseTypes, implicit); {
	case !c.Allows(oauth.GrantImplicit) || needed || !slices.ContainsFunc(v.profile.ResponseTypes, implicit):
	case !slices.ContainsFunc(served, implicit):
		v.fault("grant_types", "", "implicit has nothing to give: see authorization.response_types")
	default:
		v.fault("response_types", registrationMetadata, "one with id_token or token is needed for the grant type implicit")
	}
	if withCode := func(t string) bool { return strings.Contains(t, "code") }; len(c.ResponseTypes) > 0 &&
		c.Allows(oauth.GrantAuthorizationCode) && !slices.ContainsFunc(c.ResponseTypes, withCode) {
		v.warn("grant_types", registrationMetadata, "authorization_code has no effect without a response type with code")
	}
}

// responseType checks what one response type needs of the client.
func (v *clientValidator) responseType(t string) {
	c := v.client
	parts := strings.Fields(t)
	if slices.Contains(parts, "id_token") && !c.Scopes().Has(oauth.ScopeOpenID) {
		v.fault("response_types", "OpenID Connect Core section 3.3.2.1", "%q needs the scope openid", t)
	}
	if slices.Contains(parts, "code") && !c.Allows(oauth.GrantAuthorizationCode) {
		v.fault("response_types", "RFC 7591 section 2.1", "%q needs the grant type authorization_code", t)
	}
	if needsImplicit(v.profile, t) && !c.Allows(oauth.GrantImplicit) {
		v.fault("response_types", registrationMetadata, "%q needs the grant type implicit, and gets unauthorized_client without: add it to grant_types", t)
	}
	// Those of a client that authenticates by certificate are bound to it without having to be (RFC 8705 section 3).
	if bound := v.profile.SenderConstrained || c.BoundAccessTokens || c.DPoPBound || c.AuthMethod.UsesCertificate(); bound && slices.Contains(parts, "token") {
		v.fault("response_types", "RFC 9700 section 2.1.2", "%q gives access tokens that cannot be bound, as the client's others are", t)
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
	if c.RequestObjectAlg != oauth.AlgNone { // which is allowed by OpenID Connect Core section 6.1, and forbidden by the profiles' tables
		v.oneOf("request_object_signing_alg", "RFC 9101 section 10.5", c.RequestObjectAlg, every.SigningAlgs)
	} else if c.RequireSignedRequest {
		v.fault("request_object_signing_alg", "RFC 9101 section 10.5", "must not be none with require_signed_request_object")
	}
	if (signsObjects(c) || c.RequireSignedRequest) && !hasKeys(c) {
		v.fault("jwks", "RFC 9101 section 6.2", "jwks or jwks_uri is needed to sign request objects")
	}
	if asks(c) {
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

// asks says whether the client has anything to do at the authorization endpoint.
func asks(c *oauth.Client) bool {
	return c.Allows(oauth.GrantAuthorizationCode) || c.Allows(oauth.GrantImplicit)
}

// signsObjects says whether the client has named an algorithm that its request objects are signed with.
func signsObjects(c *oauth.Client) bool {
	return c.RequestObjectAlg != "" && c.RequestObjectAlg != oauth.AlgNone
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
