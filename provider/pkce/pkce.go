package pkce

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
)

// MethodS256 is the only code_challenge_method (RFC 7636 section 4.2; RFC 9700 section 2.1.1).
const MethodS256 = "S256"

const (
	minVerifier  = 43 // RFC 7636 section 4.1
	maxVerifier  = 128
	challengeLen = 43 // a SHA-256 digest, base64url without padding
)

// strict also refuses an encoding whose unused bits are set, so that each digest has one form.
func strict() *base64.Encoding { return base64.RawURLEncoding.Strict() }

// ValidVerifier says whether the text is a code_verifier: 43 to 128 unreserved characters
// (RFC 7636 section 4.1).
func ValidVerifier(verifier string) bool {
	if len(verifier) < minVerifier || len(verifier) > maxVerifier {
		return false
	}
	for i := range len(verifier) {
		if !unreserved(verifier[i]) {
			return false
		}
	}
	return true
}

// ValidChallenge says whether the text can be an S256 code_challenge (RFC 7636 section 4.2): the
// base64url form, without padding, of 32 bytes.
func ValidChallenge(challenge string) bool {
	_, ok := decodeChallenge(challenge)
	return ok
}

// Verify says whether the verifier is the one whose S256 transformation is the challenge
// (RFC 7636 section 4.6). It is false when either is malformed, an empty challenge included, and
// takes the same time wherever the digests differ.
func Verify(challenge, verifier string) bool {
	want, ok := decodeChallenge(challenge)
	if !ok || !ValidVerifier(verifier) {
		return false
	}
	got := sha256.Sum256([]byte(verifier))
	return subtle.ConstantTimeCompare(got[:], want[:]) == 1
}

func decodeChallenge(challenge string) (digest [sha256.Size]byte, ok bool) {
	if len(challenge) != challengeLen {
		return digest, false
	}
	// base64 skips line breaks silently; then fewer than 32 bytes come out.
	n, err := strict().Decode(digest[:], []byte(challenge))
	return digest, err == nil && n == sha256.Size
}

// unreserved = ALPHA / DIGIT / "-" / "." / "_" / "~" (RFC 3986 section 2.3)
func unreserved(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	default:
		return c == '-' || c == '.' || c == '_' || c == '~'
	}
}
