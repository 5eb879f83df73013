package jose

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jws"
)

// MaxTokenSize bounds a compact JWS, in bytes.
const MaxTokenSize = 16 << 10

// strict refuses trailing bits and line breaks, so that a token has one spelling only.
var strict = base64.RawURLEncoding.Strict()

// Verified is a token whose signature has been checked.
type Verified struct {
	Alg     string
	Kid     string // "" when the header had none
	Typ     string // "" when the header had none
	Payload []byte
}

// Verify checks a compact JWS (RFC 7515 section 5.2) with a key of the set. The header's alg must be in algs
// and fit the key. A header without kid is accepted only if exactly one key of the set fits. Errors wrap
// [ErrMalformed], [ErrAlgorithm], [ErrUnknownKey] or [ErrSignature].
func Verify(compact string, keys *KeySet, algs []string) (Verified, error) {
	p, err := split(compact)
	if err != nil {
		return Verified{}, err
	}
	if _, known := hashOf(p.Alg); !known || strings.HasPrefix(p.Alg, "HS") || !slices.Contains(algs, p.Alg) {
		return Verified{}, ErrAlgorithm // whatever algs says, "none" is not known
	}
	key, err := keys.choose(p.Kid, p.Alg)
	if err != nil {
		return Verified{}, err
	}
	return p.verify(key)
}

// VerifyHMAC checks a compact JWS that was made with a shared secret: HS256, HS384 or HS512. The secret must
// be at least as long as the hash (RFC 7518 section 3.2); a shorter one is [ErrAlgorithm].
func VerifyHMAC(compact string, secret []byte, algs []string) (Verified, error) {
	p, err := split(compact)
	if err != nil {
		return Verified{}, err
	}
	hash, known := hashOf(p.Alg)
	if !known || !strings.HasPrefix(p.Alg, "HS") || !slices.Contains(algs, p.Alg) {
		return Verified{}, ErrAlgorithm
	}
	if len(secret) < hash.Size() {
		return Verified{}, fmt.Errorf("%w: the secret is shorter than the hash", ErrAlgorithm)
	}
	return p.verify(secret)
}

// parsed is a token whose signature has not been checked yet.
type parsed struct {
	Verified
	input     string // what was signed: header.payload
	signature []byte
}

func split(compact string) (parsed, error) {
	if len(compact) > MaxTokenSize {
		return parsed{}, fmt.Errorf("%w: longer than %d bytes", ErrMalformed, MaxTokenSize)
	}
	header, rest, ok1 := strings.Cut(compact, ".")
	body, signature, ok2 := strings.Cut(rest, ".")
	if !ok1 || !ok2 || strings.Contains(signature, ".") {
		return parsed{}, fmt.Errorf("%w: not three parts", ErrMalformed)
	}
	p := parsed{input: compact[:len(header)+1+len(body)]}
	head, err := decode(header)
	if err != nil {
		return parsed{}, err
	}
	if err := p.readHeader(head); err != nil {
		return parsed{}, fmt.Errorf("header: %w", err)
	}
	if p.Payload, err = decode(body); err != nil {
		return parsed{}, err
	}
	if p.signature, err = decode(signature); err != nil {
		return parsed{}, err
	}
	return p, nil
}

func decode(part string) ([]byte, error) {
	if strings.ContainsAny(part, "\r\n") { // base64 would skip them
		return nil, fmt.Errorf("%w: not base64url", ErrMalformed)
	}
	raw, err := strict.DecodeString(part)
	if err != nil {
		return nil, fmt.Errorf("%w: not base64url", ErrMalformed)
	}
	return raw, nil
}

// readHeader takes alg, kid and typ. It refuses crit and b64: no extension is understood here, and the
// sender says that it must be (RFC 7515 section 4.1.11, RFC 7797 section 6). The rest is left unread.
func (p *parsed) readHeader(raw []byte) error {
	list, err := members(raw)
	if err != nil {
		return err
	}
	for _, m := range list {
		switch m.name {
		case "alg":
			p.Alg, err = unquote(m.value)
		case "kid":
			p.Kid, err = unquote(m.value)
		case "typ":
			p.Typ, err = unquote(m.value)
		case "crit", "b64":
			err = fmt.Errorf("%w: no extension is supported", ErrMalformed)
		}
		if err != nil {
			return err
		}
	}
	if p.Alg == "" {
		return fmt.Errorf("%w: alg is missing", ErrMalformed)
	}
	return nil
}

// verify hands header.payload, signature and the raw key to jwx's verifier. jws.Verify would decode and
// parse everything a second time.
func (p *parsed) verify(key any) (Verified, error) {
	verifier, err := jws.NewVerifier(jwa.SignatureAlgorithm(p.Alg))
	if err != nil {
		return Verified{}, ErrAlgorithm
	}
	if err := verifier.Verify([]byte(p.input), p.signature, key); err != nil {
		return Verified{}, ErrSignature
	}
	return p.Verified, nil
}
