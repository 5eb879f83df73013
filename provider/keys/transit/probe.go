package transit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"signet/provider/keys"
)

// proofFor is for how long a signature proves that Vault signs with a key.
const proofFor = 5 * time.Second

// probeInput is nothing that a JWS could have for its signing input: it has no dot.
var probeInput = []byte("signet probe")

// Probe says whether Vault answers, is unsealed, knows us, and signs with the key that is active for each algorithm. It
// costs one call, and one signature for each key that has not signed within proofFor.
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
		if loaded.signs[key.Kid].isProved(now) {
			continue
		}
		wait.Go(func() {
			if _, err := b.Sign(ctx, key.Kid, key.Alg, probeInput); err != nil {
				errs[i] = fmt.Errorf("trying %s key %s: %w", key.Alg, key.Kid, err)
			}
		})
	}
	wait.Wait()
	return errors.Join(errs...)
}

// active are the keys that sign at a time, one for each algorithm.
func (s *snapshot) active(now time.Time) (all []keys.Key) {
	for _, key := range s.signing {
		if active, _ := keys.ActiveAt(s.signing, key.Alg, now); active.Kid == key.Kid {
			all = append(all, key)
		}
	}
	return all
}

// note keeps what a call for the key proves.
func (s *signingKey) note(now time.Time, outcomes []outcome) {
	if slices.ContainsFunc(outcomes, func(o outcome) bool { return o.err == nil }) {
		s.proved.Store(now.UnixNano())
	} else {
		s.proved.Store(0)
	}
}

func (s *signingKey) isProved(now time.Time) bool {
	at := s.proved.Load()
	age := now.Sub(time.Unix(0, at))
	return at != 0 && age >= 0 && age < proofFor
}
