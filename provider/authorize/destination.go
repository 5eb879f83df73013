package authorize

import (
	"context"
	"errors"
	"slices"
	"strings"

	"signet/provider/oauth"
)

// party is an existing, enabled client with the profile it is held to.
type party struct {
	client  *oauth.Client
	profile oauth.Profile // the floor, tightened by the client's own
}

// destination is where an answer may be sent: a registered redirect URI of an existing, enabled client.
// Only findDestination and stored requests make one, so whoever holds one may redirect.
type destination struct {
	party
	redirectURI string
	mode        string // response_mode; an entry of modes
	state       string
}

// findDestination judges the parameters that decide whether the client may be answered at all, and how. Its
// errors are for a page: redirecting would make the server an open redirector (RFC 6749 section 4.1.2.1).
func findDestination(from inquiry) (destination, error) {
	uri := from.params.Get("redirect_uri")
	switch {
	case uri == "":
		return destination{}, oauth.Errorf(oauth.InvalidRequest, "redirect_uri is missing")
	case !registered(from.client, uri):
		return destination{}, oauth.Errorf(oauth.InvalidRequest, "redirect_uri is not registered for this client")
	case !from.profile.Redirects(uri):
		return destination{}, oauth.Errorf(oauth.InvalidRequest, "redirect_uri is not https, which the client's profile asks for")
	}
	d := destination{party: from.party, redirectURI: uri, state: from.params.Get("state")}
	d.mode, _ = modeFor(from, uri)
	if len(d.state) > maxState {
		d.state = ""
	}
	return d, nil
}

// destinationOf is the destination of a request that was validated earlier. Minutes may have passed: what its
// client has lost since counts no more. The errors are for a page.
func (e *Endpoint) destinationOf(who party, req oauth.AuthorizationRequest) (destination, error) {
	if !registered(who.client, req.RedirectURI) || !who.profile.Redirects(req.RedirectURI) {
		return destination{}, oauth.Errorf(oauth.InvalidRequest, "redirect_uri is no longer registered for this client")
	}
	if !reach(req.Scope, req.Claims).Within(who.client.Scopes()) || !e.serves(who, req.ResponseType) {
		return destination{}, oauth.Errorf(oauth.InvalidRequest, "the client's registration was reduced meanwhile")
	}
	return destination{party: who, redirectURI: req.RedirectURI, mode: req.ResponseMode, state: req.State}, nil
}

// client reads a client that may be answered.
func (e *Endpoint) client(ctx context.Context, id string) (party, error) {
	if id == "" {
		return party{}, oauth.Errorf(oauth.InvalidRequest, "client_id is missing")
	}
	client, err := e.deps.Store.Client(ctx, id)
	if errors.Is(err, oauth.ErrNotFound) {
		return party{}, oauth.Errorf(oauth.InvalidRequest, "the client is not known").Because(err)
	}
	if err != nil {
		return party{}, err
	}
	if client.Disabled {
		return party{}, oauth.Errorf(oauth.InvalidRequest, "the client is not known").
			Because(errors.New("the client is disabled"))
	}
	profile, ok := e.deps.Floor.For(client)
	if !ok {
		return party{}, errors.New("the client's profile is not known to this build")
	}
	return party{client, profile}, nil
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
