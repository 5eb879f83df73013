package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"signet/certs"
	"signet/provider"
)

// pair writes a certificate and its key, and returns their files.
func pair(t testing.TB, dir, name string, ca *certs.CA, usages ...x509.ExtKeyUsage) (cert, key string) {
	t.Helper()
	leaf, err := ca.Issue(certs.Request{Subject: pkix.Name{CommonName: name}, DNSNames: []string{"signet-1"}, EKU: usages})
	ok(t, err)
	cert, key = filepath.Join(dir, name+".pem"), filepath.Join(dir, name+"-key.pem")
	ok(t, os.WriteFile(cert, leaf.CertPEM, 0o600))
	ok(t, os.WriteFile(key, leaf.KeyPEM, 0o600))
	return cert, key
}

// TestOperationsOverTLS asks a listener with mutual TLS as "signet status" does: with the right certificate, and
// with each of the wrong ones.
func TestOperationsOverTLS(t *testing.T) {
	dir := t.TempDir()
	ca, err := certs.NewCA(rand.Reader, time.Now(), "Operations CA")
	ok(t, err)
	foreign, err := certs.NewCA(rand.Reader, time.Now(), "Operations CA")
	ok(t, err)
	ok(t, os.WriteFile(filepath.Join(dir, "ca.pem"), ca.CertPEM, 0o600))
	config := provider.OperationsConfig{ClientCA: filepath.Join(dir, "ca.pem")}
	config.Certificate, config.Key = pair(t, dir, "operations", ca, x509.ExtKeyUsageServerAuth)

	o, err := openOperationsTLS(config, time.Now)
	ok(t, err)
	ready := true
	handler := provider.Operations(nil, provider.NewChecks(time.Now, provider.Check{Name: "test", Instant: true, Probe: func(context.Context) error {
		if !ready {
			return errors.New("red for the test")
		}
		return nil
	}}))
	server := newServer(handler, slog.New(slog.DiscardHandler))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	ok(t, err)
	_, port, err := net.SplitHostPort(listener.Addr().String())
	ok(t, err)
	config.Listen = "0.0.0.0:" + port
	go func() { _ = o.serve(server, listener) }()
	t.Cleanup(func() { _ = server.Close() })

	status := func(cert, key string) (string, error) {
		var out bytes.Buffer
		c := &console{out: &out, err: &out, system: realSystem()}
		err := c.status(t.Context(), config, cert, key)
		return out.String(), err
	}
	monitorCert, monitorKey := pair(t, dir, "monitor", ca, x509.ExtKeyUsageClientAuth)
	if got, err := status(monitorCert, monitorKey); err != nil || !strings.Contains(got, `"test":"ok"`) {
		t.Errorf("%v %s", err, got)
	}
	ready = false
	if got, err := status(monitorCert, monitorKey); err == nil || !strings.Contains(got, "red for the test") {
		t.Errorf("not ready: %v %s", err, got)
	}
	ready = true
	strangerCert, strangerKey := pair(t, dir, "stranger", foreign, x509.ExtKeyUsageClientAuth)
	if _, err := status(strangerCert, strangerKey); err == nil {
		t.Error("a foreign authority's certificate")
	}
	if _, err := status("", ""); err == nil {
		t.Error("a certificate that is for servers only")
	}
	anonymous, err := operationsClient(config, monitorCert, monitorKey)
	ok(t, err)
	anonymous.Transport.(*http.Transport).TLSClientConfig.Certificates = nil
	address, err := operationsURL(config, "/readyz")
	ok(t, err)
	if response, err := anonymous.Get(address); err == nil {
		response.Body.Close()
		t.Error("no certificate")
	}

	// A pair for both uses needs no flags, and is taken up without a restart.
	pair(t, dir, "operations", ca, x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth)
	if _, err := o.certificate.Reload(); err != nil {
		t.Fatal(err)
	}
	if got, err := status("", ""); err != nil {
		t.Errorf("%v %s", err, got)
	}
	// So is another authority: the one that was good no longer is.
	ok(t, os.WriteFile(config.ClientCA, foreign.CertPEM, 0o600))
	if _, err := o.clients.Reload(); err != nil {
		t.Fatal(err)
	}
	if _, err := status(monitorCert, monitorKey); err == nil {
		t.Error("a certificate of the authority before")
	}
	if _, err := status(strangerCert, strangerKey); err != nil {
		t.Error(err)
	}
}

// TestOperationsURL is where "signet status" asks.
func TestOperationsURL(t *testing.T) {
	for listen, want := range map[string]string{
		"127.0.0.1:9445": "http://127.0.0.1:9445/readyz", "[::1]:9445": "http://[::1]:9445/readyz", "localhost:1": "http://localhost:1/readyz",
		"0.0.0.0:9445": "http://localhost:9445/readyz", "[::]:9445": "http://localhost:9445/readyz", ":9445": "http://localhost:9445/readyz",
	} {
		if got, err := operationsURL(provider.OperationsConfig{Listen: listen}, "/readyz"); err != nil || got != want {
			t.Errorf("%s: %s, %v", listen, got, err)
		}
	}
	if got, _ := operationsURL(provider.OperationsConfig{Listen: "10.0.0.7:9445", Certificate: "x"}, "/"); got != "https://10.0.0.7:9445/" {
		t.Error(got)
	}
}
