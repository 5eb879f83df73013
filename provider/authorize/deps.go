package authorize

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"signet/provider/audit"
	"signet/provider/binding"
	"signet/provider/issue"
	"signet/provider/jose"
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
	// Pushed returns used and expired requests too, for as long as they are kept.
	Pushed(ctx context.Context, digest oauth.Digest) (oauth.PushedRequest, error)
	// Grant returns revoked grants too.
	Grant(ctx context.Context, id string) (oauth.Grant, error)
	// Commit applies all changes durably or none; *oauth.Conflict when a conditional one came second.
	Commit(ctx context.Context, changes ...oauth.Change) error
}

// Authenticator proves who pushes a request, and who signed one; package clientauth has one.
type Authenticator interface {
	Authenticate(ctx context.Context, r *http.Request, params oauth.Params, endpoints []string) (oauth.ClientAuthentication, error)
	VerifySigned(ctx context.Context, c *oauth.Client, compact string, algs []string) (jose.Verified, error)
}

// Binder finds out what the sender of a request holds; package binding has one.
type Binder interface {
	From(w http.ResponseWriter, r *http.Request, leaf *x509.Certificate, urls, algs []string, access oauth.Secret) (binding.Sender, error)
}

// Details judges authorization_details (RFC 9396 section 5); package rar does.
type Details interface {
	Check(client *oauth.Client, raw string) (oauth.Details, *oauth.Error)
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

// Subjects says by which subject a client knows a user (OpenID Connect Core section 8); package issue does.
type Subjects interface {
	Subject(c *oauth.Client, userID string) (string, error)
}

// Fetcher gets a document over https; package fetch has one, with limits of address, size and time.
type Fetcher interface {
	Get(ctx context.Context, address, accept string) ([]byte, error)
}

// Decrypter opens a JWE that was encrypted to this server. Errors that wrap jose's are the sender's fault; after any
// other one nobody knows. Package keys has one.
type Decrypter interface {
	Decrypt(ctx context.Context, compact string) (payload []byte, err error)
}

// Front decides about the access token of an authorization response, and makes it (OpenID Connect Core sections
// 3.2.2.5 and 3.3.2.5). Nothing is stored by it: the changes go into the commit of the answer. Package token has one.
type Front func(ctx context.Context, c *oauth.Client, p oauth.Profile, grant oauth.Grant, user oauth.EndUser) (FrontTokens, []oauth.Change, error)

// FrontIDToken decides about the ID token of an authorization response that has no access token: no AccessToken comes
// back. Package token has one.
type FrontIDToken func(ctx context.Context, c *oauth.Client, p oauth.Profile, grant oauth.Grant, user oauth.EndUser) (FrontTokens, error)

// FrontTokens is an access token that leaves in an authorization response, and what an ID token may say that leaves with
// it, or without any.
type FrontTokens struct {
	AccessToken oauth.Secret // "" = none
	TokenType   string
	ExpiresIn   int64       // seconds
	Scope       oauth.Scope // granted by policy
	JTI         string
	DecisionID  string         // of the policy's decision
	IDClaims    map[string]any // of the ID token, by policy
	IDLifetime  time.Duration
}

// Deps is what the endpoint works with. All fields are required unless they say otherwise.
type Deps struct {
	Store        Store
	Sessions     *session.Manager
	Interact     Interactor
	Audit        Auditor
	Authenticate Authenticator
	Bind         Binder
	Details      Details
	Issue        *issue.Issuer
	Hints        issue.Hints
	Subjects     Subjects
	Front        Front        // may be nil while no response type of ResponseTypes has an access token in front
	FrontIDToken FrontIDToken // may be nil while none has an ID token there
	Fetch        Fetcher      // gets request objects by reference (OpenID Connect Core section 6.2); nil = none is
	Decrypt      Decrypter    // nil = encrypted request objects are refused
	// ErrorPage answers with a page for people, where redirecting would be unsafe, and logs err.
	ErrorPage func(w http.ResponseWriter, r *http.Request, err error)
	// FormPostPage answers with a form that carries fields to action by POST when the user presses its
	// button (OAuth 2.0 Form Post Response Mode section 2); clientName is for people.
	FormPostPage func(w http.ResponseWriter, r *http.Request, clientName, action string, fields url.Values)
	// SessionState is session_state for an answer to the redirect URI (OpenID Connect Session Management section 2);
	// "" = none. It may be nil.
	SessionState func(r *http.Request, c *oauth.Client, redirectURI string) (string, error)

	Issuer        string   // "iss" in every answer (RFC 9207 section 2), "aud" of every request object
	ResumePath    string   // the path at which Resume is mounted
	PushEndpoints []string // the URLs at which Push is mounted, at both doors
	// Audiences are what an assertion at Push may be for besides (RFC 9126 section 2): the token endpoint's URLs.
	Audiences []string
	Floor     oauth.Profile
	Scopes    []string // all scopes that this server knows; may be empty
	Resources []string // all resource servers' identifiers (RFC 8707); may be empty
	ACRs      []string // all authentication contexts that a login here reaches; may be empty
	// ResponseTypes are those that are served, as ResponseTypes() spells them; a profile may allow fewer.
	ResponseTypes []string
	// RequirePKCE asks every request for a code to have a challenge, with the exceptions of checkPKCE. Without it only
	// public clients need one, and whoever is held to more than OpenID Connect.
	RequirePKCE bool
	// PublicWithoutPKCE exempts public clients of OpenID Connect alone, too, against RFC 9700 section 2.1.1.
	PublicWithoutPKCE bool
	// RequirePAR refuses every request that has not been pushed (RFC 9126 section 5), whatever the profile and the client.
	RequirePAR bool
	// OpenIDOptional serves ID tokens without the scope openid, to clients that are held to OpenID Connect alone: as servers
	// did before it was required. The claims parameter still needs it.
	OpenIDOptional bool
	// IDClaims says which of the user's claims go into ID tokens that are in the answer.
	IDClaims issue.IDTokenClaims
	// PersistIDTokens keeps a record of each ID token that is in the answer in the audit log.
	PersistIDTokens bool
	// GrantManagement serves grant_management_action; without it the parameter is ignored.
	// GrantActionRequired refuses a request that has none.
	GrantManagement, GrantActionRequired bool

	CodeLifetime    time.Duration // the profile's cap holds besides
	RefreshLifetime time.Duration // a new grant is kept this long beyond its code
	// Lasts is for how long the user's agreement counts, as the consent page says.
	Lasts               func(client *oauth.Client, scope oauth.Scope) time.Duration
	InteractionLifetime time.Duration // login and consent together
	PushedLifetime      time.Duration // of a request_uri, in whole seconds; the profile's cap holds besides
	ResponseLifetime    time.Duration // of a JWT-secured answer (JARM section 2.1)
	IDTokenLifetime     time.Duration // of an ID token in the answer about which policy is not asked

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
	need(d.Authenticate != nil, "Authenticate")
	need(d.Bind != nil, "Bind")
	need(d.Details != nil, "Details")
	need(d.Issue != nil, "Issue")
	need(d.Hints.Issuer != "" && d.Hints.Keys != nil, "Hints")
	need(d.Subjects != nil, "Subjects")
	need(len(d.ResponseTypes) > 0, "ResponseTypes")
	for _, t := range d.ResponseTypes {
		need(slices.Contains(ResponseTypes(), t), "a known response type, instead of "+strconv.Quote(t)+" in ResponseTypes,")
		need(!carries(t, partToken) || d.Front != nil, "Front, for "+strconv.Quote(t)+" in ResponseTypes,")
		need(!carries(t, partIDToken) || d.FrontIDToken != nil, "FrontIDToken, for "+strconv.Quote(t)+" in ResponseTypes,")
	}
	need(d.ErrorPage != nil, "ErrorPage")
	need(d.FormPostPage != nil, "FormPostPage")
	need(d.Issuer != "", "Issuer")
	need(strings.HasPrefix(d.ResumePath, "/"), "ResumePath, an absolute path,")
	need(len(d.PushEndpoints) > 0, "PushEndpoints")
	need(d.Floor.Name != "", "Floor")
	need(!d.RequirePKCE || !d.PublicWithoutPKCE, "one of RequirePKCE and PublicWithoutPKCE, not both,")
	need(d.CodeLifetime > 0, "a positive CodeLifetime")
	need(d.RefreshLifetime > 0, "a positive RefreshLifetime")
	need(d.Lasts != nil, "Lasts")
	need(d.InteractionLifetime > 0, "a positive InteractionLifetime")
	need(d.PushedLifetime >= time.Second, "a PushedLifetime of a second or more")
	need(d.ResponseLifetime > 0, "a positive ResponseLifetime")
	need(d.IDTokenLifetime > 0, "a positive IDTokenLifetime")
	need(d.Clock != nil && d.Random != nil && d.Log != nil, "Clock, Random and Log")
	return errors.Join(faults...)
}

// Endpoint is the authorization endpoint, with the pushed authorization request endpoint beside it.
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
