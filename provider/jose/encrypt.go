package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"fmt"
	"slices"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwe"
)

// What a key is for, as its JWK says (RFC 7517 section 4.2).
const (
	UseSignature  = "sig"
	UseEncryption = "enc"
)

// encryptionAlgs are the JWE algorithms for the content encryption key (RFC 7518 section 4.1), preferred first. Those
// that a public key serves, and no others: RSA1_5 tells an attacker too much, "dir", AxxxKW and PBES2 need a secret.
var encryptionAlgs = []string{"RSA-OAEP-256", "RSA-OAEP", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW"}

// contentEncryptions are the JWE algorithms for the content (RFC 7518 section 5.1), preferred first.
var contentEncryptions = []string{"A256GCM", "A128GCM", "A128CBC-HS256", "A256CBC-HS512"}

// EncryptionAlgs lists the values of "alg" that [KeySet.Encrypt] takes, preferred first.
func EncryptionAlgs() []string { return slices.Clone(encryptionAlgs) }

// ContentEncryptions lists the values of "enc" that are written and read, preferred first.
func ContentEncryptions() []string { return slices.Clone(contentEncryptions) }

// Use says what a key of this algorithm is for: [UseEncryption] for those of [EncryptionAlgs], otherwise
// [UseSignature].
func Use(alg string) string {
	if slices.Contains(encryptionAlgs, alg) {
		return UseEncryption
	}
	return UseSignature
}

// Encryption is how a payload is encrypted: the members of the JWE's header (RFC 7516 section 4.1).
type Encryption struct {
	Alg         string // one of EncryptionAlgs
	Enc         string // one of ContentEncryptions
	Type        string // typ; "" = left out
	ContentType string // cty; "JWT" for a nested JWT (RFC 7519 section 5.2); "" = left out
}

// Encrypt returns a compact JWE (RFC 7516 section 7.1) that the holder of the set's keys can read, with alg, enc and
// the key's kid in its header. The key is one that is made for encryption with this alg, or does not say what it is
// for; the former go first, and among equals the last of the set, where owners add new keys. It is [ErrAlgorithm] if
// alg or enc is not one of ours, [ErrUnknownKey] if no key fits: a fresher set may have one.
func (s *KeySet) Encrypt(payload []byte, e Encryption) (string, error) {
	if !slices.Contains(encryptionAlgs, e.Alg) || !slices.Contains(contentEncryptions, e.Enc) {
		return "", fmt.Errorf("encrypting: %w", ErrAlgorithm)
	}
	key, ok := s.encryptionKey(e.Alg)
	if !ok {
		return "", fmt.Errorf("encrypting: %w: no key of the set is for %s", ErrUnknownKey, e.Alg)
	}
	header := jwe.NewHeaders()
	values := map[string]string{jwe.KeyIDKey: key.kid, jwe.TypeKey: e.Type, jwe.ContentTypeKey: e.ContentType}
	for name, value := range values {
		if value == "" {
			continue
		}
		if err := header.Set(name, value); err != nil {
			return "", fmt.Errorf("encrypting: %w: %s", ErrMalformed, name)
		}
	}
	compact, err := jwe.Encrypt(payload, jwe.WithKey(jwa.KeyEncryptionAlgorithm(e.Alg), key.key),
		jwe.WithContentEncryption(jwa.ContentEncryptionAlgorithm(e.Enc)), jwe.WithProtectedHeaders(header))
	if err != nil {
		return "", fmt.Errorf("encrypting with %s and %s: %w", e.Alg, e.Enc, err)
	}
	return string(compact), nil
}

// Encrypts says whether the set has a key that [KeySet.Encrypt] would take for the algorithm.
func (s *KeySet) Encrypts(alg string) bool {
	_, ok := s.encryptionKey(alg)
	return ok
}

func (s *KeySet) encryptionKey(alg string) (best publicKey, ok bool) {
	if s == nil {
		return best, false
	}
	for _, key := range s.keys {
		if slices.Contains(key.encrypts, alg) && (!ok || key.dedicated || !best.dedicated) {
			best, ok = key, true
		}
	}
	return best, ok
}

// encryptionAlgsFor lists what can be encrypted to a public key; nil when its kind serves no encryption here.
func encryptionAlgsFor(public crypto.PublicKey) []string {
	switch key := public.(type) {
	case *rsa.PublicKey:
		return []string{"RSA-OAEP-256", "RSA-OAEP"}
	case *ecdsa.PublicKey: // RFC 7518 section 6.2.1.1
		if key.Curve == elliptic.P256() || key.Curve == elliptic.P384() || key.Curve == elliptic.P521() {
			return []string{"ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW"}
		}
	}
	return nil
}
