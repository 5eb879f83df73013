package authorize

import (
	"context"
	"errors"
	"net/http"

	"signet/provider/oauth"
	"signet/provider/session"
	"signet/provider/web"
)

// ServeHTTP answers an authorization request (RFC 6749 section 4.1.1), sent by GET or POST.
func (e *Endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	params, fault := parse(w, r)
	if fault != nil {
		e.deps.ErrorPage(w, r, fault)
		return
	}
	d, err := e.findDestination(r.Context(), params)
	if err != nil {
		e.deps.ErrorPage(w, r, err)
		return
	}
	req, fault := e.validate(&d, params)
	if fault != nil {
		e.refuse(w, r, d, fault)
		return
	}
	p := progress{destination: d, waiting: oauth.Interaction{Request: req}}
	if r.Method == http.MethodPost {
		// A form of another site does not carry our SameSite=Lax cookies; the GET that follows does.
		e.postpone(w, r, p)
		return
	}
	e.advance(w, r, p)
}

func parse(w http.ResponseWriter, r *http.Request) (oauth.Params, *oauth.Error) {
	switch r.Method {
	case http.MethodGet:
		return web.ParseQuery(r, "resource")
	case http.MethodPost:
		return web.ParseForm(w, r, "resource")
	default:
		return oauth.Params{}, web.MethodNotAllowed(http.MethodGet, http.MethodPost)
	}
}

// progress is a validated request on its way. ticket is set once the request is parked in the store.
type progress struct {
	destination
	waiting oauth.Interaction
	ticket  *session.Ticket
}

// advance does what the request needs next.
func (e *Endpoint) advance(w http.ResponseWriter, r *http.Request, p progress) {
	user, settled, err := e.present(r, p.waiting)
	if err != nil {
		e.refuse(w, r, p.destination, err)
		return
	}
	consent, err := e.remembered(r.Context(), user, p.client)
	if err != nil {
		e.refuse(w, r, p.destination, err)
		return
	}
	next := decide(situation{
		request: p.waiting.Request, client: p.client, user: user, settled: settled, consent: consent, now: e.deps.Clock(),
	})
	switch next := next.(type) {
	case refuse:
		e.refuse(w, r, p.destination, next.err)
	case askLogin:
		e.ask(w, r, p, nil)
	case askConsent:
		e.ask(w, r, p, &next.user)
	case issueCode:
		e.issue(w, r, p, next.user, false)
	}
}

// present returns who is at the browser, and whether that person has settled this request's demands on
// login: it is then the very session that the request was parked with.
func (e *Endpoint) present(r *http.Request, waiting oauth.Interaction) (user *oauth.EndUser, settled bool, err error) {
	current, err := e.deps.Sessions.Current(r)
	if err != nil || current == nil {
		return nil, false, err
	}
	account, err := e.deps.Store.User(r.Context(), current.User.ID)
	if errors.Is(err, oauth.ErrNotFound) || err == nil && !account.Accepts(current.User.AuthTime) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	settled = waiting.User != nil && waiting.User.SessionID == current.User.SessionID
	return &current.User, settled, nil
}

// remembered returns what the user has agreed to before, which may be nothing.
func (e *Endpoint) remembered(ctx context.Context, user *oauth.EndUser, client *oauth.Client) (oauth.Consent, error) {
	if user == nil {
		return oauth.Consent{}, nil
	}
	consent, err := e.deps.Store.Consent(ctx, user.ID, client.ID)
	if errors.Is(err, oauth.ErrNotFound) {
		return oauth.Consent{}, nil
	}
	return consent, err
}

// ask parks the request with what is known of its user and sends the browser to the page it needs.
func (e *Endpoint) ask(w http.ResponseWriter, r *http.Request, p progress, user *oauth.EndUser) {
	p.waiting.User = user
	waiting, err := e.park(w, r, p)
	if err != nil {
		e.uncommitted(w, r, p.destination, err)
		return
	}
	e.deps.Interact.Interact(w, r, waiting)
}

// postpone parks the request and sends the browser to where it goes on.
func (e *Endpoint) postpone(w http.ResponseWriter, r *http.Request, p progress) {
	waiting, err := e.park(w, r, p)
	if err != nil {
		e.uncommitted(w, r, p.destination, err)
		return
	}
	web.SeeOther(w, session.PageURL(e.deps.ResumePath, waiting.Digest))
}

// park commits the waiting request; a new one gets a ticket, which the browser is given. One that has been
// answered meanwhile does not wait again.
func (e *Endpoint) park(w http.ResponseWriter, r *http.Request, p progress) (oauth.Interaction, error) {
	waiting := p.waiting
	if p.ticket != nil {
		return waiting, e.deps.Store.Commit(r.Context(), oauth.UpdateInteraction{Interaction: waiting})
	}
	ticket, err := session.NewTicket(e.deps.Random)
	if err != nil {
		return waiting, err
	}
	waiting.Digest = ticket.Digest
	waiting.RequestID = web.RequestID(r.Context())
	waiting.ExpiresAt = e.deps.Clock().Add(e.deps.InteractionLifetime)
	if err := e.deps.Store.Commit(r.Context(), oauth.StoreInteraction{Interaction: waiting}); err != nil {
		return waiting, err
	}
	ticket.Write(w, r, e.deps.InteractionLifetime)
	return waiting, nil
}
