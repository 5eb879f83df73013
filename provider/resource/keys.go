package resource

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"signet/provider/jose"
	"signet/provider/oauth"
)

// How long fetched documents are used: fresh, and at most when the issuer cannot be reached. Signet
// publishes a key for longer than jwksMaxAge before it signs with it.
const (
	metadataMaxAge = time.Hour
	jwksMaxAge     = 5 * time.Minute
	staleFor       = time.Hour
)

// LocalKeys is a KeySource for keys that are at hand, such as the issuer's own.
type LocalKeys func() *jose.KeySet

// KeySet implements KeySource.
func (k LocalKeys) KeySet(context.Context) (*jose.KeySet, error) { return k(), nil }

// Refresh implements KeySource.
func (k LocalKeys) Refresh(context.Context) (*jose.KeySet, error) { return k(), nil }

// Fetcher gets documents over HTTPS; package fetch has one.
type Fetcher interface {
	// Cached may answer from a cache that is no older than maxAge.
	Cached(ctx context.Context, url, accept string, maxAge time.Duration) ([]byte, error)
	// Refresh asks the origin, within a limit of its own on how often.
	Refresh(ctx context.Context, url, accept string) ([]byte, error)
}

// Remote is an issuer known by its identifier: its metadata and keys are fetched when they are first
// needed. It is a [KeySource], safe for concurrent use.
type Remote struct {
	issuer string
	fetch  Fetcher
	clock  oauth.Clock

	metadata document[metadata]
	keys     document[*jose.KeySet]
}

// NewRemote makes a Remote for the issuer, an https URL without query or fragment
// (OpenID Connect Discovery section 3).
func NewRemote(issuer string, f Fetcher, clock oauth.Clock) (*Remote, error) {
	u, err := url.Parse(issuer)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, fmt.Errorf("issuer %q is not an https URL without query and fragment", issuer)
	}
	return &Remote{
		issuer:   issuer,
		fetch:    f,
		clock:    clock,
		metadata: document[metadata]{parse: func(raw []byte) (metadata, error) { return parseMetadata(raw, issuer) }},
		keys:     document[*jose.KeySet]{parse: jose.ParseKeySet},
	}, nil
}

// KeySet implements KeySource. While the issuer cannot be reached it goes on for an hour with the keys it
// has: tokens live shorter than that, and an outage of the issuer need not become one of the API.
func (r *Remote) KeySet(ctx context.Context) (*jose.KeySet, error) {
	uri, err := r.jwksURI(ctx)
	if err != nil {
		return nil, err
	}
	raw, err := r.fetch.Cached(ctx, uri, "application/json", jwksMaxAge)
	return r.keys.take(raw, err, r.clock())
}

// Refresh implements KeySource.
func (r *Remote) Refresh(ctx context.Context) (*jose.KeySet, error) {
	uri, err := r.jwksURI(ctx)
	if err != nil {
		return nil, err
	}
	raw, err := r.fetch.Refresh(ctx, uri, "application/json")
	if err != nil {
		return nil, err
	}
	return r.keys.take(raw, nil, r.clock())
}

// IntrospectionEndpoint returns where the issuer introspects for clients that authenticate by
// certificate: the alias at the mTLS door if there is one (RFC 8705 section 5).
func (r *Remote) IntrospectionEndpoint(ctx context.Context) (string, error) {
	m, err := r.discover(ctx)
	if err != nil {
		return "", err
	}
	endpoint := m.MTLSAliases.IntrospectionEndpoint
	if endpoint == "" {
		endpoint = m.IntrospectionEndpoint
	}
	if !strings.HasPrefix(endpoint, "https://") {
		return "", errors.New("the issuer publishes no https introspection endpoint")
	}
	return endpoint, nil
}

func (r *Remote) jwksURI(ctx context.Context) (string, error) {
	m, err := r.discover(ctx)
	if err != nil {
		return "", err
	}
	return m.JWKSURI, nil
}

func (r *Remote) discover(ctx context.Context) (metadata, error) {
	raw, err := r.fetch.Cached(ctx, strings.TrimSuffix(r.issuer, "/")+"/.well-known/openid-configuration", "application/json", metadataMaxAge)
	return r.metadata.take(raw, err, r.clock())
}

// metadata is what is needed of an issuer's metadata (OpenID Connect Discovery section 3).
type metadata struct {
	Issuer                string `json:"issuer"`
	JWKSURI               string `json:"jwks_uri"`
	IntrospectionEndpoint string `json:"introspection_endpoint"`
	MTLSAliases           struct {
		IntrospectionEndpoint string `json:"introspection_endpoint"`
	} `json:"mtls_endpoint_aliases"`
}

// parseMetadata refuses a document of another issuer (OpenID Connect Discovery section 4.3).
func parseMetadata(raw []byte, issuer string) (metadata, error) {
	var m metadata
	if err := json.Unmarshal(raw, &m); err != nil {
		return metadata{}, fmt.Errorf("issuer metadata: %w", err)
	}
	if m.Issuer != issuer {
		return metadata{}, fmt.Errorf("issuer metadata: it is of %q", m.Issuer)
	}
	if !strings.HasPrefix(m.JWKSURI, "https://") {
		return metadata{}, errors.New("issuer metadata: jwks_uri is not an https URL")
	}
	return m, nil
}

// document keeps the last good parse of a fetched document, so that bytes that have not changed are not
// parsed again for each request, and so that it outlives a short outage.
type document[T any] struct {
	parse func([]byte) (T, error)

	mu    sync.Mutex
	raw   []byte
	value T
	at    time.Time // when raw was last had from the fetcher
}

// take accepts what a fetch returned; when that is no use, it falls back to the last good value.
func (d *document[T]) take(raw []byte, err error, now time.Time) (T, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err == nil && d.raw != nil && bytes.Equal(raw, d.raw) {
		d.at = now
		return d.value, nil
	}
	var value T
	if err == nil {
		value, err = d.parse(raw)
	}
	if err == nil {
		d.raw, d.value, d.at = bytes.Clone(raw), value, now
		return value, nil
	}
	if d.raw != nil && now.Sub(d.at) < staleFor {
		return d.value, nil
	}
	return value, err
}
