package telemetry

import (
	"context"
	"errors"
	"time"

	"signet/provider/oauth"
)

// Part is an operation under way: a read, a commit, a signature. Its duration goes into a histogram, and it is a
// span where the request is traced.
type Part struct {
	Trace
	t     *Telemetry
	name  Name
	start time.Time
}

// Begin begins an operation. The context is for what happens within it.
func (t *Telemetry) Begin(ctx context.Context, name Name, span Span) (context.Context, Part) {
	p := Part{t: t, name: name, start: t.clock()}
	ctx, p.Trace = t.startChild(ctx, span)
	return ctx, p
}

// End ends it. labels are those of the histogram, the outcome last.
func (p Part) End(labels ...string) {
	outcome := labels[len(labels)-1]
	p.Set(AttrOutcome, outcome)
	if outcome == Unavailable || outcome == Failed {
		p.Fail(outcome)
	}
	p.Trace.End()
	p.t.Observe(p.name, p.t.clock().Sub(p.start), labels...)
}

// OutcomeOf classifies what a store, key backend or queue has answered.
func OutcomeOf(err error) string {
	var known *oauth.Error
	switch {
	case err == nil:
		return OK
	case errors.Is(err, oauth.ErrNotFound):
		return NotFound
	case errors.As(err, new(*oauth.Conflict)):
		return Conflict
	case errors.Is(err, oauth.ErrUnavailable):
		return Unavailable
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return Canceled
	case errors.As(err, &known) && known.Code == oauth.TemporarilyUnavailable:
		return Unavailable
	default:
		return Failed
	}
}
