package authorize

import "signet/provider/oauth"

// checkSubject takes the user whom the client wants an answer about, and about nobody else (OpenID Connect Core
// section 3.1.2.2): the subject of the id_token_hint, or the value of the claim sub that the ID token is to have.
func (e *Endpoint) checkSubject(from inquiry, req *oauth.AuthorizationRequest) *oauth.Error {
	claimed, fault := claimSubject(from.params.Get("claims"))
	if fault != nil {
		return fault
	}
	req.Subject = claimed
	hint := from.params.Get("id_token_hint")
	if hint == "" {
		return nil
	}
	hinted, fault := e.deps.Hints.Subject(from.client, hint, e.deps.Clock())
	if fault != nil {
		return fault
	}
	if claimed != "" && claimed != hinted {
		return oauth.Errorf(oauth.InvalidRequest, "id_token_hint and the claim sub are about different users")
	}
	req.Subject = hinted
	return nil
}

// claimSubject reads the sub claim out of the claims parameter (OpenID Connect Core section 5.5.1). What cannot be one
// user's is refused: ignored, it would let in anybody.
func claimSubject(claims string) (string, *oauth.Error) {
	request, fault := readClaims(claims)
	sub := request.IDToken["sub"]
	if fault != nil || sub == nil || sub.Value == nil && sub.Values == nil {
		return "", fault
	}
	value := sub.Value
	if value == nil && len(sub.Values) == 1 {
		value = sub.Values[0]
	}
	subject, ok := value.(string)
	if !ok || subject == "" || sub.Value != nil && sub.Values != nil {
		return "", oauth.Errorf(oauth.InvalidRequest, "the claim sub has to have one value, the subject of one user")
	}
	return subject, nil
}

// isOther says whether the user is another than the request is about, who is named by the subject that the client knows
// (OpenID Connect Core sections 3.1.2.1, id_token_hint, and 8).
func (e *Endpoint) isOther(client *oauth.Client, req oauth.AuthorizationRequest, user oauth.EndUser) (bool, error) {
	if req.Subject == "" {
		return false, nil
	}
	subject, err := e.deps.Subjects.Subject(client, user.ID)
	return subject != req.Subject, err
}

func notAskedFor() *oauth.Error {
	return oauth.Errorf(oauth.LoginRequired, "the user whom the request is about is not logged in")
}
