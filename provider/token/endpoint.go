package token

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"signet/policy"
	"signet/provider/audit"
	"signet/provider/issue"
	"signet/provider/oauth"
	"signet/provider/web"
)

// Authenticator proves who calls.
type Authenticator interface {
	Authenticate(ctx context.Context, r *http.Request, params oauth.Params, endpoints []string) (oauth.ClientAuthentication, error)
}

// Policy is the bank's decision. An error means that it cannot answer; the request is then refused.
type Policy interface {
	Decide(ctx context.Context, in policy.Input) (policy.Decision, error)
}

// Committer applies a request's changes: all of them or none.
type Committer interface {
	Commit(ctx context.Context, changes ...oauth.Change) error
}

// Auditor keeps an audit entry durably for a request that commits nothing else. An error means that it
// cannot; the request is then refused.
type Auditor interface {
	Add(ctx context.Context, entry oauth.AuditEntry) error
}

// Deps are what the endpoint works with. All are required, up to where it says so.
type Deps struct {
	Authenticate Authenticator
	Endpoints    []string // this endpoint's URLs at both doors: acceptable assertion audiences
	Bind         Binder
	Grants       []oauth.GrantHandler
	Details      Details
	Policy       Policy
	Issue        *issue.Issuer
	Store        Committer
	Audit        Auditor
	Record       *audit.Recorder
	Catalog      *Catalog
	Lifetimes    Lifetimes
	Clock        oauth.Clock
	Log          *slog.Logger

	// What follows may be left out.

	// GrantTypes are those that are served, of the ones that there are in Grants; nil = all.
	GrantTypes []string
	// AudienceParameter reads the values of the parameter audience as further resource indicators (RFC 8707 section 2).
	// In a token exchange and in a grant that the configuration declares, the parameter has a meaning of its own.
	AudienceParameter bool
	// NotBefore puts nbf into access tokens, this long before they are issued; nil = no nbf.
	NotBefore *time.Duration
	// TellRefreshLifetime adds refresh_token_expires_in, in seconds, to a response that has a refresh token.
	TellRefreshLifetime bool
	// Domains are the trust domains of transaction tokens, each with the scopes that mean something there; nil = all.
	Domains  map[string]oauth.Scope
	Refresh  RefreshOptions
	IDTokens IDTokenOptions
}

// Lifetimes are the defaults where policy has no opinion. Most caps what policy may give access and ID
// tokens: keys stay published for at least that long after they have signed.
type Lifetimes struct{ IDToken, RefreshToken, Most time.Duration }

// Endpoint is the token endpoint.
type Endpoint struct {
	Deps
	grants map[string]oauth.GrantHandler
	types  []string // of grants, in their order
}

// New returns the endpoint with its grants registered by their type, as far as they are served.
func New(deps Deps) *Endpoint {
	e := &Endpoint{Deps: deps, grants: make(map[string]oauth.GrantHandler, len(deps.Grants))}
	for _, g := range deps.Grants {
		if name := g.GrantType(); deps.GrantTypes == nil || slices.Contains(deps.GrantTypes, name) {
			e.grants[name], e.types = g, append(e.types, name)
		}
	}
	return e
}

// GrantTypes lists the grants that are served, for discovery.
func (e *Endpoint) GrantTypes() []string { return slices.Clone(e.types) }

// response is a successful answer (RFC 6749 section 5.1, OpenID Connect Core section 3.1.3.3, RFC 8693 section 2.2.1).
type response struct {
	AccessToken      string          `json:"access_token"` // or whatever was asked for in its place
	IssuedTokenType  oauth.TokenType `json:"issued_token_type,omitempty"`
	TokenType        string          `json:"token_type"`
	ExpiresIn        int64           `json:"expires_in"`
	RefreshToken     string          `json:"refresh_token,omitempty"`
	RefreshExpiresIn int64           `json:"refresh_token_expires_in,omitempty"` // as several other servers have it
	IDToken          string          `json:"id_token,omitempty"`
	Scope            string          `json:"scope"`

	Details oauth.Details `json:"authorization_details,omitempty"` // RFC 9396 section 7
	GrantID string        `json:"grant_id,omitempty"`              // Grant Management section 6.2
}

// ServeHTTP answers a token request.
func (e *Endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, err := e.answer(w, r)
	if err != nil {
		web.WriteError(w, r, e.Log, err)
		return
	}
	web.NoStore(w.Header())
	web.WriteJSON(w, http.StatusOK, answer)
}

// answer is the whole flow: parse, authenticate, bind, redeem, decide, issue, commit.
func (e *Endpoint) answer(w http.ResponseWriter, r *http.Request) (*response, error) {
	ctx := r.Context()
	params, fault := web.ParseForm(w, r, paramResource, paramAudience)
	if fault != nil {
		return nil, fault
	}
	caller, err := e.Authenticate.Authenticate(ctx, r, params, e.Endpoints)
	if err != nil {
		return nil, err
	}
	sender, err := e.Bind.From(w, r, caller.Certificate, e.Endpoints, caller.Profile.SigningAlgs, "")
	if err != nil {
		return nil, err
	}
	if len(sender.Changes) > 0 { // the client's proofs are used up together
		caller.Changes = slices.Concat(caller.Changes, sender.Changes)
	}
	req, err := e.request(ctx, params, caller, sender.Confirmation)
	if err != nil {
		return nil, err
	}
	grant, err := e.grantFor(req)
	if err != nil {
		return nil, err
	}
	authorization, err := grant.Redeem(ctx, req)
	if err != nil {
		return nil, e.refuse(ctx, req, caller, err)
	}
	target, err := e.target(req, authorization)
	if err != nil {
		return nil, err
	}
	decision, err := e.decide(ctx, req, caller, authorization, target)
	if err != nil {
		return nil, e.refuse(ctx, req, caller, err)
	}
	issued, err := e.issue(ctx, req, authorization, target, decision)
	if err != nil {
		return nil, e.refuse(ctx, req, caller, err)
	}
	changes := slices.Concat(authorization.Changes, issued.changes)
	if err := e.commit(ctx, req, caller, changes, e.issuedEntry(req, authorization, issued, decision)); err != nil {
		return nil, err
	}
	return issued.response, nil
}

// request validates what every grant shares.
func (e *Endpoint) request(ctx context.Context, params oauth.Params, caller oauth.ClientAuthentication, sender oauth.Confirmation) (oauth.TokenRequest, error) {
	scope, ok := oauth.ParseScope(params.Get("scope"))
	if !ok {
		return oauth.TokenRequest{}, oauth.Errorf(oauth.InvalidScope, "scope is malformed (RFC 6749 section 3.3)")
	}
	if err := checkSender(caller, sender); err != nil {
		return oauth.TokenRequest{}, err
	}
	grantType, resources := params.Get("grant_type"), params.All(paramResource)
	if e.AudienceParameter && readsAudience(grantType) {
		resources = append(resources, params.All(paramAudience)...)
	}
	return oauth.TokenRequest{
		ID: web.RequestID(ctx), Now: e.Clock(), GrantType: grantType, Client: caller.Client, Profile: caller.Profile,
		Sender: sender, Scope: scope, Resources: resources, Params: params,
	}, nil
}

// The parameters that may come more than once (RFC 8707 section 2, RFC 8693 section 2.1).
const (
	paramResource = "resource"
	paramAudience = "audience"
)

// readsAudience says whether audience is another word for resource in requests of the grant type.
func readsAudience(grantType string) bool {
	return grantType != oauth.GrantTokenExchange && slices.Contains(oauth.GrantTypes, grantType)
}

func (e *Endpoint) grantFor(req oauth.TokenRequest) (oauth.GrantHandler, error) {
	if req.GrantType == "" {
		return nil, oauth.Errorf(oauth.InvalidRequest, "grant_type is missing")
	}
	grant, ok := e.grants[req.GrantType]
	if !ok {
		return nil, oauth.Errorf(oauth.UnsupportedGrantType, "grant_type is not one of grant_types_supported")
	}
	if !req.Client.Allows(req.GrantType) {
		return nil, oauth.Errorf(oauth.UnauthorizedClient, "this client is not registered for this grant_type")
	}
	return grant, nil
}
