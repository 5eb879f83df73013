package resource

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"time"

	"signet/provider/oauth"
)

const minNonceKey = 32 // bytes

// Nonces are the DPoP nonces of a resource server (RFC 9449 section 9): each is the keyed hash of a span of time,
// so that nothing is stored, and processes with the same key take each other's. It is safe for concurrent use.
type Nonces struct {
	key      []byte
	lifetime time.Duration
	clock    oauth.Clock
}

// NewNonces makes Nonces that are handed out for lifetime, at least a second, and taken for twice as long at most.
// The key is secret and random, of at least 32 bytes.
func NewNonces(key []byte, lifetime time.Duration, clock oauth.Clock) (*Nonces, error) {
	if len(key) < minNonceKey || lifetime < time.Second || clock == nil {
		return nil, errors.New("resource: nonces need a key of 32 bytes, a lifetime of a second and a clock")
	}
	return &Nonces{append([]byte(nil), key...), lifetime, clock}, nil
}

// Current returns the nonce of now.
func (n *Nonces) Current() string { return n.at(n.span()) }

// Valid says whether the nonce is of this span of time or of the one before.
func (n *Nonces) Valid(nonce string) bool {
	span := n.span()
	return hmac.Equal([]byte(nonce), []byte(n.at(span))) || hmac.Equal([]byte(nonce), []byte(n.at(span-1)))
}

func (n *Nonces) span() int64 { return n.clock().UnixNano() / int64(n.lifetime) }

func (n *Nonces) at(span int64) string {
	mac := hmac.New(sha256.New, n.key)
	mac.Write(binary.BigEndian.AppendUint64([]byte("dpop-nonce"), uint64(span))) // #nosec G115 -- any bits will do
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
