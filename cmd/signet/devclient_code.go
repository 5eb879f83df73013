package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"signet/provider/oauth"
)

// codeFlow is one authorization code flow that is under way: what the client must remember until the
// browser comes back.
type codeFlow struct {
	URL         string // for the browser
	state       string
	verifier    oauth.Secret // RFC 7636
	redirectURI string
	resources   []string
}

// startCode prepares a flow with a fresh state, nonce and PKCE verifier. A client that pushes its requests does so now.
func (d *devClient) startCode(ctx context.Context, redirectURI, scope string, resources []string) (*codeFlow, error) {
	state, err := oauth.NewID(d.random)
	if err != nil {
		return nil, err
	}
	nonce, err := oauth.NewID(d.random)
	if err != nil {
		return nil, err
	}
	verifier, err := oauth.NewSecret(d.random)
	if err != nil {
		return nil, err
	}
	challenge := sha256.Sum256([]byte(verifier.Reveal()))
	query := url.Values{
		"response_type": {"code"}, "client_id": {d.ClientID}, "redirect_uri": {redirectURI}, "scope": {scope},
		"state": {state}, "nonce": {nonce},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])}, "code_challenge_method": {"S256"},
	}
	if len(resources) > 0 {
		query["resource"] = resources
	}
	if d.Push {
		if query, err = d.push(ctx, query); err != nil {
			return nil, err
		}
	}
	return &codeFlow{
		URL: d.meta.AuthorizationEndpoint + "?" + query.Encode(), state: state, verifier: verifier,
		redirectURI: redirectURI, resources: resources,
	}, nil
}

// finishCode checks the browser's return (state, RFC 9207 iss) and redeems the code.
func (d *devClient) finishCode(ctx context.Context, flow *codeFlow, query url.Values) (*tokenResponse, error) {
	switch {
	case query.Get("state") != flow.state:
		return nil, errors.New("the browser came back with another state: this is not the flow that was started")
	case query.Has("iss") && query.Get("iss") != d.meta.Issuer:
		return nil, errors.New("the response names another issuer (RFC 9207)")
	case query.Get("error") != "":
		return nil, fmt.Errorf("the provider refused: %s: %s", query.Get("error"), query.Get("error_description"))
	case query.Get("code") == "":
		return nil, errors.New("the browser came back without a code")
	}
	form := url.Values{
		"grant_type": {oauth.GrantAuthorizationCode}, "code": {query.Get("code")},
		"redirect_uri": {flow.redirectURI}, "code_verifier": {flow.verifier.Reveal()},
	}
	if len(flow.resources) > 0 {
		form["resource"] = flow.resources
	}
	return d.token(ctx, form)
}

// codeByBrowser runs the whole flow: it opens a loopback listener (RFC 8252 section 7.3), shows the URL,
// waits for the browser and redeems what it brings.
func (d *devClient) codeByBrowser(ctx context.Context, scope string, resources []string, show func(url string)) (*tokenResponse, error) {
	redirect, err := url.Parse(d.RedirectURI)
	if d.RedirectURI == "" {
		redirect, err = &url.URL{Scheme: "http", Host: "127.0.0.1:0", Path: "/callback"}, nil
	}
	if err != nil || redirect.Scheme != "http" || !isLoopback(redirect.Hostname()) {
		return nil, next(fmt.Errorf("the redirect URI %q is not on loopback", d.RedirectURI), "register and give one like http://127.0.0.1:9448/callback (--redirect-uri)")
	}
	address := redirect.Host
	if redirect.Port() == "" {
		address = net.JoinHostPort(redirect.Hostname(), "0")
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, next(err, "end the program that has %s, or choose another --redirect-uri that is registered", address)
	}
	redirect.Host = listener.Addr().String()
	flow, err := d.startCode(ctx, redirect.String(), scope, resources)
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	show(flow.URL)
	query, err := awaitCallback(ctx, listener, redirect.Path)
	if err != nil {
		return nil, err
	}
	return d.finishCode(ctx, flow, query)
}

// awaitCallback serves the loopback listener until one request for the path has come.
func awaitCallback(ctx context.Context, listener net.Listener, path string) (url.Values, error) {
	came := make(chan url.Values, 1)
	server := &http.Server{ReadHeaderTimeout: readHeaderTimeout, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != path {
			http.NotFound(w, r)
			return
		}
		select {
		case came <- r.URL.Query():
		default: // the browser reloads the page
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = fmt.Fprintln(w, "signet token has the answer. You can close this page.")
	})}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	defer func() {
		// The page is still on its way to the browser: let it finish, shortly.
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		_ = server.Shutdown(ctx)
	}()
	select {
	case query := <-came:
		return query, nil
	case err := <-failed:
		return nil, err
	case <-ctx.Done():
		return nil, errors.New("stopped before the browser came back")
	}
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
