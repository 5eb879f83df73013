package issue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"signet/provider/jose"
	"signet/provider/oauth"
	"signet/provider/resource"
)

// IDToken reads an ID token that this server gave a client which may exchange it (RFC 8693 section 3): alive, of a grant
// that is not revoked and of a user who may go on. An ID token names its user to one client and gives no access: Held's
// Scope is empty, and it is for its audience alone, which is its ClientID. The error is an *oauth.Error, invalid_token
// when there is no such token.
func (r *Reader) IDToken(ctx context.Context, compact oauth.Secret) (*Held, error) {
	if jose.IsEncrypted(compact.Reveal()) {
		return nil, bad("the ID token is encrypted: send the signed one that is in it", nil)
	}
	t, err := r.own(ctx, compact.Reveal(), typeIDToken, "ID token")
	if err != nil {
		return nil, err
	}
	switch {
	case t.Issuer != r.issuer:
		return nil, bad("the ID token is from another issuer", nil)
	case len(t.Audience) != 1 || t.AuthTime.IsZero():
		return nil, bad("this is no ID token", nil)
	case GrantOf(t.JTI) == "":
		return nil, bad("the ID token is not one that can be exchanged", nil)
	}
	t.ClientID, t.Scope = t.Audience[0], nil
	return r.held(ctx, t, r.usable)
}

// Transaction is a transaction token, read back (Transaction Tokens section 5.2). Its Held has no Client: a trust domain
// has many workloads.
type Transaction struct {
	Held
	ID       string          // txn
	Workload string          // req_wl
	Context  json.RawMessage // tctx: a JSON object, or nil
	Request  json.RawMessage // rctx: a JSON object, or nil
}

// Transaction reads a transaction token of this server, whoever presents it and whatever trust domain it is for, that
// has neither expired nor been revoked, nor anything that it was made from. The error is an *oauth.Error, invalid_token
// when there is no such token.
func (r *Reader) Transaction(ctx context.Context, compact oauth.Secret) (*Transaction, error) {
	t, err := r.own(ctx, compact.Reveal(), TypeTransaction, "transaction token")
	if err != nil {
		return nil, err
	}
	if _, named := t.Claims["iss"]; named && t.Issuer != r.issuer {
		return nil, bad("the transaction token is from another issuer", nil)
	}
	transaction := &Transaction{}
	transaction.ID, _ = t.Claims["txn"].(string)
	transaction.Workload, _ = t.Claims["req_wl"].(string)
	if len(t.Audience) != 1 || transaction.ID == "" || transaction.Workload == "" {
		return nil, bad("the transaction token lacks required claims", nil)
	}
	t.ClientID = ""
	held, err := r.held(ctx, t, r.rooted)
	if err != nil {
		return nil, err
	}
	transaction.Held = *held
	for name, to := range map[string]*json.RawMessage{"tctx": &transaction.Context, "rctx": &transaction.Request} {
		if *to, err = held.object(name); err != nil {
			return nil, bad("the transaction token is malformed", err)
		}
	}
	return transaction, nil
}

// held adds what stands behind a token.
func (r *Reader) held(ctx context.Context, t *resource.Token, usable func(context.Context, *Held) error) (*Held, error) {
	grant, err := r.live(ctx, t)
	if err != nil {
		return nil, err
	}
	held := &Held{Token: t, Grant: grant}
	if err := usable(ctx, held); err != nil {
		return nil, err
	}
	return held, nil
}

// own reads a JWT of one type that this server has signed and that has not expired. kind is what to call it.
func (r *Reader) own(ctx context.Context, compact, typ, kind string) (*resource.Token, error) {
	keys, err := r.keys.KeySet(ctx)
	if err != nil {
		return nil, oauth.Errorf(oauth.TemporarilyUnavailable, "the token cannot be checked at the moment").Because(err)
	}
	verified, err := jose.Verify(compact, keys, oauth.Profiles[oauth.ProfileOpenID].SigningAlgs)
	if err != nil {
		return nil, bad("the "+kind+" was not signed by this server, or too long ago", err)
	}
	if verified.Typ != typ { // all that is signed by the same keys says what it is
		return nil, bad("the token is no "+kind, fmt.Errorf("typ is %q", verified.Typ))
	}
	t, err := ownToken(verified.Payload)
	if err != nil {
		return nil, bad("the "+kind+" is malformed", err)
	}
	now := r.clock()
	switch {
	case t.Subject == "" || t.JTI == "" || t.IssuedAt.IsZero() || t.Expiry.IsZero():
		return nil, bad("the "+kind+" is not one that can be exchanged", nil)
	case !now.Before(t.Expiry):
		return nil, bad("the "+kind+" has expired", nil)
	case t.IssuedAt.After(now.Add(time.Second)): // a token tells whole seconds
		return nil, bad("the "+kind+" is not valid yet", nil)
	}
	return t, nil
}

var (
	errScope  = errors.New("scope is malformed")
	errString = errors.New("it is not text")
)

// ownToken reads the claims that ID tokens and transaction tokens have in common with access tokens.
func ownToken(payload []byte) (*resource.Token, error) {
	standard, err := jose.ParseClaims(payload)
	if err != nil {
		return nil, err
	}
	t := &resource.Token{
		Issuer: standard.Issuer, Subject: standard.Subject, JTI: standard.ID, Audience: standard.Audience,
		Expiry: standard.Expiry, IssuedAt: standard.IssuedAt, NotBefore: standard.NotBefore,
	}
	if t.Claims, err = claimsOf(payload); err != nil {
		return nil, err
	}
	return t, readLogin(t)
}

// readLogin reads scope, acr and auth_time. A claim of the wrong type is an error.
func readLogin(t *resource.Token) error {
	var scope string
	for name, into := range map[string]*string{"scope": &scope, "acr": &t.ACR} {
		if value, there := t.Claims[name]; there {
			var text bool
			if *into, text = value.(string); !text {
				return fmt.Errorf("%s: %w", name, errString)
			}
		}
	}
	var ok bool
	if t.Scope, ok = oauth.ParseScope(scope); !ok {
		return errScope
	}
	if value, there := t.Claims["auth_time"]; there {
		number, _ := value.(json.Number)
		seconds, err := number.Int64()
		if err != nil {
			return fmt.Errorf("auth_time: %w", err)
		}
		t.AuthTime = time.Unix(seconds, 0).UTC()
	}
	return nil
}

func bad(description string, cause error) *oauth.Error {
	return oauth.Errorf(oauth.InvalidToken, "%s", description).Because(cause)
}
