package clientauth

import (
	"context"
	"errors"

	"signet/mtls"
	"signet/provider/oauth"
)

type selfSignedTLS struct{ keys *clientKeys }

// SelfSignedTLS is self_signed_tls_client_auth (RFC 8705 section 2.2): the certificate itself is in an x5c
// member of the client's JWKS. No issuer is asked, but its validity period counts.
func SelfSignedTLS(d Deps) (Method, error) {
	if d.Fetch == nil {
		return nil, errors.New("self_signed_tls_client_auth needs Fetch")
	}
	return selfSignedTLS{d.keys}, nil
}

// Name implements Method.
func (selfSignedTLS) Name() oauth.AuthMethod { return oauth.AuthSelfSignedTLS }

// Presented implements Method. The client_id is required (RFC 8705 section 2).
func (selfSignedTLS) Presented(r *Request) bool { return certificateOnly(r) }

// Authenticate implements Method.
func (m selfSignedTLS) Authenticate(ctx context.Context, r *Request, c *oauth.Client, _ oauth.Profile) ([]oauth.Change, error) {
	leaf := r.Peer.Leaf
	if r.Now.Before(leaf.NotBefore) || r.Now.After(leaf.NotAfter) {
		return nil, failed(errors.New("the certificate is not valid now"))
	}
	set, err := m.keys.of(ctx, c)
	if err != nil {
		return nil, err
	}
	thumbprint := mtls.Thumbprint(leaf)
	if !set.HasThumbprint(thumbprint) && c.JWKSURI != "" {
		if set, err = m.keys.refreshed(ctx, c); err != nil {
			return nil, failed(err)
		}
	}
	if !set.HasThumbprint(thumbprint) {
		return nil, failed(errors.New("the certificate is not in the client's JWKS"))
	}
	return nil, nil
}
