package provider

import (
	"slices"
	"time"

	"signet/provider/dpop"
	"signet/provider/grantmgmt"
	"signet/provider/interaction"
)

// DPoPConfig is about DPoP proofs (RFC 9449).
type DPoPConfig struct {
	// RequireNonce asks every proof for a nonce of this server (RFC 9449 section 8): it bounds how long before
	// its use a proof can have been made. It costs a client one more request per nonce_lifetime. Default false.
	RequireNonce bool `yaml:"require_nonce"`
	// NonceLifetime is how long a nonce is handed out. It is accepted for twice as long, so that nobody is given one
	// that has just ended. Default 5m, 10s to 1h.
	NonceLifetime time.Duration `yaml:"nonce_lifetime"`
	// ProofLifetime is how old a proof can be, by its iat. Default 60s, 5s to 5m.
	ProofLifetime time.Duration `yaml:"proof_lifetime"`
	// ProofLeeway is how far ahead of Signet's clock a proof's iat can be. Default 30s, 1s to 1m.
	ProofLeeway time.Duration `yaml:"proof_leeway"`
}

// AuthorizationConfig is about authorization requests and their answers.
type AuthorizationConfig struct {
	// ResponseTypes are those that are served (OAuth 2.0 Multiple Response Type Encoding Practices section 5), of code,
	// id_token, id_token token, code id_token, code token and code id_token token; only what the profile allows. Those
	// with token put an access token into the browser: only for clients that cannot do otherwise. Default code and
	// code id_token, as far as the profile allows them.
	ResponseTypes []string `yaml:"response_types"`
	// RequirePKCE is all: every request for a code needs a code challenge (RFC 9700 section 2.1.1), public: only those of
	// public clients, and of clients whose profile asks for it; or none: nobody's but the latter, against RFC 9700 and only
	// with the profile openid. Default all.
	RequirePKCE PKCEMode `yaml:"require_pkce"`
	// RequestURIs fetches request objects from the request_uris that clients have registered (OpenID Connect Core
	// section 6.2). Pushed requests need it not. Default false.
	RequestURIs bool `yaml:"request_uris"`
	// PushedLifetime is how long a request_uri is good for (RFC 9126 section 2.2). Default 60s, at least 5s and
	// at most 10m; a FAPI 2.0 profile has it end before that.
	PushedLifetime time.Duration `yaml:"pushed_lifetime"`
	// ResponseLifetime is how long a JWT-secured answer is good for (JARM section 2.1). Default 5m, at most 10m.
	ResponseLifetime time.Duration `yaml:"response_lifetime"`
	// RequirePAR refuses authorization requests that were not pushed (RFC 9126 section 5), of all clients. Default false;
	// a FAPI 2.0 profile asks for it anyway.
	RequirePAR bool `yaml:"require_par"`
	// OpenIDOptional gives ID tokens, and answers at the userinfo endpoint, without the scope openid, too, to clients that
	// may have that scope, as servers did before OpenID Connect. Only with the profile openid. Default false.
	OpenIDOptional bool `yaml:"openid_optional"`
}

// PKCEMode says whose requests need a code challenge.
type PKCEMode string

// The modes.
const (
	PKCEAll    PKCEMode = "all"
	PKCEPublic PKCEMode = "public"
	PKCENone   PKCEMode = "none"
)

// AuthenticationConfig is about how people log in.
type AuthenticationConfig struct {
	// PasswordACR are the authentication contexts ("acr") that a login by password reaches, the one to name
	// when none was asked for first. Default [urn:signet:acr:password].
	PasswordACR []string `yaml:"password_acr"`
}

// DetailsType is a type of authorization_details (RFC 9396): what a client may ask for, and its words for people.
type DetailsType struct {
	// Type is the name, as in "type". Required.
	Type string `yaml:"type"`
	// Description says on the consent page what is asked for, e.g. "Make this payment". Required.
	Description string `yaml:"description"`
	// Schema is a file with the JSON Schema (2020-12) that each element must fit. It may refer to nothing outside
	// itself. Required.
	Schema string `yaml:"schema"`
	// Show gives members of it words on the consent page, and their order. The others follow under their own
	// names. Default: none.
	Show []DetailsField `yaml:"show"`
	// Lists are members, besides actions, datatypes, locations and privileges, that list what is allowed: a client
	// may ask for a token with part of such a list. Default: none.
	Lists []string `yaml:"lists"`
	// Resources are the resource servers whose tokens carry it. Default: all.
	Resources []string `yaml:"resources"`
}

// DetailsField is one member of a DetailsType, as the consent page shows it.
type DetailsField struct {
	// Label is the words before the value. Required.
	Label string `yaml:"label"`
	// Path leads to the member: names with dots between them, like instructedAmount.amount. Required.
	Path string `yaml:"path"`
}

// CIBAConfig is client-initiated backchannel authentication (CIBA Core).
type CIBAConfig struct {
	// Enabled serves the backchannel authentication endpoint. Default false.
	Enabled bool `yaml:"enabled"`
	// Expiry is how long a request waits for its user when the client does not say (requested_expiry). Default 2m.
	Expiry time.Duration `yaml:"expiry"`
	// MaxExpiry is the longest that a client can ask for. Default 10m, at most 1h.
	MaxExpiry time.Duration `yaml:"max_expiry"`
	// Interval is how far apart a client's polls must be, in whole seconds. Default 5s, 1s to 1m.
	Interval time.Duration `yaml:"interval"`
	// PendingOfClient is how many of the requests that wait for one user can be one client's, out of 50 in all: a
	// further one is refused. Default 5, 1 to 50.
	PendingOfClient int `yaml:"pending_of_client"`
	// LoginHint is what a login_hint, and the subject of a login_hint_token, names the user by: username or sub.
	// Default username.
	LoginHint LoginHint `yaml:"login_hint"`
	// HintIssuers are those whose login_hint_tokens are believed. Default: none.
	HintIssuers []HintIssuer `yaml:"hint_issuers"`
	// Device is told of each request, so that it can fetch its user. Default: none; users find what waits for
	// them at /interaction/approvals.
	Device DeviceConfig `yaml:"device"`
	// DevelopmentApprover answers requests for their users at /ciba/development: for conformance runs, never
	// with real accounts. It is refused unless the issuer is this machine and both doors listen on its loopback
	// address, or the issuer's host is named once more in development_host. Default false.
	DevelopmentApprover bool `yaml:"development_approver"`
	// DevelopmentHost is the issuer's host, where the approver can be reached from another machine: typed again, so
	// that a configuration that is copied to production does not take the development approver with it.
	DevelopmentHost string `yaml:"development_host"`
}

// LoginHint is what a CIBA login hint names a user by.
type LoginHint string

// The hints.
const (
	HintUsername LoginHint = "username"
	HintSubject  LoginHint = "sub"
)

// HintIssuer signs login_hint_tokens (CIBA Core section 7.1): JWTs with iss, aud (the issuer of this server), iat, exp at
// most ten minutes later, and sub; with azp or client_id they are for that client only.
type HintIssuer struct {
	// Issuer is the "iss" of its tokens. Required.
	Issuer string `yaml:"issuer"`
	// JWKSURI is where its public keys are; JWKS is a file with them. Exactly one.
	JWKSURI string `yaml:"jwks_uri"`
	JWKS    string `yaml:"jwks"`
}

// DeviceConfig is the bank's authentication device service: it gets a POST with JSON for each request that waits.
type DeviceConfig struct {
	// URL is where to, https. It may be an internal host: it needs no entry in outbound.allow_hosts, where clients'
	// addresses could use it, too. Default: nowhere.
	URL string `yaml:"url"`
	// TokenFile holds the bearer token to send. Required with url.
	TokenFile string `yaml:"token_file"`
}

// GrantManagementConfig is Grant Management for OAuth 2.0.
type GrantManagementConfig struct {
	// Enabled serves the grant management endpoint and lets clients name grants in requests. Default true.
	Enabled *bool `yaml:"enabled"`
	// Required refuses an authorization request that says nothing about its grant. Default false.
	Required bool `yaml:"required"`
}

// On says whether grants can be managed, once the defaults are filled in.
func (g GrantManagementConfig) On() bool { return g.Enabled != nil && *g.Enabled }

// grantScopes are the scopes of the grant management API (Grant Management for OAuth 2.0 section 7.2).
var grantScopes = []Scope{
	{grantmgmt.ScopeQuery, "See what you have allowed"},
	{grantmgmt.ScopeRevoke, "End what you have allowed"},
}

// AllScopes lists the scopes that exist: those without being listed, and the configured ones.
func (c Config) AllScopes() []Scope { return append(c.builtInScopes(), c.Scopes...) }

// builtInScopes are OpenID Connect's own, and those of the grant management API when it is on.
func (c Config) builtInScopes() []Scope {
	all := slices.Clone(standardScopes)
	if c.GrantManagement.On() {
		all = append(all, grantScopes...)
	}
	return all
}

// AllResources lists the resource servers that tokens can be for: the configured ones and, when it is on, the grant
// management API, whose tokens name it like any other (RFC 8707).
func (c Config) AllResources() []Resource {
	all := slices.Clone(c.Resources)
	if c.GrantManagement.On() {
		all = append(all, c.grantsResource())
	}
	return all
}

func (c Config) grantsResource() Resource {
	r := Resource{ID: c.Issuer + c.Endpoints.withDefaults().Grants, Name: "Grant management", TokenFormat: FormatJWT, TokenLayout: LayoutRFC9068, AccessTokenLifetime: c.Lifetimes.AccessToken}
	for _, s := range grantScopes {
		r.Scopes = append(r.Scopes, s.Name)
	}
	if algs := c.Keys.SigningAlgs(); len(algs) > 0 {
		r.SigningAlg = algs[0]
	}
	return r
}

func (c *Config) fapiDefaults() {
	setDefault(&c.DPoP.NonceLifetime, 5*time.Minute)
	setDefault(&c.DPoP.ProofLifetime, dpop.DefaultMaxAge)
	setDefault(&c.DPoP.ProofLeeway, dpop.DefaultAhead)
	setDefault(&c.Authorization.PushedLifetime, 60*time.Second)
	setDefault(&c.Authorization.ResponseLifetime, 5*time.Minute)
	if len(c.Authentication.PasswordACR) == 0 {
		c.Authentication.PasswordACR = []string{interaction.ACRPassword}
	}
	if c.GrantManagement.Enabled == nil {
		on := true
		c.GrantManagement.Enabled = &on
	}
	setDefault(&c.Authorization.RequirePKCE, PKCEAll)
	if c.CIBA.Enabled {
		setDefault(&c.CIBA.Expiry, 2*time.Minute)
		setDefault(&c.CIBA.MaxExpiry, 10*time.Minute)
		setDefault(&c.CIBA.Interval, 5*time.Second)
		setDefault(&c.CIBA.PendingOfClient, 5)
		setDefault(&c.CIBA.LoginHint, HintUsername)
	}
}

// fapiPaths are the files that this part of the configuration names.
func (c *Config) fapiPaths() []*string {
	paths := []*string{&c.CIBA.Device.TokenFile}
	for i := range c.DetailsTypes {
		paths = append(paths, &c.DetailsTypes[i].Schema)
	}
	for i := range c.CIBA.HintIssuers {
		paths = append(paths, &c.CIBA.HintIssuers[i].JWKS)
	}
	return paths
}
