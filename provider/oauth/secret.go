package oauth

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"log/slog"
)

const redacted = "[redacted]"

// Secret is text that must never reach a log, an error or a page. Every way of printing it gives a
// placeholder; Reveal is the only way to the text.
type Secret string

// Reveal returns the text, for the one place that has to send or compare it.
func (s Secret) Reveal() string { return string(s) }

// Digest returns the SHA-256 of the text, which is what the store keeps. Only texts of full entropy
// (see [NewSecret]) may be stored as a digest; passwords are not.
func (s Secret) Digest() Digest { return sha256.Sum256([]byte(s)) }

// String implements fmt.Stringer.
func (s Secret) String() string { return redacted }

// GoString implements fmt.GoStringer.
func (s Secret) GoString() string { return redacted }

// Format implements fmt.Formatter, so that %x and %q do not reveal the text either.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// MarshalText implements encoding.TextMarshaler.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// Digest is the SHA-256 of a Secret: the form in which codes and tokens rest in the store.
type Digest [sha256.Size]byte

// String returns the digest in base64url without padding.
func (d Digest) String() string { return base64.RawURLEncoding.EncodeToString(d[:]) }
