package keys

import (
	"bytes"
	"context"
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
		err = fmt.Errorf("loading the keys: %w", err)
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
	if next.jwks, err = next.marshal(r.opt, Info.published); err != nil {
		return nil, err
	}
	archived := func(i Info) bool { return i.State == Archived }
	if next.archived, err = next.marshal(r.opt, archived); err != nil {
		return nil, err
	}
	next.set, err = jose.ParseKeySet(next.jwks)
	return next, err
}

// marshal returns the public halves of those keys as a key set.
func (s *snapshot) marshal(opt Options, which func(Info) bool) ([]byte, error) {
	var public []jose.PublicKey
	for _, info := range s.judge(opt) {
		if which(info) {
			i := slices.IndexFunc(s.keys, func(k Key) bool { return k.Kid == info.Kid })
			public = append(public, jose.PublicKey{Kid: info.Kid, Alg: info.Alg, Public: s.keys[i].Public})
		}
	}
	return jose.MarshalKeySet(public)
}

// order lists the snapshot's algorithms: the configured ones first. Keys of one that is configured no more stay
// published, for the tokens that they signed, or decrypt, for those who have an old copy of the key set.
func (s *snapshot) order(configured []string) []string {
	order := slices.Clone(configured)
	for _, key := range slices.SortedFunc(slices.Values(s.keys), compare) {
		if !slices.Contains(order, key.Alg) {
			order = append(order, key.Alg)
		}
	}
	return order
}

// judge describes the keys that have not retired now, and those that are archived.
func (s *snapshot) judge(opt Options) []Info {
	var all []Info
	now := opt.Clock()
	for _, alg := range s.order(opt.Algs) {
		kept, _ := s.lines[alg].infos(now, opt.RetireAfter, opt.ArchiveFor)
		for _, info := range kept {
			if !slices.Contains(opt.Algs, alg) && info.State != Archived {
				info.State = Previous
			}
			all = append(all, info)
		}
	}
	return all
}

// Run keeps the ring current until ctx ends: at every interval, and when [Ring.Wake] asks, it refreshes, or
// maintains if Options.Maintain says so and tells Options.Maintained. Failures are logged, seen in Health and tried
// again after the next interval.
func (r *Ring) Run(ctx context.Context, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-r.wake:
		}
		if err := r.tend(ctx); err != nil && ctx.Err() == nil {
			r.opt.Log.Error("keeping the keys current", "error", err)
		}
	}
}

// Wake makes Run refresh at once, because another process has announced that the keys are others now. It does not
// wait; several calls may be answered by one refresh that starts after the last of them.
func (r *Ring) Wake() {
	select {
	case r.wake <- struct{}{}:
	default: // a refresh is to come already
	}
}

func (r *Ring) tend(ctx context.Context) error {
	if r.opt.Maintain {
		done, err := r.Maintain(ctx)
		r.tell(ctx, done)
		return err
	}
	return r.follow(ctx)
}

// follow refreshes and logs when that changed what is published.
func (r *Ring) follow(ctx context.Context) error {
	changed, err := r.Refresh(ctx)
	if changed {
		r.opt.Log.Info("the published keys have changed", "keys", len(r.List()))
	}
	return err
}
