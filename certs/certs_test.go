package certs_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/certs"
	"signet/mtls"
)

var now = time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)

func must[T any](t testing.TB, value T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func newCA(t testing.TB) *certs.CA {
	t.Helper()
	ca, err := certs.NewCA(rand.Reader, now, "CA")
	return must(t, ca, err)
}

func TestIssue(t *testing.T) {
	leaf, err := newCA(t).Issue(certs.Request{
		Subject: pkix.Name{CommonName: "a"}, OrganizationID: "PSDDE-BAFIN-1",
		DNSNames: []string{"a.example"}, IPs: []string{"192.0.2.1", "::1"}, URIs: []string{"spiffe://a/b"}, Emails: []string{"a@b.example"},
	})
	if err != nil {
		t.Fatal(err)
	}
	cert := leaf.Certificate
	type contents struct {
		Subject, URI, Email, Organization string
		DNS                               []string
		IPs                               int
		EKU                               []x509.ExtKeyUsage
		From, Until                       time.Time
	}
	subject, err := mtls.DNOf(cert)
	if err != nil {
		t.Fatal(err)
	}
	got := contents{subject.String(), cert.URIs[0].String(), cert.EmailAddresses[0], mtls.OrganizationID(cert), cert.DNSNames, len(cert.IPAddresses), cert.ExtKeyUsage, cert.NotBefore, cert.NotAfter}
	want := contents{"organizationIdentifier=PSDDE-BAFIN-1,CN=a", "spiffe://a/b", "a@b.example", "PSDDE-BAFIN-1", []string{"a.example"}, 2,
		[]x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, now.Add(-time.Hour), now.Add(397 * 24 * time.Hour)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := tls.X509KeyPair(leaf.CertPEM, leaf.KeyPEM); err != nil {
		t.Error(err)
	}
}

func TestIssueKeys(t *testing.T) {
	ca := newCA(t)
	for kind, fits := range map[certs.KeyKind]func(any) bool{
		certs.ECDSA:   func(key any) bool { k, ok := key.(*ecdsa.PublicKey); return ok && k.Curve.Params().BitSize == 256 },
		certs.RSA2048: func(key any) bool { k, ok := key.(*rsa.PublicKey); return ok && k.N.BitLen() == 2048 },
		certs.Ed25519: func(key any) bool { _, ok := key.(ed25519.PublicKey); return ok },
	} {
		leaf, err := ca.Issue(certs.Request{Key: kind})
		if err != nil || !fits(leaf.Certificate.PublicKey) {
			t.Errorf("kind %d: %v", kind, err)
		}
	}
}

func TestIssueRefuses(t *testing.T) {
	ca := newCA(t)
	for name, request := range map[string]certs.Request{
		"address": {IPs: []string{"x"}}, "URI": {URIs: []string{":"}}, "role": {QC: &mtls.PSD2{Roles: []string{"x"}}}, "key": {Key: 99},
		"subject": {Subject: pkix.Name{Country: []string{"\xff"}}},
	} {
		if _, err := ca.Issue(request); err == nil {
			t.Errorf("%s: no error", name)
		}
		if _, err := certs.SelfSigned(rand.Reader, now, request); err == nil {
			t.Errorf("%s, self-signed: no error", name)
		}
	}
	if _, err := certs.NewCA(iotest.ErrReader(io.ErrUnexpectedEOF), now, "CA"); err == nil {
		t.Error("an authority without randomness")
	}
}

// TestNothingOutlivesItsIssuer: an authority near its end issues shorter certificates.
func TestNothingOutlivesItsIssuer(t *testing.T) {
	dir := t.TempDir()
	if _, err := certs.Ensure(certs.Spec{Dir: dir, Now: now, Random: rand.Reader}); err != nil {
		t.Fatal(err)
	}
	ca, err := certs.LoadCA(dir, now.Add(9*365*24*time.Hour+12*time.Hour), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	middle, err := ca.Intermediate("Middle")
	if err != nil {
		t.Fatal(err)
	}
	for _, issuer := range []*certs.CA{ca, middle} {
		leaf, err := issuer.Issue(certs.Request{})
		if err != nil || !leaf.Certificate.NotAfter.Equal(ca.Certificate.NotAfter) || !issuer.Certificate.NotAfter.Equal(ca.Certificate.NotAfter) {
			t.Errorf("%v", err)
		}
	}
}

// TestHandshake uses a leaf below an intermediate on both sides of a connection.
func TestHandshake(t *testing.T) {
	root := newCA(t)
	middle, err := root.Intermediate("Middle")
	if err != nil {
		t.Fatal(err)
	}
	server, err := middle.Issue(certs.Request{DNSNames: []string{"localhost"}, EKU: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	if err != nil {
		t.Fatal(err)
	}
	client, err := middle.Issue(certs.Request{})
	if err != nil {
		t.Fatal(err)
	}
	clock := func() time.Time { return now }
	near, far := net.Pipe()
	result := make(chan error, 1)
	go func() {
		result <- tls.Server(far, &tls.Config{Certificates: []tls.Certificate{server.TLSCertificate()}, MinVersion: tls.VersionTLS13,
			ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: root.Pool(), Time: clock}).HandshakeContext(t.Context())
	}()
	err = tls.Client(near, &tls.Config{Certificates: []tls.Certificate{client.TLSCertificate()}, MinVersion: tls.VersionTLS13,
		RootCAs: root.Pool(), ServerName: "localhost", Time: clock}).HandshakeContext(t.Context())
	if err != nil {
		t.Error(err)
	}
	if err := <-result; err != nil {
		t.Error(err)
	}
}

func TestCRL(t *testing.T) {
	ca := newCA(t)
	data, err := ca.CRL(big.NewInt(7), big.NewInt(9))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(data)
	list, err := x509.ParseRevocationList(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if err := list.CheckSignatureFrom(ca.Certificate); err != nil {
		t.Error(err)
	}
	if len(list.RevokedCertificateEntries) != 2 || list.Number.Int64() != 1 || !list.NextUpdate.After(now.Add(365*24*time.Hour)) {
		t.Errorf("%+v", list)
	}
	if _, err := ca.MakeCRL(certs.CRLRequest{ThisUpdate: now, NextUpdate: now.Add(-time.Hour)}); err == nil {
		t.Error("a list that ends before it begins")
	}
}
