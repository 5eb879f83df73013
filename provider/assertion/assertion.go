package assertion

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"time"

	"signet/provider/oauth"
)

// Times by which an assertion may be off: two clocks are never the same. Early is how far ahead iat and nbf may be, Late
// how long after its end an assertion still counts.
const (
	Early = 30 * time.Second
	Late  = 10 * time.Second
)

const (
	maxJTI  = 256 // bytes: what the store has room for
	maxName = 255 // bytes
)

// Asserted is what an accepted assertion says.
type Asserted struct {
	Issuer string
	// User is whom the assertion is about; without an ID it is about the client itself, see [Asserted.ClientItself].
	User oauth.User
	// AuthTime is when the user logged in at the issuer, or else when the assertion was issued: never later than now.
	AuthTime time.Time
	// ACR and AMR are how, as the issuer says; a client that issues assertions itself is not believed that.
	ACR string
	AMR []string
	// Claims is a JSON object: the claims of a JWT, or the attributes of a SAML assertion, each with an array of texts.
	Claims json.RawMessage
	// ExpiresAt is when the assertion ends, and with it what a token exchange makes of it.
	ExpiresAt time.Time
	// SessionEnds is when the issuer's session ends in any case (SAML Core section 2.7.2); zero = it does not say.
	SessionEnds time.Time
	// Scope bounds what can be made of the assertion; nil = what the client is registered for.
	Scope oauth.Scope
	// Changes use the assertion up.
	Changes []oauth.Change
	// SelfIssued says that the client has issued the assertion.
	SelfIssued bool
}

// ClientItself says that the assertion is about the client that has issued it (RFC 7523 section 2.2), not about a user.
func (a Asserted) ClientItself() bool { return a.SelfIssued && a.User.ID == "" }

// EndUser is the login that the assertion stands for. It is no browser session.
func (a Asserted) EndUser() oauth.EndUser {
	return oauth.EndUser{ID: a.User.ID, AuthTime: a.AuthTime, ACR: a.ACR, AMR: a.AMR}
}

// used is the change that uses an assertion up (RFC 7523 section 3 item 7, RFC 7522 section 3 item 5). The issuer's name may
// be longer than the store has room for: its digest stands for it.
func used(issuer, id string, until time.Time) []oauth.Change {
	sum := sha256.Sum256([]byte(issuer))
	by := oauth.UsedByIssuer + base64.RawURLEncoding.EncodeToString(sum[:])
	return []oauth.Change{oauth.UseAssertion{ClientID: by, JTI: id, Until: until.Add(Late)}}
}

// usedByClient is used for an assertion of the client's own.
func usedByClient(client *oauth.Client, id string, until time.Time) []oauth.Change {
	return []oauth.Change{oauth.UseAssertion{ClientID: client.ID, JTI: id, Until: until.Add(Late)}}
}

func refuse(text string, cause error) *oauth.Error {
	return oauth.Errorf(oauth.InvalidGrant, "the assertion %s", text).Because(cause)
}

func unavailable(cause error) *oauth.Error {
	return oauth.Errorf(oauth.TemporarilyUnavailable, "the keys of the assertion's issuer cannot be had at present").Because(cause)
}
