package keys

import (
	"context"
	"crypto"
	"errors"
	"time"
)

// Key is what a backend tells about a key, to sign or to decrypt with. It never changes while the key exists.
type Key struct {
	Kid       string // RFC 7638 thumbprint of Public
	Alg       string // the one algorithm that the key is for
	Public    crypto.PublicKey
	CreatedAt time.Time
	// ActivatesAt is when the key starts to sign, or to be published to encrypt to, in place of the one before it.
	ActivatesAt time.Time
}

// Spec asks a backend for a new key.
type Spec struct {
	Alg string
	// After is the kid of the newest key of this algorithm that the caller knows; "" when it knows none.
	After       string
	CreatedAt   time.Time
	ActivatesAt time.Time
}

// What a backend's operations can fail with, wrapped.
var (
	// ErrConflict: another process made a key first.
	ErrConflict = errors.New("another process made a key first")
	// ErrNoKey: the key is not there (any more).
	ErrNoKey = errors.New("no such key")
	// ErrSealed: the sealed bytes are damaged, were sealed for another context or with another data key.
	ErrSealed = errors.New("cannot open the sealed data")
)

// Backend keeps keys and computes with them. Private keys need not ever leave it: a backend may be a remote
// service. All methods are safe for concurrent use, also from several processes on the same keys; times are
// kept to the second at least. Any error not listed means that the backend is out of order.
type Backend interface {
	Sealer
	// Keys returns all keys, in any order. It fails as a whole if any key cannot be read or used.
	Keys(ctx context.Context) ([]Key, error)
	// Create makes a key and returns when it is durable. It fails with ErrConflict, changing nothing, unless
	// Spec.After is the newest key of the algorithm (the one that [Newest] picks). A key that comes with another
	// error was made, and could not be loaded then.
	Create(ctx context.Context, spec Spec) (Key, error)
	// Delete destroys a key for good. Deleting what is not there is no error.
	Delete(ctx context.Context, kid string) error
	// Sign returns the signature of a JWS signing input, in the form of RFC 7518 section 3 and RFC 8037
	// section 3.1 (for ES256: R and S, 32 bytes each). alg is the key's. ErrNoKey if the key is unknown, or for
	// decryption.
	Sign(ctx context.Context, kid, alg string, input []byte) ([]byte, error)
	// DecryptKey returns the content encryption key of a JWE (RFC 7516 section 5.2 step 10). alg is the key's:
	// jose.DecryptionAlg. ErrNoKey if the key is unknown, or for signing; ErrSealed if encryptedKey was not encrypted
	// to it: that is no sign of an outage, however often strangers bring it about.
	DecryptKey(ctx context.Context, kid, alg string, encryptedKey []byte) ([]byte, error)
}

// Signer signs tokens.
type Signer interface {
	// Sign returns a compact JWS of the payload, made with the key that is active for alg. Its header has
	// alg, kid and, unless "", typ.
	Sign(ctx context.Context, alg, typ string, payload []byte) (string, error)
}

// Sealer encrypts data at rest with a key that lives in the backend (AEAD).
type Sealer interface {
	// Seal encrypts and authenticates plaintext; context is authenticated with it and not kept.
	Seal(ctx context.Context, plaintext, context []byte) ([]byte, error)
	// Open reverses Seal; it fails with ErrSealed when sealed or context is not what it was.
	Open(ctx context.Context, sealed, context []byte) ([]byte, error)
}

// DataKeyRotator is a Sealer whose data key can be replaced.
type DataKeyRotator interface {
	// RotateDataKey makes a new data key and returns when it is durable. Other processes seal with it once they
	// have loaded the keys again; what it or an older one sealed, every process opens at once. It fails with
	// ErrConflict if another process made a data key at the same time.
	RotateDataKey(ctx context.Context) error
}

// Newest picks the newest key of an algorithm, by ActivatesAt, then CreatedAt, then Kid; false if none is.
func Newest(list []Key, alg string) (newest Key, ok bool) {
	for _, key := range list {
		if key.Alg == alg && (!ok || compare(newest, key) < 0) {
			newest, ok = key, true
		}
	}
	return newest, ok
}

// ActiveAt picks the key of an algorithm that is in use at a time: the newest whose time has come, otherwise the
// oldest; false if there is none.
func ActiveAt(list []Key, alg string, now time.Time) (active Key, ok bool) {
	began := func(key Key) bool { return !now.Before(key.ActivatesAt) }
	for _, key := range list {
		switch {
		case key.Alg != alg:
		case !ok,
			began(key) && (!began(active) || compare(active, key) < 0),
			!began(active) && compare(key, active) < 0:
			active, ok = key, true
		}
	}
	return active, ok
}

func compare(a, b Key) int {
	if c := a.ActivatesAt.Compare(b.ActivatesAt); c != 0 {
		return c
	}
	if c := a.CreatedAt.Compare(b.CreatedAt); c != 0 {
		return c
	}
	switch {
	case a.Kid < b.Kid:
		return -1
	case a.Kid > b.Kid:
		return 1
	default:
		return 0
	}
}
