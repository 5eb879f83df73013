package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"time"

	"signet/provider/oauth"
)

const (
	selectGrant = `SELECT g.data, g.expires_at, ` + endedGrant + `, g.updated_at FROM grants g WHERE g.grant_id = ?`
	// One text for any filter: a parameter of length 0 matches all.
	selectGrants = `SELECT g.data, g.expires_at, ` + endedGrant + `, g.updated_at FROM grants g
		WHERE (? = 0 OR g.client_id = ?) AND (? = 0 OR g.user_id = ?) ORDER BY g.seq DESC LIMIT ?`
	insertGrant = `INSERT INTO grants (grant_id, client_id, user_id, expires_at, updated_at, data) VALUES (?, ?, ?, ?, ?, ?)`
	// The expiry never comes closer: what was made from the grant before stays valid. updated_at always moves, so
	// that two changes in one microsecond, or by clocks that disagree, are still told apart.
	replaceGrant = `UPDATE grants SET data = ?,
			expires_at = CASE WHEN expires_at < ? THEN ? ELSE expires_at END,
			updated_at = CASE WHEN updated_at < ? THEN ? ELSE updated_at + 1 END
		WHERE grant_id = ? AND client_id = ? AND user_id = ? AND revoked_at IS NULL AND updated_at = ?`
	checkGrant  = `SELECT 1 FROM grants WHERE grant_id = ? AND revoked_at IS NULL AND updated_at = ? ` + sharedLock
	extendGrant = `UPDATE grants SET expires_at = ? WHERE grant_id = ? AND expires_at < ?`
	revokeGrant = `UPDATE grants SET revoked_at = ? WHERE grant_id = ? AND revoked_at IS NULL`
	// What a participation does not say is offline ends with the session. MySQL has a form of its own of this one.
	revokeSession = `UPDATE grants SET revoked_at = ? WHERE grant_id IN (SELECT p.grant_id FROM participations p
			WHERE p.sid = ? AND JSON_EXTRACT(p.data, '$.offline') IS NULL)
		AND revoked_at IS NULL`
)

// GrantFilter selects grants; an empty field selects all.
type GrantFilter struct {
	ClientID string
	UserID   string
	Limit    int // at most so many, the newest; 0 means 1000
}

const defaultLimit = 1000

// Grant returns a grant, revoked or not, until it has expired. Absent: [oauth.ErrNotFound].
func (s *Store) Grant(ctx context.Context, id string) (grant oauth.Grant, err error) {
	err = s.readers.point(ctx, selectGrant, values(id), func(row []driver.Value) (err error) {
		grant, err = grantOf(row)
		return err
	})
	return grant, absent(err, "grant")
}

// Grants returns the grants that match, newest first.
func (s *Store) Grants(ctx context.Context, f GrantFilter) (grants []oauth.Grant, err error) {
	args := values(length(f.ClientID), f.ClientID, length(f.UserID), f.UserID, limit(f.Limit))
	err = s.readers.scan(ctx, selectGrants, args, func(row []driver.Value) error {
		grant, err := grantOf(row)
		grants = append(grants, grant)
		return err
	})
	return grants, err
}

func grantOf(row []driver.Value) (grant oauth.Grant, err error) {
	err = decode(row[0], &grant)
	if extended := timeOf(row[1]); extended.After(grant.ExpiresAt) {
		grant.ExpiresAt = extended
	}
	grant.Revoked = integer(row[2]) != 0
	grant.UpdatedAt = time.Time{}
	if integer(row[3]) != 0 {
		grant.UpdatedAt = timeOf(row[3])
	}
	return grant, err
}

// updated is a grant's column updated_at: 0 when it never was.
func updated(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return micros(t)
}

func limit(n int) int64 {
	if n <= 0 {
		return defaultLimit
	}
	return int64(n)
}

func (p *plan) storeGrant(c oauth.StoreGrant) error {
	if isDerived(c.Grant) {
		return errOrigin
	}
	return p.insertGrant(c, c.Grant)
}

func (p *plan) insertGrant(c oauth.Change, g oauth.Grant) error {
	data, err := encode(g)
	if err != nil {
		return err
	}
	p.do(c, anything, insertGrant, g.ID, g.ClientID, g.UserID, micros(g.ExpiresAt), updated(g.UpdatedAt), data)
	if g.Revoked {
		p.do(c, anything, revokeGrant, micros(g.CreatedAt), g.ID)
	}
	return nil
}

// replaceGrant conflicts also when the grant is another client's or user's. Its creation time is in data: the
// caller hands back the one that it read, and Seen vouches for it.
func (p *plan) replaceGrant(c oauth.ReplaceGrant) error {
	g := c.Grant
	if g.UpdatedAt.IsZero() {
		return errors.New("store: a grant is replaced without a time")
	}
	data, err := encode(g)
	if err != nil {
		return err
	}
	until, at := micros(g.ExpiresAt), updated(g.UpdatedAt)
	p.do(c, rowChanged, replaceGrant, data, until, until, at, at, g.ID, g.ClientID, g.UserID, updated(c.Seen))
	return nil
}

func (p *plan) checkGrant(c oauth.CheckGrant) {
	p.do(c, rowFound, checkGrant, c.GrantID, updated(c.Seen))
}

func (p *plan) extendGrant(c oauth.ExtendGrant) {
	until := micros(c.ExpiresAt)
	p.do(c, anything, extendGrant, until, c.GrantID, until)
}

func (p *plan) revokeGrant(c oauth.RevokeGrant) {
	p.do(c, anything, revokeGrant, micros(c.At), c.GrantID)
}

func (p *plan) revokeSession(c oauth.RevokeSession) {
	p.do(c, anything, revokeSession, micros(c.At), c.SessionID)
}
