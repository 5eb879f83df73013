package deliver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"signet/provider/oauth"
)

const (
	// maxHeld bounds the deliveries that one process has claimed, maxLane those of them that are for one client.
	maxHeld, maxLane = 512, 32
	// lease is how long a claim lasts: half of it to wait for a turn, half for the attempt. A delivery whose process
	// died is another's after it.
	lease = time.Minute
)

// Store is the queue.
type Store interface {
	// ClaimDeliveries returns deliveries of these kinds, at least one, that are due, and moves them to now+lease: nobody
	// else gets them until then. Those that come with an error are claimed all the same.
	ClaimDeliveries(ctx context.Context, kinds []string, now time.Time, lease time.Duration, limit int) ([]oauth.Delivery, error)
	// Commit applies all changes durably or none.
	Commit(ctx context.Context, changes ...oauth.Change) error
}

// Verdict is what an attempt comes to.
type Verdict int

// The verdicts.
const (
	Again   Verdict = iota // another attempt may end better
	Done                   // the receiver has it
	Refused                // no further attempt can end better
)

// Result is what came of one attempt.
type Result struct {
	Verdict Verdict
	Status  int   // of the receiver's answer, as in HTTP; 0 = there was none
	Cause   error // for the log; without secrets
}

// End is how a delivery ended.
type End struct {
	Delivered bool
	Status    int    // of the last answer; 0 = there was none
	Reason    string // why it was given up, in words; "" when it was delivered
}

// Kind is one kind of deliveries and how they are sent.
type Kind struct {
	Name string // Delivery.Kind
	// Service says that all of them go to one service of the operator's. They have a lane of their own then, which no
	// client holds up and which holds up no client.
	Service bool
	// Send makes one attempt. It ends with ctx.
	Send func(ctx context.Context, d oauth.Delivery) Result
	// End returns what is to be committed with a delivery's end. Optional. After an error the delivery comes again.
	End func(d oauth.Delivery, end End) ([]oauth.Change, error)
}

// Deps is what a Runner works with. All fields are required.
type Deps struct {
	Store Store
	Clock oauth.Clock
	Log   *slog.Logger
}

// Runner sends the deliveries of one process. It is safe for concurrent use, but for [Runner.Handle].
type Runner struct {
	deps  Deps
	kinds map[string]Kind
	names []string // of kinds
	wake  chan struct{}
	lanes *lanes
}

// New makes a Runner that knows no kind yet. It fails when a dependency is missing.
func New(deps Deps) (*Runner, error) {
	if deps.Store == nil || deps.Clock == nil || deps.Log == nil {
		return nil, errors.New("deliver: each of Store, Clock and Log is required")
	}
	return &Runner{deps: deps, kinds: map[string]Kind{}, wake: make(chan struct{}, 1), lanes: newLanes()}, nil
}

// Handle adds kinds, each once. It is called while the program is put together, before anything is sent.
func (r *Runner) Handle(kinds ...Kind) error {
	for _, kind := range kinds {
		if kind.Name == "" || kind.Send == nil {
			return fmt.Errorf("deliver: Name and Send of the kind %q are required", kind.Name)
		}
		if _, known := r.kinds[kind.Name]; known {
			return fmt.Errorf("deliver: the kind %q is handled already", kind.Name)
		}
		r.kinds[kind.Name] = kind
		r.names = append(r.names, kind.Name)
	}
	slices.Sort(r.names)
	return nil
}

// Run sends what is due, every so often and when this process has queued something, until ctx ends. Any number of
// processes may run it on one database.
func (r *Runner) Run(ctx context.Context, every time.Duration) {
	var sending sync.WaitGroup
	defer sending.Wait()
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		if err := r.dispatch(ctx, &sending); err != nil && ctx.Err() == nil {
			r.deps.Log.Error("deliveries cannot be read", "cause", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-r.wake:
		}
	}
}

// Deliver sends what is due now, and returns when each was answered or put off.
func (r *Runner) Deliver(ctx context.Context) error {
	var sending sync.WaitGroup
	defer sending.Wait()
	return r.dispatch(ctx, &sending)
}

// Wake makes Run look at once. It does not wait.
func (r *Runner) Wake() {
	select {
	case r.wake <- struct{}{}:
	default: // a look is to come already
	}
}

// dispatch claims all that is due, as far as there is room for it. Each delivery waits for its turn among those for
// the same client, so that one which does not answer holds up nobody else's; what finds no room there is put off.
func (r *Runner) dispatch(ctx context.Context, sending *sync.WaitGroup) error {
	for len(r.names) > 0 {
		room := r.lanes.room()
		if room == 0 {
			return nil // whoever finishes wakes us
		}
		due, err := r.deps.Store.ClaimDeliveries(ctx, r.names, r.now(), lease, room)
		for _, d := range due {
			r.start(ctx, sending, d)
		}
		if err != nil || len(due) < room {
			return err
		}
	}
	return nil
}

// start puts a claimed delivery in its lane.
func (r *Runner) start(ctx context.Context, sending *sync.WaitGroup, d oauth.Delivery) {
	kind, known := r.kinds[d.Kind]
	lane := laneOf(kind, d)
	switch {
	case !known: // a newer process, or an older one, knows
		r.postpone(ctx, kind, d, "this process does not know how to send this kind")
		return
	case !r.lanes.enter(lane):
		r.postpone(ctx, kind, d, "too many wait for this receiver")
		return
	}
	sending.Go(func() {
		r.takeTurn(ctx, lane, kind, d)
		if r.lanes.leave(lane) {
			r.Wake()
		}
	})
}

// takeTurn attempts the delivery when the lane lets it. Who waits for too long has lost the claim: it comes again.
func (r *Runner) takeTurn(ctx context.Context, lane laneName, kind Kind, d oauth.Delivery) {
	waiting, cancel := context.WithTimeout(ctx, lease/2)
	defer cancel()
	done, ok := r.lanes.turn(waiting, lane)
	if !ok {
		return
	}
	defer done()
	r.attempt(ctx, kind, d)
}

// now is the present time as every database keeps it.
func (r *Runner) now() time.Time { return r.deps.Clock().UTC().Truncate(time.Microsecond) }
