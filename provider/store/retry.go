package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

// Bounds of the pause between two attempts at a transaction. It doubles, and varies by half, so that two
// that undid each other do not meet again.
const (
	firstPause   = 2 * time.Millisecond
	longestPause = 250 * time.Millisecond
)

// outage is whether the database did not answer for as long as a commit waits. Until it does, one commit at a time
// tries, once, and all others fail at once: a queue of requests that all wait helps nobody. Readers do not repeat.
type outage struct{ on, probing atomic.Bool }

var errAway = &fault{lost, errors.New("store: the database is away; another commit is trying it")}

// persist is transaction, executed again while what failed may pass by itself. Every attempt is a whole
// one: its conditions are checked again, and the outcome of the earlier ones is known to be "not applied".
func (w *writer) persist(jobs []*job) (failed int, err error) {
	if !w.traits.marked {
		return w.transaction(context.Background(), jobs)
	}
	if w.outage.on.Load() {
		if !w.outage.probing.CompareAndSwap(false, true) {
			return -1, errAway
		}
		defer w.outage.probing.Store(false)
	}
	ctx, cancel := context.WithTimeout(context.Background(), w.traits.patience)
	defer cancel()
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		if err = w.clearDoubts(ctx); err == nil {
			failed, err = w.transaction(ctx, jobs)
		} else {
			failed = -1
		}
		if !passing(err) {
			if err == nil || failed >= 0 {
				w.outage.on.Store(false)
			}
			return failed, err
		}
		kind, _ := faultOf(err)
		if kind == lost && w.outage.on.Load() {
			return -1, err
		}
		if !w.sleep(ctx, pause) {
			w.outage.on.Store(kind == lost)
			return -1, fmt.Errorf("no success within %v: %w", w.traits.patience, err)
		}
		w.counts.retries.Add(1)
	}
}

// sleep waits for about as long as pause; false when ctx ended first.
func (w *writer) sleep(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(vary(w.opt.Random, pause))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// vary returns a duration between d/2 and 3d/2.
func vary(random io.Reader, d time.Duration) time.Duration {
	var raw [2]byte
	if _, err := io.ReadFull(random, raw[:]); err != nil {
		return d
	}
	return d/2 + d*time.Duration(binary.BigEndian.Uint16(raw[:]))/(1<<16)
}
