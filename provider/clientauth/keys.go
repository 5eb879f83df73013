package clientauth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"signet/provider/jose"
	"signet/provider/oauth"
)

const jwksAccept = "application/jwk-set+json, application/json"

// clientKeys finds clients' public keys and keeps parsed sets: parsing costs more than verifying. A set
// stays only as long as the bytes it came from stay the same.
type clientKeys struct {
	fetch  Fetcher
	maxAge time.Duration
	sets   memo[parsedKeys] // by client_id or URL, both registered
}

type parsedKeys struct {
	raw []byte
	set *jose.KeySet
}

// of returns the client's keys, by value before by reference. An error that is no *oauth.Error means that
// they cannot be had now.
func (k *clientKeys) of(ctx context.Context, c *oauth.Client) (*jose.KeySet, error) {
	raw, err := k.raw(ctx, c)
	if err != nil {
		return nil, err
	}
	return k.parse(memoName(c), raw)
}

// raw returns the client's JWK set as it is.
func (k *clientKeys) raw(ctx context.Context, c *oauth.Client) ([]byte, error) {
	if len(c.JWKS) > 0 {
		return c.JWKS, nil
	}
	if c.JWKSURI == "" {
		return nil, failed(errors.New("the client has no keys"))
	}
	raw, err := k.fetch.Cached(ctx, c.JWKSURI, jwksAccept, k.maxAge)
	if err != nil {
		return nil, fmt.Errorf("reading the client's jwks_uri: %w", err)
	}
	return raw, nil
}

// memoName is what the client's parsed keys are kept by.
func memoName(c *oauth.Client) string {
	if len(c.JWKS) > 0 {
		return "id:" + c.ID
	}
	return c.JWKSURI
}

// Keys returns the client's registered keys, by value before by reference, for encrypting to it. Where those at its
// jwks_uri have none for what it has registered they are read again: one may have been added since. An error means that
// there are none or that they cannot be had now; it is never an *[oauth.Error], as nobody has failed to authenticate.
func (a *Authenticator) Keys(ctx context.Context, c *oauth.Client) (*jose.KeySet, error) {
	k := a.deps.keys
	set, err := k.of(ctx, c)
	if fault := (*oauth.Error)(nil); errors.As(err, &fault) {
		return nil, fmt.Errorf("client %s: %w", c.ID, fault.Cause)
	}
	if err != nil {
		return nil, err
	}
	if len(c.JWKS) > 0 || encryptable(set, c) {
		return set, nil
	}
	if fresh, err := k.refreshed(ctx, c); err == nil {
		return fresh, nil
	}
	return set, nil
}

// encryptable says whether the set has a key for each algorithm by which something is to be encrypted to the client.
func encryptable(set *jose.KeySet, c *oauth.Client) bool {
	for _, alg := range []string{c.IDTokenEncAlg, c.UserinfoEncAlg, c.IntrospectionEncAlg, c.ResponseEncAlg} {
		if alg != "" && !set.Encrypts(alg) {
			return false
		}
	}
	return true
}

// ErrSignature is wrapped by the errors of [Authenticator.VerifySigned] for what the client's keys did not sign.
var ErrSignature = errors.New("not signed by the client")

// VerifySigned checks a JWS against the client's registered keys: a request object (RFC 9101 section 6.2), a signed
// backchannel authentication request. algs are those that count. An error that wraps [ErrSignature] is the client's
// fault; an *[oauth.Error] goes to the client as it is; any other means that the keys cannot be had now.
func (a *Authenticator) VerifySigned(ctx context.Context, c *oauth.Client, compact string, algs []string) (jose.Verified, error) {
	return a.deps.keys.verify(ctx, c, compact, algs)
}

// verify reads the client's jwks_uri again when the key is not among those known.
func (k *clientKeys) verify(ctx context.Context, c *oauth.Client, compact string, algs []string) (jose.Verified, error) {
	set, err := k.of(ctx, c)
	if err != nil {
		return jose.Verified{}, err
	}
	v, err := jose.Verify(compact, set, algs)
	if errors.Is(err, jose.ErrUnknownKey) && c.JWKSURI != "" {
		if set, err = k.refreshed(ctx, c); err == nil {
			v, err = jose.Verify(compact, set, algs)
		}
	}
	if err != nil {
		return jose.Verified{}, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	return v, nil
}

// refreshed reads the client's jwks_uri again: keys that were added since are in it.
func (k *clientKeys) refreshed(ctx context.Context, c *oauth.Client) (*jose.KeySet, error) {
	raw, err := k.again(ctx, c)
	if err != nil {
		return nil, err
	}
	return k.parse(c.JWKSURI, raw)
}

func (k *clientKeys) again(ctx context.Context, c *oauth.Client) ([]byte, error) {
	raw, err := k.fetch.Refresh(ctx, c.JWKSURI, jwksAccept)
	if err != nil {
		return nil, fmt.Errorf("reading the client's jwks_uri again: %w", err)
	}
	return raw, nil
}

func (k *clientKeys) parse(name string, raw []byte) (*jose.KeySet, error) {
	if kept, ok := k.sets.get(name); ok && bytes.Equal(kept.raw, raw) {
		return kept.set, nil
	}
	set, err := jose.ParseKeySet(raw)
	if err != nil {
		return nil, failed(fmt.Errorf("the client's keys: %w", err))
	}
	k.sets.put(name, parsedKeys{bytes.Clone(raw), set})
	return set, nil
}
