package clientauth

import (
	"context"
	"net/http"
	"time"

	"signet/mtls"
	"signet/provider/oauth"
)

// Request is what of a request can be a client's proof.
type Request struct {
	Params oauth.Params
	Basic  *Basic     // the Authorization header's; nil when there is none
	Peer   *mtls.Peer // the TLS client certificate; nil when there is none
	// Endpoints are the URLs of this endpoint, at both doors: what an assertion may name as its audience.
	Endpoints []string
	Now       time.Time

	assertion  *assertion  // parsed, but not verified; nil when there is none
	selfIssued *selfIssued // likewise
}

// Method is one way to authenticate.
type Method interface {
	// Name is the method's token_endpoint_auth_method.
	Name() oauth.AuthMethod
	// Presented says whether the request has what this method looks at, and no other method's credential.
	// A certificate is no other's credential: it also binds tokens.
	Presented(r *Request) bool
	// Authenticate checks the proof of the client, which is registered for this method and enabled. It
	// returns the changes that accepting the proof implies. An *oauth.Error goes to the client; any other
	// error means that the proof could not be judged.
	Authenticate(ctx context.Context, r *Request, c *oauth.Client, p oauth.Profile) ([]oauth.Change, error)
}

// newRequest parses what can be parsed without knowing the client.
func newRequest(r *http.Request, params oauth.Params, peer *mtls.Peer, endpoints []string, now time.Time) (*Request, error) {
	req := &Request{Params: params, Endpoints: endpoints, Now: now}
	if peer != nil && peer.Leaf != nil {
		req.Peer = peer
	}
	var err error
	if req.Basic, err = basicOf(r.Header); err != nil {
		return nil, err
	}
	if req.assertion, err = assertionOf(params); err != nil {
		return nil, err
	}
	if req.credentials() > 1 {
		return nil, oauth.Errorf(oauth.InvalidRequest, "more than one client authentication method was used")
	}
	return req, nil
}

// credentials counts the credentials that the sender put into the request (RFC 6749 section 2.3).
func (r *Request) credentials() int {
	n := 0
	if r.Basic != nil {
		n++
	}
	if r.Params.Has("client_secret") {
		n++
	}
	if r.assertion != nil {
		n++
	}
	return n
}

// clientID returns whom the request claims to come from. Every part that names a client must agree.
func (r *Request) clientID() (string, error) {
	id := r.Params.Get("client_id")
	named := ""
	switch {
	case r.Basic != nil:
		named = r.Basic.ClientID
	case r.assertion != nil:
		named = r.assertion.claims.Subject
	case r.selfIssued != nil:
		named = r.selfIssued.issuer()
	}
	switch {
	case id == "" && named == "":
		return "", oauth.Errorf(oauth.InvalidClient, "the request has no client authentication")
	case id != "" && named != "" && id != named:
		return "", oauth.Errorf(oauth.InvalidClient, "the request names two different clients")
	case id == "":
		id = named
	}
	if !oauth.ValidClientID(id) { // needs no look into the store
		return "", failed(errBadID)
	}
	return id, nil
}
