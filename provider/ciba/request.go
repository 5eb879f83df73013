package ciba

import (
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
		checkHints, s.checkScope, s.checkResources, s.checkDetails, checkACR, checkBindingMessage, checkToken, checkUserCode, s.checkExpiry,
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

// checkScope keeps what is understood and registered, as the authorization endpoint does.
func (s *Service) checkScope(caller oauth.ClientAuthentication, p oauth.Params, a *asked) (fault *oauth.Error) {
	if !p.Has("scope") {
		return oauth.Errorf(oauth.InvalidRequest, "scope is missing")
	}
	if a.scope, fault = caller.Client.RequestedScope(p.Get("scope"), s.deps.Scopes); fault != nil {
		return fault
	}
	if !a.scope.Has(oauth.ScopeOpenID) {
		return oauth.Errorf(oauth.InvalidScope, "scope must have openid (CIBA Core section 7.1)")
	}
	return nil
}

func (s *Service) checkResources(caller oauth.ClientAuthentication, p oauth.Params, a *asked) (fault *oauth.Error) {
	a.resources, fault = caller.Client.RequestedResources(p.All("resource"), s.deps.Resources)
	return fault
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

func checkACR(caller oauth.ClientAuthentication, p oauth.Params, a *asked) (fault *oauth.Error) {
	a.acrValues, fault = caller.Client.RequestedACR(strings.Fields(p.Get("acr_values")))
	return fault
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

// checkUserCode: only a client that is registered for user codes sends one (CIBA Core section 7.1).
func checkUserCode(caller oauth.ClientAuthentication, p oauth.Params, _ *asked) *oauth.Error {
	if p.Has("user_code") && !caller.Client.BackchannelUserCode {
		return oauth.Errorf(oauth.InvalidRequest, "this client is not registered to send a user_code: backchannel_user_code_parameter (CIBA Core section 4)")
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
