package store

import (
	"context"
	"database/sql/driver"

	"signet/provider/oauth"
)

const (
	selectOpaque     = `SELECT data FROM opaque_tokens WHERE digest = ?`
	insertOpaque     = `INSERT INTO opaque_tokens (digest, expires_at, data) VALUES (?, ?, ?)`
	insertRevocation = `INSERT INTO revoked_tokens (jti, expires_at) VALUES (?, ?)`
	selectRevoked    = `SELECT EXISTS (SELECT 1 FROM revoked_tokens WHERE jti IN (` + lineagePlaces + `)),
		EXISTS (SELECT 1 FROM grants g WHERE g.grant_id = ? AND NOT ` + endedGrant + `)`
)

// OpaqueToken returns an access token by reference; whether it is revoked is [Store.Revoked]'s to say.
// Absent: [oauth.ErrNotFound].
func (s *Store) OpaqueToken(ctx context.Context, digest oauth.Digest) (token oauth.OpaqueToken, err error) {
	err = s.readers.point(ctx, selectOpaque, values(digest[:]), func(row []driver.Value) error {
		token.Digest = digest
		return decode(row[0], &token)
	})
	return token, absent(err, "access token")
}

// Revoked says whether a token was revoked by its jti, or by that of one that it was made from (see [oauth.Lineage]), or
// its grant is revoked, with what that was derived from, or unknown. An empty grantID means that no grant stands behind
// the token.
func (s *Store) Revoked(ctx context.Context, jti, grantID string) (revoked bool, err error) {
	args, ok := lineage(jti)
	if !ok {
		return true, nil
	}
	err = s.readers.point(ctx, selectRevoked, values(append(args, grantID)...), func(row []driver.Value) error {
		revoked = integer(row[0]) != 0 || grantID != "" && integer(row[1]) == 0
		return nil
	})
	return revoked || err != nil, err
}

func (p *plan) storeOpaque(c oauth.StoreOpaque) error {
	data, err := encode(c.Token)
	if err != nil {
		return err
	}
	p.do(c, anything, insertOpaque, c.Token.Digest[:], micros(c.Token.ExpiresAt), data)
	return nil
}

func (p *plan) revokeAccessToken(c oauth.RevokeAccessToken) {
	p.do(c, knownKey, insertRevocation, c.JTI, micros(c.Until))
}
