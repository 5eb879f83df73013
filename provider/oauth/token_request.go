package oauth

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"time"
)

// ClientAuthentication is the proof of who called: which client, by which method, and the state changes
// that accepting the proof implies (a used assertion jti).
type ClientAuthentication struct {
	Client      *Client
	Profile     Profile // the floor tightened by the client's own
	Method      AuthMethod
	Certificate *x509.Certificate // the presented client certificate, whatever the method; may be nil
	Trusted     bool              // the certificate's chain ends at a configured anchor now; what it states may be believed
	Changes     []Change
}

// TokenRequest is an authenticated, bound, parsed token request: all that a grant may look at.
type TokenRequest struct {
	ID        string // request id
	Now       time.Time
	GrantType string
	Client    *Client
	Profile   Profile
	Sender    Confirmation // what the sender proved to hold
	Scope     Scope        // requested; nil when the parameter was omitted
	Resources []string     // requested (RFC 8707); nil when omitted
	Params    Params
}

// Authorization is a grant's decision: about whom, how much, and what redeeming changes. It issues
// nothing; the token endpoint alone asks policy, issues, commits and audits.
type Authorization struct {
	Subject   Subject
	GrantID   string   // "" when no grant stands behind it (client_credentials)
	Scope     Scope    // upper bound; policy may only narrow it
	Resources []string // upper bound of audiences; empty = the client's default
	Details   Details  // upper bound of authorization_details (RFC 9396); policy may only narrow it
	// TellGrant puts grant_id into the response (Grant Management section 6.2).
	TellGrant bool
	AuthReqID string // puts urn:openid:params:jwt:claim:auth_req_id into the ID token of a push (CIBA Core section 10.3.1)
	Nonce     string // for the ID token (OpenID Connect Core section 2)
	// Claims were asked for one by one; UserClaims are those of the user that go into the ID token (OpenID Connect Core
	// sections 5.4 and 5.5): only names that [StandardClaim] knows.
	Claims     ClaimsRequest
	UserClaims map[string]any
	Refresh    Refresh
	Changes    []Change

	// Parent is the jti of the token that the tokens are made from, whose revocation ends them; "" = none (see [ChildID]).
	Parent string
	// Actor acts for the subject (RFC 8693 section 4.1); nil = nobody does.
	Actor *Actor
	// NotAfter is when all that is issued has ended; zero = no bound but the usual ones.
	NotAfter time.Time
	// Output is what is issued; nil = an access token, with an ID token and a refresh token as the rest says.
	Output Output
	// Question is what policy is told besides; nil = nothing.
	Question *Question
}

// Refresh says what becomes of refresh tokens: [NoRefresh], [NewRefresh], [RotateRefresh] or [KeepRefresh].
type Refresh interface{ isRefresh() }

// NoRefresh: none is issued.
type NoRefresh struct{}

// NewRefresh: a refresh token is issued, with the whole granted scope: the grant's first, or, where Supersedes is set,
// one in the place of whichever it has (see [SupersedeRefresh]).
type NewRefresh struct{ Supersedes bool }

// RotateRefresh: Old is replaced. The new one keeps Old's scope, binding and expiry. Grace is how long after
// an earlier rotation Old may be replaced once more (see [ReplaceRefresh]).
type RotateRefresh struct {
	Old   RefreshToken
	Grace time.Duration
}

// KeepRefresh: the presented token stays valid and is not sent again.
type KeepRefresh struct{}

func (NoRefresh) isRefresh()     {}
func (NewRefresh) isRefresh()    {}
func (RotateRefresh) isRefresh() {}
func (KeepRefresh) isRefresh()   {}

// GrantHandler decides one grant type. Redeem must not change anything: what redeeming implies is
// returned in Authorization.Changes, or in a Refusal.
type GrantHandler interface {
	// GrantType is the value of the grant_type parameter.
	GrantType() string
	// Redeem returns *Error or *Refusal for what the client did wrong; any other error is a server_error.
	Redeem(ctx context.Context, req TokenRequest) (Authorization, error)
}

// Output is what a grant asks for in the place of the usual: [OutputToken], [OutputRefreshToken], [OutputIDToken] or
// [OutputTransactionToken]. Whatever it is goes into the response's access_token (RFC 8693 section 2.2.1).
type Output interface{ isOutput() }

// OutputToken is an access token alone. Type is the issued_token_type; with TokenTypeJWT it is never by reference.
type OutputToken struct{ Type TokenType }

// OutputRefreshToken is a refresh token alone, of the grant that the authorization's changes store.
type OutputRefreshToken struct{}

// OutputIDToken is an ID token alone.
type OutputIDToken struct{}

// OutputTransactionToken is a transaction token (Transaction Tokens section 7.4).
type OutputTransactionToken struct {
	Transaction string          // txn
	Audience    string          // the trust domain
	Workload    string          // req_wl
	Request     json.RawMessage // rctx: a JSON object, or nil
	// Context is tctx as the replaced token has it: a JSON object, or nil; what policy adds must not contradict it.
	Context  json.RawMessage
	Lifetime time.Duration
	// Subject is sub, as it is in the replaced token; "" = as the subject is named to the client.
	Subject string
}

func (OutputToken) isOutput()            {}
func (OutputRefreshToken) isOutput()     {}
func (OutputIDToken) isOutput()          {}
func (OutputTransactionToken) isOutput() {}
