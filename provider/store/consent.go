package store

import (
	"context"
	"database/sql/driver"

	"signet/provider/oauth"
)

const (
	selectConsent = `SELECT kind, value, at FROM consents WHERE user_id = ? AND client_id = ? ORDER BY kind, value`
	insertConsent = `INSERT INTO consents (user_id, client_id, kind, value, at) VALUES (?, ?, ?, ?, ?)`
	forgetConsent = `DELETE FROM consents WHERE user_id = ? AND client_id = ?`
	renewConsent  = `UPDATE consents SET at = ? WHERE user_id = ? AND client_id = ? AND kind = 'consent' AND at < ?`
)

// Values of the column kind.
const (
	kindConsent  = "consent"
	kindScope    = "scope"
	kindResource = "resource"
)

// Consent returns all that a user has agreed to let a client have: scope and resources in alphabetical
// order, and when the user last agreed to something. Absent: [oauth.ErrNotFound].
func (s *Store) Consent(ctx context.Context, userID, clientID string) (oauth.Consent, error) {
	consent, found := oauth.Consent{UserID: userID, ClientID: clientID}, false
	err := s.readers.few(ctx, selectConsent, values(userID, clientID), func(row []driver.Value) error {
		found = true
		switch kind, value := text(row[0]), text(row[1]); kind {
		case kindConsent:
			consent.At = timeOf(row[2])
		case kindScope:
			consent.Scope = append(consent.Scope, value)
		case kindResource:
			consent.Resources = append(consent.Resources, value)
		}
		return nil
	})
	if err == nil && !found {
		err = oauth.ErrNotFound
	}
	return consent, absent(err, "consent")
}

func (p *plan) rememberConsent(c oauth.RememberConsent) {
	user, client, at := c.Consent.UserID, c.Consent.ClientID, micros(c.Consent.At)
	p.do(c, knownKey, insertConsent, user, client, kindConsent, "", at)
	p.do(c, anything, renewConsent, at, user, client, at)
	for _, token := range c.Consent.Scope {
		p.do(c, knownKey, insertConsent, user, client, kindScope, token, at)
	}
	for _, resource := range c.Consent.Resources {
		p.do(c, knownKey, insertConsent, user, client, kindResource, resource, at)
	}
}
