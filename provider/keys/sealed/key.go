package sealed

import (
	"crypto"
	"fmt"

	"signet/provider/jose"
	"signet/provider/keys"
)

// Key is an opened key: it signs or decrypts, whichever its algorithm is for. It is immutable and safe for concurrent
// use.
type Key struct {
	keys.Key
	signs    *jose.PrivateKey    // nil for one that decrypts
	decrypts *jose.DecryptionKey // nil for one that signs
}

// Sign returns the signature as keys.Backend's Sign does.
func (k Key) Sign(alg string, input []byte) ([]byte, error) {
	switch {
	case k.signs == nil:
		return nil, keys.ErrNoKey
	case k.Alg != alg:
		return nil, fmt.Errorf("%w: the key is for another", jose.ErrAlgorithm)
	}
	return k.signs.SignInput(input)
}

// DecryptKey returns the content encryption key as keys.Backend's DecryptKey does.
func (k Key) DecryptKey(alg string, encryptedKey []byte) ([]byte, error) {
	switch {
	case k.decrypts == nil:
		return nil, keys.ErrNoKey
	case k.Alg != alg:
		return nil, fmt.Errorf("%w: the key is for another", jose.ErrAlgorithm)
	}
	contentKey, err := k.decrypts.DecryptKey(encryptedKey)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", keys.ErrSealed, err)
	}
	return contentKey, nil
}

// prepare makes a key without times of a private key that fits the algorithm.
func prepare(alg string, private crypto.PrivateKey) (Key, error) {
	if jose.Use(alg) == jose.UseEncryption {
		key, err := jose.NewDecryptionKey(alg, "", private)
		if err != nil {
			return Key{}, err
		}
		return Key{Key: keys.Key{Kid: key.Kid(), Alg: alg, Public: key.Public()}, decrypts: key}, nil
	}
	signer, ok := private.(crypto.Signer)
	if !ok {
		return Key{}, fmt.Errorf("a key of type %T cannot sign", private)
	}
	key, err := jose.NewPrivateKey(alg, "", signer)
	if err != nil {
		return Key{}, err
	}
	return Key{Key: keys.Key{Kid: key.Kid(), Alg: alg, Public: key.Public()}, signs: key}, nil
}
