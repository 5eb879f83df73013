package authorize

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"signet/provider/audit"
	"signet/provider/oauth"
	"signet/provider/session"
)

// Store is what the endpoint reads, and the one write. Reading operations return oauth.ErrNotFound,
// wrapped, for what is not there or has expired.
type Store interface {
	Client(ctx context.Context, id string) (*oauth.Client, error)
	User(ctx context.Context, id string) (oauth.User, error)
	Interaction(ctx context.Context, digest oauth.Digest) (oauth.Interaction, error)
	Consent(ctx context.Context, userID, clientID string) (oauth.Consent, error)
	// Commit applies all changes durably or none; *oauth.Conflict when a conditional one came second.
	Commit(ctx context.Context, changes ...oauth.Change) error
}

// Interactor sends the browser to the page that the waiting request needs: login while waiting.User is
// nil, consent otherwise. The request is committed and the browser has its ticket when it is called. The
// page comes back to Deps.ResumePath: GET after a login, POST with the user's answer.
type Interactor interface {
	Interact(w http.ResponseWriter, r *http.Request, waiting oauth.Interaction)
}

// Auditor keeps an audit entry of a request that commits nothing; an error means that it is not kept.
type Auditor interface {
	Add(ctx context.Context, entry oauth.AuditEntry) error
}

// Deps is what the endpoint works with. All fields are required.
type Deps struct {
	Store    Store
	Sessions *session.Manager
	Interact Interactor
	Audit    Auditor
	// ErrorPage answers with a page for people, where redirecting would be unsafe, and logs err.
	ErrorPage func(w http.ResponseWriter, r *http.Request, err error)
	// FormPostPage answers with a form that carries fields to action by POST when the user presses its
	// button (OAuth 2.0 Form Post Response Mode section 2); clientName is for people.
	FormPostPage func(w http.ResponseWriter, r *http.Request, clientName, action string, fields url.Values)

	Issuer     string // "iss" in every answer (RFC 9207 section 2)
	ResumePath string // the path at which Resume is mounted
	Floor      oauth.Profile
	Scopes     []string // all scopes that this server knows
	Resources  []string // all resource servers' identifiers (RFC 8707)

	CodeLifetime        time.Duration // the profile's cap holds besides
	RefreshLifetime     time.Duration // a new grant is kept this long beyond its code
	InteractionLifetime time.Duration // login and consent together

	Clock  oauth.Clock
	Random oauth.Random
	Log    *slog.Logger
}

func (d Deps) validate() error {
	var faults []error
	need := func(ok bool, what string) {
		if !ok {
			faults = append(faults, errors.New("authorize: "+what+" is required"))
		}
	}
	need(d.Store != nil, "Store")
	need(d.Sessions != nil, "Sessions")
	need(d.Interact != nil, "Interact")
	need(d.Audit != nil, "Audit")
	need(d.ErrorPage != nil, "ErrorPage")
	need(d.FormPostPage != nil, "FormPostPage")
	need(d.Issuer != "", "Issuer")
	need(strings.HasPrefix(d.ResumePath, "/"), "ResumePath, an absolute path,")
	need(d.Floor.Name != "", "Floor")
	need(d.CodeLifetime > 0, "a positive CodeLifetime")
	need(d.RefreshLifetime > 0, "a positive RefreshLifetime")
	need(d.InteractionLifetime > 0, "a positive InteractionLifetime")
	need(d.Clock != nil && d.Random != nil && d.Log != nil, "Clock, Random and Log")
	return errors.Join(faults...)
}

// Endpoint is the authorization endpoint.
type Endpoint struct {
	deps     Deps
	recorder *audit.Recorder
	origin   *http.CrossOriginProtection
}

// New makes the endpoint. It fails, naming everything that is missing.
func New(deps Deps) (*Endpoint, error) {
	if err := deps.validate(); err != nil {
		return nil, err
	}
	origin, err := session.Origin(deps.Issuer)
	if err != nil {
		return nil, err
	}
	return &Endpoint{deps: deps, recorder: audit.NewRecorder(deps.Clock, deps.Random), origin: origin}, nil
}
