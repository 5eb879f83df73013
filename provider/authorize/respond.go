package authorize

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/url"

	"signet/provider/audit"
	"signet/provider/oauth"
	"signet/provider/web"
)

// sealed is an answer that is ready to be sent: complete and, if its mode is one of JARM's, signed and, where the client
// has registered that, encrypted.
type sealed struct{ fields url.Values }

// seal completes an answer with the request's state and the issuer (RFC 9207 section 2), which every answer
// carries. Whatever can fail about an answer fails here, before anything is committed.
func (e *Endpoint) seal(ctx context.Context, d destination, answer url.Values) (sealed, error) {
	answer.Set("iss", e.deps.Issuer)
	if d.state != "" {
		answer.Set("state", d.state)
	}
	if !secured(d.mode) {
		return sealed{answer}, nil
	}
	jwt, err := e.deps.Issue.Response(ctx, d.client, d.profile.SigningAlgs, answer, e.deps.Clock(), e.deps.ResponseLifetime)
	if err != nil {
		return sealed{}, err
	}
	return sealed{url.Values{"response": {jwt}}}, nil
}

// respond sends an answer.
func (e *Endpoint) respond(w http.ResponseWriter, r *http.Request, d destination, answer sealed) {
	modes()[d.mode](e, w, r, d, answer.fields)
}

// respondError sends an error to the client (RFC 6749 section 4.1.2.1). One that cannot be signed as the client
// asked is shown to the user instead.
func (e *Endpoint) respondError(w http.ResponseWriter, r *http.Request, d destination, err error) {
	answer, sealErr := e.sealError(r.Context(), d, err)
	if sealErr != nil {
		e.deps.ErrorPage(w, r, errors.Join(err, sealErr))
		return
	}
	e.logRefusal(r.Context(), d, err)
	e.respond(w, r, d, answer)
}

func (e *Endpoint) sealError(ctx context.Context, d destination, err error) (sealed, error) {
	shown := web.Public(err)
	answer := url.Values{"error": {string(shown.Code)}}
	if shown.Description != "" {
		answer.Set("error_description", shown.Description)
	}
	if uri := web.ErrorURI(ctx, shown.Code); uri != "" {
		answer.Set("error_uri", uri)
	}
	return e.seal(ctx, d, answer)
}

func (e *Endpoint) logRefusal(ctx context.Context, d destination, err error) {
	code := web.Public(err).Code
	web.NotesOf(ctx).Error = code
	level := slog.LevelInfo
	if failure(code) {
		level = slog.LevelError
	}
	e.deps.Log.Log(ctx, level, "authorization refused", "request_id", web.RequestID(ctx), "client_id", d.client.ID, "err", err)
}

// refuse answers a request with an error, and so ends it: what waits for the answer is used up before it is sent. A
// failure of ours ends nothing, since the same request may succeed in a moment.
func (e *Endpoint) refuse(w http.ResponseWriter, r *http.Request, p progress, err error) {
	answer, sealErr := e.sealError(r.Context(), p.destination, err)
	if sealErr != nil {
		e.deps.ErrorPage(w, r, errors.Join(err, sealErr))
		return
	}
	var lost *oauth.Conflict
	switch endErr := e.end(r, p, err); {
	case errors.As(endErr, &lost): // the client has its answer already
		e.deps.ErrorPage(w, r, endErr)
		return
	case endErr != nil:
		e.respondError(w, r, p.destination, endErr)
		return
	}
	if p.ticket != nil && !failure(web.Public(err).Code) {
		p.ticket.Drop(w)
	}
	e.logRefusal(r.Context(), p.destination, err)
	e.respond(w, r, p.destination, answer)
}

// failure says whether the error is this server's fault.
func failure(code oauth.Code) bool {
	return code == oauth.ServerError || code == oauth.TemporarilyUnavailable
}

// end commits that the request was refused. Where nothing is to be committed, its audit entry goes through the queue.
// What nobody who is logged in has sent is only logged: strangers must not be able to fill the audit log.
func (e *Endpoint) end(r *http.Request, p progress, why error) error {
	shown, detail := web.Public(why), map[string]any{}
	var refusal *oauth.Refusal
	if errors.As(why, &refusal) { // policy's, of an access token in the answer
		maps.Copy(detail, refusal.Detail)
	}
	detail["error"] = string(shown.Code)
	about := oauth.AuditEntry{
		RequestID: web.RequestID(r.Context()), ClientID: p.client.ID, DecisionID: shown.Decision, Detail: detail,
	}
	current, err := e.deps.Sessions.Current(r)
	known := err == nil && current != nil
	if known {
		about.Subject = current.User.ID
	}
	changes := p.answered(e.deps.Clock())
	if len(changes) == 0 || failure(shown.Code) {
		if known {
			e.recordRefusal(r.Context(), about)
		}
		return nil
	}
	if known {
		entry, err := e.recorder.Change(audit.CodeRefused, about)
		if err != nil {
			return err
		}
		changes = append(changes, entry)
	}
	return e.deps.Store.Commit(r.Context(), changes...)
}

// recordRefusal cannot deny more than is denied already when the queue is full; it says so in the log.
func (e *Endpoint) recordRefusal(ctx context.Context, about oauth.AuditEntry) {
	entry, err := e.recorder.Entry(audit.CodeRefused, about)
	if err == nil {
		err = e.deps.Audit.Add(ctx, entry)
	}
	if err != nil {
		e.deps.Log.ErrorContext(ctx, "audit entry lost", "event", audit.CodeRefused, "request_id", web.RequestID(ctx), "err", err)
	}
}
