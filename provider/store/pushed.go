package store

import (
	"context"
	"database/sql/driver"

	"signet/provider/oauth"
)

const (
	selectPushed = `SELECT data, used_at IS NOT NULL FROM pushed_requests WHERE digest = ?`
	insertPushed = `INSERT INTO pushed_requests (digest, expires_at, data) VALUES (?, ?, ?)`
	usePushed    = `UPDATE pushed_requests SET used_at = ? WHERE digest = ? AND used_at IS NULL`
)

// Pushed returns a pushed authorization request, used and expired ones too: a login that began in time may be
// completed later. It is kept for two hours after it expired. Absent: [oauth.ErrNotFound].
func (s *Store) Pushed(ctx context.Context, digest oauth.Digest) (pushed oauth.PushedRequest, err error) {
	err = s.readers.point(ctx, selectPushed, values(digest[:]), func(row []driver.Value) error {
		pushed.Digest, pushed.Used = digest, integer(row[1]) != 0
		return decode(row[0], &pushed)
	})
	return pushed, absent(err, "pushed authorization request")
}

func (p *plan) storePushed(c oauth.StorePushed) error {
	data, err := encode(c.Pushed)
	if err != nil {
		return err
	}
	p.do(c, anything, insertPushed, c.Pushed.Digest[:], micros(c.Pushed.ExpiresAt), data)
	return nil
}

func (p *plan) usePushed(c oauth.UsePushed) {
	p.do(c, rowChanged, usePushed, micros(c.At), c.Digest[:])
}
