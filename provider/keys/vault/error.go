package vault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/hashicorp/vault/api"

	"signet/provider/oauth"
)

// What a request can fail with, wrapped, besides oauth.ErrUnavailable.
var (
	// ErrDenied: the identity may not do this. When Vault refuses the login itself, the error wraps
	// oauth.ErrUnavailable as well, because that ends when the identity is put right.
	ErrDenied = errors.New("vault denies it")
	// ErrCAS: the record is not at the version that the writer has seen.
	ErrCAS = errors.New("the record has changed in vault")
)

// Error is an answer of Vault's other than success.
type Error struct {
	Request  string // method and path
	Status   int
	Messages []string // Vault's own, in one line each

	answer *api.ResponseError
}

// Error implements error.
func (e *Error) Error() string {
	text := fmt.Sprintf("vault answered %d to %s", e.Status, e.Request)
	if len(e.Messages) > 0 {
		text += ": " + strings.Join(e.Messages, "; ")
	}
	return text
}

// Unwrap gives the API client's form of the answer to errors.As. Its text has several lines.
func (e *Error) Unwrap() error { return e.answer }

// Says reports whether one of Vault's messages contains text.
func (e *Error) Says(text string) bool {
	for _, message := range e.Messages {
		if strings.Contains(message, text) {
			return true
		}
	}
	return false
}

// classify turns what the API client returns into this package's errors. parent is the caller's context.
func classify(parent context.Context, request string, err error) error {
	var answer *api.ResponseError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &answer):
		return classifyAnswer(request, answer)
	case parent.Err() != nil:
		return gone(parent, request)
	default: // no connection, no TLS, no time, no JSON: a proxy's error page
		return fmt.Errorf("%w: vault: %s: %w", oauth.ErrUnavailable, request, err)
	}
}

// gone is the error for a caller who did not wait for Vault's answer.
func gone(parent context.Context, request string) error {
	return fmt.Errorf("vault: %s: %w", request, parent.Err())
}

// saysNothing reports that a request failed because its caller did not wait, which tells nothing about Vault.
func saysNothing(err error) bool {
	return !errors.Is(err, oauth.ErrUnavailable) && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded))
}

func classifyAnswer(request string, answer *api.ResponseError) error {
	e := &Error{Request: request, Status: answer.StatusCode, answer: answer}
	for _, message := range answer.Errors {
		message = strings.Join(strings.Fields(message), " ")
		e.Messages = append(e.Messages, message[:min(len(message), 300)])
	}
	switch {
	case e.Status == http.StatusForbidden || e.Status == http.StatusUnauthorized:
		return fmt.Errorf("%w: %w", ErrDenied, e)
	case e.Status >= 500, // 501 not initialised, 503 sealed
		e.Status == http.StatusTooManyRequests,    // standby or quota
		e.Status == http.StatusPreconditionFailed, // a standby that has not caught up
		e.Status == 472, e.Status == 473, // secondaries and standbys of Vault Enterprise
		e.Says("Upgrading from non-versioned"), e.Says("primary to upgrade from non-versioned"): // a KV mount that begins
		return fmt.Errorf("%w: %w", oauth.ErrUnavailable, e)
	}
	return e
}
