package oauth

import (
	"encoding/json"
	"strings"
)

// TokenType is a token type identifier (RFC 8693 section 3).
type TokenType string

// The token types that Signet knows.
const (
	TokenTypeAccess  TokenType = "urn:ietf:params:oauth:token-type:access_token"  // #nosec G101 -- a name
	TokenTypeRefresh TokenType = "urn:ietf:params:oauth:token-type:refresh_token" // #nosec G101 -- a name
	TokenTypeID      TokenType = "urn:ietf:params:oauth:token-type:id_token"      // #nosec G101 -- a name
	TokenTypeJWT     TokenType = "urn:ietf:params:oauth:token-type:jwt"           // #nosec G101 -- a name
	TokenTypeSAML2   TokenType = "urn:ietf:params:oauth:token-type:saml2"         // #nosec G101 -- a name
	// TokenTypeTxn is a transaction token (Transaction Tokens section 7.3).
	TokenTypeTxn TokenType = "urn:ietf:params:oauth:token-type:txn_token" // #nosec G101 -- a name
)

// Actor is who acts for a subject, and for whom that one acted before: the "act" claim (RFC 8693 section 4.1).
type Actor struct {
	Subject  string `json:"sub"`
	Issuer   string `json:"iss,omitempty"` // where it is not this server
	ClientID string `json:"client_id,omitempty"`
	Act      *Actor `json:"act,omitempty"`
}

// Links are the actors, the present one first.
func (a *Actor) Links() []Actor {
	var all []Actor
	for ; a != nil; a = a.Act {
		link := *a
		link.Act = nil
		all = append(all, link)
	}
	return all
}

// Question is what policy is told of a grant, besides what all have in common.
type Question struct {
	// Exchange is there in a token exchange (RFC 8693).
	Exchange *ExchangeFacts
	// Transaction is there when a transaction token is asked for.
	Transaction *TransactionFacts
	// Assertion is there when an assertion of another issuer, or of the client, is what is redeemed (RFC 7521).
	Assertion *AssertionFacts
	// Parameters are those of a grant that the configuration declares.
	Parameters map[string]string
}

// ExchangeFacts say which token is to become which.
type ExchangeFacts struct {
	SubjectType   TokenType
	SubjectIssuer string
	SubjectClaims json.RawMessage // a JSON object: what the subject token says; nil when it says nothing
	Actor         *Actor          // the chain as it will be; nil = impersonation
	ActorType     TokenType       // "" without an actor token
	Requested     TokenType
}

// TransactionFacts are about a transaction token.
type TransactionFacts struct {
	Audience string          // the trust domain
	Context  json.RawMessage // request_context: a JSON object, or nil
	Details  json.RawMessage // request_details: a JSON object, or nil
	Replaces bool            // it takes the place of another transaction token
}

// AssertionFacts are about an assertion.
type AssertionFacts struct {
	Issuer string
	Claims json.RawMessage // a JSON object: a JWT's claims, or the attributes of a SAML assertion
}

// Ids of tokens ("jti"). A token that a grant stands behind has "GRANT.ID"; one without, "ID". A token that is made from
// another has that one's id, a tilde and its own: "GRANT.ID~ID~ID". So the token alone says what it was made from, and
// whoever knows what was revoked needs nothing else to know that this is too.
const childOf = "~"

// MaxGenerations is how many tokens can be made one from the other.
const MaxGenerations = 8

// ChildID is the jti of a token that is made from another; ok is false when there have been too many.
func ChildID(parent, id string) (jti string, ok bool) {
	return parent + childOf + id, strings.Count(parent, childOf) < MaxGenerations
}

// Lineage are the jti of a token and of those that it was made from, the oldest first.
func Lineage(jti string) []string {
	var all []string
	for i := range len(jti) {
		if jti[i] == childOf[0] {
			all = append(all, jti[:i])
		}
	}
	return append(all, jti)
}
