package policy

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Input is everything that a policy may know about one token request or, with Registration, about one registration of
// a client. Rego sees it as the document "input", with the names of the json tags; README.md explains each field. Every
// field is always there: a list without elements is [], text that does not apply is "", an object that does not apply
// is null.
type Input struct {
	Request Request `json:"request"`
	Client  Client  `json:"client"`
	// Certificate is the one that the client presented, whatever its authentication method; null when it
	// presented none. Its key has been proved; whether its issuer is trusted is in Trusted.
	Certificate *Certificate `json:"certificate"`
	// Sender is what the token would be bound to. A certificate can be there without being that.
	Sender  Sender  `json:"sender"`
	Subject Subject `json:"subject"`
	Grant   Grant   `json:"grant"`
	Token   Token   `json:"token"`
	// Registration is there when a client registers or changes its registration (RFC 7591, RFC 7592): then Client is what
	// it will be, and Sender, Subject, Grant and Token say nothing.
	Registration *Registration `json:"registration"`
}

// Registration is a client's registration, about to be kept: it breaks no rule of the protocol.
type Registration struct {
	Action     string `json:"action"`      // "new" or "update"
	AdmittedBy string `json:"admitted_by"` // "open" (nothing), "initial_access_token" or "registration_access_token"
	// Metadata is all that will be registered, by the names of RFC 7591 section 2 and OpenID Connect Registration section
	// 2, defaults filled in: a JSON object in which members without a value are absent.
	Metadata json.RawMessage `json:"metadata"`
	// SoftwareStatement is null when the client has none that is believed (RFC 7591 section 2.3).
	SoftwareStatement *SoftwareStatement `json:"software_statement"`
}

// SoftwareStatement is what a trusted issuer says of a client's software.
type SoftwareStatement struct {
	Issuer string          `json:"issuer"` // its "iss"; the signature is proved
	Claims json.RawMessage `json:"claims"` // a JSON object: all that the statement says
}

// Request says where and when the request came in.
type Request struct {
	ID   string `json:"id"`   // the request id that is in the logs and in the client's error
	Door string `json:"door"` // "main" or "mtls": the listener
	// Time is the time of the decision. Rego sees it as input.request.time (RFC 3339, UTC, whole seconds)
	// and as input.request.unix (seconds); time.now_ns() returns it too. The zero value means: now.
	Time    time.Time `json:"time"`
	Profile string    `json:"profile"` // security profile in force, e.g. "openid" or "fapi2-security"
}

// Client is the registered client that has authenticated.
type Client struct {
	ID         string   `json:"id"`
	Name       string   `json:"name"`
	AuthMethod string   `json:"auth_method"` // how it authenticated (RFC 7591 section 2, RFC 8705 section 2)
	GrantTypes []string `json:"grant_types"` // registered
	Scope      []string `json:"scope"`       // registered: all that it may ever have
	Resources  []string `json:"resources"`   // registered resource servers (RFC 8707)
	// Introspects are the resource identifiers whose tokens it, a resource server, takes: it is of their audience.
	Introspects []string `json:"introspects"`
	TrustedFor  []string `json:"trusted_for"` // grant types by which it may name the user itself
}

// Certificate is the client's certificate.
type Certificate struct {
	Subject        string `json:"subject"`         // distinguished name (RFC 4514)
	Issuer         string `json:"issuer"`          // distinguished name (RFC 4514)
	Thumbprint     string `json:"thumbprint"`      // x5t#S256 (RFC 8705 section 3.1)
	Trusted        bool   `json:"trusted"`         // the chain ends at a configured trust anchor, and nothing in it is revoked
	OrganizationID string `json:"organization_id"` // organizationIdentifier (OID 2.5.4.97), e.g. PSDDE-BAFIN-123456; "" when absent or not trusted
	PSD2           *PSD2  `json:"psd2"`            // null when the certificate has no PSD2 statement or is not trusted
}

// PSD2 is the PSD2 statement of a qualified certificate (ETSI TS 119 495 section 5.1).
type PSD2 struct {
	Roles         []string `json:"roles"`          // of PSP_AS, PSP_PI, PSP_AI, PSP_IC
	AuthorityName string   `json:"authority_name"` // competent authority, e.g. "Bundesanstalt für Finanzdienstleistungsaufsicht"
	AuthorityID   string   `json:"authority_id"`   // e.g. "DE-BAFIN"
}

// Sender is what the sender has proved to hold, so that nobody else can use the token (RFC 7800 "cnf").
type Sender struct {
	Method     string `json:"method"`     // "mtls" (RFC 8705), "dpop" (RFC 9449) or "none"; the zero value stands for "none"
	Thumbprint string `json:"thumbprint"` // x5t#S256 or jkt; "" for "none"
}

// Subject is whom the token is about.
type Subject struct {
	Kind     string   `json:"kind"`      // "client" or "user"
	ID       string   `json:"id"`        // the future "sub"
	ACR      string   `json:"acr"`       // how strongly the user logged in; "" for a client
	AMR      []string `json:"amr"`       // by which means (RFC 8176)
	AuthTime int64    `json:"auth_time"` // when the user logged in, seconds since 1970; 0 for a client
}

// Grant is what is asked for, after the protocol's own rules have bounded it.
type Grant struct {
	Type      string   `json:"type"`      // the request's grant_type
	Scope     []string `json:"scope"`     // upper bound: policy may grant less, never more
	Requested bool     `json:"requested"` // whether the client named scopes itself
	Resources []string `json:"resources"` // resource servers the token is for
	// Details are authorization_details (RFC 9396), each a JSON object with a type: an upper bound, of which
	// policy may grant fewer ([Decision.Details]).
	Details []json.RawMessage `json:"authorization_details"`

	Exchange    *Exchange    `json:"exchange"`    // null unless a token is exchanged for another
	Transaction *Transaction `json:"transaction"` // null unless a transaction token is asked for
	Assertion   *Assertion   `json:"assertion"`   // null unless an assertion is what is redeemed
	// Parameters are the request's parameters that the configuration of a declared grant lists; none of any other grant.
	Parameters map[string]string `json:"parameters"`
}

// Exchange says which token is to become which (RFC 8693 section 2.1).
type Exchange struct {
	SubjectTokenType string          `json:"subject_token_type"`
	SubjectIssuer    string          `json:"subject_issuer"`
	SubjectClaims    json.RawMessage `json:"subject_claims"` // a JSON object: what the subject token says; nil stands for {}
	// ActorTokenType is "" without an actor token: then the client impersonates the subject (RFC 8693 section 1.1).
	ActorTokenType string `json:"actor_token_type"`
	// Actors are the chain that the token would have, the present actor first (RFC 8693 section 4.1).
	Actors             []Actor `json:"actors"`
	RequestedTokenType string  `json:"requested_token_type"`
}

// Actor is one who acts for the subject; what is not known of it is "".
type Actor struct {
	Subject  string `json:"sub"`
	Issuer   string `json:"iss"`
	ClientID string `json:"client_id"`
}

// Transaction is what a transaction token is asked for with (draft-ietf-oauth-transaction-tokens-10).
type Transaction struct {
	Audience       string          `json:"audience"`        // the trust domain
	RequestContext json.RawMessage `json:"request_context"` // a JSON object; nil stands for {}
	RequestDetails json.RawMessage `json:"request_details"` // a JSON object; nil stands for {}
	Replaces       bool            `json:"replaces"`        // it takes the place of another transaction token
}

// Assertion is an assertion that is redeemed for a token (RFC 7521 section 4.1).
type Assertion struct {
	Issuer string          `json:"issuer"` // its signature is proved
	Claims json.RawMessage `json:"claims"` // a JSON object: a JWT's claims, or a SAML assertion's attributes; nil stands for {}
}

// Token is what would be issued if policy says nothing about it.
type Token struct {
	Format   string `json:"format"`   // "jwt" or "opaque"
	Lifetime int64  `json:"lifetime"` // seconds that the resource server's access tokens live by default
}

// Methods of Sender.
const (
	SenderNone = "none"
	SenderMTLS = "mtls"
	SenderDPoP = "dpop"
)

// Kinds of Subject.
const (
	SubjectClient = "client"
	SubjectUser   = "user"
)

// Actions of Registration.
const (
	RegistrationNew    = "new"
	RegistrationUpdate = "update"
)

// MarshalJSON writes exactly the document that Rego sees. [encoding/json.Unmarshal] reads it back.
func (in Input) MarshalJSON() ([]byte, error) {
	value, err := in.value()
	if err != nil {
		return nil, err
	}
	document, err := ast.JSON(value)
	if err != nil {
		return nil, fmt.Errorf("policy input: %w", err)
	}
	return json.Marshal(document)
}
