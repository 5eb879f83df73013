package transit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// vaultOf is a gathering whose calls wait to be answered by the test.
type vaultOf struct {
	*gathering
	calls chan call
}

type call struct {
	items  []string
	answer chan []outcome
}

func gatheringForTest() vaultOf {
	v := vaultOf{&gathering{}, make(chan call, 1000)}
	v.send = func(_ context.Context, items []string) []outcome {
		c := call{items, make(chan []outcome)}
		v.calls <- c
		return <-c.answer
	}
	return v
}

// echo answers a call with its own items.
func (c call) echo() {
	outcomes := make([]outcome, len(c.items))
	for i, item := range c.items {
		outcomes[i].signature = []byte(item)
	}
	c.answer <- outcomes
}

// ask begins requests and returns a function that waits for all of them and checks that each got its own answer.
func (v vaultOf) ask(t *testing.T, ctx context.Context, from, to int) (finish func()) { //nolint:revive // t first
	t.Helper()
	var wait sync.WaitGroup
	for i := from; i < to; i++ {
		item := fmt.Sprint("item ", i)
		wait.Go(func() {
			got, err := v.do(ctx, item)
			if err != nil || string(got) != item {
				t.Errorf("%s got %q, %v", item, got, err)
			}
		})
	}
	return wait.Wait
}

// queued waits until so many requests wait.
func (v vaultOf) queued(t *testing.T, want int) {
	t.Helper()
	v.until(t, func() bool { return len(v.waiting) == want })
}

// idle waits until nothing is left behind: the last call counts itself out after it has delivered.
func (v vaultOf) idle(t *testing.T) {
	t.Helper()
	v.until(t, func() bool { return v.flying == 0 && len(v.waiting) == 0 && v.timer == nil })
}

func (v vaultOf) until(t *testing.T, reached func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond / 10) {
		v.mu.Lock()
		ok, waiting, flying := reached(), len(v.waiting), v.flying
		v.mu.Unlock()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d wait, %d are on their way", waiting, flying)
		}
	}
}

// slow makes the bounded wait long enough not to end in a test.
func slow(t *testing.T) {
	t.Helper()
	old := maxWait
	maxWait = time.Hour
	t.Cleanup(func() { maxWait = old })
}

func TestNobodyWaitsWhenIdle(t *testing.T) {
	slow(t)
	v := gatheringForTest()
	for i := range 3 {
		finish := v.ask(t, t.Context(), i, i+1)
		c := <-v.calls
		if len(c.items) != 1 {
			t.Fatalf("a call of %d", len(c.items))
		}
		c.echo()
		finish()
		v.idle(t)
	}
}

func TestOthersGatherMeanwhile(t *testing.T) {
	slow(t)
	v := gatheringForTest()
	first := v.ask(t, t.Context(), 0, maxFlying)
	var flying []call
	for range maxFlying {
		flying = append(flying, <-v.calls)
	}
	others := v.ask(t, t.Context(), 100, 100+maxBatch-1)
	v.queued(t, maxBatch-1)
	if len(v.calls) != 0 {
		t.Fatal("another call began")
	}
	flying[0].echo() // one returns: all that gathered go together
	together := <-v.calls
	if len(together.items) != maxBatch-1 {
		t.Fatalf("a call of %d, want %d", len(together.items), maxBatch-1)
	}
	together.echo()
	others()
	flying[1].echo()
	first()
}

func TestBatchesAreBounded(t *testing.T) {
	slow(t)
	v := gatheringForTest()
	finish := v.ask(t, t.Context(), 0, maxFlying+2*maxBatch)
	total := 0
	for total < maxFlying+2*maxBatch { // full batches do not wait for those on their way
		c := <-v.calls
		if len(c.items) > maxBatch {
			t.Fatalf("a call of %d, the most is %d", len(c.items), maxBatch)
		}
		total += len(c.items)
		go c.echo()
	}
	finish()
}

// TestSlowCallsDelayNobodyForLong: while all calls hang, the next leave after the bounded wait.
func TestSlowCallsDelayNobodyForLong(t *testing.T) {
	v := gatheringForTest()
	hanging := v.ask(t, t.Context(), 0, maxFlying)
	var stuck []call
	for range maxFlying {
		stuck = append(stuck, <-v.calls)
	}
	for i := range 3 {
		finish := v.ask(t, t.Context(), 10*(i+1), 10*(i+1)+5)
		for total := 0; total < 5; {
			c := <-v.calls
			total += len(c.items)
			c.echo()
		}
		finish()
	}
	for _, c := range stuck {
		c.echo()
	}
	hanging()
}

func TestWhoLeavesIsNotWaitedFor(t *testing.T) {
	slow(t)
	v := gatheringForTest()
	hanging := v.ask(t, t.Context(), 0, maxFlying)
	var stuck []call
	for range maxFlying {
		stuck = append(stuck, <-v.calls)
	}
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error)
	go func() {
		_, err := v.do(ctx, "left")
		left <- err
	}()
	v.queued(t, 1)
	stays := v.ask(t, t.Context(), 100, 101)
	v.queued(t, 2)
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("leaving: %v", err)
	}
	stuck[0].echo()
	c := <-v.calls
	if slices.Contains(c.items, "left") || len(c.items) != 1 {
		t.Errorf("the call has %q", c.items)
	}
	c.echo()
	stays()
	stuck[1].echo()
	hanging()
	v.idle(t)
}
