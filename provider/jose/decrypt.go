package jose

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwe"
)

// MaxEncryptedSize bounds a compact JWE, in bytes: a token of [MaxTokenSize] fits into it.
const MaxEncryptedSize = 24 << 10

// ErrDecryption: the content, or its key, was not encrypted to this key, or is not what it was.
var ErrDecryption = errors.New("cannot be decrypted")

// DecryptionAlg is the one value of "alg" that is read (RFC 7518 section 4.3).
const DecryptionAlg = "RSA-OAEP-256"

// IsEncrypted says whether a token has the five parts of a compact JWE (RFC 7516 section 9), not the three of a JWS.
func IsEncrypted(compact string) bool { return strings.Count(compact, ".") == 4 }

// Encrypted is a JWE whose header has been read and whose content is still closed: nothing in it is authentic.
type Encrypted struct {
	Alg string
	Enc string
	Kid string // "" when the header had none
	Key []byte // the content encryption key, encrypted

	compact string
}

// ReadEncrypted takes a compact JWE apart (RFC 7516 section 5.2 steps 1 to 5) and computes nothing with it. Only
// [DecryptionAlg] and [ContentEncryptions] are read. What is compressed is refused, because it says nothing about its
// size, as is every extension that must be understood. Errors wrap [ErrMalformed] or [ErrAlgorithm].
func ReadEncrypted(compact string) (Encrypted, error) {
	if len(compact) > MaxEncryptedSize {
		return Encrypted{}, fmt.Errorf("%w: longer than %d bytes", ErrMalformed, MaxEncryptedSize)
	}
	if !IsEncrypted(compact) {
		return Encrypted{}, fmt.Errorf("%w: not five parts", ErrMalformed)
	}
	var parts [5][]byte
	for i, text := range strings.Split(compact, ".") {
		raw, err := decode(text)
		if err != nil {
			return Encrypted{}, err
		}
		parts[i] = raw
	}
	e := Encrypted{Key: parts[1], compact: compact}
	if err := e.readHeader(parts[0]); err != nil {
		return Encrypted{}, fmt.Errorf("header: %w", err)
	}
	return e, e.checkSizes(parts[2], parts[3], parts[4])
}

// readHeader takes alg, enc and kid. What it says of its own key (jwk, jku, x5u, x5c) is left unread, as are the
// parameters of algorithms that are not served: epk, p2s, p2c and others.
func (e *Encrypted) readHeader(raw []byte) error {
	list, err := members(raw)
	if err != nil {
		return err
	}
	for _, m := range list {
		switch m.name {
		case "alg":
			e.Alg, err = unquote(m.value)
		case "enc":
			e.Enc, err = unquote(m.value)
		case "kid":
			e.Kid, err = unquote(m.value)
		case "zip":
			err = fmt.Errorf("%w: no compression is supported", ErrMalformed)
		case "crit", "b64":
			err = fmt.Errorf("%w: no extension is supported", ErrMalformed)
		}
		if err != nil {
			return err
		}
	}
	if e.Alg != DecryptionAlg || !slices.Contains(contentEncryptions, e.Enc) {
		return ErrAlgorithm
	}
	return nil
}

// checkSizes holds the parts against RFC 7518 sections 5.2.2 and 5.3, so that a token has one spelling only and no
// cipher gets what it cannot take.
func (e *Encrypted) checkSizes(iv, ciphertext, tag []byte) error {
	ivSize, tagSize, block := 12, 16, 1
	switch e.Enc {
	case "A128CBC-HS256":
		ivSize, block = 16, 16
	case "A256CBC-HS512":
		ivSize, tagSize, block = 16, 32, 16
	}
	if len(iv) != ivSize || len(tag) != tagSize || len(ciphertext) == 0 || len(ciphertext)%block != 0 {
		return fmt.Errorf("%w: its parts do not have the sizes that enc gives them", ErrMalformed)
	}
	return nil
}

// Open returns the content, given its key (RFC 7516 section 5.2 steps 14 to 17). Whatever is wrong is [ErrDecryption]
// and nothing more, as section 11.5 asks.
func (e Encrypted) Open(contentKey []byte) ([]byte, error) {
	payload, err := jwe.Decrypt([]byte(e.compact), jwe.WithKey(jwa.RSA_OAEP_256, knownKey(contentKey)))
	if err != nil {
		return nil, ErrDecryption
	}
	return payload, nil
}

// knownKey is a content encryption key that has been decrypted already, by whoever holds the private key.
type knownKey []byte

// DecryptKey implements jwe.KeyDecrypter.
func (k knownKey) DecryptKey(jwa.KeyEncryptionAlgorithm, []byte, jwe.Recipient, *jwe.Message) ([]byte, error) {
	return k, nil
}

// DecryptionKey decrypts content encryption keys with a key that is in memory. It is immutable and safe for
// concurrent use.
type DecryptionKey struct {
	kid string
	key *rsa.PrivateKey
}

// NewDecryptionKey prepares an *rsa.PrivateKey for [DecryptionAlg]. With kid "" the key's thumbprint is its kid.
// Errors wrap [ErrAlgorithm] or [ErrMalformed].
func NewDecryptionKey(alg, kid string, key crypto.PrivateKey) (*DecryptionKey, error) {
	private, ok := key.(*rsa.PrivateKey)
	if !ok || alg != DecryptionAlg {
		return nil, fmt.Errorf("%w: cannot decrypt by it with a key of type %T", ErrAlgorithm, key)
	}
	if err := checkStrength(&private.PublicKey); err != nil {
		return nil, err
	}
	if kid == "" {
		var err error
		if kid, err = Thumbprint(&private.PublicKey); err != nil {
			return nil, err
		}
	}
	return &DecryptionKey{kid: kid, key: private}, nil
}

// Alg returns the algorithm.
func (k *DecryptionKey) Alg() string { return DecryptionAlg }

// Kid returns the key id.
func (k *DecryptionKey) Kid() string { return k.kid }

// Public returns the public key.
func (k *DecryptionKey) Public() crypto.PublicKey { return &k.key.PublicKey }

// DecryptKey returns the content encryption key of a JWE (RFC 7516 section 5.2 step 10). It is [ErrDecryption] if
// encrypted was not encrypted to this key.
func (k *DecryptionKey) DecryptKey(encrypted []byte) ([]byte, error) {
	if len(encrypted) != k.key.Size() {
		return nil, ErrDecryption
	}
	contentKey, err := rsa.DecryptOAEP(sha256.New(), nil, k.key, encrypted, nil)
	if err != nil {
		return nil, ErrDecryption
	}
	return contentKey, nil
}
