package assertion

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"signet/provider/jose"
)

const jwksAccept = "application/jwk-set+json, application/json"

// errNoKeys: it cannot be judged now who signed.
var errNoKeys = errors.New("no keys at present")

// keySource is where an issuer's keys come from. A set that was read stays for as long as the bytes that it came from stay
// the same.
type keySource struct {
	fixed  *jose.KeySet // nil = they are at the uri
	uri    string
	fetch  Fetcher
	maxAge time.Duration

	mu  sync.Mutex
	raw []byte
	set *jose.KeySet
}

func newKeySource(issuer Issuer, d Deps) (*keySource, error) {
	source := &keySource{uri: issuer.JWKSURI, fetch: d.Fetch, maxAge: d.KeysMaxAge}
	if len(issuer.JWKS) == 0 {
		return source, nil
	}
	var err error
	if source.fixed, err = jose.ParseKeySet(issuer.JWKS); err != nil {
		return nil, fmt.Errorf("assertion: issuer %s: %w", issuer.ID, err)
	}
	return source, nil
}

// verify reads the issuer's keys again when the one that the token names is not among those known. An error that wraps
// errNoKeys means that they cannot be had now; any other that the issuer has not signed.
func (k *keySource) verify(ctx context.Context, compact string, algs []string) (jose.Verified, error) {
	switch {
	case k.fixed != nil:
		return jose.Verify(compact, k.fixed, algs)
	case k.uri == "":
		return jose.Verified{}, fmt.Errorf("%w: the issuer signs no JWTs", jose.ErrUnknownKey)
	}
	set, err := k.parse(k.fetch.Cached(ctx, k.uri, jwksAccept, k.maxAge))
	if err != nil {
		return jose.Verified{}, err
	}
	verified, err := jose.Verify(compact, set, algs)
	if !errors.Is(err, jose.ErrUnknownKey) {
		return verified, err
	}
	if set, err = k.parse(k.fetch.Refresh(ctx, k.uri, jwksAccept)); err != nil {
		return jose.Verified{}, err
	}
	return jose.Verify(compact, set, algs)
}

func (k *keySource) parse(raw []byte, err error) (*jose.KeySet, error) {
	if err != nil {
		return nil, errors.Join(errNoKeys, err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.set != nil && bytes.Equal(k.raw, raw) {
		return k.set, nil
	}
	set, err := jose.ParseKeySet(raw)
	if err != nil { // what is wrong with it says nothing about who signed
		return nil, fmt.Errorf("%w: the issuer's keys: %v", errNoKeys, err) //nolint:errorlint // not the token's fault
	}
	k.raw, k.set = bytes.Clone(raw), set
	return set, nil
}
