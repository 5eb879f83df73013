package store

import (
	"database/sql/driver"
	"errors"

	"signet/provider/oauth"
)

// A derived grant lives as long as everything that it came from does. What that is, is written down when the grant is
// made, origins of origins included; whether all of it lives is asked whenever the grant is. So a revocation is one row,
// however much was made from what it ends, and nothing that is derived at the same moment, on whichever server, escapes
// it.
//
// An origin that is gone counts as revoked: it had expired.
const (
	// endedOrigin is for statements in which g is the grant's row.
	endedOrigin = `EXISTS (SELECT 1 FROM grant_origins o WHERE o.grant_id = g.grant_id AND (
			o.kind = 'grant' AND NOT EXISTS (SELECT 1 FROM grants a WHERE a.grant_id = o.origin AND a.revoked_at IS NULL)
			OR o.kind = 'token' AND EXISTS (SELECT 1 FROM revoked_tokens t WHERE t.jti = o.origin)))`
	endedGrant = `(g.revoked_at IS NOT NULL OR ` + endedOrigin + `)`

	useGrant     = `SELECT 1 FROM grants g WHERE g.grant_id = ? AND NOT ` + endedGrant + ` ` + sharedLock
	checkLineage = `SELECT 1 FROM revoked_tokens WHERE jti IN (` + lineagePlaces + `)`

	insertOrigin = `INSERT INTO grant_origins (grant_id, kind, origin, expires_at) VALUES (?, ?, ?, ?)`
	// inheritedOrigins are those of the grant that another one is derived from.
	inheritedOrigins = `SELECT ?, kind, origin, ? FROM grant_origins WHERE grant_id = ?`
	inheritOrigins   = `INSERT INTO grant_origins (grant_id, kind, origin, expires_at) ` + inheritedOrigins

	// The grant may have been extended since: its origins stay with it.
	findOrphans = `SELECT seq FROM grant_origins WHERE expires_at < ?
		AND NOT EXISTS (SELECT 1 FROM grants WHERE grants.grant_id = grant_origins.grant_id) ORDER BY expires_at LIMIT ?`
	removeOrphan = `DELETE FROM grant_origins WHERE seq = ? AND expires_at < ?
		AND NOT EXISTS (SELECT 1 FROM grants WHERE grants.grant_id = grant_origins.grant_id)`
)

// Values of the column kind.
const (
	originGrant = "grant"
	originToken = "token"
)

// lineagePlaces are as many as a lineage can be long.
const (
	lineagePlaces = `?, ?, ?, ?, ?, ?, ?, ?, ?`
	maxLineage    = oauth.MaxGenerations + 1
)

// lineage is a token's, as arguments for lineagePlaces: its own jti in the places that are left. ok is false for a jti
// that was made by too many, which is none of ours.
func lineage(jti string) (args []driver.Value, ok bool) {
	all := oauth.Lineage(jti)
	if len(all) > maxLineage {
		return nil, false
	}
	for i := range maxLineage {
		args = append(args, all[min(i, len(all)-1)])
	}
	return args, true
}

// What a caller can have wrong: such a grant would outlive what it came from.
var (
	errNoOrigin = errors.New("store: a derived grant names neither a grant nor a token that it came from")
	errOrigin   = errors.New("store: a grant that names what it came from has to be derived")
)

func isDerived(g oauth.Grant) bool { return g.ParentID != "" || g.ParentJTI != "" }

// deriveGrant writes the inherited origins first: nothing of a new grant can be there, so that none is passed over.
func (p *plan) deriveGrant(c oauth.DeriveGrant) error {
	g := c.Grant
	if !isDerived(g) {
		return errNoOrigin
	}
	if g.ParentID != "" {
		p.do(c, rowFound, useGrant, g.ParentID)
	}
	var tokens []string
	if g.ParentJTI != "" {
		args, ok := lineage(g.ParentJTI)
		if !ok {
			return errors.New("store: a grant is derived from a token of too many generations")
		}
		p.do(c, rowAbsent, checkLineage, args...)
		tokens = oauth.Lineage(g.ParentJTI)
	}
	if err := p.insertGrant(c, g); err != nil {
		return err
	}
	until := micros(g.ExpiresAt)
	if g.ParentID != "" {
		p.do(c, anything, inheritOrigins, g.ID, until, g.ParentID)
		p.do(c, knownKey, insertOrigin, g.ID, originGrant, g.ParentID, until)
	}
	for _, jti := range tokens {
		p.do(c, knownKey, insertOrigin, g.ID, originToken, jti, until)
	}
	return nil
}

func (p *plan) useGrant(c oauth.UseGrant) { p.do(c, rowFound, useGrant, c.GrantID) }

// useDerived has a change of a derived grant's refresh token conflict when the grant has ended by its origins: the
// statements that follow look at its own row alone.
func (p *plan) useDerived(c oauth.Change, token oauth.RefreshToken) {
	if token.Derived {
		p.do(c, rowFound, useGrant, token.GrantID)
	}
}
