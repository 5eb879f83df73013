package vault

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/hashicorp/vault/api"

	"signet/provider/oauth"
)

// A failed login is not repeated before loginPause has passed, however many requests need one; in the
// background the pauses double up to loginPauseMax.
const (
	loginPause    = 250 * time.Millisecond
	loginPauseMax = 10 * time.Second
)

// fileCheck is how often a token file is looked at.
const fileCheck = 2 * time.Second

// session is the state of being logged in. turn guards the rest: one login at a time.
type session struct {
	turn     chan struct{}
	auth     *api.SecretAuth // the present token, and for how long
	failed   error           // of the last login, nil if it worked
	failedAt time.Time

	secretID    string // unwrapped, in memory only
	unwrapped   string // the wrapping token that it came from
	tokenInFile []byte // what the token file held at the last login
	warned      map[string]bool

	renewed chan struct{} // told when auth is a new one
}

func newSession() session {
	return session{turn: make(chan struct{}, 1), warned: map[string]bool{}, renewed: make(chan struct{}, 1)}
}

// login replaces the token old, unless another call has already done so.
func (c *Client) login(ctx context.Context, old string) error {
	s := &c.session
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return fmt.Errorf("%w: vault login: %w", oauth.ErrUnavailable, ctx.Err())
	}
	if c.api.Token() != old {
		return nil
	}
	if s.failed != nil && c.opt.Clock().Sub(s.failedAt) < loginPause {
		return s.failed
	}
	auth, err := c.authenticate(ctx)
	if err != nil {
		err = fmt.Errorf("vault login (%s): %w", c.opt.Auth.Method, err)
		if !errors.Is(err, oauth.ErrUnavailable) {
			err = fmt.Errorf("%w: %w", oauth.ErrUnavailable, err)
		}
		if ctx.Err() == nil { // the next caller may have more time
			s.failed, s.failedAt = err, c.opt.Clock()
		}
		return err
	}
	s.failed, s.auth = nil, auth
	c.api.SetToken(auth.ClientToken)
	select {
	case s.renewed <- struct{}{}:
	default:
	}
	c.opt.Log.Info("logged in to vault", "method", c.opt.Auth.Method, "policies", auth.TokenPolicies,
		"seconds", auth.LeaseDuration, "renewable", auth.Renewable)
	return nil
}

// keepLoggedIn renews the token as long as it can be renewed, then logs in again, until ctx ends.
func (c *Client) keepLoggedIn(ctx context.Context) {
	for ctx.Err() == nil {
		token, ended := c.watch(ctx)
		if !ended {
			continue // another token is in use by now
		}
		for pause := loginPause; ctx.Err() == nil; pause = min(2*pause, loginPauseMax) {
			limited, cancel := context.WithTimeout(ctx, c.opt.Timeout)
			err := c.login(limited, token)
			cancel()
			if err == nil {
				break
			}
			if ctx.Err() == nil {
				c.opt.Log.Error("cannot log in to vault; trying again", "cause", err, "pause", pause)
			}
			c.sleep(ctx, pause)
		}
	}
}

// sleep waits for the time to pass, or for someone else's login.
func (c *Client) sleep(ctx context.Context, pause time.Duration) {
	select {
	case <-time.After(pause):
	case <-c.session.renewed:
	case <-ctx.Done():
	}
}

// watch keeps the present token alive. It returns that token, and true when it ends or its file holds another
// one; false when ctx ends or a request has logged in anew.
func (c *Client) watch(ctx context.Context) (token string, ended bool) {
	c.session.turn <- struct{}{}
	auth := c.session.auth
	select {
	case <-c.session.renewed: // that is auth
	default:
	}
	<-c.session.turn
	over := make(<-chan error) // a token without an end is never over
	if auth.LeaseDuration > 0 {
		watcher, err := c.api.NewLifetimeWatcher(&api.LifetimeWatcherInput{Secret: &api.Secret{Auth: auth}})
		if err != nil {
			c.opt.Log.Error("cannot renew the vault token", "cause", err)
			return auth.ClientToken, true
		}
		go watcher.Start()
		defer watcher.Stop()
		over = watcher.DoneCh()
	}
	check := time.NewTicker(fileCheck)
	defer check.Stop()
	for {
		select {
		case <-ctx.Done():
			return "", false
		case <-c.session.renewed:
			return "", false
		case err := <-over:
			if err != nil {
				c.opt.Log.Warn("the vault token could not be renewed", "cause", err)
			}
			return auth.ClientToken, ctx.Err() == nil
		case <-check.C:
			if c.tokenFileChanged() {
				return auth.ClientToken, true
			}
		}
	}
}

func (c *Client) tokenFileChanged() bool {
	if c.opt.Auth.Method != TokenFile {
		return false
	}
	now, err := os.ReadFile(c.opt.Auth.TokenFile)
	c.session.turn <- struct{}{}
	defer func() { <-c.session.turn }()
	return err == nil && !bytes.Equal(now, c.session.tokenInFile)
}
