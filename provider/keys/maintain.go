package keys

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"signet/provider/jose"
)

// Report is what was done to the keys by this process; what others did is not in it.
type Report struct {
	Made      []Key    // first keys, and keys that sign later in place of the newest of their algorithm
	Destroyed []string // kids of retired keys
}

// Empty says that nothing was done.
func (r Report) Empty() bool { return len(r.Made) == 0 && len(r.Destroyed) == 0 }

// note adds what Create returned, if that is a key.
func (r *Report) note(key Key) {
	if key.Kid != "" {
		r.Made = append(r.Made, key)
	}
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
		rotated, e := r.Rotate(ctx, alg)
		done.Made = append(done.Made, rotated.Made...)
		err = errors.Join(err, e)
	}
	destroyed, e := r.destroyRetired(ctx)
	done.Destroyed = destroyed
	return done, errors.Join(err, e)
}

// Rotate makes the next key of an algorithm; it starts to sign, or is published to encrypt to, after PublishFor. While
// a next key already waits, made here or by another process, nothing is done: List tells when it takes over. The report
// holds on an error too: the key may be made and this process unable to load it.
func (r *Ring) Rotate(ctx context.Context, alg string) (done Report, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Contains(r.opt.Algs, alg) {
		return done, fmt.Errorf("rotating: %w: %q has no key", jose.ErrAlgorithm, alg)
	}
	if _, err := r.refresh(ctx); err != nil {
		return done, err
	}
	now := r.opt.Clock()
	line := r.now.Load().lines[alg]
	if line.active(now) < len(line)-1 {
		return done, nil
	}
	spec := Spec{Alg: alg, After: line[len(line)-1].Kid, CreatedAt: now, ActivatesAt: now.Add(r.opt.PublishFor)}
	key, err := r.backend.Create(ctx, spec)
	done.note(key)
	switch {
	case errors.Is(err, ErrConflict): // another process rotated at the same time: that one counts
	case err != nil:
		return done, fmt.Errorf("rotating %s: %w", alg, err)
	default:
		r.opt.Log.Info("made the next key", "alg", alg, "kid", key.Kid, "activates_at", key.ActivatesAt)
	}
	_, err = r.refresh(ctx)
	return done, err
}

// due says that the key in use will have been active for RotateEvery once its successor has been published
// (a decryption key: known) for long enough.
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
		_, retired := line.infos(now, r.opt.RetireAfter, r.opt.ArchiveFor)
		for _, kid := range retired {
			if e := r.backend.Delete(ctx, kid); e != nil {
				err = errors.Join(err, fmt.Errorf("destroying the retired key %s: %w", kid, e))
				continue
			}
			destroyed = append(destroyed, kid)
			r.opt.Log.Info("destroyed a retired key", "kid", kid)
		}
	}
	return destroyed, err
}
