package token

import (
	"context"
	"errors"
	"time"

	"signet/provider/issue"
	"signet/provider/oauth"
)

// OwnTokens reads this server's tokens back; *issue.Reader does. The errors are *oauth.Error, invalid_token for what is
// good for nothing, whoever presents it.
type OwnTokens interface {
	Active(ctx context.Context, token oauth.Secret) (*issue.Held, error)
	IDToken(ctx context.Context, compact oauth.Secret) (*issue.Held, error)
	Transaction(ctx context.Context, compact oauth.Secret) (*issue.Transaction, error)
}

// Names says how a client knows a user; *issue.Issuer does.
type Names interface {
	Subject(c *oauth.Client, userID string) (string, error)
}

// TokenExchange is the token-exchange grant (RFC 8693 section 2), transaction tokens included. What it makes of a token is
// no wider than that token: in scope, audience, lifetime, binding and details it can only be less, everybody who acted
// still is in it, and it ends with what it was made from.
type TokenExchange struct {
	Tokens OwnTokens
	// Refresh is the refresh_token grant: by its rules a refresh token is a subject token.
	Refresh RefreshToken
	// Assertions reads tokens of other issuers and of clients; nil = there are none that count here.
	Assertions Assertions
	Names      Names
	Issuer     string // this server's "iss"
	// Domains are the trust domains for which there are transaction tokens, with how long these live; nil = there are none.
	Domains map[string]time.Duration
	Random  oauth.Random
}

// GrantType implements oauth.GrantHandler.
func (TokenExchange) GrantType() string { return oauth.GrantTokenExchange }

// Redeem judges the tokens that are presented, and bounds what is made of them (RFC 8693 sections 2.1 and 2.2). A token
// that is not good enough is invalid_request (section 2.2.2).
func (g TokenExchange) Redeem(ctx context.Context, req oauth.TokenRequest) (oauth.Authorization, error) {
	x, err := exchangeOf(req)
	if err != nil {
		return oauth.Authorization{}, err
	}
	subject, err := g.read(ctx, x, x.subject, req)
	if err != nil {
		return oauth.Authorization{}, err
	}
	var actor *presented
	if x.actor.text != "" {
		if actor, err = g.read(ctx, x, x.actor, req); err != nil {
			return oauth.Authorization{}, err
		}
	}
	chain, err := g.chain(req, subject, actor)
	if err != nil {
		return oauth.Authorization{}, err
	}
	a := oauth.Authorization{
		Subject: subject.about, Parent: subject.jti, Actor: chain, NotAfter: earlier(subject, actor), Refresh: oauth.NoRefresh{},
		Question: &oauth.Question{Exchange: &oauth.ExchangeFacts{
			SubjectType: x.subject.kind, SubjectIssuer: subject.issuer, SubjectClaims: subject.claims,
			Actor: chain, ActorType: x.actor.kind, Requested: x.requested,
		}},
		Changes: subject.changes,
	}
	if actor != nil {
		a.Changes = append(append(a.Changes, actor.changes...), alive(actor.grant)...)
	}
	if x.requested == oauth.TokenTypeTxn {
		err = g.transaction(req, x, subject, &a)
	} else {
		err = g.exchanged(req, x, subject, &a)
	}
	if err != nil {
		return oauth.Authorization{}, err
	}
	return a, g.root(req, subject, &a)
}

// exchange is what a request asks for.
type exchange struct {
	subject, actor tokenParam
	requested      oauth.TokenType
}

// tokenParam is a token that a request presents.
type tokenParam struct {
	name string // of the parameter
	text oauth.Secret
	kind oauth.TokenType
}

// typeSelfSigned is a JWT by which a workload names the subject of a transaction itself (Transaction Tokens section 7.2.1).
const typeSelfSigned oauth.TokenType = "urn:ietf:params:oauth:token-type:self_signed"

// exchangeOf reads the parameters (RFC 8693 section 2.1).
func exchangeOf(req oauth.TokenRequest) (exchange, error) {
	read := func(name string) tokenParam {
		return tokenParam{name: name, text: req.Params.Secret(name), kind: oauth.TokenType(req.Params.Get(name + "_type"))}
	}
	x := exchange{subject: read("subject_token"), actor: read("actor_token"), requested: oauth.TokenType(req.Params.Get("requested_token_type"))}
	if x.requested == "" {
		x.requested = oauth.TokenTypeAccess
	}
	switch {
	case x.subject.text == "":
		return exchange{}, oauth.Errorf(oauth.InvalidRequest, "subject_token is missing")
	case x.subject.kind == "":
		return exchange{}, oauth.Errorf(oauth.InvalidRequest, "subject_token_type is missing")
	case (x.actor.text == "") != (x.actor.kind == ""):
		return exchange{}, oauth.Errorf(oauth.InvalidRequest, "actor_token and actor_token_type come together or not at all (RFC 8693 section 2.1)")
	case x.actor.kind == oauth.TokenTypeTxn || x.actor.kind == typeSelfSigned:
		return exchange{}, oauth.Errorf(oauth.InvalidRequest, "actor_token_type: such a token does not say who acts")
	case x.actor.text != "" && x.subject.kind == oauth.TokenTypeRefresh:
		return exchange{}, oauth.Errorf(oauth.InvalidRequest, "a refresh token does not say who may act: let an access token be the subject_token")
	}
	switch x.requested {
	case oauth.TokenTypeAccess, oauth.TokenTypeJWT, oauth.TokenTypeRefresh, oauth.TokenTypeID:
		if x.subject.kind == oauth.TokenTypeTxn || x.subject.kind == typeSelfSigned {
			return exchange{}, oauth.Errorf(oauth.InvalidRequest, "such a subject_token becomes a transaction token only")
		}
	case oauth.TokenTypeTxn:
	default:
		return exchange{}, oauth.Errorf(oauth.InvalidRequest, "requested_token_type is not one that is issued here (RFC 8693 section 3)")
	}
	return x, nil
}

// exchanged bounds every kind of token but transaction tokens.
func (g TokenExchange) exchanged(req oauth.TokenRequest, x exchange, subject *presented, a *oauth.Authorization) error {
	var err error
	if a.Scope, err = subject.narrowed(req.Scope); err != nil {
		return err
	}
	if x.requested == oauth.TokenTypeID {
		a.Resources, err = subject.audience, forItself(req)
	} else {
		a.Resources, err = subject.targets(req)
	}
	if err != nil {
		return err
	}
	a.Details = subject.details
	_, person := subject.about.(oauth.EndUser)
	switch x.requested {
	case oauth.TokenTypeID:
		if !person || !a.Scope.Has(oauth.ScopeOpenID) {
			return oauth.Errorf(oauth.InvalidScope, "an ID token is about a user, and needs the scope openid")
		}
		a.Output = oauth.OutputIDToken{}
	case oauth.TokenTypeRefresh:
		a.Output, a.Refresh = oauth.OutputRefreshToken{}, oauth.NewRefresh{}
		// Whatever it gives later, its client is registered for.
		a.Scope = a.Scope.Intersect(req.Client.Scopes())
		return g.mayRefresh(req, subject, a.Scope, person)
	default:
		a.Output = oauth.OutputToken{Type: x.requested}
	}
	return nil
}

// mayRefresh says whether the client may have a refresh token of its own by the subject token.
func (g TokenExchange) mayRefresh(req oauth.TokenRequest, subject *presented, scope oauth.Scope, person bool) error {
	switch {
	case !person:
		return oauth.Errorf(oauth.InvalidRequest, "a refresh token is about a user, and the subject_token is not")
	case !req.Client.Allows(oauth.GrantRefreshToken):
		return oauth.Errorf(oauth.UnauthorizedClient, "this client is not registered for refresh tokens")
	case !g.Refresh.Options.Issues(req.Client, scope):
		return oauth.Errorf(oauth.InvalidScope, "a refresh token needs the scope offline_access (OpenID Connect Core section 11)")
	case subject.grant != nil && subject.grant.Managed:
		// What its client takes away from the grant would stay in a grant that is made from it.
		return oauth.Errorf(oauth.InvalidRequest, "no refresh token is made from a grant that its client manages")
	}
	return nil
}

// root says which grant stands behind what is issued, and makes sure of it at the commit: the subject token's own; or a
// new one, where the subject token is of another issuer, or where a refresh token is made, whose use and end are not to
// be those of the grant that it comes from.
func (g TokenExchange) root(req oauth.TokenRequest, subject *presented, a *oauth.Authorization) error {
	user, person := subject.about.(oauth.EndUser)
	_, refresh := a.Output.(oauth.OutputRefreshToken)
	if subject.grant != nil && !refresh {
		a.GrantID = subject.grant.ID
		a.Changes = append(a.Changes, alive(subject.grant)...)
		return nil
	}
	if !person {
		return nil
	}
	id, err := oauth.NewID(g.Random)
	if err != nil {
		return err
	}
	grant := oauth.Grant{
		ID: id, ClientID: req.Client.ID, UserID: user.ID, Scope: a.Scope, Resources: a.Resources, Details: a.Details,
		CreatedAt: req.Now, UpdatedAt: req.Now, ExpiresAt: a.NotAfter, ParentJTI: subject.jti,
	}
	a.GrantID = id
	if subject.grant == nil {
		a.Changes = append(a.Changes, oauth.StoreGrant{Grant: grant})
		return nil
	}
	grant.ParentID = subject.grant.ID
	a.Changes = append(a.Changes, oauth.DeriveGrant{Grant: grant})
	return nil
}

// alive asserts at the commit that a grant is still what it was when it was read.
func alive(grant *oauth.Grant) []oauth.Change {
	switch {
	case grant == nil:
		return nil
	case grant.Managed:
		return []oauth.Change{oauth.CheckGrant{GrantID: grant.ID, Seen: grant.UpdatedAt}}
	default:
		return []oauth.Change{oauth.UseGrant{GrantID: grant.ID}}
	}
}

// earlier is when the first of both ends; the actor may be nil.
func earlier(subject, actor *presented) time.Time {
	if actor != nil && actor.expires.Before(subject.expires) {
		return actor.expires
	}
	return subject.expires
}

// unacceptable says of a token that it will not do: by the one code that there is for that (RFC 8693 section 2.2.2). What
// else went wrong, and what is to be revoked, stays as it is.
func unacceptable(name string, err error) error {
	var refusal *oauth.Refusal
	var fault *oauth.Error
	switch {
	case errors.As(err, &refusal):
		same := *refusal
		same.Err = notAccepted(name, refusal.Err)
		return &same
	case errors.As(err, &fault):
		return notAccepted(name, fault)
	default:
		return err
	}
}

func notAccepted(name string, fault *oauth.Error) *oauth.Error {
	switch fault.Code {
	case oauth.InvalidToken, oauth.InvalidGrant, oauth.InvalidRequest:
		return oauth.Errorf(oauth.InvalidRequest, "%s: %s", name, fault.Description).Because(fault.Cause)
	default:
		return fault
	}
}
