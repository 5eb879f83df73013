package dbtest

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"testing"
	"time"

	"signet/certs"
	"signet/provider/processtest"
)

// newCA makes the authority of one server or cluster.
func newCA(t testing.TB) *certs.CA {
	t.Helper()
	ca, err := certs.NewCA(rand.Reader, time.Now(), "signet database test")
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

// writeCertificate gives the server a certificate and the authority's.
func (s *Server) writeCertificate(t testing.TB) {
	t.Helper()
	leaf, err := s.ca.Issue(certs.Request{
		Subject: pkix.Name{CommonName: "database"}, DNSNames: []string{"localhost"}, IPs: []string{"127.0.0.1"},
		EKU: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, "ca.pem", s.ca.CertPEM)
	s.write(t, "server.pem", leaf.CertPEM)
	s.write(t, "server-key.pem", leaf.KeyPEM)
}

func freePort(t testing.TB) int {
	t.Helper()
	port, err := processtest.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return port
}
