package ciba

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"signet/provider/audit"
	"signet/provider/deliver"
	"signet/provider/jose"
	"signet/provider/oauth"
)

// Authenticator proves who calls, and what a client has signed.
type Authenticator interface {
	Authenticate(ctx context.Context, r *http.Request, params oauth.Params, endpoints []string) (oauth.ClientAuthentication, error)
	// VerifySigned returns an error that wraps clientauth.ErrSignature for what the client did not sign.
	VerifySigned(ctx context.Context, c *oauth.Client, compact string, algs []string) (jose.Verified, error)
}

// Store is what is read, and the one write. Reading operations return oauth.ErrNotFound, wrapped, for what is not
// there.
type Store interface {
	Client(ctx context.Context, id string) (*oauth.Client, error)
	User(ctx context.Context, id string) (oauth.User, error)
	UserByName(ctx context.Context, username string) (oauth.User, error)
	// Backchannel and BackchannelByID return a request in any state.
	Backchannel(ctx context.Context, digest oauth.Digest) (oauth.Backchannel, error)
	BackchannelByID(ctx context.Context, id string) (oauth.Backchannel, error)
	Grant(ctx context.Context, id string) (oauth.Grant, error)
	// PendingBackchannels returns a user's pending, unexpired requests, the newest first, at most [MaxPending].
	PendingBackchannels(ctx context.Context, userID string, now time.Time) ([]oauth.Backchannel, error)
	// Commit applies all changes durably or none.
	Commit(ctx context.Context, changes ...oauth.Change) error
}

// MaxPending is how many requests can wait for one user; a further one is refused, since the user would not see it.
const MaxPending = 50

// Sealer encrypts with a key of the key backend.
type Sealer interface {
	Seal(ctx context.Context, plaintext, context []byte) ([]byte, error)
	Open(ctx context.Context, sealed, context []byte) ([]byte, error)
}

// Keys are the keys that ID tokens are signed with.
type Keys interface {
	KeySet() *jose.KeySet
	Algorithms() []string
}

// Details judges authorization_details (RFC 9396).
type Details interface {
	Check(client *oauth.Client, raw string) (oauth.Details, *oauth.Error)
}

// UserCodes judges user codes (CIBA Core section 7.1).
type UserCodes interface {
	// Check says whether the code is the user's. An *oauth.Error goes to the client as it is; any other error
	// means that nobody knows.
	Check(ctx context.Context, clientID string, user oauth.User, code oauth.Secret) (bool, error)
}

// Poster sends a notice to an address that is not ours, without following redirects.
type Poster interface {
	// Post returns the answer's status. An error that wraps fetch.ErrRefused cannot be helped by retrying.
	Post(ctx context.Context, address string, header http.Header, body []byte) (status int, err error)
}

// Push makes the tokens of an approved request for delivery by push (CIBA Core section 10.3.1).
type Push interface {
	// Tokens returns the JSON that the client gets, and what has to be committed after the grant. An *oauth.Error is
	// a refusal: there is no grant then, but the client is told by push, too, and the changes are committed all the
	// same.
	Tokens(ctx context.Context, client *oauth.Client, profile oauth.Profile, request oauth.Backchannel, authReqID oauth.Secret) (body []byte, changes []oauth.Change, err error)
}

// LoginHint is what a login_hint, and the subject of a login_hint_token, names a user by.
type LoginHint string

// The hints.
const (
	ByUsername LoginHint = "username"
	BySubject  LoginHint = "sub"
)

// HintIssuer signs login_hint_tokens.
type HintIssuer struct {
	Issuer string // "iss"
	// Keys returns its public keys. An error means that they cannot be had now.
	Keys func(ctx context.Context) (*jose.KeySet, error)
	// Fresh reads them anew, when none of them is the one that a token names. Optional.
	Fresh func(ctx context.Context) (*jose.KeySet, error)
	Algs  []string // that count
}

// Deps is what the service works with. Fields are required unless their comment says otherwise.
type Deps struct {
	Authenticate Authenticator
	Endpoints    []string // the backchannel authentication endpoint's URLs at both doors: acceptable assertion audiences
	Store        Store
	Sealer       Sealer
	Keys         Keys
	Details      Details         // optional: nil = no authorization_details are known
	UserCodes    UserCodes       // optional: nil = a user who has a code cannot be asked for
	Post         Poster          // reaches clients
	Push         Push            // optional: nil = push is refused
	Queue        *deliver.Runner // sends what is queued: New adds the kinds of this package to it
	Device       Device          // optional, see [Device]
	Webhook      *Webhook        // optional, see [Webhook]
	Floor        oauth.Profile
	Record       *audit.Recorder

	Issuer      string
	ApprovalURL string       // where users find what waits for them
	LoginHint   LoginHint    // default ByUsername
	HintIssuers []HintIssuer // optional
	Scopes      oauth.Scope  // all that exist
	Resources   []string     // ids of the resource servers
	ACRs        []string     // what a login reaches, see [Service.Answer]; optional

	Expiry, MaxExpiry time.Duration // of a request, as the client did or did not ask
	Interval          time.Duration // between polls; whole seconds
	RefreshLifetime   time.Duration // bounds the grant's life
	// PendingOfClient is how many of the requests that wait for one user can be one client's, so that it does not keep
	// others out: 1 to [MaxPending].
	PendingOfClient int

	Clock  oauth.Clock
	Random oauth.Random
	Log    *slog.Logger
}

func (d Deps) validate() error {
	var faults []error
	need := func(ok bool, what string) {
		if !ok {
			faults = append(faults, errors.New("ciba: "+what+" is required"))
		}
	}
	need(d.Authenticate != nil && len(d.Endpoints) > 0, "Authenticate, with Endpoints,")
	need(d.Store != nil && d.Sealer != nil && d.Keys != nil && d.Post != nil && d.Queue != nil, "each of Store, Sealer, Keys, Post and Queue")
	need(d.Floor.Name != "", "Floor")
	need(d.Record != nil, "Record")
	need(d.Webhook == nil || d.Webhook.URL != "" && d.Webhook.Token != nil && d.Webhook.Post != nil, "each of URL, Token and Post of Webhook")
	need(d.Issuer != "" && d.ApprovalURL != "", "Issuer and ApprovalURL")
	need(d.LoginHint == ByUsername || d.LoginHint == BySubject, "LoginHint, username or sub,")
	need(len(d.Scopes) > 0, "Scopes")
	need(d.Expiry >= time.Second && d.MaxExpiry >= d.Expiry, "an Expiry of at least a second, and a MaxExpiry no shorter,")
	need(d.Interval >= time.Second && d.RefreshLifetime > 0, "an Interval of at least a second and a RefreshLifetime")
	need(d.PendingOfClient > 0 && d.PendingOfClient <= MaxPending, "a PendingOfClient from 1 to MaxPending")
	need(d.Clock != nil && d.Random != nil && d.Log != nil, "Clock, Random and Log")
	for _, h := range d.HintIssuers {
		need(h.Issuer != "" && h.Keys != nil && len(h.Algs) > 0, "Issuer, Keys and Algs of each of HintIssuers")
	}
	return errors.Join(faults...)
}

// Service answers backchannel authentication requests. It is safe for concurrent use.
type Service struct {
	deps    Deps
	asked   *buckets // by pair: how often a client has asked for a user
	unknown *buckets // by client: how often it has asked for nobody
}

// New makes a Service. It fails, naming everything that is missing.
func New(deps Deps) (*Service, error) {
	if deps.LoginHint == "" {
		deps.LoginHint = ByUsername
	}
	if err := deps.validate(); err != nil {
		return nil, err
	}
	s := &Service{
		deps:  deps,
		asked: newBuckets(deps.Clock, askBurst, askLeak), unknown: newBuckets(deps.Clock, unknownBurst, unknownLeak),
	}
	return s, deps.Queue.Handle(s.kinds()...)
}

// Modes are the token delivery modes that the service has, for discovery
// (backchannel_token_delivery_modes_supported, CIBA Core section 4).
func (s *Service) Modes() []string {
	modes := []string{oauth.BackchannelPoll, oauth.BackchannelPing}
	if s.deps.Push != nil && s.deps.Floor.PushMode && !s.deps.Floor.SenderConstrained {
		modes = append(modes, oauth.BackchannelPush)
	}
	return modes
}

// now is the present time as every database keeps it.
func (s *Service) now() time.Time { return s.deps.Clock().UTC().Truncate(time.Microsecond) }
