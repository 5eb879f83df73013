package binding

import (
	"crypto/x509"

	"signet/mtls"
	"signet/provider/oauth"
)

// From returns what the sender proved to hold: the thumbprint of the TLS client certificate
// (RFC 8705 section 3.1), or the zero Confirmation when none was presented (leaf is nil).
// The certificate need not be trusted by anybody: binding proves possession, not identity.
func From(leaf *x509.Certificate) oauth.Confirmation {
	if leaf == nil {
		return oauth.Confirmation{}
	}
	return oauth.Confirmation{X5TS256: mtls.Thumbprint(leaf)}
}
