package logout

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"

	"signet/provider/oauth"
)

// parameters are those of a logout request (RP-Initiated Logout section 2). logout_hint says in words of the client's
// whom it means: the session that the browser holds, or else its user's answer, says it better, so it is carried on
// and decides nothing.
var parameters = []string{
	"id_token_hint", "logout_hint", "client_id", "post_logout_redirect_uri", "state", "ui_locales",
}

// request is a validated logout request.
type request struct {
	params oauth.Params
	client *oauth.Client // who asks; nil = nobody that is known
	sid    string        // the session that the id_token_hint belongs to; "" = no hint, or of none
	next   string        // where the browser goes in the end, with the state; "" = nowhere
}

// validate judges a logout request. What it returns beside an error is as far as it got: enough for the audit log. The
// error is an *oauth.Error unless nobody knows.
func (s *Service) validate(ctx context.Context, params oauth.Params) (request, error) {
	req, clientID := request{params: params}, params.Get("client_id")
	if compact := params.Get("id_token_hint"); compact != "" {
		hint, err := s.readHint(ctx, compact)
		if err != nil {
			return req, err
		}
		if clientID != "" && clientID != hint.clientID {
			return req, oauth.Errorf(oauth.InvalidRequest, "the id_token_hint was issued to another client than client_id names")
		}
		clientID, req.sid = hint.clientID, hint.sid
	}
	if clientID != "" {
		client, err := s.client(ctx, clientID)
		if err != nil {
			return req, err
		}
		req.client = client
	}
	return req, req.checkNext()
}

// client returns a client that may ask for something.
func (s *Service) client(ctx context.Context, id string) (*oauth.Client, error) {
	client, err := s.deps.Store.Client(ctx, id)
	if errors.Is(err, oauth.ErrNotFound) || err == nil && client.Disabled {
		return nil, oauth.Errorf(oauth.InvalidRequest, "the client is unknown or disabled").Because(err)
	}
	return client, err
}

// checkNext: the browser goes on only to what the client has registered, character by character (RP-Initiated Logout
// section 3).
func (req *request) checkNext() error {
	uri := req.params.Get("post_logout_redirect_uri")
	switch {
	case uri == "":
		return nil
	case req.client == nil:
		return oauth.Errorf(oauth.InvalidRequest, "post_logout_redirect_uri needs an id_token_hint or a client_id")
	case !slices.Contains(req.client.PostLogoutRedirectURIs, uri):
		return oauth.Errorf(oauth.InvalidRequest, "the post_logout_redirect_uri is not one that the client has registered")
	}
	req.next = uri
	if state := req.params.Get("state"); state != "" {
		req.next = withQuery(uri, "state", state)
	}
	return nil
}

// carried are the parameters as they are sent on to ourselves.
func (req request) carried() url.Values {
	values := url.Values{}
	for _, name := range parameters {
		if value := req.params.Get(name); value != "" {
			values.Set(name, value)
		}
	}
	return values
}

// name is what pages call the client.
func (req request) name() string {
	if req.client == nil {
		return ""
	}
	return displayName(req.client)
}

func displayName(c *oauth.Client) string {
	if c.Name == "" {
		return c.ID
	}
	return c.Name
}

// withQuery adds parameters, names and values in turn, to the query of a URI and leaves the rest of it as it is.
func withQuery(uri string, pairs ...string) string {
	base, fragment, hasFragment := strings.Cut(uri, "#")
	var b strings.Builder
	b.WriteString(base)
	mark := "?"
	if strings.Contains(base, "?") {
		mark = "&"
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		b.WriteString(mark + escape(pairs[i]) + "=" + escape(pairs[i+1]))
		mark = "&"
	}
	if hasFragment {
		b.WriteString("#" + fragment)
	}
	return b.String()
}

// escape leaves no plus: not everybody reads it as a space.
func escape(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }
