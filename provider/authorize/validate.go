package authorize

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"signet/provider/oauth"
)

// Limits on what is kept for the client and given back to it, in bytes.
const (
	maxState  = 4096
	maxNonce  = 1024
	maxHint   = 256
	maxPrompt = 64
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

// PromptValues are the values of prompt that the endpoint serves, for discovery (prompt_values_supported).
func PromptValues() []string {
	return []string{promptNone, promptLogin, promptConsent, promptSelectAccount}
}

// rule checks one thing about the parameters and, if it is good, takes it over into the request.
type rule func(from inquiry, req *oauth.AuthorizationRequest) *oauth.Error

// validate makes the request out of untrusted parameters. The error, if any, may be sent to d.
func (e *Endpoint) validate(ctx context.Context, from inquiry, d destination) (oauth.AuthorizationRequest, error) {
	p := from.params
	req := oauth.AuthorizationRequest{
		ClientID: d.client.ID, RedirectURI: d.redirectURI, ResponseMode: d.mode, State: d.state,
		ResponseType: responseType(p), Nonce: p.Get("nonce"), LoginHint: p.Get("login_hint"),
		Signed: from.signed, Pushed: from.pushed,
	}
	for _, rule := range []rule{
		checkLengths, checkMode, checkUnsupported, checkClient, e.checkForm, e.checkResponseType, e.checkPKCE, checkDPoPKey,
		e.checkDetails, e.checkScope, e.checkResources, e.checkNonce, checkPrompt, checkMaxAge, checkDisplay, checkClaims, checkACR,
		e.checkReach, e.checkSubject, e.checkGrantAction,
	} {
		if err := rule(from, &req); err != nil {
			return oauth.AuthorizationRequest{}, err
		}
	}
	if _, err := e.existing(ctx, req); err != nil {
		return oauth.AuthorizationRequest{}, err
	}
	return req, nil
}

func checkLengths(from inquiry, req *oauth.AuthorizationRequest) *oauth.Error {
	switch {
	case len(from.params.Get("state")) > maxState:
		return oauth.Errorf(oauth.InvalidRequest, "state is too long")
	case len(req.Nonce) > maxNonce:
		return oauth.Errorf(oauth.InvalidRequest, "nonce is too long")
	case len(req.LoginHint) > maxHint:
		return oauth.Errorf(oauth.InvalidRequest, "login_hint is too long")
	}
	return nil
}

func checkMode(from inquiry, req *oauth.AuthorizationRequest) *oauth.Error {
	_, fault := modeFor(from, req.RedirectURI)
	return fault
}

// checkUnsupported refuses what OpenID Connect Core section 7.2.1 lets a server refuse by name.
func checkUnsupported(from inquiry, _ *oauth.AuthorizationRequest) *oauth.Error {
	if from.params.Has("registration") {
		return oauth.Errorf(oauth.RegistrationUnsupported, "the registration parameter is not supported")
	}
	return nil
}

func checkClient(from inquiry, _ *oauth.AuthorizationRequest) *oauth.Error {
	if !slices.Contains(from.profile.AuthMethods, from.client.AuthMethod) {
		return oauth.Errorf(oauth.UnauthorizedClient, "the client's authentication method is not allowed by its profile")
	}
	return nil
}

// checkForm asks for the form in which the client's requests have to come.
func (e *Endpoint) checkForm(from inquiry, _ *oauth.AuthorizationRequest) *oauth.Error {
	switch {
	case !from.pushed && (e.deps.RequirePAR || from.profile.RequirePAR || from.client.RequirePAR): // FAPI 2.0 section 5.3.2.2, RFC 9126 section 6
		return oauth.Errorf(oauth.InvalidRequest, "the authorization request must be pushed")
	case !from.signed && (from.profile.SignedRequest || from.client.RequireSignedRequest): // FAPI 1.0 Advanced section 5.2.2 item 1, RFC 9101 section 10.5
		return oauth.Errorf(oauth.InvalidRequest, "the authorization request must be a signed request object")
	}
	return nil
}

func checkPrompt(from inquiry, req *oauth.AuthorizationRequest) *oauth.Error {
	prompt := from.params.Get("prompt")
	if len(prompt) > maxPrompt {
		return oauth.Errorf(oauth.InvalidRequest, "prompt is too long")
	}
	req.Prompt = strings.Fields(prompt)
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

// checkMaxAge takes max_age, or else the client's default (OpenID Connect Registration section 2).
func checkMaxAge(from inquiry, req *oauth.AuthorizationRequest) *oauth.Error {
	text := from.params.Get("max_age")
	if text == "" {
		if standard := from.client.DefaultMaxAge; standard != nil {
			age := max(0, min(*standard, maxMaxAge))
			req.MaxAge = &age
		}
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
