package store

import (
	"context"
	"errors"

	"signet/provider/oauth"
)

// fault is a failure of the database or of its driver. Unless the database refused what it was given, it
// is an [oauth.ErrUnavailable]: the same request may succeed later.
type fault struct {
	kind faultKind
	err  error
}

// faultKind says what a failure means for the transaction and for its connection.
type faultKind int

const (
	broken    faultKind = iota // something is wrong that repeating does not mend at once
	refused                    // a constraint or a type: this statement can never succeed
	duplicate                  // a primary or unique key is taken; the statement changed nothing
	undone                     // rolled back for another transaction's sake: to be executed again
	blocked                    // waited too long for a lock: of this statement's making, others need not wait for it
	lost                       // the connection or its server is of no more use
)

func (f *fault) Error() string { return f.err.Error() }

func (f *fault) Unwrap() []error {
	if f.kind == refused || f.kind == duplicate {
		return []error{f.err}
	}
	return []error{oauth.ErrUnavailable, f.err}
}

// faultOf returns what kind of failure err is, and whether it is one of the database at all.
func faultOf(err error) (faultKind, bool) {
	if err == nil {
		return broken, false
	}
	var f *fault
	if !errors.As(err, &f) {
		return broken, false
	}
	return f.kind, true
}

// passing says that the same transaction may succeed when it is executed again.
func passing(err error) bool {
	kind, ok := faultOf(err)
	return ok && (kind == undone || kind == lost)
}

// ended tells the end of the caller's context from a failure of the database.
func ended(ctx context.Context, err error) bool {
	return ctx.Err() != nil && (errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx)))
}
