package authorize

import (
	"encoding/json"

	"signet/provider/oauth"
)

// maxClaims is the longest claims parameter, in bytes.
const maxClaims = 8 << 10

// claimsRequest is the claims parameter (OpenID Connect Core section 5.5). Null, in JSON, asks for a claim in the
// default manner.
type claimsRequest struct {
	IDToken  map[string]*oauth.ClaimRequest `json:"id_token"`
	Userinfo map[string]*oauth.ClaimRequest `json:"userinfo"`
}

func readClaims(claims string) (request claimsRequest, fault *oauth.Error) {
	if claims == "" {
		return request, nil
	}
	if len(claims) > maxClaims || claims[0] != '{' || json.Unmarshal([]byte(claims), &request) != nil {
		return claimsRequest{}, oauth.Errorf(oauth.InvalidRequest, "claims is malformed or too long")
	}
	return request, nil
}

// checkClaims takes the claims that are asked for one by one; what acr and sub ask for, checkACR and checkSubject take.
// Those that there are not here, or that the client is not registered for, are left out: even an essential claim is
// no condition (OpenID Connect Core section 5.5.1).
func checkClaims(from inquiry, req *oauth.AuthorizationRequest) *oauth.Error {
	request, fault := readClaims(from.params.Get("claims"))
	if fault != nil || !req.Scope.Has(oauth.ScopeOpenID) {
		return fault
	}
	registered := from.client.Scopes()
	req.Claims = oauth.ClaimsRequest{IDToken: permitted(request.IDToken, registered), Userinfo: permitted(request.Userinfo, registered)}
	return nil
}

// permitted are the claims of which the client may have the scope value that stands for them; nil when there are none.
func permitted(asked map[string]*oauth.ClaimRequest, registered oauth.Scope) map[string]oauth.ClaimRequest {
	var kept map[string]oauth.ClaimRequest
	for name, request := range asked {
		value, standard := oauth.StandardClaim(name)
		if !standard || !registered.Has(value) {
			continue
		}
		if kept == nil {
			kept = map[string]oauth.ClaimRequest{}
		}
		kept[name] = oauth.ClaimRequest{}
		if request != nil {
			kept[name] = *request
		}
	}
	return kept
}

// reach is all that a user agrees to: the scope, and the scope values that stand for single claims.
func reach(scope oauth.Scope, claims oauth.ClaimsRequest) oauth.Scope {
	return union(scope, claims.Scope())
}
