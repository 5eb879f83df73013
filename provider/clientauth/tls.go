package clientauth

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"

	"signet/mtls"
	"signet/provider/oauth"
)

type tlsAuth struct {
	anchors Anchors
	matched memo[match] // by client_id
}

// match is a certificate that has the registered name. Names do not change within a certificate, so it
// is compared once per certificate and registration; trust is judged for every request.
type match struct {
	identity mtls.Identity
	leaf     []byte // DER
}

// TLS is tls_client_auth (RFC 8705 section 2.1): a certificate from a trusted issuer whose subject, or one
// alternative name, is the registered one.
func TLS(d Deps) (Method, error) {
	if d.Anchors == nil {
		return nil, errors.New("tls_client_auth needs Anchors")
	}
	return &tlsAuth{anchors: d.Anchors}, nil
}

// Name implements Method.
func (*tlsAuth) Name() oauth.AuthMethod { return oauth.AuthTLS }

// Presented implements Method. The client_id is required (RFC 8705 section 2).
func (*tlsAuth) Presented(r *Request) bool { return certificateOnly(r) }

func certificateOnly(r *Request) bool {
	return r.Peer != nil && r.credentials() == 0 && r.Params.Has("client_id")
}

// Authenticate implements Method.
func (m *tlsAuth) Authenticate(_ context.Context, r *Request, c *oauth.Client, _ oauth.Profile) ([]oauth.Change, error) {
	if err := m.match(c, r.Peer.Leaf); err != nil { // cheaper than the chain
		return nil, failed(err)
	}
	err := m.anchors.Verify(r.Peer.Leaf, r.Peer.Chain, r.Now)
	switch {
	case err == nil:
		return nil, nil
	case errors.Is(err, mtls.ErrNoCRL), errors.Is(err, mtls.ErrStaleCRL), errors.Is(err, mtls.ErrForeignCRL):
		return nil, err // our lists are at fault, not the client: nobody can say whether it is revoked
	default:
		return nil, failed(err)
	}
}

func (m *tlsAuth) match(c *oauth.Client, leaf *x509.Certificate) error {
	identity := IdentityOf(c)
	if kept, ok := m.matched.get(c.ID); ok && kept.identity == identity && bytes.Equal(kept.leaf, leaf.Raw) {
		return nil
	}
	if err := identity.Match(leaf); err != nil {
		return err
	}
	m.matched.put(c.ID, match{identity, leaf.Raw})
	return nil
}

// IdentityOf returns the name by which a tls_client_auth client's certificate is recognised (RFC 8705
// section 2.1.2). Exactly one must be set; Validate and Match insist on it.
func IdentityOf(c *oauth.Client) mtls.Identity {
	return mtls.Identity{
		SubjectDN: c.TLSSubjectDN,
		SANDNS:    c.TLSSANDNS,
		SANURI:    c.TLSSANURI,
		SANIP:     c.TLSSANIP,
		SANEmail:  c.TLSSANEmail,
	}
}
