package session

import (
	"net/http"
	"strings"
	"time"

	"signet/provider/oauth"
)

const (
	ticketPrefix = "__Host-signet-ticket-"
	// TicketParam is the query parameter that names a ticket in the URLs of the pages.
	TicketParam = "interaction"
	// maxTickets bounds how many requests one browser can have waiting, so that a site that opens many
	// cannot fill the cookie header.
	maxTickets   = 8
	secretLength = 43 // 256 bits in base64url
	handleLength = 16
)

// Ticket ties a waiting authorization request to one browser. The URL carries its Handle, which is public
// and tells tabs apart; the browser must also hold the secret, in a cookie of that name.
type Ticket struct {
	Digest oauth.Digest
	Handle string
	secret oauth.Secret
}

// NewTicket draws a ticket. Write gives it to the browser.
func NewTicket(random oauth.Random) (Ticket, error) {
	secret, err := oauth.NewSecret(random)
	if err != nil {
		return Ticket{}, err
	}
	return ticketOf(secret), nil
}

func ticketOf(secret oauth.Secret) Ticket {
	digest := secret.Digest()
	return Ticket{Digest: digest, Handle: HandleOf(digest), secret: secret}
}

// HandleOf returns the public name of the ticket with this digest: the first 96 bits of it.
func HandleOf(digest oauth.Digest) string { return digest.String()[:handleLength] }

// TicketFrom returns the ticket that the request's URL names and its cookies prove; ok is false when
// either part is missing or they do not belong together.
func TicketFrom(r *http.Request) (ticket Ticket, ok bool) {
	handle := r.URL.Query().Get(TicketParam)
	if len(handle) != handleLength {
		return Ticket{}, false
	}
	secret, ok := secretFrom(r, ticketPrefix+handle)
	if !ok {
		return Ticket{}, false
	}
	ticket = ticketOf(secret)
	return ticket, ticket.Handle == handle
}

// Write gives the browser the ticket for the time the request may wait, and takes back the oldest ones
// when it holds too many.
func (t Ticket) Write(w http.ResponseWriter, r *http.Request, lifetime time.Duration) {
	var held []string
	for _, c := range r.Cookies() {
		if strings.HasPrefix(c.Name, ticketPrefix) {
			held = append(held, c.Name)
		}
	}
	// Browsers send the cookies of one path oldest first (RFC 6265 section 5.4).
	for len(held) >= maxTickets {
		dropCookie(w, held[0])
		held = held[1:]
	}
	setCookie(w, ticketPrefix+t.Handle, t.secret.Reveal(), lifetime)
}

// Drop makes the browser forget the ticket, when the request has been answered.
func (t Ticket) Drop(w http.ResponseWriter) { dropCookie(w, ticketPrefix+t.Handle) }

// PageURL returns path with the handle of the waiting request in its query.
func PageURL(path string, digest oauth.Digest) string {
	return path + "?" + TicketParam + "=" + HandleOf(digest)
}
