package certs

import (
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"time"
)

// How long things live, and how far back they start: a peer's clock may be a little behind.
const (
	caLife   = 10 * 365 * 24 * time.Hour
	leafLife = 397 * 24 * time.Hour // browsers refuse more
	crlLife  = 2 * 365 * 24 * time.Hour
	backdate = time.Hour
)

// CA is a certificate authority of one moment: Issue and CRL date their work from the time given to [NewCA].
// It is safe for concurrent use when its random source is.
type CA struct {
	Certificate *x509.Certificate
	Key         crypto.Signer
	CertPEM     []byte              // its own certificate alone
	KeyPEM      []byte              // PKCS #8, unencrypted
	Chain       []*x509.Certificate // what leads from its leaves to the root, without the root; empty for a root

	now    time.Time
	random io.Reader
}

// NewCA makes a self-signed root authority (ECDSA P-256, valid for ten years from an hour before now).
func NewCA(random io.Reader, now time.Time, commonName string) (*CA, error) {
	return newCA(random, now, commonName, nil)
}

// Intermediate makes an authority below ca. What it issues carries the chain up to, not including, the root.
func (ca *CA) Intermediate(commonName string) (*CA, error) {
	return newCA(ca.random, ca.now, commonName, ca)
}

func newCA(random io.Reader, now time.Time, commonName string, parent *CA) (*CA, error) {
	key, err := newKey(random, ECDSA)
	if err != nil {
		return nil, fmt.Errorf("making the key of %s: %w", commonName, err)
	}
	serial, err := newSerial(random)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: commonName},
		NotBefore: now.Add(-backdate), NotAfter: now.Add(caLife),
		BasicConstraintsValid: true, IsCA: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	issuer, signer := template, key
	var chain []*x509.Certificate
	if parent != nil {
		issuer, signer = parent.Certificate, parent.Key
		template.NotAfter = earlier(template.NotAfter, issuer.NotAfter)
	}
	cert, err := sign(random, template, issuer, key.Public(), signer)
	if err != nil {
		return nil, fmt.Errorf("signing %s: %w", commonName, err)
	}
	if parent != nil {
		chain = append([]*x509.Certificate{cert}, parent.Chain...)
	}
	return openCA(random, now, cert, key, chain)
}

// openCA is the authority of an existing certificate and key.
func openCA(random io.Reader, now time.Time, cert *x509.Certificate, key crypto.Signer, chain []*x509.Certificate) (*CA, error) {
	private, err := keyPEM(key)
	if err != nil {
		return nil, err
	}
	return &CA{Certificate: cert, Key: key, CertPEM: certPEM(cert), KeyPEM: private, Chain: chain, now: now, random: random}, nil
}

// earlier keeps a certificate from outliving its issuer.
func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// Pool is a certificate pool with this authority alone.
func (ca *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.Certificate)
	return pool
}

func sign(random io.Reader, template, issuer *x509.Certificate, public crypto.PublicKey, signer crypto.Signer) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(random, template, issuer, public, signer)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// newSerial is a positive number of 127 random bits (RFC 5280 section 4.1.2.2 allows 159).
func newSerial(random io.Reader) (*big.Int, error) {
	var b [16]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return nil, fmt.Errorf("making a serial number: %w", err)
	}
	b[0] = b[0]&0x7f | 0x40
	return new(big.Int).SetBytes(b[:]), nil
}
