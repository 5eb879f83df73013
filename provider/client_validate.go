package provider

import (
	"net/url"
	"slices"

	"signet/provider/clientauth"
	"signet/provider/jose"
	"signet/provider/oauth"
)

// metadata checks what holds for every client. The profile's own demands are in its requirement table; here it only
// says whether anything is left that the client could use.
func (v *clientValidator) metadata() {
	v.authentication()
	v.keys()
	v.grants()
	v.redirects()
	v.scopesAndResources()
	v.responses()
	v.requests()
	v.details()
	v.backchannel()
	v.openID()
	v.tokens()
	if algs := v.profile.Algorithms(v.config.Keys.Algorithms); len(algs) == 0 {
		v.fault("profile", "", "none of keys.algorithms is allowed under it: want one of %v", v.profile.SigningAlgs)
	}
}

// every is what Signet can do at all.
var every = oauth.Profiles[oauth.ProfileOpenID]

func (v *clientValidator) authentication() {
	c := v.client
	if !slices.Contains(every.AuthMethods, c.AuthMethod) {
		v.fault("token_endpoint_auth_method", "RFC 7591 section 2", "want one of %v", v.profile.AuthMethods)
		return
	}
	if c.AuthMethod.UsesSecret() && c.SecretHash == "" && len(c.SecretSealed) == 0 {
		v.fault("client_secret", "RFC 7591 section 3.2.1", "is needed for %s", c.AuthMethod)
	}
	if needsKeys := c.AuthMethod == oauth.AuthPrivateKeyJWT || c.AuthMethod == oauth.AuthSelfSignedTLS; needsKeys && !hasKeys(c) {
		v.fault("jwks", "RFC 7591 section 2", "jwks or jwks_uri is needed for %s", c.AuthMethod)
	}
	if c.AuthMethod == oauth.AuthTLS {
		if err := clientauth.IdentityOf(c).Validate(); err != nil {
			v.fault("tls_client_auth_subject_dn", "RFC 8705 section 2.1.2", "exactly one of the five tls_client_auth names is needed: %v", err)
		}
	}
	algs := every.SigningAlgs
	if c.AuthMethod == oauth.AuthSecretJWT {
		algs = clientauth.SecretJWTAlgorithms()
	}
	v.oneOf("token_endpoint_auth_signing_alg", "RFC 7591 section 2", c.AuthSigningAlg, algs)
}

// oneOf: an empty value means that the server chooses.
func (v *clientValidator) oneOf(field, clause, value string, allowed []string) {
	if value != "" && !slices.Contains(allowed, value) {
		v.fault(field, clause, "want one of %v", allowed)
	}
}

func (v *clientValidator) keys() {
	c := v.client
	if len(c.JWKS) > 0 && c.JWKSURI != "" {
		v.fault("jwks_uri", "RFC 7591 section 2", "must not be given together with jwks")
	}
	if len(c.JWKS) > 0 {
		if _, err := jose.ParseKeySet(c.JWKS); err != nil {
			v.fault("jwks", "RFC 7517 section 5", "%v", err)
		}
	}
	v.keysForAlgorithms()
	if u, err := url.Parse(c.JWKSURI); c.JWKSURI != "" && (err != nil || u.Scheme != "https" || u.Host == "") {
		v.fault("jwks_uri", "RFC 7591 section 2", "want an https URL")
	}
}

// keysForAlgorithms finds what the client could never sign. What the profile forbids, its table says.
func (v *clientValidator) keysForAlgorithms() {
	c, set := v.client, inlineKeys(v.client)
	if set == nil || !signs(v.profile, c) {
		return
	}
	if !set.Verifies(every.SigningAlgs) {
		v.fault("jwks", "RFC 7591 section 2", "has no key for any of %v", every.SigningAlgs)
		return
	}
	for _, f := range []struct {
		field, clause, alg string
		used               bool
	}{
		{"token_endpoint_auth_signing_alg", "RFC 7591 section 2", c.AuthSigningAlg, c.AuthMethod == oauth.AuthPrivateKeyJWT},
		{"request_object_signing_alg", "RFC 9101 section 10.5", c.RequestObjectAlg, asks(c)},
		{"backchannel_authentication_request_signing_alg", cibaMetadata, c.BackchannelAlg, c.Allows(oauth.GrantCIBA)},
	} {
		if f.used && slices.Contains(v.profile.SigningAlgs, f.alg) && !set.Verifies([]string{f.alg}) {
			v.fault(f.field, f.clause, "jwks has no key for %s", f.alg)
		}
	}
}

func (v *clientValidator) scopesAndResources() {
	scope, ok := oauth.ParseScope(v.client.Scope)
	if !ok {
		v.fault("scope", "RFC 6749 section 3.3", "is malformed")
	}
	for _, s := range scope {
		if !slices.ContainsFunc(v.config.AllScopes(), func(known Scope) bool { return known.Name == s }) {
			v.fault("scope", "", "%q is not configured", s)
		}
	}
	if len(v.client.Resources) == 0 && len(v.client.Introspects) == 0 {
		v.fault("resources", "", "at least one resource server is needed")
	}
	for _, f := range []struct {
		field string
		ids   []string
	}{{"resources", v.client.Resources}, {"introspects", v.client.Introspects}} {
		for _, id := range f.ids {
			if !slices.ContainsFunc(v.config.AllResources(), func(r Resource) bool { return r.ID == id }) {
				v.fault(f.field, "", "%q is not a configured resource server", id)
			}
		}
	}
}
