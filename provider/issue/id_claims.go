package issue

import (
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"time"

	"signet/provider/oauth"
)

// IDTokenClaims says which claims about the user go into ID tokens, from the fewest to the most: granted, requested,
// scope. Where no access token is ever issued, the scope's are always among them (OpenID Connect Core section 5.4).
type IDTokenClaims string

// The values. What a client is not registered for, and what policy withholds, is in none of them.
const (
	// ClaimsRequested, the default, are those that the claims parameter asks for (OpenID Connect Core section 5.5); the
	// scope's are at the userinfo endpoint. "" means the same.
	ClaimsRequested IDTokenClaims = "requested"
	// ClaimsOfScope are those, and all that the scope of the access token beside stands for.
	ClaimsOfScope IDTokenClaims = "scope"
	// ClaimsGranted are those of the claims parameter that the scope of the access token beside stands for, too.
	ClaimsGranted IDTokenClaims = "granted"
)

// For returns the claims that may go into an ID token, before policy has narrowed the scope: see Within.
func (o IDTokenClaims) For(
	user oauth.User, c *oauth.Client, scope oauth.Scope, requested map[string]oauth.ClaimRequest,
) map[string]any {
	if o != ClaimsOfScope {
		scope = nil
	}
	return ClaimsFor(user, c, scope, requested)
}

// Within returns those of the claims that may leave beside an access token of this scope. The claims parameter counts
// with openid alone: without, policy has not been asked about it.
func (o IDTokenClaims) Within(
	claims map[string]any, granted oauth.Scope, requested map[string]oauth.ClaimRequest,
) map[string]any {
	if len(claims) == 0 {
		return claims
	}
	byName := o != ClaimsGranted && granted.Has(oauth.ScopeOpenID)
	within := maps.Clone(claims)
	maps.DeleteFunc(within, func(name string, _ any) bool {
		value, standard := oauth.StandardClaim(name)
		_, asked := requested[name]
		return !standard || !granted.Has(value) && !(byName && asked)
	})
	return within
}

// IDTokenRecord is what is kept of an ID token: enough to tell later whether one that is shown was issued here, and by
// which entry of the audit log, which names the user, the client, the grant and the scope. It is no copy: nobody can log
// in by it or learn from it what the ID token said.
func IDTokenRecord(compact string, expires time.Time) map[string]any {
	sum := sha256.Sum256([]byte(compact))
	return map[string]any{"sha256": base64.RawURLEncoding.EncodeToString(sum[:]), "exp": expires.Unix()}
}
