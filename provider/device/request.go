package device

import (
	"strings"

	"signet/provider/oauth"
)

// validate makes the request out of untrusted parameters (RFC 8628 section 3.1; RFC 8707, RFC 9396 and acr_values as the
// authorization endpoint has them).
func (s *Service) validate(client *oauth.Client, p oauth.Params) (oauth.DeviceRequest, *oauth.Error) {
	request := oauth.DeviceRequest{ClientID: client.ID}
	for _, rule := range []func(*oauth.Client, oauth.Params, *oauth.DeviceRequest) *oauth.Error{
		s.checkDetails, s.checkScope, s.checkResources, checkACR,
	} {
		if fault := rule(client, p, &request); fault != nil {
			return oauth.DeviceRequest{}, fault
		}
	}
	return request, nil
}

func (s *Service) checkDetails(client *oauth.Client, p oauth.Params, request *oauth.DeviceRequest) (fault *oauth.Error) {
	raw := p.Get("authorization_details")
	if raw == "" {
		return nil
	}
	if s.deps.Details == nil {
		return oauth.Errorf(oauth.InvalidDetails, "no type of authorization_details is known here")
	}
	request.Details, fault = s.deps.Details.Check(client, raw)
	return fault
}

// checkScope keeps what is understood and registered. As at the authorization endpoint, consent is always to something
// named: a request without scope needs authorization_details (RFC 6749 section 3.3).
func (s *Service) checkScope(client *oauth.Client, p oauth.Params, request *oauth.DeviceRequest) (fault *oauth.Error) {
	if request.Scope, fault = client.RequestedScope(p.Get("scope"), s.deps.Scopes); fault != nil {
		return fault
	}
	if len(request.Scope) == 0 && len(request.Details) == 0 {
		return oauth.Errorf(oauth.InvalidScope, "scope is missing, or names nothing that this server knows")
	}
	return nil
}

func (s *Service) checkResources(client *oauth.Client, p oauth.Params, request *oauth.DeviceRequest) (fault *oauth.Error) {
	request.Resources, fault = client.RequestedResources(p.All("resource"), s.deps.Resources)
	return fault
}

func checkACR(client *oauth.Client, p oauth.Params, request *oauth.DeviceRequest) (fault *oauth.Error) {
	request.ACRValues, fault = client.RequestedACR(strings.Fields(p.Get("acr_values")))
	return fault
}
