package issue

import (
	"cmp"
	"context"
	"errors"

	"signet/provider/jose"
	"signet/provider/oauth"
)

// defaultEnc encrypts where a client has registered an alg and no enc (OpenID Connect Registration section 2).
const defaultEnc = "A128CBC-HS256"

// nested says that what is encrypted is itself a JWT (RFC 7519 section 5.2).
const nested = "JWT"

var errNoReader = errors.New("nothing reads clients' keys here")

// Pack encrypts a JWT to the client, as a nested JWT (OpenID Connect Core section 10.2, RFC 7519 section 5.2). alg and
// enc are those that the client has registered for it; with alg "" it stays as it is. The error is an *[oauth.Error]
// with temporarily_unavailable: nothing leaves that others could read.
func (i *Issuer) Pack(ctx context.Context, c *oauth.Client, jwt, alg, enc string) (string, error) {
	if alg == "" {
		return jwt, nil
	}
	return i.encrypt(ctx, c, []byte(jwt), jose.Encryption{Alg: alg, Enc: enc, ContentType: nested})
}

func (i *Issuer) encrypt(ctx context.Context, c *oauth.Client, payload []byte, e jose.Encryption) (string, error) {
	refuse := func(cause error) (string, error) {
		const text = "what this client gets is encrypted to its keys, and none of them that is for it can be had at present"
		return "", oauth.Errorf(oauth.TemporarilyUnavailable, text).Because(cause)
	}
	if i.opt.ClientKeys == nil {
		return refuse(errNoReader)
	}
	keys, err := i.opt.ClientKeys(ctx, c)
	if err != nil {
		return refuse(err)
	}
	e.Enc = cmp.Or(e.Enc, defaultEnc)
	compact, err := keys.Encrypt(payload, e)
	if err != nil {
		return refuse(err)
	}
	return compact, nil
}
