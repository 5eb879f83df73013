package transit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"signet/provider/keys"
)

// proofFor is for how long an answer proves that Vault works with a key.
const proofFor = 5 * time.Second

// probeInput is nothing that a JWS could have for its signing input: it has no dot.
var probeInput = []byte("signet probe")

// Probe says whether Vault answers, is unsealed, knows us, and signs or decrypts with the key that is active for each
// algorithm. It costs one call, and one more for each key that has not been used within proofFor.
func (b *Backend) Probe(ctx context.Context) error {
	if err := b.vault.Probe(ctx); err != nil {
		return err
	}
	now, loaded := b.opt.Clock(), b.now.Load()
	if loaded == nil {
		return nil
	}
	var wait sync.WaitGroup
	errs := make([]error, len(kinds))
	for i, key := range loaded.active(now) {
		if loaded.proof(key.Kid).isFresh(now) {
			continue
		}
		wait.Go(func() {
			if err := b.try(ctx, loaded, key); err != nil {
				errs[i] = fmt.Errorf("trying %s key %s: %w", key.Alg, key.Kid, err)
			}
		})
	}
	wait.Wait()
	return errors.Join(errs...)
}

func (b *Backend) try(ctx context.Context, loaded *snapshot, key keys.Key) error {
	if decrypts := loaded.decrypts[key.Kid]; decrypts != nil {
		_, err := b.decrypt(ctx, decrypts) // the one that is known to be good
		return err
	}
	_, err := b.Sign(ctx, key.Kid, key.Alg, probeInput)
	return err
}

// active are the keys in use at a time, one for each algorithm.
func (s *snapshot) active(now time.Time) (all []keys.Key) {
	for _, key := range s.keys {
		if active, _ := keys.ActiveAt(s.keys, key.Alg, now); active.Kid == key.Kid {
			all = append(all, key)
		}
	}
	return all
}

// proof is when Vault last worked with a key, in Unix nanoseconds; 0 if the last call was in vain.
type proof struct{ at atomic.Int64 }

// proof is that of a key which the snapshot has.
func (s *snapshot) proof(kid string) *proof {
	if key := s.decrypts[kid]; key != nil {
		return &key.proof
	}
	return &s.signs[kid].proof
}

// note keeps what a call for the key proves.
func (p *proof) note(now time.Time, worked bool) {
	if worked {
		p.at.Store(now.UnixNano())
	} else {
		p.at.Store(0)
	}
}

func (p *proof) isFresh(now time.Time) bool {
	at := p.at.Load()
	age := now.Sub(time.Unix(0, at))
	return at != 0 && age >= 0 && age < proofFor
}
