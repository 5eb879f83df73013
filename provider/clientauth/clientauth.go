package clientauth

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"signet/mtls"
	"signet/provider/oauth"
)

// Clients finds registered clients.
type Clients interface {
	// Client returns an error that wraps oauth.ErrNotFound when there is no such client.
	Client(ctx context.Context, id string) (*oauth.Client, error)
}

// Anchors judges a certificate by the configured trust anchors: chain, purpose, validity, revocation.
type Anchors interface {
	Verify(leaf *x509.Certificate, intermediates []*x509.Certificate, now time.Time) error
}

// Fetcher reads what clients publish, through the one guarded outbound client.
type Fetcher interface {
	// Cached may answer from a cache no older than maxAge.
	Cached(ctx context.Context, url, accept string, maxAge time.Duration) ([]byte, error)
	// Refresh asks again, at a bounded rate.
	Refresh(ctx context.Context, url, accept string) ([]byte, error)
}

// Sealer encrypts with a key of the key backend.
type Sealer interface {
	Seal(ctx context.Context, plaintext, context []byte) ([]byte, error)
	Open(ctx context.Context, sealed, context []byte) ([]byte, error)
}

// Deps is what authentication needs. Clients, Issuer, Floor, Clock and Peer are always required; Anchors,
// Fetch and Sealer by the methods that use them.
type Deps struct {
	Clients Clients
	Issuer  string // the issuer identifier, exactly as published
	Floor   oauth.Profile
	Clock   oauth.Clock
	// Peer finds the request's client certificate, see [mtls.Proxies.Peer]; nil when none was presented.
	Peer    func(*http.Request) (*mtls.Peer, error)
	Anchors Anchors // tls_client_auth
	Fetch   Fetcher // private_key_jwt and self_signed_tls_client_auth with jwks_uri
	// KeysMaxAge is how old what a jwks_uri answered may be; 0 = it is read again for each request.
	KeysMaxAge time.Duration
	Sealer     Sealer // client_secret_jwt
	// SelfIssuedAt are the token endpoint's URLs, as Authenticate gets them there, where an assertion that is redeemed and that
	// the client has issued itself authenticates a private_key_jwt client, too (RFC 7521 section 4.1, RFC 7523 section 3
	// item 2); nil = nowhere.
	SelfIssuedAt []string

	keys    *clientKeys
	secrets *secretChecker
}

// Maker makes a method: [None], [SecretBasic], [SecretPost], [SecretJWT], [PrivateKeyJWT], [TLS],
// [SelfSignedTLS], or one from elsewhere.
type Maker func(Deps) (Method, error)

// Authenticator authenticates clients by the methods it was made with.
type Authenticator struct {
	deps    Deps
	methods map[oauth.AuthMethod]Method
	names   []oauth.AuthMethod
}

// New returns an Authenticator with these methods. It fails when a dependency is missing or two methods
// have the same name.
func New(d Deps, makers ...Maker) (*Authenticator, error) {
	if d.Clients == nil || d.Issuer == "" || d.Floor.Name == "" || d.Clock == nil || d.Peer == nil {
		return nil, errors.New("clientauth: Clients, Issuer, Floor, Clock and Peer are required")
	}
	d.keys = &clientKeys{fetch: d.Fetch, maxAge: d.KeysMaxAge}
	d.secrets = newSecretChecker()
	a := &Authenticator{deps: d, methods: make(map[oauth.AuthMethod]Method, len(makers))}
	for _, maker := range makers {
		m, err := maker(d)
		if err != nil {
			return nil, fmt.Errorf("clientauth: %w", err)
		}
		name := m.Name()
		if a.methods[name] != nil {
			return nil, fmt.Errorf("clientauth: method %s is registered twice", name)
		}
		a.methods[name] = m
		if slices.Contains(d.Floor.AuthMethods, name) {
			a.names = append(a.names, name)
		}
	}
	return a, nil
}

// Methods returns the methods that the instance's floor leaves, in the order of registration: what
// discovery publishes as token_endpoint_auth_methods_supported.
func (a *Authenticator) Methods() []oauth.AuthMethod { return slices.Clone(a.names) }

// Why a proof was refused; for the log only.
var (
	errBadID      = errors.New("the client_id has characters that no client_id has, or is too long")
	errDisabled   = errors.New("the client is disabled")
	errMethod     = errors.New("the proof is not of the client's registered method")
	errNotAllowed = errors.New("the client's registered method is not allowed here")
)

// failed is the one answer to every proof that does not convince. That it says nothing more is the
// point: whether the client exists, is disabled or has another secret must not be told apart.
func failed(cause error) *oauth.Error {
	return oauth.Errorf(oauth.InvalidClient, "client authentication failed").Because(cause)
}

// Authenticate returns who sent the request, and with which certificate. params are its body; endpoints are
// the URLs of the endpoint at both doors. Errors are *[oauth.Error]: invalid_client, invalid_request (two
// methods at once, an unreadable certificate), or temporarily_unavailable when the proof cannot be judged now.
func (a *Authenticator) Authenticate(ctx context.Context, r *http.Request, params oauth.Params, endpoints []string) (oauth.ClientAuthentication, error) {
	var none oauth.ClientAuthentication
	peer, err := a.deps.Peer(r)
	if err != nil {
		return none, oauth.Errorf(oauth.InvalidRequest, "the client certificate cannot be read").Because(err)
	}
	req, err := newRequest(r, params, peer, endpoints, a.deps.Clock())
	if err != nil {
		return none, err
	}
	a.readSelfIssued(req)
	id, err := req.clientID()
	if err != nil {
		return none, err
	}
	client, method, profile, err := a.find(ctx, req, id)
	if err != nil {
		return none, a.deps.secrets.pretend(ctx, req, err)
	}
	changes, err := method.Authenticate(ctx, req, client, profile)
	if err != nil {
		return none, public(err)
	}
	proof := oauth.ClientAuthentication{Client: client, Profile: profile, Method: method.Name(), Changes: changes}
	if req.Peer != nil {
		proof.Certificate = req.Peer.Leaf
		// A certificate binds tokens whoever issued it; what it says of its holder counts only from an issuer we trust.
		proof.Trusted = a.deps.Anchors != nil && a.deps.Anchors.Verify(req.Peer.Leaf, req.Peer.Chain, req.Now) == nil
	}
	return proof, nil
}

// find returns the client with its method, if the request has that method's credential.
func (a *Authenticator) find(ctx context.Context, req *Request, id string) (*oauth.Client, Method, oauth.Profile, error) {
	refuse := func(cause error) (*oauth.Client, Method, oauth.Profile, error) {
		return nil, nil, oauth.Profile{}, failed(cause)
	}
	client, err := a.deps.Clients.Client(ctx, id)
	if errors.Is(err, oauth.ErrNotFound) {
		return refuse(err)
	}
	if err != nil {
		return nil, nil, oauth.Profile{}, unavailable(err)
	}
	if client.Disabled {
		return refuse(errDisabled)
	}
	profile, ok := a.deps.Floor.For(client)
	if !ok {
		return refuse(fmt.Errorf("the client's profile %q is unknown", client.Profile))
	}
	method := a.methods[client.AuthMethod]
	if method == nil || !slices.Contains(profile.AuthMethods, client.AuthMethod) {
		return refuse(errNotAllowed)
	}
	if a.implicit(req, client) {
		method = selfIssuedMethod{a.deps.keys, a.deps.Issuer}
	}
	if !method.Presented(req) {
		return refuse(errMethod)
	}
	return client, method, profile, nil
}

// public leaves an *oauth.Error as it is; anything else means that the proof could not be judged.
func public(err error) error {
	if known := (*oauth.Error)(nil); errors.As(err, &known) {
		return known
	}
	return unavailable(err)
}

func unavailable(cause error) *oauth.Error {
	return oauth.Errorf(oauth.TemporarilyUnavailable, "the client cannot be authenticated now").Because(cause)
}
