package authorize

import (
	"slices"
	"strings"

	"signet/provider/oauth"
	"signet/provider/pkce"
)

// The response types (RFC 6749 section 3.1.1, OAuth 2.0 Multiple Response Type Encoding Practices section 5).
const (
	typeCode   = "code"
	typeHybrid = "code id_token"
)

// ResponseTypes are the values of response_type that the endpoint serves, for discovery. A profile may allow fewer.
func ResponseTypes() []string { return []string{typeCode, typeHybrid} }

// responseType returns the parameter with its parts in our order: theirs means nothing (RFC 6749 section 3.1.1).
func responseType(p oauth.Params) string {
	parts := strings.Fields(p.Get("response_type"))
	slices.Sort(parts)
	return strings.Join(parts, " ")
}

// allowsResponse says whether the client is registered for the response type (RFC 7591 section 2).
func allowsResponse(client *oauth.Client, responseType string) bool {
	if len(client.ResponseTypes) == 0 {
		return responseType == typeCode
	}
	return slices.Contains(client.ResponseTypes, responseType)
}

func checkResponseType(from inquiry, req *oauth.AuthorizationRequest) *oauth.Error {
	switch {
	case req.ResponseType == "":
		return oauth.Errorf(oauth.InvalidRequest, "response_type is missing")
	case !slices.Contains(ResponseTypes(), req.ResponseType):
		return oauth.Errorf(oauth.UnsupportedResponseType, "the response type is not supported")
	case !slices.Contains(from.profile.ResponseTypes, req.ResponseType):
		return oauth.Errorf(oauth.UnsupportedResponseType, "the response type is not allowed by the client's profile")
	case from.profile.SignedResponse && req.ResponseType == typeCode && !secured(req.ResponseMode): // FAPI 1.0 Advanced section 5.2.2 item 2
		return oauth.Errorf(oauth.InvalidRequest, "response_type code needs response_mode jwt")
	case !allowsResponse(from.client, req.ResponseType):
		return oauth.Errorf(oauth.UnauthorizedClient, "the client is not registered for the response type")
	}
	return nil
}

// checkNonce asks for nonce where an ID token comes through the browser (OpenID Connect Core section 3.3.2.11),
// and for what ties the answer to the request (FAPI 1.0 Baseline sections 5.2.2.2 and 5.2.2.3).
func checkNonce(from inquiry, req *oauth.AuthorizationRequest) *oauth.Error {
	openID := req.Scope.Has(oauth.ScopeOpenID)
	switch {
	case carriesToken(req.ResponseType) && !openID:
		return oauth.Errorf(oauth.InvalidRequest, "an ID token needs the scope openid")
	case carriesToken(req.ResponseType) && req.Nonce == "", from.profile.SignedResponse && openID && req.Nonce == "":
		return oauth.Errorf(oauth.InvalidRequest, "nonce is missing")
	case from.profile.SignedResponse && !openID && req.State == "":
		return oauth.Errorf(oauth.InvalidRequest, "state is missing")
	}
	return nil
}

// checkPKCE asks for S256 (RFC 7636 section 4.4.1). Only a confidential client whose signed OpenID Connect request
// has a nonce can do without (RFC 9700 section 2.1.1), and not under every profile.
func checkPKCE(from inquiry, req *oauth.AuthorizationRequest) *oauth.Error {
	req.CodeChallenge = from.params.Get("code_challenge")
	method := from.params.Get("code_challenge_method")
	switch {
	case req.CodeChallenge == "" && method == "" && !needsPKCE(from):
		return nil
	case req.CodeChallenge == "":
		return oauth.Errorf(oauth.InvalidRequest, "code_challenge is missing: PKCE is required")
	case method != pkce.MethodS256: // absent means "plain" (RFC 7636 section 4.3)
		return oauth.Errorf(oauth.InvalidRequest, "code_challenge_method must be S256")
	case !pkce.ValidChallenge(req.CodeChallenge):
		return oauth.Errorf(oauth.InvalidRequest, "code_challenge is malformed")
	}
	return nil
}

func needsPKCE(from inquiry) bool {
	if from.profile.RequirePKCE || from.pushed && from.profile.PushedPKCE {
		return true
	}
	scope, _ := oauth.ParseScope(from.params.Get("scope"))
	return !from.signed || from.client.Public() || !from.params.Has("nonce") || !scope.Has(oauth.ScopeOpenID)
}

// checkDPoPKey takes the key that the code is to be bound to (RFC 9449 section 10), a SHA-256 thumbprint.
func checkDPoPKey(from inquiry, req *oauth.AuthorizationRequest) *oauth.Error {
	req.DPoPJKT = from.params.Get("dpop_jkt")
	if req.DPoPJKT != "" && !pkce.ValidChallenge(req.DPoPJKT) { // the same form: a digest in base64url
		return oauth.Errorf(oauth.InvalidRequest, "dpop_jkt is malformed")
	}
	return nil
}
