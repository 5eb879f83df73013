package provider

import (
	"net/url"
	"strings"

	"signet/provider/oauth"
)

// The values of application_type (OpenID Connect Registration section 2). A client that says neither, as operators'
// registrations may, is judged by what its redirect URIs are, except that the implicit flow takes it for a web client.
const (
	appWeb    = "web"
	appNative = "native"
)

// redirects checks where answers go.
func (v *clientValidator) redirects() {
	for _, uri := range v.client.RedirectURIs {
		v.redirect("redirect_uris", registrationMetadata, uri)
	}
}

// redirect checks one URI to which browsers are sent.
func (v *clientValidator) redirect(field, clause, uri string) {
	c := v.client
	if err := oauth.CheckRedirectURI(uri); err != nil {
		text, own, _ := strings.Cut(err.Error(), " (") // it names its clause at the end
		v.fault(field, strings.TrimSuffix(own, ")"), "%q %s", uri, text)
		return
	}
	if c.ApplicationType == appNative {
		return // a claimed https address, a private-use scheme or a loopback address (RFC 8252 section 7)
	}
	u, err := url.Parse(uri)
	if err != nil {
		return // found above
	}
	switch implicit := c.Allows(oauth.GrantImplicit); {
	case u.Scheme != "https" && c.ApplicationType == appWeb:
		v.fault(field, clause, "%q is not https, as a web client's must be; application_type native may have it", uri)
	case u.Scheme != "https" && implicit:
		v.fault(field, clause, "%q is not https, as a web client's must be for the grant type implicit", uri)
	case implicit && thisMachine(u.Hostname()):
		v.fault(field, clause, "%q is on localhost, which only application_type native may have with the grant type implicit", uri)
	}
}
