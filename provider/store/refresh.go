package store

import (
	"context"
	"database/sql/driver"
	"math"

	"signet/provider/oauth"
)

// A grant's refresh tokens are a family. Which of them is usable is kept in the grant's row alone
// (refresh_current), beside the one it replaced and when: rotation is one conditional UPDATE of that row,
// two usable tokens cannot be represented, and every other token of the family is recognised as reuse.
const (
	selectRefresh = `SELECT r.data, g.refresh_current, g.refresh_previous, g.refresh_rotated_at, ` + endedGrant + `
		FROM refresh_tokens r JOIN grants g ON g.grant_id = r.grant_id WHERE r.digest = ?`
	insertRefresh = `INSERT INTO refresh_tokens (digest, grant_id, expires_at, data) VALUES (?, ?, ?, ?)`
	startFamily   = `UPDATE grants SET refresh_current = ?
		WHERE grant_id = ? AND revoked_at IS NULL AND refresh_current IS NULL`
	// The token that was current is removed by the second statement, so that nobody knows it any more. It is the
	// previous one without a time: no retry can be granted. MySQL, again, assigns from left to right.
	supersedeFamily = `UPDATE grants SET refresh_previous = refresh_current, refresh_current = ?, refresh_rotated_at = NULL,
			updated_at = updated_at + 1
		WHERE grant_id = ? AND revoked_at IS NULL`
	removeSuperseded = `DELETE FROM refresh_tokens WHERE digest = (SELECT refresh_previous FROM grants WHERE grant_id = ?)`
	// The second alternative is the retry: the current token is unused, or the previous one would be
	// another. A retry keeps the time of the first rotation, so that retrying does not prolong the grace. The
	// time is set first: MySQL assigns from left to right and would see the new refresh_current.
	rotateFamily = `UPDATE grants SET
			refresh_rotated_at = CASE WHEN refresh_current = ? THEN ? ELSE refresh_rotated_at END,
			refresh_previous = ?, refresh_current = ?
		WHERE grant_id = ? AND revoked_at IS NULL
			AND (refresh_current = ? OR (refresh_previous = ? AND refresh_rotated_at >= ?))`
	checkFamily = `SELECT 1 FROM grants g WHERE g.grant_id = ? AND NOT ` + endedGrant + ` AND g.refresh_current = ? ` + sharedLock
)

// RefreshToken returns a refresh token, whether or not it is rotated, its grant revoked or its time over,
// as long as its reuse has to be recognised. Of a token that has been replaced before the family's last
// rotation, or that a retry superseded, RotatedAt is the time of that last rotation and Successor is
// zero. Absent: [oauth.ErrNotFound].
func (s *Store) RefreshToken(ctx context.Context, digest oauth.Digest) (token oauth.RefreshToken, err error) {
	err = s.readers.point(ctx, selectRefresh, values(digest[:]), func(row []driver.Value) error {
		token.Digest, token.Revoked = digest, integer(row[4]) != 0
		switch current, previous := digestOf(row[1]), digestOf(row[2]); digest {
		case current:
		case previous:
			token.RotatedAt, token.Successor = timeOf(row[3]), current
		default:
			token.RotatedAt, token.SuccessorUsed = timeOf(row[3]), true
		}
		return decode(row[0], &token)
	})
	return token, absent(err, "refresh token")
}

func digestOf(v driver.Value) (digest oauth.Digest) {
	copy(digest[:], blob(v))
	return digest
}

// storeRefresh conflicts also when the grant has had a refresh token: a family has one first token.
func (p *plan) storeRefresh(c oauth.StoreRefresh) error {
	p.useDerived(c, c.Token)
	p.do(c, rowChanged, startFamily, c.Token.Digest[:], c.Token.GrantID)
	return p.insertRefresh(c, c.Token)
}

func (p *plan) supersedeRefresh(c oauth.SupersedeRefresh) error {
	p.useDerived(c, c.Token)
	p.do(c, rowChanged, supersedeFamily, c.Token.Digest[:], c.Token.GrantID)
	p.do(c, anything, removeSuperseded, c.Token.GrantID)
	return p.insertRefresh(c, c.Token)
}

func (p *plan) replaceRefresh(c oauth.ReplaceRefresh) error {
	earliest := int64(math.MaxInt64) // without grace, no retry even within the same microsecond
	if c.Grace > 0 {
		earliest = micros(c.At.Add(-c.Grace))
	}
	p.useDerived(c, c.New)
	old := c.Old[:]
	p.do(c, rowChanged, rotateFamily, old, micros(c.At), old, c.New.Digest[:], c.New.GrantID, old, old, earliest)
	return p.insertRefresh(c, c.New)
}

func (p *plan) useRefresh(c oauth.UseRefresh) {
	p.do(c, rowFound, checkFamily, c.GrantID, c.Digest[:])
}

func (p *plan) insertRefresh(c oauth.Change, token oauth.RefreshToken) error {
	data, err := encode(token)
	if err != nil {
		return err
	}
	p.do(c, anything, insertRefresh, token.Digest[:], token.GrantID, micros(token.ExpiresAt), data)
	return nil
}
