package oauth

import "time"

// AuthorizationRequest is a validated authorization request (RFC 6749 section 4.1.1, OpenID Connect
// Core section 3.1.2.1): its client exists, and RedirectURI is registered for it.
type AuthorizationRequest struct {
	ClientID      string   `json:"client_id"`
	RedirectURI   string   `json:"redirect_uri"`
	ResponseType  string   `json:"response_type"`
	ResponseMode  string   `json:"response_mode"`
	Scope         Scope    `json:"scope,omitempty"`
	State         string   `json:"state,omitempty"`
	Nonce         string   `json:"nonce,omitempty"`
	CodeChallenge string   `json:"code_challenge,omitempty"` // RFC 7636, always S256
	Prompt        []string `json:"prompt,omitempty"`
	MaxAge        *int     `json:"max_age,omitempty"` // seconds
	LoginHint     string   `json:"login_hint,omitempty"`
	Subject       string   `json:"sub,omitempty"`      // the only user whom an answer may be about; "" = any (OpenID Connect Core section 3.1.2.2)
	Resources     []string `json:"resource,omitempty"` // RFC 8707; the client's default when the request named none

	// ACRValues are the acceptable authentication contexts, the preferred one first. Essential refuses a login
	// that reaches none of them (OpenID Connect Core section 5.5.1.1, RFC 9470 section 4).
	ACRValues    []string `json:"acr_values,omitempty"`
	EssentialACR bool     `json:"essential_acr,omitempty"`

	Details Details `json:"authorization_details,omitempty"` // RFC 9396
	// DPoPJKT binds the code to a DPoP key (RFC 9449 section 10).
	DPoPJKT string `json:"dpop_jkt,omitempty"`
	// GrantAction and GrantID are what is to become of a grant (Grant Management for OAuth 2.0 section 6.1).
	GrantAction GrantAction `json:"grant_management_action,omitempty"`
	GrantID     string      `json:"grant_id,omitempty"`

	// Claims are those that are asked for one by one. Display, UILocales and ClaimsLocales are what the pages and the
	// claims are to look like (OpenID Connect Core sections 3.1.2.1 and 5.5).
	Claims        ClaimsRequest `json:"claims,omitzero"`
	Display       string        `json:"display,omitempty"`
	UILocales     []string      `json:"ui_locales,omitempty"`
	ClaimsLocales []string      `json:"claims_locales,omitempty"`

	// Signed says that the parameters came in a signed request object (RFC 9101), Pushed that an authenticated
	// client pushed them (RFC 9126).
	Signed bool `json:"signed,omitempty"`
	Pushed bool `json:"pushed,omitempty"`
}

// PushedRequest is an authorization request that waits at its request_uri (RFC 9126 section 2.2). The client holds
// a Secret, the store its Digest.
type PushedRequest struct {
	Digest    Digest               `json:"-"`
	Request   AuthorizationRequest `json:"request"` // names the client
	ExpiresAt time.Time            `json:"expires_at"`
	// Used says that an answer has been given to it.
	Used bool `json:"-"`
}

// Interaction is an authorization request that waits for its user. The browser holds a Secret, the store
// its Digest.
type Interaction struct {
	Digest    Digest               `json:"-"`
	Request   AuthorizationRequest `json:"request"`
	RequestID string               `json:"request_id"`
	// User is set once somebody has logged in for this request.
	User      *EndUser  `json:"user,omitempty"`
	ExpiresAt time.Time `json:"expires_at"`
	// Pushed is the digest of the request_uri that the request came by; zero = none.
	Pushed Digest `json:"pushed,omitzero"`
	// Outcome is what the user is shown and decides about when the request names a grant: that grant as it would be,
	// with the UpdatedAt that it had when it was read.
	Outcome *Grant `json:"outcome,omitempty"`
}

// AuthorizationCode is a code at rest (RFC 6749 section 4.1.2).
type AuthorizationCode struct {
	Digest   Digest               `json:"-"`
	ClientID string               `json:"client_id"`
	GrantID  string               `json:"grant_id"`
	Request  AuthorizationRequest `json:"request"`
	User     EndUser              `json:"user"`
	Scope    Scope                `json:"scope"` // what the user consented to
	// GrantSeen is the UpdatedAt of a managed grant as the code was issued for it: the code is good for that grant
	// and not for what becomes of it. Nil when the grant is not managed.
	GrantSeen *time.Time `json:"grant_seen,omitempty"`
	IssuedAt  time.Time  `json:"issued_at"`
	ExpiresAt time.Time  `json:"expires_at"`
	Used      bool       `json:"-"` // redeemed or burnt
}

// Grant is what a user allowed a client: the root of every token made from it. Revoking it ends them all.
type Grant struct {
	ID        string   `json:"grant_id"`
	ClientID  string   `json:"client_id"`
	UserID    string   `json:"sub"`
	Scope     Scope    `json:"scope"`
	Resources []string `json:"resources,omitempty"`
	Details   Details  `json:"authorization_details,omitempty"`
	// Claims are those that were asked for one by one (OpenID Connect Core section 5.5).
	Claims    ClaimsRequest `json:"claims,omitzero"`
	CreatedAt time.Time     `json:"created_at"`
	UpdatedAt time.Time     `json:"updated_at,omitzero"` // last replaced or merged (Grant Management section 4)
	// ReplacedAt is when it was last replaced: access tokens from before give what the user may have ended.
	ReplacedAt time.Time `json:"replaced_at,omitzero"`
	// Managed says that the client has been told the id and may query and revoke the grant by it.
	Managed bool `json:"managed,omitempty"`
	// ParentID and ParentJTI are the grant and the token that this one was derived from (see [DeriveGrant]); "" = none.
	ParentID  string    `json:"parent_grant_id,omitempty"`
	ParentJTI string    `json:"parent_jti,omitempty"`
	ExpiresAt time.Time `json:"expires_at"` // when nothing made from it can be alive any more
	Revoked   bool      `json:"revoked"`
}

// Version is what tells a managed grant from what a later request makes of it; nil when the grant is not managed.
func (g Grant) Version() *time.Time {
	if !g.Managed {
		return nil
	}
	return &g.UpdatedAt
}

// Updated is the UpdatedAt of a grant that is changed now and was last changed at seen: later than that, and in the
// microseconds that a database keeps.
func Updated(seen, now time.Time) time.Time {
	now = now.UTC().Truncate(time.Microsecond)
	if now.After(seen) {
		return now
	}
	return seen.Add(time.Microsecond)
}

// RefreshToken is a refresh token at rest (RFC 6749 section 1.5).
type RefreshToken struct {
	Digest    Digest   `json:"-"`
	ClientID  string   `json:"client_id"`
	GrantID   string   `json:"grant_id"`
	User      EndUser  `json:"user"`
	Scope     Scope    `json:"scope"`
	Resources []string `json:"resources,omitempty"`
	Details   Details  `json:"authorization_details,omitempty"`
	// Claims are those that were asked for one by one (OpenID Connect Core section 5.5).
	Claims ClaimsRequest `json:"claims,omitzero"`
	// Managed says that its grant is (see [Grant]), so that it may have been replaced since.
	Managed      bool         `json:"managed,omitempty"`
	Confirmation Confirmation `json:"cnf"` // set for public clients (RFC 8705 section 4, RFC 9449 section 5)
	// Actor acts for the user in all that is made from it (RFC 8693 section 4.1). Derived says that it was itself made from
	// another token, beyond whose end nothing of it lives.
	Actor     *Actor    `json:"act,omitempty"`
	Derived   bool      `json:"derived,omitempty"`
	IssuedAt  time.Time `json:"issued_at"`
	ExpiresAt time.Time `json:"expires_at"` // unchanged by rotation, unless the configuration extends it
	// Revoked says that the token's grant has been revoked.
	Revoked bool `json:"-"`
	// RotatedAt is zero while the token is usable; then the time at which it was replaced.
	RotatedAt time.Time `json:"-"`
	// Successor is the digest of the token that replaced it.
	Successor Digest `json:"-"`
	// SuccessorUsed says that the successor has itself been used or is gone: no retry can be granted.
	SuccessorUsed bool `json:"-"`
}

// OpaqueToken is an access token by reference (RFC 7662): the claims that a JWT would have carried.
type OpaqueToken struct {
	Digest    Digest    `json:"-"`
	JTI       string    `json:"jti"`
	GrantID   string    `json:"grant_id,omitempty"`
	ClientID  string    `json:"client_id"`
	Claims    []byte    `json:"claims"` // JSON object
	ExpiresAt time.Time `json:"expires_at"`
}

// GrantAction is a value of grant_management_action (Grant Management for OAuth 2.0 section 6.1).
type GrantAction string

// The actions.
const (
	GrantCreate  GrantAction = "create"
	GrantMerge   GrantAction = "merge"
	GrantReplace GrantAction = "replace"
)
