package issue

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"signet/provider/oauth"
)

// Subjects names users to clients: by the account's own id, or pairwise, by a name that clients of different sectors
// cannot compare (OpenID Connect Core section 8). No name leads back to its account: whoever reads a token back finds
// the account by the token's grant.
type Subjects struct {
	// Salt makes pairwise names what nobody else can compute. It has to stay: with another one, every user of a pairwise
	// client is a new user. "" = there are only public names.
	Salt oauth.Secret
}

// Why there is no name; for the log.
var (
	errNoSalt   = errors.New("it has pairwise subjects, and this server has no salt for them")
	errNoSector = errors.New("it has pairwise subjects, and neither a sector_identifier_uri nor https redirect URIs of one host")
)

// For returns the name of the user at the client: "sub". A pairwise one is the HMAC-SHA-256 of the client's sector and
// the id, in base64url (OpenID Connect Core section 8.1). It fails when the client's registration cannot be served.
func (s Subjects) For(c *oauth.Client, userID string) (string, error) {
	switch c.SubjectType {
	case "", oauth.SubjectPublic:
		return userID, nil
	case oauth.SubjectPairwise:
	default:
		return "", fmt.Errorf("client %s: subject_type %q is unknown", c.ID, c.SubjectType)
	}
	sector, ok := c.Sector()
	switch {
	case s.Salt == "":
		return "", fmt.Errorf("client %s: %w", c.ID, errNoSalt)
	case !ok:
		return "", fmt.Errorf("client %s: %w", c.ID, errNoSector)
	}
	mac := hmac.New(sha256.New, []byte(s.Salt.Reveal()))
	mac.Write([]byte(strings.ToLower(sector))) // a host's case means nothing
	mac.Write([]byte{0})                       // which no host has
	mac.Write([]byte(userID))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)), nil
}

// Subject is [Subjects.For] with the issuer's own salt.
func (i *Issuer) Subject(c *oauth.Client, userID string) (string, error) {
	return i.opt.Subjects.For(c, userID)
}

// SessionID returns the name of a browser session at the client: "sid", which at several clients is not to tell that they
// have one user (OpenID Connect Core section 8.1). Clients with public subjects know it as it is, others by a pairwise
// name, made as that of an account with a NUL in its id, which there is not. "" is the name of none. It fails as
// [Subjects.For] does.
func (i *Issuer) SessionID(c *oauth.Client, sid string) (string, error) {
	if sid == "" || c.SubjectType == "" || c.SubjectType == oauth.SubjectPublic {
		return sid, nil
	}
	return i.opt.Subjects.For(c, "sid\x00"+sid)
}

// IsSubject says whether the client knows the user by this name: how a name that comes back, in an id_token_hint or in
// the claims parameter, is compared with an account.
func (i *Issuer) IsSubject(c *oauth.Client, userID, sub string) (bool, error) {
	known, err := i.Subject(c, userID)
	return err == nil && known == sub, err
}

// subjectOf is the "sub" of a token. A client is its own name.
func (i *Issuer) subjectOf(c *oauth.Client, about oauth.Subject) (string, error) {
	if user, ok := about.(oauth.EndUser); ok {
		return i.Subject(c, user.ID)
	}
	return about.Subject(), nil
}
