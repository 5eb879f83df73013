package transit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"

	"signet/provider/jose"
	"signet/provider/keys"
	"signet/provider/keys/vault"
	"signet/provider/oauth"
)

// Options configure a Backend.
type Options struct {
	Client *vault.Client
	// Mount is where the transit engine is, KVMount the KV v2 engine.
	Mount, KVMount string
	// Prefix begins the names of all transit keys and the path of the record; it tells installations apart.
	Prefix string
	Clock  oauth.Clock
	Log    *slog.Logger
}

// Backend implements keys.Backend. Several processes may use one prefix.
type Backend struct {
	opt   Options
	vault caller
	read  sync.Mutex // one loading at a time
	now   atomic.Pointer[snapshot]
	stats counters
	// reported are the names of the transit keys about which the log has been told.
	reported sync.Map
}

var (
	_ keys.Backend        = (*Backend)(nil)
	_ keys.DataKeyRotator = (*Backend)(nil)
)

// snapshot is what signing and decrypting read; it is replaced, never changed.
type snapshot struct {
	keys     []keys.Key
	signs    map[string]*signingKey // by kid
	decrypts map[string]*decryptionKey
}

// prefixes are what transit, KV and policies take without escaping.
var prefixes = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]*$`)

// Open looks at the keys that are there. It makes the key that seals data if that is missing and the client's
// identity may; all others are made by Create alone. It fails if Vault does not answer.
func Open(ctx context.Context, opt Options) (*Backend, error) {
	if opt.Client == nil || opt.Mount == "" || opt.KVMount == "" || opt.Clock == nil || opt.Log == nil {
		return nil, errors.New("transit keys: client, mounts, clock and log are needed")
	}
	if !prefixes.MatchString(opt.Prefix) {
		return nil, fmt.Errorf("transit keys: prefix %q: want letters, digits, - and _", opt.Prefix)
	}
	return open(ctx, opt, client{opt.Client})
}

func open(ctx context.Context, opt Options, calls caller) (*Backend, error) {
	b := &Backend{opt: opt, vault: calls}
	if err := b.ensureDataKey(ctx); err != nil {
		return nil, err
	}
	_, err := b.Keys(ctx)
	return b, err
}

// Keys implements keys.Backend. The record and the transit keys that it names are read each time: one that is gone or
// another one is an error, although what is loaded goes on signing as long as Vault signs.
func (b *Backend) Keys(ctx context.Context) ([]keys.Key, error) {
	now, err := b.refresh(ctx)
	if err != nil {
		return nil, err
	}
	return slices.Clone(now.keys), nil
}

func (b *Backend) refresh(ctx context.Context) (*snapshot, error) {
	b.read.Lock()
	defer b.read.Unlock()
	r, err := b.readRecord(ctx)
	if err != nil {
		return nil, err
	}
	next, err := b.load(ctx, r, b.now.Load())
	if err != nil {
		return nil, err
	}
	b.now.Store(next)
	return next, nil
}

// load holds the record against transit.
func (b *Backend) load(ctx context.Context, r *record, old *snapshot) (*snapshot, error) {
	next := &snapshot{signs: make(map[string]*signingKey), decrypts: make(map[string]*decryptionKey)}
	for alg, l := range r.Lines {
		if len(l.Keys) == 0 {
			continue
		}
		held, err := b.readTransitKey(ctx, kinds[alg])
		if err != nil {
			return nil, b.lost(alg, err)
		}
		for _, e := range l.Keys {
			public, kid, err := held.public(e.Version)
			if err != nil {
				return nil, b.lost(alg, err)
			}
			if kid != e.Kid {
				return nil, b.lost(alg, fmt.Errorf("transit key %s version %d is %s, not the recorded %s: %w", held.name, e.Version, kid, e.Kid, keys.ErrNoKey))
			}
			key := keys.Key{Kid: kid, Alg: alg, Public: public, CreatedAt: e.CreatedAt, ActivatesAt: e.ActivatesAt}
			if err := b.use(next, old, key, e.Version, held.name); err != nil {
				return nil, err
			}
		}
	}
	return next, nil
}

// lost says what to do about a key that the record names and transit does not have.
func (b *Backend) lost(alg string, err error) error {
	if !errors.Is(err, keys.ErrNoKey) {
		return err
	}
	return fmt.Errorf("the record %s/%s names it for %s: restore it from a backup of Vault, or take the line %s out of the record and run \"signet key maintain\": %w",
		b.opt.KVMount, b.recordPath(), alg, alg, err)
}

// use puts a key into next. One that old has stays as it is: a signing key keeps its gathering, both what is proved.
func (b *Backend) use(next, old *snapshot, key keys.Key, version int, name string) (err error) {
	next.keys = append(next.keys, key)
	if old == nil {
		old = &snapshot{}
	}
	if jose.Use(key.Alg) == jose.UseEncryption {
		if known := old.decrypts[key.Kid]; known != nil && known.version == version {
			next.decrypts[key.Kid] = known
			return nil
		}
		next.decrypts[key.Kid], err = b.decryptionKey(key.Public, version, name)
		return err
	}
	if known := old.signs[key.Kid]; known != nil && known.alg == key.Alg && known.version == version {
		next.signs[key.Kid] = known
		return nil
	}
	next.signs[key.Kid] = b.signingKey(key, version, name)
	return nil
}

func (b *Backend) path(operation, key string) string {
	return b.opt.Mount + "/" + operation + "/" + key
}
