package web

import (
	"context"
	"log/slog"
	"net/http"

	"signet/provider/oauth"
)

// Notes is what is learnt about a request while it is answered, for the log and for who measures. Only the
// request's own goroutine may write it.
type Notes struct {
	Error    oauth.Code // of the answer, also where it went to the client by redirect; "" = none
	Decision string     // id of the policy's decision
	Trace    string     // id of the trace, if the request is traced
}

// NotesOf returns the notes of the context's request. Outside of any they are nobody's.
func NotesOf(ctx context.Context) *Notes {
	if info, ok := ctx.Value(requestKey{}).(*requestInfo); ok {
		return &info.notes
	}
	return &Notes{}
}

// Observer is told when a request begins; what it returns goes on with the request, and is told the answer's
// status at the end, when the notes are complete. A panic is no exception.
type Observer func(ctx context.Context, r *http.Request) (context.Context, func(status int))

// begin calls the observer, if there is one.
func (o Observer) begin(ctx context.Context, r *http.Request) (context.Context, func(status int)) {
	if o == nil {
		return ctx, func(int) {}
	}
	return o(ctx, r)
}

// ifAny is an attribute, or the empty one, which handlers leave out.
func ifAny(key, value string) slog.Attr {
	if value == "" {
		return slog.Attr{}
	}
	return slog.String(key, value)
}
