package keys

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"signet/provider/jose"
)

// Refresh loads the keys again, so that what other processes made, replaced or removed counts here too.
// changed says that the published set is another one. On an error the old keys stay in use and Health says why.
func (r *Ring) Refresh(ctx context.Context) (changed bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.refresh(ctx)
}

func (r *Ring) refresh(ctx context.Context) (changed bool, err error) {
	next, err := r.load(ctx)
	if err != nil {
		err = fmt.Errorf("loading the signing keys: %w", err)
		r.failed.Store(&err)
		return false, err
	}
	old := r.now.Swap(next)
	r.failed.Store(nil)
	return old == nil || !bytes.Equal(old.jwks, next.jwks), nil
}

func (r *Ring) load(ctx context.Context) (*snapshot, error) {
	list, err := r.backend.Keys(ctx)
	if err != nil {
		return nil, err
	}
	next := &snapshot{keys: list}
	if next.lines, err = lines(list); err != nil {
		return nil, err
	}
	for _, alg := range r.opt.Algs {
		if len(next.lines[alg]) == 0 {
			return nil, fmt.Errorf("%w: none for %s", ErrNoKey, alg)
		}
	}
	next.infos = next.judge(r.opt)
	public := make([]jose.PublicKey, 0, len(next.infos))
	for _, info := range next.infos {
		i := slices.IndexFunc(list, func(k Key) bool { return k.Kid == info.Kid })
		public = append(public, jose.PublicKey{Kid: info.Kid, Alg: info.Alg, Public: list[i].Public})
	}
	if next.jwks, err = jose.MarshalKeySet(public); err != nil {
		return nil, err
	}
	next.set, err = jose.ParseKeySet(next.jwks)
	return next, err
}

// order lists the snapshot's algorithms: the configured ones first. Keys of one that is configured no more stay
// published, for the tokens that they signed.
func (s *snapshot) order(configured []string) []string {
	order := slices.Clone(configured)
	for _, key := range slices.SortedFunc(slices.Values(s.keys), compare) {
		if !slices.Contains(order, key.Alg) {
			order = append(order, key.Alg)
		}
	}
	return order
}

// judge describes the keys that are published now.
func (s *snapshot) judge(opt Options) []Info {
	var all []Info
	now := opt.Clock()
	for _, alg := range s.order(opt.Algs) {
		published, _ := s.lines[alg].infos(now, opt.RetireAfter)
		for _, info := range published {
			if !slices.Contains(opt.Algs, alg) {
				info.State = Previous
			}
			all = append(all, info)
		}
	}
	return all
}

// Rotate makes the next key of an algorithm; it starts to sign after PublishFor. While a next key already
// waits, made here or by another process, nothing is done: List tells when it takes over.
func (r *Ring) Rotate(ctx context.Context, alg string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Contains(r.opt.Algs, alg) {
		return fmt.Errorf("rotating: %w: %q has no key", jose.ErrAlgorithm, alg)
	}
	if _, err := r.refresh(ctx); err != nil {
		return err
	}
	now := r.opt.Clock()
	line := r.now.Load().lines[alg]
	if line.active(now) < len(line)-1 {
		return nil
	}
	spec := Spec{Alg: alg, After: line[len(line)-1].Kid, CreatedAt: now, ActivatesAt: now.Add(r.opt.PublishFor)}
	key, err := r.backend.Create(ctx, spec)
	switch {
	case errors.Is(err, ErrConflict): // another process rotated at the same time: that one counts
	case err != nil:
		return fmt.Errorf("rotating %s: %w", alg, err)
	default:
		r.opt.Log.Info("made the next signing key", "alg", alg, "kid", key.Kid, "activates_at", key.ActivatesAt)
	}
	_, err = r.refresh(ctx)
	return err
}

// Run keeps the ring current until ctx ends: it refreshes, rotates what is due and destroys retired keys. Failures
// are logged, seen in Health and tried again after the next interval.
func (r *Ring) Run(ctx context.Context, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if err := r.maintain(ctx); err != nil && ctx.Err() == nil {
				r.opt.Log.Error("maintaining the signing keys", "error", err)
			}
		}
	}
}

func (r *Ring) maintain(ctx context.Context) error {
	changed, err := r.Refresh(ctx)
	if err != nil {
		return err
	}
	if changed {
		r.opt.Log.Info("the published signing keys have changed", "keys", len(r.List()))
	}
	for _, alg := range r.opt.Algs {
		if r.due(alg) {
			err = errors.Join(err, r.Rotate(ctx, alg))
		}
	}
	return errors.Join(err, r.destroyRetired(ctx))
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

func (r *Ring) destroyRetired(ctx context.Context) (err error) {
	now := r.opt.Clock()
	for _, line := range r.now.Load().lines {
		_, retired := line.infos(now, r.opt.RetireAfter)
		for _, kid := range retired {
			if e := r.backend.Delete(ctx, kid); e != nil {
				err = errors.Join(err, fmt.Errorf("destroying the retired key %s: %w", kid, e))
				continue
			}
			r.opt.Log.Info("destroyed a retired signing key", "kid", kid)
		}
	}
	return err
}
