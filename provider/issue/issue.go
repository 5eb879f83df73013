package issue

import (
	"context"
	"fmt"
	"slices"
	"time"

	"signet/provider/jose"
	"signet/provider/keys"
	"signet/provider/oauth"
)

// Options configure an [Issuer]. All are required, but Subjects and ClientKeys only by clients with pairwise subjects
// and by those to whom something is encrypted.
type Options struct {
	Issuer string // "iss"
	Signer keys.Signer
	Random oauth.Random
	// Algs are the algorithms that Signer has keys for. The first that a client's profile allows signs its
	// tokens when no other is asked for.
	Algs []string
	// Subjects names users to clients.
	Subjects Subjects
	// ClientKeys reads a client's registered keys, to encrypt to them; package clientauth does.
	ClientKeys func(ctx context.Context, c *oauth.Client) (*jose.KeySet, error)
	// AnonymousDomains are the trust domains whose transaction tokens do not say who issued them (Transaction Tokens
	// section 5.2): everybody there knows.
	AnonymousDomains []string
}

// Issuer makes tokens. It is safe for concurrent use.
type Issuer struct{ opt Options }

// New returns an Issuer.
func New(opt Options) *Issuer { return &Issuer{opt} }

// Mandate is what a token may say: decided by a grant, narrowed by policy, bound to a sender.
type Mandate struct {
	Now     time.Time
	Client  *oauth.Client
	Subject oauth.Subject
	GrantID string // "" for client_credentials
	// Parent is the jti of the token that this one is made from, "" = none. Where the grant is not that token's, it was
	// derived from it (see [oauth.DeriveGrant]), and it is the grant that carries the lineage.
	Parent string
	// Actor acts for the subject: "act" (RFC 8693 section 4.1); nil = nobody does.
	Actor *oauth.Actor
	// NotAfter cuts every lifetime (see [Within]); zero = no bound.
	NotAfter     time.Time
	Scope        oauth.Scope
	Details      oauth.Details // RFC 9396
	Audience     []string      // resource identifiers, at least one
	Confirmation oauth.Confirmation
	Nonce        string

	Opaque         bool          // access token by reference
	Layout         string        // of access tokens' claims: LayoutRFC9068, or LayoutLight; "" is the former
	Alg            string        // that the resource server asks for in JWT access tokens
	AllowedAlgs    []string      // by the client's profile; what is asked for gives way to it
	AccessLifetime time.Duration // whole seconds count
	IDLifetime     time.Duration
	// NotBeforeLeeway puts nbf into access tokens (RFC 7519 section 4.1.5), this long before they are issued, for those
	// whose clocks are behind; nil = no nbf.
	NotBeforeLeeway *time.Duration
	AccessClaims    map[string]any // further claims, from policy; reserved names never get here
	IDClaims        map[string]any
	UserClaims      map[string]any // of the account, for the ID token; IDClaims win
	// Unsigned lets the ID token go unsigned to a client that has registered alg none: it leaves over the client's own
	// connection to the token endpoint (OpenID Connect Core section 2), and no profile asks for more.
	Unsigned bool
}

// alg chooses a signing algorithm: the preferred one if the profile allows it, else the first that it does.
func (i *Issuer) alg(preferred string, allowed []string) (string, error) {
	for _, alg := range append([]string{preferred}, i.opt.Algs...) {
		if slices.Contains(i.opt.Algs, alg) && slices.Contains(allowed, alg) {
			return alg, nil
		}
	}
	return "", fmt.Errorf("none of the signing algorithms %v is allowed for the client: %v", i.opt.Algs, allowed)
}

// Within is the lifetime of what is issued now and must have ended at notAfter (zero = no such bound): as it is, or the
// whole seconds that are left. The error is invalid_grant: what it would be made from has ended.
func Within(lifetime time.Duration, now, notAfter time.Time) (time.Duration, error) {
	if notAfter.IsZero() {
		return lifetime, nil
	}
	left := notAfter.Sub(now).Truncate(time.Second)
	if left <= 0 {
		return 0, oauth.Errorf(oauth.InvalidGrant, "what the token would be made from has expired")
	}
	return min(lifetime, left), nil
}

// audience marshals as a string when there is one and as an array otherwise (RFC 7519 section 4.1.3).
func audience(aud []string) any {
	if len(aud) == 1 {
		return aud[0]
	}
	return aud
}
