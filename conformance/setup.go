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
	ResourceURL string // what the suite calls with an access token
	Clients     [2]Client
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
	ID    string
	Scope string
	// JWKS has the private key that the client signs with, and its alg.
	JWKS json.RawMessage
	// Certificate, Key and CA are PEM, for mutual TLS.
	Certificate, Key, CA string
}

// Is says whether the run has the variant.
func (r Run) Is(variant, value string) bool { return r.Variant[variant] == value }

// MutualTLS says whether the run's clients use certificates: as credentials, for their tokens, or both.
func (r Run) MutualTLS() bool { return r.Is("client_auth_type", "mtls") || !r.DPoP() }

// DPoP says whether the run's tokens are bound to a DPoP key.
func (r Run) DPoP() bool { return r.Is("sender_constrain", "dpop") }

// RichRequests says whether the run sends authorization_details.
func (r Run) RichRequests() bool { return r.Is("authorization_request_type", "rar") }

// OpenID says whether the run's requests are OpenID Connect ones.
func (r Run) OpenID() bool { return !r.Is("openid", "plain_oauth") }

// Registers says whether the run's clients register themselves, with keys and certificates of the suite's making.
func (r Run) Registers() bool { return r.Is("client_registration", "dynamic_client") }

// Backchannel is poll or ping for a run of CIBA, otherwise "".
func (r Run) Backchannel() string { return r.Variant["ciba_mode"] }

// ClientCredentials says whether the run's clients act for nobody but themselves.
func (r Run) ClientCredentials() bool { return r.Is("fapi_profile", "fapi_client_credentials_grant") }

// RedirectURI is that of the run's first or second client: the suite adds a query to the second's, which the
// provider must keep (RFC 6749 section 3.1.2).
func (r Run) RedirectURI(suite *Suite, client int) string {
	address := suite.CallbackURL(r.Alias)
	if client > 0 {
		address += "?dummy1=lorem&dummy2=ipsum"
	}
	return address
}

// NotificationURL is where the suite takes the notifications of a run of CIBA.
func (r Run) NotificationURL(suite *Suite) string {
	return suite.base.JoinPath("test", "a", r.Alias, "ciba-notification-endpoint").String()
}

// Config is the suite's configuration for the run.
func (r Run) Config(s Setup) ([]byte, error) {
	if r.Alias == "" {
		return nil, errors.New("the run needs an alias")
	}
	config := map[string]any{
		"alias":       r.Alias,
		"description": "Signet " + r.Name,
		"server":      map[string]any{"discoveryUrl": s.Issuer + "/.well-known/openid-configuration"},
		"browser":     s.browser(),
		"override":    r.overrides(s),
		// Pages are looked at by the harness; the suite's own browser need not lay them out.
		"options": map[string]any{"browsercontrol_css_enable": false},
	}
	resource := map[string]any{"resourceUrl": s.ResourceURL}
	if r.RichRequests() {
		if len(s.Details) == 0 {
			return nil, errors.New("the run needs authorization_details")
		}
		resource["richAuthorizationRequest"] = s.Details
	}
	config["resource"] = resource
	for i, suffix := range []string{"", "2"} {
		config["client"+suffix] = r.client(s, i)
		if r.MutualTLS() && !r.Registers() {
			c := s.Clients[i]
			config["mtls"+suffix] = map[string]string{"cert": c.Certificate, "key": c.Key, "ca": c.CA}
		}
	}
	if r.Backchannel() != "" {
		config["automated_ciba_approval_url"] = s.ApprovalURL
	}
	return json.MarshalIndent(config, "", "  ")
}

func (r Run) client(s Setup, i int) map[string]any {
	c := s.Clients[i]
	client := map[string]any{"scope": c.Scope}
	if r.Registers() {
		client["client_name"], client["initial_access_token"] = c.ID, s.InitialToken
	} else {
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

// What single modules ask of a person that the others do not.
const (
	// rejecting modules have the user refuse.
	rejecting = "-user-rejects-authentication"
	// returning modules open the login page once without logging in, and log in at the second visit.
	returning = "-par-ensure-reused-request-uri-prior-to-auth-completion-succeeds"
)

// families are the beginnings of the modules' names. Those of Message Signing have the Security Profile's.
var families = []string{"fapi1-advanced-final", "fapi2-security-profile-final", "fapi2-security-profile-id2"}

// overrides are what single modules have instead.
func (r Run) overrides(s Setup) map[string]any {
	overrides := map[string]any{}
	for _, family := range families {
		overrides[family+rejecting] = map[string]any{"browser": []any{s.visit(s.refuse(), s.back())}}
		look := s.visit(task("see the login page", s.page("login"), []any{"wait", "id", "login-form", 10}))
		look["match-limit"] = 1
		overrides[family+returning] = map[string]any{"browser": append([]any{look}, s.browser()...)}
	}
	return overrides
}

// browser tells the suite's scripted browser what to do at our pages, which have stable ids.
func (s Setup) browser() []any { return []any{s.visit(s.signIn(), s.consent(), s.back())} }

// visit is what to do when the suite opens the authorization endpoint.
func (s Setup) visit(tasks ...map[string]any) map[string]any {
	return map[string]any{"match": strings.TrimSuffix(s.Issuer, "/") + "/authorize*", "tasks": tasks}
}

// task is done when the browser is at an address that matches. It is optional: whether a page is shown at all is the
// provider's affair, and what came of it the suite's.
func task(name, match string, commands ...[]any) map[string]any {
	return map[string]any{"task": name, "match": match, "optional": true, "commands": commands}
}

// page matches the addresses of one of our pages.
func (s Setup) page(name string) string {
	return strings.TrimSuffix(s.Issuer, "/") + "/interaction/" + name + "*"
}

func (s Setup) signIn() map[string]any {
	return task("sign in", s.page("login"),
		[]any{"text", "id", "username", s.Username}, []any{"text", "id", "password", s.Password}, []any{"click", "id", "login-button"})
}

func (s Setup) refuse() map[string]any {
	return task("refuse", s.page("login"), []any{"click", "id", "cancel-button"})
}

func (s Setup) consent() map[string]any {
	return task("consent", s.page("consent"), []any{"click", "id", "consent-approve"})
}

func (s Setup) back() map[string]any {
	return task("back at the suite", s.Suite.URL()+"/test/*", []any{"wait", "id", "submission_complete", 10})
}
