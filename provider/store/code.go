package store

import (
	"context"
	"database/sql/driver"

	"signet/provider/oauth"
)

const (
	selectCode = `SELECT data, used_at IS NOT NULL FROM codes WHERE digest = ?`
	insertCode = `INSERT INTO codes (digest, grant_id, expires_at, data) VALUES (?, ?, ?, ?)`
	redeemCode = `UPDATE codes SET used_at = ? WHERE digest = ? AND grant_id = ? AND used_at IS NULL
		AND EXISTS (SELECT 1 FROM grants WHERE grant_id = codes.grant_id AND revoked_at IS NULL ` + sharedLock + `)`
	burnCode = `UPDATE codes SET used_at = ? WHERE digest = ? AND used_at IS NULL`
)

// Code returns an authorization code, used and expired ones too: their reuse has to be recognised. It is
// kept for an hour after it expired. Absent: [oauth.ErrNotFound].
func (s *Store) Code(ctx context.Context, digest oauth.Digest) (code oauth.AuthorizationCode, err error) {
	err = s.readers.point(ctx, selectCode, values(digest[:]), func(row []driver.Value) error {
		code.Digest, code.Used = digest, integer(row[1]) != 0
		return decode(row[0], &code)
	})
	return code, absent(err, "authorization code")
}

func (p *plan) storeCode(c oauth.StoreCode) error {
	data, err := encode(c.Code)
	if err != nil {
		return err
	}
	p.do(c, anything, insertCode, c.Code.Digest[:], c.Code.GrantID, micros(c.Code.ExpiresAt), data)
	return nil
}

func (p *plan) redeemCode(c oauth.RedeemCode) {
	p.do(c, rowChanged, redeemCode, micros(c.At), c.Digest[:], c.GrantID)
}

func (p *plan) burnCode(c oauth.BurnCode) {
	p.do(c, anything, burnCode, micros(c.At), c.Digest[:])
}
