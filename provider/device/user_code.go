package device

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"signet/provider/oauth"
)

// The user code is eight of these letters (RFC 8628 section 6.1): no vowels, so that it spells no word, and none that
// looks like another. It has 34.5 bits.
const (
	alphabet       = "BCDFGHJKLMNPQRSTVWXZ"
	userCodeLength = 8
	// maxTyped bounds what is looked at of what was typed, in bytes.
	maxTyped = 64
)

// UserCode is a user code as it is compared: capital letters of the alphabet, without dashes. It is no secret to
// whoever looks at the device, and is not for logs.
type UserCode struct{ letters string }

// newUserCode draws one.
func newUserCode(random oauth.Random) (UserCode, error) {
	letters := make([]byte, 0, userCodeLength)
	raw := make([]byte, 2*userCodeLength)
	for {
		if _, err := io.ReadFull(random, raw); err != nil {
			return UserCode{}, fmt.Errorf("reading randomness: %w", err)
		}
		for _, b := range raw {
			if int(b) >= 256/len(alphabet)*len(alphabet) {
				continue // or some letters would come more often than others
			}
			if letters = append(letters, alphabet[int(b)%len(alphabet)]); len(letters) == userCodeLength {
				return UserCode{string(letters)}, nil
			}
		}
	}
}

// ParseUserCode reads a code as people type it: without regard to case, and to anything between its letters (RFC 8628
// section 6.1). ok is false for what cannot be one.
func ParseUserCode(typed string) (code UserCode, ok bool) {
	if len(typed) > maxTyped {
		return UserCode{}, false
	}
	letters := make([]byte, 0, userCodeLength)
	for _, c := range typed {
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		switch {
		case strings.ContainsRune(alphabet, c):
			letters = append(letters, byte(c))
		case unicode.IsLetter(c), unicode.IsNumber(c), c == utf8.RuneError:
			return UserCode{}, false // it means something, and not this
		}
	}
	if len(letters) != userCodeLength {
		return UserCode{}, false
	}
	return UserCode{string(letters)}, true
}

// String returns the code as devices show it: two halves with a dash between them.
func (c UserCode) String() string {
	if c.letters == "" {
		return ""
	}
	return c.letters[:userCodeLength/2] + "-" + c.letters[userCodeLength/2:]
}

func (c UserCode) digest() oauth.Digest { return oauth.Secret(c.letters).Digest() }
