package issue

import (
	"encoding/json"
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

// Hint is what an ID token says that this server once gave to somebody. It proves nothing about who brings it back.
type Hint struct {
	Subject   string // as its client knows the user: compare it by [Issuer.IsSubject]
	Audience  []string
	SessionID string // as its client knows the session: compare it with [Issuer.SessionID]; "" = none
}

// Subject returns the subject of an ID token that this server once gave this client, as the token has it: the name
// that the client knows the user by. The error is invalid_request.
func (h Hints) Subject(client *oauth.Client, compact string, now time.Time) (string, *oauth.Error) {
	hint, fault := h.Read(compact, now)
	if fault != nil {
		return "", fault
	}
	if !slices.Contains(hint.Audience, client.ID) {
		return "", badHint("was issued to another client", nil)
	}
	return hint.Subject, nil
}

// Read reads an ID token of this server, whoever it was given to: at the logout endpoint it may be what names the client
// (OpenID Connect RP-Initiated Logout section 2). An encrypted one is refused: its client has the key to what is in it,
// which is what was signed (OpenID Connect Core section 3.1.2.1). The error is invalid_request.
func (h Hints) Read(compact string, now time.Time) (Hint, *oauth.Error) {
	if jose.IsEncrypted(compact) {
		return Hint{}, badHint("is encrypted: send the signed ID token that is in it", nil)
	}
	verified, err := jose.Verify(compact, h.Keys.KeySet(), h.Keys.Algorithms())
	if err != nil {
		return Hint{}, badHint("was not signed by this server, or too long ago", err)
	}
	claims, err := jose.ParseClaims(verified.Payload)
	switch _, login := claims.Raw["auth_time"]; {
	case err != nil:
		return Hint{}, badHint("is malformed", err)
	case verified.Typ != typeIDToken || claims.Issuer != h.Issuer || claims.Subject == "" || !login:
		return Hint{}, badHint("is no ID token of this server", nil)
	case claims.IssuedAt.Before(now.Add(-maxHintAge)):
		return Hint{}, badHint("was issued too long ago", nil)
	}
	hint := Hint{Subject: claims.Subject, Audience: claims.Audience}
	if raw, ok := claims.Raw["sid"]; ok {
		if err := json.Unmarshal(raw, &hint.SessionID); err != nil {
			return Hint{}, badHint("is malformed", err)
		}
	}
	return hint, nil
}

func badHint(text string, cause error) *oauth.Error {
	return oauth.Errorf(oauth.InvalidRequest, "the id_token_hint %s", text).Because(cause)
}
