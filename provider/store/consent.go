package store

import (
	"context"
	"database/sql/driver"
	"strings"

	"signet/provider/oauth"
)

const (
	selectConsent = `SELECT kind, value, at FROM consents WHERE user_id = ? AND client_id = ? ORDER BY kind, value`
	insertConsent = `INSERT INTO consents (user_id, client_id, kind, value, at) VALUES (?, ?, ?, ?, ?)`
	forgetConsent = `DELETE FROM consents WHERE user_id = ? AND client_id = ?`
	renewConsent  = `UPDATE consents SET at = ? WHERE user_id = ? AND client_id = ? AND kind = ? AND value = ? AND at < ?`
)

// Values of the column kind. There are rows of other kinds, which earlier versions of the program read and write:
// "scope" and "resource", from which cannot be told what was agreed to where. They count for nothing.
const (
	kindConsent = "consent" // one row: at is the latest approval
	kindPair    = "pair"    // value is a scope at a resource server, at is the end of the agreement
)

// Consent returns all that a user has agreed to let a client have: by scope, then by resource server, in alphabetical
// order, over or not. Absent: [oauth.ErrNotFound].
func (s *Store) Consent(ctx context.Context, userID, clientID string) (oauth.Consent, error) {
	consent, found := oauth.Consent{UserID: userID, ClientID: clientID}, false
	err := s.readers.few(ctx, selectConsent, values(userID, clientID), func(row []driver.Value) error {
		found = true
		switch kind, value := text(row[0]), text(row[1]); kind {
		case kindConsent:
			consent.At = timeOf(row[2])
		case kindPair:
			scope, resource, _ := strings.Cut(value, " ")
			consent.Agreed = append(consent.Agreed, oauth.Agreed{Scope: scope, Resource: resource, Until: timeOf(row[2])})
		}
		return nil
	})
	if err == nil && !found {
		err = oauth.ErrNotFound
	}
	return consent, absent(err, "consent")
}

func (p *plan) rememberConsent(c oauth.RememberConsent) {
	p.agree(c, kindConsent, "", micros(c.Consent.At))
	for _, a := range c.Consent.Agreed {
		p.agree(c, kindPair, pairOf(a), micros(a.Until))
	}
}

func (p *plan) agree(c oauth.RememberConsent, kind, value string, at int64) {
	user, client := c.Consent.UserID, c.Consent.ClientID
	p.do(c, knownKey, insertConsent, user, client, kind, value, at)
	p.do(c, anything, renewConsent, at, user, client, kind, value, at)
}

// pairOf is the column value: neither part has a space in it.
func pairOf(a oauth.Agreed) string {
	if a.Resource == "" {
		return a.Scope
	}
	return a.Scope + " " + a.Resource
}
