package provider

import (
	"slices"
	"time"

	"signet/provider/oauth"
)

// PasswordGrantConfig is the grant in which the user's password passes through the client (RFC 6749 section 4.3).
type PasswordGrantConfig struct {
	// Enabled serves it, for clients that know nothing else and have no stricter profile: RFC 9700 section 2.4 says that
	// nobody must use it. Not under a FAPI profile. Default false.
	Enabled bool `yaml:"enabled"`
}

// DeviceGrantConfig is the grant for devices without a browser (RFC 8628): they show a code, and the user enters it at
// /device.
type DeviceGrantConfig struct {
	// Enabled serves the device authorization endpoint, and the page. Default false.
	Enabled bool `yaml:"enabled"`
	// Expiry is how long a code waits for its user, in whole seconds. Default 10m, 1m to 30m.
	Expiry time.Duration `yaml:"expiry"`
	// Interval is how far apart a device's polls must be, in whole seconds. Default 5s, 1s to 1m.
	Interval time.Duration `yaml:"interval"`
	// PendingOfClient is how many codes one client can get from each server process while one of them waits. Default 1000,
	// 1 to 100000.
	PendingOfClient int `yaml:"pending_of_client"`
}

// TokenExchangeConfig is OAuth 2.0 Token Exchange (RFC 8693). Which client may have which token for which is in addition
// the policy's to say.
type TokenExchangeConfig struct {
	// Enabled serves it. Default false.
	Enabled bool `yaml:"enabled"`
}

// TransactionTokensConfig is about transaction tokens (OAuth Transaction Tokens), which workloads get by token exchange.
type TransactionTokensConfig struct {
	// TrustDomains are those that there are transaction tokens for. Default: none. Needs token_exchange.enabled.
	TrustDomains []TrustDomain `yaml:"trust_domains"`
}

// TrustDomain is a group of workloads that believe the same transaction tokens.
type TrustDomain struct {
	// Audience is its name: what the parameter audience asks for, and the tokens' "aud". A client must have it among its
	// transaction_token_audiences. Required.
	Audience string `yaml:"audience"`
	// Scopes are the purposes that transaction tokens can have here, none but those of the client. Default: all of the
	// client's.
	Scopes []string `yaml:"scopes"`
	// Lifetime is how long a transaction token lives, in whole seconds. Default 60s, 1s to 5m.
	Lifetime time.Duration `yaml:"lifetime"`
	// Issuer puts "iss" into the tokens. Default true.
	Issuer *bool `yaml:"issuer"`
}

// NamesIssuer says whether transaction tokens have "iss".
func (t TrustDomain) NamesIssuer() bool { return unlessFalse(t.Issuer) }

// AssertionUse is what the assertions of an issuer are good for.
type AssertionUse string

// The uses.
const (
	UseJWTBearer     AssertionUse = "jwt-bearer"     // RFC 7523 section 2.1
	UseSAML2Bearer   AssertionUse = "saml2-bearer"   // RFC 7522 section 2.1
	UseTokenExchange AssertionUse = "token-exchange" // RFC 8693 section 2.1
)

// grantTypeOf is the grant type by which each use redeems.
var grantTypeOf = map[AssertionUse]string{
	UseJWTBearer: oauth.GrantJWTBearer, UseSAML2Bearer: oauth.GrantSAML2Bearer, UseTokenExchange: oauth.GrantTokenExchange,
}

// AssertionSubject is what an assertion names a user by.
type AssertionSubject = LoginHint

// AssertionIssuer is somebody else who logs users in, whose JWTs (RFC 7523 section 3) and SAML 2.0 assertions (RFC 7522
// section 3) are believed: a security token service, or another provider.
type AssertionIssuer struct {
	// Issuer is the "iss" of its JWTs, and the Issuer of its SAML assertions. Required.
	Issuer string `yaml:"issuer"`
	// JWKSURI is where the public keys of its JWTs are; JWKS is a file with them. At most one; without either, and
	// without certificates, nothing of its could be believed.
	JWKSURI string `yaml:"jwks_uri"`
	JWKS    string `yaml:"jwks"`
	// Certificates are PEM files with the certificates whose keys sign its SAML assertions: exactly these, whoever issued
	// them. Default: none.
	Certificates []string `yaml:"certificates"`
	// Algorithms are those of its signatures, by their JWS names: RS256 is RSA-SHA256 in XML, too. Of JWTs, only those count
	// that the profile allows; of SAML assertions, RSA and ECDSA with SHA-2. Default: all of these.
	Algorithms []string `yaml:"algorithms"`
	// Uses are what its assertions are good for: jwt-bearer, saml2-bearer and token-exchange. Default: all that are on
	// and that it has keys for.
	Uses []AssertionUse `yaml:"uses"`
	// Subject is what an assertion names its user by, an account of Signet's: username or sub. Default sub.
	Subject AssertionSubject `yaml:"subject"`
	// Audiences are further names by which its assertions may call Signet, besides the issuer and the token endpoint.
	// Default: none.
	Audiences []string `yaml:"audiences"`
	// Scope is what its assertions can give at most. Required.
	Scope []string `yaml:"scope"`
	// Clients are those that may redeem its assertions. Default: all that have the grant type.
	Clients []string `yaml:"clients"`
	// MaxLifetime is how long an assertion can be good for, from its making to its end. Default 10m, 1s to 1h.
	MaxLifetime time.Duration `yaml:"max_lifetime"`
}

// GrantTypes are the grant types by which its assertions can be redeemed; nil = all of the three.
func (a AssertionIssuer) GrantTypes() []string {
	var types []string
	for _, use := range a.Uses {
		types = append(types, grantTypeOf[use])
	}
	return types
}

// AssertionGrants are the grants that redeem assertions (RFC 7521 section 4.1).
type AssertionGrants struct {
	// JWTBearer serves the grant type of RFC 7523 section 2.1. Default false.
	JWTBearer bool `yaml:"jwt_bearer"`
	// SAML2Bearer serves the grant type of RFC 7522 section 2.1. Default false.
	SAML2Bearer bool `yaml:"saml2_bearer"`
	// SelfIssued believes assertions of a client, signed with its registered keys, which authenticate it at the same time:
	// about itself, and about users if its trusted_for has the grant type. Default false.
	SelfIssued bool `yaml:"self_issued"`
}

// DeclaredGrant is a grant of the bank's own, without a line of Go: a trusted client names the user, and the policy
// decides and shapes the tokens. Without the policy's yes there is none: its rules are in policy/README.md.
type DeclaredGrant struct {
	// Type is the value of grant_type: an absolute URI, or a name without spaces. A client needs it in its grant_types and
	// in its trusted_for. Required.
	Type string `yaml:"type"`
	// UserParameter is the parameter that names the user. Default: none; the client acts for itself.
	UserParameter string `yaml:"user_parameter"`
	// User is what that names the user by: username or sub. Default username.
	User AssertionSubject `yaml:"user"`
	// Parameters are those that are passed on to the policy. All others are ignored. Default: none.
	Parameters []string `yaml:"parameters"`
	// Required are those of them without which a request is refused. Default: none.
	Required []string `yaml:"required"`
}

func (c *Config) grantDefaults() {
	if c.Device.Enabled {
		setDefault(&c.Device.Expiry, 10*time.Minute)
		setDefault(&c.Device.Interval, 5*time.Second)
		setDefault(&c.Device.PendingOfClient, 1000)
	}
	on := true
	for i := range c.TransactionTokens.TrustDomains {
		d := &c.TransactionTokens.TrustDomains[i]
		setDefault(&d.Lifetime, time.Minute)
		if d.Issuer == nil {
			d.Issuer = &on
		}
	}
	for i := range c.AssertionIssuers {
		setDefault(&c.AssertionIssuers[i].Subject, HintSubject)
		setDefault(&c.AssertionIssuers[i].MaxLifetime, 10*time.Minute)
	}
	for i := range c.DeclaredGrants {
		if g := &c.DeclaredGrants[i]; g.UserParameter != "" {
			setDefault(&g.User, HintUsername)
		}
	}
}

// grantPaths are the files that this part of the configuration names.
func (c *Config) grantPaths() []*string {
	var paths []*string
	for i := range c.AssertionIssuers {
		a := &c.AssertionIssuers[i]
		paths = append(paths, &a.JWKS)
		for j := range a.Certificates {
			paths = append(paths, &a.Certificates[j])
		}
	}
	return paths
}

// grantTypes are those that a client of the profile can have: a grant type for which nothing is served is none.
func (c Config) grantTypes(p oauth.Profile) []string {
	return slices.DeleteFunc(c.grantTypesOn(p), func(grant string) bool { return !c.servesGrant(grant) })
}

// servesGrant says whether the operator's list has the grant type, if there is one.
func (c Config) servesGrant(grant string) bool {
	return len(c.TokenEndpoint.GrantTypes) == 0 || slices.Contains(c.TokenEndpoint.GrantTypes, grant)
}

// grantTypesOn are those that are switched on, whatever the operator's list says.
func (c Config) grantTypesOn(p oauth.Profile) []string {
	on := slices.DeleteFunc(slices.Clone(oauth.GrantTypes), func(grant string) bool {
		if grant == oauth.GrantImplicit {
			return !slices.ContainsFunc(c.responseTypes(p), func(t string) bool { return needsImplicit(p, t) })
		}
		return c.switchOf(grant, p) != ""
	})
	for _, g := range c.DeclaredGrants {
		on = append(on, g.Type)
	}
	return on
}

// grantSwitch is what switches a grant type on, for clients of one profile.
type grantSwitch struct {
	grant, key string
	on         bool
}

// grantSwitches are those of the grant types that are off by default, but for implicit: see authorization.response_types.
func (c Config) grantSwitches(p oauth.Profile) []grantSwitch {
	return []grantSwitch{
		{oauth.GrantCIBA, "ciba.enabled", c.CIBA.Enabled},
		{oauth.GrantPassword, "password_grant.enabled", c.PasswordGrant.Enabled && p.PasswordGrant},
		{oauth.GrantDevice, "device.enabled", c.Device.Enabled},
		{oauth.GrantTokenExchange, "token_exchange.enabled", c.TokenExchange.Enabled},
		{oauth.GrantJWTBearer, "assertion_grants.jwt_bearer", c.AssertionGrants.JWTBearer},
		{oauth.GrantSAML2Bearer, "assertion_grants.saml2_bearer", c.AssertionGrants.SAML2Bearer},
	}
}

// switchOf names the key by which a grant type that is off would be on; "" = it is on.
func (c Config) switchOf(grant string, p oauth.Profile) (key string) {
	for _, s := range c.grantSwitches(p) {
		if s.grant == grant && !s.on {
			return s.key
		}
	}
	return ""
}

// declares says whether the configuration declares the grant type.
func (c Config) declares(grant string) bool {
	return slices.ContainsFunc(c.DeclaredGrants, func(g DeclaredGrant) bool { return g.Type == grant })
}
