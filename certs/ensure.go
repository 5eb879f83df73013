package certs

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"slices"
	"time"

	"signet/mtls"
)

// renewBefore is how close to its end a file is made anew.
const renewBefore = 30 * 24 * time.Hour

// Spec is what [Ensure] needs.
type Spec struct {
	Dir    string    // made with mode 0700 when missing
	Now    time.Time // what "expiring" is measured against
	Random io.Reader // keys and serial numbers
	Hosts  []string  // names and addresses of the server certificate; default: localhost, 127.0.0.1, ::1

	// Progress, when set, is called before each file that is made: RSA keys take a moment.
	Progress func(file, reason string)
}

// File is one certificate or revocation list of the folder.
type File struct {
	Name       string    // "client-tls.pem"
	Path       string    // Dir and Name
	KeyPath    string    // private key beside it; empty for the revocation list
	Purpose    string    // for people
	Subject    string    // RFC 4514; the issuer for the revocation list
	Thumbprint string    // x5t#S256; empty for the revocation list
	NotAfter   time.Time // nextUpdate for the revocation list
	Made       bool      // by this call
	Reason     string    // why it was made: "missing", "expiring", "broken", "another authority's", "other hosts"
}

// Report is the folder after [Ensure], in a fixed order: authority, revocation list, server, clients.
type Report struct {
	Dir   string
	Files []File
}

// Made lists the files that the call made.
func (r Report) Made() []File {
	var made []File
	for _, file := range r.Files {
		if file.Made {
			made = append(made, file)
		}
	}
	return made
}

// File finds a file by name; ok is false when the folder has no such file.
func (r Report) File(name string) (file File, ok bool) {
	for _, file := range r.Files {
		if file.Name == name {
			return file, true
		}
	}
	return File{}, false
}

// Ensure fills the folder with a development PKI: ca.pem, crl.pem, server.pem and the client certificates of the
// demonstration, each with its -key.pem (mode 0600). What is there and still serves stays. Processes that call it at
// once on one folder wait for each other. The keys are not protected: this is for development only.
func Ensure(spec Spec) (Report, error) {
	if len(spec.Hosts) == 0 {
		spec.Hosts = []string{"localhost", "127.0.0.1", "::1"}
	}
	if err := os.MkdirAll(spec.Dir, 0o700); err != nil {
		return Report{}, fmt.Errorf("making the certificate folder: %w", err)
	}
	dir, err := os.OpenRoot(spec.Dir)
	if err != nil {
		return Report{}, fmt.Errorf("opening the certificate folder: %w", err)
	}
	defer dir.Close() //nolint:errcheck // nothing is written through the folder's own handle
	unlock, err := lock(dir)
	if err != nil {
		return Report{}, fmt.Errorf("locking the certificate folder: %w", err)
	}
	defer unlock()
	f := &folder{spec: spec, dir: dir, report: Report{Dir: spec.Dir}}
	if err := f.fill(); err != nil {
		return f.report, fmt.Errorf("development certificates in %s: %w", spec.Dir, err)
	}
	return f.report, nil
}

// LoadCA is the authority of a folder that [Ensure] filled, to issue or revoke more with it.
func LoadCA(dir string, now time.Time, random io.Reader) (*CA, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the certificate folder: %w", err)
	}
	defer root.Close() //nolint:errcheck // only read
	f := &folder{spec: Spec{Dir: dir, Now: now, Random: random}, dir: root}
	ca, reason := f.openCA()
	if reason != "" {
		return nil, fmt.Errorf("the authority in %s is %s", dir, reason)
	}
	return ca, nil
}

// folder is one run of Ensure.
type folder struct {
	spec   Spec
	dir    *os.Root
	ca     *CA
	report Report
}

func (f *folder) fill() error {
	if err := f.ensureCA(); err != nil {
		return fmt.Errorf("ca.pem: %w", err)
	}
	if err := f.ensureCRL(); err != nil {
		return fmt.Errorf("crl.pem: %w", err)
	}
	for _, item := range plan(f.spec.Hosts) {
		if err := f.ensureLeaf(item); err != nil {
			return fmt.Errorf("%s.pem: %w", item.name, err)
		}
	}
	return nil
}

func (f *folder) ensureCA() error {
	ca, reason := f.openCA()
	if reason != "" {
		f.progress("ca.pem", reason)
		var err error
		if ca, err = NewCA(f.spec.Random, f.spec.Now, "Signet Development CA"); err != nil {
			return err
		}
		if err := f.writePair("ca", ca.CertPEM, ca.KeyPEM); err != nil {
			return err
		}
	}
	f.ca = ca
	return f.add("ca", "authority of everything else here", ca.Certificate, reason)
}

func (f *folder) openCA() (*CA, string) {
	pair, reason := f.open("ca")
	if reason != "" {
		return nil, reason
	}
	if !pair.Certificate.IsCA {
		return nil, "broken"
	}
	ca, err := openCA(f.spec.Random, f.spec.Now, pair.Certificate, pair.Key, nil)
	if err != nil {
		return nil, "broken"
	}
	return ca, ""
}

func (f *folder) ensureLeaf(item planned) error {
	leaf, reason := f.open(item.name)
	if reason == "" {
		reason = f.judge(item, leaf.Certificate)
	}
	if reason != "" {
		f.progress(item.name+".pem", reason)
		var err error
		if item.selfSigned {
			leaf, err = SelfSigned(f.spec.Random, f.spec.Now, item.request)
		} else {
			leaf, err = f.ca.Issue(item.request)
		}
		if err != nil {
			return err
		}
		if err := f.writePair(item.name, leaf.CertPEM, leaf.KeyPEM); err != nil {
			return err
		}
	}
	return f.add(item.name, item.purpose, leaf.Certificate, reason)
}

// judge says why an existing certificate does not serve as item any more; empty when it does.
func (f *folder) judge(item planned, cert *x509.Certificate) string {
	if item.selfSigned {
		return ""
	}
	if cert.CheckSignatureFrom(f.ca.Certificate) != nil {
		return "another authority's"
	}
	for _, host := range slices.Concat(item.request.DNSNames, item.request.IPs) {
		if cert.VerifyHostname(host) != nil {
			return "other hosts"
		}
	}
	return ""
}

// open reads a certificate and its key; reason says why they do not serve.
func (f *folder) open(name string) (pair *Leaf, reason string) {
	certData, certErr := f.dir.ReadFile(name + ".pem")
	keyData, keyErr := f.dir.ReadFile(name + "-key.pem")
	if errors.Is(certErr, fs.ErrNotExist) || errors.Is(keyErr, fs.ErrNotExist) {
		return nil, "missing"
	}
	if certErr != nil || keyErr != nil {
		return nil, "broken"
	}
	cert, certErr := parseCert(certData)
	key, keyErr := parseKey(keyData)
	if certErr != nil || keyErr != nil || !publicEqual(cert, key) {
		return nil, "broken"
	}
	if f.expiring(cert.NotAfter) || f.spec.Now.Before(cert.NotBefore) {
		return nil, "expiring"
	}
	return &Leaf{Certificate: cert, Key: key, CertPEM: certData, KeyPEM: keyData}, ""
}

func (f *folder) expiring(end time.Time) bool { return f.spec.Now.Add(renewBefore).After(end) }

func (f *folder) progress(file, reason string) {
	if f.spec.Progress != nil {
		f.spec.Progress(file, reason)
	}
}

func (f *folder) add(name, purpose string, cert *x509.Certificate, reason string) error {
	subject, err := mtls.DNOf(cert)
	if err != nil {
		return err
	}
	f.report.Files = append(f.report.Files, File{
		Name: name + ".pem", Path: f.path(name + ".pem"), KeyPath: f.path(name + "-key.pem"), Purpose: purpose,
		Subject: subject.String(), Thumbprint: mtls.Thumbprint(cert), NotAfter: cert.NotAfter, Made: reason != "", Reason: reason,
	})
	return nil
}

// splitHosts tells addresses from names.
func splitHosts(hosts []string) (names, addresses []string) {
	for _, host := range hosts {
		if net.ParseIP(host) != nil {
			addresses = append(addresses, host)
		} else {
			names = append(names, host)
		}
	}
	return names, addresses
}
