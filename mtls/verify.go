package mtls

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	maxIntermediates = 8
	maxRemembered    = 4096 // verifications
)

// Verify judges a client's certificate at the time now: a chain to an anchor, a leaf that is no authority and is
// made for client authentication (it lists the usage itself, RFC 5280 section 4.2.1.12), validity in time, strong
// keys, and the revocation of every member of the chain below the anchor. A success is remembered for these exact
// certificates until the set is reloaded or something in the chain runs out; failures are judged again each time.
func (a *Anchors) Verify(leaf *x509.Certificate, intermediates []*x509.Certificate, now time.Time) error {
	if leaf == nil || len(leaf.Raw) == 0 {
		return fmt.Errorf("%w: no certificate", ErrUntrusted)
	}
	if len(intermediates) > maxIntermediates {
		return fmt.Errorf("%w: more than %d intermediates", ErrUntrusted, maxIntermediates)
	}
	set := a.current.Load()
	key := set.memo.key(leaf, intermediates)
	if set.memo.holds(key, leaf, intermediates, now) {
		return nil
	}
	valid, err := set.verify(leaf, intermediates, a.config.RequireCRL, now)
	if err != nil {
		return err
	}
	set.memo.add(key, &remembered{leaf: leaf, intermediates: slices.Clone(intermediates), window: valid})
	return nil
}

// verify returns the time in which the same verdict holds.
func (s *anchorSet) verify(leaf *x509.Certificate, intermediates []*x509.Certificate, requireCRL bool, now time.Time) (window, error) {
	if err := checkLeaf(leaf, now); err != nil {
		return window{}, err
	}
	between := x509.NewCertPool()
	for _, cert := range intermediates {
		if cert != nil {
			between.AddCert(cert)
		}
	}
	chains, err := leaf.Verify(x509.VerifyOptions{
		Roots: s.roots, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return window{}, chainError(err)
	}
	var first error
	for _, chain := range chains {
		valid, err := s.checkChain(chain, requireCRL, now)
		if err == nil {
			return valid, nil
		}
		if first == nil {
			first = err
		}
	}
	return window{}, first
}

// checkChain looks at what crypto/x509 does not: keys and revocation.
func (s *anchorSet) checkChain(chain []*x509.Certificate, requireCRL bool, now time.Time) (window, error) {
	valid := window{chain[0].NotBefore, chain[0].NotAfter}
	for i, cert := range chain {
		valid.narrow(cert.NotBefore, cert.NotAfter)
		if err := checkKey(cert); err != nil {
			return window{}, err
		}
		if i == len(chain)-1 {
			continue // the anchor: only its removal from the files revokes it
		}
		if err := s.checkRevocation(cert, chain[i+1], requireCRL, now, &valid); err != nil {
			return window{}, err
		}
	}
	return valid, nil
}

func checkLeaf(leaf *x509.Certificate, now time.Time) error {
	switch {
	case now.Before(leaf.NotBefore):
		return fmt.Errorf("%w: from %s", ErrNotYetValid, leaf.NotBefore.UTC().Format(time.RFC3339))
	case now.After(leaf.NotAfter):
		return fmt.Errorf("%w: on %s", ErrExpired, leaf.NotAfter.UTC().Format(time.RFC3339))
	case leaf.IsCA:
		return fmt.Errorf("%w: it is an authority's", ErrUsage)
	case !slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageClientAuth):
		return fmt.Errorf("%w: its extended key usage does not list it", ErrUsage)
	case leaf.KeyUsage != 0 && leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return fmt.Errorf("%w: its key usage does not allow signatures", ErrUsage)
	}
	return nil
}

// checkKey demands RSA of 2048 bits, an elliptic curve of 256, or Ed25519 (RFC 9325 section 4.5).
func checkKey(cert *x509.Certificate) error {
	switch key := cert.PublicKey.(type) {
	case *rsa.PublicKey:
		if key.N.BitLen() >= minRSABits {
			return nil
		}
	case *ecdsa.PublicKey:
		if key.Curve.Params().BitSize >= 256 {
			return nil
		}
	case ed25519.PublicKey:
		return nil
	}
	return fmt.Errorf("%w: %s", ErrWeakKey, cert.Subject)
}

// chainError gives crypto/x509's error one of this package's kinds.
func chainError(err error) error {
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) {
		switch invalid.Reason {
		case x509.Expired:
			return fmt.Errorf("%w: in its chain: %w", ErrExpired, err)
		case x509.IncompatibleUsage:
			return fmt.Errorf("%w: %w", ErrUsage, err)
		}
	}
	return fmt.Errorf("%w: %w", ErrUntrusted, err)
}

// window is a span of time, both ends included.
type window struct{ from, until time.Time }

func (w *window) narrow(from, until time.Time) {
	if from.After(w.from) {
		w.from = from
	}
	if until.Before(w.until) {
		w.until = until
	}
}

func (w *window) contains(now time.Time) bool { return !now.Before(w.from) && !now.After(w.until) }

// memo remembers verifications that succeeded: requests on a standing connection ask the same question each time.
// The hash only finds the entry, the certificates themselves are compared.
type memo struct {
	seed    maphash.Seed
	entries sync.Map // uint64 -> *remembered
	count   atomic.Int64
}

type remembered struct {
	leaf          *x509.Certificate
	intermediates []*x509.Certificate
	window
}

func (m *memo) key(leaf *x509.Certificate, intermediates []*x509.Certificate) uint64 {
	key := maphash.Bytes(m.seed, leaf.Raw)
	for _, cert := range intermediates {
		if cert != nil {
			key = key*31 + maphash.Bytes(m.seed, cert.Raw)
		}
	}
	return key
}

func (m *memo) holds(key uint64, leaf *x509.Certificate, intermediates []*x509.Certificate, now time.Time) bool {
	found, ok := m.entries.Load(key)
	if !ok {
		return false
	}
	entry, ok := found.(*remembered)
	return ok && entry.contains(now) && same(entry.leaf, leaf) && slices.EqualFunc(entry.intermediates, intermediates, same)
}

func same(a, b *x509.Certificate) bool {
	return a == b || a != nil && b != nil && bytes.Equal(a.Raw, b.Raw)
}

// add makes room by forgetting any other entry: a client that varies its intermediates costs only itself.
func (m *memo) add(key uint64, entry *remembered) {
	if _, replaced := m.entries.Swap(key, entry); replaced {
		return
	}
	if m.count.Add(1) <= maxRemembered {
		return
	}
	m.entries.Range(func(other, _ any) bool {
		if other == any(key) {
			return true
		}
		_, deleted := m.entries.LoadAndDelete(other)
		if deleted {
			m.count.Add(-1)
		}
		return !deleted // someone else may have been faster
	})
}
