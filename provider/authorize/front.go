package authorize

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"signet/provider/issue"
	"signet/provider/oauth"
)

// successful returns the answer to an approved request: the parts that its response type names (OpenID Connect Core
// sections 3.1.2.5, 3.2.2.5 and 3.3.2.5) and, to an OpenID Connect client, the state of its user's session.
func (e *Endpoint) successful(r *http.Request, p progress, user oauth.EndUser, out handout) (sealed, error) {
	req, answer := p.waiting.Request, url.Values{}
	if out.code != "" {
		answer.Set("code", out.code.Reveal())
	}
	if access := out.access; access.AccessToken != "" { // RFC 6749 section 4.2.2
		answer.Set("access_token", access.AccessToken.Reveal())
		answer.Set("token_type", access.TokenType)
		answer.Set("expires_in", strconv.FormatInt(access.ExpiresIn, 10))
		answer.Set("scope", access.Scope.String())
	}
	if carries(req.ResponseType, partIDToken) {
		token, err := e.idToken(r.Context(), p, user, out)
		if err != nil {
			return sealed{}, err
		}
		answer.Set("id_token", token)
	}
	if e.deps.SessionState != nil && req.Scope.Has(oauth.ScopeOpenID) {
		state, err := e.deps.SessionState(r, p.client, p.redirectURI)
		if err != nil {
			return sealed{}, err
		}
		if state != "" {
			answer.Set("session_state", state)
		}
	}
	return e.seal(r.Context(), p.destination, answer)
}

// idToken makes the ID token of the answer, which vouches for all that is beside it (OpenID Connect Core sections
// 3.2.2.10 and 3.3.2.11, FAPI 1.0 Advanced section 5.2.2.1). entitled has seen to it that it is signed.
func (e *Endpoint) idToken(ctx context.Context, p progress, user oauth.EndUser, out handout) (string, error) {
	claims, err := e.userClaims(ctx, p.waiting.Request.ResponseType, user, out.grant)
	if err != nil {
		return "", err
	}
	return e.deps.Issue.IDTokenBeside(ctx, issue.Mandate{
		Now: e.deps.Clock(), Client: p.client, Nonce: p.waiting.Request.Nonce, AllowedAlgs: p.profile.SigningAlgs,
		IDLifetime: e.deps.IDTokenLifetime, UserClaims: claims,
	}, user, issue.Beside{AccessToken: out.access.AccessToken, Code: out.code, State: p.state})
}

// userClaims are those that were asked for in the ID token. Where no access token is ever issued the scope's come with
// them: they cannot be had at the userinfo endpoint (OpenID Connect Core section 5.4).
func (e *Endpoint) userClaims(ctx context.Context, responseType string, user oauth.EndUser, grant oauth.Grant) (map[string]any, error) {
	var scope oauth.Scope
	if responseType == oauth.ResponseIDToken {
		scope = grant.Scope
	}
	if len(scope) == 0 && len(grant.Claims.IDToken) == 0 {
		return nil, nil
	}
	account, err := e.deps.Store.User(ctx, user.ID)
	if err != nil {
		return nil, err
	}
	return account.ClaimsFor(scope, grant.Claims.IDToken), nil
}
