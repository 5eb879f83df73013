package authorize

import (
	"context"
	"errors"
	"slices"
	"strings"

	"signet/provider/oauth"
)

// destination is where an answer may be sent: a registered redirect URI of an existing, enabled client.
// Only findDestination and resumed requests make one, so whoever holds one may redirect.
type destination struct {
	client      *oauth.Client
	profile     oauth.Profile // the floor, tightened by the client's own
	redirectURI string
	mode        string // response_mode; an entry of responders
	state       string
}

// findDestination judges the two parameters that decide whether the client may be answered at all. Its
// errors are for a page: redirecting would make the server an open redirector (RFC 6749 section 4.1.2.1).
func (e *Endpoint) findDestination(ctx context.Context, p oauth.Params) (destination, error) {
	if !p.Has("client_id") {
		return destination{}, oauth.Errorf(oauth.InvalidRequest, "client_id is missing")
	}
	client, profile, err := e.client(ctx, p.Get("client_id"))
	if err != nil {
		return destination{}, err
	}
	uri := p.Get("redirect_uri")
	if uri == "" {
		return destination{}, oauth.Errorf(oauth.InvalidRequest, "redirect_uri is missing")
	}
	if !registered(client, uri) {
		return destination{}, oauth.Errorf(oauth.InvalidRequest, "redirect_uri is not registered for this client")
	}
	return destination{client: client, profile: profile, redirectURI: uri, mode: modeQuery, state: p.Get("state")}, nil
}

// client reads a client that may be answered, with the profile it is held to.
func (e *Endpoint) client(ctx context.Context, id string) (*oauth.Client, oauth.Profile, error) {
	client, err := e.deps.Store.Client(ctx, id)
	if errors.Is(err, oauth.ErrNotFound) {
		return nil, oauth.Profile{}, oauth.Errorf(oauth.InvalidRequest, "the client is not known").Because(err)
	}
	if err != nil {
		return nil, oauth.Profile{}, err
	}
	if client.Disabled {
		return nil, oauth.Profile{}, oauth.Errorf(oauth.InvalidRequest, "the client is not known").
			Because(errors.New("the client is disabled"))
	}
	profile, ok := e.deps.Floor.For(client)
	if !ok {
		return nil, oauth.Profile{}, errors.New("the client's profile is not known to this build")
	}
	return client, profile, nil
}

// registered compares by exact string (RFC 9700 section 2.1), but for the port of a native app's loopback
// address, which the app learns only when it starts (RFC 8252 section 7.3).
func registered(client *oauth.Client, uri string) bool {
	if oauth.CheckRedirectURI(uri) != nil {
		return false
	}
	if slices.Contains(client.RedirectURIs, uri) {
		return true
	}
	if !client.Public() {
		return false
	}
	asked, ok := withoutLoopbackPort(uri)
	return ok && slices.ContainsFunc(client.RedirectURIs, func(known string) bool {
		portless, ok := withoutLoopbackPort(known)
		return ok && portless == asked
	})
}

// withoutLoopbackPort removes the port from a URI with a loopback IP literal. "localhost" does not
// count: it may resolve to something else (RFC 8252 section 8.3).
func withoutLoopbackPort(uri string) (string, bool) {
	for _, host := range []string{"http://127.0.0.1", "http://[::1]"} {
		rest, ok := strings.CutPrefix(uri, host)
		if !ok {
			continue
		}
		if port, found := strings.CutPrefix(rest, ":"); found {
			rest = strings.TrimLeft(port, "0123456789")
			if digits := len(port) - len(rest); digits == 0 || digits > 5 {
				return "", false
			}
		}
		if rest == "" || rest[0] == '/' || rest[0] == '?' {
			return host + rest, true
		}
	}
	return "", false
}
