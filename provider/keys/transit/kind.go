package transit

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"strings"

	"signet/provider/jose"
)

// kind is what one algorithm needs of transit.
type kind struct {
	vault  string         // the transit key's type
	suffix string         // of the transit key's name
	params map[string]any // of every sign call
	digest bool           // Vault gets the SHA-256 digest, not the input
}

// kinds are the algorithms, all but the last for signing. RSA keys have 3072 bits, long enough beyond 2030 for BSI
// TR-02102-1. Ed25519 hashes the message twice, so it has to go to Vault whole; of the others only the digest leaves
// this process. What transit decrypts with an RSA key is OAEP with SHA-256 twice, as RSA-OAEP-256 is.
var kinds = map[string]*kind{
	"ES256": {vault: "ecdsa-p256", suffix: "es256", digest: true,
		params: map[string]any{"marshaling_algorithm": "jws"}},
	"PS256": {vault: "rsa-3072", suffix: "ps256", digest: true,
		params: map[string]any{"signature_algorithm": "pss", "salt_length": "hash"}}, // RFC 7518 section 3.5
	"RS256": {vault: "rsa-3072", suffix: "rs256", digest: true,
		params: map[string]any{"signature_algorithm": "pkcs1v15"}},
	"EdDSA":            {vault: "ed25519", suffix: "eddsa"},
	jose.DecryptionAlg: {vault: "rsa-3072", suffix: "enc"},
}

// call returns the fields of a sign call that are the same for all its items.
func (k *kind) call(version int) map[string]any {
	fields := map[string]any{"key_version": version}
	maps.Copy(fields, k.params)
	if k.digest {
		fields["prehashed"] = true
		fields["hash_algorithm"] = "sha2-256"
	}
	return fields
}

// item is a signing input as Vault wants it.
func (k *kind) item(input []byte) string {
	if k.digest {
		sum := sha256.Sum256(input)
		input = sum[:]
	}
	return base64.StdEncoding.EncodeToString(input)
}

// decode reads a signature after its "vault:v1:" and checks that it has the length of the key's signatures.
func (k *kind) decode(text string, size int) ([]byte, error) {
	encoding := base64.StdEncoding
	if k.params["marshaling_algorithm"] == "jws" {
		encoding = base64.RawURLEncoding
	}
	signature, err := encoding.DecodeString(text)
	if err != nil || len(signature) != size {
		return nil, errors.New("vault returned something that is not a signature of this key")
	}
	return signature, nil
}

// signatureSize is the length of the signatures that belong to a public key; 0 for one that does not fit.
func (k *kind) signatureSize(public crypto.PublicKey) int {
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		if k.vault == "ecdsa-p256" && key.Curve == elliptic.P256() {
			return 64
		}
	case ed25519.PublicKey:
		if k.vault == "ed25519" {
			return ed25519.SignatureSize
		}
	case *rsa.PublicKey:
		if strings.HasPrefix(k.vault, "rsa-") {
			return key.Size()
		}
	}
	return 0
}

// prefix is what every signature and ciphertext of a version begins with.
func prefix(version int) string { return fmt.Sprintf("vault:v%d:", version) }
