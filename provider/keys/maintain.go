package keys

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"signet/provider/jose"
)

// Report is what a call of Maintain did.
type Report struct {
	Made      []Key    // keys that sign later, in place of the newest of their algorithm
	Destroyed []string // kids of retired keys
}

// Maintain refreshes, rotates what is due by Options.RotateEvery and destroys retired keys. Its report holds on an
// error too: one fault does not keep the rest from being done.
func (r *Ring) Maintain(ctx context.Context) (Report, error) {
	var done Report
	err := r.follow(ctx)
	if err != nil {
		return done, err
	}
	for _, alg := range r.opt.Algs {
		if !r.due(alg) {
			continue
		}
		made, e := r.rotate(ctx, alg)
		done.Made = append(done.Made, made...)
		err = errors.Join(err, e)
	}
	destroyed, e := r.destroyRetired(ctx)
	done.Destroyed = destroyed
	return done, errors.Join(err, e)
}

// Rotate makes the next key of an algorithm; it starts to sign after PublishFor. While a next key already
// waits, made here or by another process, nothing is done: List tells when it takes over.
func (r *Ring) Rotate(ctx context.Context, alg string) error {
	_, err := r.rotate(ctx, alg)
	return err
}

func (r *Ring) rotate(ctx context.Context, alg string) (made []Key, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Contains(r.opt.Algs, alg) {
		return nil, fmt.Errorf("rotating: %w: %q has no key", jose.ErrAlgorithm, alg)
	}
	if _, err := r.refresh(ctx); err != nil {
		return nil, err
	}
	now := r.opt.Clock()
	line := r.now.Load().lines[alg]
	if line.active(now) < len(line)-1 {
		return nil, nil
	}
	spec := Spec{Alg: alg, After: line[len(line)-1].Kid, CreatedAt: now, ActivatesAt: now.Add(r.opt.PublishFor)}
	key, err := r.backend.Create(ctx, spec)
	switch {
	case errors.Is(err, ErrConflict): // another process rotated at the same time: that one counts
	case err != nil:
		return nil, fmt.Errorf("rotating %s: %w", alg, err)
	default:
		made = append(made, key)
		r.opt.Log.Info("made the next signing key", "alg", alg, "kid", key.Kid, "activates_at", key.ActivatesAt)
	}
	_, err = r.refresh(ctx)
	return made, err
}

// due says that the signing key will have been active for RotateEvery once its successor has been published
// for long enough.
func (r *Ring) due(alg string) bool {
	if r.opt.RotateEvery == 0 {
		return false
	}
	now := r.opt.Clock()
	line := r.now.Load().lines[alg]
	newest := line[len(line)-1]
	return !now.Add(r.opt.PublishFor).Before(newest.ActivatesAt.Add(r.opt.RotateEvery))
}

func (r *Ring) destroyRetired(ctx context.Context) (destroyed []string, err error) {
	now := r.opt.Clock()
	for _, line := range r.now.Load().lines {
		_, retired := line.infos(now, r.opt.RetireAfter)
		for _, kid := range retired {
			if e := r.backend.Delete(ctx, kid); e != nil {
				err = errors.Join(err, fmt.Errorf("destroying the retired key %s: %w", kid, e))
				continue
			}
			destroyed = append(destroyed, kid)
			r.opt.Log.Info("destroyed a retired signing key", "kid", kid)
		}
	}
	return destroyed, err
}
