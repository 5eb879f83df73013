package oauth

import (
	"encoding/json"
	"net/url"
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
	GrantCIBA              = "urn:openid:params:grant-type:ciba"               // CIBA Core section 4
	GrantPassword          = "password"                                        // RFC 6749 section 4.3
	GrantDevice            = "urn:ietf:params:oauth:grant-type:device_code"    // RFC 8628 section 3.4
	GrantTokenExchange     = "urn:ietf:params:oauth:grant-type:token-exchange" // #nosec G101 -- a name; RFC 8693 section 2.1
	GrantJWTBearer         = "urn:ietf:params:oauth:grant-type:jwt-bearer"     // #nosec G101 -- a name; RFC 7523 section 2.1
	GrantSAML2Bearer       = "urn:ietf:params:oauth:grant-type:saml2-bearer"   // #nosec G101 -- a name; RFC 7522 section 2.1
	// GrantImplicit is not used at the token endpoint: with it a client may have tokens from the authorization endpoint.
	GrantImplicit = "implicit"
)

// The response types (OAuth 2.0 Multiple Response Type Encoding Practices section 5), their parts in order.
const (
	ResponseCode             = "code"
	ResponseIDToken          = "id_token"
	ResponseIDTokenToken     = "id_token token"
	ResponseCodeIDToken      = "code id_token"
	ResponseCodeToken        = "code token"
	ResponseCodeIDTokenToken = "code id_token token"
)

// SubjectType is a value of subject_type (OpenID Connect Core section 8).
type SubjectType string

// The subject types. An empty one is public.
const (
	SubjectPublic   SubjectType = "public"
	SubjectPairwise SubjectType = "pairwise"
)

// AlgNone is the algorithm of a JWT without a signature (RFC 7518 section 3.6).
const AlgNone = "none"

// AssertionTypeJWT is the one client_assertion_type (RFC 7523 section 2.2).
const AssertionTypeJWT = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// GrantTypes are all of them: what a client can be registered for, besides the grants that a bank's configuration declares.
var GrantTypes = []string{
	GrantAuthorizationCode, GrantImplicit, GrantClientCredentials, GrantRefreshToken, GrantCIBA,
	GrantPassword, GrantDevice, GrantTokenExchange, GrantJWTBearer, GrantSAML2Bearer,
}

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
	// Former is the secret before, which still counts during a change-over; nil = none.
	Former *FormerSecret `json:"former_client_secret,omitempty"`

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

	// ResponseTypes are the registered response types; empty = code (RFC 7591 section 2).
	ResponseTypes []string `json:"response_types,omitempty"`
	IDTokenAlg    string   `json:"id_token_signed_response_alg,omitempty"` // "" = the server's default
	// ResponseAlg signs JWT-secured authorization responses (JARM section 3); "" = the server's default.
	ResponseAlg string `json:"authorization_signed_response_alg,omitempty"`
	// IntrospectionAlg signs JWT introspection responses (RFC 9701 section 6); "" = the server's default.
	IntrospectionAlg string `json:"introspection_signed_response_alg,omitempty"`

	// RequestObjectAlg is the one algorithm of its request objects; "" = any that the profile allows.
	RequestObjectAlg     string `json:"request_object_signing_alg,omitempty"`
	RequireSignedRequest bool   `json:"require_signed_request_object,omitempty"`         // RFC 9101 section 10.5
	RequirePAR           bool   `json:"require_pushed_authorization_requests,omitempty"` // RFC 9126 section 6
	DPoPBound            bool   `json:"dpop_bound_access_tokens,omitempty"`              // RFC 9449 section 5.2
	// DetailsTypes are the authorization_details types that the client may use (RFC 9396 section 10).
	DetailsTypes []string `json:"authorization_details_types,omitempty"`
	DefaultACR   []string `json:"default_acr_values,omitempty"` // OpenID Connect Registration section 2

	// CIBA Core section 4. BackchannelMode is poll, ping or push; BackchannelEndpoint is needed for the latter two. Only
	// with BackchannelUserCode may the client send a user_code; without, users who have one cannot be reached by it.
	BackchannelMode     string `json:"backchannel_token_delivery_mode,omitempty"`
	BackchannelEndpoint string `json:"backchannel_client_notification_endpoint,omitempty"`
	BackchannelAlg      string `json:"backchannel_authentication_request_signing_alg,omitempty"`
	BackchannelUserCode bool   `json:"backchannel_user_code_parameter,omitempty"`

	// What the pages show of the client, and what it says of itself (OpenID Connect Registration section 2, RFC 7591
	// section 2). ApplicationType is web or native; "" = web.
	ApplicationType   string   `json:"application_type,omitempty"`
	Contacts          []string `json:"contacts,omitempty"`
	LogoURI           string   `json:"logo_uri,omitempty"`
	ClientURI         string   `json:"client_uri,omitempty"`
	PolicyURI         string   `json:"policy_uri,omitempty"`
	TermsURI          string   `json:"tos_uri,omitempty"`
	SoftwareID        string   `json:"software_id,omitempty"`
	SoftwareVersion   string   `json:"software_version,omitempty"`
	SoftwareStatement string   `json:"software_statement,omitempty"`

	// SubjectType says how users are named to the client; SectorURI lists the redirect URIs of all clients to which a
	// user has one name (OpenID Connect Core section 8.1), and with CIBA what stands for them (CIBA Core section 4).
	SubjectType SubjectType `json:"subject_type,omitempty"`
	SectorURI   string      `json:"sector_identifier_uri,omitempty"`

	// Encryption to the client's keys (OpenID Connect Registration section 2): "" = not encrypted. UserinfoAlg signs
	// userinfo; "" = plain JSON. RequestObjectEncAlg and Enc are what it declares that it may encrypt request objects
	// with; what Signet has a key for is decrypted whatever they say.
	IDTokenEncAlg       string `json:"id_token_encrypted_response_alg,omitempty"`
	IDTokenEncEnc       string `json:"id_token_encrypted_response_enc,omitempty"`
	UserinfoAlg         string `json:"userinfo_signed_response_alg,omitempty"`
	UserinfoEncAlg      string `json:"userinfo_encrypted_response_alg,omitempty"`
	UserinfoEncEnc      string `json:"userinfo_encrypted_response_enc,omitempty"`
	RequestObjectEncAlg string `json:"request_object_encryption_alg,omitempty"`
	RequestObjectEncEnc string `json:"request_object_encryption_enc,omitempty"`

	// DefaultMaxAge is the max_age of a request that has none, in seconds. RequireAuthTime asks for auth_time, which
	// every ID token has here.
	DefaultMaxAge   *int `json:"default_max_age,omitempty"`
	RequireAuthTime bool `json:"require_auth_time,omitempty"`
	// InitiateLoginURI is where a third party sends the browser to start a login (OpenID Connect Core section 4).
	InitiateLoginURI string `json:"initiate_login_uri,omitempty"`
	// RequestURIs are those of its request objects that may be fetched (OpenID Connect Core section 6.2); each may have
	// the SHA-256 of the object for its fragment.
	RequestURIs []string `json:"request_uris,omitempty"`

	// Logout (OpenID Connect RP-Initiated Logout section 3.1, Front-Channel Logout section 2, Back-Channel Logout
	// section 2.2). The Session fields ask for sid.
	PostLogoutRedirectURIs    []string `json:"post_logout_redirect_uris,omitempty"`
	FrontchannelLogoutURI     string   `json:"frontchannel_logout_uri,omitempty"`
	FrontchannelLogoutSession bool     `json:"frontchannel_logout_session_required,omitempty"`
	BackchannelLogoutURI      string   `json:"backchannel_logout_uri,omitempty"`
	BackchannelLogoutSession  bool     `json:"backchannel_logout_session_required,omitempty"`

	// TrustedFor are grant types by which the client may name the user itself: grants that the configuration declares, and
	// the assertions that it issues itself (RFC 7523 section 3).
	TrustedFor []string `json:"trusted_for,omitempty"`
	// TrustDomains are those for which the client, a workload, may get transaction tokens (Transaction Tokens section 7).
	TrustDomains []string `json:"transaction_token_audiences,omitempty"`
	// Its tokens: "" and nil are the resource server's and the server's own choice. Lifetimes are in seconds; the
	// policy's opinion comes before them. A client can have the shorter life of two, not the longer.
	AccessTokenFormat    TokenFormat `json:"access_token_format,omitempty"`
	AccessTokenAlg       string      `json:"access_token_signing_alg,omitempty"`
	AccessTokenLifetime  int         `json:"access_token_lifetime,omitempty"`
	IDTokenLifetime      int         `json:"id_token_lifetime,omitempty"`
	RefreshTokenLifetime int         `json:"refresh_token_lifetime,omitempty"`
	// RequireOfflineAccess gives refresh tokens only with the scope offline_access (OpenID Connect Core section 11);
	// RotateRefreshTokens replaces them at each use. nil = as the server does.
	RequireOfflineAccess *bool `json:"require_offline_access,omitempty"`
	RotateRefreshTokens  *bool `json:"rotate_refresh_tokens,omitempty"`

	// Encryption of introspection responses (RFC 9701 section 6) and of authorization responses (JARM section 3) to the
	// client's keys: "" = not encrypted.
	IntrospectionEncAlg string `json:"introspection_encrypted_response_alg,omitempty"`
	IntrospectionEncEnc string `json:"introspection_encrypted_response_enc,omitempty"`
	ResponseEncAlg      string `json:"authorization_encrypted_response_alg,omitempty"`
	ResponseEncEnc      string `json:"authorization_encrypted_response_enc,omitempty"`

	CreatedAt time.Time `json:"created_at"`

	// RegistrationToken is the digest of the registration access token (RFC 7592 section 3) of a client that
	// registered itself; "" for the others. Removed says that it has unregistered: it is disabled for good.
	RegistrationToken string `json:"registration_access_token_digest,omitempty"`
	Removed           bool   `json:"removed,omitempty"`
}

// FormerSecret is the client secret before the present one: Hash and Sealed are as the client's SecretHash and
// SecretSealed. It counts until Until.
type FormerSecret struct {
	Hash   string    `json:"hash,omitempty"`
	Sealed []byte    `json:"sealed,omitempty"`
	Until  time.Time `json:"until"`
}

// TokenFormat is how an access token looks.
type TokenFormat string

// The access token formats.
const (
	FormatJWT    TokenFormat = "jwt"    // RFC 9068
	FormatOpaque TokenFormat = "opaque" // by reference, RFC 7662
)

// Trusts says whether the client may name the user itself by the grant type.
func (c *Client) Trusts(grantType string) bool { return slices.Contains(c.TrustedFor, grantType) }

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

// Sector is what a pairwise subject is made for: the host of the sector_identifier_uri, or else the one host of the
// redirect URIs (OpenID Connect Core section 8.1), in lower case. ok is false when there is neither, or where one is not
// https: only there is a host one party's. Any app may have a private-use scheme with another's host in it, and loopback
// addresses are everybody's.
func (c *Client) Sector() (host string, ok bool) {
	uris := c.RedirectURIs
	if c.SectorURI != "" {
		uris = []string{c.SectorURI}
	}
	for _, uri := range uris {
		u, err := url.Parse(uri)
		if err != nil || u.Scheme != "https" {
			return "", false
		}
		next := asciiLower(u.Hostname())
		if next == "" || host != "" && host != next {
			return "", false
		}
		host = next
	}
	return host, host != ""
}

// asciiLower is the host in lower case; "" where it is not ASCII, as other letters have other lower cases in a browser.
func asciiLower(host string) string {
	if strings.ContainsFunc(host, func(r rune) bool { return r >= 0x80 }) {
		return ""
	}
	return strings.ToLower(host)
}

// LogsOut says whether the client has registered anything about logout: only then a session has a name for it (sid).
func (c *Client) LogsOut() bool {
	return len(c.PostLogoutRedirectURIs) > 0 || c.FrontchannelLogoutURI != "" || c.BackchannelLogoutURI != ""
}

// Public says whether the client cannot keep a credential (RFC 6749 section 2.1).
func (c *Client) Public() bool { return c.AuthMethod == AuthNone }
