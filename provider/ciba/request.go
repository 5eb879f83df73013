package ciba

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"signet/provider/oauth"
)

// Limits on what a request may carry.
const (
	maxBindingMessage    = 64   // characters: what a small screen shows at once (CIBA Core section 7.1: relatively short)
	maxNotificationToken = 1024 // characters (CIBA Core section 7.1)
	maxHint              = 256  // bytes of a login_hint
	maxResources         = 16
	maxACRValues         = 16
)

// asked is a validated request, but for its user.
type asked struct {
	scope             oauth.Scope
	resources         []string
	details           oauth.Details
	acrValues         []string
	bindingMessage    string
	notificationToken oauth.Secret
	expiry            time.Duration
}

// validate makes the request out of untrusted parameters (CIBA Core section 7.1).
func (s *Service) validate(caller oauth.ClientAuthentication, p oauth.Params) (asked, *oauth.Error) {
	var a asked
	for _, rule := range []func(oauth.ClientAuthentication, oauth.Params, *asked) *oauth.Error{
		checkHints, s.checkScope, s.checkResources, s.checkDetails, checkACR, checkBindingMessage, checkToken, s.checkExpiry,
	} {
		if fault := rule(caller, p, &a); fault != nil {
			return asked{}, fault
		}
	}
	return a, nil
}

// checkHints: exactly one (CIBA Core section 7.1).
func checkHints(_ oauth.ClientAuthentication, p oauth.Params, _ *asked) *oauth.Error {
	count := 0
	for _, name := range []string{"login_hint", "login_hint_token", "id_token_hint"} {
		if p.Has(name) {
			count++
		}
	}
	if count != 1 {
		return oauth.Errorf(oauth.InvalidRequest, "exactly one of login_hint, login_hint_token and id_token_hint is needed (CIBA Core section 7.1)")
	}
	return nil
}

// checkScope keeps what is understood and registered, as the authorization endpoint does: values that no resource
// here knows are ignored, known ones that the client may not have are refused.
func (s *Service) checkScope(caller oauth.ClientAuthentication, p oauth.Params, a *asked) *oauth.Error {
	if !p.Has("scope") {
		return oauth.Errorf(oauth.InvalidRequest, "scope is missing")
	}
	scope, ok := oauth.ParseScope(p.Get("scope"))
	if !ok {
		return oauth.Errorf(oauth.InvalidScope, "scope is malformed")
	}
	if !scope.Has(oauth.ScopeOpenID) {
		return oauth.Errorf(oauth.InvalidScope, "scope must have openid (CIBA Core section 7.1)")
	}
	a.scope = scope.Intersect(s.deps.Scopes)
	if !caller.Client.Allows(oauth.GrantRefreshToken) { // nothing could come of it (OpenID Connect Core section 11)
		a.scope = slices.DeleteFunc(a.scope, func(token string) bool { return token == oauth.ScopeOfflineAccess })
	}
	if !a.scope.Within(caller.Client.Scopes()) {
		return oauth.Errorf(oauth.InvalidScope, "the client is not registered for all of the scope")
	}
	return nil
}

// checkResources applies RFC 8707 section 2. What the user is shown and grants is settled here.
func (s *Service) checkResources(caller oauth.ClientAuthentication, p oauth.Params, a *asked) *oauth.Error {
	registered := caller.Client.Resources
	for _, resource := range p.All("resource") {
		if resource == "" || slices.Contains(a.resources, resource) {
			continue
		}
		u, err := url.Parse(resource)
		if err != nil || !u.IsAbs() || strings.Contains(resource, "#") {
			return oauth.Errorf(oauth.InvalidTarget, "resource must be an absolute URI without a fragment")
		}
		if !slices.Contains(s.deps.Resources, resource) || !slices.Contains(registered, resource) {
			return oauth.Errorf(oauth.InvalidTarget, "the resource is not known or not allowed for this client")
		}
		if a.resources = append(a.resources, resource); len(a.resources) > maxResources {
			return oauth.Errorf(oauth.InvalidTarget, "too many resources")
		}
	}
	if len(a.resources) == 0 {
		a.resources = registered[:min(1, len(registered))]
	}
	return nil
}

func (s *Service) checkDetails(caller oauth.ClientAuthentication, p oauth.Params, a *asked) (fault *oauth.Error) {
	raw := p.Get("authorization_details")
	if raw == "" {
		return nil
	}
	if s.deps.Details == nil {
		return oauth.Errorf(oauth.InvalidDetails, "no type of authorization_details is known here")
	}
	a.details, fault = s.deps.Details.Check(caller.Client, raw)
	return fault
}

func checkACR(caller oauth.ClientAuthentication, p oauth.Params, a *asked) *oauth.Error {
	a.acrValues = strings.Fields(p.Get("acr_values"))
	if len(a.acrValues) == 0 {
		a.acrValues = caller.Client.DefaultACR
	}
	if len(a.acrValues) > maxACRValues {
		return oauth.Errorf(oauth.InvalidRequest, "too many acr_values")
	}
	return nil
}

// checkBindingMessage takes what a device can show as it was meant: short, on one line, and nothing invisible that
// turns the text around (CIBA Core section 7.1).
func checkBindingMessage(caller oauth.ClientAuthentication, p oauth.Params, a *asked) *oauth.Error {
	a.bindingMessage = p.Get("binding_message")
	switch {
	case a.bindingMessage == "" && caller.Profile.BackchannelContext && len(a.details) == 0:
		return oauth.Errorf(oauth.InvalidRequest, "binding_message or authorization_details is needed: the user has to know what is asked for (FAPI-CIBA section 5.2.2)")
	case !utf8.ValidString(a.bindingMessage) || strings.ContainsFunc(a.bindingMessage, func(c rune) bool { return !unicode.IsPrint(c) }):
		return oauth.Errorf(oauth.InvalidBindingMessage, "binding_message has characters that cannot be shown")
	case utf8.RuneCountInString(a.bindingMessage) > maxBindingMessage:
		return oauth.Errorf(oauth.InvalidBindingMessage, "binding_message is longer than %d characters", maxBindingMessage)
	case a.bindingMessage != strings.TrimSpace(a.bindingMessage):
		return oauth.Errorf(oauth.InvalidBindingMessage, "binding_message begins or ends with a space")
	}
	return nil
}

// checkToken: ping and push clients say how they will know us (CIBA Core section 7.1).
func checkToken(caller oauth.ClientAuthentication, p oauth.Params, a *asked) *oauth.Error {
	if caller.Client.BackchannelMode == oauth.BackchannelPoll {
		return nil
	}
	a.notificationToken = p.Secret("client_notification_token")
	switch {
	case a.notificationToken == "":
		return oauth.Errorf(oauth.InvalidRequest, "client_notification_token is missing: the client is registered for ping or push (CIBA Core section 7.1)")
	case !isBearer(a.notificationToken.Reveal()):
		return oauth.Errorf(oauth.InvalidRequest, "client_notification_token is not a bearer token of at most %d characters (RFC 6750 section 2.1)", maxNotificationToken)
	}
	return nil
}

// isBearer: b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"=" (RFC 6750 section 2.1).
func isBearer(text string) bool {
	body := strings.TrimRight(text, "=")
	if body == "" || len(text) > maxNotificationToken {
		return false
	}
	for _, c := range []byte(body) {
		switch {
		case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9', strings.IndexByte("-._~+/", c) >= 0:
		default:
			return false
		}
	}
	return true
}

// checkExpiry: a client may ask for less time, or for more within the server's limit; expires_in tells what it got.
func (s *Service) checkExpiry(_ oauth.ClientAuthentication, p oauth.Params, a *asked) *oauth.Error {
	a.expiry = s.deps.Expiry.Truncate(time.Second)
	text := p.Get("requested_expiry")
	if text == "" {
		return nil
	}
	seconds, err := strconv.ParseUint(text, 10, 31)
	if err != nil || seconds == 0 {
		return oauth.Errorf(oauth.InvalidRequest, "requested_expiry must be a positive number of seconds")
	}
	a.expiry = min(time.Duration(seconds)*time.Second, s.deps.MaxExpiry.Truncate(time.Second))
	return nil
}
