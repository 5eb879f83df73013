package certs

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"
)

// CRLRequest says what a revocation list is to hold. The zero value is an empty list, current for two years.
type CRLRequest struct {
	Revoked    []*big.Int                 // serial numbers, revoked when the list begins
	Entries    []x509.RevocationListEntry // further entries, as they are
	Number     int64                      // default: 1
	ThisUpdate time.Time                  // default: an hour before the authority's now
	NextUpdate time.Time                  // default: two years after the authority's now
	Extra      []pkix.Extension           // added as they are
}

// CRL is the authority's revocation list of these serial numbers, as PEM.
func (ca *CA) CRL(revoked ...*big.Int) ([]byte, error) {
	return ca.MakeCRL(CRLRequest{Revoked: revoked})
}

// MakeCRL is CRL with every field to choose.
func (ca *CA) MakeCRL(request CRLRequest) ([]byte, error) {
	if request.ThisUpdate.IsZero() {
		request.ThisUpdate = ca.now.Add(-backdate)
	}
	if request.NextUpdate.IsZero() {
		request.NextUpdate = ca.now.Add(crlLife)
	}
	if request.Number == 0 {
		request.Number = 1
	}
	list := &x509.RevocationList{
		Number: big.NewInt(request.Number), ThisUpdate: request.ThisUpdate, NextUpdate: request.NextUpdate,
		RevokedCertificateEntries: request.Entries, ExtraExtensions: request.Extra,
	}
	for _, serial := range request.Revoked {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: serial, RevocationTime: request.ThisUpdate})
	}
	der, err := x509.CreateRevocationList(ca.random, list, ca.Certificate, ca.Key)
	if err != nil {
		return nil, fmt.Errorf("signing the revocation list: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der}), nil
}
