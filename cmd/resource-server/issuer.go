package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"

	"signet/mtls"
	"signet/provider/fetch"
	"signet/provider/jose"
	"signet/provider/resource"
)

const introspectionTimeout = 5 * time.Second

// connect prepares the connections to the issuer. Nothing is fetched before the first token comes, so that
// the two servers may start in any order. The second result is nil when opaque tokens are not taken.
func connect(o options) (*resource.Remote, *resource.IntrospectionClient, error) {
	u, err := url.Parse(o.issuer)
	if err != nil {
		return nil, nil, fmt.Errorf("--issuer: %w", err)
	}
	var roots *x509.CertPool
	if o.caFile != "" {
		if roots, err = readPool(o.caFile); err != nil {
			return nil, nil, fmt.Errorf("--ca: %w", err)
		}
	}
	// The operator named the issuer: it may be inside the bank's network, unlike what it may point to.
	client := fetch.New(fetch.Options{AllowHosts: []string{u.Host}, RootCAs: roots, Clock: o.clock})
	issuer, err := resource.NewRemote(o.issuer, client, o.clock)
	if err != nil {
		return nil, nil, fmt.Errorf("--issuer: %w", err)
	}
	introspection, err := introspectionClient(o, issuer, roots)
	return issuer, introspection, err
}

func introspectionClient(o options, issuer *resource.Remote, roots *x509.CertPool) (*resource.IntrospectionClient, error) {
	if o.introspectClient == "" {
		if o.introspectCert != "" || o.introspectKey != "" || o.introspectAlways {
			return nil, errors.New("--introspect-client is required for introspection")
		}
		return nil, nil
	}
	if o.introspectKey == "" {
		return nil, errors.New("--introspect-key is required for introspection")
	}
	settings := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
	var assertion *resource.Assertion
	if o.introspectCert != "" {
		certificate, err := mtls.NewReloader(o.introspectCert, o.introspectKey)
		if err != nil {
			return nil, fmt.Errorf("--introspect-cert, --introspect-key: %w", err)
		}
		settings.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return certificate.GetCertificate(nil)
		}
	} else {
		key, err := readSigningKey(o.introspectKey)
		if err != nil {
			return nil, fmt.Errorf("--introspect-key: %w", err)
		}
		assertion = &resource.Assertion{Key: key, Issuer: o.issuer, Clock: o.clock, Random: o.random}
	}
	return resource.NewIntrospectionClient(resource.IntrospectionOptions{
		Endpoint:  issuer.IntrospectionEndpoint,
		ClientID:  o.introspectClient,
		HTTP:      &http.Client{Timeout: introspectionTimeout, Transport: &http.Transport{TLSClientConfig: settings, ForceAttemptHTTP2: true}},
		Assertion: assertion,
	})
}

func readPool(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file) // #nosec G304 -- the operator's own choice
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s has no certificate", file)
	}
	return pool, nil
}

// readSigningKey reads a PEM key; its kid is its thumbprint.
func readSigningKey(file string) (*jose.PrivateKey, error) {
	text, err := os.ReadFile(file) // #nosec G304 -- the operator's own choice
	if err != nil {
		return nil, err
	}
	key, err := jose.ReadPrivateKey(text, "")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return key, nil
}
