package binding

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"signet/provider/oauth"
)

// maxKnown bounds how many nonces a process remembers: one of each process and window, with room to spare.
const maxKnown = 1024

// nonceSize is the length of oauth.NewID: nothing else was ever handed out, and need not be looked up.
const nonceSize = 22

// nonces hands out one random nonce per process and window, and knows those of the other processes.
type nonces struct {
	Deps
	minting chan struct{} // holds one token: one mints, the others wait or hand out the last one

	mu      sync.Mutex
	present string
	renewAt time.Time
	known   map[string]time.Time // until when each counts
}

func newNonces(deps Deps) *nonces {
	return &nonces{Deps: deps, minting: make(chan struct{}, 1), known: make(map[string]time.Time)}
}

// offer returns the nonce that clients are told. It counts for at least another NonceLifetime.
func (n *nonces) offer(ctx context.Context) (string, error) {
	if present, fresh := n.last(); fresh {
		return present, nil
	}
	select {
	case n.minting <- struct{}{}:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	defer func() { <-n.minting }()
	if present, fresh := n.last(); fresh { // another request has minted meanwhile
		return present, nil
	}
	return n.mint(ctx)
}

func (n *nonces) last() (nonce string, fresh bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.present, n.Clock().Before(n.renewAt)
}

// mint stores the nonce before anybody hears of it: the next request may reach another process.
func (n *nonces) mint(ctx context.Context) (string, error) {
	nonce, err := oauth.NewID(n.Random)
	if err != nil {
		return "", err
	}
	now := n.Clock()
	until := now.Add(2 * n.NonceLifetime)
	if err := n.Nonces.Commit(ctx, oauth.StoreNonce{Nonce: nonce, Until: until}); err != nil {
		return "", fmt.Errorf("storing a DPoP nonce: %w", err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.present, n.renewAt = nonce, now.Add(n.NonceLifetime)
	n.remember(nonce, until, now)
	return nonce, nil
}

// accept says whether a proof's nonce is one of this server's that still counts.
func (n *nonces) accept(ctx context.Context, nonce string) (bool, error) {
	if len(nonce) != nonceSize {
		return false, nil
	}
	now := n.Clock()
	n.mu.Lock()
	until, known := n.known[nonce]
	n.mu.Unlock()
	if known {
		return now.Before(until), nil
	}
	until, err := n.Nonces.Nonce(ctx, nonce)
	if errors.Is(err, oauth.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking up a DPoP nonce: %w", err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.remember(nonce, until, now)
	return now.Before(until), nil
}

// remember makes room by dropping what has expired and, if that is not enough, everything: what still counts is
// found in the store again.
func (n *nonces) remember(nonce string, until, now time.Time) {
	if len(n.known) >= maxKnown {
		for known, until := range n.known {
			if !now.Before(until) {
				delete(n.known, known)
			}
		}
	}
	if len(n.known) >= maxKnown {
		clear(n.known)
	}
	n.known[nonce] = until
}
