package store

import (
	"cmp"
	"context"
	"database/sql/driver"
	"slices"

	"signet/provider/oauth"
)

const (
	selectParticipations = `SELECT data, expires_at, seq FROM participations WHERE sid = ?`
	insertParticipation  = `INSERT INTO participations (sid, client_id, grant_id, expires_at, data) VALUES (?, ?, ?, ?, ?)`
	extendParticipation  = `UPDATE participations SET expires_at = ?
		WHERE sid = ? AND client_id = ? AND grant_id = ? AND expires_at < ?`
	prolongSession = `UPDATE participations SET expires_at = ? WHERE sid = ? AND expires_at < ?`
	leaveSession   = `DELETE FROM participations WHERE sid = ?`
)

// SessionParticipations returns all that is noted of who took part in a session, over or not, the oldest first. It is
// empty when nothing is; whether the session is still there plays no part.
func (s *Store) SessionParticipations(ctx context.Context, sid string) ([]oauth.Participation, error) {
	type noted struct {
		oauth.Participation
		seq int64
	}
	var found []noted
	err := s.readers.few(ctx, selectParticipations, values(sid), func(row []driver.Value) error {
		one := noted{seq: integer(row[2])}
		err := decode(row[0], &one.Participation)
		one.Until = timeOf(row[1])
		found = append(found, one)
		return err
	})
	if err != nil {
		return nil, absent(err, "participations in a session")
	}
	// Sorted here: the rows come in the order of their key, and they are few.
	slices.SortFunc(found, func(a, b noted) int { return cmp.Compare(a.seq, b.seq) })
	var all []oauth.Participation
	for _, one := range found {
		all = append(all, one.Participation)
	}
	return all, nil
}

// joinSession notes a participation once; after that its end moves further out, never closer.
func (p *plan) joinSession(c oauth.JoinSession) error {
	j := c.Participation
	data, err := encode(j)
	if err != nil {
		return err
	}
	until := micros(j.Until)
	p.do(c, knownKey, insertParticipation, j.SessionID, j.ClientID, j.GrantID, until, data)
	p.do(c, anything, extendParticipation, until, j.SessionID, j.ClientID, j.GrantID, until)
	return nil
}

// prolongSession moves the end of all that is noted of a session further out, never closer.
func (p *plan) prolongSession(c oauth.ProlongSession) {
	until := micros(c.Until)
	p.do(c, anything, prolongSession, until, c.SessionID, until)
}

func (p *plan) leaveSession(c oauth.LeaveSession) {
	p.do(c, anything, leaveSession, c.SessionID)
}
