package authorize

import (
	"context"
	"maps"
	"net/url"

	"signet/provider/issue"
	"signet/provider/oauth"
)

// successful returns the answer to an approved request: the code and, in the hybrid flow, an ID token that vouches
// for the code and the state (OpenID Connect Core section 3.3.2.5, FAPI 1.0 Advanced section 5.2.2.1).
func (e *Endpoint) successful(ctx context.Context, p progress, user oauth.EndUser, code oauth.Secret) (sealed, error) {
	answer := url.Values{"code": {code.Reveal()}}
	if carriesToken(p.waiting.Request.ResponseType) {
		token, err := e.deps.Issue.IDTokenBeside(ctx, issue.Mandate{
			Now: e.deps.Clock(), Client: p.client, Nonce: p.waiting.Request.Nonce,
			AllowedAlgs: p.profile.SigningAlgs, IDLifetime: e.deps.IDTokenLifetime,
		}, user, issue.Beside{Code: code, State: p.state})
		if err != nil {
			return sealed{}, err
		}
		answer.Set("id_token", token)
	}
	return e.seal(ctx, p.destination, answer)
}

// withAnswer adds to what the audit log keeps of a code what has left beside it: of the ID token there is no other trace.
func withAnswer(detail map[string]any, req oauth.AuthorizationRequest) map[string]any {
	detail = maps.Clone(detail)
	detail["response_type"] = req.ResponseType
	if carriesToken(req.ResponseType) {
		detail["id_token"] = true
	}
	return detail
}
