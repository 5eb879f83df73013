package oauth

import (
	"slices"
	"strings"
)

// Scope values that OpenID Connect Core defines (sections 3.1.2.1, 5.4 and 11).
const (
	ScopeOpenID        = "openid"
	ScopeProfile       = "profile"
	ScopeEmail         = "email"
	ScopeAddress       = "address"
	ScopePhone         = "phone"
	ScopeOfflineAccess = "offline_access"
)

// StandardScopes are all of them. They exist without being configured, and are about the user, not about a
// resource server.
var StandardScopes = Scope{ScopeOpenID, ScopeProfile, ScopeEmail, ScopeAddress, ScopePhone, ScopeOfflineAccess}

// Scope is an ordered set of scope tokens (RFC 6749 section 3.3).
type Scope []string

// ParseScope reads a space-delimited list; duplicates are dropped. ok is false when a token has a
// character outside the grammar of RFC 6749 section 3.3 or the delimiters are not single spaces.
func ParseScope(text string) (scope Scope, ok bool) {
	if text == "" {
		return nil, true
	}
	for token := range strings.SplitSeq(text, " ") {
		if !isScopeToken(token) {
			return nil, false
		}
		if !slices.Contains(scope, token) {
			scope = append(scope, token)
		}
	}
	return scope, true
}

// scope-token = 1*( %x21 / %x23-5B / %x5D-7E )
func isScopeToken(token string) bool {
	for i := range len(token) {
		if c := token[i]; c < 0x21 || c > 0x7E || c == '"' || c == '\\' {
			return false
		}
	}
	return token != ""
}

// String returns the space-delimited form.
func (s Scope) String() string { return strings.Join(s, " ") }

// Has says whether the token is in the set.
func (s Scope) Has(token string) bool { return slices.Contains(s, token) }

// Within says whether every token is also in other.
func (s Scope) Within(other Scope) bool {
	for _, token := range s {
		if !other.Has(token) {
			return false
		}
	}
	return true
}

// Intersect returns the tokens that are in both, in s's order.
func (s Scope) Intersect(other Scope) Scope {
	var both Scope
	for _, token := range s {
		if other.Has(token) {
			both = append(both, token)
		}
	}
	return both
}
