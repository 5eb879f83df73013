package vaultkv

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/vault/api"

	"signet/provider/jose"
	"signet/provider/keys"
	"signet/provider/keys/sealed"
	"signet/provider/keys/vault"
	"signet/provider/oauth"
)

// MaxGrace is the longest Options.Grace.
const MaxGrace = time.Hour

// ErrDamaged is wrapped when Vault has something else than what Signet wrote there.
var ErrDamaged = errors.New("what Vault holds is not as it was written")

// Options configure a Backend.
type Options struct {
	Client *vault.Client
	// Mount is where the KV v2 engine is.
	Mount string
	// Prefix begins the paths of both secrets; it tells installations apart.
	Prefix string
	// Grace is for how long after Fresh keys in memory sign without contact with Vault; 0 to MaxGrace.
	Grace time.Duration
	// RSABits is the size of new RSA keys; 0 = sealed.DefaultRSABits.
	RSABits int
	Clock   oauth.Clock
	Random  oauth.Random
	Log     *slog.Logger
}

// Backend implements keys.Backend and keys.DataKeyRotator. Several processes may use one prefix.
type Backend struct {
	opt     Options
	vault   kv
	contact *contact
	turn    sync.Mutex // one loading or changing at a time
	now     atomic.Pointer[set]
	data    atomic.Pointer[dataKeys]
	unknown unknown // guarded by turn
}

var (
	_ keys.Backend        = (*Backend)(nil)
	_ keys.DataKeyRotator = (*Backend)(nil)
	_ kv                  = (*vault.Client)(nil)
)

// kv is what the backend needs of a vault.Client.
type kv interface {
	Read(ctx context.Context, path string, query url.Values) (*api.Secret, error)
	Write(ctx context.Context, path string, data map[string]any) (*api.Secret, error)
	ReadKV(ctx context.Context, mount, path string) (data map[string]any, version int, err error)
	WriteKV(ctx context.Context, mount, path string, data map[string]any, cas int) (version int, err error)
}

// part is what a path takes without escaping.
var part = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?$`)

// Open loads the keys. Where there is no data key yet it makes one, if the client's identity may; otherwise it
// fails with an error that wraps keys.ErrNoKey. It fails if Vault does not answer.
func Open(ctx context.Context, opt Options) (*Backend, error) {
	if opt.Client == nil {
		return nil, errors.New("keys in Vault KV: a client is needed")
	}
	return open(ctx, opt, opt.Client)
}

func open(ctx context.Context, opt Options, client kv) (*Backend, error) {
	if opt.RSABits == 0 {
		opt.RSABits = sealed.DefaultRSABits
	}
	switch {
	case opt.Clock == nil || opt.Random == nil || opt.Log == nil:
		return nil, errors.New("keys in Vault KV: clock, randomness and log are needed")
	case !part.MatchString(opt.Mount) || !part.MatchString(opt.Prefix):
		return nil, fmt.Errorf("keys in Vault KV: mount %q, prefix %q: want letters, digits and . _ - / inside", opt.Mount, opt.Prefix)
	case opt.Grace < 0 || opt.Grace > MaxGrace:
		return nil, fmt.Errorf("keys in Vault KV: the grace is 0 to %v", MaxGrace)
	case opt.RSABits < jose.MinRSABits || opt.RSABits > jose.MaxRSABits:
		return nil, fmt.Errorf("keys in Vault KV: RSA keys need %d to %d bits", jose.MinRSABits, jose.MaxRSABits)
	}
	b := &Backend{opt: opt, vault: client}
	b.contact = &contact{clock: opt.Clock, grace: opt.Grace, log: opt.Log, try: b.Probe}
	b.turn.Lock()
	defer b.turn.Unlock()
	if err := b.ensureDataKey(ctx); err != nil {
		return nil, err
	}
	_, err := b.load(ctx)
	return b, err
}

func (b *Backend) keysPath() string     { return b.opt.Prefix + "/keys" }
func (b *Backend) dataKeysPath() string { return b.opt.Prefix + "/data-keys" }

// Keys implements keys.Backend. Both secrets are read each time; a record that is known is not opened again.
func (b *Backend) Keys(ctx context.Context) ([]keys.Key, error) {
	b.turn.Lock()
	defer b.turn.Unlock()
	s, err := b.load(ctx)
	if err != nil {
		return nil, err
	}
	return s.list(), nil
}

// load loads everything; only the whole counts as contact, so that a right that was withdrawn or a record that does
// not open ends signing like silence. The caller holds turn.
func (b *Backend) load(ctx context.Context) (*set, error) {
	s, err := b.loadBoth(ctx)
	if err == nil || ctx.Err() == nil { // an impatient caller is no outage
		b.contact.note(err)
	}
	return s, err
}

// loadBoth reads the signing keys, then the data keys: a key is sealed with a data key that was written before it.
func (b *Backend) loadBoth(ctx context.Context) (*set, error) {
	data, version, err := b.readKeys(ctx)
	if err != nil {
		return nil, err
	}
	records, err := parseRecords(data)
	if err != nil {
		return nil, fmt.Errorf("%s/%s: %w", b.opt.Mount, b.keysPath(), err)
	}
	dataKeys, err := b.loadDataKeys(ctx)
	if err != nil {
		return nil, err
	}
	known := b.now.Load()
	if known != nil && known.dataKeys != dataKeys.version {
		known = nil // so that a data key that is missing or another one is noticed now, not at the next start
	}
	next, err := openRecords(records, dataKeys.signing, known)
	if err != nil {
		return nil, fmt.Errorf("%s/%s: %w", b.opt.Mount, b.keysPath(), err)
	}
	next.version, next.dataKeys, next.deleted = version, dataKeys.version, version > 0 && data == nil
	b.data.Store(dataKeys)
	b.now.Store(next)
	return next, nil
}

func (b *Backend) readKeys(ctx context.Context) (data map[string]any, version int, err error) {
	data, version, err = b.vault.ReadKV(ctx, b.opt.Mount, b.keysPath())
	if err != nil {
		err = fmt.Errorf("reading the signing keys in Vault: %w", err)
	}
	return data, version, err
}

// Probe loads the keys, which takes two calls; the outcome decides whether they may sign.
func (b *Backend) Probe(ctx context.Context) error {
	_, err := b.Keys(ctx)
	return err
}

// Sign implements keys.Backend. It computes in this process; without contact with Vault (see the package) it fails
// with oauth.ErrUnavailable, and it may wait for one attempt to get into contact.
func (b *Backend) Sign(ctx context.Context, kid, alg string, input []byte) ([]byte, error) {
	if err := b.contact.allow(ctx); err != nil {
		return nil, err
	}
	e, ok := b.now.Load().byKid[kid]
	if !ok {
		return nil, keys.ErrNoKey
	}
	return e.key.Sign(alg, input)
}

// DecryptKey implements keys.Backend. It computes in this process, as dependent on contact with Vault as Sign.
func (b *Backend) DecryptKey(ctx context.Context, kid, alg string, encryptedKey []byte) ([]byte, error) {
	if err := b.contact.allow(ctx); err != nil {
		return nil, err
	}
	e, ok := b.now.Load().byKid[kid]
	if !ok {
		return nil, keys.ErrNoKey
	}
	return e.key.DecryptKey(alg, encryptedKey)
}

// Seal implements keys.Sealer, as dependent on contact with Vault as Sign.
func (b *Backend) Seal(ctx context.Context, plaintext, context []byte) ([]byte, error) {
	if err := b.contact.allow(ctx); err != nil {
		return nil, err
	}
	return b.data.Load().stored.Seal(plaintext, context)
}

// Open implements keys.Sealer, as dependent on contact with Vault as Sign. A data key that is not known yet is
// looked for in Vault.
func (b *Backend) Open(ctx context.Context, ciphertext, context []byte) ([]byte, error) {
	if err := b.contact.allow(ctx); err != nil {
		return nil, err
	}
	plaintext, err := b.data.Load().stored.Open(ciphertext, context)
	if !errors.Is(err, errUnknownDataKey) {
		return plaintext, err
	}
	if err := b.lookFor(ctx, ciphertext); err != nil {
		return nil, err
	}
	return b.data.Load().stored.Open(ciphertext, context)
}
