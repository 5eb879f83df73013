package authorize

import (
	"context"
	"errors"
	"net/http"
	"time"

	"signet/provider/oauth"
)

// approve takes the user's approval. It counts for what the page showed; where a grant has been changed meanwhile by
// another request, the user is asked again.
func (e *Endpoint) approve(w http.ResponseWriter, r *http.Request, p progress, user oauth.EndUser) {
	other, err := e.isOther(p.client, p.waiting.Request, user)
	if err == nil && other {
		err = notAskedFor()
	}
	if err != nil {
		e.refuse(w, r, p, err)
		return
	}
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

// issue makes what the response type asks for and the answer, commits all that they imply, and only then sends it (RFC
// 6749 section 4.1.2, OpenID Connect Core sections 3.2.2.5 and 3.3.2.5). given says that the user has just agreed on the
// consent page.
func (e *Endpoint) issue(w http.ResponseWriter, r *http.Request, p progress, o outcome, user oauth.EndUser, given bool) {
	user, err := e.settleACR(user, p.waiting.Request)
	if err != nil {
		e.uncommitted(w, r, p, err)
		return
	}
	out, changes, err := e.approval(r.Context(), p, o, user, given)
	if err != nil {
		e.uncommitted(w, r, p, err)
		return
	}
	answer, err := e.successful(r, p, out)
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
// request_uri answered in two windows - the client has its answer already: one only, and a page for this one.
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

// handout is what an approval gives the client.
type handout struct {
	code    oauth.Secret // "" = none
	front   FrontTokens  // what policy lets leave here; the zero one = it was not asked
	idToken issuedID     // the zero one = none
	grant   oauth.Grant  // that all are good for
}

// approval returns what the client is given, and the one commit that makes it good.
func (e *Endpoint) approval(ctx context.Context, p progress, o outcome, user oauth.EndUser, given bool) (handout, []oauth.Change, error) {
	req, now := p.waiting.Request, e.deps.Clock()
	grant, change, err := e.settle(o, req.GrantAction, user, now)
	if err != nil {
		return handout{}, nil, err
	}
	// What is given is good for the whole of the grant, which after a merge is more than was asked for now.
	p.waiting.Request.Scope, p.waiting.Request.Resources = grant.Scope, grant.Resources
	p.waiting.Request.Details, p.waiting.Request.Claims = grant.Details, grant.Claims
	out, changes := handout{grant: grant}, []oauth.Change{change}
	if carries(req.ResponseType, partCode) {
		if out.code, err = oauth.NewSecret(e.deps.Random); err != nil {
			return handout{}, nil, err
		}
		changes = append(changes, e.storeCode(p, out, user, now))
	}
	var implied []oauth.Change
	if out.front, implied, err = e.inFront(ctx, p, grant, user); err != nil {
		return handout{}, nil, err
	}
	changes = append(changes, implied...)
	if carries(req.ResponseType, partIDToken) {
		if out.idToken, err = e.idToken(ctx, p, user, out); err != nil {
			return handout{}, nil, err
		}
	}
	changes = append(append(changes, joins(p, grant, user)), p.answered(now)...)
	if given {
		changes = append(changes, e.agreed(p.client, p.waiting.Request, user, now)...)
	}
	entries, err := e.entries(ctx, p, out, user, given)
	return out, append(changes, entries...), err
}

func (e *Endpoint) storeCode(p progress, out handout, user oauth.EndUser, now time.Time) oauth.Change {
	return oauth.StoreCode{Code: oauth.AuthorizationCode{
		Digest: out.code.Digest(), ClientID: p.client.ID, GrantID: out.grant.ID, Request: p.waiting.Request, User: user,
		Scope: out.grant.Scope, GrantSeen: out.grant.Version(), IssuedAt: now, ExpiresAt: e.codeUntil(p, now),
	}}
}

// joins notes the client's part in the user's session, so that its logout finds it.
func joins(p progress, grant oauth.Grant, user oauth.EndUser) oauth.Change {
	return oauth.JoinSession{Participation: oauth.Participation{
		SessionID: user.SessionID, ClientID: p.client.ID, GrantID: grant.ID,
		Offline: grant.Scope.Has(oauth.ScopeOfflineAccess), Until: p.ends,
	}}
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
		UserID: user.ID, ClientID: client.ID, At: now,
		Agreed: oauth.Agreement(reach(granted.Scope, granted.Claims), granted.Resources, until),
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
