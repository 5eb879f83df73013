package authorize

import (
	"net/http"

	"signet/provider/audit"
	"signet/provider/oauth"
	"signet/provider/session"
	"signet/provider/web"
)

// Resume handles Deps.ResumePath: GET goes on with a waiting request after a login, POST takes the user's
// answer to the consent page. Both need the ticket that the browser got when the request was parked.
func (e *Endpoint) Resume() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodPost {
			e.deps.ErrorPage(w, r, web.MethodNotAllowed(http.MethodGet, http.MethodPost))
			return
		}
		if err := e.origin.Check(r); err != nil {
			e.deps.ErrorPage(w, r, oauth.Errorf(oauth.InvalidRequest, "the form was sent from another site").Because(err))
			return
		}
		p, err := e.resume(r)
		if err != nil {
			e.deps.ErrorPage(w, r, err)
			return
		}
		if r.Method == http.MethodPost {
			e.answer(w, r, p)
			return
		}
		e.advance(w, r, p)
	})
}

// resume finds the waiting request whose ticket the browser holds, and judges its client again: minutes
// may have passed.
func (e *Endpoint) resume(r *http.Request) (progress, error) {
	waiting, ticket, err := session.Waiting(r, e.deps.Store, e.deps.Clock)
	if err != nil {
		return progress{}, err
	}
	who, err := e.client(r.Context(), waiting.Request.ClientID)
	if err != nil {
		return progress{}, err
	}
	to, err := e.destinationOf(who, waiting.Request)
	if err != nil {
		return progress{}, err
	}
	return progress{destination: to, waiting: waiting, ticket: &ticket}, nil
}

// answer takes the user's decision. Approval counts only from the person, and the session, that the page
// named; anybody who holds the ticket may deny, before logging in too.
func (e *Endpoint) answer(w http.ResponseWriter, r *http.Request, p progress) {
	form, fault := web.ParseForm(w, r)
	if fault != nil {
		e.deps.ErrorPage(w, r, fault)
		return
	}
	current, settled, err := e.present(r, p.waiting)
	if err != nil {
		e.deps.ErrorPage(w, r, err)
		return
	}
	var user *oauth.EndUser
	if current != nil {
		user, p.ends = &current.User, current.ExpiresAt
	}
	switch form.Get(session.FieldDecision) {
	case session.DecisionDeny:
		e.deny(w, r, p, user)
	case session.DecisionApprove:
		if !settled || form.Get(session.FieldSession) != user.SessionID {
			// Somebody else is logged in by now, or nobody: ask again rather than guess.
			web.SeeOther(w, session.PageURL(e.deps.ResumePath, p.waiting.Digest))
			return
		}
		e.approve(w, r, p, *user)
	default:
		e.deps.ErrorPage(w, r, oauth.Errorf(oauth.InvalidRequest, "decision must be approve or deny"))
	}
}

// deny ends the request without a code (RFC 6749 section 4.1.2.1, access_denied). What nobody who is logged in has
// denied is only logged: strangers must not be able to fill the audit log.
func (e *Endpoint) deny(w http.ResponseWriter, r *http.Request, p progress, user *oauth.EndUser) {
	denial := oauth.Errorf(oauth.AccessDenied, "the user denied the request")
	answer, err := e.sealError(r.Context(), p.destination, denial)
	if err != nil {
		e.deps.ErrorPage(w, r, err)
		return
	}
	changes := p.answered(e.deps.Clock())
	if user != nil {
		var entry oauth.Change
		entry, err = e.recorder.Change(audit.ConsentDenied, oauth.AuditEntry{
			RequestID: web.RequestID(r.Context()), ClientID: p.client.ID, Subject: user.ID,
			Detail: map[string]any{"scope": p.waiting.Request.Scope.String()},
		})
		changes = append(changes, entry)
	}
	if err == nil {
		err = e.deps.Store.Commit(r.Context(), changes...)
	}
	if err != nil {
		e.deps.ErrorPage(w, r, err)
		return
	}
	p.ticket.Drop(w)
	e.logRefusal(r.Context(), p.destination, denial)
	e.respond(w, r, p.destination, answer)
}
