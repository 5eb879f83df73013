package mtls

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	tag "golang.org/x/crypto/cryptobyte/asn1"
)

// revocationList is a parsed CRL (RFC 5280 section 5), indexed by serial number. Its signature is unchecked.
type revocationList struct {
	file    string
	crl     *x509.RevocationList
	revoked map[string]struct{} // serial numbers as big-endian bytes
	scope   crlScope
}

// crlScope is what the list's IssuingDistributionPoint restricts it to (RFC 5280 section 5.2.5).
type crlScope struct {
	uris               []string // the partition's names; empty: every certificate
	userCerts, caCerts bool     // only these; at most one is set
}

var (
	oidCRLNumber         = asn1.ObjectIdentifier{2, 5, 29, 20}
	oidAuthorityKey      = asn1.ObjectIdentifier{2, 5, 29, 35}
	oidIssuingDistPoint  = asn1.ObjectIdentifier{2, 5, 29, 28}
	oidReason            = asn1.ObjectIdentifier{2, 5, 29, 21}
	oidInvalidity        = asn1.ObjectIdentifier{2, 5, 29, 24}
	errDistributionPoint = errors.New("its IssuingDistributionPoint is malformed")
)

// parseRevocationList refuses what this package cannot apply wholly, as RFC 5280 section 5.2 demands: delta lists,
// indirect lists, lists of some reasons only, and any other critical extension.
func parseRevocationList(file string, der []byte) (*revocationList, error) {
	crl, err := x509.ParseRevocationList(der)
	if err != nil {
		return nil, err
	}
	if crl.NextUpdate.IsZero() {
		return nil, errors.New("the revocation list does not say when the next one comes")
	}
	list := &revocationList{file: file, crl: crl, revoked: make(map[string]struct{}, len(crl.RevokedCertificateEntries))}
	for _, extension := range crl.Extensions {
		switch {
		case extension.Id.Equal(oidIssuingDistPoint):
			if list.scope, err = parseScope(extension.Value); err != nil {
				return nil, err
			}
		case extension.Critical && !extension.Id.Equal(oidCRLNumber) && !extension.Id.Equal(oidAuthorityKey):
			return nil, fmt.Errorf("the revocation list has the unknown critical extension %s", extension.Id)
		}
	}
	for _, entry := range crl.RevokedCertificateEntries {
		for _, extension := range entry.Extensions {
			if extension.Critical && !extension.Id.Equal(oidReason) && !extension.Id.Equal(oidInvalidity) {
				return nil, fmt.Errorf("an entry of the revocation list has the unknown critical extension %s", extension.Id)
			}
		}
		list.revoked[string(entry.SerialNumber.Bytes())] = struct{}{}
	}
	return list, nil
}

// parseScope reads IssuingDistributionPoint; the numbers are its context tags.
func parseScope(der []byte) (scope crlScope, err error) {
	input := cryptobyte.String(der)
	var body cryptobyte.String
	if !input.ReadASN1(&body, tag.SEQUENCE) || !input.Empty() {
		return scope, errDistributionPoint
	}
	for !body.Empty() {
		var value cryptobyte.String
		var kind tag.Tag
		if !body.ReadAnyASN1(&value, &kind) {
			return scope, errDistributionPoint
		}
		switch kind {
		case tag.Tag(0).ContextSpecific().Constructed():
			if scope.uris, err = partitionURIs(value); err != nil {
				return scope, err
			}
		case tag.Tag(1).ContextSpecific():
			scope.userCerts = isTrue(value)
		case tag.Tag(2).ContextSpecific():
			scope.caCerts = isTrue(value)
		default: // onlySomeReasons, indirectCRL, onlyContainsAttributeCerts
			return scope, errors.New("the revocation list is partial in a way that is not supported")
		}
	}
	if scope.userCerts && scope.caCerts {
		return scope, errDistributionPoint
	}
	return scope, nil
}

// partitionURIs reads DistributionPointName, of which only fullName with URIs is supported.
func partitionURIs(name cryptobyte.String) (uris []string, err error) {
	var full cryptobyte.String
	if !name.ReadASN1(&full, tag.Tag(0).ContextSpecific().Constructed()) || !name.Empty() {
		return nil, errDistributionPoint
	}
	for !full.Empty() {
		var value cryptobyte.String
		var kind tag.Tag
		if !full.ReadAnyASN1(&value, &kind) {
			return nil, errDistributionPoint
		}
		if kind == tag.Tag(6).ContextSpecific() {
			uris = append(uris, string(value))
		}
	}
	if len(uris) == 0 {
		return nil, errDistributionPoint
	}
	return uris, nil
}

func isTrue(value []byte) bool { return len(value) == 1 && value[0] != 0 }

// covers says whether the list answers for the certificate: an entry's absence from another one means nothing.
func (l *revocationList) covers(cert *x509.Certificate) bool {
	if l.scope.userCerts && cert.IsCA || l.scope.caCerts && !cert.IsCA {
		return false
	}
	if len(l.scope.uris) == 0 {
		return true
	}
	return slices.ContainsFunc(cert.CRLDistributionPoints, func(uri string) bool { return slices.Contains(l.scope.uris, uri) })
}

func (l *revocationList) isCurrent(now time.Time) bool {
	return !now.Before(l.crl.ThisUpdate) && now.Before(l.crl.NextUpdate)
}

// newestCurrent is the current list with the latest thisUpdate.
func newestCurrent(lists []*revocationList, now time.Time) (newest *revocationList, ok bool) {
	for _, list := range lists {
		if list.isCurrent(now) && (newest == nil || list.crl.ThisUpdate.After(newest.crl.ThisUpdate)) {
			newest = list
		}
	}
	return newest, newest != nil
}

// checkRevocation asks the issuer's lists about cert and narrows the window to the list that answered. A number on
// any list that the issuer signed is revoked, also on one out of date.
func (s *anchorSet) checkRevocation(cert, issuer *x509.Certificate, require bool, now time.Time, valid *window) error {
	named := s.lists[string(issuer.RawSubject)]
	var answering []*revocationList
	foreign := 0
	for _, list := range named {
		if list.crl.CheckSignatureFrom(issuer) != nil {
			foreign++
			continue
		}
		if !list.covers(cert) {
			continue
		}
		if _, revoked := list.revoked[string(cert.SerialNumber.Bytes())]; revoked {
			return fmt.Errorf("%w: serial number %x of %s", ErrRevoked, cert.SerialNumber, issuer.Subject)
		}
		answering = append(answering, list)
	}
	newest, ok := newestCurrent(answering, now)
	switch {
	case ok:
		valid.narrow(newest.crl.ThisUpdate, newest.crl.NextUpdate.Add(-time.Nanosecond))
		return nil
	case len(answering) > 0:
		return fmt.Errorf("%w: %s", ErrStaleCRL, answering[0].file)
	case foreign > 0 && foreign == len(named):
		return fmt.Errorf("%w: %s", ErrForeignCRL, named[0].file)
	case require || len(named) > 0:
		return fmt.Errorf("%w: issuer %s", ErrNoCRL, issuer.Subject)
	}
	return nil
}
