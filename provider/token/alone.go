package token

import (
	"context"
	"errors"
	"fmt"

	"signet/policy"
	"signet/provider/issue"
	"signet/provider/oauth"
)

// typeNone is the token_type of what is no access token (RFC 8693 section 2.2.1).
const typeNone = "N_A"

// alone makes the one token that a grant asks for in the place of the usual ones. Nothing is stored yet.
func (e *Endpoint) alone(ctx context.Context, req oauth.TokenRequest, a oauth.Authorization, m issue.Mandate, d policy.Decision) (issuance, error) {
	switch out := a.Output.(type) {
	case oauth.OutputToken:
		issued, err := e.accessToken(ctx, m)
		return issued.as(out.Type, err)
	case oauth.OutputRefreshToken:
		issued, err := e.refreshAlone(ctx, req, a, m, d)
		return issued.as(oauth.TokenTypeRefresh, err)
	case oauth.OutputIDToken:
		issued, err := e.idTokenAlone(ctx, a, m)
		return issued.as(oauth.TokenTypeID, err)
	case oauth.OutputTransactionToken:
		issued, err := e.transactionToken(ctx, m, out, d)
		return issued.as(oauth.TokenTypeTxn, err)
	default:
		return issuance{}, fmt.Errorf("a grant asks for an output that is not known here: %T", out)
	}
}

// as names the kind of token that was issued.
func (i issuance) as(kind oauth.TokenType, err error) (issuance, error) {
	if err != nil {
		return issuance{}, err
	}
	i.response.IssuedTokenType = kind
	if i.response.TokenType == "" {
		i.response.TokenType = typeNone
	}
	return i, nil
}

// errNoUser: such a token can only be about a user, and a grant asked for it about a client.
var errNoUser = errors.New("the grant asks for a token about a user, and has none")

// refreshAlone makes a refresh token of what policy has granted now: there is no access token beside it that would say
// less.
func (e *Endpoint) refreshAlone(ctx context.Context, req oauth.TokenRequest, a oauth.Authorization, m issue.Mandate, d policy.Decision) (issuance, error) {
	user, person := a.Subject.(oauth.EndUser)
	if !person {
		return issuance{}, errNoUser
	}
	issued, err := e.blank(m)
	if err != nil {
		return issuance{}, err
	}
	a.Scope, a.Details = m.Scope, m.Details
	value, kept, changes, err := e.firstRefresh(ctx, req, a, m, user, d)
	if err != nil {
		return issuance{}, err
	}
	if value == "" {
		return issuance{}, oauth.Errorf(oauth.InvalidScope, "this client gets no refresh token without the scope offline_access (OpenID Connect Core section 11)")
	}
	issued.changes = changes
	issued.response.AccessToken, issued.response.ExpiresIn = value.Reveal(), seconds(kept.ExpiresAt.Sub(req.Now))
	return issued, nil
}

// idTokenAlone makes an ID token without an access token.
func (e *Endpoint) idTokenAlone(ctx context.Context, a oauth.Authorization, m issue.Mandate) (issuance, error) {
	user, person := a.Subject.(oauth.EndUser)
	if !person {
		return issuance{}, errNoUser
	}
	issued, err := e.blank(m)
	if err != nil {
		return issuance{}, err
	}
	if m.IDLifetime, err = issue.Within(m.IDLifetime, m.Now, m.NotAfter); err != nil {
		return issuance{}, err
	}
	token, err := e.Issue.IDTokenBeside(ctx, m, user, issue.Beside{})
	if err != nil {
		return issuance{}, unavailable(err)
	}
	issued.audience, issued.idToken, issued.idTokenEnds = []string{m.Client.ID}, token, m.Now.Add(m.IDLifetime)
	issued.response.AccessToken, issued.response.ExpiresIn = token, seconds(m.IDLifetime)
	return issued, nil
}

// transactionToken makes a transaction token, with the context that policy adds.
func (e *Endpoint) transactionToken(ctx context.Context, m issue.Mandate, out oauth.OutputTransactionToken, d policy.Decision) (issuance, error) {
	issued, err := e.blank(m)
	if err != nil {
		return issuance{}, err
	}
	out.Lifetime = min(out.Lifetime, m.AccessLifetime) // policy can have it shorter
	compact, jti, expiresIn, err := e.Issue.TransactionToken(ctx, m, out, d.TransactionContext)
	if fault := (*oauth.Error)(nil); errors.As(err, &fault) && fault.Code == oauth.AccessDenied {
		return issuance{}, denied(d, fault.Code, []string{"token/transaction_context"}, fault)
	}
	if err != nil {
		return issuance{}, unavailable(err)
	}
	issued.jti = jti
	issued.response.AccessToken, issued.response.ExpiresIn = compact, expiresIn
	return issued, nil
}
