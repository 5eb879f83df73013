package certs

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"signet/mtls"
)

func (f *folder) path(name string) string { return filepath.Join(f.spec.Dir, name) }

// writePair writes the key first: a crash in between leaves a pair that does not fit, which is then made anew.
func (f *folder) writePair(name string, cert, key []byte) error {
	if err := f.write(name+"-key.pem", key, 0o600); err != nil {
		return err
	}
	return f.write(name+".pem", cert, 0o644)
}

// write replaces the file in one step, so that a server that reloads never reads half of it.
func (f *folder) write(name string, data []byte, mode os.FileMode) error {
	temporary := name + ".new"
	if err := f.dir.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	file, err := f.dir.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return f.dir.Rename(temporary, name)
}

// ensureCRL keeps the entries of a list that it replaces, as long as it is the same authority's.
func (f *folder) ensureCRL() error {
	const name = "crl.pem"
	list, request, reason := f.openCRL(name)
	if reason != "" {
		f.progress(name, reason)
		data, err := f.ca.MakeCRL(request)
		if err != nil {
			return err
		}
		if err := f.write(name, data, 0o644); err != nil {
			return err
		}
		if list, err = parseCRL(data); err != nil {
			return err
		}
	}
	issuer, err := mtls.DNOf(f.ca.Certificate)
	if err != nil {
		return err
	}
	f.report.Files = append(f.report.Files, File{Name: name, Path: f.path(name), Purpose: "revocation list of the authority",
		Subject: issuer.String(), NotAfter: list.NextUpdate, Made: reason != "", Reason: reason})
	return nil
}

func (f *folder) openCRL(name string) (list *x509.RevocationList, request CRLRequest, reason string) {
	data, err := f.dir.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, request, "missing"
	}
	if err != nil {
		return nil, request, "broken"
	}
	if list, err = parseCRL(data); err != nil {
		return nil, request, "broken"
	}
	if list.CheckSignatureFrom(f.ca.Certificate) != nil {
		return nil, request, "another authority's"
	}
	if f.expiring(list.NextUpdate) {
		request.Entries = list.RevokedCertificateEntries
		if list.Number != nil {
			request.Number = list.Number.Int64() + 1
		}
		return nil, request, "expiring"
	}
	return list, request, ""
}

func parseCRL(data []byte) (*x509.RevocationList, error) {
	block, _ := pem.Decode(data)
	if block == nil || block.Type != "X509 CRL" {
		return nil, errors.New("no PEM block X509 CRL")
	}
	return x509.ParseRevocationList(block.Bytes)
}
