package issue

import (
	"time"

	"signet/provider/keys"
	"signet/provider/oauth"
)

// Options configure an [Issuer]. All are required.
type Options struct {
	Issuer string // "iss"
	Signer keys.Signer
	Random oauth.Random
	// DefaultAlg signs ID tokens of clients that registered no id_token_signed_response_alg.
	DefaultAlg string
}

// Issuer makes tokens. It is safe for concurrent use.
type Issuer struct{ opt Options }

// New returns an Issuer.
func New(opt Options) *Issuer { return &Issuer{opt} }

// Mandate is what a token may say: decided by a grant, narrowed by policy, bound to a sender.
type Mandate struct {
	Now          time.Time
	Client       *oauth.Client
	Subject      oauth.Subject
	GrantID      string // "" for client_credentials
	Scope        oauth.Scope
	Audience     []string // resource identifiers, at least one
	Confirmation oauth.Confirmation
	Nonce        string

	Opaque         bool          // access token by reference
	Alg            string        // of a JWT access token
	AccessLifetime time.Duration // whole seconds count
	IDLifetime     time.Duration
	AccessClaims   map[string]any // further claims, from policy; reserved names never get here
	IDClaims       map[string]any
}

// audience marshals as a string when there is one and as an array otherwise (RFC 7519 section 4.1.3).
func audience(aud []string) any {
	if len(aud) == 1 {
		return aud[0]
	}
	return aud
}
