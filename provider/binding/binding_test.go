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
		peer *mtls.Peer
		want oauth.Confirmation
	}{
		{"no peer", nil, oauth.Confirmation{}},
		{"no certificate", &mtls.Peer{}, oauth.Confirmation{}},
		{"certificate", &mtls.Peer{Leaf: cert}, oauth.Confirmation{X5TS256: mtls.Thumbprint(cert)}},
		{"certificate through a proxy", &mtls.Peer{Leaf: cert, ViaProxy: true}, oauth.Confirmation{X5TS256: mtls.Thumbprint(cert)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, From(tt.peer)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFromDistinguishesCertificates(t *testing.T) {
	one := From(&mtls.Peer{Leaf: &x509.Certificate{Raw: []byte("one")}})
	two := From(&mtls.Peer{Leaf: &x509.Certificate{Raw: []byte("two")}})
	if one.HeldBy(two) || !one.HeldBy(one) {
		t.Errorf("HeldBy: one %v, two %v", one, two)
	}
}
