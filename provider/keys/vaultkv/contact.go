package vaultkv

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"signet/provider/keys/vault"
	"signet/provider/oauth"
)

const (
	// Fresh is for how long a contact with Vault counts. Without another the next signature waits for one.
	Fresh = 10 * time.Second
	// retryEvery is the shortest time between attempts to reach a Vault that did not answer.
	retryEvery = time.Second
)

// contact judges from the last contacts with Vault whether keys in memory may be used. A request waits for an
// attempt at most once per Fresh, together with all others; further attempts go on behind its back.
type contact struct {
	clock oauth.Clock
	grace time.Duration
	log   *slog.Logger
	try   func(context.Context) error // loads the keys, bounded in time; it calls note

	mu      sync.Mutex
	last    time.Time     // of the last success
	failure error         // of the attempts since; nil if there was none
	tried   time.Time     // when allow last made an attempt
	waited  time.Time     // when allow last waited for one
	flight  chan struct{} // closed when the attempt under way ends; nil if none is
	joined  bool          // requests wait for that attempt
}

// note takes the outcome of loading the keys.
func (c *contact) note(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err == nil:
		if c.failure != nil {
			c.log.Info("the keys load from Vault again", "last_contact", c.last)
		}
		c.last, c.failure = c.clock(), nil
	default:
		if c.failure == nil {
			c.log.Error("the keys do not load from Vault", "last_contact", c.last, "grace", c.grace, "error", err)
		}
		c.failure = err
	}
}

// allow returns nil if keys may be used now, otherwise oauth.ErrUnavailable with the reason.
func (c *contact) allow(ctx context.Context) error {
	graced, flight := c.look(ctx)
	if graced {
		return nil
	}
	if flight != nil {
		select {
		case <-flight:
		case <-ctx.Done():
			return fmt.Errorf("waiting for Vault: %w", ctx.Err())
		}
	}
	return c.verdict()
}

// look makes an attempt if one is due. flight is the one that the request has to wait for, if any; graced says that
// it need not, as keys may be used in any case.
func (c *contact) look(ctx context.Context) (graced bool, flight chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.clock()
	if c.fresh(now) {
		return true, nil
	}
	// Vault's "denied" takes the keys back: grace is for what nobody meant.
	graced = c.grace > 0 && within(now, c.last, Fresh+c.grace) && !errors.Is(c.failure, vault.ErrDenied)
	begin := !graced && !within(now, c.waited, Fresh)
	if c.flight == nil && (begin || !within(now, c.tried, retryEvery)) {
		c.start(ctx, now)
	}
	if begin {
		c.waited, c.joined = now, true
	}
	if c.joined {
		flight = c.flight
	}
	return graced, flight
}

func (c *contact) fresh(now time.Time) bool { return c.failure == nil && within(now, c.last, Fresh) }

// start makes an attempt that outlives the request. The caller holds mu.
func (c *contact) start(ctx context.Context, now time.Time) {
	flight := make(chan struct{})
	c.flight, c.tried, c.joined = flight, now, false
	ctx = context.WithoutCancel(ctx)
	go func() {
		_ = c.try(ctx) // its outcome is in note
		c.mu.Lock()
		c.flight = nil
		c.mu.Unlock()
		close(flight)
	}()
}

// verdict is what the attempts have come to.
func (c *contact) verdict() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	since := c.last.UTC().Format(time.RFC3339)
	switch {
	case c.fresh(c.clock()):
		return nil
	case c.failure == nil:
		return fmt.Errorf("%w: the keys have not loaded from Vault since %s", oauth.ErrUnavailable, since)
	default:
		return fmt.Errorf("%w: the keys have not loaded from Vault since %s: %w", oauth.ErrUnavailable, since, c.failure)
	}
}

// within says that now is from at to less than d later. A clock that was set back is not.
func within(now, at time.Time, d time.Duration) bool {
	age := now.Sub(at)
	return age >= 0 && age < d
}
