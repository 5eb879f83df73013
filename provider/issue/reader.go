package issue

import (
	"cmp"
	"context"
	"errors"
	"time"

	"signet/provider/oauth"
	"signet/provider/resource"
)

// TokenStore is what reading an access token back needs of the store.
type TokenStore interface {
	// OpaqueToken returns oauth.ErrNotFound for a token that does not exist or has expired.
	OpaqueToken(ctx context.Context, digest oauth.Digest) (oauth.OpaqueToken, error)
	// Revoked says whether the token itself, one that it was made from (see [oauth.Lineage]), or the grant it comes from
	// ("" = none), has been revoked.
	Revoked(ctx context.Context, jti, grantID string) (bool, error)
	// Grant returns oauth.ErrNotFound, wrapped, for a grant that does not exist.
	Grant(ctx context.Context, id string) (oauth.Grant, error)
	Client(ctx context.Context, id string) (*oauth.Client, error)
	User(ctx context.Context, id string) (oauth.User, error)
}

// Reader reads the provider's own tokens back: access tokens, JWT and opaque alike, ID tokens and transaction tokens,
// revocation included.
type Reader struct {
	verifier *resource.Verifier
	store    TokenStore
	issuer   string
	keys     resource.KeySource
	clock    oauth.Clock
}

// NewReader returns a Reader. It fails when an option is missing.
func NewReader(issuer string, keys resource.KeySource, store TokenStore, clock oauth.Clock) (*Reader, error) {
	verifier, err := resource.New(resource.Options{
		// Own tokens, own clock: an expired token is expired at once.
		Issuer: issuer, Keys: keys, Clock: clock, Leeway: 1, Introspect: opaque{store},
	})
	if err != nil {
		return nil, err
	}
	return &Reader{verifier: verifier, store: store, issuer: issuer, keys: keys, clock: clock}, nil
}

// Read returns what an access token says that has neither expired nor been revoked, whoever presents it and
// whatever has become of its client and user: for revocation. The error is an *oauth.Error, invalid_token when
// there is no such token.
func (r *Reader) Read(ctx context.Context, token oauth.Secret) (*Held, error) {
	t, err := r.verifier.Read(ctx, token.Reveal())
	if err != nil {
		return nil, err
	}
	held := &Held{Token: t}
	if held.Grant, err = r.live(ctx, t); err != nil {
		return nil, err
	}
	return held, nil
}

// Active is Read for a token that is still good for something: its client is enabled, and its user's account
// accepts the login. It is what introspection reports; whoever lets a sender use the token must ask [resource.Token.CheckSender].
func (r *Reader) Active(ctx context.Context, token oauth.Secret) (*Held, error) {
	held, err := r.Read(ctx, token)
	if err != nil {
		return nil, err
	}
	if err := r.usable(ctx, held); err != nil {
		return nil, err
	}
	return held, nil
}

// usable finds the token's clients and its user.
func (r *Reader) usable(ctx context.Context, held *Held) (err error) {
	if held.Client, err = r.client(ctx, held.ClientID); err != nil {
		return err
	}
	return r.rooted(ctx, held)
}

// rooted finds what the token's authority goes back to: whoever was given it in the first place must still be there.
func (r *Reader) rooted(ctx context.Context, held *Held) (err error) {
	root := held.ClientID
	switch {
	case held.Grant != nil:
		root = cmp.Or(held.Grant.ClientID, root)
	case held.Made() || root == "":
		root = held.Subject // no user stands behind it: it is about the client that had the first one
	}
	if held.Root = held.Client; held.Client == nil || root != held.Client.ID {
		if held.Root, err = r.client(ctx, root); err != nil {
			return err
		}
	}
	if held.Grant == nil {
		return nil
	}
	user, err := r.store.User(ctx, held.UserID())
	if err != nil && !errors.Is(err, oauth.ErrNotFound) {
		return err
	}
	if err != nil || !user.Accepts(held.AuthTime) {
		return oauth.Errorf(oauth.InvalidToken, "the user's account is not usable")
	}
	held.User = &user
	return nil
}

func (r *Reader) client(ctx context.Context, id string) (*oauth.Client, error) {
	client, err := r.store.Client(ctx, id)
	if err != nil && !errors.Is(err, oauth.ErrNotFound) {
		return nil, err
	}
	if err != nil || client.Disabled {
		return nil, oauth.Errorf(oauth.InvalidToken, "the token's client is not usable")
	}
	return client, nil
}

// live returns the grant behind the token, if there is one.
func (r *Reader) live(ctx context.Context, t *resource.Token) (*oauth.Grant, error) {
	grantID := GrantOf(t.JTI)
	revoked, err := r.store.Revoked(ctx, t.JTI, grantID)
	if err != nil {
		return nil, err
	}
	if revoked {
		return nil, oauth.Errorf(oauth.InvalidToken, "the access token is revoked")
	}
	if grantID == "" {
		return nil, nil //nolint:nilnil // no grant is a fact, not an error
	}
	grant, err := r.store.Grant(ctx, grantID)
	if err != nil && !errors.Is(err, oauth.ErrNotFound) {
		return nil, err
	}
	if err != nil || outdated(t, grant) {
		return nil, oauth.Errorf(oauth.InvalidToken, "the access token's grant was replaced after it was issued")
	}
	return &grant, nil
}

// outdated says whether the token is from before its grant was replaced, which may have ended what the token gives
// (Grant Management for OAuth 2.0 section 6.1). A token tells whole seconds: one of the very second counts while it
// gives no scope that was ended.
func outdated(t *resource.Token, grant oauth.Grant) bool {
	if grant.ReplacedAt.IsZero() {
		return false
	}
	replaced := grant.ReplacedAt.Truncate(time.Second)
	return t.IssuedAt.Before(replaced) || t.IssuedAt.Equal(replaced) && !t.Scope.Within(grant.Scope)
}

// opaque resolves access tokens by reference from the store.
type opaque struct{ store TokenStore }

// Introspect implements resource.Introspector.
func (o opaque) Introspect(ctx context.Context, token string) ([]byte, error) {
	stored, err := o.store.OpaqueToken(ctx, oauth.Secret(token).Digest())
	if errors.Is(err, oauth.ErrNotFound) {
		return nil, resource.ErrInactive
	}
	return stored.Claims, err
}
