package interaction

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"signet/provider/audit"
	"signet/provider/oauth"
	"signet/provider/rar"
	"signet/provider/session"
	"signet/provider/web"
)

// Store is what the pages read, and the one write. Reading operations return oauth.ErrNotFound, wrapped,
// for what is not there or has expired.
type Store interface {
	Client(ctx context.Context, id string) (*oauth.Client, error)
	User(ctx context.Context, id string) (oauth.User, error)
	Interaction(ctx context.Context, digest oauth.Digest) (oauth.Interaction, error)
	// Commit applies all changes durably or none.
	Commit(ctx context.Context, changes ...oauth.Change) error
}

// Auditor keeps an audit entry of a request that commits nothing; an error means that it is not kept.
type Auditor interface {
	Add(ctx context.Context, entry oauth.AuditEntry) error
}

// Approvals are the backchannel authentication requests that wait for users (CIBA Core).
type Approvals interface {
	// Pending returns what waits for the user, the newest first.
	Pending(ctx context.Context, userID string) ([]oauth.Backchannel, error)
	// Answer records the user's decision about the request with this public id. It returns an *oauth.Error when
	// there is no such request for the user or when it waits no more, with login_required when the user has to log in
	// again before approving it.
	Answer(ctx context.Context, id string, user oauth.EndUser, approve bool) error
}

// Deps is what the pages work with. Fields are required unless their comment says otherwise.
type Deps struct {
	Store         Store
	Sessions      *session.Manager
	Authenticator Authenticator
	Audit         Auditor

	Issuer string // an https URL; its host is what the user is told to expect in the address bar
	// Prefix is the path below which Handler is mounted, e.g. "/interaction".
	Prefix string
	// ResumePath is the authorization endpoint's path for going on: GET after login, POST with the answer.
	ResumePath string

	Floor oauth.Profile
	// Scopes and Resources are the words for each scope and resource server; what has none is shown by its name. A
	// language's messages come first for the scopes of OpenID Connect and of Grant Management. Optional.
	Scopes    map[string]string
	Resources map[string]string
	// Details says in words what authorization_details allow. Optional: the default shows them as they are.
	Details interface{ Words(oauth.Detail) rar.View }
	// Approvals makes the page on which users answer backchannel requests. Optional: nil = there is no such page.
	Approvals Approvals
	// Devices makes the page on which users answer what devices ask for (RFC 8628), at DevicePath. Optional: nil = there is
	// no such page.
	Devices    Devices
	DevicePath string // an absolute path, outside Prefix; the default is /device
	// Lasts says for how long a client with this consent keeps access without asking again.
	Lasts func(client *oauth.Client, scope oauth.Scope) time.Duration
	// Address is the browser's address, for throttling. Optional: the default is the connection's, which is
	// wrong behind a proxy.
	Address func(r *http.Request) string
	Brand   Brand // optional
	// Locales is a folder with files <language>.yaml: further languages, and messages that differ from ours. Optional.
	// The format is described in locales/en.yaml.
	Locales fs.FS

	Clock  oauth.Clock
	Random oauth.Random
	Log    *slog.Logger
}

func (d Deps) validate() error {
	var faults []error
	need := func(ok bool, what string) {
		if !ok {
			faults = append(faults, errors.New("interaction: "+what+" is required"))
		}
	}
	need(d.Store != nil, "Store")
	need(d.Sessions != nil, "Sessions")
	need(d.Authenticator != nil, "Authenticator")
	need(d.Audit != nil, "Audit")
	need(strings.HasPrefix(d.Prefix, "/") && !strings.HasSuffix(d.Prefix, "/"), "Prefix, an absolute path without a slash at its end,")
	need(strings.HasPrefix(d.ResumePath, "/"), "ResumePath, an absolute path,")
	need(d.DevicePath == "" || strings.HasPrefix(d.DevicePath, "/") && !strings.HasSuffix(d.DevicePath, "/"),
		"DevicePath, where there is one, an absolute path without a slash at its end,")
	need(d.Floor.Name != "", "Floor")
	need(d.Lasts != nil, "Lasts")
	need(d.Clock != nil && d.Random != nil && d.Log != nil, "Clock, Random and Log")
	return errors.Join(append(faults, d.Brand.validate())...)
}

// Pages serves the pages.
type Pages struct {
	deps   Deps
	host   string // of the issuer
	assets assets

	languages *languages
	view      map[*language]views

	recorder *audit.Recorder
	origin   *http.CrossOriginProtection
	throttle *throttle
	codes    *throttle // of guesses at the user codes of devices
}

// New makes the pages. It fails, naming everything that is missing.
func New(deps Deps) (*Pages, error) {
	if err := deps.validate(); err != nil {
		return nil, err
	}
	issuer, err := url.Parse(deps.Issuer)
	if err != nil || issuer.Host == "" {
		return nil, errors.New("interaction: Issuer must be a URL")
	}
	origin, err := session.Origin(deps.Issuer)
	if err != nil {
		return nil, err
	}
	spoken, err := readLanguages(deps.Locales)
	if err != nil {
		return nil, err
	}
	for _, one := range spoken.byTag {
		if len(one.missing) > 0 {
			deps.Log.Warn("a language is incomplete: the rest is in English", "language", one.tag, "missing", one.missing)
		}
	}
	view, err := parseViews(spoken)
	if err != nil {
		return nil, err
	}
	if deps.Address == nil {
		deps.Address = func(r *http.Request) string { return r.RemoteAddr }
	}
	if deps.DevicePath == "" {
		deps.DevicePath = "/device"
	}
	deps.Brand = deps.Brand.withDefaults()
	return &Pages{
		deps: deps, host: issuer.Host, assets: makeAssets(deps.Prefix, deps.Brand), languages: spoken, view: view,
		recorder: audit.NewRecorder(deps.Clock, deps.Random), origin: origin, throttle: newThrottle(deps.Clock),
		codes: newThrottle(deps.Clock),
	}, nil
}

// Interact sends the browser to the page that the waiting request needs: login while it has no user,
// consent otherwise. It implements the interface that the authorization endpoint declares.
func (p *Pages) Interact(w http.ResponseWriter, _ *http.Request, waiting oauth.Interaction) {
	path := p.deps.Prefix + pathLogin
	if waiting.User != nil {
		path = p.deps.Prefix + pathConsent
	}
	web.SeeOther(w, session.PageURL(path, waiting.Digest))
}

const (
	pathLogin   = "/login"
	pathConsent = "/consent"
	pathAssets  = "/assets/"

	pathApprovals      = "/approvals"
	pathApprovalsLogin = "/approvals/login"
)

// Handler serves everything below Deps.Prefix.
func (p *Pages) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc(p.deps.Prefix+pathLogin, p.login)
	mux.HandleFunc(p.deps.Prefix+pathConsent, p.consent)
	mux.HandleFunc(p.deps.Prefix+pathAssets, p.asset)
	if p.deps.Approvals != nil {
		mux.HandleFunc(p.deps.Prefix+pathApprovals, p.approvals)
		mux.HandleFunc(p.deps.Prefix+pathApprovalsLogin, p.approvalsLogin)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		p.WriteError(w, r, oauth.Errorf(oauth.NotFound, "there is no such page"))
	})
	return mux
}

// open finds the waiting request whose ticket the browser holds, and its client.
func (p *Pages) open(r *http.Request) (oauth.Interaction, *oauth.Client, error) {
	waiting, _, err := session.Waiting(r, p.deps.Store, p.deps.Clock)
	if err != nil {
		return oauth.Interaction{}, nil, err
	}
	client, err := p.deps.Store.Client(r.Context(), waiting.Request.ClientID)
	if errors.Is(err, oauth.ErrNotFound) {
		return oauth.Interaction{}, nil, session.Gone(err)
	}
	return waiting, client, err
}
