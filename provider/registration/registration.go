package registration

import (
	"context"
	"crypto/subtle"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"signet/policy"
	"signet/provider/audit"
	"signet/provider/clientauth"
	"signet/provider/oauth"
	"signet/provider/resource"
	"signet/provider/web"
)

// Deps are what the endpoint works with. All are required, unless they say otherwise.
type Deps struct {
	// Path is where registrations are made, e.g. "/register"; below it, after a slash, is each client's own.
	Path string
	// BaseURL is what registration_client_uri starts with: the door that Path is behind.
	BaseURL string
	// InitialToken returns the token that admits a new client. It is asked for each registration. With Open it may be
	// nil: no token admits anybody, and none is needed.
	InitialToken func() (oauth.Secret, error)
	// Open admits clients without a token: MostPerHour of them in each process, which is otherwise not used. Attempts and
	// updates of one address are bounded, too.
	Open        bool
	MostPerHour int
	Bounds      Bounds
	Statements  Statements // may be empty
	// Validate lists what is wrong with a registration.
	Validate func(*oauth.Client) []Fault
	// Policy has the last word about a registration that is right.
	Policy interface {
		Decide(ctx context.Context, in policy.Input) (policy.Decision, error)
	}
	// Certificate describes the TLS client certificate of the request; nil = it has none.
	Certificate func(*http.Request) (*policy.Certificate, error)
	// Address is where a request comes from, with or without a port.
	Address func(*http.Request) string
	Fetch   Fetcher
	Store   interface {
		// Client returns oauth.ErrNotFound, wrapped, for a client that does not exist. It is shared: not to be modified.
		Client(ctx context.Context, id string) (*oauth.Client, error)
		Commit(ctx context.Context, changes ...oauth.Change) error
	}
	Sealer clientauth.Sealer
	Record *audit.Recorder
	Clock  oauth.Clock
	Random oauth.Random
	Log    *slog.Logger
}

// Fault is one thing that is wrong with a registration.
type Fault struct{ Field, Text string }

// New returns the endpoint: POST of a registration at Deps.Path; GET, PUT and DELETE of one below it.
func New(deps Deps) http.Handler { return newEndpoint(deps) }

func newEndpoint(deps Deps) *endpoint {
	return &endpoint{Deps: deps, strangers: newThrottle(deps.Clock, deps.MostPerHour)}
}

type endpoint struct {
	Deps
	strangers *throttle
}

// answer is what a request that was not refused is answered with.
type answer struct {
	status int
	body   map[string]any
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a, err := e.answer(w, r)
	var later tooMany
	switch {
	case errors.As(err, &later):
		e.refuseFor(w, r, time.Duration(later))
		return
	case err != nil:
		web.WriteBearerError(w, r, e.Log, err)
		return
	}
	web.NoStore(w.Header())
	if a.body == nil {
		w.WriteHeader(a.status)
		return
	}
	web.WriteJSON(w, a.status, a.body)
}

func (e *endpoint) answer(w http.ResponseWriter, r *http.Request) (answer, error) {
	id, below := strings.CutPrefix(r.URL.EscapedPath(), e.Path+"/")
	switch {
	case !below && r.Method == http.MethodPost:
		return e.register(w, r)
	case !below:
		return answer{}, web.MethodNotAllowed(http.MethodPost)
	case r.Method == http.MethodGet:
		return e.read(r, id)
	case r.Method == http.MethodPut:
		return e.update(w, r, id)
	case r.Method == http.MethodDelete:
		return e.remove(r, id)
	default:
		return answer{}, web.MethodNotAllowed(http.MethodGet, http.MethodPut, http.MethodDelete)
	}
}

// register makes a client (RFC 7591 section 3).
func (e *endpoint) register(w http.ResponseWriter, r *http.Request) (answer, error) {
	by, err := e.admitNewcomer(r)
	if err != nil {
		return answer{}, err
	}
	given, fault := readMembers(w, r)
	if fault != nil {
		return answer{}, fault
	}
	id, err := oauth.NewID(e.Random)
	if err != nil {
		return answer{}, err
	}
	token, err := oauth.NewSecret(e.Random)
	if err != nil {
		return answer{}, err
	}
	client := oauth.Client{ID: id, CreatedAt: e.Clock().UTC(), RegistrationToken: token.Digest().String()}
	secret, detail, err := e.fill(r, &client, given, policy.RegistrationNew, by)
	if err != nil {
		return answer{}, err
	}
	if by == admittedOpen {
		if wait := e.strangers.take(); wait > 0 {
			return answer{}, tooMany(wait)
		}
	}
	if err := e.commit(r.Context(), audit.ClientRegistered, client.ID, detail, oauth.StoreClient{Client: client, New: true}); err != nil {
		return answer{}, err
	}
	return e.describe(http.StatusCreated, &client, token, secret)
}

// read tells a client what it is registered with (RFC 7592 section 2.1).
func (e *endpoint) read(r *http.Request, id string) (answer, error) {
	client, token, err := e.admit(r, id)
	if err != nil {
		return answer{}, err
	}
	return e.describe(http.StatusOK, client, token, "")
}

// update puts a registration in the place of the client's (RFC 7592 section 2.2): what it leaves out is gone. The
// registration access token stays, so that nothing is lost with an answer that does not arrive.
func (e *endpoint) update(w http.ResponseWriter, r *http.Request, id string) (answer, error) {
	seen, token, err := e.admit(r, id)
	if err != nil {
		return answer{}, err
	}
	if e.Open { // then who has a client may be a stranger
		if wait := e.strangers.update(e.Address(r), seen.ID); wait > 0 {
			return answer{}, tooMany(wait)
		}
	}
	given, fault := readMembers(w, r)
	if fault != nil {
		return answer{}, fault
	}
	if err := e.checkOwn(r.Context(), seen, given); err != nil {
		return answer{}, err
	}
	client, err := withoutMetadata(seen)
	if err != nil {
		return answer{}, err
	}
	secret, detail, err := e.fill(r, &client, given, policy.RegistrationUpdate, admittedByOwn)
	if err != nil {
		return answer{}, err
	}
	if err := stays(seen, &client); err != nil {
		return answer{}, err
	}
	if err := e.commit(r.Context(), audit.ClientUpdated, client.ID, detail, oauth.ReplaceClient{Client: client, Seen: *seen}); err != nil {
		return answer{}, err
	}
	return e.describe(http.StatusOK, &client, token, secret)
}

// remove ends a client (RFC 7592 section 2.3). Its id stays, so that the audit log's entries keep their meaning and
// nobody gets it anew; a disabled client's tokens are inactive and it gets no others. What it proved itself with goes.
func (e *endpoint) remove(r *http.Request, id string) (answer, error) {
	seen, _, err := e.admit(r, id)
	if err != nil {
		return answer{}, err
	}
	client := *seen
	client.Disabled, client.Removed, client.RegistrationToken = true, true, ""
	client.SecretHash, client.SecretSealed, client.Former, client.JWKS, client.JWKSURI = "", nil, nil, nil, ""
	if err := e.commit(r.Context(), audit.ClientRemoved, client.ID, map[string]any{}, oauth.ReplaceClient{Client: client, Seen: *seen}); err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusNoContent}, nil
}

// commit applies the change with its audit entry.
func (e *endpoint) commit(ctx context.Context, event audit.Event, clientID string, detail map[string]any, change oauth.Change) error {
	detail["by"] = "client"
	entry, err := e.Record.Change(event, oauth.AuditEntry{RequestID: web.RequestID(ctx), ClientID: clientID, Detail: detail})
	if err != nil {
		return err
	}
	return e.Store.Commit(ctx, change, entry)
}

// What admits a request, as policy and the audit log name it.
const (
	admittedOpen    = "open"
	admittedInitial = "initial_access_token"
	admittedByOwn   = "registration_access_token"
)

// admitNewcomer wants the initial access token (RFC 7591 section 3). Where registration is open, who has none is
// admitted as often as a stranger may be.
func (e *endpoint) admitNewcomer(r *http.Request) (by string, err error) {
	if e.Open && len(r.Header.Values("Authorization")) == 0 {
		if wait := e.strangers.attempt(e.Address(r)); wait > 0 {
			return "", tooMany(wait)
		}
		return admittedOpen, nil
	}
	presented, err := bearer(r)
	if err != nil {
		return "", err
	}
	refused := oauth.Errorf(oauth.InvalidToken, "the initial access token is not valid")
	if e.InitialToken == nil {
		return "", refused
	}
	want, failure := e.InitialToken()
	if failure != nil {
		return "", failure
	}
	if !same(presented.Digest().String(), want.Digest().String()) {
		return "", refused
	}
	return admittedInitial, nil
}

// tooMany is how long a stranger has to wait.
type tooMany time.Duration

// Error implements error.
func (t tooMany) Error() string {
	return "too many registrations or updates: wait " + time.Duration(t).String()
}

// refuseFor asks a stranger to come back later (RFC 6585 section 4).
func (e *endpoint) refuseFor(w http.ResponseWriter, r *http.Request, wait time.Duration) {
	e.Log.WarnContext(r.Context(), "registrations and updates throttled", "request_id", web.RequestID(r.Context()))
	web.NotesOf(r.Context()).Error = oauth.TemporarilyUnavailable
	w.Header().Set("Retry-After", strconv.Itoa(int(wait/time.Second)+1))
	web.NoStore(w.Header())
	web.WriteJSON(w, http.StatusTooManyRequests, map[string]any{
		"error": oauth.TemporarilyUnavailable, "error_description": "there have been too many registrations or updates: try again later",
		"request_id": web.RequestID(r.Context()),
	})
}

// admit finds the client whose registration access token the request has. Clients that do not exist, are not looked
// after here, are removed or disabled are told apart by nothing (RFC 7592 section 2.1: 401 for all).
func (e *endpoint) admit(r *http.Request, id string) (*oauth.Client, oauth.Secret, error) {
	presented, err := bearer(r)
	if err != nil {
		return nil, "", err
	}
	refused := oauth.Errorf(oauth.InvalidToken, "the registration access token is not valid for this client")
	if !isID(id) {
		return nil, "", refused
	}
	client, err := e.Store.Client(r.Context(), id)
	if errors.Is(err, oauth.ErrNotFound) {
		return nil, "", refused.Because(err)
	}
	if err != nil {
		return nil, "", err
	}
	if client.RegistrationToken == "" || client.Disabled || !same(presented.Digest().String(), client.RegistrationToken) {
		return nil, "", refused
	}
	return client, presented, nil
}

// bearer returns the request's token; both of this API's are bearer tokens (RFC 7591 section 3, RFC 7592 section 2).
func bearer(r *http.Request) (oauth.Secret, error) {
	presented, fault := resource.PresentedToken(r)
	switch {
	case fault != nil:
		return "", fault
	case presented.Scheme != resource.Bearer:
		return "", oauth.Errorf(oauth.InvalidToken, "a bearer token is required")
	}
	return presented.Token, nil
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// isID bounds what is looked up: base64url text, as oauth.NewID makes.
func isID(text string) bool {
	const characters, maxLength = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", 64
	return text != "" && len(text) <= maxLength && strings.Trim(text, characters) == ""
}
