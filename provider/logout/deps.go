package logout

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"signet/provider/audit"
	"signet/provider/deliver"
	"signet/provider/issue"
	"signet/provider/oauth"
	"signet/provider/session"
)

// Store is what is read, and the one write. Reading operations return oauth.ErrNotFound, wrapped, for what is not
// there.
type Store interface {
	Client(ctx context.Context, id string) (*oauth.Client, error)
	Grant(ctx context.Context, id string) (oauth.Grant, error)
	// SessionParticipations returns all that is noted of who took part in a session, the oldest first.
	SessionParticipations(ctx context.Context, sid string) ([]oauth.Participation, error)
	// Commit applies all changes durably or none.
	Commit(ctx context.Context, changes ...oauth.Change) error
}

// Auditor keeps an audit entry of a request that commits nothing; an error means that it is not kept.
type Auditor interface {
	Add(ctx context.Context, entry oauth.AuditEntry) error
}

// Pages are what users see. They speak the language of the request's ui_locales.
type Pages interface {
	// AskLogout asks whether to sign out, for the client of that name or, without one, for nobody in particular. The
	// form is POSTed to action with the hidden fields and with [session.FieldDecision].
	AskLogout(w http.ResponseWriter, r *http.Request, clientName, action string, fields url.Values)
	// LoggedOut says that the user is signed out. It loads the frames, which sign them out at clients, and then goes on
	// to continueURL, if there is one.
	LoggedOut(w http.ResponseWriter, r *http.Request, clientName, continueURL string, frames []string)
	// Stayed says that the user is still signed in, as they wanted.
	Stayed(w http.ResponseWriter, r *http.Request)
	// WriteError shows an error as a page, and logs its cause.
	WriteError(w http.ResponseWriter, r *http.Request, err error)
}

// Decrypter opens an ID token that a client has encrypted to this server (OpenID Connect Core section 3.1.2.1). Errors
// that wrap jose's are the sender's fault; after any other one nobody knows. Package keys has one.
type Decrypter interface {
	Decrypt(ctx context.Context, compact string) (payload []byte, err error)
}

// Tokens makes logout tokens (Back-Channel Logout section 2.4). Package issue does.
type Tokens interface {
	// Subject is how the client knows the user with this local id (OpenID Connect Core section 8), SessionID how it
	// knows the session.
	Subject(client *oauth.Client, userID string) (string, error)
	SessionID(client *oauth.Client, sid string) (string, error)
	// LogoutToken tells the client, by an algorithm out of algs, that the user sub is logged out, in the session sid or,
	// when that is "", altogether.
	LogoutToken(ctx context.Context, client *oauth.Client, algs []string, sub, sid string, now time.Time) (string, error)
}

// Poster sends a notice to an address that is not ours, without following redirects.
type Poster interface {
	// Post returns the answer's status. An error that wraps fetch.ErrRefused cannot be helped by retrying.
	Post(ctx context.Context, address string, header http.Header, body []byte) (status int, err error)
}

// Deps is what the service works with. Fields are required unless their comment says otherwise.
type Deps struct {
	Store    Store
	Sessions *session.Manager
	Pages    Pages
	Hints    issue.Hints
	Decrypt  Decrypter // optional: nil = an encrypted id_token_hint is refused
	Record   *audit.Recorder
	Audit    Auditor
	Floor    oauth.Profile
	Issuer   string

	// Path is that of [Service.EndSession], ConfirmPath that of [Service.Confirm].
	Path, ConfirmPath string

	// RevokeRefreshTokens ends, with a session, all that was granted in it but what was for offline access then: also what
	// is no login, and what its client manages by id.
	RevokeRefreshTokens bool

	Frontchannel bool // clients are told by frames in the last page (Front-Channel Logout)
	Tokens       Tokens
	Backchannel  bool // clients are told by this server (Back-Channel Logout); it needs the following three
	Queue        *deliver.Runner
	Post         Poster
	RetryFor     time.Duration // how long a client that does not answer is tried; Post bounds each attempt

	Clock  oauth.Clock
	Random oauth.Random
	Log    *slog.Logger
}

func (d Deps) validate() error {
	var faults []error
	need := func(ok bool, what string) {
		if !ok {
			faults = append(faults, errors.New("logout: "+what+" is required"))
		}
	}
	need(d.Store != nil && d.Sessions != nil && d.Pages != nil, "each of Store, Sessions and Pages")
	need(d.Hints.Keys != nil && d.Hints.Issuer != "", "Hints, with Keys and Issuer,")
	need(d.Record != nil && d.Audit != nil, "each of Record and Audit")
	need(d.Floor.Name != "" && d.Issuer != "", "each of Floor and Issuer")
	need(strings.HasPrefix(d.Path, "/") && strings.HasPrefix(d.ConfirmPath, "/") && d.Path != d.ConfirmPath,
		"Path and another ConfirmPath, both absolute,")
	need(d.Tokens != nil, "Tokens")
	need(!d.Backchannel || d.Queue != nil && d.Post != nil && d.RetryFor > 0, "each of Queue, Post and RetryFor, with Backchannel,")
	need(d.Clock != nil && d.Random != nil && d.Log != nil, "each of Clock, Random and Log")
	return errors.Join(faults...)
}

// Service answers logout requests. It is safe for concurrent use.
type Service struct {
	deps   Deps
	origin *http.CrossOriginProtection
}

// New makes a Service, and adds what it sends to the queue. It fails, naming everything that is missing.
func New(deps Deps) (*Service, error) {
	if err := deps.validate(); err != nil {
		return nil, err
	}
	origin, err := session.Origin(deps.Issuer)
	if err != nil {
		return nil, err
	}
	s := &Service{deps: deps, origin: origin}
	if deps.Backchannel {
		err = deps.Queue.Handle(deliver.Kind{Name: kindLogout, Send: s.send, End: s.delivered})
	}
	return s, err
}

// now is the present time as every database keeps it.
func (s *Service) now() time.Time { return s.deps.Clock().UTC().Truncate(time.Microsecond) }
