package transit

import (
	"context"
	"errors"
	"fmt"

	"signet/provider/jose"
	"signet/provider/keys"
	"signet/provider/keys/vault"
)

// Create implements keys.Backend. The version is there before the record names it: a process that stops between
// leaves a version that never signs, and the next Create takes it. An error may hide that the key was made, when
// Vault's answer was lost: Keys tells. vault.ErrDenied means that the identity may not make keys.
func (b *Backend) Create(ctx context.Context, spec keys.Spec) (keys.Key, error) {
	k := kinds[spec.Alg]
	if k == nil {
		return keys.Key{}, fmt.Errorf("%w: transit makes no key for %q", jose.ErrAlgorithm, spec.Alg)
	}
	for _, year := range []int{spec.CreatedAt.Year(), spec.ActivatesAt.Year()} {
		if year < 1970 || year > 9999 {
			return keys.Key{}, errors.New("making a key: time out of range")
		}
	}
	r, err := b.readRecord(ctx)
	if err != nil {
		return keys.Key{}, err
	}
	l := r.Lines[spec.Alg]
	if l.newest() != spec.After {
		return keys.Key{}, keys.ErrConflict
	}
	made, err := b.newVersion(ctx, k, l.Last)
	if err != nil {
		return keys.Key{}, needsKeeper(err)
	}
	public, kid, err := made.public(made.Latest)
	if err != nil {
		return keys.Key{}, err
	}
	e := entry{Version: made.Latest, Kid: kid, CreatedAt: spec.CreatedAt.UTC(), ActivatesAt: spec.ActivatesAt.UTC()}
	switch err := b.writeRecord(ctx, r, spec.Alg, l.add(e)); {
	case errors.Is(err, vault.ErrCAS):
		return keys.Key{}, keys.ErrConflict
	case err != nil:
		return keys.Key{}, needsKeeper(err)
	}
	_, err = b.Keys(ctx) // so that Sign and DecryptKey know it
	return keys.Key{Kid: kid, Alg: spec.Alg, Public: public, CreatedAt: spec.CreatedAt, ActivatesAt: spec.ActivatesAt}, err
}

// maxRaces is how often Delete meets another change of the record before it gives up.
const maxRaces = 20

// Delete implements keys.Backend. The key signs no more once it has left the record. Vault destroys the private
// key when no older version of the algorithm is in use; until then it keeps it, unused. What an interrupted
// Delete left to destroy, the next one destroys.
func (b *Backend) Delete(ctx context.Context, kid string) error {
	r, err := b.remove(ctx, kid)
	if err != nil {
		return needsKeeper(err)
	}
	for alg, l := range r.Lines {
		if err := b.settle(ctx, kinds[alg], l.floor(), len(l.Keys) == 0); err != nil {
			return needsKeeper(err)
		}
	}
	_, err = b.Keys(ctx)
	return err
}

// remove takes a key out of the record and returns the record as it is then.
func (b *Backend) remove(ctx context.Context, kid string) (*record, error) {
	for range maxRaces {
		r, err := b.readRecord(ctx)
		if err != nil {
			return nil, err
		}
		alg, rest, there := r.without(kid)
		if !there {
			return r, nil
		}
		switch err := b.writeRecord(ctx, r, alg, rest); {
		case err == nil:
			r.Lines[alg] = rest
			return r, nil
		case !errors.Is(err, vault.ErrCAS):
			return nil, err
		}
	}
	return nil, fmt.Errorf("removing key %s: %w again and again", kid, keys.ErrConflict)
}

func (r *record) without(kid string) (alg string, rest line, ok bool) {
	for alg, l := range r.Lines {
		if rest, ok := l.without(kid); ok {
			return alg, rest, true
		}
	}
	return "", line{}, false
}

// settle lets Vault destroy every version below floor. Vault keeps its latest version, so an algorithm without
// keys (idle) gets one that is never used.
func (b *Backend) settle(ctx context.Context, k *kind, floor int, idle bool) error {
	held, err := b.findTransitKey(ctx, k)
	if err != nil || held == nil || held.MinAvailable >= floor || floor <= 1 {
		return err
	}
	if idle && held.Latest < floor {
		if err := b.rotate(ctx, held.name); err != nil {
			return err
		}
	}
	if err := b.destroy(ctx, held, floor); err != nil {
		if again, e := b.findTransitKey(ctx, k); e == nil && again != nil && again.MinAvailable >= floor {
			return nil // another process was faster
		}
		return err
	}
	b.opt.Log.Info("destroyed old versions of a transit key", "transit_key", held.name, "below", floor)
	return nil
}

// destroy raises the minimum versions, both in one call and never lower than they were seen, and trims.
func (b *Backend) destroy(ctx context.Context, held *transitKey, floor int) error {
	path := b.path("keys", held.name)
	minimums := map[string]any{"min_decryption_version": max(floor, held.MinDecrypt), "min_encryption_version": max(floor, held.MinEncrypt)}
	if _, err := b.vault.Write(ctx, path+"/config", minimums); err != nil {
		return fmt.Errorf("raising the minimum versions of transit key %s: %w", held.name, err)
	}
	if _, err := b.vault.Write(ctx, path+"/trim", map[string]any{"min_available_version": floor}); err != nil {
		return fmt.Errorf("trimming transit key %s: %w", held.name, err)
	}
	return nil
}

// needsKeeper tells an operator who is refused whose work it is.
func needsKeeper(err error) error {
	if errors.Is(err, vault.ErrDenied) {
		return fmt.Errorf("this identity may not, the keeper's may: %w", err)
	}
	return err
}
