package token

import (
	"encoding/json"

	"signet/provider/oauth"
)

// Details knows the authorization_details types (RFC 9396). The errors are invalid_authorization_details.
type Details interface {
	// Check reads what a client asks for itself.
	Check(client *oauth.Client, raw string) (oauth.Details, *oauth.Error)
	// Narrow reads what a client asks for within what was granted.
	Narrow(granted oauth.Details, raw string) (oauth.Details, *oauth.Error)
	// For returns those that count at one of the resource servers and are of types that the client is registered for.
	For(client *oauth.Client, details oauth.Details, audience []string) oauth.Details
}

const paramDetails = "authorization_details"

// details are those of one access token: what the request asks for within the grant, as far as it counts at the
// token's audience (RFC 9396 sections 6 and 7). Where there are some and none counts there is no token: a resource
// server would take one without them for one that they do not bound.
func (e *Endpoint) details(req oauth.TokenRequest, a oauth.Authorization, audience []string) (oauth.Details, error) {
	asked := req.Params.Get(paramDetails)
	if asked == "" && len(a.Details) == 0 {
		return nil, nil
	}
	details := a.Details
	if asked != "" {
		var fault *oauth.Error
		if details, fault = e.Details.Narrow(a.Details, asked); fault != nil {
			return nil, fault
		}
	}
	here := e.Details.For(req.Client, details, audience)
	if len(here) == 0 {
		return nil, oauth.Errorf(oauth.InvalidDetails, "none of the authorization_details counts for this client at the resource (RFC 9396 section 6)")
	}
	return here, nil
}

// documents are the details as policy sees them.
func documents(details oauth.Details) []json.RawMessage {
	var all []json.RawMessage
	for _, detail := range details {
		all = append(all, detail.JSON)
	}
	return all
}

// chosenBy returns those at the positions; nil = all.
func chosenBy(details oauth.Details, positions []int) oauth.Details {
	if positions == nil {
		return details
	}
	var some oauth.Details
	for _, i := range positions {
		some = append(some, details[i])
	}
	return some
}
