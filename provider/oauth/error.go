package oauth

import (
	"errors"
	"fmt"
)

// Code is an error code as the specifications name it.
type Code string

// Error codes. The comment names the specification that defines each.
const (
	InvalidRequest          Code = "invalid_request"           // RFC 6749 section 5.2
	InvalidClient           Code = "invalid_client"            // RFC 6749 section 5.2
	InvalidGrant            Code = "invalid_grant"             // RFC 6749 section 5.2
	UnauthorizedClient      Code = "unauthorized_client"       // RFC 6749 section 5.2
	UnsupportedGrantType    Code = "unsupported_grant_type"    // RFC 6749 section 5.2
	InvalidScope            Code = "invalid_scope"             // RFC 6749 section 5.2
	AccessDenied            Code = "access_denied"             // RFC 6749 section 4.1.2.1
	UnsupportedResponseType Code = "unsupported_response_type" // RFC 6749 section 4.1.2.1
	ServerError             Code = "server_error"              // RFC 6749 section 4.1.2.1
	TemporarilyUnavailable  Code = "temporarily_unavailable"   // RFC 6749 section 4.1.2.1
	InvalidTarget           Code = "invalid_target"            // RFC 8707 section 2
	InvalidToken            Code = "invalid_token"             // RFC 6750 section 3.1
	InsufficientScope       Code = "insufficient_scope"        // RFC 6750 section 3.1
	LoginRequired           Code = "login_required"            // OpenID Connect Core section 3.1.2.6
	ConsentRequired         Code = "consent_required"          // OpenID Connect Core section 3.1.2.6
	RequestNotSupported     Code = "request_not_supported"     // OpenID Connect Core section 3.1.2.6
	RequestURINotSupported  Code = "request_uri_not_supported" // OpenID Connect Core section 3.1.2.6
	RegistrationUnsupported Code = "registration_not_supported"
	InvalidDPoPProof        Code = "invalid_dpop_proof"                // RFC 9449 section 5
	UseDPoPNonce            Code = "use_dpop_nonce"                    // RFC 9449 section 8
	InvalidRequestURI       Code = "invalid_request_uri"               // OpenID Connect Core section 3.1.2.6
	InvalidRequestObject    Code = "invalid_request_object"            // OpenID Connect Core section 3.1.2.6
	InvalidDetails          Code = "invalid_authorization_details"     // RFC 9396 section 5
	InvalidGrantID          Code = "invalid_grant_id"                  // Grant Management section 6.4
	UnmetAuthentication     Code = "unmet_authentication_requirements" // OpenID Connect Unmet Authentication Requirements section 2
	InsufficientUserAuth    Code = "insufficient_user_authentication"  // RFC 9470 section 3
	InvalidRedirectURI      Code = "invalid_redirect_uri"              // RFC 7591 section 3.2.2
	InvalidClientMetadata   Code = "invalid_client_metadata"           // RFC 7591 section 3.2.2
	AuthorizationPending    Code = "authorization_pending"             // CIBA Core section 11
	SlowDown                Code = "slow_down"                         // CIBA Core section 11
	ExpiredToken            Code = "expired_token"                     // CIBA Core section 11
	ExpiredLoginHintToken   Code = "expired_login_hint_token"          // CIBA Core section 13
	UnknownUserID           Code = "unknown_user_id"                   // CIBA Core section 13
	MissingUserCode         Code = "missing_user_code"                 // CIBA Core section 13
	InvalidUserCode         Code = "invalid_user_code"                 // CIBA Core section 13
	InvalidBindingMessage   Code = "invalid_binding_message"           // CIBA Core section 13
	MethodNotAllowed        Code = "method_not_allowed"                // HTTP 405; no OAuth code exists
	NotFound                Code = "not_found"                         // HTTP 404; no OAuth code exists
	PayloadTooLarge         Code = "payload_too_large"                 // HTTP 413; no OAuth code exists
)

// Error is the one error type that reaches the wire. Code and Description are public; Cause is logged
// with the request id and never sent.
type Error struct {
	Code        Code
	Description string // for the client's developer; no input echoed, no internals
	Cause       error  // private; may be nil
	Decision    string // id of the policy decision that refused, if one did; public
}

// Errorf makes an Error whose description is formatted. Arguments become public: never a secret.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Description: fmt.Sprintf(format, args...)}
}

// Because returns a copy that carries the private cause.
func (e *Error) Because(cause error) *Error {
	c := *e
	c.Cause = cause
	return &c
}

// Error implements error: the text for the log, cause included.
func (e *Error) Error() string {
	text := string(e.Code)
	if e.Description != "" {
		text += ": " + e.Description
	}
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	return text
}

// Unwrap gives the private cause to errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.Cause }

// Refusal is an error that nevertheless changes state: a code burnt by its own client's bad verifier,
// a grant revoked because a token of it was reused. The endpoint commits Changes, then answers with Err.
type Refusal struct {
	Err     *Error
	Changes []Change
	Detail  map[string]any // more for the audit entry; no secrets
}

// Error implements error.
func (r *Refusal) Error() string { return r.Err.Error() }

// Unwrap gives Err to errors.As.
func (r *Refusal) Unwrap() error { return r.Err }

// ErrNotFound is what a store's reading operations return for something that is not there.
var ErrNotFound = errors.New("not found")

// ErrUnavailable is wrapped by backends whose part cannot answer now: the database or the key service is out of
// reach, overloaded or sealed. The request may be repeated: nothing was used up, unless the database was lost
// in the very moment of a commit and has not come back to tell; whatever was committed is then found by the repetition.
var ErrUnavailable = errors.New("unavailable at present")

// Conflict is what Commit returns when a conditional change did not apply because another request was
// first. Nothing of the commit has been applied.
type Conflict struct{ Change Change }

// Error implements error.
func (c *Conflict) Error() string { return fmt.Sprintf("conflict: %T was already done", c.Change) }
