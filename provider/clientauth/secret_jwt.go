package clientauth

import (
	"context"
	"errors"

	"signet/provider/jose"
	"signet/provider/oauth"
)

type secretJWT struct {
	secrets *openedSecrets
	issuer  string
}

// SecretJWT is client_secret_jwt (OpenID Connect Core section 9): an assertion authenticated with HMAC, for
// which the server has to have the secret itself; it rests encrypted.
func SecretJWT(d Deps) (Method, error) {
	if d.Sealer == nil {
		return nil, errors.New("client_secret_jwt needs Sealer")
	}
	return secretJWT{newOpenedSecrets(d.Sealer, d.Clock), d.Issuer}, nil
}

// SecretJWTAlgorithms returns the algorithms of client_secret_jwt, for discovery.
func SecretJWTAlgorithms() []string { return []string{"HS256", "HS384", "HS512"} }

// minHMACSecret is the shortest secret for HS256, in bytes (RFC 7518 section 3.2).
const minHMACSecret = 32

// SealSecret encrypts a client_secret_jwt client's secret, for oauth.Client.SecretSealed. The result is
// bound to the client's id: it cannot be moved to another client.
func SealSecret(ctx context.Context, sealer Sealer, clientID string, secret oauth.Secret) ([]byte, error) {
	if len(secret) < minHMACSecret || len(secret) > maxSecret {
		return nil, errors.New("a secret for client_secret_jwt has 32 to 1024 bytes")
	}
	return sealer.Seal(ctx, []byte(secret.Reveal()), sealContext(clientID))
}

func sealContext(clientID string) []byte { return []byte("client_secret_jwt:" + clientID) }

// Name implements Method.
func (secretJWT) Name() oauth.AuthMethod { return oauth.AuthSecretJWT }

// Presented implements Method.
func (secretJWT) Presented(r *Request) bool { return r.assertion != nil }

// Authenticate implements Method.
func (m secretJWT) Authenticate(ctx context.Context, r *Request, c *oauth.Client, p oauth.Profile) ([]oauth.Change, error) {
	if len(c.SecretSealed) == 0 {
		return nil, failed(errors.New("the client has no sealed secret"))
	}
	// Both are tried whatever the first says, and the present one twice where there is no other: it costs the same.
	v, err := m.verify(ctx, r, c)
	if other, otherErr := m.verify(ctx, r, withFormer(c, r.Now)); err != nil {
		v, err = other, decisive(err, otherErr)
	}
	if err != nil {
		return nil, err
	}
	return r.assertion.verified(v, r, c, p, m.issuer)
}

// verify checks the assertion's signature with the client's secret.
func (m secretJWT) verify(ctx context.Context, r *Request, c *oauth.Client) (jose.Verified, error) {
	secret, err := m.secrets.open(ctx, c)
	if err != nil {
		return jose.Verified{}, err
	}
	defer clear(secret)
	v, err := jose.VerifyHMAC(r.assertion.compact, secret, algorithms(SecretJWTAlgorithms(), c))
	if err != nil {
		return jose.Verified{}, failed(err)
	}
	return v, nil
}

// decisive is what two attempts come to: nil when the second succeeded. Otherwise a refusal is none while one of them could
// not be made.
func decisive(first, second error) error {
	refusal := (*oauth.Error)(nil)
	if second == nil || !errors.As(second, &refusal) {
		return second
	}
	return first
}
