package authorize

import (
	"slices"
	"strings"

	"signet/provider/oauth"
)

// checkACR takes the acceptable authentication contexts, the preferred one first: those of an essential claim alone
// (OpenID Connect Core section 5.5.1.1), else those asked for voluntarily, else the client's default.
func checkACR(from inquiry, req *oauth.AuthorizationRequest) *oauth.Error {
	values := strings.Fields(from.params.Get("acr_values"))
	essential, fault := claimACR(from.params.Get("claims"), &values)
	if fault != nil {
		return fault
	}
	req.EssentialACR = essential
	req.ACRValues, fault = from.client.RequestedACR(values)
	return fault
}

// claimACR reads the acr claim out of the claims parameter. Essential values replace those asked for otherwise,
// voluntary ones come behind them.
func claimACR(claims string, values *[]string) (essential bool, fault *oauth.Error) {
	request, fault := readClaims(claims)
	acr := request.IDToken["acr"]
	if fault != nil || acr == nil {
		return false, fault
	}
	var named []string
	for _, value := range append([]any{acr.Value}, acr.Values...) {
		if text, ok := value.(string); ok && text != "" {
			named = append(named, text)
		}
	}
	if acr.Essential && len(named) > 0 {
		*values = named
		return true, nil
	}
	*values = append(*values, named...)
	return false, nil
}

// checkReach refuses at once what no login here can reach.
func (e *Endpoint) checkReach(_ inquiry, req *oauth.AuthorizationRequest) *oauth.Error {
	if req.EssentialACR && !slices.ContainsFunc(req.ACRValues, e.reaches) {
		return unmet()
	}
	return nil
}

func (e *Endpoint) reaches(acr string) bool { return slices.Contains(e.deps.ACRs, acr) }

// settleACR names the authentication context that the client prefers among those that the login reaches.
func (e *Endpoint) settleACR(user oauth.EndUser, req oauth.AuthorizationRequest) (oauth.EndUser, error) {
	if i := slices.IndexFunc(req.ACRValues, e.reaches); i >= 0 {
		user.ACR = req.ACRValues[i]
	}
	if req.EssentialACR && !slices.Contains(req.ACRValues, user.ACR) {
		return user, unmet()
	}
	return user, nil
}

func unmet() *oauth.Error {
	return oauth.Errorf(oauth.UnmetAuthentication, "the user cannot be authenticated as the request demands")
}
