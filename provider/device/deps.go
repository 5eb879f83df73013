package device

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"signet/provider/audit"
	"signet/provider/binding"
	"signet/provider/oauth"
)

// Authenticator proves who calls.
type Authenticator interface {
	Authenticate(ctx context.Context, r *http.Request, params oauth.Params, endpoints []string) (oauth.ClientAuthentication, error)
}

// Binder finds out what the sender of a request holds; *binding.Binder does.
type Binder interface {
	From(w http.ResponseWriter, r *http.Request, leaf *x509.Certificate, urls, algs []string, access oauth.Secret) (binding.Sender, error)
}

// Store is what is read, and the one write. Reading operations return oauth.ErrNotFound, wrapped, for what is not
// there.
type Store interface {
	Client(ctx context.Context, id string) (*oauth.Client, error)
	// DeviceRequestByUserCode returns a request in any state.
	DeviceRequestByUserCode(ctx context.Context, userCode oauth.Digest) (oauth.DeviceRequest, error)
	// Commit applies all changes durably or none.
	Commit(ctx context.Context, changes ...oauth.Change) error
}

// Details judges authorization_details (RFC 9396).
type Details interface {
	Check(client *oauth.Client, raw string) (oauth.Details, *oauth.Error)
}

// Deps is what the service works with. Fields are required unless their comment says otherwise.
type Deps struct {
	Authenticate Authenticator
	Bind         Binder
	Endpoints    []string // the device authorization endpoint's URLs at both doors
	Audiences    []string // further acceptable assertion audiences: the token endpoint's URLs; optional
	Store        Store
	Details      Details // optional: nil = no authorization_details are known
	Record       *audit.Recorder

	// VerificationURI is the address of the page at which users type their codes (RFC 8628 section 3.2): an absolute
	// URL without a query, short and easily typed. The picture of a code is at "/qr" below it.
	VerificationURI string
	Scopes          oauth.Scope // all that exist
	Resources       []string    // ids of the resource servers
	ACRs            []string    // what a login reaches, see [Service.Answer]; optional
	// Address is the sender's address, for throttling. Optional: the default is the connection's, which is wrong behind
	// a proxy.
	Address func(r *http.Request) string

	Expiry          time.Duration // of a request; whole seconds
	Interval        time.Duration // between polls; whole seconds
	RefreshLifetime time.Duration // bounds the grant's life
	// PendingOfClient is how many requests one client can make in the time that one of them waits, so that it does not
	// fill the store. It is counted in memory: each process allows as many.
	PendingOfClient int

	Clock  oauth.Clock
	Random oauth.Random
	Log    *slog.Logger
}

func (d Deps) validate() error {
	var faults []error
	need := func(ok bool, what string) {
		if !ok {
			faults = append(faults, errors.New("device: "+what+" is required"))
		}
	}
	need(d.Authenticate != nil && d.Bind != nil && len(d.Endpoints) > 0, "each of Authenticate, Bind and Endpoints")
	need(d.Store != nil && d.Record != nil, "each of Store and Record")
	page, err := url.Parse(d.VerificationURI)
	need(err == nil && page.IsAbs() && page.Host != "" && page.RawQuery == "" && page.Fragment == "",
		"VerificationURI, an absolute URL without a query,")
	need(len(d.Scopes) > 0, "Scopes")
	need(d.Expiry >= time.Second && d.Interval >= time.Second, "an Expiry and an Interval of at least a second")
	need(d.RefreshLifetime > 0 && d.PendingOfClient > 0, "a positive RefreshLifetime and PendingOfClient")
	need(d.Clock != nil && d.Random != nil && d.Log != nil, "each of Clock, Random and Log")
	return errors.Join(faults...)
}

// Service answers device authorization requests. It is safe for concurrent use.
type Service struct {
	deps      Deps
	clients   *buckets // by client id: how many requests it has made
	addresses *buckets // by the sender's address: how many were made for public clients
}

// New makes a Service. It fails, naming everything that is missing.
func New(deps Deps) (*Service, error) {
	if err := deps.validate(); err != nil {
		return nil, err
	}
	if deps.Address == nil {
		deps.Address = func(r *http.Request) string { return r.RemoteAddr }
	}
	leak := max(deps.Expiry/time.Duration(deps.PendingOfClient), time.Nanosecond)
	return &Service{
		deps: deps, clients: newBuckets(deps.Clock, deps.PendingOfClient, leak),
		addresses: newBuckets(deps.Clock, addressBurst, addressLeak),
	}, nil
}

// now is the present time as every database keeps it.
func (s *Service) now() time.Time { return s.deps.Clock().UTC().Truncate(time.Microsecond) }
