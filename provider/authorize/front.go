package authorize

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"signet/provider/issue"
	"signet/provider/oauth"
)

// successful returns the answer to an approved request: the parts that its response type names (OpenID Connect Core
// sections 3.1.2.5, 3.2.2.5 and 3.3.2.5) and, to an OpenID Connect client, the state of its user's session.
func (e *Endpoint) successful(r *http.Request, p progress, out handout) (sealed, error) {
	req, answer := p.waiting.Request, url.Values{}
	if out.code != "" {
		answer.Set("code", out.code.Reveal())
	}
	if access := out.front; access.AccessToken != "" { // RFC 6749 section 4.2.2
		answer.Set("access_token", access.AccessToken.Reveal())
		answer.Set("token_type", access.TokenType)
		answer.Set("expires_in", strconv.FormatInt(access.ExpiresIn, 10))
		answer.Set("scope", access.Scope.String())
	}
	if out.idToken.compact != "" {
		answer.Set("id_token", out.idToken.compact)
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

// inFront asks policy about the tokens of the answer: once, whether one or both are in it. Where the profile has no
// implicit flow, the ID token of the hybrid one says who logged in, how and when, and policy is not asked.
func (e *Endpoint) inFront(
	ctx context.Context, p progress, grant oauth.Grant, user oauth.EndUser,
) (tokens FrontTokens, changes []oauth.Change, err error) {
	responseType := p.waiting.Request.ResponseType
	switch {
	case carries(responseType, partToken):
		tokens, changes, err = e.deps.Front(ctx, p.client, p.profile, grant, user)
	case needsImplicit(p.profile, responseType):
		tokens, err = e.deps.FrontIDToken(ctx, p.client, p.profile, grant, user)
	default:
		return FrontTokens{}, nil, nil
	}
	asked := grant.Scope.Has(oauth.ScopeOpenID) || !e.withoutOpenID(p.profile)
	if err == nil && carries(responseType, partIDToken) && asked && !tokens.Scope.Has(oauth.ScopeOpenID) {
		err = noOpenID(tokens.DecisionID)
	}
	if err != nil {
		return FrontTokens{}, nil, err
	}
	return tokens, changes, nil
}

// noOpenID refuses an answer that cannot have the ID token that it was asked for.
func noOpenID(decision string) *oauth.Refusal {
	denial := oauth.Errorf(oauth.AccessDenied, "refused by policy").Because(errors.New("policy withholds openid, and an ID token is asked for"))
	denial.Decision = decision
	return &oauth.Refusal{Err: denial, Detail: map[string]any{"rules": []string{"token/openid"}}}
}

// issuedID is an ID token that leaves in the answer, and when it expires.
type issuedID struct {
	compact string
	expires time.Time
}

// idToken makes the ID token of the answer, which vouches for all that is beside it (OpenID Connect Core sections
// 3.2.2.10 and 3.3.2.11, FAPI 1.0 Advanced section 5.2.2.1). entitled has seen to it that it is signed.
func (e *Endpoint) idToken(ctx context.Context, p progress, user oauth.EndUser, out handout) (issuedID, error) {
	claims, err := e.userClaims(ctx, p, user, out)
	if err != nil {
		return issuedID{}, err
	}
	lifetime := e.deps.IDTokenLifetime
	if own := time.Duration(p.client.IDTokenLifetime) * time.Second; own > 0 {
		lifetime = min(lifetime, own)
	}
	if out.front.IDLifetime > 0 { // policy's choice comes before
		lifetime = out.front.IDLifetime
	}
	now := e.deps.Clock()
	compact, err := e.deps.Issue.IDTokenBeside(ctx, issue.Mandate{
		Now: now, Client: p.client, Nonce: p.waiting.Request.Nonce, AllowedAlgs: p.profile.SigningAlgs,
		IDLifetime: lifetime, IDClaims: out.front.IDClaims, UserClaims: claims,
	}, user, issue.Beside{AccessToken: out.front.AccessToken, Code: out.code, State: p.state})
	return issuedID{compact, now.Add(lifetime)}, err
}

// userClaims are those that Deps.IDClaims has for the ID token. Where no access token is ever issued the scope's come with
// them: they cannot be had at the userinfo endpoint (OpenID Connect Core section 5.4). There are none that policy has
// not been asked about: the token endpoint has them then (OpenID Connect Core section 3.3.3.6).
func (e *Endpoint) userClaims(ctx context.Context, p progress, user oauth.EndUser, out handout) (map[string]any, error) {
	if out.front.DecisionID == "" {
		return nil, nil
	}
	which, scope, requested := e.deps.IDClaims, out.front.Scope, out.grant.Claims.IDToken
	if p.waiting.Request.ResponseType == oauth.ResponseIDToken {
		which = issue.ClaimsOfScope
	}
	if which != issue.ClaimsOfScope && len(requested) == 0 {
		return nil, nil
	}
	account, err := e.deps.Store.User(ctx, user.ID)
	if err != nil {
		return nil, err
	}
	return which.Within(which.For(account, p.client, scope, requested), scope, requested), nil
}
