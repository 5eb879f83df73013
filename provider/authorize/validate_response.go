package authorize

import (
	"slices"
	"strings"

	"signet/provider/oauth"
	"signet/provider/pkce"
)

// The parts of a response type: what an answer carries (OAuth 2.0 Multiple Response Type Encoding Practices section 3).
const (
	partCode    = "code"
	partIDToken = "id_token"
	partToken   = "token"
)

// ResponseTypes are the values of response_type that the endpoint knows, for discovery. Deps.ResponseTypes, a profile
// and a client's registration may allow fewer.
func ResponseTypes() []string {
	return []string{
		oauth.ResponseCode, oauth.ResponseIDToken, oauth.ResponseIDTokenToken,
		oauth.ResponseCodeIDToken, oauth.ResponseCodeToken, oauth.ResponseCodeIDTokenToken,
	}
}

// responseType returns the parameter with its parts in our order: theirs means nothing (RFC 6749 section 3.1.1).
func responseType(p oauth.Params) string {
	parts := strings.Fields(p.Get("response_type"))
	slices.Sort(parts)
	return strings.Join(parts, " ")
}

// carries says whether answers of the response type have the part.
func carries(responseType, part string) bool {
	return slices.Contains(strings.Fields(responseType), part)
}

// carriesToken says whether the response type puts a token into the answer, which must then not be a query.
func carriesToken(responseType string) bool {
	return carries(responseType, partIDToken) || carries(responseType, partToken)
}

func (e *Endpoint) checkResponseType(from inquiry, req *oauth.AuthorizationRequest) *oauth.Error {
	switch {
	case req.ResponseType == "":
		return oauth.Errorf(oauth.InvalidRequest, "response_type is missing")
	case !slices.Contains(ResponseTypes(), req.ResponseType):
		return oauth.Errorf(oauth.UnsupportedResponseType, "the response type is not supported")
	case !slices.Contains(e.deps.ResponseTypes, req.ResponseType):
		return oauth.Errorf(oauth.UnsupportedResponseType, "the response type is not served here")
	case !slices.Contains(from.profile.ResponseTypes, req.ResponseType):
		return oauth.Errorf(oauth.UnsupportedResponseType, "the response type is not allowed by the client's profile")
	case from.profile.SignedResponse && req.ResponseType == oauth.ResponseCode && !secured(req.ResponseMode): // FAPI 1.0 Advanced section 5.2.2 item 2
		return oauth.Errorf(oauth.InvalidRequest, "response_type code needs response_mode jwt")
	}
	return entitled(from.party, req.ResponseType)
}

// serves says whether the response type is still one of the client's: registrations and configurations change.
func (e *Endpoint) serves(who party, responseType string) bool {
	return slices.Contains(e.deps.ResponseTypes, responseType) && slices.Contains(who.profile.ResponseTypes, responseType) &&
		entitled(who, responseType) == nil
}

// entitled says what keeps the client from the response type: its registration or, of an access token or ID token that
// comes through the browser, that it would lack what the client is promised of every one.
func entitled(who party, responseType string) *oauth.Error {
	client := who.client
	switch {
	case !registeredFor(client, responseType):
		return oauth.Errorf(oauth.UnauthorizedClient, "the client is not registered for the response type")
	case carries(responseType, partCode) && !client.Allows(oauth.GrantAuthorizationCode):
		return oauth.Errorf(oauth.UnauthorizedClient, "the client is not registered for the authorization code grant")
	case needsImplicit(who.profile, responseType) && !client.Allows(oauth.GrantImplicit):
		return oauth.Errorf(oauth.UnauthorizedClient, "the client is not registered for the implicit grant, which tokens in the answer need")
	case carries(responseType, partToken) && bound(who): // nobody shows a key here
		return oauth.Errorf(oauth.UnauthorizedClient, "the client's access tokens have to be bound, which one in the answer cannot be")
	case carries(responseType, partIDToken) && client.IDTokenAlg == oauth.AlgNone: // OpenID Connect Core section 2
		return oauth.Errorf(oauth.UnauthorizedClient, "the client's ID tokens are unsigned, which one in the answer must not be")
	}
	return nil
}

// registeredFor says whether the client has the response type in its registration (RFC 7591 section 2).
func registeredFor(client *oauth.Client, responseType string) bool {
	if len(client.ResponseTypes) == 0 {
		return responseType == oauth.ResponseCode
	}
	return slices.Contains(client.ResponseTypes, responseType)
}

// needsImplicit says whether the response type asks for the grant type implicit, too (OpenID Connect Registration
// section 2, grant_types). Profiles that have no implicit flow have the ID token of the hybrid one for its signature,
// and no use for the grant type.
func needsImplicit(profile oauth.Profile, responseType string) bool {
	return carriesToken(responseType) && slices.Contains(profile.ResponseTypes, oauth.ResponseIDToken)
}

// bound says whether the client's access tokens are bound to what it shows at the token endpoint. Those of a client that
// shows a certificate to authenticate are, and so the consent page says.
func bound(who party) bool {
	return who.profile.SenderConstrained || who.client.BoundAccessTokens || who.client.DPoPBound || who.client.AuthMethod.UsesCertificate()
}

// checkNonce asks for nonce where an ID token comes through the browser (OpenID Connect Core sections 3.2.2.1 and
// 3.3.2.11), and for what ties the answer to the request (FAPI 1.0 Baseline sections 5.2.2.2 and 5.2.2.3).
func (e *Endpoint) checkNonce(from inquiry, req *oauth.AuthorizationRequest) *oauth.Error {
	openID, idToken := req.Scope.Has(oauth.ScopeOpenID), carries(req.ResponseType, partIDToken)
	switch {
	case idToken && !openID && !e.withoutOpenID(from.profile):
		return oauth.Errorf(oauth.InvalidRequest, "an ID token needs the scope openid")
	case idToken && req.Nonce == "", from.profile.SignedResponse && openID && req.Nonce == "":
		return oauth.Errorf(oauth.InvalidRequest, "nonce is missing")
	case from.profile.SignedResponse && !openID && req.State == "":
		return oauth.Errorf(oauth.InvalidRequest, "state is missing")
	}
	return nil
}

// withoutOpenID says whether who is held to the profile can have an ID token without the scope openid.
func (e *Endpoint) withoutOpenID(profile oauth.Profile) bool {
	return e.deps.OpenIDOptional && profile.Name == oauth.ProfileOpenID
}

// checkPKCE asks for S256 (RFC 7636 section 4.4.1), where there is a code to protect. See needsPKCE for who can do
// without.
func (e *Endpoint) checkPKCE(from inquiry, req *oauth.AuthorizationRequest) *oauth.Error {
	req.CodeChallenge = from.params.Get("code_challenge")
	method := from.params.Get("code_challenge_method")
	switch {
	case req.CodeChallenge == "" && method == "" && !(carries(req.ResponseType, partCode) && e.needsPKCE(from)):
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

// needsPKCE says whether the request has to have a challenge. Some profiles always need one, and public clients do unless
// the owner exempts them; where the owner asks for more, only a confidential client whose signed OpenID Connect request has a nonce can do without
// (RFC 9700 section 2.1.1).
func (e *Endpoint) needsPKCE(from inquiry) bool {
	switch {
	case from.profile.RequirePKCE, from.pushed && from.profile.PushedPKCE, from.client.Public() && !e.deps.PublicWithoutPKCE:
		return true
	case !e.deps.RequirePKCE && from.profile.Name == oauth.ProfileOpenID:
		return false
	}
	scope, _ := oauth.ParseScope(from.params.Get("scope"))
	return !from.signed || !from.params.Has("nonce") || !scope.Has(oauth.ScopeOpenID)
}

// checkDPoPKey takes the key that the code is to be bound to (RFC 9449 section 10), a SHA-256 thumbprint.
func checkDPoPKey(from inquiry, req *oauth.AuthorizationRequest) *oauth.Error {
	req.DPoPJKT = from.params.Get("dpop_jkt")
	if req.DPoPJKT != "" && !pkce.ValidChallenge(req.DPoPJKT) { // the same form: a digest in base64url
		return oauth.Errorf(oauth.InvalidRequest, "dpop_jkt is malformed")
	}
	return checkBinding(*req)
}

// checkBinding refuses to promise a binding that an access token in the answer does not have.
func checkBinding(req oauth.AuthorizationRequest) *oauth.Error {
	if req.DPoPJKT != "" && carries(req.ResponseType, partToken) {
		return oauth.Errorf(oauth.InvalidRequest, "access is to be bound to a DPoP key, which an access token in the answer cannot be")
	}
	return nil
}
