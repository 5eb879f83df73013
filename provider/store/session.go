package store

import (
	"context"
	"database/sql/driver"

	"signet/provider/oauth"
)

const (
	selectSession = `SELECT data FROM sessions WHERE digest = ? AND expires_at > ?`
	deleteSession = `DELETE FROM sessions WHERE digest = ?`
	updateSession = `UPDATE sessions SET expires_at = ?, data = ? WHERE digest = ?`
	insertSession = `INSERT INTO sessions (digest, expires_at, data) VALUES (?, ?, ?)`
)

// Session returns a browser session. Absent or expired: [oauth.ErrNotFound].
func (s *Store) Session(ctx context.Context, digest oauth.Digest) (session oauth.Session, err error) {
	args := values(digest[:], micros(s.opt.Clock()))
	err = s.readers.point(ctx, selectSession, args, func(row []driver.Value) error {
		session.Digest = digest
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
	digest, until := c.Session.Digest[:], micros(c.Session.ExpiresAt)
	p.do(c, anything, updateSession, until, data, digest)
	p.do(c, knownKey, insertSession, digest, until, data)
	return nil
}

func (p *plan) endSession(c oauth.EndSession) {
	expect := anything
	if c.Present {
		expect = rowChanged
	}
	p.do(c, expect, deleteSession, c.Digest[:])
}
