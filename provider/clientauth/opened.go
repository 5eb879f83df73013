package clientauth

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"signet/provider/oauth"
)

const (
	openedFor  = time.Minute     // how long an opened secret is kept
	failedFor  = time.Second     // how long one that could not be opened is not tried again
	openLimit  = 5 * time.Second // for one call of the sealer and the wait for its turn
	openAtOnce = 8
	maxOpened  = 1024 // secrets kept; there are more only while they are being opened
)

// openedSecrets opens sealed secrets and keeps them for a moment. Who sends assertions is not known before the
// secret is there, and the sealer may be a service that signing needs, too: so a client costs it one call at a time
// and one a minute, and all clients together openAtOnce calls at a time.
type openedSecrets struct {
	sealer Sealer
	clock  oauth.Clock
	slots  slots

	mu   sync.Mutex
	kept map[oauth.Digest]*opened
}

// opened is one sealed secret's outcome. All but done is guarded by openedSecrets.mu.
type opened struct {
	done   chan struct{} // closed once the rest is there
	over   bool
	secret []byte // nobody else holds these bytes
	err    error
	until  time.Time
	forget *time.Timer
}

func newOpenedSecrets(sealer Sealer, clock oauth.Clock) *openedSecrets {
	return &openedSecrets{sealer: sealer, clock: clock, slots: make(slots, openAtOnce), kept: map[oauth.Digest]*opened{}}
}

// open returns a copy of the client's secret, which the caller clears.
func (o *openedSecrets) open(ctx context.Context, c *oauth.Client) ([]byte, error) {
	key := openedKey(c)
	for {
		o.mu.Lock()
		e := o.kept[key]
		if e == nil || e.over && !o.clock().Before(e.until) {
			e = o.begin(key)
			o.mu.Unlock()
			return o.lead(ctx, key, e, c)
		}
		if e.over {
			defer o.mu.Unlock()
			return bytes.Clone(e.secret), e.err
		}
		o.mu.Unlock()
		select {
		case <-e.done:
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for a client's secret to be opened: %w", ctx.Err())
		}
	}
}

// openedKey differs when the client or its secret does: a replaced secret is never taken for the new one.
func openedKey(c *oauth.Client) oauth.Digest {
	text := binary.BigEndian.AppendUint64(nil, uint64(len(c.ID)))
	return sha256.Sum256(append(append(text, c.ID...), c.SecretSealed...))
}

// begin makes an entry, for which another may have to go: one that is over, whichever.
func (o *openedSecrets) begin(key oauth.Digest) *opened {
	if old := o.kept[key]; old != nil {
		o.drop(key, old)
	}
	if len(o.kept) >= maxOpened {
		for other, e := range o.kept {
			if e.over {
				o.drop(other, e)
				break
			}
		}
	}
	e := &opened{done: make(chan struct{})}
	o.kept[key] = e
	return e
}

func (o *openedSecrets) drop(key oauth.Digest, e *opened) {
	if o.kept[key] != e {
		return
	}
	delete(o.kept, key)
	clear(e.secret)
	e.forget.Stop()
}

// errUnopened is what is known until the sealer has answered; all that is known if it panics.
var errUnopened = errors.New("the client's secret could not be opened")

// lead opens the secret for everyone who waits. That the leader's client goes away must not fail the others.
func (o *openedSecrets) lead(ctx context.Context, key oauth.Digest, e *opened, c *oauth.Client) ([]byte, error) {
	var secret []byte
	err := errUnopened
	defer func() {
		keep := openedFor
		if err != nil {
			keep = failedFor
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		e.over, e.secret, e.err, e.until = true, bytes.Clone(secret), err, o.clock().Add(keep)
		e.forget = time.AfterFunc(keep, func() {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.drop(key, e)
		})
		close(e.done)
	}()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), openLimit)
	defer cancel()
	release, late := o.slots.enter(ctx)
	if late != nil {
		err = late
		return nil, err
	}
	defer release()
	secret, err = o.sealer.Open(ctx, c.SecretSealed, sealContext(c.ID))
	return secret, err
}
