package policy

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
)

var errTooSlow = errors.New("the evaluation took longer")

// decide evaluates the prepared query once, the one about registrations for one, and reads its result.
func (r *rules) decide(ctx context.Context, in *Input, timeout time.Duration) (Decision, error) {
	query, read := r.query, readDecision
	if in.Registration != nil {
		query, read = r.registration, readRegistration
	}
	document, err := r.evaluate(ctx, query, in, timeout)
	if err != nil {
		return Decision{}, err
	}
	decision, err := read(document, &in.Grant)
	if err != nil {
		return Decision{}, err
	}
	decision.Revision = r.revision
	return decision, nil
}

func (r *rules) evaluate(ctx context.Context, query rego.PreparedEvalQuery, in *Input, timeout time.Duration) (document *ast.Term, err error) {
	defer func() {
		if p := recover(); p != nil {
			document, err = nil, fmt.Errorf("the evaluator failed: %v", p)
		}
	}()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	input, err := in.value()
	if err != nil {
		return nil, err
	}
	limit := newLimit(ctx, timeout)
	defer limit.release()

	var own [8]rego.EvalOption
	options := append(own[:0], r.options...)
	options = append(options,
		rego.EvalParsedInput(input),
		rego.EvalTime(in.Request.Time),
		rego.EvalExternalCancel(limit))
	results, err := query.Eval(ctx, options...)
	if limit.Cancelled() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("%w than %v", errTooSlow, timeout)
	}
	if err != nil {
		return nil, err
	}
	if len(results) != 1 || len(results[0].Expressions) != 1 {
		return nil, errors.New("the decision is undefined for this input")
	}
	document, ok := results[0].Expressions[0].Value.(*ast.Term)
	if !ok {
		return nil, errors.New("the decision has an unexpected form")
	}
	return document, nil
}

// limit ends an evaluation when its time is up or nobody waits for it any more. It spares the goroutine
// that OPA would start per evaluation to watch the context.
type limit struct {
	ctx     context.Context
	expired atomic.Bool
	timer   *time.Timer
}

func newLimit(ctx context.Context, timeout time.Duration) *limit {
	l := &limit{ctx: ctx}
	l.timer = time.AfterFunc(timeout, l.Cancel)
	return l
}

// Cancel implements topdown.Cancel.
func (l *limit) Cancel() { l.expired.Store(true) }

// Cancelled implements topdown.Cancel; the evaluator asks before each expression.
func (l *limit) Cancelled() bool { return l.expired.Load() || l.ctx.Err() != nil }

func (l *limit) release() { l.timer.Stop() }
