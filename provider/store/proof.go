package store

import (
	"context"
	"database/sql/driver"
	"time"

	"signet/provider/oauth"
)

const (
	insertProof = `INSERT INTO dpop_proofs (digest, expires_at) VALUES (?, ?)`
	insertNonce = `INSERT INTO dpop_nonces (nonce, expires_at) VALUES (?, ?)`
	selectNonce = `SELECT expires_at FROM dpop_nonces WHERE nonce = ?`

	walkProofs   = `SELECT digest, expires_at FROM dpop_proofs WHERE digest > ? ORDER BY digest LIMIT ?`
	removeProofs = `DELETE FROM dpop_proofs WHERE digest > ? AND digest <= ? AND expires_at < ?`
)

// Nonce returns until when a DPoP nonce is valid, which may be past. Absent: [oauth.ErrNotFound].
func (s *Store) Nonce(ctx context.Context, nonce string) (until time.Time, err error) {
	err = s.readers.point(ctx, selectNonce, values(nonce), func(row []driver.Value) error {
		until = timeOf(row[0])
		return nil
	})
	return until, absent(err, "DPoP nonce")
}

func (p *plan) useProof(c oauth.UseProof) {
	p.do(c, newKey, insertProof, c.Digest[:], micros(c.Until))
}

func (p *plan) storeNonce(c oauth.StoreNonce) {
	p.do(c, knownKey, insertNonce, c.Nonce, micros(c.Until))
}

// sweepProofs walks the key like sweepAssertions, for the same reason.
func (s *Store) sweepProofs(ctx context.Context, before int64, batch int) (removed int, err error) {
	for range sweepStretches {
		n, more, err := s.sweepProofStretch(ctx, before, batch-removed)
		removed += n
		if err != nil || !more || removed >= batch {
			return removed, err
		}
	}
	return removed, nil
}

func (s *Store) sweepProofStretch(ctx context.Context, before int64, batch int) (removed int, more bool, err error) {
	from := s.walkProof
	to, rows, expired := oauth.Digest{}, 0, false
	err = s.readers.scan(ctx, walkProofs, values(from[:], int64(batch)), func(row []driver.Value) error {
		to = digestOf(row[0])
		rows++
		expired = expired || integer(row[1]) < before
		return nil
	})
	if err != nil {
		return 0, false, err
	}
	if expired {
		var p plan
		p.do(nil, anything, removeProofs, from[:], to[:], before)
		changed, err := s.submit(ctx, p)
		if err != nil {
			return 0, false, err
		}
		removed = int(changed)
	}
	if rows < batch {
		s.walkProof = oauth.Digest{}
		return removed, false, nil
	}
	s.walkProof = to
	return removed, true, nil
}
