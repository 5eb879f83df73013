package authorize

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"signet/provider/audit"
	"signet/provider/oauth"
	"signet/provider/web"
)

// issue makes the code, commits it together with all that it implies, and only then sends it
// (RFC 6749 section 4.1.2). given says that the user has just agreed on the consent page.
func (e *Endpoint) issue(w http.ResponseWriter, r *http.Request, p progress, user oauth.EndUser, given bool) {
	code, changes, err := e.approval(r.Context(), p, user, given)
	if err == nil {
		err = e.deps.Store.Commit(r.Context(), changes...)
	}
	if err != nil {
		e.uncommitted(w, r, p.destination, err)
		return
	}
	if p.ticket != nil {
		p.ticket.Drop(w)
	}
	e.respond(w, r, p.destination, url.Values{"code": {code.Reveal()}})
}

// uncommitted answers a request whose commit failed. When it came second - the same form was sent twice -
// the client has its answer already: one code only, and a page for this one.
func (e *Endpoint) uncommitted(w http.ResponseWriter, r *http.Request, d destination, err error) {
	var lost *oauth.Conflict
	if errors.As(err, &lost) {
		e.deps.ErrorPage(w, r, err)
		return
	}
	e.refuse(w, r, d, err)
}

// approval returns a new code and the one commit that makes it good.
func (e *Endpoint) approval(ctx context.Context, p progress, user oauth.EndUser, given bool) (oauth.Secret, []oauth.Change, error) {
	code, err := oauth.NewSecret(e.deps.Random)
	if err != nil {
		return "", nil, err
	}
	grantID, err := oauth.NewID(e.deps.Random)
	if err != nil {
		return "", nil, err
	}
	req, now := p.waiting.Request, e.deps.Clock()
	until := now.Add(min(e.deps.CodeLifetime, p.profile.MaxCodeLifetime))
	changes := []oauth.Change{
		oauth.StoreGrant{Grant: oauth.Grant{
			ID: grantID, ClientID: p.client.ID, UserID: user.ID, Scope: req.Scope, Resources: req.Resources,
			CreatedAt: now, ExpiresAt: until.Add(e.deps.RefreshLifetime),
		}},
		oauth.StoreCode{Code: oauth.AuthorizationCode{
			Digest: code.Digest(), ClientID: p.client.ID, GrantID: grantID, Request: req, User: user,
			Scope: req.Scope, IssuedAt: now, ExpiresAt: until,
		}},
	}
	if p.ticket != nil {
		changes = append(changes, oauth.FinishInteraction{Digest: p.waiting.Digest})
	}
	about := oauth.AuditEntry{
		RequestID: web.RequestID(ctx), ClientID: p.client.ID, Subject: user.ID, GrantID: grantID,
		Detail: map[string]any{"scope": req.Scope.String(), "resources": req.Resources, "acr": user.ACR},
	}
	events := []audit.Event{audit.CodeIssued}
	if given {
		changes = append(changes, oauth.RememberConsent{Consent: oauth.Consent{
			UserID: user.ID, ClientID: p.client.ID, Scope: req.Scope, Resources: req.Resources, At: now,
		}})
		events = []audit.Event{audit.ConsentGiven, audit.CodeIssued}
	}
	for _, event := range events {
		entry, err := e.recorder.Change(event, about)
		if err != nil {
			return "", nil, err
		}
		changes = append(changes, entry)
	}
	return code, changes, nil
}
