package file

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"io"

	"signet/provider/keys"
	"signet/provider/oauth"
)

// sealVersion is the first byte of everything that is sealed: AES-256-GCM, then a 96-bit random nonce.
const sealVersion = 1

// box is AES-256-GCM with one key. Random nonces are safe for 2^32 messages (NIST SP 800-38D section 8.3).
type box struct {
	aead   cipher.AEAD
	random oauth.Random
}

func newBox(key []byte, random oauth.Random) (*box, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("AES key: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("AES-GCM: %w", err)
	}
	return &box{aead, random}, nil
}

// subBox derives an independent key from the data key for one purpose (RFC 5869).
func subBox(dataKey []byte, purpose string, random oauth.Random) (*box, error) {
	key, err := hkdf.Key(sha256.New, dataKey, nil, purpose, 32)
	if err != nil {
		return nil, fmt.Errorf("deriving a key: %w", err)
	}
	return newBox(key, random)
}

func (b *box) seal(plaintext, context []byte) ([]byte, error) {
	nonce := make([]byte, b.aead.NonceSize())
	if _, err := io.ReadFull(b.random, nonce); err != nil {
		return nil, fmt.Errorf("reading randomness: %w", err)
	}
	head := append([]byte{sealVersion}, nonce...)
	return b.aead.Seal(head, nonce, plaintext, context), nil
}

func (b *box) open(sealed, context []byte) ([]byte, error) {
	head := 1 + b.aead.NonceSize()
	if len(sealed) < head || sealed[0] != sealVersion {
		return nil, keys.ErrSealed
	}
	plaintext, err := b.aead.Open(nil, sealed[1:head], sealed[head:], context)
	if err != nil {
		return nil, keys.ErrSealed
	}
	return plaintext, nil
}

// Seal implements keys.Sealer.
func (b *Backend) Seal(_ context.Context, plaintext, context []byte) ([]byte, error) {
	return b.data.seal(plaintext, context)
}

// Open implements keys.Sealer.
func (b *Backend) Open(_ context.Context, sealed, context []byte) ([]byte, error) {
	return b.data.open(sealed, context)
}
