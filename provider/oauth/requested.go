package oauth

import (
	"net/url"
	"slices"
	"strings"
)

// Limits on what one request may ask for.
const (
	maxResources = 16
	maxACRs      = 16
	maxACR       = 256 // bytes
)

// RequestedScope keeps what of a scope parameter is understood and registered. Values that no resource here knows are
// ignored (OpenID Connect Core section 3.1.2.1); known ones that the client may not have are invalid_scope.
func (c *Client) RequestedScope(text string, known Scope) (Scope, *Error) {
	asked, ok := ParseScope(text)
	if !ok {
		return nil, Errorf(InvalidScope, "scope is malformed")
	}
	scope := asked.Intersect(known)
	// Without the refresh_token grant nothing can come of offline_access (OpenID Connect Core section 11).
	if !c.Allows(GrantRefreshToken) {
		scope = slices.DeleteFunc(scope, func(token string) bool { return token == ScopeOfflineAccess })
	}
	if !scope.Within(c.Scopes()) {
		return nil, Errorf(InvalidScope, "the client is not registered for all of the scope")
	}
	return scope, nil
}

// RequestedResources applies RFC 8707 section 2 to the resource parameters; errors are invalid_target. Who names none
// gets the client's default: settled here, what the user is shown, agrees to and grants is the same.
func (c *Client) RequestedResources(asked, known []string) ([]string, *Error) {
	var resources []string
	for _, resource := range asked {
		if resource == "" || slices.Contains(resources, resource) {
			continue
		}
		u, err := url.Parse(resource)
		if err != nil || !u.IsAbs() || strings.Contains(resource, "#") {
			return nil, Errorf(InvalidTarget, "resource must be an absolute URI without a fragment")
		}
		if !slices.Contains(known, resource) || !slices.Contains(c.Resources, resource) {
			return nil, Errorf(InvalidTarget, "the resource is not known or not allowed for this client")
		}
		if resources = append(resources, resource); len(resources) > maxResources {
			return nil, Errorf(InvalidTarget, "too many resources")
		}
	}
	if len(resources) == 0 {
		resources = slices.Clone(c.Resources[:min(1, len(c.Resources))])
	}
	return resources, nil
}

// RequestedACR takes the acceptable authentication contexts, the preferred one first: those asked for or else the
// client's default. The error is invalid_request.
func (c *Client) RequestedACR(asked []string) ([]string, *Error) {
	if len(asked) == 0 {
		asked = c.DefaultACR
	}
	if len(asked) > maxACRs || slices.ContainsFunc(asked, func(v string) bool { return len(v) > maxACR }) {
		return nil, Errorf(InvalidRequest, "too many acr values, or too long ones")
	}
	return slices.Clone(asked), nil
}
