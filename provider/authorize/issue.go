package authorize

import (
	"context"
	"errors"
	"net/http"
	"time"

	"signet/provider/audit"
	"signet/provider/oauth"
	"signet/provider/web"
)

// approve takes the user's approval. It counts for what the page showed; where a grant has been changed meanwhile by
// another request, the user is asked again.
func (e *Endpoint) approve(w http.ResponseWriter, r *http.Request, p progress, user oauth.EndUser) {
	o, err := e.foresee(r.Context(), p, e.deps.Clock())
	switch {
	case err != nil:
		e.uncommitted(w, r, p, err)
	case !o.shownIn(p.waiting):
		e.ask(w, r, p, o, &user)
	default:
		e.issue(w, r, p, o, user, true)
	}
}

// issue makes the code and the answer, commits all that they imply, and only then sends it (RFC 6749 section
// 4.1.2). given says that the user has just agreed on the consent page.
func (e *Endpoint) issue(w http.ResponseWriter, r *http.Request, p progress, o outcome, user oauth.EndUser, given bool) {
	user, err := e.settleACR(user, p.waiting.Request)
	if err != nil {
		e.uncommitted(w, r, p, err)
		return
	}
	code, changes, err := e.approval(r.Context(), p, o, user, given)
	if err != nil {
		e.uncommitted(w, r, p, err)
		return
	}
	answer, err := e.successful(r.Context(), p, user, code)
	if err == nil {
		err = e.deps.Store.Commit(r.Context(), changes...)
	}
	if err != nil {
		e.uncommitted(w, r, p, err)
		return
	}
	if p.ticket != nil {
		p.ticket.Drop(w)
	}
	e.respond(w, r, p.destination, answer)
}

// uncommitted answers a request whose commit failed. When it came second - the same form was sent twice, or a
// request_uri answered in two windows - the client has its answer already: one code only, and a page for this one.
func (e *Endpoint) uncommitted(w http.ResponseWriter, r *http.Request, p progress, err error) {
	var lost *oauth.Conflict
	if !errors.As(err, &lost) {
		e.refuse(w, r, p, err)
		return
	}
	if _, changed := lost.Change.(oauth.ReplaceGrant); changed { // by another request: this one has no answer yet
		e.refuse(w, r, p, lost.ConflictError())
		return
	}
	e.deps.ErrorPage(w, r, err)
}

// approval returns a new code and the one commit that makes it good.
func (e *Endpoint) approval(ctx context.Context, p progress, o outcome, user oauth.EndUser, given bool) (oauth.Secret, []oauth.Change, error) {
	code, err := oauth.NewSecret(e.deps.Random)
	if err != nil {
		return "", nil, err
	}
	req, now := p.waiting.Request, e.deps.Clock()
	grant, change, err := e.settle(o, req.GrantAction, user, now)
	if err != nil {
		return "", nil, err
	}
	// The code is good for the whole of the grant, which after a merge is more than was asked for now.
	granted := req
	granted.Scope, granted.Resources, granted.Details = grant.Scope, grant.Resources, grant.Details
	changes := append([]oauth.Change{change, oauth.StoreCode{Code: oauth.AuthorizationCode{
		Digest: code.Digest(), ClientID: p.client.ID, GrantID: grant.ID, Request: granted, User: user,
		Scope: grant.Scope, GrantSeen: grant.Version(), IssuedAt: now, ExpiresAt: e.codeUntil(p, now),
	}}}, p.answered(now)...)
	events := []audit.Event{audit.CodeIssued}
	if given {
		changes = append(changes, e.agreed(p.client, granted, user, now)...)
		events = []audit.Event{audit.ConsentGiven, audit.CodeIssued}
	}
	about := oauth.AuditEntry{
		RequestID: web.RequestID(ctx), ClientID: p.client.ID, Subject: user.ID, GrantID: grant.ID, Detail: describe(granted, user),
	}
	for _, event := range events {
		if event == audit.CodeIssued {
			about.Detail = withAnswer(about.Detail, req)
		}
		entry, err := e.recorder.Change(event, about)
		if err != nil {
			return "", nil, err
		}
		changes = append(changes, entry)
	}
	return code, changes, nil
}

// agreed are the changes that remember an approval for as long as the page said. After the approval of a replacement
// the user agrees to nothing else any more, or the next request could silently bring back what was ended.
func (e *Endpoint) agreed(client *oauth.Client, granted oauth.AuthorizationRequest, user oauth.EndUser, now time.Time) []oauth.Change {
	var changes []oauth.Change
	if granted.GrantAction == oauth.GrantReplace {
		changes = append(changes, oauth.ForgetConsent{UserID: user.ID, ClientID: client.ID})
	}
	until := now.Add(e.deps.Lasts(client, granted.Scope))
	return append(changes, oauth.RememberConsent{Consent: oauth.Consent{
		UserID: user.ID, ClientID: client.ID, Agreed: oauth.Agreement(granted.Scope, granted.Resources, until), At: now,
	}})
}

// answered are the changes that end the request, whatever its answer.
func (p progress) answered(now time.Time) []oauth.Change {
	var changes []oauth.Change
	if p.ticket != nil {
		changes = append(changes, oauth.FinishInteraction{Digest: p.waiting.Digest})
	}
	if p.waiting.Pushed != (oauth.Digest{}) {
		changes = append(changes, oauth.UsePushed{Digest: p.waiting.Pushed, At: now})
	}
	return changes
}

// describe is what the audit log keeps of what was agreed to.
func describe(req oauth.AuthorizationRequest, user oauth.EndUser) map[string]any {
	detail := map[string]any{"scope": req.Scope.String(), "resources": req.Resources, "acr": user.ACR}
	if len(req.Details) > 0 {
		detail["authorization_details"] = req.Details
	}
	if req.GrantAction != "" {
		detail["grant_management_action"] = string(req.GrantAction)
	}
	return detail
}
