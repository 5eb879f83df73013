package authorize

import (
	"slices"

	"signet/provider/oauth"
)

// checkDetails takes authorization_details (RFC 9396 section 2).
func (e *Endpoint) checkDetails(from inquiry, req *oauth.AuthorizationRequest) *oauth.Error {
	raw := from.params.Get("authorization_details")
	if raw == "" {
		return nil
	}
	if carries(req.ResponseType, partToken) { // each is about one thing, which is decided where the client proves who it is
		return oauth.Errorf(oauth.InvalidRequest, "authorization_details need a response type without an access token in the answer")
	}
	var fault *oauth.Error
	req.Details, fault = e.deps.Details.Check(from.client, raw)
	return fault
}

// checkScope keeps what is understood and registered. A request without scope is refused unless it has
// authorization_details: consent is always to something named.
func (e *Endpoint) checkScope(from inquiry, req *oauth.AuthorizationRequest) *oauth.Error {
	if !from.params.Has("scope") {
		switch {
		case len(req.Details) > 0: // RFC 9396 section 3
			return nil
		case from.signed: // what stands outside does not count (RFC 9101 section 6.3)
			return oauth.Errorf(oauth.InvalidRequestObject, "the request object has no scope")
		}
	}
	var fault *oauth.Error
	if req.Scope, fault = from.client.RequestedScope(from.params.Get("scope"), e.deps.Scopes); fault != nil {
		return fault
	}
	if !carries(req.ResponseType, partCode) { // OpenID Connect Core section 11
		req.Scope = slices.DeleteFunc(req.Scope, func(value string) bool { return value == oauth.ScopeOfflineAccess })
	}
	if len(req.Scope) == 0 && len(req.Details) == 0 {
		return oauth.Errorf(oauth.InvalidScope, "scope names nothing that this server knows")
	}
	return nil
}

func (e *Endpoint) checkResources(from inquiry, req *oauth.AuthorizationRequest) (fault *oauth.Error) {
	req.Resources, fault = from.client.RequestedResources(from.params.All("resource"), e.deps.Resources)
	return fault
}
