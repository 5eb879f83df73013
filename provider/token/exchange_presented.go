package token

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"signet/provider/issue"
	"signet/provider/oauth"
)

// presented is a token of an exchange that has been found good: whom it is about, and how much of it can become of it.
type presented struct {
	issuer   string
	names    []string // of its subject: as the token has it, and as this server does
	clientID string   // whose token it is; "" for another issuer's
	about    oauth.Subject
	claims   json.RawMessage // a JSON object: what it says; nil when it says nothing
	act      *oauth.Actor
	mayAct   json.RawMessage // a JSON object; nil when there is none

	scope     oauth.Scope
	unscoped  bool     // nobody says what its scope is: only the client's registration bounds it
	audience  []string // that it is for, and what is made of it when nothing is asked for
	reachable []string // the audiences that can be asked for
	details   oauth.Details
	expires   time.Time

	jti   string       // "" when it has none that is known here
	grant *oauth.Grant // nil when none stands behind it
	// transaction is there when it is a transaction token.
	transaction *issue.Transaction
	changes     []oauth.Change // that its use implies
}

// read finds out what a token is good for in the hands of this client. For one that is good for nothing the error is
// invalid_request.
func (g TokenExchange) read(ctx context.Context, x exchange, p tokenParam, req oauth.TokenRequest) (*presented, error) {
	good, err := g.kind(ctx, x, p, req)
	if err != nil {
		return nil, unacceptable(p.name, err)
	}
	return good, nil
}

func (g TokenExchange) kind(ctx context.Context, x exchange, p tokenParam, req oauth.TokenRequest) (*presented, error) {
	switch p.kind {
	case oauth.TokenTypeAccess:
		return g.access(ctx, x, p.text, req)
	case oauth.TokenTypeID:
		return g.idToken(ctx, x, p, req)
	case oauth.TokenTypeRefresh:
		return g.refreshToken(ctx, x, p.text, req)
	case oauth.TokenTypeTxn:
		return g.replaced(ctx, p.text, req)
	case oauth.TokenTypeJWT:
		switch typ, issuer := peek(p.text); {
		case issuer != g.Issuer:
			return g.assertion(ctx, p, req)
		case strings.EqualFold(typ, issue.TypeAccessToken):
			return g.access(ctx, x, p.text, req)
		default:
			return g.idToken(ctx, x, p, req)
		}
	case oauth.TokenTypeSAML2, typeSelfSigned:
		return g.assertion(ctx, p, req)
	default:
		return nil, oauth.Errorf(oauth.InvalidRequest, "its type is not one that is read here (RFC 8693 section 3)")
	}
}

// peek says what a JWT claims to be, so that it goes to whoever can tell. Nothing of it has been checked.
func peek(compact oauth.Secret) (typ, issuer string) {
	var header, payload struct{ Typ, Iss string }
	parts := strings.Split(compact.Reveal(), ".")
	if len(parts) != 3 {
		return "", ""
	}
	for i, into := range []any{&header, &payload} {
		raw, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil || json.Unmarshal(raw, into) != nil {
			return "", ""
		}
	}
	return header.Typ, payload.Iss
}

// access takes an access token from the client that it was issued to, which must hold what it is bound to; or from the
// resource server that it is for.
func (g TokenExchange) access(ctx context.Context, x exchange, text oauth.Secret, req oauth.TokenRequest) (*presented, error) {
	held, err := g.Tokens.Active(ctx, text)
	if err != nil {
		return nil, err
	}
	if fault := mayExchange(held, x, req); fault != nil {
		return nil, fault
	}
	good, err := g.own(held)
	if err != nil {
		return nil, err
	}
	good.scope, good.audience, good.details = held.Scope, held.Audience, held.Details
	good.reachable = slices.Concat(held.Audience, resourcesOf(held))
	return good, nil
}

// mayExchange says whether an access token may be this client's to exchange. Anybody else has it from somewhere.
func mayExchange(held *issue.Held, x exchange, req oauth.TokenRequest) *oauth.Error {
	bound := held.Confirmation
	switch {
	case held.ClientID == req.Client.ID && !bound.HeldBy(req.Sender):
		return oauth.Errorf(oauth.InvalidRequest, "it is bound to another certificate or DPoP key than the one that is presented")
	case held.ClientID == req.Client.ID && req.Client.Public() && bound.IsZero():
		// Whoever finds it could make more of it (RFC 8693 section 5).
		return oauth.Errorf(oauth.InvalidRequest, "a public client exchanges only what is bound to a key that it holds")
	case held.ClientID == req.Client.ID:
		return nil
	case req.Client.Public() || !serves(req.Client, held.Audience):
		return oauth.Errorf(oauth.InvalidRequest, "it is not for this client")
	case !bound.IsZero() && req.Sender.IsZero() && x.requested != oauth.TokenTypeTxn:
		return oauth.Errorf(oauth.InvalidRequest, "it is bound to its sender, and so must be what is made of it: present a certificate or a DPoP proof")
	default:
		return nil
	}
}

// serves says whether the client is the resource server that all of the audience means.
func serves(client *oauth.Client, audience []string) bool {
	return len(audience) > 0 && !slices.ContainsFunc(audience, func(id string) bool {
		return id != client.ID && !slices.Contains(client.Introspects, id)
	})
}

// resourcesOf are the resource servers that stand behind a token: those of its grant, or, where that is for none in
// particular, those that the client is registered for which had the authority in the first place.
func resourcesOf(held *issue.Held) []string {
	if held.Grant != nil && len(held.Grant.Resources) > 0 {
		return held.Grant.Resources
	}
	if held.Root == nil {
		return nil
	}
	return held.Root.Resources
}

// own is what all of this server's own tokens have in common.
func (g TokenExchange) own(held *issue.Held) (*presented, error) {
	good := &presented{
		issuer: g.Issuer, names: []string{held.Subject}, clientID: held.ClientID, about: oauth.ClientItself{ClientID: held.Subject},
		expires: held.Expiry, jti: held.JTI, grant: held.Grant,
	}
	if held.Grant != nil {
		good.names = append(good.names, held.UserID())
		good.about = oauth.EndUser{ID: held.UserID(), AuthTime: held.AuthTime, ACR: held.ACR, AMR: held.AMR()}
	}
	var err error
	if good.act, err = held.Actor(); err != nil {
		return nil, err
	}
	if good.mayAct, err = held.MayAct(); err != nil {
		return nil, err
	}
	good.claims, err = held.Document()
	return good, err
}

// idToken takes a client's own ID token. It says nothing of a scope: it stands for what its user has granted the client.
// One that was itself made by an exchange stood for less, so that it only says who acts.
func (g TokenExchange) idToken(ctx context.Context, x exchange, p tokenParam, req oauth.TokenRequest) (*presented, error) {
	held, err := g.Tokens.IDToken(ctx, p.text)
	if err != nil {
		return nil, err
	}
	switch {
	case held.ClientID != req.Client.ID || req.Client.Public() || held.Grant == nil:
		return nil, oauth.Errorf(oauth.InvalidRequest, "it is not for this client")
	case p.name == x.subject.name && (held.Made() || derived(held.Grant) || held.Grant.ClientID != req.Client.ID):
		return nil, oauth.Errorf(oauth.InvalidRequest, "an ID token that comes of an exchange is not exchanged again")
	}
	good, err := g.own(held)
	if err != nil {
		return nil, err
	}
	good.scope, good.details, good.reachable = held.Grant.Scope, held.Grant.Details, resourcesOf(held)
	good.audience = good.reachable
	if len(held.Grant.Resources) == 0 {
		good.audience = first(good.reachable)
	}
	return good, nil
}

// refreshToken takes a client's own refresh token, as the refresh_token grant does, but for the retry of a lost response:
// here nothing was lost. It stays what it is.
func (g TokenExchange) refreshToken(ctx context.Context, x exchange, text oauth.Secret, req oauth.TokenRequest) (*presented, error) {
	if x.requested == oauth.TokenTypeTxn {
		return nil, oauth.Errorf(oauth.InvalidRequest, "a refresh token does not become a transaction token (Transaction Tokens section 10.3)")
	}
	rules := g.Refresh
	rules.RetryGrace, rules.Options.IgnoreUser = 0, false
	token, err := rules.Options.Seal.Find(ctx, rules.Store, text)
	if errors.Is(err, oauth.ErrNotFound) || err == nil && token.ClientID != req.Client.ID {
		return nil, oauth.Errorf(oauth.InvalidRequest, "it is not known for this client")
	}
	if err != nil {
		return nil, err
	}
	if _, err := rules.check(ctx, token, req); err != nil {
		return nil, err
	}
	if req.Client.Public() && token.Confirmation.IsZero() { // that it was stolen would show by its rotation only
		return nil, oauth.Errorf(oauth.InvalidRequest, "a public client exchanges only what is bound to a key that it holds")
	}
	granted, changes, err := rules.granted(ctx, token)
	if err != nil {
		return nil, err
	}
	grant, err := rules.Store.Grant(ctx, token.GrantID)
	if errors.Is(err, oauth.ErrNotFound) {
		return nil, oauth.Errorf(oauth.InvalidGrant, "the refresh token is revoked").Because(err)
	}
	if err != nil {
		return nil, err
	}
	user := token.User
	user.SessionID = ""
	good := &presented{
		issuer: g.Issuer, names: []string{user.ID}, clientID: token.ClientID, about: user, act: token.Actor,
		scope: granted.Scope, details: granted.Details, audience: granted.Resources, reachable: granted.Resources,
		expires: token.ExpiresAt, grant: &grant, changes: changes,
	}
	if len(granted.Resources) == 0 {
		good.audience, good.reachable = first(req.Client.Resources), req.Client.Resources
	}
	if !rules.Options.Seal.Sealed(text) {
		good.changes = append(good.changes, oauth.UseRefresh{Digest: token.Digest, GrantID: token.GrantID})
	}
	return good, nil
}

// derived says whether a grant comes of an exchange. An ID token says nothing of what its root was bound to.
func derived(grant *oauth.Grant) bool { return grant.ParentID != "" || grant.ParentJTI != "" }

func first(list []string) []string { return list[:min(1, len(list))] }
