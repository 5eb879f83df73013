package mtls

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
)

// Thumbprint is the certificate's x5t#S256: SHA-256 over its DER, base64url without padding (RFC 8705 section 3.1).
// It is empty for nil, which is also what an unbound confirmation holds.
func Thumbprint(cert *x509.Certificate) string {
	if cert == nil {
		return ""
	}
	sum := sha256.Sum256(cert.Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
