package mtls

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"hash/maphash"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// What [Anchors.Verify] refuses; compare with errors.Is. The error's text has detail for the log.
var (
	ErrUntrusted   = errors.New("no trust anchor vouches for the certificate")
	ErrNotYetValid = errors.New("the certificate is not valid yet")
	ErrExpired     = errors.New("the certificate has expired")
	ErrUsage       = errors.New("the certificate is not for client authentication")
	ErrWeakKey     = errors.New("a key of the certificate chain is too weak")
	ErrRevoked     = errors.New("the certificate is revoked")
	ErrNoCRL       = errors.New("there is no revocation list for the certificate")
	ErrStaleCRL    = errors.New("the revocation list for the certificate is not current")
	ErrForeignCRL  = errors.New("the revocation list has not been signed by the certificate's issuer")
)

// ErrFiles marks trust anchors or revocation lists that cannot be taken into service.
var ErrFiles = errors.New("trust anchors")

// AnchorsConfig names the files of the trust anchors and their revocation lists: PEM with any number of blocks, or
// DER with one.
type AnchorsConfig struct {
	CAFiles  []string // roots, or intermediates trusted in their own right; without any, nobody is trusted
	CRLFiles []string // lists of the anchors and of intermediates below them

	// RequireCRL refuses a certificate whose issuer has no current list. Without it an issuer that has no list at all
	// is not asked; one whose list is out of date, or not its own, is refused in either case.
	RequireCRL bool
}

// Anchors judges client certificates against configured authorities. It is safe for concurrent use; a verification
// sees one set of files, whole.
type Anchors struct {
	config AnchorsConfig
	now    func() time.Time

	current atomic.Pointer[anchorSet]
	mu      sync.Mutex // serialises Reload
	health  error
}

// anchorSet is one generation of the files, with the verifications that succeeded under it.
type anchorSet struct {
	digest [sha256.Size]byte
	certs  []*x509.Certificate
	roots  *x509.CertPool
	lists  map[string][]*revocationList // by the issuer's raw name
	memo   memo
}

// NewAnchors reads the files. The clock serves Health.
func NewAnchors(config AnchorsConfig, now func() time.Time) (*Anchors, error) {
	a := &Anchors{config: config, now: now}
	if _, err := a.Reload(); err != nil {
		return nil, err
	}
	return a, nil
}

// Reload takes up files that changed. The new set is used from the next Verify on, also by connections that stand;
// remembered verifications are forgotten. An error (ErrFiles) leaves the old set in service and shows in Health.
func (a *Anchors) Reload() (changed bool, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	defer func() { a.health = err }()
	cas, err := readFiles(a.config.CAFiles)
	if err != nil {
		return false, err
	}
	crls, err := readFiles(a.config.CRLFiles)
	if err != nil {
		return false, err
	}
	digest := digestFiles(cas, crls)
	if old := a.current.Load(); old != nil && old.digest == digest {
		return false, nil
	}
	set, err := newAnchorSet(cas, crls)
	if err != nil {
		return false, err
	}
	set.digest = digest
	a.current.Store(set)
	return true, nil
}

// Health is nil while the files in place are in service and none is out of date: an error tells that the last reload
// was refused, that every anchor has expired, or that a revocation list is not current (its certificates are refused).
func (a *Anchors) Health() error {
	a.mu.Lock()
	refused := a.health
	a.mu.Unlock()
	if refused != nil {
		return refused
	}
	set, now := a.current.Load(), a.now()
	usable := len(set.certs) == 0
	for _, cert := range set.certs {
		usable = usable || !now.Before(cert.NotBefore) && !now.After(cert.NotAfter)
	}
	if !usable {
		return fmt.Errorf("%w: none is valid at this time", ErrFiles)
	}
	for _, lists := range set.lists {
		if _, ok := newestCurrent(lists, now); !ok {
			return fmt.Errorf("%w: the revocation list %s is not current", ErrFiles, lists[0].file)
		}
	}
	return nil
}

// String names the anchors in reports.
func (a *Anchors) String() string { return "client trust anchors" }

// content is a file as read.
type content struct {
	name string
	data []byte
}

func readFiles(names []string) ([]content, error) {
	files := make([]content, 0, len(names))
	for _, name := range names {
		data, err := os.ReadFile(name) //nolint:gosec // a file that the owner configured
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrFiles, err)
		}
		files = append(files, content{name, data})
	}
	return files, nil
}

// digestFiles covers each file's place, length and bytes.
func digestFiles(groups ...[]content) [sha256.Size]byte {
	hash := sha256.New()
	for i, files := range groups {
		for _, file := range files {
			hash.Write(fmt.Appendf(nil, "%d %d\n", i, len(file.data)))
			hash.Write(file.data)
		}
	}
	return [sha256.Size]byte(hash.Sum(nil))
}

func newAnchorSet(cas, crls []content) (*anchorSet, error) {
	set := &anchorSet{roots: x509.NewCertPool(), lists: map[string][]*revocationList{}, memo: memo{seed: maphash.MakeSeed()}}
	for _, file := range cas {
		if err := set.addAnchors(file); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrFiles, file.name, err)
		}
	}
	for _, file := range crls {
		if err := set.addLists(file); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrFiles, file.name, err)
		}
	}
	return set, nil
}

func (s *anchorSet) addAnchors(file content) error {
	blocks, err := derBlocks(file.data, "CERTIFICATE")
	if err != nil {
		return err
	}
	for _, der := range blocks {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return err
		}
		if !cert.BasicConstraintsValid || !cert.IsCA {
			return fmt.Errorf("%s is not an authority (CA:TRUE)", cert.Subject)
		}
		if err := checkKey(cert); err != nil {
			return err
		}
		s.certs = append(s.certs, cert)
		s.roots.AddCert(cert)
	}
	return nil
}

func (s *anchorSet) addLists(file content) error {
	blocks, err := derBlocks(file.data, "X509 CRL")
	if err != nil {
		return err
	}
	for _, der := range blocks {
		list, err := parseRevocationList(file.name, der)
		if err != nil {
			return err
		}
		if !s.plausible(list) {
			return fmt.Errorf("%w: %s", ErrForeignCRL, list.crl.Issuer)
		}
		key := string(list.crl.RawIssuer)
		s.lists[key] = append(s.lists[key], list)
	}
	return nil
}

// plausible refuses a list in an anchor's name that no anchor of that name has signed. The issuer of any other list
// is an intermediate, whose certificate comes with the client's; its signature is checked then.
func (s *anchorSet) plausible(list *revocationList) bool {
	named := false
	for _, cert := range s.certs {
		if !bytes.Equal(cert.RawSubject, list.crl.RawIssuer) {
			continue
		}
		named = true
		if list.crl.CheckSignatureFrom(cert) == nil {
			return true
		}
	}
	return !named
}

// derBlocks is the content of the PEM blocks of one type, or the data itself when it is not PEM. A file that holds
// none, or something else beside them, is refused.
func derBlocks(data []byte, kind string) ([][]byte, error) {
	begins := bytes.Count(data, []byte("-----BEGIN "))
	if begins == 0 {
		if len(data) == 0 {
			return nil, errors.New("the file is empty")
		}
		return [][]byte{data}, nil
	}
	var blocks [][]byte
	for {
		block, rest := pem.Decode(data)
		if block == nil {
			break
		}
		if block.Type != kind {
			return nil, fmt.Errorf("it holds a PEM block %s, not %s", block.Type, kind)
		}
		blocks, data = append(blocks, block.Bytes), rest
	}
	if len(blocks) != begins { // pem.Decode steps over what it cannot read
		return nil, errors.New("a PEM block is cut off or damaged")
	}
	return blocks, nil
}
