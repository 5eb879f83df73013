package jose

import (
	"crypto"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/lestrrat-go/jwx/v2/jwk"
)

// Embedded is a token whose signature has been checked with the key in its own header: it proves that its maker
// holds that key, and nothing about who that is.
type Embedded struct {
	Verified
	Key        crypto.PublicKey
	Thumbprint string // of Key: SHA-256, base64url (RFC 7638)
}

// VerifyEmbedded checks a compact JWS with the public key of its jwk header (RFC 7515 section 4.1.3). The header's
// alg must be in algs and fit the key; thumbprint is the one that the key must have, "" = any. A private or symmetric
// key is [ErrMalformed], as is an RSA key beyond [MaxEmbeddedRSABits] or with an uncommon exponent; another key than the
// one that is expected is [ErrUnknownKey], and nothing is computed with it. Errors wrap these, [ErrAlgorithm] or
// [ErrSignature].
func VerifyEmbedded(compact string, algs []string, thumbprint string) (Embedded, error) {
	p, err := split(compact)
	if err != nil {
		return Embedded{}, err
	}
	if _, known := hashOf(p.Alg); !known || strings.HasPrefix(p.Alg, "HS") || !slices.Contains(algs, p.Alg) {
		return Embedded{}, ErrAlgorithm
	}
	key, err := embeddedKey(compact, p.Alg)
	if err != nil {
		return Embedded{}, fmt.Errorf("jwk: %w", err)
	}
	found, err := Thumbprint(key)
	if err != nil {
		return Embedded{}, err
	}
	if thumbprint != "" && found != thumbprint {
		return Embedded{}, ErrUnknownKey
	}
	verified, err := p.verify(key)
	if err != nil {
		return Embedded{}, err
	}
	return Embedded{Verified: verified, Key: key, Thumbprint: found}, nil
}

// embeddedKey reads the header's jwk as strictly as a key of a set. Its certificates are not looked at.
func embeddedKey(compact, alg string) (crypto.PublicKey, error) {
	list, err := headerMembers(compact)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(list, func(m member) bool { return m.name == "jwk" })
	if at < 0 {
		return nil, fmt.Errorf("%w: missing", ErrMalformed)
	}
	head, err := readHead(list[at].value)
	if err != nil {
		return nil, err
	}
	if !head.supported() {
		return nil, fmt.Errorf("%w: not a supported kind of key", ErrMalformed)
	}
	public, err := parsePublic(list[at].value)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(head.algs(public), alg) {
		return nil, fmt.Errorf("%w: not for this key", ErrAlgorithm)
	}
	if key, ok := public.(*rsa.PublicKey); ok && (key.N.BitLen() > MaxEmbeddedRSABits || key.E != embeddedExponent) {
		return nil, fmt.Errorf("%w: at most %d bits and the exponent %d", ErrMalformed, MaxEmbeddedRSABits, embeddedExponent)
	}
	return public, nil
}

// SignEmbedded returns a compact JWS with alg, typ and the public key itself in its header: what VerifyEmbedded
// reads.
func (k *PrivateKey) SignEmbedded(typ string, payload []byte) (string, error) {
	public, err := jwk.FromRaw(k.Public())
	if err != nil {
		return "", fmt.Errorf("%w: key of type %T", ErrMalformed, k.Public())
	}
	key, err := json.Marshal(public)
	if err != nil {
		return "", fmt.Errorf("%w: key of type %T", ErrMalformed, k.Public())
	}
	header, err := NewHeader(k.alg, "")
	if err != nil {
		return "", err
	}
	header.start += `,"jwk":` + string(key)
	input, err := header.Input(typ, payload)
	if err != nil {
		return "", err
	}
	signature, err := k.SignInput(input)
	if err != nil {
		return "", fmt.Errorf("signing with %s: %w", k.alg, err)
	}
	return Compact(input, signature), nil
}
