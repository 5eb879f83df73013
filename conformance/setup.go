package conformance

import (
	"encoding/json"
	"errors"
	"strings"
)

// Setup is what the suite's configuration of a run is made from.
type Setup struct {
	Suite       *Suite
	Issuer      string
	ResourceURL string // what the suite calls with an access token; not for OpenID Connect's own plans
	Clients     [2]Client
	// PostClient sends its secret in the form, for the modules that want to see that, too.
	PostClient Client
	// Username and Password sign in at the provider's login page.
	Username, Password string
	// Details is the authorization_details value for runs with rich authorization requests, JSON.
	Details json.RawMessage
	// ACR is the authentication context that a login reaches.
	ACR string
	// ApprovalURL answers a backchannel authentication request; it holds {auth_req_id} and {action}.
	ApprovalURL string
	// InitialToken lets clients register themselves.
	InitialToken string
}

// Client is a registered client with its private keys.
type Client struct {
	ID     string
	Secret string // for the methods that use one
	Scope  string
	// JWKS has the private key that the client signs with, and its alg.
	JWKS json.RawMessage
	// Certificate, Key and CA are PEM, for mutual TLS.
	Certificate, Key, CA string
}

// Is says whether the run has the variant.
func (r Run) Is(variant, value string) bool { return r.Variant[variant] == value }

// Connect says whether the plan is one of OpenID Connect's own, not of FAPI's.
func (r Run) Connect() bool { return strings.HasPrefix(r.Plan, "oidcc-") }

// MutualTLS says whether the run's clients use certificates: as credentials, for their tokens, or both.
func (r Run) MutualTLS() bool {
	return r.Is("client_auth_type", "mtls") || !r.Connect() && !r.DPoP()
}

// DPoP says whether the run's tokens are bound to a DPoP key.
func (r Run) DPoP() bool { return r.Is("sender_constrain", "dpop") }

// RichRequests says whether the run sends authorization_details.
func (r Run) RichRequests() bool { return r.Is("authorization_request_type", "rar") }

// OpenID says whether the run's requests are OpenID Connect ones.
func (r Run) OpenID() bool { return !r.Is("openid", "plain_oauth") }

// selfRegistering are plans that have no variant for how clients come to be: theirs always register themselves.
var selfRegistering = []string{"oidcc-dynamic-", "oidcc-3rdparty-"}

// Registers says whether the run's clients register themselves, with keys and certificates of the suite's making.
func (r Run) Registers() bool {
	for _, prefix := range selfRegistering {
		if strings.HasPrefix(r.Plan, prefix) {
			return true
		}
	}
	return r.Is("client_registration", "dynamic_client")
}

// WithoutAlias says whether the run does without an alias: nobody has to know the clients' addresses beforehand.
func (r Run) WithoutAlias() bool { return r.Connect() && r.Registers() }

// AtOnce is how many of the run's modules can be under way at once: with an alias one, otherwise as many as the
// suite's own runner starts.
func (r Run) AtOnce() int {
	if r.Alias == "" && r.WithoutAlias() {
		return 3
	}
	return 1
}

// AuthMethod is how the run's clients authenticate, as token_endpoint_auth_method names it; "mtls" stands for the
// methods with certificates.
func (r Run) AuthMethod() string {
	if method, ok := r.Variant["client_auth_type"]; ok || !r.Connect() {
		return method
	}
	return "client_secret_basic" // what the certifications of OpenID Connect fix
}

// Posts says whether answers are posted by the browser.
func (r Run) Posts() bool {
	return r.Is("response_mode", "form_post") || strings.HasPrefix(r.Plan, "oidcc-formpost-")
}

// Backchannel is poll or ping for a run of CIBA, otherwise "".
func (r Run) Backchannel() string { return r.Variant["ciba_mode"] }

// ClientCredentials says whether the run's clients act for nobody but themselves.
func (r Run) ClientCredentials() bool { return r.Is("fapi_profile", "fapi_client_credentials_grant") }

// RedirectURI is that of the run's first or second client: in FAPI's plans the suite adds a query to the second's,
// which the provider must keep (RFC 6749 section 3.1.2).
func (r Run) RedirectURI(suite *Suite, client int) string {
	address := suite.CallbackURL(r.Alias)
	if client > 0 && !r.Connect() {
		address += "?dummy1=lorem&dummy2=ipsum"
	}
	return address
}

// Address is one of the suite's addresses for the run's clients beside the callback: post_logout_redirect,
// frontchannel_logout, backchannel_logout, ciba-notification-endpoint.
func (r Run) Address(suite *Suite, name string) string {
	return suite.base.JoinPath("test", "a", r.Alias, name).String()
}

// Config is the suite's configuration for the run.
func (r Run) Config(s Setup) ([]byte, error) {
	if (r.Alias == "") != r.WithoutAlias() {
		return nil, errors.New("a run needs an alias, unless its clients register themselves with OpenID Connect's own plans")
	}
	config := map[string]any{
		"description": "Signet " + r.Name,
		"server":      r.server(s),
		"browser":     r.browser(s),
		"override":    r.overrides(s),
		// Pages are looked at by the harness; the suite's own browser need not lay them out.
		"options": map[string]any{"browsercontrol_css_enable": false},
	}
	if r.Alias != "" {
		config["alias"] = r.Alias
	}
	if err := r.addResource(s, config); err != nil {
		return nil, err
	}
	for i, suffix := range []string{"", "2"} {
		config["client"+suffix] = r.client(s, i)
		if r.MutualTLS() && !r.Registers() {
			c := s.Clients[i]
			config["mtls"+suffix] = map[string]string{"cert": c.Certificate, "key": c.Key, "ca": c.CA}
		}
	}
	if r.Connect() && !r.Registers() {
		config["client_secret_post"] = map[string]any{"client_id": s.PostClient.ID, "client_secret": s.PostClient.Secret}
	}
	if r.Backchannel() != "" {
		config["automated_ciba_approval_url"] = s.ApprovalURL
	}
	return json.MarshalIndent(config, "", "  ")
}

// jwksDelay is for how many seconds the suite waits until it expects a client's new keys to be known: we read a
// jwks_uri again when a key is not known, the first time at once.
const jwksDelay = 5

func (r Run) server(s Setup) map[string]any {
	server := map[string]any{"discoveryUrl": s.Issuer + "/.well-known/openid-configuration"}
	if r.Connect() {
		server["login_hint"], server["ui_locales"], server["jwks_refresh_delay"] = s.Username, "fi de", jwksDelay
	}
	return server
}

// addResource tells which protected resource the suite calls. OpenID Connect's own plans call userinfo.
func (r Run) addResource(s Setup, config map[string]any) error {
	if r.Connect() {
		return nil
	}
	resource := map[string]any{"resourceUrl": s.ResourceURL}
	if r.RichRequests() {
		if len(s.Details) == 0 {
			return errors.New("the run needs authorization_details")
		}
		resource["richAuthorizationRequest"] = s.Details
	}
	config["resource"] = resource
	return nil
}

func (r Run) client(s Setup, i int) map[string]any {
	c := s.Clients[i]
	client := map[string]any{"scope": c.Scope}
	switch {
	case r.Registers():
		client["client_name"], client["initial_access_token"] = c.ID, s.InitialToken
	case r.Connect():
		r.addCredentials(client, c)
	default:
		client["client_id"], client["jwks"] = c.ID, c.JWKS
	}
	if r.DPoP() {
		client["dpop_signing_alg"] = "ES256"
	}
	if r.Backchannel() != "" {
		client["hint_type"], client["hint_value"] = "login_hint", s.Username
		client["acr_value"] = s.ACR
	}
	return client
}

func (r Run) addCredentials(client map[string]any, c Client) {
	client["client_id"] = c.ID
	switch method := r.AuthMethod(); {
	case method == "private_key_jwt":
		client["jwks"] = c.JWKS
	case strings.HasPrefix(method, "client_secret_"):
		client["client_secret"] = c.Secret
	}
}
