package binding

import (
	"crypto/x509"
	"testing"

	"github.com/google/go-cmp/cmp"

	"signet/mtls"
	"signet/provider/oauth"
)

func TestFrom(t *testing.T) {
	cert := &x509.Certificate{Raw: []byte("the DER form is all that is hashed")}
	tests := []struct {
		name string
		leaf *x509.Certificate
		want oauth.Confirmation
	}{
		{"no certificate", nil, oauth.Confirmation{}},
		{"certificate", cert, oauth.Confirmation{X5TS256: mtls.Thumbprint(cert)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, From(tt.leaf)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFromDistinguishesCertificates(t *testing.T) {
	one := From(&x509.Certificate{Raw: []byte("one")})
	two := From(&x509.Certificate{Raw: []byte("two")})
	if one.HeldBy(two) || !one.HeldBy(one) {
		t.Errorf("HeldBy: one %v, two %v", one, two)
	}
}
