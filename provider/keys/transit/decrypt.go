package transit

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"

	"signet/provider/jose"
	"signet/provider/keys"
)

// EncryptionAlg is the one algorithm to decrypt with (RFC 7518 section 4.3); transit's OAEP has SHA-256 twice.
// Create and Delete take it like a signing algorithm; Keys does not list its keys, EncryptionKeys does.
const EncryptionAlg = "RSA-OAEP-256"

// decryptionKey is one version of the transit key for decryption.
type decryptionKey struct {
	path   string
	prefix string // of its ciphertexts
	size   int    // of an encrypted key, in bytes
	known  string // a ciphertext of probeText
}

// probeText goes encrypted with every call: see DecryptKey.
const probeText = "signet"

// EncryptionKeys returns the keys that others may encrypt to, in any order. It fails like Keys.
func (b *Backend) EncryptionKeys(ctx context.Context) ([]keys.Key, error) {
	now, err := b.refresh(ctx)
	if err != nil {
		return nil, err
	}
	return slices.Clone(now.encryption), nil
}

// DecryptKey returns the content encryption key of a JWE (RFC 7516 section 5.2 step 10) by a call to Vault.
// keys.ErrNoKey if the key is unknown, keys.ErrSealed if encryptedKey was not encrypted to it.
//
// Older versions of Vault answer a wrong OAEP ciphertext like a failure of their own, so that strangers could make
// Vault look broken. Beside one that is known to be good it is a partial failure, whose status we choose.
func (b *Backend) DecryptKey(ctx context.Context, kid, alg string, encryptedKey []byte) ([]byte, error) {
	var key *decryptionKey
	if now := b.now.Load(); now != nil {
		key = now.decrypts[kid]
	}
	switch {
	case key == nil:
		return nil, keys.ErrNoKey
	case alg != EncryptionAlg:
		return nil, fmt.Errorf("%w: the key is for %s", jose.ErrAlgorithm, EncryptionAlg)
	case len(encryptedKey) != key.size:
		return nil, keys.ErrSealed
	}
	answer, err := b.vault.Write(ctx, key.path, map[string]any{
		"batch_input": []map[string]string{
			{"ciphertext": key.known},
			{"ciphertext": key.prefix + base64.StdEncoding.EncodeToString(encryptedKey)},
		},
		"partial_failure_response_code": 200,
	})
	if err != nil {
		return nil, fmt.Errorf("decrypting in Vault: %w", err)
	}
	results, err := batchResults(answer, 2)
	if err != nil {
		return nil, fmt.Errorf("decrypting in Vault: %w", err)
	}
	if probe, err := decrypted(results[0]); err != nil || string(probe) != probeText {
		return nil, errors.New("decrypting in Vault: it does not decrypt with this key any more")
	}
	plaintext, err := decrypted(results[1])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", keys.ErrSealed, err)
	}
	return plaintext, nil
}

func decrypted(result map[string]any) ([]byte, error) {
	text, ok := result["plaintext"].(string)
	if failure, _ := result["error"].(string); failure != "" || !ok {
		return nil, fmt.Errorf("vault refuses: %s", failure)
	}
	return base64.StdEncoding.DecodeString(text)
}

func (b *Backend) decryptionKey(public crypto.PublicKey, version int, name string) (*decryptionKey, error) {
	rsaKey, ok := public.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("a %T is not for %s", public, EncryptionAlg)
	}
	// No secret: it needs no randomness.
	known, err := rsa.EncryptOAEP(sha256.New(), zeros{}, rsaKey, []byte(probeText), nil)
	if err != nil {
		return nil, err
	}
	key := &decryptionKey{path: b.path("decrypt", name), prefix: prefix(version), size: rsaKey.Size()}
	key.known = key.prefix + base64.StdEncoding.EncodeToString(known)
	return key, nil
}

// zeros never ends.
type zeros struct{}

// Read implements io.Reader.
func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
