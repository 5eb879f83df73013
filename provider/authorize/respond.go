package authorize

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"signet/provider/audit"
	"signet/provider/oauth"
	"signet/provider/web"
)

// Values of response_mode (OAuth 2.0 Multiple Response Type Encoding Practices section 2.1, OAuth 2.0
// Form Post Response Mode section 2).
const (
	modeQuery    = "query"
	modeFragment = "fragment"
	modeFormPost = "form_post"
)

// responder carries the answer's parameters to the client through the browser.
type responder func(e *Endpoint, w http.ResponseWriter, r *http.Request, d destination, answer url.Values)

// responders is the registry of response modes.
func responders() map[string]responder {
	return map[string]responder{
		modeQuery: func(_ *Endpoint, w http.ResponseWriter, _ *http.Request, d destination, answer url.Values) {
			web.SeeOther(w, withQuery(d.redirectURI, answer))
		},
		modeFragment: func(_ *Endpoint, w http.ResponseWriter, _ *http.Request, d destination, answer url.Values) {
			web.SeeOther(w, d.redirectURI+"#"+answer.Encode())
		},
		modeFormPost: func(e *Endpoint, w http.ResponseWriter, r *http.Request, d destination, answer url.Values) {
			e.deps.FormPostPage(w, r, d.client.Name, d.redirectURI, answer)
		},
	}
}

// ResponseModes are the values of response_mode that the endpoint serves, for discovery.
func ResponseModes() []string { return slices.Sorted(maps.Keys(responders())) }

// respond sends an answer with the request's state and the issuer (RFC 9207 section 2), which every
// answer carries.
func (e *Endpoint) respond(w http.ResponseWriter, r *http.Request, d destination, answer url.Values) {
	answer.Set("iss", e.deps.Issuer)
	if d.state != "" {
		answer.Set("state", d.state)
	}
	responders()[d.mode](e, w, r, d, answer)
}

// respondError sends an error to the client (RFC 6749 section 4.1.2.1).
func (e *Endpoint) respondError(w http.ResponseWriter, r *http.Request, d destination, err error) {
	shown := web.Public(err)
	web.NotesOf(r.Context()).Error = shown.Code
	answer := url.Values{"error": {string(shown.Code)}}
	if shown.Description != "" {
		answer.Set("error_description", shown.Description)
	}
	level := slog.LevelInfo
	if shown.Code == oauth.ServerError || shown.Code == oauth.TemporarilyUnavailable {
		level = slog.LevelError
	}
	e.deps.Log.Log(r.Context(), level, "authorization refused",
		"request_id", web.RequestID(r.Context()), "client_id", d.client.ID, "err", err)
	e.respond(w, r, d, answer)
}

// refuse is respondError for a request that commits nothing: its audit entry goes through the queue. What nobody
// who is logged in has sent is only logged: strangers must not be able to fill the audit log.
func (e *Endpoint) refuse(w http.ResponseWriter, r *http.Request, d destination, err error) {
	if current, sessionErr := e.deps.Sessions.Current(r); sessionErr == nil && current != nil {
		e.recordRefusal(r.Context(), d, current.User.ID, web.Public(err).Code)
	}
	e.respondError(w, r, d, err)
}

// recordRefusal cannot deny more than is denied already when the queue is full; it says so in the log.
func (e *Endpoint) recordRefusal(ctx context.Context, d destination, userID string, code oauth.Code) {
	entry, err := e.recorder.Entry(audit.CodeRefused, oauth.AuditEntry{
		RequestID: web.RequestID(ctx), ClientID: d.client.ID, Subject: userID, Detail: map[string]any{"error": string(code)},
	})
	if err == nil {
		err = e.deps.Audit.Add(ctx, entry)
	}
	if err != nil {
		e.deps.Log.ErrorContext(ctx, "audit entry lost", "event", audit.CodeRefused, "request_id", web.RequestID(ctx), "err", err)
	}
}

// withQuery appends to a URI that may have a query already, which stays as it is (RFC 6749 section 3.1.2).
func withQuery(uri string, answer url.Values) string {
	switch {
	case !strings.Contains(uri, "?"):
		return uri + "?" + answer.Encode()
	case strings.HasSuffix(uri, "?"), strings.HasSuffix(uri, "&"):
		return uri + answer.Encode()
	default:
		return uri + "&" + answer.Encode()
	}
}
