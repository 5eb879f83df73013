package session

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"signet/provider/oauth"
)

// Interactions is where authorization requests wait.
type Interactions interface {
	// Interaction returns the waiting request, or oauth.ErrNotFound when there is none or it has expired.
	Interaction(ctx context.Context, digest oauth.Digest) (oauth.Interaction, error)
}

// Waiting finds the authorization request whose ticket the browser holds. An *oauth.Error says that it waits
// no more; after any other error nobody knows.
func Waiting(r *http.Request, store Interactions, clock oauth.Clock) (oauth.Interaction, Ticket, error) {
	ticket, ok := TicketFrom(r)
	if !ok {
		return oauth.Interaction{}, Ticket{}, Gone(nil)
	}
	waiting, err := store.Interaction(r.Context(), ticket.Digest)
	switch {
	case errors.Is(err, oauth.ErrNotFound):
		return oauth.Interaction{}, Ticket{}, Gone(err)
	case err != nil:
		return oauth.Interaction{}, Ticket{}, fmt.Errorf("reading the waiting request: %w", err)
	case !clock().Before(waiting.ExpiresAt):
		return oauth.Interaction{}, Ticket{}, Gone(nil)
	}
	waiting.Digest = ticket.Digest
	return waiting, ticket, nil
}

// Gone is what the user is told when no request waits, for whatever reason.
func Gone(cause error) *oauth.Error {
	return oauth.Errorf(oauth.InvalidRequest, "this sign-in has expired or was already completed").Because(cause)
}

// Origin makes what tells the forms of our own pages, also behind a proxy, from those of other sites.
func Origin(issuer string) (*http.CrossOriginProtection, error) {
	u, err := url.Parse(issuer)
	if err != nil {
		return nil, fmt.Errorf("the issuer is no URL: %w", err)
	}
	origin := http.NewCrossOriginProtection()
	return origin, origin.AddTrustedOrigin(u.Scheme + "://" + u.Host)
}
