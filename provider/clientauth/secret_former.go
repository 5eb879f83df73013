package clientauth

import (
	"context"
	"errors"
	"time"

	"signet/provider/oauth"
)

// Former returns the client's secret from before the present one while it still counts, at now; nil = there is none.
func Former(c *oauth.Client, now time.Time) *oauth.FormerSecret {
	if c.Former == nil || !now.Before(c.Former.Until) {
		return nil
	}
	return c.Former
}

// NewSecret makes a secret for the client: 256 bits in base64url, and where it is a key for HMAC, 512, which are enough
// for each of its algorithms (RFC 7518 section 3.2).
func NewSecret(random oauth.Random, c *oauth.Client) (oauth.Secret, error) {
	secret, err := oauth.NewSecret(random)
	if err != nil || c.AuthMethod != oauth.AuthSecretJWT {
		return secret, err
	}
	more, err := oauth.NewSecret(random)
	return oauth.Secret(secret.Reveal() + more.Reveal()), err
}

// ReplaceSecret puts a secret in the place of the client's, in the form in which it rests. The one that it has now counts
// until the given time, so that what uses it can be changed over; zero = it ends at once. One that was former already
// ends. It fails for a client that has no secret, and when the old secret is to count on beside one that was not
// generated: of the two, at most one may be dear to check (see secretChecker).
func ReplaceSecret(ctx context.Context, sealer Sealer, random oauth.Random, c *oauth.Client, secret oauth.Secret, until time.Time) error {
	if !KeepsSecret(c) {
		return errors.New("the client has no secret")
	}
	var former *oauth.FormerSecret
	if !until.IsZero() {
		if !generated(secret.Reveal()) {
			return errors.New("only a generated secret can have a former one beside it")
		}
		former = &oauth.FormerSecret{Hash: c.SecretHash, Sealed: c.SecretSealed, Until: until}
	}
	changed := *c
	if err := KeepSecret(ctx, sealer, random, &changed, secret); err != nil {
		return err
	}
	changed.Former = former
	*c = changed
	return nil
}

// hashes are those of the client's secrets: the present one's, and the former one's while it counts.
func hashes(c *oauth.Client, now time.Time) (present, former string) {
	if f := Former(c, now); f != nil {
		former = f.Hash
	}
	return c.SecretHash, former
}

// withFormer is the client with the former secret, while it counts, in the place of the present one; without, it is the
// client as it is.
func withFormer(c *oauth.Client, now time.Time) *oauth.Client {
	f := Former(c, now)
	if f == nil || len(f.Sealed) == 0 {
		return c
	}
	other := *c
	other.SecretSealed = f.Sealed
	return &other
}
