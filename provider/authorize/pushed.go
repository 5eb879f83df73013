package authorize

import (
	"context"
	"errors"
	"strings"

	"signet/provider/oauth"
)

// receivePushed finds the request that waits at a request_uri of ours (RFC 9126 section 4). What stands beside the
// request_uri counts for nothing. A reload finds the request again: it is used up by its answer, not by a page that
// is looked at (FAPI 2.0 section 5.3.2.2 note 3).
func (e *Endpoint) receivePushed(ctx context.Context, who party, reference string) (progress, error) {
	digest := oauth.Secret(strings.TrimPrefix(reference, requestURIPrefix)).Digest()
	pushed, err := e.deps.Store.Pushed(ctx, digest)
	if err = e.judgePushed(who, pushed, err); err != nil {
		return progress{}, err
	}
	d, err := e.destinationOf(who, pushed.Request)
	if err != nil {
		return progress{}, err
	}
	return progress{destination: d, waiting: oauth.Interaction{Request: pushed.Request, Pushed: digest}}, nil
}

// judgePushed judges what the store found. Another client's request_uri is as unknown as any (RFC 9126 section 2.2).
func (e *Endpoint) judgePushed(who party, pushed oauth.PushedRequest, err error) error {
	switch {
	case errors.Is(err, oauth.ErrNotFound), err == nil && pushed.Request.ClientID != who.client.ID:
		return oauth.Errorf(oauth.InvalidRequestURI, "the request_uri is not known for this client").Because(err)
	case err != nil:
		return err
	case pushed.Used:
		return oauth.Errorf(oauth.InvalidRequestURI, "the request_uri was used before")
	case !e.deps.Clock().Before(pushed.ExpiresAt):
		return oauth.Errorf(oauth.InvalidRequestURI, "the request_uri has expired")
	}
	return nil
}
