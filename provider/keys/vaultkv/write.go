package vaultkv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"

	"signet/provider/keys"
	"signet/provider/keys/sealed"
	"signet/provider/keys/vault"
	"signet/provider/oauth"
)

// attempts bounds how often a write is begun anew because another process came between.
const attempts = 10

// Create implements keys.Backend. An identity that may only read is refused with vault.ErrDenied.
func (b *Backend) Create(ctx context.Context, spec keys.Spec) (keys.Key, error) {
	if _, err := b.Keys(ctx); err != nil {
		return keys.Key{}, err
	}
	if !b.now.Load().endsWith(spec) {
		return keys.Key{}, keys.ErrConflict // without generating one in vain
	}
	b.opt.Log.Info("generating a key; RSA takes some seconds", "alg", spec.Alg)
	record, key, err := sealed.Generate(b.data.Load().signing, spec, b.opt.RSABits, b.opt.Random)
	if err != nil {
		return keys.Key{}, err
	}
	b.turn.Lock()
	defer b.turn.Unlock()
	_, err = b.change(ctx, func(s *set) error {
		switch _, there := s.byKid[key.Kid]; {
		case there: // our own write, whose answer was lost
		case !s.endsWith(spec):
			return keys.ErrConflict
		default:
			s.byKid[key.Kid] = entry{record, key}
		}
		return nil
	})
	if err != nil {
		return keys.Key{}, refused("making a signing key", err)
	}
	return key.Key, nil
}

// endsWith says that the newest key is the one after which the spec's is to come.
func (s *set) endsWith(spec keys.Spec) bool {
	newest, _ := keys.Newest(s.list(), spec.Alg)
	return newest.Kid == spec.After
}

// Delete implements keys.Backend; it also destroys the versions of the secret that have the key. An identity that
// may only read is refused with vault.ErrDenied. After an error Delete can be called again to complete it.
func (b *Backend) Delete(ctx context.Context, kid string) error {
	b.turn.Lock()
	defer b.turn.Unlock()
	version, err := b.change(ctx, func(s *set) error {
		delete(s.byKid, kid)
		return nil
	})
	if err == nil {
		err = b.destroyBefore(ctx, version)
	}
	if err != nil {
		return refused("deleting a signing key", err)
	}
	return nil
}

// RotateDataKey implements keys.DataKeyRotator: it makes the data key and seals the signing keys with it. If the
// second step fails, the next change of the signing keys makes good for it. An identity that may only read is
// refused with vault.ErrDenied.
func (b *Backend) RotateDataKey(ctx context.Context) error {
	b.turn.Lock()
	defer b.turn.Unlock()
	document, version, found, err := b.readDataKeys(ctx)
	if err != nil {
		return err
	}
	if !found {
		return b.deleted(b.dataKeysPath())
	}
	if err := b.addDataKey(ctx, document, version); err != nil {
		return err
	}
	version, err = b.change(ctx, func(*set) error { return nil })
	if err == nil {
		err = b.destroyBefore(ctx, version)
	}
	if err != nil {
		return refused("the new data key is made, but sealing the signing keys with it failed", err)
	}
	return nil
}

// change alters the signing keys: it reads them, lets alter have the new content, seals with the newest data key
// what is not, and writes, again until no other process comes between. Nothing is written if nothing changes. It
// returns the version of the secret that has the result. The caller holds turn.
func (b *Backend) change(ctx context.Context, alter func(*set) error) (version int, err error) {
	for range attempts {
		old, err := b.load(ctx)
		if err != nil {
			return 0, err
		}
		if old.deleted {
			return 0, b.deleted(b.keysPath())
		}
		next := &set{byKid: maps.Clone(old.byKid), dataKeys: old.dataKeys}
		if err := alter(next); err != nil {
			return 0, err
		}
		resealed, err := reseal(next.byKid, b.data.Load().signing)
		if err != nil {
			return 0, err
		}
		if !resealed && sameKids(next.byKid, old.byKid) {
			return old.version, nil
		}
		err = b.write(ctx, next, old.version)
		switch {
		case errors.Is(err, vault.ErrCAS):
			continue
		case err != nil:
			return 0, err
		}
		b.now.Store(next)
		return next.version, nil
	}
	return 0, fmt.Errorf("%w: %s/%s: other processes keep changing it", oauth.ErrUnavailable, b.opt.Mount, b.keysPath())
}

func sameKids(a, b map[string]entry) bool {
	return maps.EqualFunc(a, b, func(entry, entry) bool { return true })
}

// reseal seals with the newest data key what an older one sealed; done says that there was something.
func reseal(byKid map[string]entry, c *ciphers) (done bool, err error) {
	for kid, e := range byKid {
		if id, _ := sealedWith(e.record.Private); id == c.newest {
			continue
		}
		if e.record, err = e.record.Reseal(c, c); err != nil {
			return false, fmt.Errorf("key %q: %w", kid, err)
		}
		byKid[kid], done = e, true
	}
	return done, nil
}

// write puts the set into Vault and its version into the set. Before the first version it has Vault keep one only.
func (b *Backend) write(ctx context.Context, s *set, cas int) (err error) {
	if cas == 0 {
		settings := map[string]any{"max_versions": 1, "cas_required": true}
		if _, err := b.vault.Write(ctx, b.opt.Mount+"/metadata/"+b.keysPath(), settings); err != nil {
			return fmt.Errorf("limiting the versions that are kept: %w", err)
		}
	}
	s.version, err = b.vault.WriteKV(ctx, b.opt.Mount, b.keysPath(), s.content(), cas)
	return err
}

// destroyBefore destroys what Vault still has of the signing keys' versions before this one. Each is looked at,
// as somebody may have raised the number of versions, and a crash may have left some.
func (b *Backend) destroyBefore(ctx context.Context, current int) error {
	if current == 0 {
		return nil
	}
	secret, err := b.vault.Read(ctx, b.opt.Mount+"/metadata/"+b.keysPath(), nil)
	if err != nil {
		return fmt.Errorf("looking for former versions: %w", err)
	}
	if secret == nil {
		return fmt.Errorf("looking for former versions: %s/%s has been removed meanwhile", b.opt.Mount, b.keysPath())
	}
	former, err := versionsBefore(secret.Data, current)
	if err != nil || len(former) == 0 {
		return err
	}
	if _, err := b.vault.Write(ctx, b.opt.Mount+"/destroy/"+b.keysPath(), map[string]any{"versions": former}); err != nil {
		return fmt.Errorf("destroying former versions: %w", err)
	}
	return nil
}

// versionsBefore reads from a secret's metadata which former versions still have content.
func versionsBefore(metadata map[string]any, current int) (former []int, err error) {
	raw, err := json.Marshal(metadata["versions"])
	if err != nil {
		return nil, fmt.Errorf("former versions: %w", err)
	}
	var versions map[string]struct {
		Destroyed bool `json:"destroyed"`
	}
	if err := json.Unmarshal(raw, &versions); err != nil {
		return nil, fmt.Errorf("former versions: %w: %w", ErrDamaged, err)
	}
	for text, v := range versions {
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, fmt.Errorf("former versions: %w: %w", ErrDamaged, err)
		}
		if n < current && !v.Destroyed {
			former = append(former, n)
		}
	}
	return former, nil
}

// refused says who may do what this identity may not.
func refused(what string, err error) error {
	if errors.Is(err, vault.ErrDenied) {
		return fmt.Errorf(`%s: %w (this identity may only read; "signet key" does it as the keeper, keys.vault.keeper)`, what, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}
