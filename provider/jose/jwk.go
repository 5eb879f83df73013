package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/lestrrat-go/jwx/v2/jwk"
)

// Thumbprint returns the SHA-256 JWK thumbprint (RFC 7638) of a public key, base64url without padding.
func Thumbprint(public crypto.PublicKey) (string, error) {
	key, err := jwk.FromRaw(public)
	if err != nil {
		return "", fmt.Errorf("%w: key of type %T", ErrMalformed, public)
	}
	sum, err := key.Thumbprint(crypto.SHA256)
	if err != nil {
		return "", fmt.Errorf("%w: thumbprint of a key of type %T", ErrMalformed, public)
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}

// PublicKey is a public key as it is published. Kid "" and Alg "" are left out of the JWK.
type PublicKey struct {
	Kid    string
	Alg    string
	Public crypto.PublicKey
}

// MarshalKeySet writes a JWK Set (RFC 7517 section 5), in the given order. Each key's use is that of its algorithm (see
// [Use]); without one it is for signatures.
func MarshalKeySet(keys []PublicKey) ([]byte, error) {
	document := struct {
		Keys []json.RawMessage `json:"keys"`
	}{Keys: make([]json.RawMessage, 0, len(keys))}
	for _, k := range keys {
		raw, err := marshalKey(k)
		if err != nil {
			return nil, err
		}
		document.Keys = append(document.Keys, raw)
	}
	return json.Marshal(document)
}

func marshalKey(k PublicKey) (json.RawMessage, error) {
	if algsFor(k.Public) == nil { // private keys included
		return nil, fmt.Errorf("%w: key of type %T", ErrMalformed, k.Public)
	}
	if Use(k.Alg) == UseEncryption && !slices.Contains(encryptionAlgsFor(k.Public), k.Alg) {
		return nil, fmt.Errorf("%w: key of type %T for %s", ErrMalformed, k.Public, k.Alg)
	}
	key, err := jwk.FromRaw(k.Public)
	if err != nil {
		return nil, fmt.Errorf("%w: key of type %T", ErrMalformed, k.Public)
	}
	values := map[string]string{jwk.KeyUsageKey: Use(k.Alg), jwk.KeyIDKey: k.Kid, jwk.AlgorithmKey: k.Alg}
	for name, value := range values {
		if value == "" {
			continue
		}
		if err := key.Set(name, value); err != nil {
			return nil, fmt.Errorf("%w: %s of a JWK", ErrMalformed, name)
		}
	}
	return json.Marshal(key)
}

// Generate makes a key pair for an algorithm: ES256, ES384, ES512, EdDSA, or RSA with rsaBits for the PS and
// RS algorithms and for [DecryptionAlg], which takes seconds for large keys.
func Generate(alg string, rsaBits int, random io.Reader) (crypto.Signer, error) {
	switch alg {
	case "ES256":
		return ecdsa.GenerateKey(elliptic.P256(), random)
	case "ES384":
		return ecdsa.GenerateKey(elliptic.P384(), random)
	case "ES512":
		return ecdsa.GenerateKey(elliptic.P521(), random)
	case "EdDSA":
		_, private, err := ed25519.GenerateKey(random)
		return private, err
	case "PS256", "PS384", "PS512", "RS256", "RS384", "RS512", DecryptionAlg:
		if rsaBits < MinRSABits || rsaBits > MaxRSABits {
			return nil, fmt.Errorf("%w: RSA keys need %d to %d bits", ErrAlgorithm, MinRSABits, MaxRSABits)
		}
		return rsa.GenerateKey(random, rsaBits)
	default:
		return nil, fmt.Errorf("%w: cannot make a key for it", ErrAlgorithm)
	}
}
