package authorize

import (
	"bytes"
	"context"
	"slices"
	"strings"

	"signet/provider/oauth"
)

// objectTypes is what a request object by reference may come as (RFC 9101 section 5.2.3). OpenID Connect Core section
// 6.2 names no type, so that none is insisted on.
const objectTypes = "application/oauth-authz-req+jwt, application/jwt;q=0.9, */*;q=0.1"

// fetches says whether request objects of the client are got by reference (OpenID Connect Core section 6.2).
func (e *Endpoint) fetches(who party) bool {
	return e.deps.Fetch != nil && !who.profile.RequirePAR && !who.client.RequirePAR
}

// fetch gets the request object at a request_uri that the client has registered: no outbound request begins with a
// stranger's URL (OpenID Connect Discovery section 3, require_request_uri_registration). A fragment tells those who keep
// copies that the object has changed; here none is kept, and the object is what is at the address now.
func (e *Endpoint) fetch(ctx context.Context, client *oauth.Client, reference string) (string, error) {
	address, _, _ := strings.Cut(reference, "#")
	if !strings.HasPrefix(address, "https://") || !slices.ContainsFunc(client.RequestURIs, func(known string) bool {
		known, _, _ = strings.Cut(known, "#")
		return known == address
	}) {
		return "", oauth.Errorf(oauth.InvalidRequestURI, "the request_uri is not one that the client has registered")
	}
	object, err := e.deps.Fetch.Get(ctx, address, objectTypes)
	if err != nil {
		return "", oauth.Errorf(oauth.InvalidRequestURI, "there is no request object to be had at the request_uri").Because(err)
	}
	object = bytes.TrimSpace(object)
	if len(object) == 0 {
		return "", oauth.Errorf(oauth.InvalidRequestURI, "the request object at the request_uri is empty")
	}
	return string(object), nil
}

// foreignReference refuses a request object by reference where nothing is fetched.
func foreignReference(who party, params oauth.Params) (progress, error) {
	d, err := findDestination(inquiry{party: who, params: params})
	if err != nil {
		return progress{}, oauth.Errorf(oauth.InvalidRequestURI, "the request_uri is none of this server's")
	}
	return progress{destination: d}, oauth.Errorf(oauth.RequestURINotSupported, "only request_uris of this server are supported")
}
