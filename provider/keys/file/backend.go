package file

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/rogpeppe/go-internal/lockedfile"

	"signet/provider/jose"
	"signet/provider/keys"
	"signet/provider/keys/sealed"
	"signet/provider/oauth"
)

// Options configure a Backend.
type Options struct {
	// Directory has the key files; it is made (0700) when missing.
	Directory string
	// PassphraseFile has one line, the passphrase: MinPassphrase bytes at least.
	PassphraseFile string
	// RSABits is the size of new RSA keys; 0 = sealed.DefaultRSABits.
	RSABits int
	Random  oauth.Random
	Log     *slog.Logger

	derivation kdf // of a new directory; tests take a cheap one
}

// Backend implements keys.Backend. Several processes may use one directory.
type Backend struct {
	opt   Options
	lock  *lockedfile.Mutex // between processes and goroutines: writing and loading
	files *sealed.Box       // seals key files
	data  *sealed.Box       // seals others' data
	keys  atomic.Pointer[map[string]sealed.Key]
	read  sync.Mutex // one reload at a time
}

var _ keys.Backend = (*Backend)(nil)

// Open opens the directory with the passphrase. It derives the key once, which takes about 0.1 s and 64 MiB;
// an empty directory gets its data key. A wrong passphrase, a damaged file or a missing data key is an error.
func Open(ctx context.Context, opt Options) (*Backend, error) {
	if opt.RSABits == 0 {
		opt.RSABits = sealed.DefaultRSABits
	}
	if opt.derivation.Time == 0 {
		opt.derivation = standardKDF()
	}
	if opt.Directory == "" || opt.PassphraseFile == "" || opt.Random == nil || opt.Log == nil {
		return nil, errors.New("key directory: directory, passphrase file, randomness and log are needed")
	}
	if opt.RSABits < jose.MinRSABits || opt.RSABits > jose.MaxRSABits {
		return nil, fmt.Errorf("key directory: RSA keys need %d to %d bits", jose.MinRSABits, jose.MaxRSABits)
	}
	passphrase, err := readPassphrase(opt.PassphraseFile)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(opt.Directory, 0o700); err != nil {
		return nil, fmt.Errorf("key directory: %w", err)
	}
	warnIfReadable(opt.Log, opt.Directory, opt.PassphraseFile)
	b := &Backend{opt: opt, lock: lockedfile.MutexAt(filepath.Join(opt.Directory, "lock"))}
	unlock, err := b.lock.Lock()
	if err != nil {
		return nil, fmt.Errorf("locking the key directory: %w", err)
	}
	defer unlock()
	if err := b.open(passphrase); err != nil {
		return nil, err
	}
	_, err = b.Keys(ctx)
	return b, err
}

// open prepares the boxes. The caller holds the lock.
func (b *Backend) open(passphrase oauth.Secret) error {
	if err := removeLeftovers(b.opt.Directory); err != nil {
		return err
	}
	dataKey, err := loadDataKey(&b.opt, passphrase)
	if err != nil {
		return err
	}
	if b.files, err = sealed.Derive(dataKey, "signet key files", b.opt.Random); err != nil {
		return err
	}
	b.data, err = sealed.Derive(dataKey, "signet sealed data", b.opt.Random)
	return err
}

// warnIfReadable tells when others on the machine can read what protects the keys. It is no error: secrets
// mounted into a container are often readable by their group.
func warnIfReadable(log *slog.Logger, paths ...string) {
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o007 != 0 {
			log.Warn("others on this machine can read what protects the signing keys", "path", path, "mode", info.Mode().String())
		}
	}
}

// Keys implements keys.Backend. Files that are known already are not read again: they never change.
func (b *Backend) Keys(ctx context.Context) ([]keys.Key, error) {
	b.read.Lock()
	defer b.read.Unlock()
	names, err := keyFiles(b.opt.Directory)
	if err != nil {
		return nil, err
	}
	known := b.known()
	fresh := make(map[string]sealed.Key, len(names))
	all := make([]keys.Key, 0, len(names))
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		key, ok := known[name[:len(name)-len(keySuffix)]]
		if !ok {
			if key, err = b.readKey(name); errors.Is(err, os.ErrNotExist) {
				continue // deleted since the listing
			}
			if err != nil {
				return nil, err
			}
		}
		fresh[key.Kid] = key
		all = append(all, key.Key)
	}
	b.keys.Store(&fresh)
	return all, nil
}

func (b *Backend) known() map[string]sealed.Key {
	if known := b.keys.Load(); known != nil {
		return *known
	}
	return nil
}

// Create implements keys.Backend.
func (b *Backend) Create(ctx context.Context, spec keys.Spec) (keys.Key, error) {
	unlock, err := b.lock.Lock()
	if err != nil {
		return keys.Key{}, fmt.Errorf("locking the key directory: %w", err)
	}
	defer unlock()
	existing, err := b.Keys(ctx)
	if err != nil {
		return keys.Key{}, err
	}
	if newest, _ := keys.Newest(existing, spec.Alg); newest.Kid != spec.After {
		return keys.Key{}, keys.ErrConflict
	}
	b.opt.Log.Info("generating a key; RSA takes some seconds", "alg", spec.Alg)
	made, err := b.makeKey(spec)
	if err != nil {
		return keys.Key{}, err
	}
	_, err = b.Keys(ctx) // so that Sign and DecryptKey know it
	return made, err
}

// Delete implements keys.Backend.
func (b *Backend) Delete(ctx context.Context, kid string) error {
	unlock, err := b.lock.Lock()
	if err != nil {
		return fmt.Errorf("locking the key directory: %w", err)
	}
	defer unlock()
	if err := b.removeKey(kid); err != nil {
		return err
	}
	_, err = b.Keys(ctx)
	return err
}

// Sign implements keys.Backend. It computes in this process, so ctx has nothing to interrupt.
func (b *Backend) Sign(_ context.Context, kid, alg string, input []byte) ([]byte, error) {
	key, ok := b.known()[kid]
	if !ok {
		return nil, keys.ErrNoKey
	}
	return key.Sign(alg, input)
}

// DecryptKey implements keys.Backend. It computes in this process, so ctx has nothing to interrupt.
func (b *Backend) DecryptKey(_ context.Context, kid, alg string, encryptedKey []byte) ([]byte, error) {
	key, ok := b.known()[kid]
	if !ok {
		return nil, keys.ErrNoKey
	}
	return key.DecryptKey(alg, encryptedKey)
}
