package provider

import (
	"context"
	"fmt"
	"sync"
	"time"

	"signet/provider/oauth"
)

// Check is one thing that must work for the process to serve. Probe returns nil when it does. Its context ends
// after [probeLimit]; a probe that goes on regardless is red meanwhile, and is not started a second time.
type Check struct {
	Name  string
	Probe func(ctx context.Context) error
	// Instant says that Probe answers from memory without waiting for anything. It is asked anew each time; the
	// answer of any other is shared for [answerAge].
	Instant bool
}

const (
	// probeLimit is how long a probe may take.
	probeLimit = 2 * time.Second
	// answerLimit is how long one waits for a probe: a little longer, so that one that keeps to its limit can tell
	// the cause, yet shorter than the 3 s after which a load balancer gives up.
	answerLimit = 2500 * time.Millisecond
	// answerAge is how old an answer may be. However many ask, no probe costs more than one call in that time.
	answerAge = time.Second
)

// Checks are what readiness is made of. They are asked side by side, so that a slow one makes no other red.
type Checks struct {
	clock oauth.Clock
	all   []*check
}

// NewChecks returns the checks, none of which has been asked yet.
func NewChecks(clock oauth.Clock, all ...Check) *Checks {
	c := &Checks{clock: clock}
	for _, one := range all {
		c.all = append(c.all, &check{Check: one, clock: clock})
	}
	return c
}

// ask tells each check's answer, in their order, within [answerLimit] altogether. The error's text is for operators.
func (c *Checks) ask(ctx context.Context, tell func(name string, err error)) {
	runs := make([]*run, len(c.all))
	for i, one := range c.all {
		if !one.Instant {
			runs[i] = one.begin()
		}
	}
	for i, one := range c.all {
		if one.Instant {
			tell(one.Name, one.Probe(ctx))
			continue
		}
		tell(one.Name, runs[i].await(c.clock))
	}
}

// check is a Check with its last run.
type check struct {
	Check
	clock oauth.Clock

	mu   sync.Mutex
	last *run // nil = none yet
}

// begin returns a new run, unless one is under way or has just ended.
func (c *check) begin() *run {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last.mayServe(c.clock()) {
		return c.last
	}
	waiting, giveUp := context.WithTimeout(context.Background(), answerLimit) // no asker's own: others share it
	c.last = &run{began: c.clock(), done: make(chan struct{}), waiting: waiting}
	go c.last.probe(c.Probe, c.clock, giveUp)
	return c.last
}

// run is one call of a probe.
type run struct {
	began   time.Time
	waiting context.Context // ends when nobody waits for the answer any longer

	done  chan struct{} // closed when the rest is there
	ended time.Time
	err   error
}

func (r *run) probe(probe func(context.Context) error, clock oauth.Clock, giveUp func()) {
	defer giveUp()
	defer close(r.done)
	defer func() {
		if fault := recover(); fault != nil { // here it would end the process
			r.err = fmt.Errorf("panic: %v", fault)
		}
		r.ended = clock()
	}()
	ctx, cancel := context.WithTimeout(r.waiting, probeLimit)
	defer cancel()
	r.err = probe(ctx)
}

// mayServe says whether another asker may have this run's answer.
func (r *run) mayServe(now time.Time) bool {
	if r == nil {
		return false
	}
	select {
	case <-r.done:
		return now.Before(r.ended.Add(answerAge))
	default:
		return true
	}
}

// await returns the probe's answer, or that there is none yet.
func (r *run) await(clock oauth.Clock) error {
	select {
	case <-r.done:
	case <-r.waiting.Done():
	}
	select {
	case <-r.done: // also when both were so
		return r.err
	default:
		return fmt.Errorf("has not answered for %s", clock().Sub(r.began).Round(100*time.Millisecond))
	}
}
