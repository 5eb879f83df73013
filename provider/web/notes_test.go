package web

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"signet/provider/oauth"
)

// TestObserverSeesEachEnd ends requests in each way; the observer is told once, when the notes are complete.
func TestObserverSeesEachEnd(t *testing.T) {
	type key struct{}
	type seen struct {
		status int
		code   oauth.Code
	}
	for name, c := range map[string]struct {
		handle http.HandlerFunc
		path   string
		want   seen
	}{
		"answered": {func(http.ResponseWriter, *http.Request) {}, "/", seen{200, ""}},
		"refused": {func(w http.ResponseWriter, r *http.Request) {
			WriteError(w, r, slog.New(slog.DiscardHandler), oauth.Errorf(oauth.InvalidGrant, "no"))
		}, "/", seen{400, "invalid_grant"}},
		"bearer": {func(w http.ResponseWriter, r *http.Request) {
			WriteBearerError(w, r, slog.New(slog.DiscardHandler), oauth.Errorf(oauth.InvalidToken, "no"))
		}, "/", seen{401, "invalid_token"}},
		"panicked":  {func(http.ResponseWriter, *http.Request) { panic("x") }, "/", seen{500, "server_error"}},
		"too large": {func(http.ResponseWriter, *http.Request) {}, "/" + strings.Repeat("x", maxHeaderBytes), seen{431, "payload_too_large"}},
		"aborted":   {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "/", seen{200, ""}},
	} {
		t.Run(name, func(t *testing.T) {
			var ends []seen
			opts := options(slog.New(slog.DiscardHandler))
			opts.Observe = func(ctx context.Context, _ *http.Request) (context.Context, func(int)) {
				if RequestID(ctx) == "" {
					t.Error("the request has no name yet")
				}
				notes := NotesOf(ctx)
				return context.WithValue(ctx, key{}, true), func(status int) { ends = append(ends, seen{status, notes.Error}) }
			}
			h := func(w http.ResponseWriter, r *http.Request) {
				if r.Context().Value(key{}) == nil {
					t.Error("the observer's context is lost")
				}
				c.handle(w, r)
			}
			func() {
				defer func() { _ = recover() }()
				Wrap(http.HandlerFunc(h), opts).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, c.path, nil))
			}()
			if len(ends) != 1 || ends[0] != c.want {
				t.Errorf("%v, want %v", ends, c.want)
			}
		})
	}
}

func TestNotesAreLogged(t *testing.T) {
	log, logged := logger()
	h := func(w http.ResponseWriter, r *http.Request) {
		NotesOf(r.Context()).Decision, NotesOf(r.Context()).Trace = "d1", "t1"
		denied := oauth.Errorf(oauth.InvalidScope, "no")
		denied.Decision = "d1"
		WriteError(w, r, log, denied)
	}
	Wrap(http.HandlerFunc(h), options(log)).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	lines := strings.Split(strings.TrimSpace(logged.String()), "\n")
	if len(lines) != 2 {
		t.Fatalf("%q", lines)
	}
	for _, line := range lines {
		if !strings.Contains(line, "request_id=") || !strings.Contains(line, "decision_id=d1 trace_id=t1") {
			t.Error(line)
		}
	}
	NotesOf(t.Context()).Error = "x" // outside of a request: nobody's
}
