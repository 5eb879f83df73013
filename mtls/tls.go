package mtls

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const minRSABits = 2048 // BCP 195 (RFC 9325 section 4.5), FAPI 2.0 section 5.4.1

// Reloader serves a certificate and its key from two PEM files and takes up their replacements. Handshakes after a
// reload get the new pair, connections that stand keep theirs. It is safe for concurrent use.
type Reloader struct {
	certFile, keyFile string

	current atomic.Pointer[tls.Certificate]
	mu      sync.Mutex // serialises Reload
	digest  [sha256.Size]byte
	health  error
}

// NewReloader reads the pair: the certificate with its chain, leaf first, and an unencrypted key.
func NewReloader(certFile, keyFile string) (*Reloader, error) {
	r := &Reloader{certFile: certFile, keyFile: keyFile}
	_, err := r.Reload()
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Reload takes up files that changed. An error leaves the old pair in service and shows in Health until files that
// fit are there; between the replacement of one file and the other that is to be expected for a moment.
func (r *Reloader) Reload() (changed bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer func() { r.health = err }()
	certPEM, certErr := os.ReadFile(r.certFile)
	keyPEM, keyErr := os.ReadFile(r.keyFile)
	if err := errors.Join(certErr, keyErr); err != nil {
		return false, fmt.Errorf("server certificate: %w", err)
	}
	digest := sha256.Sum256(bytes.Join([][]byte{certPEM, keyPEM}, []byte{0}))
	if r.current.Load() != nil && digest == r.digest {
		return false, nil
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return false, fmt.Errorf("server certificate %s: %w", r.certFile, err)
	}
	if key, ok := pair.Leaf.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() < minRSABits {
		return false, fmt.Errorf("server certificate %s: an RSA key has at least %d bits", r.certFile, minRSABits)
	}
	r.current.Store(&pair)
	r.digest = digest
	return true, nil
}

// GetCertificate is for [tls.Config] and [ServerConfig].
func (r *Reloader) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return r.current.Load(), nil
}

// Health is the error of the last reload; nil when the files in place are the ones in service.
func (r *Reloader) Health() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.health
}

// Ready is Health, and an error besides while the pair in service is outside its validity.
func (r *Reloader) Ready(now time.Time) error {
	if err := r.Health(); err != nil {
		return err
	}
	leaf := r.current.Load().Leaf
	if now.After(leaf.NotAfter) || now.Before(leaf.NotBefore) {
		return fmt.Errorf("the server certificate is valid from %s to %s only",
			leaf.NotBefore.UTC().Format(time.RFC3339), leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	return nil
}

// String names the reloader in reports.
func (r *Reloader) String() string { return "server certificate " + r.certFile }

// ServerConfig is the TLS of both doors: versions 1.3 and 1.2, the latter with forward secrecy and AEAD only (BCP 195,
// RFC 9325 section 4.2; FAPI 2.0 section 5.2.2). With askClientCert the handshake asks for a certificate and takes
// none and any, with proof of its key; who is trusted is decided per request, not here.
func ServerConfig(getCert func(*tls.ClientHelloInfo) (*tls.Certificate, error), askClientCert bool) *tls.Config {
	config := &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: getCert,
		NextProtos:     []string{"h2", "http/1.1"},
		CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		},
	}
	if askClientCert {
		config.ClientAuth = tls.RequestClientCert
	}
	return config
}
