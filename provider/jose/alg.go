package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	_ "crypto/sha256" // the hashes that the algorithms name
	_ "crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
)

// What can be wrong with a token or a key set. Returned errors wrap one of these; none echoes key material
// or the token.
var (
	// ErrMalformed: the bytes do not have the form that the specification gives them.
	ErrMalformed = errors.New("malformed")
	// ErrAlgorithm: the algorithm is not allowed here, or not for this key.
	ErrAlgorithm = errors.New("algorithm not allowed")
	// ErrUnknownKey: the set has no key that the token could mean. A fresher set may have it.
	ErrUnknownKey = errors.New("unknown key")
	// ErrSignature: the signature does not match.
	ErrSignature = errors.New("signature does not match")
)

// Limits on RSA keys: RFC 7518 section 3.3 sets the lower one; the upper one bounds the cost of a check.
const (
	MinRSABits = 2048
	MaxRSABits = 8192
)

// Limits on RSA keys that come with what they signed (see [VerifyEmbedded]): a stranger chooses them, and with them
// the cost of a check, which grows with the modulus and with the exponent.
const (
	MaxEmbeddedRSABits = 4096
	embeddedExponent   = 65537
)

// hashOf names the hash of each supported algorithm (RFC 7518 section 3.1, RFC 8037 section 3.1).
func hashOf(alg string) (crypto.Hash, bool) {
	switch alg {
	case "ES256", "PS256", "RS256", "HS256":
		return crypto.SHA256, true
	case "ES384", "PS384", "RS384", "HS384":
		return crypto.SHA384, true
	case "ES512", "PS512", "RS512", "HS512", "EdDSA":
		return crypto.SHA512, true // Ed25519 hashes with SHA-512 inside
	default:
		return 0, false
	}
}

// algsFor lists what a public key can be used for; nil when the key's kind is not supported.
func algsFor(public crypto.PublicKey) []string {
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		switch key.Curve { // RFC 7518 section 3.4: each curve has one algorithm
		case elliptic.P256():
			return []string{"ES256"}
		case elliptic.P384():
			return []string{"ES384"}
		case elliptic.P521():
			return []string{"ES512"}
		}
	case *rsa.PublicKey:
		return []string{"PS256", "PS384", "PS512", "RS256", "RS384", "RS512"}
	case ed25519.PublicKey:
		return []string{"EdDSA"}
	}
	return nil
}

// checkFit says whether the key is of the kind that the algorithm needs and strong enough.
func checkFit(alg string, public crypto.PublicKey) error {
	if !slices.Contains(algsFor(public), alg) {
		return fmt.Errorf("%w: %q does not fit a key of type %T", ErrAlgorithm, alg, public)
	}
	return checkStrength(public)
}

func checkStrength(public crypto.PublicKey) error {
	key, ok := public.(*rsa.PublicKey)
	if !ok {
		return nil
	}
	if bits := key.N.BitLen(); bits < MinRSABits || bits > MaxRSABits {
		return fmt.Errorf("%w: RSA keys need %d to %d bits", ErrMalformed, MinRSABits, MaxRSABits)
	}
	if key.E < 3 || key.E%2 == 0 {
		return fmt.Errorf("%w: RSA exponent", ErrMalformed)
	}
	return nil
}

// HalfHash returns the left half of the hash of s, base64url without padding: at_hash and c_hash (OpenID
// Connect Core section 3.1.3.6). The hash is the one of the ID token's alg; for EdDSA it is SHA-512.
func HalfHash(alg, s string) (string, error) {
	hash, ok := hashOf(alg)
	if !ok {
		return "", fmt.Errorf("%w: no hash is known for it", ErrAlgorithm)
	}
	h := hash.New()
	h.Write([]byte(s))
	sum := h.Sum(nil)
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2]), nil
}
