package certs

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"time"

	"signet/mtls"
)

// Request says what a certificate is to hold. The zero value is a client certificate without a name.
type Request struct {
	Subject        pkix.Name
	RawSubject     []byte // DER; instead of Subject, for names that pkix.Name cannot say
	OrganizationID string // organizationIdentifier 2.5.4.97, "PSDDE-BAFIN-123456"; added to Subject

	DNSNames []string
	IPs      []string
	URIs     []string
	Emails   []string

	EKU   []x509.ExtKeyUsage // default: client authentication
	NoEKU bool               // leave the extension out
	QC    *mtls.PSD2         // adds QCStatements with this PSD2 statement (ETSI TS 119 495)

	Key       KeyKind
	Signer    crypto.Signer    // use this key instead of a new one
	NotBefore time.Time        // default: an hour before the authority's now
	NotAfter  time.Time        // default: 397 days after the authority's now, or the authority's end
	Extra     []pkix.Extension // added as they are
}

// Leaf is an issued certificate with its key.
type Leaf struct {
	Certificate *x509.Certificate
	Chain       []*x509.Certificate // intermediates, leaf's issuer first; without the root
	Key         crypto.Signer
	CertPEM     []byte // the certificate and its chain
	KeyPEM      []byte // PKCS #8, unencrypted
}

// TLSCertificate is the leaf as crypto/tls takes it, for either side of a connection.
func (l *Leaf) TLSCertificate() tls.Certificate {
	out := tls.Certificate{Certificate: [][]byte{l.Certificate.Raw}, PrivateKey: l.Key, Leaf: l.Certificate}
	for _, cert := range l.Chain {
		out.Certificate = append(out.Certificate, cert.Raw)
	}
	return out
}

// Issue makes a key and a certificate for it.
func (ca *CA) Issue(request Request) (*Leaf, error) {
	if request.NotAfter.IsZero() {
		request.NotAfter = earlier(ca.now.Add(leafLife), ca.Certificate.NotAfter)
	}
	return issue(ca.random, ca.now, request, ca)
}

// SelfSigned makes a certificate that vouches for itself (self_signed_tls_client_auth, RFC 8705 section 2.2).
func SelfSigned(random io.Reader, now time.Time, request Request) (*Leaf, error) {
	if request.NotAfter.IsZero() {
		request.NotAfter = now.Add(leafLife)
	}
	return issue(random, now, request, nil)
}

func issue(random io.Reader, now time.Time, request Request, ca *CA) (*Leaf, error) {
	if request.NotBefore.IsZero() {
		request.NotBefore = now.Add(-backdate)
	}
	template, err := template(request)
	if err != nil {
		return nil, err
	}
	if template.SerialNumber, err = newSerial(random); err != nil {
		return nil, err
	}
	key := request.Signer
	if key == nil {
		if key, err = newKey(random, request.Key); err != nil {
			return nil, fmt.Errorf("making a key: %w", err)
		}
	}
	leaf := &Leaf{Key: key}
	issuer, signer := template, key
	if ca != nil {
		issuer, signer, leaf.Chain = ca.Certificate, ca.Key, ca.Chain
	}
	if leaf.Certificate, err = sign(random, template, issuer, key.Public(), signer); err != nil {
		return nil, fmt.Errorf("signing the certificate: %w", err)
	}
	if leaf.KeyPEM, err = keyPEM(key); err != nil {
		return nil, err
	}
	leaf.CertPEM = certPEM(append([]*x509.Certificate{leaf.Certificate}, leaf.Chain...)...)
	return leaf, nil
}

func template(request Request) (*x509.Certificate, error) {
	out := &x509.Certificate{
		Subject: request.Subject, RawSubject: request.RawSubject,
		NotBefore: request.NotBefore, NotAfter: request.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true,
		ExtKeyUsage: request.EKU, DNSNames: request.DNSNames, EmailAddresses: request.Emails,
		ExtraExtensions: slices.Clone(request.Extra),
	}
	if out.ExtKeyUsage == nil && !request.NoEKU {
		out.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	}
	if request.OrganizationID != "" {
		out.Subject.ExtraNames = append(slices.Clone(out.Subject.ExtraNames),
			pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, 97}, Value: request.OrganizationID})
	}
	for _, text := range request.IPs {
		ip := net.ParseIP(text)
		if ip == nil {
			return nil, fmt.Errorf("%q is not an IP address", text)
		}
		out.IPAddresses = append(out.IPAddresses, ip)
	}
	for _, text := range request.URIs {
		uri, err := url.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("subject alternative name: %w", err)
		}
		out.URIs = append(out.URIs, uri)
	}
	if request.QC != nil {
		value, err := mtls.MarshalQCStatements(*request.QC)
		if err != nil {
			return nil, err
		}
		out.ExtraExtensions = append(out.ExtraExtensions,
			pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 3}, Value: value})
	}
	return out, nil
}
