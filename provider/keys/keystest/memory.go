package keystest

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"fmt"
	"slices"
	"sync"

	"signet/provider/jose"
	"signet/provider/keys"
)

// Memory is a keys.Backend that keeps its keys in memory, for tests. Use [NewMemory].
type Memory struct {
	mu       sync.RWMutex
	list     []keys.Key
	signs    map[string]*jose.PrivateKey
	decrypts map[string]*jose.DecryptionKey
	failure  error
	data     []cipher.AEAD // the newest last
}

var (
	_ keys.Backend        = (*Memory)(nil)
	_ keys.DataKeyRotator = (*Memory)(nil)
)

// NewMemory returns an empty backend. RSA keys that it makes have 2048 bits.
func NewMemory() *Memory {
	return &Memory{
		signs: make(map[string]*jose.PrivateKey), decrypts: make(map[string]*jose.DecryptionKey),
		data: []cipher.AEAD{newAEAD()},
	}
}

func newAEAD() cipher.AEAD {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails (Go 1.24)
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // 32 bytes are a key
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) // AES has the block size
	}
	return aead
}

// FailWith makes every operation fail with err until it is called with nil: an outage.
func (m *Memory) FailWith(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failure = err
}

// Keys implements keys.Backend.
func (m *Memory) Keys(context.Context) ([]keys.Key, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return slices.Clone(m.list), m.failure
}

// Create implements keys.Backend.
func (m *Memory) Create(_ context.Context, spec keys.Spec) (keys.Key, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failure != nil {
		return keys.Key{}, m.failure
	}
	if newest, _ := keys.Newest(m.list, spec.Alg); newest.Kid != spec.After {
		return keys.Key{}, keys.ErrConflict
	}
	signer, err := jose.Generate(spec.Alg, jose.MinRSABits, rand.Reader)
	if err != nil {
		return keys.Key{}, err
	}
	key := keys.Key{Alg: spec.Alg, Public: signer.Public(), CreatedAt: spec.CreatedAt, ActivatesAt: spec.ActivatesAt}
	if key.Kid, err = jose.Thumbprint(key.Public); err != nil {
		return keys.Key{}, err
	}
	if jose.Use(spec.Alg) == jose.UseEncryption {
		m.decrypts[key.Kid], err = jose.NewDecryptionKey(spec.Alg, key.Kid, signer)
	} else {
		m.signs[key.Kid], err = jose.NewPrivateKey(spec.Alg, key.Kid, signer)
	}
	if err != nil {
		return keys.Key{}, err
	}
	m.list = append(m.list, key)
	return key, nil
}

// Delete implements keys.Backend.
func (m *Memory) Delete(_ context.Context, kid string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failure == nil {
		m.list = slices.DeleteFunc(m.list, func(k keys.Key) bool { return k.Kid == kid })
		delete(m.signs, kid)
		delete(m.decrypts, kid)
	}
	return m.failure
}

// Sign implements keys.Backend.
func (m *Memory) Sign(_ context.Context, kid, alg string, input []byte) ([]byte, error) {
	m.mu.RLock()
	private, failure := m.signs[kid], m.failure
	m.mu.RUnlock()
	switch {
	case failure != nil:
		return nil, failure
	case private == nil:
		return nil, keys.ErrNoKey
	case private.Alg() != alg:
		return nil, fmt.Errorf("%w: the key is for another", jose.ErrAlgorithm)
	}
	return private.SignInput(input)
}

// DecryptKey implements keys.Backend.
func (m *Memory) DecryptKey(_ context.Context, kid, alg string, encryptedKey []byte) ([]byte, error) {
	m.mu.RLock()
	private, failure := m.decrypts[kid], m.failure
	m.mu.RUnlock()
	switch {
	case failure != nil:
		return nil, failure
	case private == nil:
		return nil, keys.ErrNoKey
	case private.Alg() != alg:
		return nil, fmt.Errorf("%w: the key is for another", jose.ErrAlgorithm)
	}
	contentKey, err := private.DecryptKey(encryptedKey)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", keys.ErrSealed, err)
	}
	return contentKey, nil
}

// Seal implements keys.Sealer.
func (m *Memory) Seal(_ context.Context, plaintext, context []byte) ([]byte, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	newest := m.data[len(m.data)-1]
	return newest.Seal(nil, nil, plaintext, context), m.failure //nolint:gosec // the AEAD draws the nonce itself
}

// Open implements keys.Sealer.
func (m *Memory) Open(_ context.Context, sealed, context []byte) ([]byte, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.failure != nil {
		return nil, m.failure
	}
	for _, aead := range m.data {
		if plaintext, err := aead.Open(nil, nil, sealed, context); err == nil {
			return plaintext, nil
		}
	}
	return nil, keys.ErrSealed
}

// RotateDataKey implements keys.DataKeyRotator.
func (m *Memory) RotateDataKey(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failure == nil {
		m.data = append(m.data, newAEAD())
	}
	return m.failure
}

// Probe tells whether FailWith has been called.
func (m *Memory) Probe(context.Context) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.failure
}
