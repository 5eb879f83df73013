// Package discovery publishes the provider's metadata (OpenID Connect Discovery 1.0, RFC 8414) and its keys.
//
// Invariant: every list in the metadata is what is registered; nothing is typed twice.
package discovery

import (
	"encoding/json"
	"net/http"

	"signet/provider/web"
)

// Metadata is the provider's metadata. Names are those of RFC 8414 section 2, OpenID Connect Discovery
// section 3, RFC 8705 sections 3.3 and 5, RFC 9207 section 3, and of the specifications cited below. What is
// empty is left out: the feature is off.
type Metadata struct {
	Issuer                string   `json:"issuer"`
	AuthorizationEndpoint string   `json:"authorization_endpoint"`
	TokenEndpoint         string   `json:"token_endpoint"`
	UserinfoEndpoint      string   `json:"userinfo_endpoint"`
	JWKSURI               string   `json:"jwks_uri"`
	IntrospectionEndpoint string   `json:"introspection_endpoint"`
	RevocationEndpoint    string   `json:"revocation_endpoint"`
	ScopesSupported       []string `json:"scopes_supported"`
	ResponseTypes         []string `json:"response_types_supported"`
	ResponseModes         []string `json:"response_modes_supported"`
	GrantTypes            []string `json:"grant_types_supported"`
	PromptValues          []string `json:"prompt_values_supported"`
	SubjectTypes          []string `json:"subject_types_supported"`
	DisplayValues         []string `json:"display_values_supported,omitempty"`
	UILocales             []string `json:"ui_locales_supported,omitempty"`
	IDTokenAlgs           []string `json:"id_token_signing_alg_values_supported"`
	Claims                []string `json:"claims_supported"`
	ChallengeMethods      []string `json:"code_challenge_methods_supported"`

	TokenAuthMethods      []string `json:"token_endpoint_auth_methods_supported"`
	TokenAuthAlgs         []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	IntrospectAuthMethods []string `json:"introspection_endpoint_auth_methods_supported"`
	IntrospectAuthAlgs    []string `json:"introspection_endpoint_auth_signing_alg_values_supported"`
	RevocationAuthMethods []string `json:"revocation_endpoint_auth_methods_supported"`
	RevocationAuthAlgs    []string `json:"revocation_endpoint_auth_signing_alg_values_supported"`

	// The default of request_uri_parameter_supported is true, so all three are stated.
	ClaimsParameter     bool `json:"claims_parameter_supported"`
	RequestParameter    bool `json:"request_parameter_supported"`
	RequestURIParameter bool `json:"request_uri_parameter_supported"`
	RegisteredURIs      bool `json:"require_request_uri_registration,omitempty"`

	BoundTokens   bool    `json:"tls_client_certificate_bound_access_tokens"`
	ResponseIss   bool    `json:"authorization_response_iss_parameter_supported"`
	MTLSEndpoints Aliases `json:"mtls_endpoint_aliases"`

	// RFC 9126 section 5.
	PushedEndpoint string `json:"pushed_authorization_request_endpoint,omitempty"`
	RequirePushed  bool   `json:"require_pushed_authorization_requests,omitempty"`
	// RFC 9101 section 10.5, and OpenID Connect Discovery section 3 for the algorithms.
	RequestObjectAlgs    []string `json:"request_object_signing_alg_values_supported,omitempty"`
	RequireSignedRequest bool     `json:"require_signed_request_object,omitempty"`

	ResponseAlgs      []string `json:"authorization_signing_alg_values_supported,omitempty"` // JARM section 4
	DPoPAlgs          []string `json:"dpop_signing_alg_values_supported,omitempty"`          // RFC 9449 section 5.1
	DetailsTypes      []string `json:"authorization_details_types_supported,omitempty"`      // RFC 9396 section 10
	IntrospectionAlgs []string `json:"introspection_signing_alg_values_supported,omitempty"` // RFC 9701 section 7
	ACRValues         []string `json:"acr_values_supported,omitempty"`                       // OpenID Connect Discovery section 3

	RegistrationEndpoint string `json:"registration_endpoint,omitempty"` // RFC 8414 section 2

	// For people (RFC 8414 section 2).
	Documentation string `json:"service_documentation,omitempty"`
	Policy        string `json:"op_policy_uri,omitempty"`
	Terms         string `json:"op_tos_uri,omitempty"`

	// DeviceEndpoint is where devices without a browser begin (RFC 8628 section 4).
	DeviceEndpoint string `json:"device_authorization_endpoint,omitempty"`

	Encryption
	Logout
	Backchannel
	GrantManagement
}

// Encryption is the part of the metadata about encrypted tokens, userinfo, request objects, introspection and
// authorization responses, and about signed userinfo (OpenID Connect Discovery section 3, RFC 9701 section 7, JARM
// section 4).
type Encryption struct {
	UserinfoAlgs      []string `json:"userinfo_signing_alg_values_supported,omitempty"`
	IDTokenEncAlgs    []string `json:"id_token_encryption_alg_values_supported,omitempty"`
	IDTokenEncEncs    []string `json:"id_token_encryption_enc_values_supported,omitempty"`
	UserinfoEncAlgs   []string `json:"userinfo_encryption_alg_values_supported,omitempty"`
	UserinfoEncEncs   []string `json:"userinfo_encryption_enc_values_supported,omitempty"`
	RequestObjEncAlgs []string `json:"request_object_encryption_alg_values_supported,omitempty"`
	RequestObjEncEncs []string `json:"request_object_encryption_enc_values_supported,omitempty"`
	IntrospectEncAlgs []string `json:"introspection_encryption_alg_values_supported,omitempty"`
	IntrospectEncEncs []string `json:"introspection_encryption_enc_values_supported,omitempty"`
	ResponseEncAlgs   []string `json:"authorization_encryption_alg_values_supported,omitempty"`
	ResponseEncEncs   []string `json:"authorization_encryption_enc_values_supported,omitempty"`
}

// Logout is the part of the metadata about logout (OpenID Connect RP-Initiated Logout section 2.1, Session Management
// section 3.3, Front-Channel Logout section 3, Back-Channel Logout section 2.1); empty when it is off. The sid is in
// every ID token, so that whoever is told of a logout can be told of which session.
type Logout struct {
	EndSessionEndpoint  string `json:"end_session_endpoint,omitempty"`
	CheckSession        string `json:"check_session_iframe,omitempty"`
	Frontchannel        bool   `json:"frontchannel_logout_supported,omitempty"`
	FrontchannelSession bool   `json:"frontchannel_logout_session_supported,omitempty"`
	Backchannel         bool   `json:"backchannel_logout_supported,omitempty"`
	BackchannelSession  bool   `json:"backchannel_logout_session_supported,omitempty"`
}

// Backchannel is the part of the metadata about CIBA; empty when it is off.
type Backchannel struct {
	BackchannelEndpoint string   `json:"backchannel_authentication_endpoint,omitempty"`
	BackchannelModes    []string `json:"backchannel_token_delivery_modes_supported,omitempty"`
	BackchannelAlgs     []string `json:"backchannel_authentication_request_signing_alg_values_supported,omitempty"`
	BackchannelUserCode bool     `json:"backchannel_user_code_parameter_supported,omitempty"`
}

// GrantManagement is the part of the metadata about Grant Management for OAuth 2.0; empty when it is off.
type GrantManagement struct {
	GrantEndpoint       string   `json:"grant_management_endpoint,omitempty"`
	GrantActions        []string `json:"grant_management_actions_supported,omitempty"`
	GrantActionRequired bool     `json:"grant_management_action_required,omitempty"`
}

// Aliases are the endpoints at the mTLS door, for clients that have a certificate (RFC 8705 section 5).
type Aliases struct {
	TokenEndpoint         string `json:"token_endpoint"`
	UserinfoEndpoint      string `json:"userinfo_endpoint"`
	IntrospectionEndpoint string `json:"introspection_endpoint"`
	RevocationEndpoint    string `json:"revocation_endpoint"`
	PushedEndpoint        string `json:"pushed_authorization_request_endpoint,omitempty"`
	BackchannelEndpoint   string `json:"backchannel_authentication_endpoint,omitempty"`
	GrantEndpoint         string `json:"grant_management_endpoint,omitempty"`
	RegistrationEndpoint  string `json:"registration_endpoint,omitempty"`
	DeviceEndpoint        string `json:"device_authorization_endpoint,omitempty"`
}

// Handler serves the metadata. It is encoded once: it cannot change while the process runs.
func Handler(m Metadata) (http.Handler, error) {
	body, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	return document(func() []byte { return body }, "public, max-age=300"), nil
}

// JWKS serves the public keys (RFC 7517 section 5). maxAge must be shorter than the time for which a new
// key is published before it signs.
func JWKS(keys func() []byte) http.Handler { return document(keys, "public, max-age=60") }

// ArchivedJWKS serves the public keys that have retired (see keys.Ring), for who has to check an old signature. Nothing
// that is signed with them is good any more.
func ArchivedJWKS(keys func() []byte) http.Handler { return document(keys, "public, max-age=3600") }

func document(body func() []byte, cache string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", cache)
		w.Header().Set("Access-Control-Allow-Origin", "*") // public documents, read by browser clients, too
		web.WriteJSON(w, http.StatusOK, json.RawMessage(body()))
	})
}
