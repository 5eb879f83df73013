package oauth

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// AuthMethod is a value of token_endpoint_auth_method (RFC 7591 section 2, RFC 8705 section 2).
type AuthMethod string

// The client authentication methods that Signet has.
const (
	AuthNone          AuthMethod = "none"
	AuthSecretBasic   AuthMethod = "client_secret_basic"
	AuthSecretPost    AuthMethod = "client_secret_post"
	AuthSecretJWT     AuthMethod = "client_secret_jwt"
	AuthPrivateKeyJWT AuthMethod = "private_key_jwt"
	AuthTLS           AuthMethod = "tls_client_auth"
	AuthSelfSignedTLS AuthMethod = "self_signed_tls_client_auth"
)

// The grant types that Signet has (RFC 7591 section 2).
const (
	GrantAuthorizationCode = "authorization_code"
	GrantClientCredentials = "client_credentials"
	GrantRefreshToken      = "refresh_token"
)

// AssertionTypeJWT is the one client_assertion_type (RFC 7523 section 2.2).
const AssertionTypeJWT = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// GrantTypes are all of them: what a client can be registered for.
var GrantTypes = []string{GrantAuthorizationCode, GrantClientCredentials, GrantRefreshToken}

// UsesCertificate says whether the method authenticates by the TLS client certificate.
func (m AuthMethod) UsesCertificate() bool { return m == AuthTLS || m == AuthSelfSignedTLS }

// UsesSecret says whether the method needs a client secret.
func (m AuthMethod) UsesSecret() bool {
	return m == AuthSecretBasic || m == AuthSecretPost || m == AuthSecretJWT
}

// Client is a registered client. Field names follow the client metadata of RFC 7591 section 2 and
// RFC 8705 section 2.1.2; the JSON form is what the store keeps and what "signet client" prints.
type Client struct {
	ID       string `json:"client_id"`
	Name     string `json:"client_name,omitempty"`
	Disabled bool   `json:"disabled,omitempty"`
	// Profile is the security profile this client is held to; the instance's floor applies as well.
	Profile ProfileName `json:"profile,omitempty"`

	AuthMethod     AuthMethod `json:"token_endpoint_auth_method"`
	AuthSigningAlg string     `json:"token_endpoint_auth_signing_alg,omitempty"` // "" = any that the profile allows
	// SecretHash verifies a client secret (see clientauth.HashSecret); SecretSealed is the secret encrypted
	// with a key of the key backend, kept only for client_secret_jwt, which has to compute with it.
	SecretHash   string `json:"client_secret_hash,omitempty"`
	SecretSealed []byte `json:"client_secret_sealed,omitempty"`

	JWKS    json.RawMessage `json:"jwks,omitempty"`
	JWKSURI string          `json:"jwks_uri,omitempty"`

	// Exactly one of the five names a tls_client_auth client's certificate (RFC 8705 section 2.1.2).
	TLSSubjectDN string `json:"tls_client_auth_subject_dn,omitempty"`
	TLSSANDNS    string `json:"tls_client_auth_san_dns,omitempty"`
	TLSSANURI    string `json:"tls_client_auth_san_uri,omitempty"`
	TLSSANIP     string `json:"tls_client_auth_san_ip,omitempty"`
	TLSSANEmail  string `json:"tls_client_auth_san_email,omitempty"`
	// BoundAccessTokens refuses this client a token without a certificate (RFC 8705 section 3.4).
	BoundAccessTokens bool `json:"tls_client_certificate_bound_access_tokens,omitempty"`

	RedirectURIs []string `json:"redirect_uris,omitempty"`
	GrantTypes   []string `json:"grant_types"`
	Scope        string   `json:"scope"` // all that the client may ever have
	// Resources are the resource servers (RFC 8707) for which the client may get tokens; the first is
	// the default when a request names none.
	Resources []string `json:"resources,omitempty"`
	// Introspects are the resource identifiers whose tokens this client, a resource server, may
	// introspect besides its own (RFC 7662 section 4).
	Introspects []string `json:"introspects,omitempty"`

	IDTokenAlg string    `json:"id_token_signed_response_alg,omitempty"` // "" = the server's default
	CreatedAt  time.Time `json:"created_at"`
}

// maxClientID bounds a client_id, in bytes; RFC 6749 section 2.2 leaves the size to the server.
const maxClientID = 255

// ValidClientID says whether the text can be a client_id: 1 to 255 characters of printable ASCII (VSCHAR,
// RFC 6749 appendix A.1).
func ValidClientID(id string) bool {
	return id != "" && len(id) <= maxClientID && !strings.ContainsFunc(id, func(c rune) bool { return c < ' ' || c > '~' })
}

// Allows says whether the client is registered for the grant type.
func (c *Client) Allows(grantType string) bool { return slices.Contains(c.GrantTypes, grantType) }

// Scopes returns the registered scope as a set.
func (c *Client) Scopes() Scope {
	scope, _ := ParseScope(c.Scope)
	return scope
}

// Public says whether the client cannot keep a credential (RFC 6749 section 2.1).
func (c *Client) Public() bool { return c.AuthMethod == AuthNone }
