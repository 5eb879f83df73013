package token

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"signet/provider/assertion"
	"signet/provider/oauth"
)

// Assertions reads the tokens of other issuers that count here, and those that clients issue themselves;
// *assertion.Reader does. use is the grant type that they are presented for. Errors are *oauth.Error: invalid_grant, or
// temporarily_unavailable when the issuer's keys cannot be had.
type Assertions interface {
	JWT(ctx context.Context, client *oauth.Client, raw, use string, now time.Time) (assertion.Asserted, error)
	SAML(ctx context.Context, client *oauth.Client, raw, use string, now time.Time) (assertion.Asserted, error)
}

// assertion takes a token of another issuer, or of the client itself (RFC 8693 section 3, RFC 7521 section 4.1). It names
// an account that is here, and gives what its issuer is trusted with, within what the client is registered for.
func (g TokenExchange) assertion(ctx context.Context, p tokenParam, req oauth.TokenRequest) (*presented, error) {
	if g.Assertions == nil {
		return nil, oauth.Errorf(oauth.InvalidRequest, "no tokens of other issuers are taken here")
	}
	read := g.Assertions.JWT
	if p.kind == oauth.TokenTypeSAML2 {
		read = g.Assertions.SAML
	}
	asserted, err := read(ctx, req.Client, p.text.Reveal(), oauth.GrantTokenExchange, req.Now)
	if err != nil {
		return nil, err
	}
	if p.kind == typeSelfSigned && !asserted.SelfIssued {
		return nil, oauth.Errorf(oauth.InvalidRequest, "it is not signed by this client")
	}
	good := &presented{
		issuer: asserted.Issuer, about: oauth.ClientItself{ClientID: req.Client.ID}, claims: asserted.Claims,
		scope: req.Client.Scopes(), unscoped: asserted.Scope == nil && !asserted.SelfIssued,
		audience: first(req.Client.Resources), reachable: req.Client.Resources, expires: asserted.ExpiresAt, changes: asserted.Changes,
	}
	if asserted.Scope != nil {
		good.scope = good.scope.Intersect(asserted.Scope)
	}
	if asserted.User.ID != "" {
		good.about = asserted.EndUser()
	}
	good.names = []string{good.about.Subject()}
	if p.kind != oauth.TokenTypeSAML2 { // in a SAML assertion these are names of attributes like others
		err = good.delegated(asserted.Claims)
	}
	return good, err
}

var errActor = errors.New("an act claim has no sub, or is nested too deeply")

// delegated reads who acts already, and who may (RFC 8693 sections 4.1 and 4.4), from the claims of another issuer.
func (p *presented) delegated(claims json.RawMessage) (err error) {
	var members map[string]json.RawMessage
	if len(claims) > 0 {
		if err := json.Unmarshal(claims, &members); err != nil {
			return oauth.Errorf(oauth.InvalidRequest, "it is malformed").Because(err)
		}
	}
	if p.act, err = actorOf(members["act"], p.issuer, oauth.MaxGenerations); err != nil {
		return oauth.Errorf(oauth.InvalidRequest, "its act claim is malformed (RFC 8693 section 4.1)").Because(err)
	}
	p.mayAct = members["may_act"]
	return nil
}

// actorOf reads an act claim. An actor without an iss is one of the token's own issuer.
func actorOf(raw json.RawMessage, home string, depth int) (*oauth.Actor, error) {
	if raw == nil {
		return nil, nil //nolint:nilnil // that nobody acts is a fact, not an error
	}
	var members map[string]json.RawMessage // a struct would take "Sub" for "sub"
	if err := json.Unmarshal(raw, &members); err != nil {
		return nil, err
	}
	actor := &oauth.Actor{Issuer: home}
	for name, into := range map[string]*string{"sub": &actor.Subject, "iss": &actor.Issuer, "client_id": &actor.ClientID} {
		if text, there := members[name]; there {
			if err := json.Unmarshal(text, into); err != nil {
				return nil, err
			}
		}
	}
	if actor.Subject == "" || depth == 0 {
		return nil, errActor
	}
	var err error
	actor.Act, err = actorOf(members["act"], home, depth-1)
	return actor, err
}
