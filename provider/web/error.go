package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"signet/provider/oauth"
)

const (
	realm = "signet"
	// retryAfter is what a temporarily_unavailable client is asked to wait, in seconds.
	retryAfter = "2"
	// maxDescription bounds error_description, in bytes, before the decision id is added.
	maxDescription = 2000
)

// StatusOf is the HTTP status of an error code; 400 unless a specification says otherwise (RFC 6749 section 5.2, RFC 6750
// section 3.1, RFC 9470 section 3, RFC 9110).
func StatusOf(code oauth.Code) int {
	switch code {
	case oauth.InvalidClient, oauth.InvalidToken, oauth.InsufficientUserAuth:
		return http.StatusUnauthorized
	case oauth.InsufficientScope:
		return http.StatusForbidden
	case oauth.NotFound:
		return http.StatusNotFound
	case oauth.MethodNotAllowed:
		return http.StatusMethodNotAllowed
	case oauth.PayloadTooLarge:
		return http.StatusRequestEntityTooLarge
	case oauth.ServerError:
		return http.StatusInternalServerError
	case oauth.TemporarilyUnavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusBadRequest
	}
}

// errorBody is RFC 6749 section 5.2 with the id under which the log has the cause.
type errorBody struct {
	Error       oauth.Code `json:"error,omitempty"`
	Description string     `json:"error_description,omitempty"`
	URI         string     `json:"error_uri,omitempty"`
	RequestID   string     `json:"request_id,omitempty"`
}

// Hints are private causes that carry what a header of the answer needs.
type (
	allowHint  struct{ methods string }
	scopeHint  struct{ scope string }
	headerHint struct{}
)

func (h allowHint) Error() string { return "allowed: " + h.methods }
func (h scopeHint) Error() string { return "needed scope: " + h.scope }
func (headerHint) Error() string  { return "request header fields too large" }

// MethodNotAllowed is the error for a request whose method is none of allow; the answer lists them
// (RFC 9110 section 15.5.6).
func MethodNotAllowed(allow ...string) *oauth.Error {
	methods := strings.Join(allow, ", ")
	return oauth.Errorf(oauth.MethodNotAllowed, "the method must be %s", strings.Join(allow, " or ")).
		Because(allowHint{methods})
}

// InsufficientScope is the error for a token that lacks the scope; the answer names it
// (RFC 6750 section 3.1).
func InsufficientScope(scope string) *oauth.Error {
	return oauth.Errorf(oauth.InsufficientScope, "the access token does not have the scope that is needed").
		Because(scopeHint{scope})
}

// Public returns the error as the client may see it: the *[oauth.Error] within err, what a lost race
// means, or server_error for anything unknown. Its Cause is still private. Pages and redirects that
// show an error take it from here; its Description has only the characters of RFC 6749 section 5.2.
func Public(err error) *oauth.Error {
	known := classify(err)
	shown := *known
	if shown.Code == oauth.ServerError {
		shown.Description = "" // its maker may have described internals
	}
	shown.Description = describe(shown.Description, shown.Decision)
	return &shown
}

// ErrorURI is the error_uri of an error of the request: where people read about its code (RFC 6749 sections 4.1.2.1 and
// 5.2). It is "" where the server has no such page, and for what is no error.
func ErrorURI(ctx context.Context, code oauth.Code) string {
	info, ok := ctx.Value(requestKey{}).(*requestInfo)
	if !ok || info.docs == "" || code == "" {
		return ""
	}
	return info.docs + "#" + string(code)
}

func classify(err error) *oauth.Error {
	var known *oauth.Error
	var lost *oauth.Conflict
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &known):
		if known == nil { // a nil *oauth.Error in an error: the caller's mistake
			return &oauth.Error{Code: oauth.ServerError}
		}
		return known
	case errors.As(err, &lost):
		return lost.ConflictError()
	case errors.As(err, &large):
		return tooLarge()
	case errors.Is(err, oauth.ErrUnavailable):
		return oauth.Errorf(oauth.TemporarilyUnavailable, "the request cannot be completed at present").Because(err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return oauth.Errorf(oauth.TemporarilyUnavailable, "the request took too long").Because(err)
	default:
		return (&oauth.Error{Code: oauth.ServerError}).Because(err)
	}
}

// WriteError answers with the error in the form of RFC 6749 section 5.2 and logs its cause under the
// request id. Access token errors are answered as [WriteBearerError] does.
func WriteError(w http.ResponseWriter, r *http.Request, log *slog.Logger, err error) {
	shown := Public(err)
	NotesOf(r.Context()).Error = shown.Code
	switch shown.Code {
	case oauth.InvalidToken, oauth.InsufficientScope:
		writeChallenge(w, r, log, shown, nil)
	default:
		write(w, r, log, shown)
	}
}

// WritePlainError is [WriteError] for an endpoint whose specification allows nothing in the body but error,
// error_description and error_uri (CIBA Core section 13): the request id is in the X-Request-Id header alone.
func WritePlainError(w http.ResponseWriter, r *http.Request, log *slog.Logger, err error) {
	shown := Public(err)
	NotesOf(r.Context()).Error = shown.Code
	status := writeHeaders(w.Header(), shown)
	logError(r, log, status, shown)
	NoStore(w.Header())
	WriteJSON(w, status, errorBody{Error: shown.Code, Description: shown.Description, URI: ErrorURI(r.Context(), shown.Code)})
}

func write(w http.ResponseWriter, r *http.Request, log *slog.Logger, shown *oauth.Error) {
	writeStatus(w, r, log, shown, writeHeaders(w.Header(), shown))
}

// writeHeaders sets what the error needs and returns its status.
func writeHeaders(h http.Header, shown *oauth.Error) int {
	status := StatusOf(shown.Code)
	switch shown.Code {
	case oauth.InvalidClient: // a 401 must have a challenge; Basic is the one scheme clients have (RFC 6749 section 5.2)
		h.Set("WWW-Authenticate", `Basic realm="`+realm+`", charset="UTF-8"`)
	case oauth.MethodNotAllowed:
		var allow allowHint
		errors.As(shown.Cause, &allow)
		h.Set("Allow", allow.methods) // an empty list is valid, too
	case oauth.PayloadTooLarge:
		if errors.As(shown.Cause, new(headerHint)) {
			status = http.StatusRequestHeaderFieldsTooLarge
		}
		h.Set("Connection", "close") // the rest of the body is not worth reading
	case oauth.TemporarilyUnavailable:
		h.Set("Retry-After", retryAfter)
	}
	return status
}

func writeStatus(w http.ResponseWriter, r *http.Request, log *slog.Logger, shown *oauth.Error, status int) {
	logError(r, log, status, shown)
	NoStore(w.Header())
	ctx := r.Context()
	WriteJSON(w, status, errorBody{shown.Code, shown.Description, ErrorURI(ctx, shown.Code), RequestID(ctx)})
}

// logError logs the cause. A refused proof is a warning: a series of them is an attack.
func logError(r *http.Request, log *slog.Logger, status int, e *oauth.Error) {
	level := slog.LevelInfo
	switch {
	case errors.Is(e.Cause, context.Canceled): // the client went away
	case status >= http.StatusInternalServerError:
		level = slog.LevelError
	case e.Code == oauth.InvalidClient, e.Code == oauth.InvalidDPoPProof:
		level = slog.LevelWarn
	}
	if !log.Enabled(r.Context(), level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("request_id", RequestID(r.Context())),
		slog.Int("status", status),
		slog.String("error", string(e.Code)),
		slog.String("error_description", e.Description),
		ifAny("decision_id", e.Decision),
		ifAny("trace_id", NotesOf(r.Context()).Trace),
	}
	if e.Cause != nil {
		attrs = append(attrs, slog.String("cause", e.Cause.Error()))
	}
	log.LogAttrs(r.Context(), level, "refused", attrs...)
}

// describe makes an error_description of the characters that RFC 6749 section 5.2 allows.
func describe(text, decision string) string {
	if len(text) > maxDescription {
		text = text[:maxDescription]
	}
	text = printable(text)
	if decision == "" {
		return text
	}
	return strings.TrimLeft(text+" (decision "+printable(decision)+")", " ")
}

// printable replaces every character outside %x20-21 / %x23-5B / %x5D-7E.
func printable(text string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c == '"':
			return '\''
		case c == '\\' || c < ' ' || c > '~':
			return '?'
		default:
			return c
		}
	}, text)
}
