package jose

import (
	"crypto"
	"crypto/ecdsa"
	"encoding/base64"
	"fmt"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jws"
)

// Header makes protected headers for one key. It is immutable and safe for concurrent use.
type Header struct{ start string } // {"alg":"...","kid":"..." without the closing brace

// NewHeader prepares the header of a key. kid may be "", then it is left out.
func NewHeader(alg, kid string) (Header, error) {
	if !plain(alg) || !plain(kid) || alg == "" {
		return Header{}, fmt.Errorf("%w: alg or kid has characters that need escaping", ErrMalformed)
	}
	start := `{"alg":"` + alg + `"`
	if kid != "" {
		start += `,"kid":"` + kid + `"`
	}
	return Header{start}, nil
}

// Input returns the JWS signing input (RFC 7515 section 5.1): header.payload. typ is left out when "".
func (h Header) Input(typ string, payload []byte) ([]byte, error) {
	if !plain(typ) {
		return nil, fmt.Errorf("%w: typ has characters that need escaping", ErrMalformed)
	}
	var room [192]byte
	head := append(room[:0], h.start...)
	if typ != "" {
		head = append(append(append(head, `,"typ":"`...), typ...), '"')
	}
	head = append(head, '}')

	b64 := base64.RawURLEncoding
	size := b64.EncodedLen(len(head)) + 1 + b64.EncodedLen(len(payload))
	input := make([]byte, 0, size)
	input = b64.AppendEncode(input, head)
	input = append(input, '.')
	return b64.AppendEncode(input, payload), nil
}

// Compact joins a signing input and its signature to a compact JWS (RFC 7515 section 7.1).
func Compact(input, signature []byte) string {
	b64 := base64.RawURLEncoding
	token := make([]byte, 0, len(input)+1+b64.EncodedLen(len(signature)))
	token = append(append(token, input...), '.')
	return string(b64.AppendEncode(token, signature))
}

// plain says that the text stands in a JSON string as it is.
func plain(text string) bool {
	for i := range len(text) {
		if c := text[i]; c < 0x20 || c > 0x7E || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// PrivateKey signs with a key that is in memory. It is immutable and safe for concurrent use.
type PrivateKey struct {
	alg    string
	kid    string
	header Header
	key    crypto.Signer
	signer jws.Signer
}

// NewPrivateKey prepares a key for one algorithm: *ecdsa.PrivateKey, *rsa.PrivateKey or ed25519.PrivateKey.
// With kid "" the key's thumbprint is its kid. Errors wrap [ErrAlgorithm] or [ErrMalformed].
func NewPrivateKey(alg, kid string, key crypto.Signer) (*PrivateKey, error) {
	if err := checkFit(alg, key.Public()); err != nil {
		return nil, err
	}
	signer, err := jws.NewSigner(jwa.SignatureAlgorithm(alg))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAlgorithm, err)
	}
	if kid == "" {
		if kid, err = Thumbprint(key.Public()); err != nil {
			return nil, err
		}
	}
	header, err := NewHeader(alg, kid)
	if err != nil {
		return nil, err
	}
	return &PrivateKey{alg: alg, kid: kid, header: header, key: uncopied(key), signer: signer}, nil
}

// uncopied hides an ECDSA key's type from jwx, which would copy the key for every signature; the standard
// library, which remembers prepared keys by their address, would then prepare it anew each time.
func uncopied(key crypto.Signer) crypto.Signer {
	if _, ok := key.(*ecdsa.PrivateKey); ok {
		return struct{ crypto.Signer }{key}
	}
	return key
}

// Alg returns the algorithm.
func (k *PrivateKey) Alg() string { return k.alg }

// Kid returns the key id.
func (k *PrivateKey) Kid() string { return k.kid }

// Public returns the public key.
func (k *PrivateKey) Public() crypto.PublicKey { return k.key.Public() }

// SignInput returns the signature of a signing input, in the form of RFC 7518 section 3.
func (k *PrivateKey) SignInput(input []byte) ([]byte, error) {
	return k.signer.Sign(input, k.key)
}

// Sign returns a compact JWS with alg, kid and, unless "", typ in its header.
func (k *PrivateKey) Sign(typ string, payload []byte) (string, error) {
	input, err := k.header.Input(typ, payload)
	if err != nil {
		return "", err
	}
	signature, err := k.SignInput(input)
	if err != nil {
		return "", fmt.Errorf("signing with %s: %w", k.alg, err)
	}
	return Compact(input, signature), nil
}

// SignHMAC returns a compact JWS made with a shared secret (RFC 7518 section 3.2): what a client_secret_jwt
// client sends. The secret must be at least as long as the hash.
func SignHMAC(alg, typ string, payload, secret []byte) (string, error) {
	hash, ok := hashOf(alg)
	if !ok || len(alg) != 5 || alg[:2] != "HS" || len(secret) < hash.Size() {
		return "", fmt.Errorf("%w: needs HS256, HS384 or HS512 and a secret as long as the hash", ErrAlgorithm)
	}
	header, err := NewHeader(alg, "")
	if err != nil {
		return "", err
	}
	input, err := header.Input(typ, payload)
	if err != nil {
		return "", err
	}
	signer, err := jws.NewSigner(jwa.SignatureAlgorithm(alg))
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrAlgorithm, err)
	}
	signature, err := signer.Sign(input, secret)
	if err != nil {
		return "", fmt.Errorf("signing with %s: %w", alg, err)
	}
	return Compact(input, signature), nil
}
