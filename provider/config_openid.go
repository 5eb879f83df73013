package provider

import (
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"signet/provider/oauth"
)

// SubjectsConfig is about how users are named to clients (OpenID Connect Core section 8).
type SubjectsConfig struct {
	// PairwiseSaltFile holds 32 or more random characters. With it clients can have subject_type pairwise: each sector
	// gets subjects of its own, made of the salt, the sector and the user's id. Another salt gives all users other
	// names, so keep it with the backups. Default: none; all clients see the same subject.
	PairwiseSaltFile string `yaml:"pairwise_salt_file"`
}

// LogoutConfig is how a login ends at clients, too.
type LogoutConfig struct {
	// Enabled serves the end_session_endpoint (OpenID Connect RP-Initiated Logout). Default true.
	Enabled *bool `yaml:"enabled"`
	// Frontchannel has the browser open the frontchannel_logout_uri of each client of the session that registered one.
	// Default: as enabled.
	Frontchannel *bool `yaml:"frontchannel"`
	// Backchannel sends a logout token to the backchannel_logout_uri of each client of the session that registered one,
	// and again until it is taken. Default: as enabled.
	Backchannel *bool `yaml:"backchannel"`
	// BackchannelRetryFor is how long a client that does not take its logout token is tried again. Default 1h, 1m to 48h.
	BackchannelRetryFor time.Duration `yaml:"backchannel_retry_for"`
	// SessionManagement serves check_session_iframe, by which a page finds out that the login has ended (OpenID Connect
	// Session Management). Browsers that keep third parties' cookies apart make it useless. Default false.
	SessionManagement bool `yaml:"session_management"`
	// RevokeRefreshTokens ends, together with a login, all that was granted in it but with the scope offline_access (OpenID
	// Connect Core section 11): also what is no login, and what its client manages by its id. Default false.
	RevokeRefreshTokens bool `yaml:"revoke_refresh_tokens"`
}

// RegistrationConfig is dynamic client registration (RFC 7591, OpenID Connect Registration) with management by the
// client (RFC 7592).
type RegistrationConfig struct {
	// Enabled serves the registration endpoint. Default false.
	Enabled bool `yaml:"enabled"`
	// Open lets clients register without an initial access token: anybody who reaches the endpoint, within
	// most_per_hour, or whoever has a software statement, where that is required. Default false.
	Open bool `yaml:"open"`
	// MostPerHour is how many clients each server process registers without an initial access token in an hour; one
	// subscriber's address has a tenth of it. Default 100, 1 to 1000000. Only with open.
	MostPerHour int `yaml:"most_per_hour"`
	// InitialAccessTokenFile holds the token without which nobody registers, unless open: 22 random characters or more.
	// It is read for each registration, so that it can be replaced. Required with enabled, unless open.
	InitialAccessTokenFile string `yaml:"initial_access_token_file"`
	// SoftwareStatements are what others say of a client's software (RFC 7591 section 2.3).
	SoftwareStatements SoftwareStatements `yaml:"software_statements"`
	// Profile is the security profile that registered clients are held to. Default: the instance's.
	Profile oauth.ProfileName `yaml:"profile"`
	// Scopes are those that a registered client has at most, and has when it does not ask. Required with enabled.
	Scopes []string `yaml:"scopes"`
	// Resources are the resource servers likewise. Required with enabled.
	Resources []string `yaml:"resources"`
	// DetailsTypes are the types of authorization_details likewise. Default: none.
	DetailsTypes []string `yaml:"authorization_details_types"`
	// GrantTypes are those that a registered client has at most, never one that is declared. Default: all that are on but
	// password; with open only authorization_code, implicit and refresh_token, which do nothing without a user.
	GrantTypes []string `yaml:"grant_types"`
	// ResponseTypes are those that a registered client has at most. Default: authorization.response_types.
	ResponseTypes []string `yaml:"response_types"`
	// AuthMethods are the values of token_endpoint_auth_method that a registered client can have. Default: all that the
	// profile allows.
	AuthMethods []string `yaml:"auth_methods"`
}

// SoftwareStatements are JWTs with client metadata, which count more than what the client says itself.
type SoftwareStatements struct {
	// Issuers are those whose statements are believed. Without any, statements are ignored. Default: none.
	Issuers []StatementIssuer `yaml:"issuers"`
	// Required refuses a registration without a statement. Default false.
	Required bool `yaml:"required"`
}

// StatementIssuer signs software statements: JWTs with its iss, and with exp and aud as it likes.
type StatementIssuer struct {
	// Issuer is the "iss" of its statements. Required.
	Issuer string `yaml:"issuer"`
	// JWKSURI is where its public keys are; JWKS is a file with them, which is read for each statement. Exactly one.
	JWKSURI string `yaml:"jwks_uri"`
	JWKS    string `yaml:"jwks"`
}

// On says whether users can log out at the end_session_endpoint, once the defaults are filled in.
func (l LogoutConfig) On() bool { return l.Enabled != nil && *l.Enabled }

// FrontchannelOn says whether browsers tell clients of a logout, once the defaults are filled in.
func (l LogoutConfig) FrontchannelOn() bool { return l.Frontchannel != nil && *l.Frontchannel }

// BackchannelOn says whether clients get logout tokens, once the defaults are filled in.
func (l LogoutConfig) BackchannelOn() bool { return l.Backchannel != nil && *l.Backchannel }

// leastSalt keeps the salt from being guessed by somebody who knows a pairwise subject and its user.
const leastSalt = 32

// On says whether clients can have pairwise subjects.
func (s SubjectsConfig) On() bool { return s.PairwiseSaltFile != "" }

// Salt reads the salt of pairwise subjects; "" when there are none.
func (s SubjectsConfig) Salt() (oauth.Secret, error) {
	if !s.On() {
		return "", nil
	}
	raw, err := os.ReadFile(s.PairwiseSaltFile)
	if err != nil {
		return "", fmt.Errorf("subjects.pairwise_salt_file: %w", err)
	}
	salt := strings.TrimSpace(string(raw))
	if len(salt) < leastSalt {
		return "", fmt.Errorf("subjects.pairwise_salt_file has fewer than %d characters", leastSalt)
	}
	return oauth.Secret(salt), nil
}

// locales is the folder with the pages' further languages; nil = there is none.
func (b Brand) locales() fs.FS {
	if b.Locales == "" {
		return nil
	}
	return os.DirFS(b.Locales)
}

func (c *Config) openIDDefaults() {
	c.Authorization.ResponseTypes = inOrder(c.Authorization.ResponseTypes)
	on := c.Logout.Enabled == nil || *c.Logout.Enabled
	for _, field := range []**bool{&c.Logout.Enabled, &c.Logout.Frontchannel, &c.Logout.Backchannel} {
		if *field == nil {
			*field = &on
		}
	}
	if c.Logout.BackchannelOn() {
		setDefault(&c.Logout.BackchannelRetryFor, time.Hour)
	}
	if r := &c.Registration; r.Enabled {
		setDefault(&r.Profile, c.Profile)
		r.ResponseTypes = inOrder(r.ResponseTypes)
		if r.Open {
			setDefault(&r.MostPerHour, 100)
		}
	}
}

// registrationGrants are the grant types that a client which registers itself can have.
func (c Config) registrationGrants(p oauth.Profile) []string {
	r := c.Registration
	if len(r.GrantTypes) > 0 {
		return r.GrantTypes
	}
	return slices.DeleteFunc(c.registrable(p), func(grant string) bool {
		return grant == oauth.GrantPassword || r.Open && !forUsers(grant)
	})
}

// registrable are the grant types that the operator can let clients register themselves for. Declared ones are for those
// that somebody has said to be trusted.
func (c Config) registrable(p oauth.Profile) []string {
	return slices.DeleteFunc(c.grantTypes(p), c.declares)
}

// forUsers says whether the grant type gives nothing without a user who has come to the login page.
func forUsers(grant string) bool {
	return grant == oauth.GrantAuthorizationCode || grant == oauth.GrantImplicit || grant == oauth.GrantRefreshToken
}

// registrationProfile is what clients that register themselves are held to.
func (c Config) registrationProfile() (oauth.Profile, bool) {
	floor, known := oauth.Profiles[c.Profile]
	if !known {
		return oauth.Profile{}, false
	}
	return floor.For(&oauth.Client{Profile: c.Registration.Profile})
}

// defaultResponseTypes put no access token into a browser.
var defaultResponseTypes = []string{oauth.ResponseCode, oauth.ResponseCodeIDToken}

// responseTypes are those that a client of the profile can have: what is configured, as far as the profile allows it.
func (c Config) responseTypes(p oauth.Profile) []string {
	served := c.Authorization.ResponseTypes
	if len(served) == 0 {
		served = defaultResponseTypes
	}
	return slices.DeleteFunc(slices.Clone(served), func(t string) bool { return !slices.Contains(p.ResponseTypes, t) || c.withoutGrant(t, p) != "" })
}

// withoutGrant is the grant type that the response type needs and the operator's list has not; "" = it can be served.
func (c Config) withoutGrant(responseType string, p oauth.Profile) string {
	switch {
	case slices.Contains(strings.Fields(responseType), oauth.ResponseCode) && !c.servesGrant(oauth.GrantAuthorizationCode):
		return oauth.GrantAuthorizationCode
	case needsImplicit(p, responseType) && !c.servesGrant(oauth.GrantImplicit):
		return oauth.GrantImplicit
	}
	return ""
}

// needsImplicit says whether the response type asks for the grant type implicit (OpenID Connect Registration section 2,
// grant_types). Profiles without an implicit flow have the ID token of code id_token for its signature alone.
func needsImplicit(p oauth.Profile, responseType string) bool {
	return responseType != oauth.ResponseCode && slices.Contains(p.ResponseTypes, oauth.ResponseIDToken)
}

// inOrder spells response types as package oauth does: the order of their parts means nothing (RFC 6749 section 3.1.1).
func inOrder(types []string) []string {
	var ordered []string
	for _, t := range types {
		ordered = append(ordered, strings.Join(slices.Sorted(strings.FieldsSeq(t)), " "))
	}
	return ordered
}

// openIDPaths are the files that this part of the configuration names.
func (c *Config) openIDPaths() []*string {
	paths := []*string{&c.Subjects.PairwiseSaltFile, &c.Registration.InitialAccessTokenFile, &c.Brand.Locales}
	for i := range c.Registration.SoftwareStatements.Issuers {
		paths = append(paths, &c.Registration.SoftwareStatements.Issuers[i].JWKS)
	}
	return paths
}
