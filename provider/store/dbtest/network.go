package dbtest

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"signet/certs"
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

// Ports are taken from below those that kernels give to outgoing connections, so that a killed server
// finds its own free when it starts again.
const lowestPort, highestPort = 15000, 32000

var ports struct {
	sync.Mutex
	given map[int]bool
}

// freePort is a port of loopback that nobody listens on and that no other server of the binary was given.
func freePort(t testing.TB) int {
	t.Helper()
	ports.Lock()
	defer ports.Unlock()
	if ports.given == nil {
		ports.given = map[int]bool{}
	}
	for range 1000 {
		var random [8]byte
		_, _ = rand.Read(random[:]) // never fails
		port := lowestPort + int(binary.BigEndian.Uint64(random[:])%(highestPort-lowestPort))
		if ports.given[port] {
			continue
		}
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		_ = listener.Close()
		ports.given[port] = true
		return port
	}
	t.Fatal("no free port")
	return 0
}
