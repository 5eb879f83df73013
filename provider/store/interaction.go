package store

import (
	"context"
	"database/sql/driver"

	"signet/provider/oauth"
)

const (
	selectInteraction = `SELECT data FROM interactions WHERE digest = ? AND expires_at > ?`
	deleteInteraction = `DELETE FROM interactions WHERE digest = ?`
	updateInteraction = `UPDATE interactions SET expires_at = ?, data = ? WHERE digest = ?`
	insertInteraction = `INSERT INTO interactions (digest, expires_at, data) VALUES (?, ?, ?)`
)

// Interaction returns a waiting authorization request. Absent or expired: [oauth.ErrNotFound].
func (s *Store) Interaction(ctx context.Context, digest oauth.Digest) (waiting oauth.Interaction, err error) {
	args := values(digest[:], micros(s.opt.Clock()))
	err = s.readers.point(ctx, selectInteraction, args, func(row []driver.Value) error {
		waiting.Digest = digest
		return decode(row[0], &waiting)
	})
	return waiting, absent(err, "interaction")
}

func (p *plan) storeInteraction(c oauth.StoreInteraction) error {
	data, err := encode(c.Interaction)
	if err != nil {
		return err
	}
	digest, until := c.Interaction.Digest[:], micros(c.Interaction.ExpiresAt)
	p.do(c, anything, updateInteraction, until, data, digest)
	p.do(c, knownKey, insertInteraction, digest, until, data)
	return nil
}

func (p *plan) updateInteraction(c oauth.UpdateInteraction) error {
	data, err := encode(c.Interaction)
	if err != nil {
		return err
	}
	p.do(c, rowChanged, updateInteraction, micros(c.Interaction.ExpiresAt), data, c.Interaction.Digest[:])
	return nil
}

func (p *plan) finishInteraction(c oauth.FinishInteraction) {
	p.do(c, rowChanged, deleteInteraction, c.Digest[:])
}
