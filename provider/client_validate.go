package provider

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"signet/provider/clientauth"
	"signet/provider/jose"
	"signet/provider/oauth"
)

// ValidateClient lists everything that is wrong with a registration under the configuration; each fault
// names its client metadata field (RFC 7591 section 3.2.2).
func ValidateClient(c *oauth.Client, cfg Config) []error {
	v := &clientValidator{client: c}
	if !oauth.ValidClientID(c.ID) {
		v.fault("client_id", "want 1 to 255 printable ASCII characters (RFC 6749 appendix A.1)")
	}
	profile, ok := oauth.Profiles[cfg.Profile].For(c)
	if !ok {
		v.fault("profile", "is not known")
		return v.faults
	}
	v.authentication(profile)
	v.keys()
	v.grants(profile)
	v.redirects()
	v.scopesAndResources(cfg)
	if algs := profile.Algorithms(cfg.Keys.Algorithms); len(algs) == 0 {
		v.fault("profile", "none of keys.algorithms is allowed under it: want one of %v", profile.SigningAlgs)
	} else if c.IDTokenAlg != "" && !slices.Contains(algs, c.IDTokenAlg) {
		v.fault("id_token_signed_response_alg", "want one of %v", algs)
	}
	return v.faults
}

type clientValidator struct {
	client *oauth.Client
	faults []error
}

func (v *clientValidator) fault(field, format string, args ...any) {
	v.faults = append(v.faults, fmt.Errorf("%s: %s", field, fmt.Sprintf(format, args...)))
}

func (v *clientValidator) authentication(profile oauth.Profile) {
	c := v.client
	if !slices.Contains(profile.AuthMethods, c.AuthMethod) {
		v.fault("token_endpoint_auth_method", "want one of %v", profile.AuthMethods)
		return
	}
	if c.AuthMethod.UsesSecret() && c.SecretHash == "" && len(c.SecretSealed) == 0 {
		v.fault("client_secret", "is needed for %s", c.AuthMethod)
	}
	if needsKeys := c.AuthMethod == oauth.AuthPrivateKeyJWT || c.AuthMethod == oauth.AuthSelfSignedTLS; needsKeys && len(c.JWKS) == 0 && c.JWKSURI == "" {
		v.fault("jwks", "jwks or jwks_uri is needed for %s", c.AuthMethod)
	}
	if c.AuthMethod == oauth.AuthTLS {
		if err := clientauth.IdentityOf(c).Validate(); err != nil {
			v.fault("tls_client_auth_subject_dn", "exactly one of the five tls_client_auth names is needed (RFC 8705 section 2.1.2): %v", err)
		}
	}
	if c.AuthSigningAlg != "" {
		algs := profile.SigningAlgs
		if c.AuthMethod == oauth.AuthSecretJWT {
			algs = clientauth.SecretJWTAlgorithms()
		}
		if !slices.Contains(algs, c.AuthSigningAlg) {
			v.fault("token_endpoint_auth_signing_alg", "want one of %v", algs)
		}
	}
}

func (v *clientValidator) keys() {
	c := v.client
	if len(c.JWKS) > 0 && c.JWKSURI != "" {
		v.fault("jwks_uri", "must not be given together with jwks (RFC 7591 section 2)")
	}
	if len(c.JWKS) > 0 {
		if _, err := jose.ParseKeySet(c.JWKS); err != nil {
			v.fault("jwks", "%v", err)
		}
	}
	if c.JWKSURI != "" {
		if u, err := url.Parse(c.JWKSURI); err != nil || u.Scheme != "https" || u.Host == "" {
			v.fault("jwks_uri", "want an https URL")
		}
	}
}

func (v *clientValidator) grants(profile oauth.Profile) {
	c := v.client
	if len(c.GrantTypes) == 0 {
		v.fault("grant_types", "at least one is needed")
	}
	for _, g := range c.GrantTypes {
		if !slices.Contains(oauth.GrantTypes, g) {
			v.fault("grant_types", "%q is not known; known: %s", g, strings.Join(oauth.GrantTypes, ", "))
		}
	}
	if c.Public() && c.Allows(oauth.GrantClientCredentials) {
		v.fault("grant_types", "a public client cannot use client_credentials (RFC 6749 section 4.4)")
	}
	if c.Allows(oauth.GrantAuthorizationCode) && profile.RequirePAR {
		v.fault("grant_types", "authorization_code needs pushed authorization requests (FAPI 2.0 section 5.3.2.2), which this build does not have")
	}
	if c.Allows(oauth.GrantAuthorizationCode) && len(c.RedirectURIs) == 0 {
		v.fault("redirect_uris", "at least one is needed for authorization_code")
	}
}

func (v *clientValidator) redirects() {
	for _, uri := range v.client.RedirectURIs {
		if err := oauth.CheckRedirectURI(uri); err != nil {
			v.fault("redirect_uris", "%q %v", uri, err)
		}
	}
}

func (v *clientValidator) scopesAndResources(cfg Config) {
	scope, ok := oauth.ParseScope(v.client.Scope)
	if !ok {
		v.fault("scope", "is malformed (RFC 6749 section 3.3)")
	}
	for _, s := range scope {
		if !slices.ContainsFunc(cfg.AllScopes(), func(known Scope) bool { return known.Name == s }) {
			v.fault("scope", "%q is not configured", s)
		}
	}
	if len(v.client.Resources) == 0 && len(v.client.Introspects) == 0 {
		v.fault("resources", "at least one resource server is needed")
	}
	for field, ids := range map[string][]string{"resources": v.client.Resources, "introspects": v.client.Introspects} {
		for _, id := range ids {
			if !slices.ContainsFunc(cfg.Resources, func(r Resource) bool { return r.ID == id }) {
				v.fault(field, "%q is not a configured resource server", id)
			}
		}
	}
}

// AllScopes lists the scopes that exist: OpenID Connect's own and the configured ones.
func (c Config) AllScopes() []Scope { return append(slices.Clone(standardScopes), c.Scopes...) }
