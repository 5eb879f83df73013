package authorize

import (
	"net/url"
	"slices"
	"strings"

	"signet/provider/oauth"
)

// checkDetails takes authorization_details (RFC 9396 section 2).
func (e *Endpoint) checkDetails(from inquiry, req *oauth.AuthorizationRequest) *oauth.Error {
	raw := from.params.Get("authorization_details")
	if raw == "" {
		return nil
	}
	var fault *oauth.Error
	req.Details, fault = e.deps.Details.Check(from.client, raw)
	return fault
}

// checkScope keeps what is understood and registered. Values that no resource here knows are ignored
// (OpenID Connect Core section 3.1.2.1); known ones that the client may not have are refused. A request
// without scope is refused unless it has authorization_details: consent is always to something named.
func (e *Endpoint) checkScope(from inquiry, req *oauth.AuthorizationRequest) *oauth.Error {
	if !from.params.Has("scope") {
		switch {
		case len(req.Details) > 0: // RFC 9396 section 3
			return nil
		case from.signed: // what stands outside does not count (RFC 9101 section 6.3)
			return badObject("the request object has no scope")
		}
	}
	asked, ok := oauth.ParseScope(from.params.Get("scope"))
	if !ok {
		return oauth.Errorf(oauth.InvalidScope, "scope is malformed")
	}
	req.Scope = asked.Intersect(e.deps.Scopes)
	// Without the refresh_token grant nothing can come of offline_access (OpenID Connect Core section 11).
	if !from.client.Allows(oauth.GrantRefreshToken) {
		req.Scope = slices.DeleteFunc(req.Scope, func(s string) bool { return s == oauth.ScopeOfflineAccess })
	}
	if !req.Scope.Within(from.client.Scopes()) {
		return oauth.Errorf(oauth.InvalidScope, "the client is not registered for all of the scope")
	}
	if len(req.Scope) == 0 && len(req.Details) == 0 {
		return oauth.Errorf(oauth.InvalidScope, "scope names nothing that this server knows")
	}
	return nil
}

// checkResources applies RFC 8707 section 2.
func (e *Endpoint) checkResources(from inquiry, req *oauth.AuthorizationRequest) *oauth.Error {
	for _, resource := range from.params.All("resource") {
		if resource == "" || slices.Contains(req.Resources, resource) {
			continue
		}
		u, err := url.Parse(resource)
		if err != nil || !u.IsAbs() || strings.Contains(resource, "#") {
			return oauth.Errorf(oauth.InvalidTarget, "resource must be an absolute URI without a fragment")
		}
		if !slices.Contains(e.deps.Resources, resource) || !slices.Contains(from.client.Resources, resource) {
			return oauth.Errorf(oauth.InvalidTarget, "the resource is not known or not allowed for this client")
		}
		if req.Resources = append(req.Resources, resource); len(req.Resources) > maxResources {
			return oauth.Errorf(oauth.InvalidTarget, "too many resources")
		}
	}
	if len(req.Resources) == 0 {
		// Settled here, so that what the user is shown, agrees to and grants is the same: the client's default.
		req.Resources = from.client.Resources[:min(1, len(from.client.Resources))]
	}
	return nil
}
