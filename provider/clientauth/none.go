package clientauth

import (
	"context"

	"signet/provider/oauth"
)

type none struct{}

// None is for public clients (RFC 6749 section 2.1): the client_id alone, which proves nothing. What
// stands in for a proof is PKCE, which the grants check.
func None(Deps) (Method, error) { return none{}, nil }

// Name implements Method.
func (none) Name() oauth.AuthMethod { return oauth.AuthNone }

// Presented implements Method.
func (none) Presented(r *Request) bool { return r.credentials() == 0 && r.Params.Has("client_id") }

// Authenticate implements Method.
func (none) Authenticate(context.Context, *Request, *oauth.Client, oauth.Profile) ([]oauth.Change, error) {
	return nil, nil
}
