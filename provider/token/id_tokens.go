package token

import (
	"time"

	"signet/provider/issue"
	"signet/provider/oauth"
)

// IDTokenOptions say when the token endpoint sends an ID token, what it says of the user and what is kept of it. The zero
// value is strict: with the scope openid alone, with the claims that were asked for one by one, and nothing is kept.
type IDTokenOptions struct {
	Claims issue.IDTokenClaims
	// OpenIDOptional sends one with every access token about a user of a client that is held to OpenID Connect alone, also
	// where openid is not in the scope that was asked for: as servers did before the scope was required. Where it was asked
	// for and policy withholds it, there is none.
	OpenIDOptional bool
	// Persist keeps a record of each in the audit log, in the entry of its access token.
	Persist bool
}

// issues says whether an ID token goes with an access token: asked is the scope that policy was asked about, granted what
// it has left of that.
func (o IDTokenOptions) issues(profile oauth.Profile, asked, granted oauth.Scope) bool {
	if granted.Has(oauth.ScopeOpenID) {
		return true
	}
	return o.OpenIDOptional && profile.Name == oauth.ProfileOpenID && !asked.Has(oauth.ScopeOpenID)
}

// claims are those of the user that leave beside an access token of this scope.
func (o IDTokenOptions) claims(a oauth.Authorization, granted oauth.Scope) map[string]any {
	return o.Claims.Within(a.UserClaims, granted, a.Claims.IDToken)
}

// record adds to the detail of an audit entry what is kept of an ID token; "" is none.
func (o IDTokenOptions) record(detail map[string]any, idToken string, expires time.Time) {
	if o.Persist && idToken != "" {
		detail["id_token"] = issue.IDTokenRecord(idToken, expires)
	}
}
