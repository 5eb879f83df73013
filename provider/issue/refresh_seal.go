package issue

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"signet/provider/keys"
	"signet/provider/oauth"
)

// sealedPrefix tells a sealed refresh token from a stored one, which has no dot.
const sealedPrefix = "s1."

// sealedContext is authenticated with what is sealed: nothing else that the same key has sealed passes for a token.
const sealedContext = "signet refresh token"

// maxSealedRefresh bounds a sealed refresh token, in bytes. A client keeps it and sends it in a form, which has a limit
// of its own.
const maxSealedRefresh = 4 << 10

// RefreshSeal makes and reads refresh tokens that carry their own record, encrypted: of such a token nothing rests in the
// store but its grant, whose end ends it. It cannot be replaced by use, since nobody would know that it was. A nil
// *RefreshSeal knows stored ones only.
type RefreshSeal struct {
	// Sealer encrypts with a key of the key backend. Whatever it can open counts as made here, for as long as it says:
	// there is no other record of it.
	Sealer keys.Sealer
}

// RefreshStore is what reading a refresh token needs of the store.
type RefreshStore interface {
	// RefreshToken returns oauth.ErrNotFound for a token that does not exist; a rotated one is returned for
	// as long as its grant is kept, so that its reuse is noticed.
	RefreshToken(ctx context.Context, digest oauth.Digest) (oauth.RefreshToken, error)
	// Grant returns oauth.ErrNotFound for a grant that does not exist, and revoked grants, too.
	Grant(ctx context.Context, id string) (oauth.Grant, error)
}

// Seal makes a refresh token of its record. ok is false for a record that would make it too long: that one has to be
// stored.
func (s *RefreshSeal) Seal(ctx context.Context, token oauth.RefreshToken) (value oauth.Secret, ok bool, err error) {
	record, err := json.Marshal(token)
	if err != nil {
		return "", false, fmt.Errorf("refresh token: %w", err)
	}
	if len(record) > maxSealedRefresh { // it would be larger still
		return "", false, nil
	}
	sealed, err := s.Sealer.Seal(ctx, record, []byte(sealedContext))
	if err != nil {
		return "", false, fmt.Errorf("sealing a refresh token: %w", err)
	}
	text := sealedPrefix + base64.RawURLEncoding.EncodeToString(sealed)
	return oauth.Secret(text), len(text) <= maxSealedRefresh, nil
}

// Sealed says whether a refresh token that is presented claims to be its own record.
func (s *RefreshSeal) Sealed(value oauth.Secret) bool {
	return s != nil && strings.HasPrefix(value.Reveal(), sealedPrefix)
}

// Find returns the refresh token, stored or sealed, with what has become of it. It is oauth.ErrNotFound, wrapped, for
// one that does not exist; every other error means that something is out of order.
func (s *RefreshSeal) Find(ctx context.Context, store RefreshStore, value oauth.Secret) (oauth.RefreshToken, error) {
	if !s.Sealed(value) {
		return store.RefreshToken(ctx, value.Digest())
	}
	token, err := s.open(ctx, value)
	if err != nil {
		return oauth.RefreshToken{}, err
	}
	grant, err := store.Grant(ctx, token.GrantID)
	if err != nil {
		return oauth.RefreshToken{}, fmt.Errorf("the grant of a sealed refresh token: %w", err)
	}
	token.Revoked = grant.Revoked
	return token, nil
}

func (s *RefreshSeal) open(ctx context.Context, value oauth.Secret) (token oauth.RefreshToken, err error) {
	unknown := func(cause error) (oauth.RefreshToken, error) {
		return oauth.RefreshToken{}, fmt.Errorf("sealed refresh token: %w: %w", oauth.ErrNotFound, cause)
	}
	text := value.Reveal()
	if len(text) > maxSealedRefresh {
		return unknown(errTooLong)
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(strings.TrimPrefix(text, sealedPrefix))
	if err != nil {
		return unknown(errNoText)
	}
	record, err := s.Sealer.Open(ctx, sealed, []byte(sealedContext))
	if errors.Is(err, keys.ErrSealed) {
		return unknown(err)
	}
	if err != nil {
		return oauth.RefreshToken{}, fmt.Errorf("opening a refresh token: %w", err)
	}
	if err := json.Unmarshal(record, &token); err != nil {
		return oauth.RefreshToken{}, fmt.Errorf("a sealed refresh token cannot be read: %w", err)
	}
	token.Digest = value.Digest()
	return token, nil
}

// Why a text is no sealed refresh token; for the log.
var (
	errTooLong = errors.New("it is too long")
	errNoText  = errors.New("it is not base64url")
)
