package transit

import (
	"context"
	"sync"
	"time"
)

// How requests gather. While maxFlying calls are on their way to Vault, what comes next waits for one of them to
// return, for a full batch or for maxWait, whichever is first; so nobody waits while there is little to do.
const (
	maxFlying = 2
	maxBatch  = 32
)

var maxWait = 5 * time.Millisecond // constant outside tests

// outcome is what one request gets.
type outcome struct {
	signature []byte
	err       error
}

type request struct {
	ctx  context.Context
	item string
	done chan outcome // has room for the one outcome, so that nobody waits for who has left
}

// gathering puts the requests for one key version together into calls.
type gathering struct {
	// send makes one call; it returns as many outcomes as it got items, in their order.
	send func(ctx context.Context, items []string) []outcome

	mu      sync.Mutex
	waiting []*request
	flying  int
	timer   *time.Timer // runs while anything waits
}

// do returns the outcome of one item. When ctx ends first it returns at once; the item may still be sent.
func (g *gathering) do(ctx context.Context, item string) ([]byte, error) {
	r := &request{ctx: ctx, item: item, done: make(chan outcome, 1)}
	g.mu.Lock()
	g.waiting = append(g.waiting, r)
	g.depart(maxFlying)
	g.mu.Unlock()
	select {
	case o := <-r.done:
		return o.signature, o.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// depart sends what may go now: anything while fewer than limit calls are on their way, and full batches. The
// caller holds the lock.
func (g *gathering) depart(limit int) {
	for len(g.waiting) > 0 && (g.flying < limit || len(g.waiting) >= maxBatch) {
		batch := g.take()
		if len(batch) == 0 {
			continue
		}
		g.flying++
		go g.fly(batch)
	}
	switch {
	case len(g.waiting) == 0:
		if g.timer != nil {
			g.timer.Stop()
			g.timer = nil
		}
	case g.timer == nil:
		g.timer = time.AfterFunc(maxWait, g.waitedEnough)
	}
}

// take removes the next batch from the queue, without those whose callers have left.
func (g *gathering) take() []*request {
	batch := make([]*request, 0, min(len(g.waiting), maxBatch))
	for len(g.waiting) > 0 && len(batch) < maxBatch {
		r := g.waiting[0]
		g.waiting[0] = nil
		g.waiting = g.waiting[1:]
		if r.ctx.Err() == nil {
			batch = append(batch, r)
		}
	}
	return batch
}

func (g *gathering) waitedEnough() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.timer = nil
	g.depart(g.flying + 1)
}

// fly makes one call. It outlives the request that began it, whose caller may leave while others wait.
func (g *gathering) fly(batch []*request) {
	items := make([]string, len(batch))
	for i, r := range batch {
		items[i] = r.item
	}
	outcomes := g.send(context.WithoutCancel(batch[0].ctx), items)
	for i, r := range batch {
		r.done <- outcomes[i]
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.flying--
	g.depart(maxFlying)
}
