package registration

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"signet/provider/oauth"
)

// Fetcher reads what clients publish, through the one guarded outbound client.
type Fetcher interface {
	// Cached may answer from a cache no older than maxAge.
	Cached(ctx context.Context, url, accept string, maxAge time.Duration) ([]byte, error)
}

// sector reads the sector_identifier_uri: a JSON array of redirect URIs, in which all of the client's must be
// (OpenID Connect Registration section 5). Without that, one client could learn another's names for its users.
func (e *endpoint) sector(ctx context.Context, c *oauth.Client) error {
	const field = "sector_identifier_uri"
	if c.SectorURI == "" {
		return nil
	}
	// Never from the cache: an owner adds to the list and registers. A failure counts for some seconds all the same.
	raw, err := e.Fetch.Cached(ctx, c.SectorURI, "application/json", 0)
	if err != nil {
		return because(err, field, "cannot be fetched")
	}
	var listed []string
	if err := json.Unmarshal(raw, &listed); err != nil {
		return because(err, field, "is not a JSON array of redirect URIs")
	}
	for _, uri := range c.RedirectURIs {
		if !slices.Contains(listed, uri) {
			return because(nil, field, fmt.Sprintf("does not list %q", uri))
		}
	}
	return nil
}

func because(cause error, field, words string) error {
	return oauth.Errorf(oauth.InvalidClientMetadata, "%s: %s (OpenID Connect Registration section 5)", field, words).Because(cause)
}
