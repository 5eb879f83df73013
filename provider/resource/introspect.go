package resource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"signet/provider/jose"
)

const maxIntrospectionBytes = 64 << 10

// IntrospectionOptions configure an IntrospectionClient.
type IntrospectionOptions struct {
	// Endpoint finds the introspection endpoint, see [Remote.IntrospectionEndpoint].
	Endpoint func(context.Context) (string, error)
	// ClientID is the resource server's own client id at the issuer.
	ClientID string
	// HTTP makes the requests; it has a timeout. Without Assertion it presents the resource server's
	// client certificate (tls_client_auth or self_signed_tls_client_auth, RFC 8705 section 2).
	HTTP *http.Client
	// Assertion authenticates by private_key_jwt instead; nil when the certificate does.
	Assertion *Assertion
}

// IntrospectionClient asks an issuer about tokens over HTTPS (RFC 7662). It does not cache: a revocation
// counts with the next request.
type IntrospectionClient struct {
	endpoint  func(context.Context) (string, error)
	clientID  string
	http      http.Client
	assertion *Assertion
}

// NewIntrospectionClient makes an IntrospectionClient.
func NewIntrospectionClient(o IntrospectionOptions) (*IntrospectionClient, error) {
	if o.Endpoint == nil || o.ClientID == "" || o.HTTP == nil {
		return nil, errors.New("resource: Endpoint, ClientID and HTTP are required for introspection")
	}
	c := &IntrospectionClient{endpoint: o.Endpoint, clientID: o.ClientID, http: *o.HTTP, assertion: o.Assertion}
	// A redirect would hand the token to somebody else.
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c, nil
}

// Introspect implements Introspector. Only an active access token counts: a refresh token, about which
// an issuer may also answer, has no token_type (RFC 7662 section 2.2). What a token is bound to is in its cnf
// (RFC 8705 section 3.2, RFC 9449 section 6.2).
func (c *IntrospectionClient) Introspect(ctx context.Context, token string) (claims []byte, err error) {
	endpoint, err := c.endpoint(ctx)
	if err != nil {
		return nil, err
	}
	form := url.Values{"token": {token}, "token_type_hint": {"access_token"}, "client_id": {c.clientID}}
	if c.assertion != nil {
		if err := c.assertion.AddTo(form, c.clientID); err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	res, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, res.Body.Close()) }()
	return readIntrospection(res)
}

func readIntrospection(res *http.Response) ([]byte, error) {
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the introspection endpoint answered %s", res.Status)
	}
	if mediaType, _, err := mime.ParseMediaType(res.Header.Get("Content-Type")); err != nil || mediaType != "application/json" {
		return nil, errors.New("the introspection endpoint did not answer in JSON")
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxIntrospectionBytes+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxIntrospectionBytes {
		return nil, errors.New("the introspection response is too long")
	}
	if _, err := jose.ParseClaims(body); err != nil { // duplicate members, wrong types
		return nil, fmt.Errorf("introspection response: %w", err)
	}
	var claims map[string]any
	if err := json.Unmarshal(body, &claims); err != nil {
		return nil, fmt.Errorf("introspection response: %w", err)
	}
	active, ok := claims["active"].(bool)
	if !ok {
		return nil, errors.New("the introspection response does not say whether the token is active")
	}
	tokenType, _ := claims["token_type"].(string)
	if _, known := schemeOf(tokenType); !active || !known {
		return nil, ErrInactive
	}
	return body, nil
}
