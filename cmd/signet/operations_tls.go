package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"

	"signet/mtls"
	"signet/provider"
	"signet/provider/oauth"
)

// operationsTLS is mutual TLS at the operations listener: who asks must have a certificate for client
// authentication from one of operations.client_ca. All files are read again when they change.
type operationsTLS struct {
	certificate *mtls.Reloader
	clients     *mtls.Anchors
	clock       oauth.Clock
}

// openOperationsTLS is nil, nil where the configuration has no certificate for operations: plain HTTP.
func openOperationsTLS(config provider.OperationsConfig, clock oauth.Clock) (o *operationsTLS, err error) {
	if config.Certificate == "" {
		return nil, nil
	}
	o = &operationsTLS{clock: clock}
	if o.certificate, err = mtls.NewReloader(config.Certificate, config.Key); err != nil {
		return nil, next(err, "check operations.certificate and operations.key")
	}
	if o.clients, err = mtls.NewAnchors(mtls.AnchorsConfig{CAFiles: []string{config.ClientCA}}, clock); err != nil {
		return nil, next(err, "check operations.client_ca")
	}
	return o, nil
}

// serve takes connections until the server is closed.
func (o *operationsTLS) serve(server *http.Server, listener net.Listener) error {
	if o == nil {
		return server.Serve(listener)
	}
	server.TLSConfig = mtls.ServerConfig(o.certificate.GetCertificate, false)
	server.TLSConfig.ClientAuth = tls.RequireAnyClientCert
	server.TLSConfig.SessionTicketsDisabled = true // each connection is judged by the files as they are now
	server.TLSConfig.VerifyConnection = func(state tls.ConnectionState) error {
		if len(state.PeerCertificates) == 0 {
			return errors.New("no client certificate")
		}
		return o.clients.Verify(state.PeerCertificates[0], state.PeerCertificates[1:], o.clock())
	}
	return server.ServeTLS(listener, "", "")
}

// watch takes up replaced files until ctx ends.
func (o *operationsTLS) watch(ctx context.Context, log *slog.Logger) {
	if o == nil {
		return
	}
	mtls.Watch(ctx, watchFilesEvery, func(what string, err error) {
		if err != nil {
			log.Error("certificates not reloaded; the old ones stay", "what", "operations: "+what, "cause", err)
			return
		}
		log.Info("certificates reloaded", "what", "operations: "+what)
	}, o.certificate, o.clients)
}

// operationsURL is where this machine reaches a path of the operations listener.
func operationsURL(config provider.OperationsConfig, path string) (string, error) {
	host, port, err := net.SplitHostPort(config.Listen)
	if err != nil {
		return "", fmt.Errorf("operations.listen: %w", err)
	}
	if address, err := netip.ParseAddr(host); host == "" || err == nil && address.IsUnspecified() {
		host = "localhost"
	}
	return operationsScheme(config) + net.JoinHostPort(host, port) + path, nil
}

func operationsScheme(config provider.OperationsConfig) string {
	if config.Certificate != "" {
		return "https://"
	}
	return "http://"
}

// operationsClient asks the operations listener of this configuration. Over TLS it takes exactly the certificate
// that the configuration names, and shows the pair of cert and key: by default the server's own.
func operationsClient(config provider.OperationsConfig, cert, key string) (*http.Client, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil // it is this machine
	client := &http.Client{Transport: transport}
	if config.Certificate == "" {
		return client, nil
	}
	if cert == "" && key == "" {
		cert, key = config.Certificate, config.Key
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, next(fmt.Errorf("reading the client certificate: %w", err), "name a readable pair with --cert and --key")
	}
	server, err := firstCertificate(config.Certificate)
	if err != nil {
		return nil, fmt.Errorf("operations.certificate: %w", err)
	}
	only := x509.NewCertPool()
	only.AddCert(server)
	transport.TLSClientConfig = &tls.Config{
		MinVersion: tls.VersionTLS12, RootCAs: only, ServerName: nameIn(server), Certificates: []tls.Certificate{pair},
	}
	return client, nil
}

func firstCertificate(file string) (*x509.Certificate, error) {
	raw, err := os.ReadFile(file) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, err
	}
	for block, rest := pem.Decode(raw); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			return x509.ParseCertificate(block.Bytes)
		}
	}
	return nil, fmt.Errorf("%s has no PEM certificate", file)
}

// nameIn is a name that the certificate is valid for.
func nameIn(cert *x509.Certificate) string {
	switch {
	case len(cert.DNSNames) > 0:
		return strings.Replace(cert.DNSNames[0], "*", "any", 1)
	case len(cert.IPAddresses) > 0:
		return cert.IPAddresses[0].String()
	}
	return cert.Subject.CommonName
}
