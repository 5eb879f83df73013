package policy

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// DefaultTimeout is how long a decision may take when Options.Timeout is 0.
const DefaultTimeout = time.Second

// Options are what an Engine needs.
type Options struct {
	// Directory holds the owner's policy; "" means the built-in bundle alone.
	Directory string
	// Clock gives the time of decisions whose Input has none, and of refused reloads.
	Clock func() time.Time
	// Random makes decision ids. It must be cryptographically secure and safe for concurrent use.
	Random io.Reader
	// Timeout bounds one decision; 0 means DefaultTimeout.
	Timeout time.Duration
}

// Engine decides. It is safe for concurrent use; a reload swaps the rules between two decisions.
type Engine struct {
	options Options
	live    atomic.Pointer[rules]
	fault   atomic.Pointer[fault]

	reloading sync.Mutex // held while compiling
}

// fault is a refused reload: what is on disk is not what decides.
type fault struct {
	revision string // of the refused bundle; "" when it could not even be read
	since    time.Time
	err      error
}

// New compiles the built-in bundle together with the owner's directory and tries it on sample inputs.
// It fails when either is not in order, so that a server never starts without rules.
func New(ctx context.Context, options Options) (*Engine, error) {
	if options.Clock == nil || options.Random == nil {
		return nil, errors.New("policy: Options.Clock and Options.Random are required")
	}
	if options.Timeout < 0 {
		return nil, errors.New("policy: Options.Timeout is negative")
	}
	if options.Timeout == 0 {
		options.Timeout = DefaultTimeout
	}
	e := &Engine{options: options}
	source, err := readSource(options.Directory)
	if err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	rules, err := e.build(ctx, source)
	if err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	e.live.Store(rules)
	return e, nil
}

// Revision identifies the rules and data in force: the digest of every file that was compiled, built-in
// ones included. The same files give the same revision on every machine.
func (e *Engine) Revision() string { return e.live.Load().revision }

// Decide answers all four questions about a token request, or the one about a registration, with one
// evaluation. An error means that there is no answer (a time limit, an undefined or ill-typed result, a scope
// beyond the upper bound, a reserved claim): the caller must refuse with temporarily_unavailable. The error
// names rules and files, so it is for the log only.
func (e *Engine) Decide(ctx context.Context, in Input) (Decision, error) {
	if in.Request.Time.IsZero() {
		in.Request.Time = e.options.Clock()
	}
	var raw [16]byte
	if _, err := io.ReadFull(e.options.Random, raw[:]); err != nil {
		return Decision{}, fmt.Errorf("policy: reading randomness: %w", err)
	}
	decision, err := e.live.Load().decide(ctx, &in, e.options.Timeout)
	if err != nil {
		return Decision{}, fmt.Errorf("policy: no decision: %w", err)
	}
	decision.ID = base64.RawURLEncoding.EncodeToString(raw[:])
	return decision, nil
}

// Health is nil while the rules in force are those on disk. After a refused reload it says since when and
// why, until a reload succeeds or the files are again what is in force.
func (e *Engine) Health() error {
	f := e.fault.Load()
	if f == nil {
		return nil
	}
	return fmt.Errorf("policy: a changed bundle is refused since %s, revision %s stays in force: %w",
		f.since.UTC().Format(time.RFC3339), e.Revision(), f.err)
}
