package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"signet/provider/oauth"
)

// maxHeaderBytes bounds a request's URL and header fields. A certificate chain in Client-Cert-Chain fits.
// net/http has its own, larger limit, whose answer has no request id.
const maxHeaderBytes = 64 << 10

// Door is the listener through which a request came.
type Door string

// The two doors (DESIGN section 3).
const (
	DoorMain Door = "main" // server-authenticated TLS
	DoorMTLS Door = "mtls" // asks for a client certificate
)

type requestKey struct{}

type requestInfo struct {
	id     string
	door   Door
	docs   string // see Options
	notes  Notes
	hidden int // how much of the path, from its end on, the access log does not tell
}

// WithRequest returns a context that carries a request's id and door, as [Wrap] makes it.
func WithRequest(ctx context.Context, id string, door Door) context.Context {
	return context.WithValue(ctx, requestKey{}, &requestInfo{id: id, door: door})
}

// HidePath keeps the end of the request's path, from after its prefix on, out of the access log: for the few paths that
// have a secret in them. Only the request's own goroutine may call it.
func HidePath(r *http.Request, prefix string) {
	if info, ok := r.Context().Value(requestKey{}).(*requestInfo); ok {
		info.hidden = len(strings.TrimPrefix(r.URL.Path, prefix))
	}
}

// RequestID returns the id under which the log has everything about this request, or "".
func RequestID(ctx context.Context) string {
	if info, ok := ctx.Value(requestKey{}).(*requestInfo); ok {
		return info.id
	}
	return ""
}

// DoorOf returns the door through which the request came, or "".
func DoorOf(ctx context.Context) Door {
	if info, ok := ctx.Value(requestKey{}).(*requestInfo); ok {
		return info.door
	}
	return ""
}

// Options are what [Wrap] needs. All but Sender, Observe and ErrorDocs are required.
type Options struct {
	Random oauth.Random
	Log    *slog.Logger
	Door   Door
	Clock  oauth.Clock
	// Sender is the address, with or without a port, that the access log tells of a request: nothing but an address,
	// whatever the request says. The default is the connection's, which behind a proxy is the proxy's.
	Sender  func(*http.Request) string
	Observe Observer
	// ErrorDocs is the page that describes the error codes, each under a fragment that is the code: an absolute URL without
	// a fragment, of the characters of RFC 6749 section 5.2. Errors then have an error_uri. "" = they have none.
	ErrorDocs string
}

// Wrap surrounds a door's handler: it names each request (an X-Request-Id that comes in is ignored), sets
// the headers that every answer has, answers a panic with server_error, and logs one line per request,
// without the query, which may hold secrets.
func Wrap(h http.Handler, opts Options) http.Handler {
	if opts.Sender == nil {
		opts.Sender = func(r *http.Request) string { return r.RemoteAddr }
	}
	always := http.Header{
		"X-Content-Type-Options":  {"nosniff"},
		"X-Frame-Options":         {"DENY"},
		"Referrer-Policy":         {"no-referrer"},
		"Content-Security-Policy": {"default-src 'none'; frame-ancestors 'none'"}, // pages set their own
	}
	strict := []string{"max-age=31536000"} // RFC 6797
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := opts.Clock()
		rec := &recorder{ResponseWriter: w, sender: opts.Sender(r)} // before a handler alters the header fields
		maps.Copy(rec.Header(), always)
		if !local(r.Host) {
			rec.Header()["Strict-Transport-Security"] = strict
		}
		id, err := oauth.NewID(opts.Random)
		info := &requestInfo{id: id, door: opts.Door, docs: opts.ErrorDocs}
		ctx, end := opts.Observe.begin(context.WithValue(r.Context(), requestKey{}, info), r)
		r = r.WithContext(ctx)
		defer func() { end(max(rec.status, http.StatusOK)) }()
		defer finish(rec, r, opts, start)
		if err != nil {
			WriteError(rec, r, opts.Log, fmt.Errorf("naming a request: %w", err))
			return
		}
		rec.Header()["X-Request-Id"] = []string{id}
		if headerSize(r) > maxHeaderBytes {
			WriteError(rec, r, opts.Log, oauth.Errorf(oauth.PayloadTooLarge,
				"the URL and header fields are larger than %d bytes", maxHeaderBytes).Because(headerHint{}))
			return
		}
		h.ServeHTTP(rec, r)
	})
}

// finish runs last, also when the handler panicked.
func finish(rec *recorder, r *http.Request, opts Options, start time.Time) {
	fault := recover()
	if err, ok := fault.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(fault)
	}
	if fault != nil {
		opts.Log.LogAttrs(r.Context(), slog.LevelError, "panic",
			slog.String("request_id", RequestID(r.Context())),
			slog.String("panic", fmt.Sprint(fault)),
			slog.String("stack", string(debug.Stack())))
		if rec.status != 0 {
			panic(http.ErrAbortHandler) // half an answer must not look whole
		}
		WriteError(rec, r, opts.Log, fmt.Errorf("panic: %v", fault))
	}
	logAccess(rec, r, opts, start)
}

func logAccess(rec *recorder, r *http.Request, opts Options, start time.Time) {
	level := slog.LevelInfo
	if rec.failure != nil {
		level = slog.LevelError
	}
	if !opts.Log.Enabled(r.Context(), level) {
		return
	}
	remote, _, err := net.SplitHostPort(rec.sender)
	if err != nil {
		remote = rec.sender
	}
	notes := NotesOf(r.Context())
	attrs := [...]slog.Attr{
		slog.String("request_id", RequestID(r.Context())),
		slog.String("door", string(opts.Door)),
		slog.String("remote", remote),
		slog.String("method", r.Method),
		slog.String("path", shownPath(r)),
		slog.Int("status", max(rec.status, http.StatusOK)),
		slog.Int64("bytes", rec.bytes),
		slog.Int64("took_us", opts.Clock().Sub(start).Microseconds()),
		ifAny("decision_id", notes.Decision),
		ifAny("trace_id", notes.Trace),
		{}, // the failure, if there was one
	}
	if rec.failure != nil {
		attrs[len(attrs)-1] = slog.String("failure", rec.failure.Error())
	}
	opts.Log.LogAttrs(r.Context(), level, "request", attrs[:]...)
}

// shownPath is as much of the path as the log tells.
func shownPath(r *http.Request) string {
	shown := r.URL.Path
	if info, ok := r.Context().Value(requestKey{}).(*requestInfo); ok && info.hidden > 0 {
		shown = shown[:max(0, len(shown)-info.hidden)]
	}
	return shown[:min(len(shown), 256)]
}

// local says whether the request was made to this machine by name. Strict-Transport-Security would
// then concern every other server that a developer runs there, as it knows no ports.
func local(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return host == "localhost" || host == "127.0.0.1" || host == "::1" || host == "[::1]"
}

func headerSize(r *http.Request) int {
	size := len(r.RequestURI)
	for name, values := range r.Header {
		for _, value := range values {
			size += len(name) + len(value)
		}
	}
	return size
}

// recorder remembers what the access log tells.
type recorder struct {
	http.ResponseWriter
	sender  string
	status  int
	bytes   int64
	failure error // what kept an answer from being written as intended
}

// WriteHeader implements http.ResponseWriter.
func (w *recorder) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK { // 1xx are not the answer
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements io.Writer.
func (w *recorder) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }
