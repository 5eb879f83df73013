package clientauth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"time"

	"github.com/alexedwards/argon2id"
	"golang.org/x/crypto/argon2"

	"signet/provider/oauth"
)

// A client secret rests in one of two forms. Which one depends on the secret alone, so that the time
// which a check takes tells nothing about the client.
const (
	digestPrefix = "sha256$"    // for secrets of full entropy
	argonPrefix  = "$argon2id$" // PHC string, for everything that a person may have chosen

	generatedLen = 43 // 256 bits in base64url, as oauth.NewSecret makes
	maxSecret    = 1024
)

// Argon2id parameters (RFC 9106; the OWASP minimum): 19 MiB, two passes, one lane.
const (
	argonMemory = 19 << 10 // KiB
	argonTime   = 2
	argonLanes  = 1
	argonSalt   = 16
	argonKey    = 32
)

// HashSecret returns the form in which a client secret is kept: its SHA-256 when it has the form of a
// generated one (at least 43 base64url characters), else argon2id with a salt from random.
func HashSecret(secret oauth.Secret, random oauth.Random) (string, error) {
	text := secret.Reveal()
	if text == "" || len(text) > maxSecret || !plain(text) {
		return "", fmt.Errorf("a client secret has 1 to %d bytes of UTF-8 without control characters", maxSecret)
	}
	if generated(text) {
		return digestPrefix + secret.Digest().String(), nil
	}
	salt := make([]byte, argonSalt)
	if _, err := io.ReadFull(random, salt); err != nil {
		return "", fmt.Errorf("reading randomness: %w", err)
	}
	return argonText(salt, argon2.IDKey([]byte(text), salt, argonTime, argonMemory, argonLanes, argonKey)), nil
}

// KeepSecret puts the secret into the form in which it rests: sealed for the one method that computes with it,
// hashed for the others. Any that the client had before is gone, a former one too; methods without a secret keep none.
func KeepSecret(ctx context.Context, sealer Sealer, random oauth.Random, c *oauth.Client, secret oauth.Secret) (err error) {
	c.SecretHash, c.SecretSealed, c.Former = "", nil, nil
	switch c.AuthMethod {
	case oauth.AuthSecretJWT:
		c.SecretSealed, err = SealSecret(ctx, sealer, c.ID, secret)
	case oauth.AuthSecretBasic, oauth.AuthSecretPost:
		c.SecretHash, err = HashSecret(secret, random)
	}
	return err
}

// KeepsSecret says whether the client has a secret in the form that its method needs.
func KeepsSecret(c *oauth.Client) bool {
	if c.AuthMethod == oauth.AuthSecretJWT {
		return len(c.SecretSealed) > 0
	}
	return c.AuthMethod.UsesSecret() && c.SecretHash != ""
}

// IsSecret says whether the secret is the client's present one. The comparison takes constant time.
func IsSecret(ctx context.Context, sealer Sealer, c *oauth.Client, secret oauth.Secret) (bool, error) {
	if len(c.SecretSealed) == 0 {
		return CheckSecret(c.SecretHash, secret)
	}
	kept, err := sealer.Open(ctx, c.SecretSealed, sealContext(c.ID))
	if err != nil {
		return false, fmt.Errorf("opening the client's secret: %w", err)
	}
	defer clear(kept)
	return subtle.ConstantTimeCompare(kept, []byte(secret.Reveal())) == 1, nil
}

func argonText(salt, key []byte) string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("%sv=%d$m=%d,t=%d,p=%d$%s$%s", argonPrefix, argon2.Version, argonMemory, argonTime,
		argonLanes, b64.EncodeToString(salt), b64.EncodeToString(key))
}

// CheckSecret says whether the secret is the one of which [HashSecret] made the hash. The comparison takes
// constant time. An empty hash or secret, or a hash of the form that HashSecret does not give this
// secret, never matches; an error means that the hash is damaged.
func CheckSecret(hash string, secret oauth.Secret) (bool, error) {
	text := secret.Reveal()
	if hash == "" || text == "" || len(text) > maxSecret {
		return false, nil
	}
	digest, isDigest := strings.CutPrefix(hash, digestPrefix)
	switch {
	case isDigest:
		var want oauth.Digest
		n, err := base64.RawURLEncoding.Decode(want[:], []byte(digest[:min(len(digest), generatedLen)]))
		if err != nil || n != sha256.Size || len(digest) != generatedLen {
			return false, errors.New("the client's secret hash is damaged")
		}
		got := secret.Digest()
		return subtle.ConstantTimeCompare(got[:], want[:]) == 1 && generated(text), nil
	case !strings.HasPrefix(hash, argonPrefix):
		return false, errors.New("the client's secret hash has an unknown form")
	case generated(text):
		return false, nil
	}
	match, err := argon2id.ComparePasswordAndHash(text, hash)
	if err != nil {
		return false, fmt.Errorf("the client's secret hash: %w", err)
	}
	return match, nil
}

// generated says whether the secret has the form of one that oauth.NewSecret made.
func generated(text string) bool {
	if len(text) < generatedLen {
		return false
	}
	for i := range len(text) {
		switch c := text[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}

// secretChecker checks presented secrets, of which only so many at once may cost what argon2id costs. A client may have
// two, of which argon2id has at most one: a secret costs what its own form costs, whichever client's it is said to be,
// whatever that has.
type secretChecker struct {
	slots slots
	dummy string // matches nothing; costs what a real one costs
}

func newSecretChecker() *secretChecker {
	return &secretChecker{
		slots: make(slots, max(1, runtime.GOMAXPROCS(0)/2)),
		dummy: argonText(make([]byte, argonSalt), make([]byte, argonKey)),
	}
}

// check returns nil when the secret is the present hash's or the former one's; "" = there is none.
func (s *secretChecker) check(ctx context.Context, secret oauth.Secret, present, former string) error {
	if secret != "" && len(secret) <= maxSecret && !generated(secret.Reveal()) {
		return s.checkSlow(ctx, secret, present, former)
	}
	if former == "" {
		former = present
	}
	match, err := CheckSecret(present, secret)
	again, damaged := CheckSecret(former, secret)
	if match || again {
		return nil
	}
	if err = errors.Join(err, damaged); err != nil {
		return err
	}
	return failed(errWrongSecret)
}

// checkSlow runs argon2id once: with the one hash that has its form, or for its cost alone.
func (s *secretChecker) checkSlow(ctx context.Context, secret oauth.Secret, present, former string) error {
	release, err := s.slots.enter(ctx)
	if err != nil {
		return err
	}
	defer release()
	hash := s.dummy
	for _, h := range []string{former, present} {
		if strings.HasPrefix(h, argonPrefix) {
			hash = h
		}
	}
	match, err := CheckSecret(hash, secret)
	switch {
	case hash == s.dummy || err == nil && !match:
		return failed(errWrongSecret)
	default:
		return err
	}
}

var errWrongSecret = errors.New("wrong secret")

// pretend spends on a client that was refused before its secret was looked at what the look would have
// cost, and returns what to answer: the refusal, or that there was no time even for that.
func (s *secretChecker) pretend(ctx context.Context, r *Request, refusal error) error {
	secret := r.Params.Secret("client_secret")
	if r.Basic != nil {
		secret = r.Basic.Secret
	}
	if err := s.check(ctx, secret, "", ""); !errors.Is(err, errWrongSecret) {
		return unavailable(err)
	}
	return refusal
}

// slots bound how much of something happens at once.
type slots chan struct{}

// slotWait bounds how long a request waits for its turn.
const slotWait = 2 * time.Second

// enter waits for a turn; release ends it.
func (s slots) enter(ctx context.Context) (release func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, slotWait)
	defer cancel()
	select {
	case s <- struct{}{}:
		return func() { <-s }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for a turn at client secrets: %w", ctx.Err())
	}
}
