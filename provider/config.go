package provider

import (
	"time"

	"signet/mtls"
	"signet/provider/oauth"
)

// Config is the whole configuration: one YAML file. Each field's comment is its reference; "signet config
// check" lists every fault of a file at once. Relative paths are relative to the file's folder.
type Config struct {
	// Issuer is the provider's identifier and the value of "iss" (RFC 8414 section 2): an https URL without
	// query or fragment. It is never taken from a request. Required.
	Issuer string `yaml:"issuer"`
	// Profile is the floor for every client: openid, fapi1-advanced, fapi2-security, fapi2-message-signing,
	// fapi-ciba, or an implementer's draft: fapi2-security-id2, fapi2-message-signing-id1. A client may be
	// stricter. Required.
	Profile oauth.ProfileName `yaml:"profile"`

	Main               Door               `yaml:"main"`
	MTLS               Door               `yaml:"mtls"`
	Operations         OperationsConfig   `yaml:"operations"`
	ClientCertificates ClientCertificates `yaml:"client_certificates"`
	TrustedProxies     TrustedProxies     `yaml:"trusted_proxies"`
	ProxyProtocol      ProxyProtocol      `yaml:"proxy_protocol"`
	Store              StoreConfig        `yaml:"store"`
	Keys               KeysConfig         `yaml:"keys"`
	Policy             PolicyConfig       `yaml:"policy"`
	Audit              AuditConfig        `yaml:"audit"`
	Telemetry          TelemetryConfig    `yaml:"telemetry"`
	Lifetimes          Lifetimes          `yaml:"lifetimes"`
	RefreshTokens      RefreshTokens      `yaml:"refresh_tokens"`
	IDTokens           IDTokensConfig     `yaml:"id_tokens"`
	Errors             ErrorsConfig       `yaml:"errors"`

	Endpoints         Endpoints               `yaml:"endpoints"`
	TokenEndpoint     TokenEndpointConfig     `yaml:"token_endpoint"`
	PasswordGrant     PasswordGrantConfig     `yaml:"password_grant"`
	Device            DeviceGrantConfig       `yaml:"device"`
	TokenExchange     TokenExchangeConfig     `yaml:"token_exchange"`
	TransactionTokens TransactionTokensConfig `yaml:"transaction_tokens"`
	AssertionGrants   AssertionGrants         `yaml:"assertion_grants"`
	// AssertionIssuers are those whose assertions are believed. Default: none.
	AssertionIssuers []AssertionIssuer `yaml:"assertion_issuers"`
	// DeclaredGrants are the bank's own. Default: none.
	DeclaredGrants []DeclaredGrant `yaml:"declared_grants"`

	DPoP            DPoPConfig            `yaml:"dpop"`
	Authorization   AuthorizationConfig   `yaml:"authorization"`
	Authentication  AuthenticationConfig  `yaml:"authentication"`
	CIBA            CIBAConfig            `yaml:"ciba"`
	GrantManagement GrantManagementConfig `yaml:"grant_management"`
	Registration    RegistrationConfig    `yaml:"registration"`
	Subjects        SubjectsConfig        `yaml:"subjects"`
	Logout          LogoutConfig          `yaml:"logout"`

	Outbound Outbound `yaml:"outbound"`
	Brand    Brand    `yaml:"brand"`
	// Scopes are the scopes that exist, with the words that the consent page shows. The scopes of OpenID
	// Connect Core (openid, profile, email, address, phone, offline_access) exist without being listed.
	Scopes []Scope `yaml:"scopes"`
	// Resources are the resource servers that tokens can be for (RFC 8707). At least one.
	Resources []Resource `yaml:"resources"`
	// DetailsTypes are the types of authorization_details that exist (RFC 9396). Default: none.
	DetailsTypes []DetailsType `yaml:"authorization_details"`
}

// Door is one of the two public listeners. Both serve the same endpoints.
type Door struct {
	// Listen is the TCP address, e.g. 0.0.0.0:9443. Required.
	Listen string `yaml:"listen"`
	// BaseURL is the door's outside address; its endpoints' URLs start with it. For main it defaults to the
	// issuer; for mtls it is required and appears in mtls_endpoint_aliases (RFC 8705 section 5).
	BaseURL string `yaml:"base_url"`
	// Certificate and Key are PEM files: the server's certificate chain and its private key. They are read
	// again when they change, without dropping connections. Required.
	Certificate string `yaml:"certificate"`
	Key         string `yaml:"key"`
}

// OperationsConfig is the listener for health (/healthz), readiness (/readyz) and metrics (/metrics). On a
// loopback address it is plain HTTP; on any other, Certificate, Key and ClientCA are required.
type OperationsConfig struct {
	// Listen is a TCP address. Required.
	Listen string `yaml:"listen"`
	// Certificate and Key are PEM files for TLS. They are read again when they change. Default: none.
	Certificate string `yaml:"certificate"`
	Key         string `yaml:"key"`
	// ClientCA is a PEM file: who asks must have a client certificate from one of these CAs. Default: none.
	ClientCA string `yaml:"client_ca"`
}

// ClientCertificates says which client certificates authenticate a tls_client_auth client.
type ClientCertificates struct {
	// TrustAnchors are PEM files with the CA certificates that a client's chain must end at. They are read
	// again when they change. Without any, no tls_client_auth client can authenticate.
	TrustAnchors []string `yaml:"trust_anchors"`
	// CRLs are PEM or DER files with certificate revocation lists, read again when they change.
	CRLs []string `yaml:"crls"`
	// RequireCRL refuses a chain whose issuer has no current CRL here. Required: true or false.
	RequireCRL *bool `yaml:"require_crl"`
}

// TrustedProxies are the TLS-terminating proxies whose word for the client's certificate is believed (RFC 9440). From any
// other sender such headers are removed. Default: none.
type TrustedProxies struct {
	// Addresses are IP addresses or CIDR blocks that only the proxies have.
	Addresses []string `yaml:"addresses"`
	// Thumbprints are the x5t#S256 of the proxies' own TLS client certificates. With them the main door asks
	// for a certificate, too; with addresses as well, a proxy must have both.
	Thumbprints []string `yaml:"thumbprints"`
	// Format is the header that they tell the certificate by, and the only one that counts: rfc9440 (Client-Cert), envoy
	// (X-Forwarded-Client-Cert with Cert or Chain; SANITIZE_SET), traefik (X-Forwarded-Tls-Client-Cert) or nginx
	// (X-SSL-Client-Cert with $ssl_client_escaped_cert). Default rfc9440.
	Format mtls.ProxyFormat `yaml:"format"`
}

// ProxyProtocol says which TCP proxies pass TLS through and tell the client's address by the PROXY protocol.
type ProxyProtocol struct {
	// Addresses are IP addresses or CIDR blocks that only the proxies have. A connection from there must
	// begin with a PROXY header; from anywhere else none is accepted. Default: none.
	Addresses []string `yaml:"addresses"`
}

// StoreConfig is the database.
type StoreConfig struct {
	// DSN is sqlite:PATH, or for MySQL 8 and MariaDB 10.11 or later, always over TLS,
	// mysql:USER@HOST[:PORT][,HOST[:PORT]...]/DATABASE?password_file=FILE&ca=FILE
	// (further: cert=FILE, key=FILE, server_name=NAME, pool=N), or through a socket,
	// mysql:USER@unix(PATH)/DATABASE?password_file=FILE. Several hosts are tried in their order. Required.
	DSN string `yaml:"dsn"`
	// Migrate is on_start, or never: then "signet migrate up" does it, with an account that may change tables,
	// and a server refuses to start on a schema that is too old. Default on_start.
	Migrate MigrateMode `yaml:"migrate"`
	// KeepAudit is how long audit entries stay; 0 = for ever. Default 0.
	KeepAudit time.Duration `yaml:"keep_audit"`
}

// MigrateMode says who migrates the database.
type MigrateMode string

// The modes.
const (
	MigrateOnStart MigrateMode = "on_start"
	MigrateNever   MigrateMode = "never"
)

// KeyBackend is where keys live.
type KeyBackend string

// The key backends.
const (
	KeysFile    KeyBackend = "file"    // encrypted files
	KeysTransit KeyBackend = "transit" // Vault transit: private keys never leave Vault
	KeysVaultKV KeyBackend = "vaultkv" // Vault KV v2: sealed there, signed with here
)

// KeysConfig is the key backend.
type KeysConfig struct {
	// Backend is file, transit (private keys never leave Vault) or vaultkv (kept in Vault, signed with
	// here). Required.
	Backend KeyBackend `yaml:"backend"`
	// Directory holds the encrypted key files. Required for file, not for the others.
	Directory string `yaml:"directory"`
	// PassphraseFile holds the passphrase that the keys are encrypted with. Required for file.
	PassphraseFile string `yaml:"passphrase_file"`
	// Vault is where the keys are. Required for transit and vaultkv.
	Vault VaultConfig `yaml:"vault"`
	// Maintain lets the server itself make the first keys, rotate those that are due and destroy retired
	// ones. false: "signet key maintain" does, e.g. daily, with keys.vault.keeper as its identity, and the
	// server's identity needs no right to. Default true for file, false for transit and vaultkv.
	Maintain *bool `yaml:"maintain"`
	// Algorithms are the JWS algorithms to keep a key for: ES256, PS256, EdDSA, RS256 (RS256 not under a
	// FAPI profile; without it no client of OpenID Connect Registration gets its default for ID tokens); and
	// RSA-OAEP-256, if clients are to encrypt request objects. The first that signs is the default for tokens. Required.
	Algorithms []string `yaml:"algorithms"`
	// PublishFor is how long a new key is in the JWKS before it signs. Default 10m, at least 6m: resource
	// servers use the keys that they have read for up to 5m.
	PublishFor time.Duration `yaml:"publish_for"`
	// RetireAfter is how long a replaced key stays in the JWKS; at least 1h.
	// Default 24h.
	RetireAfter time.Duration `yaml:"retire_after"`
	// RotateEvery makes a new key for an algorithm when its key has signed for so long; 0 = only "signet key
	// rotate" does. Default 0, otherwise longer than publish_for.
	RotateEvery time.Duration `yaml:"rotate_every"`
	// ArchiveFor keeps the public halves of retired keys at /jwks/archived, so that what they signed can be checked when
	// nobody accepts it any more. 0 = not at all. Default 0, at most 87600h.
	ArchiveFor time.Duration `yaml:"archive_for"`
}

// VaultConfig is a HashiCorp Vault or OpenBao.
type VaultConfig struct {
	// Address is an https URL. Required.
	Address string `yaml:"address"`
	// CAFile is a PEM file with the CAs of Vault's certificate. Default: the system's.
	CAFile string `yaml:"ca_file"`
	// Namespace is sent with every request. Default: none.
	Namespace string `yaml:"namespace"`
	// TransitMount is where the transit engine is mounted. Default transit.
	TransitMount string `yaml:"transit_mount"`
	// KVMount is where a KV version 2 engine is mounted. Default secret.
	KVMount string `yaml:"kv_mount"`
	// Prefix begins the names of the keys and paths, so that several installations can share a Vault.
	// Default signet.
	Prefix string `yaml:"prefix"`
	// Auth is how the server logs in. Required.
	Auth VaultAuth `yaml:"auth"`
	// Keeper is how "signet key" logs in: the identity that may make, rotate and destroy keys. Default: auth.
	Keeper VaultAuth `yaml:"keeper"`
	// Timeout bounds one request to Vault. Default 2s, at most 10s.
	Timeout time.Duration `yaml:"timeout"`
	// Grace is how long vaultkv signs on with the keys in memory while Vault is out of reach. Default 0, at
	// most 1h; publish_for and retire_after must be longer by as much. With transit it must be 0, as no key is
	// here to sign with.
	Grace time.Duration `yaml:"grace"`
}

// VaultAuth is one identity at Vault.
type VaultAuth struct {
	// Method is approle, cert, kubernetes or token_file. Required.
	Method string `yaml:"method"`
	// Mount is where the auth method is mounted. Default: the method's name.
	Mount string `yaml:"mount"`
	// Role is the role to log in as. Required for kubernetes. Default: for cert, whichever fits; for approle,
	// any: with a role, a wrapped secret id that is another role's is noticed.
	Role string `yaml:"role"`
	// RoleIDFile and SecretIDFile hold an AppRole's two halves. Required for approle.
	RoleIDFile   string `yaml:"role_id_file"`
	SecretIDFile string `yaml:"secret_id_file"`
	// Wrapped says that secret_id_file holds a response-wrapping token, to be unwrapped once, at start: each start
	// of a server needs a new one. Not for keeper.
	Wrapped bool `yaml:"wrapped"`
	// Certificate and Key are PEM files. Required for cert.
	Certificate string `yaml:"certificate"`
	Key         string `yaml:"key"`
	// TokenFile holds a token, as Vault Agent writes it. Required for token_file.
	TokenFile string `yaml:"token_file"`
	// JWTFile holds the service account's token. Default for kubernetes: the pod's.
	JWTFile string `yaml:"jwt_file"`
}

// TelemetryConfig is what is told to those who watch. Metrics are at operations.listen, /metrics.
type TelemetryConfig struct {
	Traces TracesConfig `yaml:"traces"`
}

// TracesConfig is OpenTelemetry tracing.
type TracesConfig struct {
	// Endpoint is the OTLP/HTTP URL of a collector, like https://collector:4318/v1/traces. Default: no traces.
	Endpoint string `yaml:"endpoint"`
	// CAFile is a PEM file with the CAs of the collector's certificate. Default: the system's.
	CAFile string `yaml:"ca_file"`
	// SampleRatio is the share of requests that are traced: more than 0, at most 1. Default 0.01.
	SampleRatio float64 `yaml:"sample_ratio"`
}

// PolicyConfig is the bank's Rego.
type PolicyConfig struct {
	// Directory is the owner's bundle, which overrides the embedded default package by package. It is read
	// again when it changes; a broken bundle is refused and the old one stays. Default: none.
	Directory string `yaml:"directory"`
	// Timeout bounds one decision; past it the request is refused. Default 1s.
	Timeout time.Duration `yaml:"timeout"`
}

// AuditConfig is the audit log's durable queue, for requests that commit nothing else.
type AuditConfig struct {
	// Spool is a folder. Required.
	Spool string `yaml:"spool"`
	// MaxBytes bounds it; when it is full, requests are refused (503). Default 64 MiB.
	MaxBytes int64 `yaml:"max_bytes"`
}

// Lifetimes of what Signet issues. A resource server's own value and then the policy's take precedence; an
// access or ID token never lives longer than 1h.
type Lifetimes struct {
	AccessToken       time.Duration `yaml:"access_token"`       // default 5m, at most 1h
	IDToken           time.Duration `yaml:"id_token"`           // default 5m, at most 1h
	RefreshToken      time.Duration `yaml:"refresh_token"`      // default 720h; not extended by rotation
	AuthorizationCode time.Duration `yaml:"authorization_code"` // default 60s; the profile caps it
	Session           time.Duration `yaml:"session"`            // default 8h
	Interaction       time.Duration `yaml:"interaction"`        // default 15m: login and consent together
}

// Outbound is what Signet fetches from clients (jwks_uri, sector_identifier_uri, request_uris) and sends them (CIBA,
// logout tokens).
type Outbound struct {
	// AllowHosts are host[:port] that may be reached although their address is not public. For
	// development. Default: none.
	AllowHosts []string `yaml:"allow_hosts"`
	// CAFiles are PEM files with further CAs for outbound TLS. Default: the system's.
	CAFiles []string `yaml:"ca_files"`
	// Timeout bounds one fetch. Default 5s.
	Timeout time.Duration `yaml:"timeout"`
	// MaxAge bounds how long a fetched document is reused. Default 10m, at most 24h.
	MaxAge time.Duration `yaml:"max_age"`
}

// Brand is how the login and consent pages look, and where the bank tells more.
type Brand struct {
	// Name is the bank's name. Default: Signet.
	Name string `yaml:"name"`
	// Logo is an SVG or PNG file, shown on dark blue instead of the default mark and the name.
	Logo string `yaml:"logo"`
	// Links stand at the foot of each page: help, privacy, imprint.
	Links []Link `yaml:"links"`
	// Locales is a folder with the pages' words in further languages. Default: the built-in ones alone.
	Locales string `yaml:"locales"`
	// Documentation, Policy and Terms are https URLs for developers, published in the metadata as
	// service_documentation, op_policy_uri and op_tos_uri (RFC 8414 section 2). Default: none.
	Documentation string `yaml:"documentation"`
	Policy        string `yaml:"policy"`
	Terms         string `yaml:"terms"`
}

// Link is a text that leads somewhere.
type Link struct {
	Text string `yaml:"text"` // required
	URL  string `yaml:"url"`  // https, or an absolute path; required
}

// Scope is a scope and its words for people.
type Scope struct {
	Name        string `yaml:"name"`        // required
	Description string `yaml:"description"` // required; e.g. "See your accounts and balances"
}

// withDefaults returns the configuration with the documented defaults filled in.
func (c Config) withDefaults() Config {
	setDefault(&c.Main.BaseURL, c.Issuer)
	setDefault(&c.TrustedProxies.Format, mtls.FormatRFC9440)
	setDefault(&c.Store.Migrate, MigrateOnStart)
	if c.Keys.Maintain == nil {
		maintain := c.Keys.Backend == KeysFile
		c.Keys.Maintain = &maintain
	}
	if c.Keys.Backend.inVault() {
		c.Keys.Vault = c.Keys.Vault.withDefaults()
	}
	if c.Telemetry.Traces.Endpoint != "" {
		setDefault(&c.Telemetry.Traces.SampleRatio, 0.01)
	}
	setDefault(&c.Keys.PublishFor, 10*time.Minute)
	setDefault(&c.Keys.RetireAfter, 24*time.Hour)
	setDefault(&c.Policy.Timeout, time.Second)
	setDefault(&c.Audit.MaxBytes, 64<<20)
	setDefault(&c.Lifetimes.AccessToken, 5*time.Minute)
	setDefault(&c.Lifetimes.IDToken, 5*time.Minute)
	setDefault(&c.Lifetimes.RefreshToken, 720*time.Hour)
	setDefault(&c.Lifetimes.AuthorizationCode, 60*time.Second)
	setDefault(&c.Lifetimes.Session, 8*time.Hour)
	setDefault(&c.Lifetimes.Interaction, 15*time.Minute)
	setDefault(&c.Outbound.Timeout, 5*time.Second)
	setDefault(&c.Outbound.MaxAge, 10*time.Minute)
	c.fapiDefaults()
	c.openIDDefaults()
	c.tokenDefaults()
	c.grantDefaults()
	c.Endpoints = c.Endpoints.withDefaults()
	return c
}

// SigningAlgs are those of Algorithms that sign, the default first; the others decrypt.
func (k KeysConfig) SigningAlgs() []string { return every.Algorithms(k.Algorithms) }

func (b KeyBackend) inVault() bool { return b == KeysTransit || b == KeysVaultKV }

func (v VaultConfig) withDefaults() VaultConfig {
	setDefault(&v.TransitMount, "transit")
	setDefault(&v.KVMount, "secret")
	setDefault(&v.Prefix, "signet")
	setDefault(&v.Timeout, 2*time.Second)
	for _, auth := range []*VaultAuth{&v.Auth, &v.Keeper} {
		setDefault(&auth.Mount, auth.Method)
		if auth.Method == vaultKubernetes {
			setDefault(&auth.JWTFile, "/var/run/secrets/kubernetes.io/serviceaccount/token")
		}
	}
	return v
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
