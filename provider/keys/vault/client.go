package vault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/sony/gobreaker/v2"

	"signet/provider/oauth"
)

// The breaker opens after so many unavailable answers in a row, and lets one request through after so long.
const (
	failuresToOpen = 5
	openFor        = 500 * time.Millisecond
)

// Client talks to one Vault as one identity. It is safe for concurrent use.
type Client struct {
	opt       Options
	api       *api.Client // holds the token of the day
	transport *http.Transport
	breaker   *gobreaker.TwoStepCircuitBreaker[struct{}]
	session   session

	stop    context.CancelFunc
	stopped sync.WaitGroup
}

// Open logs in and keeps the client logged in until Close. It fails with oauth.ErrUnavailable when Vault does
// not answer, with ErrDenied when it refuses the identity. ctx bounds the first login only.
//
// Whatever a client does, a context that ends before Vault answers gives that context's error, without ErrUnavailable.
func Open(ctx context.Context, opt Options) (*Client, error) {
	if err := opt.complete(); err != nil {
		return nil, fmt.Errorf("vault: %w", err)
	}
	client, transport, err := newAPI(opt)
	if err != nil {
		return nil, fmt.Errorf("vault: %w", err)
	}
	c := &Client{opt: opt, api: client, transport: transport, session: newSession()}
	c.breaker = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		MaxRequests: 1,
		Timeout:     openFor,
		ReadyToTrip: func(n gobreaker.Counts) bool { return n.ConsecutiveFailures >= failuresToOpen },
		// Only Vault's own silence counts; a caller that went away says nothing about Vault.
		IsSuccessful: func(err error) bool { return !errors.Is(err, oauth.ErrUnavailable) },
		IsExcluded:   saysNothing,
		OnStateChange: func(_ string, from, to gobreaker.State) {
			opt.Log.Warn("vault's circuit breaker changes", "from", from.String(), "to", to.String())
		},
	})
	first, cancel := context.WithTimeout(ctx, opt.Timeout)
	defer cancel()
	if err := c.login(first, ""); err != nil {
		transport.CloseIdleConnections()
		if ctx.Err() != nil {
			err = gone(ctx, "login")
		}
		return nil, err
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	c.stop = stop
	c.stopped.Go(func() { c.keepLoggedIn(running) })
	return c, nil
}

// Close ends the session: a token that the client logged in for is revoked, if Vault answers.
func (c *Client) Close() error {
	c.stop()
	c.stopped.Wait()
	if c.opt.Auth.Method != TokenFile && c.opt.Auth.Method != Token {
		ctx, cancel := context.WithTimeout(context.Background(), c.opt.Timeout)
		defer cancel()
		if err := c.api.Auth().Token().RevokeSelfWithContext(ctx, ""); err != nil {
			c.opt.Log.Debug("the vault token was not revoked", "cause", err)
		}
	}
	c.api.ClearToken()
	c.transport.CloseIdleConnections()
	return nil
}

// Read reads a path. What is not there is nil without an error.
func (c *Client) Read(ctx context.Context, path string, query url.Values) (*api.Secret, error) {
	return c.request(ctx, "read "+path, func(ctx context.Context) (*api.Secret, error) {
		return c.api.Logical().ReadWithDataWithContext(ctx, path, query)
	})
}

// Write writes to a path: a PUT, which is how Vault takes every command. The answer may be nil.
func (c *Client) Write(ctx context.Context, path string, data map[string]any) (*api.Secret, error) {
	return c.request(ctx, "write "+path, func(ctx context.Context) (*api.Secret, error) {
		return c.api.Logical().WriteWithContext(ctx, path, data)
	})
}

// Probe asks whether Vault is reachable, unsealed, and takes our token. It passes by the breaker, so that it
// tells what is, not what was.
func (c *Client) Probe(ctx context.Context) error {
	_, err := c.attempt(ctx, "read auth/token/lookup-self", func(ctx context.Context) (*api.Secret, error) {
		return c.api.Auth().Token().LookupSelfWithContext(ctx)
	})
	return err
}

// State is the breaker's: closed (requests pass), open (they are refused) or half-open (one tries).
func (c *Client) State() string { return c.breaker.State().String() }

// request does one request, if the breaker lets it.
func (c *Client) request(ctx context.Context, name string, do func(context.Context) (*api.Secret, error)) (*api.Secret, error) {
	report, err := c.breaker.Allow()
	if err != nil {
		return nil, fmt.Errorf("%w: vault: %s: %w", oauth.ErrUnavailable, name, err)
	}
	secret, err := c.attempt(ctx, name, do)
	report(err)
	return secret, err
}

// attempt does one request within Timeout. When it is refused because the token has ended, it logs in and tries
// once more.
func (c *Client) attempt(caller context.Context, name string, do func(context.Context) (*api.Secret, error)) (*api.Secret, error) {
	ctx, cancel := context.WithTimeout(caller, c.opt.Timeout)
	defer cancel()
	token := c.api.Token()
	secret, err := do(ctx)
	err = classify(caller, name, err)
	if !errors.Is(err, ErrDenied) {
		return secret, err
	}
	if _, lookup := c.api.Auth().Token().LookupSelfWithContext(ctx); lookup == nil && token == c.api.Token() {
		return nil, err // the token is good: the policy forbids this
	}
	if err := c.login(ctx, token); err != nil {
		if caller.Err() != nil {
			return nil, gone(caller, name)
		}
		return nil, fmt.Errorf("%s: logging in again: %w", name, err)
	}
	secret, err = do(ctx)
	return secret, classify(caller, name, err)
}
