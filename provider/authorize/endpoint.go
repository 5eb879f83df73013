package authorize

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

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
	who, err := e.client(r.Context(), params.Get("client_id"))
	if err != nil {
		e.deps.ErrorPage(w, r, err)
		return
	}
	p, err := e.receive(r.Context(), who, params)
	if err != nil {
		e.turnAway(w, r, p, err)
		return
	}
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

// receive validates a request, in whatever form it came. After an error the progress has a destination if, and
// only if, the client may be told.
func (e *Endpoint) receive(ctx context.Context, who party, params oauth.Params) (progress, error) {
	reference := params.Get("request_uri")
	switch {
	case reference != "" && params.Has("request"): // OpenID Connect Core section 6.1, RFC 9101 section 5
		return progress{}, oauth.Errorf(oauth.InvalidRequest, "request and request_uri exclude each other")
	case strings.HasPrefix(reference, requestURIPrefix):
		return e.receivePushed(ctx, who, reference)
	case reference != "" && !e.fetches(who):
		return foreignReference(who, params)
	}
	from := inquiry{party: who, params: params}
	unverified := e.open(ctx, &from)
	d, err := findDestination(from)
	switch {
	case unverified != nil:
		return progress{destination: d}, unverified
	case err != nil:
		return progress{}, err
	}
	p := progress{destination: d}
	p.waiting.Request, err = e.validate(ctx, from, d)
	return p, err
}

// turnAway answers a request that was not accepted: the client, where it may be told, or the user.
func (e *Endpoint) turnAway(w http.ResponseWriter, r *http.Request, p progress, err error) {
	if p.client == nil {
		e.deps.ErrorPage(w, r, err)
		return
	}
	e.refuse(w, r, p, err)
}

// progress is a validated request on its way. ticket is set once the request is parked in the store.
type progress struct {
	destination
	waiting oauth.Interaction
	ticket  *session.Ticket
	ends    time.Time // when the session of whoever is present does; zero while nobody is known to be
}

// advance does what the request needs next.
func (e *Endpoint) advance(w http.ResponseWriter, r *http.Request, p progress) {
	current, settled, err := e.present(r, p.waiting)
	if err != nil {
		e.refuse(w, r, p, err)
		return
	}
	s, err := e.situation(r.Context(), p, current, settled)
	if err != nil {
		e.refuse(w, r, p, err)
		return
	}
	if current != nil {
		p.ends = current.ExpiresAt
	}
	switch next := decide(s).(type) {
	case refuse:
		e.refuse(w, r, p, next.err)
	case askLogin:
		e.ask(w, r, p, s.outcome, nil)
	case askConsent:
		e.ask(w, r, p, s.outcome, &next.user)
	case issueAnswer:
		e.issue(w, r, p, s.outcome, next.user, false)
	}
}

// situation gathers what the decision looks at; current is nil when nobody is there.
func (e *Endpoint) situation(ctx context.Context, p progress, current *oauth.Session, settled bool) (s situation, err error) {
	s = situation{request: p.waiting.Request, client: p.client, settled: settled, now: e.deps.Clock()}
	if s.outcome, err = e.foresee(ctx, p, s.now); err != nil || current == nil {
		return s, err
	}
	s.user = &current.User
	if s.other, err = e.isOther(p.client, s.request, *s.user); err != nil {
		return s, err
	}
	s.consent, err = e.remembered(ctx, *s.user, p.client)
	return s, err
}

// present returns the session of whoever is at the browser, nil when that is nobody, and whether that person has
// settled this request's demands on login: it is then the very session that the request was parked with.
func (e *Endpoint) present(r *http.Request, waiting oauth.Interaction) (current *oauth.Session, settled bool, err error) {
	current, err = e.deps.Sessions.Current(r)
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
	return current, settled, nil
}

// remembered returns what the user has agreed to before, which may be nothing.
func (e *Endpoint) remembered(ctx context.Context, user oauth.EndUser, client *oauth.Client) (oauth.Consent, error) {
	consent, err := e.deps.Store.Consent(ctx, user.ID, client.ID)
	if errors.Is(err, oauth.ErrNotFound) {
		return oauth.Consent{}, nil
	}
	return consent, err
}

// ask parks the request with what is known of its user and of what would come of it, and sends the browser to the
// page it needs.
func (e *Endpoint) ask(w http.ResponseWriter, r *http.Request, p progress, o outcome, user *oauth.EndUser) {
	p.waiting.User, p.waiting.Outcome = user, nil
	if user != nil { // who that is has been checked: nobody else learns what the grant has
		p.waiting.Outcome = o.shown()
	}
	waiting, err := e.park(w, r, p)
	if err != nil {
		e.uncommitted(w, r, p, err)
		return
	}
	e.deps.Interact.Interact(w, r, waiting)
}

// postpone parks the request and sends the browser to where it goes on.
func (e *Endpoint) postpone(w http.ResponseWriter, r *http.Request, p progress) {
	waiting, err := e.park(w, r, p)
	if err != nil {
		e.uncommitted(w, r, p, err)
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
