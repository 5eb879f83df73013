package provider

import (
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	"signet/provider/assertion/saml"
	"signet/provider/oauth"
)

// Bounds of what a configuration may choose for the further grants.
const (
	mostPendingDevices       = 100_000
	mostTransactionLifetime  = 5 * time.Minute
	mostAssertionLifetime    = time.Hour
	maxGrantType             = 255 // bytes; audit entries have it
	maxDeclaredParameterName = 64
)

// grants checks the grants that are off by default.
func (v *validator) grants(c Config) {
	if floor, known := oauth.Profiles[c.Profile]; known && c.PasswordGrant.Enabled && !floor.PasswordGrant {
		v.fault("password_grant.enabled", "is not allowed by the profile %s (RFC 9700 section 2.4)", c.Profile)
	}
	v.deviceGrant(c.Device)
	v.trustDomains(c)
	v.assertionGrants(c)
	for i, a := range c.AssertionIssuers {
		v.assertionIssuer(c, i, a)
	}
	for i, g := range c.DeclaredGrants {
		v.declaredGrant(c, i, g)
	}
}

func (v *validator) deviceGrant(d DeviceGrantConfig) {
	if !d.Enabled {
		if !reflect.ValueOf(d).IsZero() {
			v.fault("device", "is not used; set device.enabled, or remove the rest")
		}
		return
	}
	v.seconds("device.expiry", d.Expiry, time.Minute, 30*time.Minute)
	v.seconds("device.interval", d.Interval, time.Second, time.Minute)
	if d.PendingOfClient < 1 || d.PendingOfClient > mostPendingDevices {
		v.fault("device.pending_of_client", "want 1 to %d", mostPendingDevices)
	}
}

// seconds wants a duration that can be told in whole seconds.
func (v *validator) seconds(path string, value, least, most time.Duration) {
	if value < least || value > most || value%time.Second != 0 {
		v.fault(path, "want whole seconds, %s to %s", least, most)
	}
}

func (v *validator) trustDomains(c Config) {
	domains := c.TransactionTokens.TrustDomains
	if len(domains) > 0 && !c.TokenExchange.Enabled {
		v.fault("transaction_tokens", "needs token_exchange.enabled")
	}
	seen := map[string]bool{}
	for i, d := range domains {
		path := fmt.Sprintf("transaction_tokens.trust_domains[%d]", i)
		switch {
		case !v.required(path+".audience", d.Audience):
		case len(d.Audience) > maxIdentifier || !isURIText(d.Audience):
			v.fault(path+".audience", "want printable ASCII without spaces")
		case seen[d.Audience]:
			v.fault(path+".audience", "exists already")
		case slices.Contains(c.resourceIDs(), d.Audience):
			v.fault(path+".audience", "is a resource server's: what an access token is for and what a transaction token is for must differ")
		}
		seen[d.Audience] = true
		v.known(path+".scopes", d.Scopes, c.scopeNames(), "scopes")
		v.seconds(path+".lifetime", d.Lifetime, time.Second, mostTransactionLifetime)
	}
}

// known checks a list of what is defined elsewhere in the configuration.
func (v *validator) known(path string, list, defined []string, under string) {
	for i, value := range list {
		if at := fmt.Sprintf("%s[%d]", path, i); slices.Contains(list[:i], value) {
			v.fault(at, "listed twice")
		} else if !slices.Contains(defined, value) {
			v.fault(at, "%q is not defined under %s", value, under)
		}
	}
}

// assertionGrants: a grant for which nobody's assertions are believed does nothing.
func (v *validator) assertionGrants(c Config) {
	g := c.AssertionGrants
	for _, grant := range []struct {
		key string
		on  bool
		use AssertionUse
	}{{"jwt_bearer", g.JWTBearer, UseJWTBearer}, {"saml2_bearer", g.SAML2Bearer, UseSAML2Bearer}} {
		believed := slices.ContainsFunc(c.AssertionIssuers, func(a AssertionIssuer) bool { return a.serves(grant.use) })
		if grant.on && !g.SelfIssued && !believed {
			v.fault("assertion_grants."+grant.key, "believes nobody: it needs assertion_grants.self_issued, or one of assertion_issuers with the use %s", grant.use)
		}
	}
	if g.SelfIssued && !g.JWTBearer && !g.SAML2Bearer {
		v.fault("assertion_grants.self_issued", "needs jwt_bearer or saml2_bearer")
	}
}

// serves says whether the issuer's assertions can be redeemed so: it is one of its uses, and there are keys for it.
func (a AssertionIssuer) serves(use AssertionUse) bool {
	jwt, saml := a.JWKSURI != "" || a.JWKS != "", len(a.Certificates) > 0
	keys := map[AssertionUse]bool{UseJWTBearer: jwt, UseSAML2Bearer: saml, UseTokenExchange: jwt || saml}
	return keys[use] && (len(a.Uses) == 0 || slices.Contains(a.Uses, use))
}

func (v *validator) assertionIssuer(c Config, i int, a AssertionIssuer) {
	path := fmt.Sprintf("assertion_issuers[%d]", i)
	switch {
	case !v.required(path+".issuer", a.Issuer):
	case a.Issuer == c.Issuer:
		v.fault(path+".issuer", "is this server, whose tokens are known without")
	case slices.ContainsFunc(c.AssertionIssuers[:i], func(b AssertionIssuer) bool { return b.Issuer == a.Issuer }):
		v.fault(path+".issuer", "exists already")
	}
	v.assertionKeys(path, a)
	if floor, known := oauth.Profiles[c.Profile]; known {
		algs, by := floor.SigningAlgs, "the profile "+string(c.Profile)
		if len(a.Certificates) > 0 {
			algs, by = slices.Compact(slices.Sorted(slices.Values(slices.Concat(algs, saml.Algorithms())))), by+", or for SAML assertions"
		}
		v.listed(path+".algorithms", a.Algorithms, algs, by)
	}
	v.assertionUses(c, path, a)
	if a.Subject != HintUsername && a.Subject != HintSubject {
		v.fault(path+".subject", "want username or sub")
	}
	for j, audience := range a.Audiences {
		if at := fmt.Sprintf("%s.audiences[%d]", path, j); audience == "" || !isURIText(audience) {
			v.fault(at, "want printable ASCII without spaces")
		} else if slices.Contains(a.Audiences[:j], audience) {
			v.fault(at, "listed twice")
		}
	}
	if len(a.Scope) == 0 {
		v.fault(path+".scope", "at least one is required")
	}
	v.known(path+".scope", a.Scope, c.scopeNames(), "scopes")
	for j, id := range a.Clients {
		if !oauth.ValidClientID(id) {
			v.fault(fmt.Sprintf("%s.clients[%d]", path, j), "want a client_id")
		}
	}
	v.within(path+".max_lifetime", a.MaxLifetime, time.Second, mostAssertionLifetime)
}

func (v *validator) assertionKeys(path string, a AssertionIssuer) {
	switch {
	case a.JWKSURI != "" && a.JWKS != "":
		v.fault(path, "at most one of jwks_uri and jwks can be given")
	case a.JWKSURI != "" && !httpsURL(a.JWKSURI):
		v.fault(path+".jwks_uri", "want an https URL")
	case a.JWKSURI == "" && a.JWKS == "" && len(a.Certificates) == 0:
		v.fault(path, "jwks_uri, jwks or certificates is required")
	}
	for i, file := range a.Certificates {
		if slices.Contains(a.Certificates[:i], file) {
			v.fault(fmt.Sprintf("%s.certificates[%d]", path, i), "listed twice")
		}
	}
}

// assertionUses: each use that is named must be served, and one at least.
func (v *validator) assertionUses(c Config, path string, a AssertionIssuer) {
	on := map[AssertionUse]string{
		UseJWTBearer:     unless(c.AssertionGrants.JWTBearer, "assertion_grants.jwt_bearer"),
		UseSAML2Bearer:   unless(c.AssertionGrants.SAML2Bearer, "assertion_grants.saml2_bearer"),
		UseTokenExchange: unless(c.TokenExchange.Enabled, "token_exchange.enabled"),
	}
	for i, use := range a.Uses {
		at := fmt.Sprintf("%s.uses[%d]", path, i)
		key, known := on[use]
		switch {
		case !known:
			v.fault(at, "want jwt-bearer, saml2-bearer or token-exchange")
		case slices.Contains(a.Uses[:i], use):
			v.fault(at, "listed twice")
		case key != "":
			v.fault(at, "needs %s", key)
		case !a.serves(use):
			v.fault(at, "has no keys: jwks_uri and jwks are for JWTs, certificates for SAML assertions")
		}
	}
	served := func(use AssertionUse) bool { return on[use] == "" && a.serves(use) }
	if len(a.Uses) == 0 && !served(UseJWTBearer) && !served(UseSAML2Bearer) && !served(UseTokenExchange) {
		v.fault(path, "is not used: see assertion_grants and token_exchange.enabled")
	}
}

// unless is the text, where the condition does not hold.
func unless(condition bool, text string) string {
	if condition {
		return ""
	}
	return text
}

// protocolParameters mean something at the token endpoint already.
var protocolParameters = []string{
	"grant_type", "client_id", "client_secret", "client_assertion", "client_assertion_type", "scope", "resource", "audience",
	"authorization_details",
}

func (v *validator) declaredGrant(c Config, i int, g DeclaredGrant) {
	path := fmt.Sprintf("declared_grants[%d]", i)
	u, err := url.Parse(g.Type)
	switch {
	case !v.required(path+".type", g.Type):
	case len(g.Type) > maxGrantType || !isURIText(g.Type) || strings.Contains(g.Type, ":") && (err != nil || !u.IsAbs()):
		v.fault(path+".type", "want an absolute URI, or a name without spaces")
	case slices.Contains(oauth.GrantTypes, g.Type):
		v.fault(path+".type", "is a grant type that Signet has")
	case slices.ContainsFunc(c.DeclaredGrants[:i], func(other DeclaredGrant) bool { return other.Type == g.Type }):
		v.fault(path+".type", "exists already")
	}
	if g.UserParameter != "" {
		v.parameter(path+".user_parameter", g.UserParameter)
	}
	switch {
	case g.UserParameter == "" && g.User != "":
		v.fault(path+".user", "is for user_parameter only")
	case g.UserParameter != "" && g.User != HintUsername && g.User != HintSubject:
		v.fault(path+".user", "want username or sub")
	}
	for j, name := range g.Parameters {
		at := fmt.Sprintf("%s.parameters[%d]", path, j)
		if v.parameter(at, name) && (slices.Contains(g.Parameters[:j], name) || name == g.UserParameter) {
			v.fault(at, "listed twice")
		}
	}
	v.known(path+".required", g.Required, g.Parameters, path+".parameters")
}

// parameter wants the name of a request parameter that means nothing yet.
func (v *validator) parameter(path, name string) bool {
	switch {
	case name == "" || len(name) > maxDeclaredParameterName || !isURIText(name):
		v.fault(path, "want at most %d printable ASCII characters without spaces", maxDeclaredParameterName)
	case slices.Contains(protocolParameters, name):
		v.fault(path, "%s means something else at the token endpoint", name)
	default:
		return true
	}
	return false
}
