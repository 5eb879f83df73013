package store

import (
	"context"
	"database/sql/driver"

	"signet/provider/oauth"
)

const (
	selectSession = `SELECT data FROM sessions WHERE digest = ? AND expires_at > ?`
	deleteSession = `DELETE FROM sessions WHERE digest = ?`
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
	digest := c.Session.Digest[:]
	p.do(c, anything, deleteSession, digest)
	p.do(c, anything, insertSession, digest, micros(c.Session.ExpiresAt), data)
	return nil
}

func (p *plan) endSession(c oauth.EndSession) {
	p.do(c, anything, deleteSession, c.Digest[:])
}
