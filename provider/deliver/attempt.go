package deliver

import (
	"context"
	"time"

	"signet/provider/oauth"
)

// firstRetry doubles with each attempt, up to lastRetry.
const firstRetry, lastRetry = 2 * time.Second, time.Minute

// attempt sends one delivery and records what came of it. Nothing is recorded when the process is told to stop:
// the lease ends by itself.
func (r *Runner) attempt(ctx context.Context, kind Kind, d oauth.Delivery) {
	attempt, cancel := context.WithTimeout(ctx, lease/2)
	defer cancel()
	result := kind.Send(attempt, d)
	if ctx.Err() != nil {
		return
	}
	d.Attempts++
	log := r.deps.Log.With(
		"delivery", d.ID, "kind", d.Kind, "client_id", d.ClientID, "attempts", d.Attempts, "status", result.Status,
	)
	next := r.now().Add(backoff(d.Attempts))
	switch {
	case result.Verdict == Done:
		log.InfoContext(ctx, "delivered")
		r.end(ctx, kind, d, End{Delivered: true, Status: result.Status})
	case result.Verdict == Refused:
		log.WarnContext(ctx, "delivery given up: it was refused", "cause", result.Cause)
		r.end(ctx, kind, d, End{Status: result.Status, Reason: "it was refused"})
	case !next.Before(d.ExpiresAt):
		log.WarnContext(ctx, "delivery given up: its time is over", "cause", result.Cause)
		r.end(ctx, kind, d, End{Status: result.Status, Reason: "its time is over"})
	default:
		log.WarnContext(ctx, "delivery put off", "cause", result.Cause)
		r.note(ctx, d, oauth.RetryDelivery{ID: d.ID, NextAt: next, Attempts: d.Attempts})
	}
}

// postpone leaves a delivery that was not attempted to somebody else, or to a better moment, for as long as it counts.
func (r *Runner) postpone(ctx context.Context, kind Kind, d oauth.Delivery, why string) {
	log := r.deps.Log.With("delivery", d.ID, "kind", d.Kind, "client_id", d.ClientID, "cause", why)
	now := r.now()
	if !now.Before(d.ExpiresAt) {
		log.WarnContext(ctx, "delivery given up: its time is over")
		r.end(ctx, kind, d, End{Reason: "its time is over"})
		return
	}
	log.DebugContext(ctx, "delivery put off, not attempted")
	r.note(ctx, d, oauth.RetryDelivery{ID: d.ID, NextAt: now.Add(firstRetry), Attempts: d.Attempts})
}

// end removes a delivery, in one commit with what its kind has to say about that.
func (r *Runner) end(ctx context.Context, kind Kind, d oauth.Delivery, end End) {
	changes := []oauth.Change{oauth.FinishDelivery{ID: d.ID}}
	if kind.End != nil {
		more, err := kind.End(d, end)
		if err != nil {
			r.deps.Log.ErrorContext(ctx, "a delivery cannot be ended", "delivery", d.ID, "cause", err)
			return // it comes again when the lease ends
		}
		changes = append(changes, more...)
	}
	r.note(ctx, d, changes...)
}

// note commits what became of a delivery.
func (r *Runner) note(ctx context.Context, d oauth.Delivery, changes ...oauth.Change) {
	if err := r.deps.Store.Commit(ctx, changes...); err != nil && ctx.Err() == nil {
		r.deps.Log.ErrorContext(ctx, "a delivery's outcome was not kept: it comes again", "delivery", d.ID, "cause", err)
	}
}

func backoff(attempts int) time.Duration {
	wait := firstRetry
	for range attempts - 1 {
		if wait *= 2; wait >= lastRetry {
			return lastRetry
		}
	}
	return wait
}
