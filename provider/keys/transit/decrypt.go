package transit

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"

	"signet/provider/jose"
	"signet/provider/keys"
)

// decryptionKey is one version of the transit key for decryption.
type decryptionKey struct {
	version int
	path    string
	prefix  string // of its ciphertexts
	size    int    // of an encrypted key, in bytes
	known   string // a ciphertext of probeText
	proof
}

// probeText goes encrypted with every call: see DecryptKey.
const probeText = "signet"

// DecryptKey implements keys.Backend by a call to Vault. An error that wraps oauth.ErrUnavailable means that Vault does
// not answer now.
func (b *Backend) DecryptKey(ctx context.Context, kid, alg string, encryptedKey []byte) ([]byte, error) {
	var key *decryptionKey
	if now := b.now.Load(); now != nil {
		key = now.decrypts[kid]
	}
	switch {
	case key == nil:
		return nil, keys.ErrNoKey
	case alg != jose.DecryptionAlg:
		return nil, fmt.Errorf("%w: the key is for %s", jose.ErrAlgorithm, jose.DecryptionAlg)
	case len(encryptedKey) != key.size:
		return nil, keys.ErrSealed
	}
	results, err := b.decrypt(ctx, key, key.prefix+base64.StdEncoding.EncodeToString(encryptedKey))
	if err != nil {
		return nil, err
	}
	plaintext, err := decrypted(results[0])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", keys.ErrSealed, err)
	}
	return plaintext, nil
}

// decrypt makes one decrypt call for one key version, with a result for each ciphertext.
//
// Older versions of Vault answer a wrong OAEP ciphertext like a failure of their own, so that strangers could make
// Vault look broken. Beside one that is known to be good it is a partial failure, whose status we choose.
func (b *Backend) decrypt(ctx context.Context, key *decryptionKey, ciphertexts ...string) ([]map[string]any, error) {
	batch := []map[string]string{{"ciphertext": key.known}}
	for _, ciphertext := range ciphertexts {
		batch = append(batch, map[string]string{"ciphertext": ciphertext})
	}
	answer, err := b.vault.Write(ctx, key.path, map[string]any{"batch_input": batch, "partial_failure_response_code": 200})
	var results []map[string]any
	if err == nil {
		results, err = batchResults(answer, len(batch))
	}
	if err == nil {
		if probe, e := decrypted(results[0]); e != nil || string(probe) != probeText {
			err = errors.New("it does not decrypt with this key any more")
		}
	}
	key.note(b.opt.Clock(), err == nil)
	if err != nil {
		return nil, fmt.Errorf("decrypting in Vault: %w", err)
	}
	return results[1:], nil
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
		return nil, fmt.Errorf("a %T is not for %s", public, jose.DecryptionAlg)
	}
	// No secret: it needs no randomness.
	known, err := rsa.EncryptOAEP(sha256.New(), zeros{}, rsaKey, []byte(probeText), nil)
	if err != nil {
		return nil, err
	}
	key := &decryptionKey{version: version, path: b.path("decrypt", name), prefix: prefix(version), size: rsaKey.Size()}
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
