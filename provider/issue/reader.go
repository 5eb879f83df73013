package issue

import (
	"context"
	"errors"

	"signet/provider/oauth"
	"signet/provider/resource"
)

// TokenStore is what reading an access token back needs of the store.
type TokenStore interface {
	// OpaqueToken returns oauth.ErrNotFound for a token that does not exist or has expired.
	OpaqueToken(ctx context.Context, digest oauth.Digest) (oauth.OpaqueToken, error)
	// Revoked says whether the token itself, or the grant it comes from ("" = none), has been revoked.
	Revoked(ctx context.Context, jti, grantID string) (bool, error)
}

// Reader reads the provider's own access tokens back, JWT and opaque alike, revocation included.
type Reader struct {
	verifier *resource.Verifier
	store    TokenStore
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
	return &Reader{verifier, store}, nil
}

// Read returns what a live access token says, whoever presents it: for introspection and revocation. The
// error is an *oauth.Error, invalid_token when the token is not live.
func (r *Reader) Read(ctx context.Context, token oauth.Secret) (*resource.Token, error) {
	t, err := r.verifier.Read(ctx, token.Reveal())
	if err != nil {
		return nil, err
	}
	return t, r.live(ctx, t)
}

// Verify is Read for a token that its sender wants to use: what it is bound to must have been proved.
func (r *Reader) Verify(ctx context.Context, token oauth.Secret, sender oauth.Confirmation) (*resource.Token, error) {
	t, err := r.verifier.Verify(ctx, token.Reveal(), sender)
	if err != nil {
		return nil, err
	}
	return t, r.live(ctx, t)
}

func (r *Reader) live(ctx context.Context, t *resource.Token) error {
	revoked, err := r.store.Revoked(ctx, t.JTI, GrantOf(t.JTI))
	if err != nil {
		return err
	}
	if revoked {
		return oauth.Errorf(oauth.InvalidToken, "the access token is revoked")
	}
	return nil
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
