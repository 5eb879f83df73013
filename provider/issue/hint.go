package issue

import (
	"slices"
	"time"

	"signet/provider/jose"
	"signet/provider/oauth"
)

// maxHintAge is how long ago an ID token may have been issued to be a hint. Its exp is for those who believe what
// it says; here it only names somebody, and an expired one does so, too.
const maxHintAge = 90 * 24 * time.Hour

// Hints reads ID tokens that come back as id_token_hint (OpenID Connect Core section 3.1.2.1, CIBA Core section 7.1).
// Both fields are required.
type Hints struct {
	Issuer string // "iss"
	// Keys are the keys that ID tokens are signed with.
	Keys interface {
		KeySet() *jose.KeySet
		Algorithms() []string
	}
}

// Subject returns the subject of an ID token that this server once gave this client. The error is invalid_request.
func (h Hints) Subject(client *oauth.Client, compact string, now time.Time) (string, *oauth.Error) {
	refuse := func(text string, cause error) (string, *oauth.Error) {
		return "", oauth.Errorf(oauth.InvalidRequest, "the id_token_hint %s", text).Because(cause)
	}
	verified, err := jose.Verify(compact, h.Keys.KeySet(), h.Keys.Algorithms())
	if err != nil {
		return refuse("was not signed by this server, or too long ago", err)
	}
	claims, err := jose.ParseClaims(verified.Payload)
	switch _, login := claims.Raw["auth_time"]; {
	case err != nil:
		return refuse("is malformed", err)
	case verified.Typ != "JWT" || claims.Issuer != h.Issuer || claims.Subject == "" || !login:
		return refuse("is no ID token of this server", nil)
	case !slices.Contains(claims.Audience, client.ID):
		return refuse("was issued to another client", nil)
	case claims.IssuedAt.Before(now.Add(-maxHintAge)):
		return refuse("was issued too long ago", nil)
	}
	return claims.Subject, nil
}
