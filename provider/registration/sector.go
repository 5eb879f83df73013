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

// sector reads the sector_identifier_uri: a JSON array, in which all must be by which answers reach the client
// (OpenID Connect Registration section 5). Without that, one client could learn another's names for its users.
func (e *endpoint) sector(ctx context.Context, c *oauth.Client) error {
	const field = "sector_identifier_uri"
	if c.SectorURI == "" {
		return nil
	}
	needed := reachedBy(c)
	if len(needed) == 0 {
		return because(nil, field, "has nothing to list, as the client has no redirect URIs")
	}
	for _, a := range needed {
		if a.uri == "" {
			return because(nil, a.field, "is needed, as the sector_identifier_uri has to list it")
		}
	}
	// Never from the cache: an owner adds to the list and registers. A failure counts for some seconds all the same.
	raw, err := e.Fetch.Cached(ctx, c.SectorURI, "application/json", 0)
	if err != nil {
		return because(err, field, "cannot be fetched")
	}
	var listed []string
	if err := json.Unmarshal(raw, &listed); err != nil || listed == nil { // nil: null is no array
		return because(err, field, "is not a JSON array of redirect URIs")
	}
	for _, a := range needed {
		if !slices.Contains(listed, a.uri) {
			return because(nil, field, fmt.Sprintf("does not list %q", a.uri))
		}
	}
	return nil
}

// address is where a client is, and the member that says so.
type address struct{ field, uri string }

// reachedBy are the client's redirect URIs and what stands for them with CIBA: where tokens are pushed to, or else where
// the keys are by which the client proves itself (CIBA Core section 4).
func reachedBy(c *oauth.Client) (all []address) {
	for _, uri := range c.RedirectURIs {
		all = append(all, address{"redirect_uris", uri})
	}
	switch {
	case !c.Allows(oauth.GrantCIBA):
		return all
	case c.BackchannelMode == oauth.BackchannelPush:
		return append(all, address{"backchannel_client_notification_endpoint", c.BackchannelEndpoint})
	default:
		return append(all, address{"jwks_uri", c.JWKSURI})
	}
}

// stays refuses an update by which the client would know its users by other names. Users have granted it something under
// the names of one sector: with that it must not learn those of another (OpenID Connect Core section 8.1).
func stays(seen, c *oauth.Client) error {
	const words = "cannot change: register anew"
	was := seen.SubjectType == oauth.SubjectPairwise
	if was != (c.SubjectType == oauth.SubjectPairwise) {
		return refuse([]Fault{{"subject_type", words}})
	}
	before, named := seen.Sector() // one without a sector knows nobody yet
	if after, _ := c.Sector(); was && named && after != before {
		return refuse([]Fault{{"sector_identifier_uri", words}})
	}
	return nil
}

func because(cause error, field, words string) error {
	return oauth.Errorf(oauth.InvalidClientMetadata, "%s: %s (OpenID Connect Registration section 5)", field, words).Because(cause)
}
