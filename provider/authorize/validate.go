package authorize

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"signet/provider/oauth"
	"signet/provider/pkce"
)

// Limits on what is kept for the client and given back to it, in bytes.
const (
	maxState     = 4096
	maxNonce     = 1024
	maxHint      = 256
	maxResources = 16
	maxPrompt    = 64
	// maxMaxAge is the largest max_age that is told apart from a larger one, in seconds: 31 years.
	maxMaxAge = 1_000_000_000
)

// Values of "prompt" (OpenID Connect Core section 3.1.2.1).
const (
	promptNone          = "none"
	promptLogin         = "login"
	promptConsent       = "consent"
	promptSelectAccount = "select_account" // answered by the login page, where any account can be entered
)

// ResponseTypes are the values of response_type that the endpoint serves, for discovery.
func ResponseTypes() []string { return []string{"code"} }

// PromptValues are the values of prompt that the endpoint serves, for discovery (prompt_values_supported).
func PromptValues() []string {
	return []string{promptNone, promptLogin, promptConsent, promptSelectAccount}
}

// validate makes the request out of untrusted parameters. The error, if any, may be sent to d, which
// it completes with the response mode.
func (e *Endpoint) validate(d *destination, p oauth.Params) (oauth.AuthorizationRequest, *oauth.Error) {
	if len(d.state) > maxState {
		d.state = ""
		return oauth.AuthorizationRequest{}, oauth.Errorf(oauth.InvalidRequest, "state is too long")
	}
	if mode := p.Get("response_mode"); mode != "" {
		if responders()[mode] == nil {
			return oauth.AuthorizationRequest{}, oauth.Errorf(oauth.InvalidRequest, "response_mode is not supported")
		}
		if mode == modeFormPost && !strings.HasPrefix(d.redirectURI, "http") { // an app's scheme takes no POST
			return oauth.AuthorizationRequest{}, oauth.Errorf(oauth.InvalidRequest, "form_post needs an http or https redirect URI")
		}
		d.mode = mode
	}
	req := oauth.AuthorizationRequest{
		ClientID: d.client.ID, RedirectURI: d.redirectURI, ResponseMode: d.mode, State: d.state,
		ResponseType: p.Get("response_type"), Nonce: p.Get("nonce"), LoginHint: p.Get("login_hint"),
	}
	for _, rule := range []func(*destination, oauth.Params, *oauth.AuthorizationRequest) *oauth.Error{
		checkUnsupported, checkClient, checkLengths, checkPKCE, e.checkScope, e.checkResources, checkPrompt, checkMaxAge,
	} {
		if err := rule(d, p, &req); err != nil {
			return oauth.AuthorizationRequest{}, err
		}
	}
	return req, nil
}

// checkUnsupported refuses what OpenID Connect Core sections 6 and 7.2.1 let a server refuse by name.
func checkUnsupported(_ *destination, p oauth.Params, _ *oauth.AuthorizationRequest) *oauth.Error {
	switch {
	case p.Has("request"):
		return oauth.Errorf(oauth.RequestNotSupported, "request objects are not supported")
	case p.Has("request_uri"):
		return oauth.Errorf(oauth.RequestURINotSupported, "request_uri is not supported")
	case p.Has("registration"):
		return oauth.Errorf(oauth.RegistrationUnsupported, "the registration parameter is not supported")
	}
	return nil
}

func checkClient(d *destination, p oauth.Params, req *oauth.AuthorizationRequest) *oauth.Error {
	switch {
	case !p.Has("response_type"):
		return oauth.Errorf(oauth.InvalidRequest, "response_type is missing")
	case !slices.Contains(ResponseTypes(), req.ResponseType):
		return oauth.Errorf(oauth.UnsupportedResponseType, "the response type is not supported")
	case !d.client.Allows(oauth.GrantAuthorizationCode):
		return oauth.Errorf(oauth.UnauthorizedClient, "the client is not registered for the authorization code grant")
	case !slices.Contains(d.profile.AuthMethods, d.client.AuthMethod):
		return oauth.Errorf(oauth.UnauthorizedClient, "the client's authentication method is not allowed by its profile")
	case d.profile.RequirePAR: // FAPI 2.0 section 5.3.2.2
		return oauth.Errorf(oauth.InvalidRequest, "the authorization request must be pushed")
	}
	return nil
}

func checkLengths(_ *destination, _ oauth.Params, req *oauth.AuthorizationRequest) *oauth.Error {
	switch {
	case len(req.Nonce) > maxNonce:
		return oauth.Errorf(oauth.InvalidRequest, "nonce is too long")
	case len(req.LoginHint) > maxHint:
		return oauth.Errorf(oauth.InvalidRequest, "login_hint is too long")
	}
	return nil
}

// checkPKCE asks for S256 from every client (RFC 9700 section 2.1.1, RFC 7636 section 4.4.1).
func checkPKCE(_ *destination, p oauth.Params, req *oauth.AuthorizationRequest) *oauth.Error {
	req.CodeChallenge = p.Get("code_challenge")
	switch {
	case req.CodeChallenge == "":
		return oauth.Errorf(oauth.InvalidRequest, "code_challenge is missing: PKCE is required")
	case p.Get("code_challenge_method") != "S256": // absent means "plain" (RFC 7636 section 4.3)
		return oauth.Errorf(oauth.InvalidRequest, "code_challenge_method must be S256")
	case !pkce.ValidChallenge(req.CodeChallenge):
		return oauth.Errorf(oauth.InvalidRequest, "code_challenge is malformed")
	}
	return nil
}

// checkScope keeps what is understood and registered. Values that no resource here knows are ignored
// (OpenID Connect Core section 3.1.2.1); known ones that the client may not have are refused. A request
// without scope is refused: consent is always to something named.
func (e *Endpoint) checkScope(d *destination, p oauth.Params, req *oauth.AuthorizationRequest) *oauth.Error {
	asked, ok := oauth.ParseScope(p.Get("scope"))
	if !ok {
		return oauth.Errorf(oauth.InvalidScope, "scope is malformed")
	}
	req.Scope = asked.Intersect(e.deps.Scopes)
	// Without the refresh_token grant nothing can come of offline_access (OpenID Connect Core section 11).
	if !d.client.Allows(oauth.GrantRefreshToken) {
		req.Scope = slices.DeleteFunc(req.Scope, func(s string) bool { return s == oauth.ScopeOfflineAccess })
	}
	if !req.Scope.Within(d.client.Scopes()) {
		return oauth.Errorf(oauth.InvalidScope, "the client is not registered for all of the scope")
	}
	if len(req.Scope) == 0 {
		return oauth.Errorf(oauth.InvalidScope, "scope names nothing that this server knows")
	}
	return nil
}

// checkResources applies RFC 8707 section 2.
func (e *Endpoint) checkResources(d *destination, p oauth.Params, req *oauth.AuthorizationRequest) *oauth.Error {
	for _, resource := range p.All("resource") {
		if resource == "" || slices.Contains(req.Resources, resource) {
			continue
		}
		u, err := url.Parse(resource)
		if err != nil || !u.IsAbs() || strings.Contains(resource, "#") {
			return oauth.Errorf(oauth.InvalidTarget, "resource must be an absolute URI without a fragment")
		}
		if !slices.Contains(e.deps.Resources, resource) || !slices.Contains(d.client.Resources, resource) {
			return oauth.Errorf(oauth.InvalidTarget, "the resource is not known or not allowed for this client")
		}
		if req.Resources = append(req.Resources, resource); len(req.Resources) > maxResources {
			return oauth.Errorf(oauth.InvalidTarget, "too many resources")
		}
	}
	if len(req.Resources) == 0 {
		// Settled here, so that what the user is shown, agrees to and grants is the same: the client's default.
		req.Resources = d.client.Resources[:min(1, len(d.client.Resources))]
	}
	return nil
}

func checkPrompt(_ *destination, p oauth.Params, req *oauth.AuthorizationRequest) *oauth.Error {
	if len(p.Get("prompt")) > maxPrompt {
		return oauth.Errorf(oauth.InvalidRequest, "prompt is too long")
	}
	req.Prompt = strings.Fields(p.Get("prompt"))
	for _, value := range req.Prompt {
		if !slices.Contains(PromptValues(), value) {
			return oauth.Errorf(oauth.InvalidRequest, "prompt has an unknown value")
		}
	}
	if slices.Contains(req.Prompt, promptNone) && len(req.Prompt) > 1 {
		return oauth.Errorf(oauth.InvalidRequest, "prompt=none excludes every other value")
	}
	return nil
}

func checkMaxAge(_ *destination, p oauth.Params, req *oauth.AuthorizationRequest) *oauth.Error {
	text := p.Get("max_age")
	if text == "" {
		return nil
	}
	seconds, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return oauth.Errorf(oauth.InvalidRequest, "max_age must be a number of seconds")
	}
	age := int(min(seconds, maxMaxAge)) // #nosec G115 -- bounded by maxMaxAge
	req.MaxAge = &age
	return nil
}
