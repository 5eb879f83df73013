package oauth

import (
	"encoding/base64"
	"fmt"
	"io"
	"time"
)

// Clock tells the present time. It is injected everywhere; only cmd calls time.Now.
type Clock func() time.Time

// Random is a source of cryptographically secure bytes. It must be safe for concurrent use.
type Random = io.Reader

// NewID returns 128 random bits, base64url without padding: for identifiers that are not secrets.
func NewID(r Random) (string, error) { return randomText(r, 16) }

// NewSecret returns 256 random bits, base64url without padding: for codes, tokens and client secrets.
// RFC 6749 section 10.10 asks for a guessing probability of at most 2^-128.
func NewSecret(r Random) (Secret, error) {
	text, err := randomText(r, 32)
	return Secret(text), err
}

func randomText(r Random, n int) (string, error) {
	raw := make([]byte, n)
	if _, err := io.ReadFull(r, raw); err != nil {
		return "", fmt.Errorf("reading randomness: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(raw), nil
}
