package provider

import (
	"time"

	"signet/provider/oauth"
)

// TokenEndpointConfig is about the token endpoint as a whole.
type TokenEndpointConfig struct {
	// GrantTypes are those that are served at all; implicit is that of the authorization endpoint. Each must be on, and
	// what is on must be listed. Default: all that are on.
	GrantTypes []string `yaml:"grant_types"`
	// AudienceParameter takes the parameter audience for a further resource (RFC 8707). Default true.
	AudienceParameter *bool `yaml:"audience_parameter"`
	// NotBeforeLeeway puts "nbf" into access tokens, so long before the time at which they were made, for resource
	// servers whose clocks are slow. At most 5m. Default: no nbf.
	NotBeforeLeeway *time.Duration `yaml:"not_before_leeway"`
	// TellRefreshLifetime puts refresh_token_expires_in, in seconds, into answers with a refresh token. Default false.
	TellRefreshLifetime bool `yaml:"tell_refresh_lifetime"`
}

// ReadsAudience says whether the parameter audience is read.
func (t TokenEndpointConfig) ReadsAudience() bool { return unlessFalse(t.AudienceParameter) }

// RefreshTokens says when there are refresh tokens, and how they change hands.
type RefreshTokens struct {
	// RetryGrace is how long the same sender may present a rotated refresh token again while its successor
	// is unused: the answer to a response that got lost. 0 = never: each token works exactly once.
	// Default 0, at most 5m.
	RetryGrace time.Duration `yaml:"retry_grace"`
	// CheckUser refuses a refresh when the account no longer exists, is disabled, or has a new password since. Without,
	// only a revoked grant ends its refresh tokens. Default true; false not under a FAPI profile.
	CheckUser *bool `yaml:"check_user"`
	// RequireOfflineAccess gives refresh tokens only with the scope offline_access (OpenID Connect Core section 11). A
	// client's own require_offline_access comes first. Default false.
	RequireOfflineAccess bool `yaml:"require_offline_access"`
	// Rotate replaces a refresh token at each use, where the profile does: FAPI 2.0 never does. A client's own
	// rotate_refresh_tokens comes first; what a public client has that is bound to no key is rotated all the same
	// (RFC 9700 section 2.2.2). Default true.
	Rotate *bool `yaml:"rotate"`
	// ExtendOnRotation gives the token that replaces another the whole life that the other one began with, so that a client
	// that comes often enough keeps its access for ever. What was made from another token keeps its end. Default false:
	// the first one's end is the end of all.
	ExtendOnRotation bool `yaml:"extend_on_rotation"`
	// Persist keeps refresh tokens, as digests. Without, a refresh token is its own record, encrypted with a key of the
	// key backend, and the database has only its grant, whose end ends it. As nobody would know that it was used, that
	// needs rotate: false, or a profile that never rotates; the tokens of those clients that have theirs rotated all the
	// same, or manage their grants, are kept as ever. Default true.
	Persist *bool `yaml:"persist"`
}

// ChecksUser says whether a refresh looks at the account.
func (r RefreshTokens) ChecksUser() bool { return unlessFalse(r.CheckUser) }

// Rotates says whether refresh tokens are replaced where neither the profile nor the client says otherwise.
func (r RefreshTokens) Rotates() bool { return unlessFalse(r.Rotate) }

// Persists says whether refresh tokens are kept.
func (r RefreshTokens) Persists() bool { return unlessFalse(r.Persist) }

// IDTokensConfig is about what ID tokens say of the user, besides who it is.
type IDTokensConfig struct {
	// Claims is requested: what the claims parameter asks for (OpenID Connect Core section 5.5); granted: of that, what the
	// scope of the access token beside gives, too; or scope: all that the scope gives, and what is requested, although the
	// client can have it from the userinfo endpoint. An ID token without an access token always has what the scope gives
	// (OpenID Connect Core section 5.4). Default requested.
	Claims IDTokenClaims `yaml:"claims"`
	// Persist keeps the SHA-256 of each ID token, and when it ends, in the audit log: enough to tell later that it was
	// issued here, and by which entry. Default false.
	Persist bool `yaml:"persist"`
}

// IDTokenClaims says which claims of the user ID tokens have.
type IDTokenClaims string

// The choices.
const (
	ClaimsRequested IDTokenClaims = "requested"
	ClaimsGranted   IDTokenClaims = "granted"
	ClaimsScope     IDTokenClaims = "scope"
)

// ErrorsConfig is about errors as clients see them.
type ErrorsConfig struct {
	// Documentation is an https URL, to which the error's code is the fragment: error_uri is both together (RFC 6749
	// section 5.2). Default: no error_uri.
	Documentation string `yaml:"documentation"`
}

// TokenFormat is how an access token looks.
type TokenFormat = oauth.TokenFormat

// The access token formats.
const (
	FormatJWT    = oauth.FormatJWT    // RFC 9068
	FormatOpaque = oauth.FormatOpaque // by reference, RFC 7662
)

// TokenLayout is how the claims of an access token are laid out.
type TokenLayout string

// The layouts.
const (
	LayoutRFC9068 TokenLayout = "rfc9068"
	LayoutLight   TokenLayout = "light"
)

// Resource is a resource server (RFC 8707).
type Resource struct {
	// ID is the resource identifier, an absolute URI, and the token's "aud". Required.
	ID string `yaml:"id"`
	// Name is what the consent page calls it. Required.
	Name string `yaml:"name"`
	// Scopes are those that mean something here; a token for this resource carries no others. Required.
	Scopes []string `yaml:"scopes"`
	// TokenFormat is jwt or opaque; a client's own access_token_format comes first. Default jwt.
	TokenFormat TokenFormat `yaml:"token_format"`
	// TokenLayout is rfc9068, or light: the claims of light-oauth2, which are nbf, version, user_id and scope as a list,
	// besides those of RFC 9068; user_type is the policy's to add (access_claims). Default rfc9068.
	TokenLayout TokenLayout `yaml:"token_layout"`
	// SigningAlg is one of keys.algorithms; a client's own access_token_signing_alg comes first. Default: the first of them.
	SigningAlg string `yaml:"signing_alg"`
	// AccessTokenLifetime is shorter than lifetimes.access_token, or absent.
	AccessTokenLifetime time.Duration `yaml:"access_token_lifetime"`
}

// unlessFalse is an option that is on where nothing was said.
func unlessFalse(option *bool) bool { return option == nil || *option }

func (c *Config) tokenDefaults() {
	on := true
	for _, option := range []**bool{
		&c.TokenEndpoint.AudienceParameter, &c.RefreshTokens.CheckUser, &c.RefreshTokens.Rotate, &c.RefreshTokens.Persist,
	} {
		if *option == nil {
			*option = &on
		}
	}
	setDefault(&c.IDTokens.Claims, ClaimsRequested)
	for i := range c.Resources {
		r := &c.Resources[i]
		setDefault(&r.TokenFormat, FormatJWT)
		setDefault(&r.TokenLayout, LayoutRFC9068)
		if algs := c.Keys.SigningAlgs(); len(algs) > 0 {
			setDefault(&r.SigningAlg, algs[0])
		}
		setDefault(&r.AccessTokenLifetime, c.Lifetimes.AccessToken)
	}
}
