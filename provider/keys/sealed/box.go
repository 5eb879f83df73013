package sealed

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"io"

	"signet/provider/keys"
	"signet/provider/oauth"
)

// version is the first byte of everything that a box seals: AES-256-GCM, then a 96-bit random nonce.
const version = 1

// KeySize is the size of a box's key and of a data key, in bytes.
const KeySize = 32

// Cipher seals and opens (AEAD). context is authenticated with the plaintext and not kept. What is damaged or was
// sealed otherwise fails to open with keys.ErrSealed.
type Cipher interface {
	Seal(plaintext, context []byte) ([]byte, error)
	Open(sealed, context []byte) ([]byte, error)
}

// Box is AES-256-GCM with one key, safe for concurrent use. Random nonces are safe for 2^32 messages
// (NIST SP 800-38D section 8.3).
type Box struct {
	aead   cipher.AEAD
	random oauth.Random
}

// NewBox makes a box with a key of KeySize bytes.
func NewBox(key []byte, random oauth.Random) (*Box, error) {
	if len(key) != KeySize {
		return nil, fmt.Errorf("an AES-256 key has %d bytes, not %d", KeySize, len(key))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("AES key: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("AES-GCM: %w", err)
	}
	return &Box{aead, random}, nil
}

// Derive makes a box with a key for one purpose, which tells nothing about those for others (HKDF, RFC 5869).
func Derive(dataKey []byte, purpose string, random oauth.Random) (*Box, error) {
	key, err := hkdf.Key(sha256.New, dataKey, nil, purpose, KeySize)
	if err != nil {
		return nil, fmt.Errorf("deriving a key: %w", err)
	}
	return NewBox(key, random)
}

// Seal implements Cipher.
func (b *Box) Seal(plaintext, context []byte) ([]byte, error) {
	nonce := make([]byte, b.aead.NonceSize())
	if _, err := io.ReadFull(b.random, nonce); err != nil {
		return nil, fmt.Errorf("reading randomness: %w", err)
	}
	head := append([]byte{version}, nonce...)
	return b.aead.Seal(head, nonce, plaintext, context), nil
}

// Open implements Cipher.
func (b *Box) Open(sealed, context []byte) ([]byte, error) {
	head := 1 + b.aead.NonceSize()
	if len(sealed) < head || sealed[0] != version {
		return nil, keys.ErrSealed
	}
	plaintext, err := b.aead.Open(nil, sealed[1:head], sealed[head:], context)
	if err != nil {
		return nil, keys.ErrSealed
	}
	return plaintext, nil
}
