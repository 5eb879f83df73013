package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"signet/provider/dpop"
	"signet/provider/oauth"
)

// post sends a form to one of the provider's endpoints, authenticated as the client is registered and, with a DPoP
// key, with a proof. A server that asks for a nonce gets the request once more (RFC 9449 section 8).
func (d *devClient) post(ctx context.Context, endpoint string, form url.Values, want int) ([]byte, error) {
	raw, err := d.postOnce(ctx, endpoint, form, want)
	if refusal := (*tokenError)(nil); errors.As(err, &refusal) && refusal.Code == string(oauth.UseDPoPNonce) && d.DPoPKey != "" {
		return d.postOnce(ctx, endpoint, form, want)
	}
	return raw, err
}

func (d *devClient) postOnce(ctx context.Context, endpoint string, form url.Values, want int) ([]byte, error) {
	authorization, err := d.authenticate(form)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	if d.DPoPKey != "" {
		proof, err := d.proof(http.MethodPost, endpoint, "", d.nonce)
		if err != nil {
			return nil, err
		}
		request.Header.Set("DPoP", proof)
	}
	response, err := d.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if nonce := response.Header.Get("DPoP-Nonce"); nonce != "" {
		d.nonce = nonce
	}
	raw, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil || response.StatusCode == want {
		return raw, err
	}
	refusal := &tokenError{status: response.StatusCode}
	if err := json.Unmarshal(raw, refusal); err != nil {
		refusal.Code = "an answer that is not JSON"
	}
	return nil, refusal
}

// proof makes a DPoP proof (RFC 9449 section 4.2); with an access token, for a protected resource.
func (d *devClient) proof(method, address string, access oauth.Secret, nonce string) (string, error) {
	key, err := readSigningKey(d.DPoPKey, "")
	if err != nil {
		return "", err
	}
	jti, err := oauth.NewID(d.random)
	if err != nil {
		return "", err
	}
	htu, err := url.Parse(address)
	if err != nil {
		return "", err
	}
	htu.RawQuery, htu.Fragment = "", ""
	return dpop.Prove(key, dpop.Claim{Method: method, URL: htu.String(), Now: d.clock(), JTI: jti, AccessToken: access, Nonce: nonce})
}

// push pushes an authorization request and returns what the browser is sent with instead (RFC 9126).
func (d *devClient) push(ctx context.Context, request url.Values) (url.Values, error) {
	endpoint, err := d.endpoint(d.meta.PushedEndpoint, d.meta.Aliases.PushedEndpoint)
	if err != nil {
		return nil, err
	}
	raw, err := d.post(ctx, endpoint, request, http.StatusCreated)
	if err != nil {
		return nil, err
	}
	var pushed struct {
		RequestURI string `json:"request_uri"`
	}
	if err := json.Unmarshal(raw, &pushed); err != nil {
		return nil, fmt.Errorf("the answer to the pushed request: %w", err)
	}
	if pushed.RequestURI == "" {
		return nil, errors.New("the answer to the pushed request has no request_uri")
	}
	return url.Values{"client_id": {d.ClientID}, "request_uri": {pushed.RequestURI}}, nil
}

// endpoint is the one at the chosen door.
func (d *devClient) endpoint(main, mtls string) (string, error) {
	at := main
	if d.door == "mtls" || d.door == "" && d.Certificate != "" {
		at = mtls
	}
	if at == "" {
		return "", errors.New("the provider publishes no such endpoint at this door")
	}
	return at, nil
}
