package clientauth

import (
	"context"

	"signet/provider/oauth"
)

type secretPost struct{ secrets *secretChecker }

// SecretPost is client_secret_post (RFC 6749 section 2.3.1, OpenID Connect Core section 9).
func SecretPost(d Deps) (Method, error) { return secretPost{d.secrets}, nil }

// Name implements Method.
func (secretPost) Name() oauth.AuthMethod { return oauth.AuthSecretPost }

// Presented implements Method.
func (secretPost) Presented(r *Request) bool { return r.Params.Has("client_secret") }

// Authenticate implements Method.
func (m secretPost) Authenticate(ctx context.Context, r *Request, c *oauth.Client, _ oauth.Profile) ([]oauth.Change, error) {
	present, former := hashes(c, r.Now)
	return nil, m.secrets.check(ctx, r.Params.Secret("client_secret"), present, former)
}
