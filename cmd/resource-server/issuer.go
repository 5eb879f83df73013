package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
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

// readSigningKey reads a PKCS #8 key. The algorithm follows from its kind; its kid is its thumbprint.
func readSigningKey(file string) (*jose.PrivateKey, error) {
	text, err := os.ReadFile(file) // #nosec G304 -- the operator's own choice
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s is not PEM", file)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s is not a PKCS #8 private key: %w", file, err)
	}
	key, alg, err := signingAlg(parsed)
	if err != nil {
		return nil, err
	}
	return jose.NewPrivateKey(alg, "", key)
}

// signingAlg picks the algorithm that the FAPI profile allows for the kind of key.
func signingAlg(parsed any) (key crypto.Signer, alg string, err error) {
	switch k := parsed.(type) {
	case *ecdsa.PrivateKey:
		return k, "ES256", nil
	case *rsa.PrivateKey:
		return k, "PS256", nil
	case ed25519.PrivateKey:
		return k, "EdDSA", nil
	}
	return nil, "", fmt.Errorf("keys of type %T cannot sign", parsed)
}
