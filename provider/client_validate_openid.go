package provider

import (
	"net/url"
	"slices"
	"strings"
	"unicode"

	"signet/provider/jose"
	"signet/provider/oauth"
)

// The specifications that the fields below are from.
const (
	registrationMetadata = "OpenID Connect Registration section 2"
	rpInitiatedLogout    = "OpenID Connect RP-Initiated Logout section 3.1"
	frontchannelLogout   = "OpenID Connect Front-Channel Logout section 2"
	backchannelLogout    = "OpenID Connect Back-Channel Logout section 2.2"
)

// Bounds of what a client says of itself: pages and logs show it.
const (
	maxText       = 255 // characters of one text
	maxContacts   = 20
	maxRequestURI = 512 // ASCII characters (OpenID Connect Core section 6.2)
)

// openID checks the metadata of OpenID Connect Registration and of its logout specifications.
func (v *clientValidator) openID() {
	v.self()
	v.subjects()
	v.encryption()
	v.logins()
	v.logout()
}

// self checks what the client says of itself.
func (v *clientValidator) self() {
	c := v.client
	v.oneOf("application_type", registrationMetadata, c.ApplicationType, []string{appWeb, appNative})
	for _, page := range []struct{ field, uri string }{
		{"logo_uri", c.LogoURI}, {"client_uri", c.ClientURI}, {"policy_uri", c.PolicyURI}, {"tos_uri", c.TermsURI},
	} {
		v.https(page.field, registrationMetadata, page.uri)
	}
	for _, t := range []struct{ field, text string }{{"software_id", c.SoftwareID}, {"software_version", c.SoftwareVersion}} {
		v.line(t.field, "RFC 7591 section 2", t.text)
	}
	if len(c.Contacts) > maxContacts {
		v.fault("contacts", registrationMetadata, "want at most %d", maxContacts)
		return
	}
	for _, contact := range c.Contacts {
		v.line("contacts", registrationMetadata, contact)
	}
}

// https wants a URL to which a browser or Signet itself can go; "" = none.
func (v *clientValidator) https(field, clause, uri string) bool {
	if uri != "" && (!httpsURL(uri) || len(uri) > maxIdentifier || !isURIText(uri)) {
		v.fault(field, clause, "want an https URL without user information or fragment")
		return false
	}
	return uri != ""
}

// isURIText says whether the text has only characters that a URI can have (RFC 3986 section 2).
func isURIText(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '\\' })
}

// line wants one line of visible text.
func (v *clientValidator) line(field, clause, text string) {
	if len([]rune(text)) > maxText || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsGraphic(r) }) {
		v.fault(field, clause, "want at most %d visible characters", maxText)
	}
}

// subjects checks how users are named to the client. What the sector_identifier_uri lists is read when a client
// registers itself.
func (v *clientValidator) subjects() {
	c := v.client
	v.https("sector_identifier_uri", "OpenID Connect Registration section 5", c.SectorURI)
	switch c.SubjectType {
	case "", oauth.SubjectPublic:
	case oauth.SubjectPairwise:
		v.pairwise()
	default:
		v.fault("subject_type", registrationMetadata, "want public or pairwise")
	}
}

// pairwise checks that there is a sector, and that who gets tokens belongs to it.
func (v *clientValidator) pairwise() {
	c := v.client
	sector, ok := c.Sector()
	switch {
	case !v.config.Subjects.On():
		v.fault("subject_type", registrationMetadata, "pairwise is not offered: see subjects.pairwise_salt_file")
	case ok && c.Allows(oauth.GrantCIBA):
		v.pairwiseBackchannel(sector)
	case !ok && c.SectorURI == "":
		v.fault("sector_identifier_uri", "OpenID Connect Core section 8.1",
			"is needed for pairwise, as the redirect URIs are not all https with one host in common")
	}
}

// pairwiseBackchannel: tokens of CIBA go to no redirect URI. Where they are pushed stands for it or, as whoever asks gets
// them otherwise, where the client's keys are; then it must have proved itself with these (CIBA Core section 4).
func (v *clientValidator) pairwiseBackchannel(sector string) {
	c := v.client
	field, uri := "jwks_uri", c.JWKSURI
	if c.BackchannelMode == oauth.BackchannelPush {
		field, uri = "backchannel_client_notification_endpoint", c.BackchannelEndpoint
	} else if proves := c.AuthMethod == oauth.AuthPrivateKeyJWT || c.AuthMethod == oauth.AuthSelfSignedTLS ||
		c.BackchannelAlg != "" || v.profile.SignedBackchannel; !proves {
		v.fault("token_endpoint_auth_method", cibaMetadata,
			"want private_key_jwt or self_signed_tls_client_auth for pairwise and %s, or signed backchannel requests", oauth.GrantCIBA)
	}
	if u, err := url.Parse(uri); c.SectorURI == "" && (err != nil || !strings.EqualFold(u.Hostname(), sector)) {
		v.fault("sector_identifier_uri", cibaMetadata, "is needed for pairwise, as %s has not the host of the redirect URIs", field)
	}
}

// encryption checks what is encrypted to the client, and what it encrypts to Signet.
func (v *clientValidator) encryption() {
	c := v.client
	encrypts := false
	for _, f := range []struct{ name, clause, alg, enc string }{
		{"id_token_encrypted_response", registrationMetadata, c.IDTokenEncAlg, c.IDTokenEncEnc},
		{"userinfo_encrypted_response", registrationMetadata, c.UserinfoEncAlg, c.UserinfoEncEnc},
		{"introspection_encrypted_response", "RFC 9701 section 6", c.IntrospectionEncAlg, c.IntrospectionEncEnc},
		{"authorization_encrypted_response", "JARM section 3", c.ResponseEncAlg, c.ResponseEncEnc},
	} {
		v.pair(f.name, f.clause, f.alg, f.enc, jose.EncryptionAlgs())
		encrypts = encrypts || f.alg != ""
		if set := inlineKeys(c); set != nil && slices.Contains(jose.EncryptionAlgs(), f.alg) && !set.Encrypts(f.alg) {
			v.fault(f.name+"_alg", f.clause, "jwks has no key for %s", f.alg)
		}
	}
	if encrypts && !hasKeys(c) {
		v.fault("jwks", registrationMetadata, "jwks or jwks_uri is needed to encrypt to")
	}
	ours := v.config.Keys.decryptionAlgs()
	if len(ours) == 0 && c.RequestObjectEncAlg != "" {
		v.fault("request_object_encryption_alg", registrationMetadata, "there is no key to encrypt to: see keys.algorithms")
		return
	}
	v.pair("request_object_encryption", registrationMetadata, c.RequestObjectEncAlg, c.RequestObjectEncEnc, ours)
}

// pair checks the alg and the enc of one JWE.
func (v *clientValidator) pair(name, clause, alg, enc string, algs []string) {
	v.oneOf(name+"_alg", clause, alg, algs)
	v.oneOf(name+"_enc", clause, enc, jose.ContentEncryptions())
	if enc != "" && alg == "" {
		v.fault(name+"_alg", clause, "must be given together with %s_enc", name)
	}
}

// decryptionAlgs are those of Algorithms for which others can encrypt to Signet.
func (k KeysConfig) decryptionAlgs() []string {
	return slices.DeleteFunc(slices.Clone(k.Algorithms), func(alg string) bool { return jose.Use(alg) != jose.UseEncryption })
}

// logins checks what logins start with.
func (v *clientValidator) logins() {
	c := v.client
	if c.DefaultMaxAge != nil && *c.DefaultMaxAge < 0 {
		v.fault("default_max_age", registrationMetadata, "must not be negative")
	}
	v.https("initiate_login_uri", registrationMetadata, c.InitiateLoginURI)
	for i, uri := range c.RequestURIs {
		bare, _, _ := strings.Cut(uri, "#")
		switch {
		case !httpsURL(bare) || !isURIText(uri) || len(uri) > maxRequestURI:
			v.fault("request_uris", registrationMetadata, "%q is no https URL of at most %d characters", uri, maxRequestURI)
		case slices.Contains(c.RequestURIs[:i], uri):
			v.fault("request_uris", registrationMetadata, "%q is listed twice", uri)
		}
	}
	if len(c.RequestURIs) > 0 && !v.config.Authorization.RequestURIs {
		v.warn("request_uris", "OpenID Connect Core section 6.2", "has no effect: see authorization.request_uris")
	}
}

// logout checks where browsers come back after a logout, and where the client hears of one.
func (v *clientValidator) logout() {
	c, l := v.client, v.config.Logout
	for _, uri := range c.PostLogoutRedirectURIs {
		v.redirect("post_logout_redirect_uris", rpInitiatedLogout, uri)
	}
	if v.https("frontchannel_logout_uri", frontchannelLogout, c.FrontchannelLogoutURI) && !sharesOrigin(c.FrontchannelLogoutURI, c.RedirectURIs) {
		v.fault("frontchannel_logout_uri", frontchannelLogout, "want the scheme, host and port of a redirect URI")
	}
	v.https("backchannel_logout_uri", backchannelLogout, c.BackchannelLogoutURI)
	for _, f := range []struct {
		field, clause, key string
		set, served        bool
	}{
		{"post_logout_redirect_uris", rpInitiatedLogout, "logout.enabled", len(c.PostLogoutRedirectURIs) > 0, l.On()},
		{"frontchannel_logout_uri", frontchannelLogout, "logout.frontchannel", c.FrontchannelLogoutURI != "", l.FrontchannelOn()},
		{"backchannel_logout_uri", backchannelLogout, "logout.backchannel", c.BackchannelLogoutURI != "", l.BackchannelOn()},
	} {
		if f.set && !f.served {
			v.warn(f.field, f.clause, "has no effect: see %s", f.key)
		}
	}
	if c.FrontchannelLogoutSession && c.FrontchannelLogoutURI == "" {
		v.warn("frontchannel_logout_session_required", frontchannelLogout, "has no effect without frontchannel_logout_uri")
	}
	if c.BackchannelLogoutSession && c.BackchannelLogoutURI == "" {
		v.warn("backchannel_logout_session_required", backchannelLogout, "has no effect without backchannel_logout_uri")
	}
}

// sharesOrigin says whether one of the others has the scheme, host and port of the URL.
func sharesOrigin(text string, others []string) bool {
	of := func(text string) string {
		u, err := url.Parse(text)
		if err != nil {
			return ""
		}
		port := u.Port()
		if port == "" && u.Scheme == "https" {
			port = "443"
		}
		return strings.ToLower(u.Scheme + "://" + u.Hostname() + ":" + port)
	}
	return slices.ContainsFunc(others, func(other string) bool { return of(other) == of(text) })
}
