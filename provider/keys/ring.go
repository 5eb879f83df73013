package keys

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"signet/provider/jose"
	"signet/provider/oauth"
)

// Options configure a Ring.
type Options struct {
	Clock oauth.Clock
	// Algs are the algorithms to sign with, at least one, of which the first is the default, and jose.DecryptionAlg if
	// others are to encrypt to us. Each gets a key of its own.
	Algs []string
	// PublishFor is how long a key is published before it signs: at least the time for which others cache
	// the key set (see JWKS) plus the interval of Run in the slowest process. For as long a decryption key is there
	// before it is published, so that every process has it.
	PublishFor time.Duration
	// RetireAfter is how long a replaced key stays published: at least the longest lifetime of a token. For as long a
	// decryption key decrypts that is not published any more: at least the time for which others cache the key set.
	RetireAfter time.Duration
	// ArchiveFor is how long the public half of a key that signed stays in the archived key set after it has retired, for
	// who has to check an old signature; 0 = there is no archive. The backend keeps the key for as long: every process that
	// maintains must have the same value. Nothing is signed with it, and it vouches for no token here.
	ArchiveFor time.Duration
	// RotateEvery makes Maintain rotate a key that has been active for so long; 0 = only Rotate does.
	RotateEvery time.Duration
	// Maintain lets this process make and destroy keys by itself: NewRing makes the missing ones, and Run calls
	// [Ring.Maintain]. Without it Run only refreshes, and a missing key keeps NewRing from succeeding.
	Maintain bool
	// Maintained is told what NewRing (also when it fails) and Run have made and destroyed, for an audit log; nil = nobody
	// is. It is called before they go on, with a context that does not end with theirs. What Rotate and Maintain do
	// for their callers is in their results alone.
	Maintained func(ctx context.Context, done Report)
	Log        *slog.Logger
}

func (o *Options) validate() error {
	var faults []error
	if o.Clock == nil || o.Log == nil {
		faults = append(faults, errors.New("clock and log are needed"))
	}
	if len(forUse(o.Algs, jose.UseSignature)) == 0 {
		faults = append(faults, errors.New("at least one algorithm to sign with is needed"))
	}
	if o.PublishFor < 0 || o.RetireAfter <= 0 || o.RotateEvery < 0 || o.ArchiveFor < 0 {
		faults = append(faults, errors.New("retire-after must be positive; publish-for, archive-for and rotate-every not negative"))
	}
	if o.RotateEvery > 0 && o.RotateEvery <= o.PublishFor {
		faults = append(faults, errors.New("rotate-every must be longer than publish-for"))
	}
	return errors.Join(faults...)
}

// Ring is the provider's set of keys. It is safe for concurrent use.
type Ring struct {
	backend Backend
	opt     Options
	mu      sync.Mutex // one Refresh or Rotate at a time
	now     atomic.Pointer[snapshot]
	failed  atomic.Pointer[error] // why the last Refresh failed; nil when it did not
	wake    chan struct{}         // has room for one call of Wake
}

// snapshot is what requests read; it is replaced, never changed.
type snapshot struct {
	keys     []Key
	lines    map[string]line
	jwks     []byte
	archived []byte
	set      *jose.KeySet
}

// NewRing loads the keys. With [Options.Maintain] it makes those that are missing: a new installation signs at
// once. Without, an algorithm that has no key fails it with an error that wraps [ErrNoKey] and names the algorithm.
func NewRing(ctx context.Context, backend Backend, opt Options) (*Ring, error) {
	if err := opt.validate(); err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	r := &Ring{backend: backend, opt: opt, wake: make(chan struct{}, 1)}
	if opt.Maintain {
		done, err := r.makeMissing(ctx)
		r.tell(ctx, done)
		if err != nil {
			return nil, err
		}
	}
	if _, err := r.Refresh(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *Ring) makeMissing(ctx context.Context) (done Report, err error) {
	list, err := r.backend.Keys(ctx)
	if err != nil {
		return done, fmt.Errorf("loading the keys: %w", err)
	}
	for _, alg := range r.opt.Algs {
		if _, ok := Newest(list, alg); ok {
			continue
		}
		r.opt.Log.Info("making the first key", "alg", alg)
		now := r.opt.Clock()
		key, err := r.backend.Create(ctx, Spec{Alg: alg, CreatedAt: now, ActivatesAt: now})
		done.note(key)
		if err != nil && !errors.Is(err, ErrConflict) { // another process was first: that key counts
			return done, fmt.Errorf("making a key for %s: %w", alg, err)
		}
	}
	return done, nil
}

// tell calls Options.Maintained when there is something to tell.
func (r *Ring) tell(ctx context.Context, done Report) {
	if r.opt.Maintained != nil && !done.Empty() {
		r.opt.Maintained(context.WithoutCancel(ctx), done)
	}
}

// Sign implements [Signer] with the key that is active now. An algorithm without a key is jose.ErrAlgorithm;
// every other error means that signing is out of order.
func (r *Ring) Sign(ctx context.Context, alg, typ string, payload []byte) (string, error) {
	line := r.now.Load().lines[alg]
	if len(line) == 0 || !slices.Contains(r.opt.Algs, alg) || jose.Use(alg) != jose.UseSignature {
		return "", fmt.Errorf("signing: %w: %q has no key", jose.ErrAlgorithm, alg)
	}
	key := &line[line.active(r.opt.Clock())]
	input, err := key.header.Input(typ, payload)
	if err != nil {
		return "", fmt.Errorf("signing: %w", err)
	}
	signature, err := r.backend.Sign(ctx, key.Kid, alg, input)
	if err != nil {
		return "", fmt.Errorf("signing with %s key %s: %w", alg, key.Kid, err)
	}
	return jose.Compact(input, signature), nil
}

// JWKS returns the published key set as JSON (RFC 7517 section 5). The caller must not change it.
func (r *Ring) JWKS() []byte { return r.now.Load().jwks }

// ArchivedJWKS returns the archived keys as JSON (RFC 7517 section 5), none of which is in JWKS; see Options.ArchiveFor.
// The caller must not change it.
func (r *Ring) ArchivedJWKS() []byte { return r.now.Load().archived }

// KeySet returns the published keys, for checking our own tokens.
func (r *Ring) KeySet() *jose.KeySet { return r.now.Load().set }

// List describes the keys that are published, archived or decrypt, by algorithm in the order of Options.Algs, oldest first.
func (r *Ring) List() []Info { return slices.Clone(r.now.Load().judge(r.opt)) }

// Health returns why the keys in use may be stale: the error of the last Refresh, nil if it worked.
func (r *Ring) Health() error {
	if err := r.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// Probe asks the backend whether it works, if it can tell, and joins the answer with Health. It takes as long as
// the backend's own limits let it.
func (r *Ring) Probe(ctx context.Context) error {
	err := r.Health()
	if prober, ok := r.backend.(interface{ Probe(context.Context) error }); ok {
		err = errors.Join(err, prober.Probe(ctx))
	}
	return err
}
