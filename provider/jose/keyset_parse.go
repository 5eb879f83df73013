package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/lestrrat-go/jwx/v2/jwk"
)

// Limits on a JWK set: bytes, keys, and certificates in one x5c member.
const (
	MaxKeySetSize = 256 << 10
	MaxKeys       = 64
	maxChain      = 8
)

// privateMembers are the JWK members that only private and symmetric keys have (RFC 7518 section 6).
var privateMembers = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"}

// ParseKeySet reads a JWK Set (RFC 7517 section 5) of public keys, to verify with and to encrypt to: each does what
// its use, key_ops and alg let it. Keys of a kind that is not supported are left out, as section 5 asks. The whole set is refused ([ErrMalformed]) when it has a private or symmetric
// key, a weak RSA key, a point off its curve, two keys that one token could mean, an x5c that is not the
// key's, no usable key, or when it exceeds the limits.
func ParseKeySet(raw []byte) (*KeySet, error) {
	if len(raw) > MaxKeySetSize {
		return nil, fmt.Errorf("%w: key set longer than %d bytes", ErrMalformed, MaxKeySetSize)
	}
	list, err := members(raw)
	if err != nil {
		return nil, fmt.Errorf("key set: %w", err)
	}
	at := slices.IndexFunc(list, func(m member) bool { return m.name == "keys" })
	var items []json.RawMessage
	if at < 0 || list[at].value[0] != '[' || json.Unmarshal(list[at].value, &items) != nil {
		return nil, fmt.Errorf("%w: key set without an array of keys", ErrMalformed)
	}
	if len(items) > MaxKeys {
		return nil, fmt.Errorf("%w: more than %d keys", ErrMalformed, MaxKeys)
	}
	set := &KeySet{byKid: make(map[string][]int), thumbprints: make(map[string]bool)}
	for i, item := range items {
		if err := set.add(item); err != nil {
			return nil, fmt.Errorf("key %d of the set: %w", i, err)
		}
	}
	if len(set.keys) == 0 {
		return nil, fmt.Errorf("%w: no usable key in the set", ErrMalformed)
	}
	return set, nil
}

// jwkHead is what the set needs from a JWK besides the key itself (RFC 7517 section 4).
type jwkHead struct {
	kty, crv, use, alg, kid, x5t string
	ops, x5c                     []string
}

func (s *KeySet) add(raw json.RawMessage) error {
	head, err := readHead(raw)
	if err != nil {
		return err
	}
	if !head.supported() {
		return nil
	}
	public, err := parsePublic(raw)
	if err != nil {
		return err
	}
	leaf, err := head.leaf(public)
	if err != nil {
		return err
	}
	key := publicKey{
		kid: head.kid, algs: head.algs(public), key: public,
		encrypts: head.encryptionAlgs(public), dedicated: head.use == UseEncryption,
	}
	if err := s.checkUnambiguous(key); err != nil {
		return err
	}
	if leaf != nil {
		s.thumbprints[thumbprintOf(leaf)] = true
	}
	if key.kid != "" {
		s.byKid[key.kid] = append(s.byKid[key.kid], len(s.keys))
	}
	s.keys = append(s.keys, key)
	return nil
}

// readHead reads a JWK's members; a private one is refused before anything else looks at it.
func readHead(raw json.RawMessage) (head jwkHead, err error) {
	list, err := members(raw)
	if err != nil {
		return head, err
	}
	for _, m := range list {
		if slices.Contains(privateMembers, m.name) {
			return head, fmt.Errorf("%w: a private or symmetric key", ErrMalformed)
		}
		switch m.name {
		case "kty":
			head.kty, err = unquote(m.value)
		case "crv":
			head.crv, err = unquote(m.value)
		case "use":
			head.use, err = unquote(m.value)
		case "alg":
			head.alg, err = unquote(m.value)
		case "kid":
			head.kid, err = unquote(m.value)
		case "x5t#S256":
			head.x5t, err = unquote(m.value)
		case "key_ops":
			head.ops, _, err = audience(m.value)
		case "x5c":
			head.x5c, _, err = audience(m.value)
		}
		if err != nil {
			return head, fmt.Errorf("%s: %w", m.name, err)
		}
	}
	if head.kty == "" || head.kty == "oct" {
		return head, fmt.Errorf("%w: not a public key", ErrMalformed)
	}
	return head, nil
}

func (h *jwkHead) supported() bool {
	switch h.kty {
	case "RSA":
		return true
	case "EC":
		return h.crv == "P-256" || h.crv == "P-384" || h.crv == "P-521"
	case "OKP":
		return h.crv == "Ed25519"
	default:
		return false
	}
}

// algs is what the key may verify: what its kind can, narrowed by use, key_ops and alg.
func (h *jwkHead) algs(public crypto.PublicKey) []string {
	if h.use != "" && h.use != UseSignature || len(h.ops) > 0 && !slices.Contains(h.ops, "verify") {
		return nil
	}
	return slices.DeleteFunc(algsFor(public), func(alg string) bool { return h.alg != "" && h.alg != alg })
}

// encryptionAlgs is what may be encrypted to the key, narrowed likewise. Of key_ops either name of the operation will
// do: RSA keys wrap, EC keys derive (RFC 7517 section 4.3).
func (h *jwkHead) encryptionAlgs(public crypto.PublicKey) []string {
	operations := []string{"wrapKey", "encrypt"}
	if h.kty == "EC" {
		operations = []string{"deriveKey", "deriveBits"}
	}
	named := func(op string) bool { return slices.Contains(h.ops, op) }
	if h.use != "" && h.use != UseEncryption || len(h.ops) > 0 && !slices.ContainsFunc(operations, named) {
		return nil
	}
	return slices.DeleteFunc(encryptionAlgsFor(public), func(alg string) bool { return h.alg != "" && h.alg != alg })
}

// parsePublic lets jwx read the key, once, into the raw form that its verifiers want.
func parsePublic(raw json.RawMessage) (crypto.PublicKey, error) {
	key, err := jwk.ParseKey(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: not a valid JWK", ErrMalformed)
	}
	var public any
	if key.Validate() != nil || key.Raw(&public) != nil {
		return nil, fmt.Errorf("%w: not a valid JWK", ErrMalformed)
	}
	switch public := public.(type) {
	case *ecdsa.PublicKey:
		if _, err := public.Bytes(); err != nil { // refuses a point off the curve
			return nil, fmt.Errorf("%w: not a point on the curve", ErrMalformed)
		}
	case ed25519.PublicKey:
		if len(public) != ed25519.PublicKeySize { // jwx lets it through; ed25519.Verify would panic
			return nil, fmt.Errorf("%w: an Ed25519 key of the wrong length", ErrMalformed)
		}
	}
	return public, checkStrength(public)
}

// checkUnambiguous refuses a second key with the same kid that could verify the same algorithm.
func (s *KeySet) checkUnambiguous(key publicKey) error {
	for _, i := range s.byKid[key.kid] {
		for _, alg := range key.algs {
			if slices.Contains(s.keys[i].algs, alg) {
				return fmt.Errorf("%w: two keys with the same kid and algorithm", ErrMalformed)
			}
		}
	}
	return nil
}

// leaf reads x5c: standard base64 of DER, the first one carrying this very key (RFC 7517 section 4.7).
func (h *jwkHead) leaf(public crypto.PublicKey) (*x509.Certificate, error) {
	if len(h.x5c) == 0 {
		return nil, nil
	}
	if len(h.x5c) > maxChain {
		return nil, fmt.Errorf("%w: x5c has more than %d certificates", ErrMalformed, maxChain)
	}
	der, err := base64.StdEncoding.DecodeString(h.x5c[0])
	if err != nil {
		return nil, fmt.Errorf("%w: x5c is not base64", ErrMalformed)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("%w: x5c is not a certificate", ErrMalformed)
	}
	same, ok := public.(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !same.Equal(cert.PublicKey) {
		return nil, fmt.Errorf("%w: the certificate in x5c has another key", ErrMalformed)
	}
	if h.x5t != "" && h.x5t != thumbprintOf(cert) {
		return nil, fmt.Errorf("%w: x5t#S256 is not that of the certificate in x5c", ErrMalformed)
	}
	return cert, nil
}

func thumbprintOf(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
