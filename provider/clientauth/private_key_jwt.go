package clientauth

import (
	"context"
	"errors"

	"signet/provider/oauth"
)

type privateKeyJWT struct {
	keys   *clientKeys
	issuer string
}

// PrivateKeyJWT is private_key_jwt (OpenID Connect Core section 9, RFC 7523 section 3): an assertion signed
// with a key of the client's JWKS. Algorithms are those of the client's profile.
func PrivateKeyJWT(d Deps) (Method, error) {
	if d.Fetch == nil {
		return nil, errors.New("private_key_jwt needs Fetch")
	}
	return privateKeyJWT{d.keys, d.Issuer}, nil
}

// Name implements Method.
func (privateKeyJWT) Name() oauth.AuthMethod { return oauth.AuthPrivateKeyJWT }

// Presented implements Method.
func (privateKeyJWT) Presented(r *Request) bool { return r.assertion != nil }

// Authenticate implements Method.
func (m privateKeyJWT) Authenticate(ctx context.Context, r *Request, c *oauth.Client, p oauth.Profile) ([]oauth.Change, error) {
	v, err := m.keys.verify(ctx, c, r.assertion.compact, algorithms(p.SigningAlgs, c))
	if errors.Is(err, ErrSignature) {
		return nil, failed(err)
	}
	if err != nil {
		return nil, err
	}
	return r.assertion.verified(v, r, c, p, m.issuer)
}
