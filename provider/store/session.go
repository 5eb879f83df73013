package store

import (
	"context"
	"database/sql/driver"

	"signet/provider/oauth"
)

const (
	selectSession      = `SELECT data, digest FROM sessions WHERE digest = ? AND expires_at > ?`
	selectSessionBySID = `SELECT data, digest FROM sessions WHERE sid = ? AND expires_at > ?`
	deleteSession      = `DELETE FROM sessions WHERE digest = ?`
	updateSession      = `UPDATE sessions SET sid = ?, expires_at = ?, data = ? WHERE digest = ?`
	insertSession      = `INSERT INTO sessions (digest, sid, expires_at, data) VALUES (?, ?, ?, ?)`
)

// Session returns a browser session. Absent or expired: [oauth.ErrNotFound].
func (s *Store) Session(ctx context.Context, digest oauth.Digest) (oauth.Session, error) {
	return s.session(ctx, selectSession, digest[:])
}

// SessionBySID is [Store.Session] by the public id ("sid"), compared byte by byte. A session without one is not found.
func (s *Store) SessionBySID(ctx context.Context, sid string) (oauth.Session, error) {
	return s.session(ctx, selectSessionBySID, sid)
}

func (s *Store) session(ctx context.Context, query string, key driver.Value) (session oauth.Session, err error) {
	err = s.readers.point(ctx, query, values(key, micros(s.opt.Clock())), func(row []driver.Value) error {
		session.Digest = digestOf(row[1])
		return decode(row[0], &session)
	})
	return session, absent(err, "session")
}

// storeSession replaces a session that is kept under the same digest.
func (p *plan) storeSession(c oauth.StoreSession) error {
	data, err := encode(c.Session)
	if err != nil {
		return err
	}
	var sid driver.Value // NULL when there is none
	if c.Session.User.SessionID != "" {
		sid = c.Session.User.SessionID
	}
	digest, until := c.Session.Digest[:], micros(c.Session.ExpiresAt)
	p.do(c, anything, updateSession, sid, until, data, digest)
	p.do(c, knownKey, insertSession, digest, sid, until, data)
	return nil
}

func (p *plan) endSession(c oauth.EndSession) {
	p.do(c, anything, deleteSession, c.Digest[:])
}
