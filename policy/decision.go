package policy

import "time"

// The questions, which are also the values of Denial.Decision: four about a token request, one about a registration.
const (
	DecisionClient = "client" // may this client call in this way?
	DecisionGrant  = "grant"  // may it use this grant, about this subject, for these resource servers?
	DecisionScope  = "scope"  // which of the scopes does it get?
	DecisionToken  = "token"  // may the token be issued, with which claims and lifetimes?

	DecisionRegistration = "registration" // may this client be registered so?
)

// Decision is the answer to an Input. A refusal has Denials and neither scope, claims nor lifetimes; nor has the answer
// about a registration.
type Decision struct {
	// ID is unique (128 random bits) and public: it goes to the client's error_description and the log.
	ID string
	// Revision identifies the rules and data that decided: see [Engine.Revision].
	Revision string
	// Denials says why not, in the order client, grant, scope, token, then by rule.
	Denials []Denial
	// Scope is what is granted: each was in Input.Grant.Scope, in that order.
	Scope []string
	// Details are the positions, from 0 and ascending, of what is granted of Input.Grant.Details; nil = all of
	// them, empty = none, which refuses the token where there were some.
	Details []int
	// AccessClaims and IDClaims are additional claims; no name is reserved (see [Reserved]), and "may_act" has a sub or a
	// client_id. Values are string, bool, int64, float64, nil, []any and map[string]any.
	AccessClaims map[string]any
	IDClaims     map[string]any
	// TransactionContext is what policy says about a transaction, of the same kinds of values: for a transaction token's
	// "tctx" (draft-ietf-oauth-transaction-tokens-10), where any name is free.
	TransactionContext map[string]any
	// Lifetimes are whole seconds within the Max constants; 0 means that policy leaves the default.
	AccessLifetime  time.Duration
	IDLifetime      time.Duration
	RefreshLifetime time.Duration
}

// Allowed says whether a token may be issued, or a registration kept. The zero Decision, which goes with an error, allows nothing.
func (d Decision) Allowed() bool { return d.ID != "" && len(d.Denials) == 0 }

// Denial is one reason to refuse.
type Denial struct {
	Decision string // client, grant, scope, token or registration: which question was answered with no
	Rule     string // rule id, for the log, e.g. "psd2.payments_need_psp_pi"
	Error    string // OAuth error code for the client, one of those in README.md
	Text     string // reason for people, one line
}

// What a policy may return at most. Beyond any of them there is no decision.
const (
	MaxAccessLifetime  = 24 * time.Hour
	MaxIDLifetime      = 24 * time.Hour
	MaxRefreshLifetime = 2 * 365 * 24 * time.Hour

	MaxDenials     = 64
	MaxRuleLength  = 128     // bytes of a rule id
	MaxTextLength  = 512     // bytes of a denial's text
	MaxClaimsSize  = 8 << 10 // bytes of all names and values of one token's claims together
	MaxClaimsDepth = 8       // nested lists and objects
)

// isErrorCode says whether a denial may use the error code.
func isErrorCode(decision, code string) bool {
	if decision == DecisionRegistration {
		return isRegistrationError(code)
	}
	return isTokenError(code)
}

// isRegistrationError lists those of RFC 7591 section 3.2.2, and access_denied.
func isRegistrationError(code string) bool {
	switch code {
	case "invalid_redirect_uri", "invalid_client_metadata", "invalid_software_statement", "unapproved_software_statement", "access_denied":
		return true
	}
	return false
}

// isTokenError lists the OAuth error codes for requests: RFC 6749 sections 4.1.2.1 and 5.2,
// RFC 8707 section 2, RFC 9396 section 5, OpenID Connect Core section 3.1.2.6. Those that would mean "ask again" are not here.
func isTokenError(code string) bool {
	switch code {
	case "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "invalid_scope",
		"access_denied", "invalid_target", "invalid_authorization_details", "login_required", "consent_required", "interaction_required":
		return true
	}
	return false
}

// Reserved says whether a claim name belongs to the protocol, so that no policy can set it: the claims
// that Signet itself writes or that say who, for whom, how long and how bound (RFC 7519 section 4.1,
// RFC 7662 section 2.2, RFC 7800, RFC 8693 section 4.1, RFC 9068 section 2.2, OpenID Connect Core sections 2,
// 3.1.3.6, 3.3.2.11 and 5.6.2, RFC 9396, CIBA Core section 10.3.1, back-channel logout section 2.4).
func Reserved(claim string) bool {
	switch claim {
	case "iss", "sub", "aud", "exp", "nbf", "iat", "jti", "typ", "cty", "alg",
		"client_id", "scope", "cnf", "act", "authorization_details", "grant_id",
		"active", "token_type", "username", "token_introspection",
		"auth_time", "acr", "amr", "azp", "nonce", "at_hash", "c_hash", "s_hash", "sid", "events",
		"urn:openid:params:jwt:claim:auth_req_id", "urn:openid:params:jwt:claim:rt_hash",
		"sub_jwk", "sub_id", "_claim_names", "_claim_sources", "txn", "tctx", "rctx", "req_wl":
		return true
	}
	return false
}
