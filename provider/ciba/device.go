package ciba

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"signet/provider/oauth"
)

// Notice tells a device of a request that waits for its user.
type Notice struct {
	ID             string        `json:"id"` // what [Service.Answer] takes
	Subject        string        `json:"sub"`
	ClientID       string        `json:"client_id"`
	ClientName     string        `json:"client_name,omitempty"`
	BindingMessage string        `json:"binding_message,omitempty"`
	Scope          string        `json:"scope"`
	Resources      []string      `json:"resources,omitempty"`
	Details        oauth.Details `json:"authorization_details,omitempty"`
	ACRValues      []string      `json:"acr_values,omitempty"`
	ApprovalURL    string        `json:"approval_url"`
	ExpiresAt      time.Time     `json:"expires_at"`
}

// Device is how a bank's authentication devices learn of a request: the interface for a bank that builds its own
// program around this package. The device answers through [Service.Answer], or sends its user to ApprovalURL.
type Device interface {
	// Notify is called after the request has been committed, in the client's request: it must be quick. An error is
	// logged, and the request can still be answered on the approval page.
	Notify(ctx context.Context, n Notice) error
}

// Webhook is a device service that is told by HTTP: a POST of the [Notice] as JSON, with a bearer token. It is
// queued in the commit that keeps the request, and sent again for as long as the request waits.
type Webhook struct {
	URL string
	// Token reads the bearer token, for each attempt anew, so that it can be replaced.
	Token func() (oauth.Secret, error)
	// Post reaches URL, which the operator chose, and need reach nothing else. Clients' addresses never go through it.
	Post Poster
}

var errNoDevice = errors.New("no device service is configured any more")

func (h *Webhook) poster() (Poster, error) {
	if h == nil {
		return nil, errNoDevice
	}
	return h.Post, nil
}

func (h *Webhook) receiver() (address, token string, err error) {
	secret, err := h.Token()
	return h.URL, secret.Reveal(), err
}

func (s *Service) notice(request oauth.Backchannel, client *oauth.Client) Notice {
	return Notice{
		ID: request.ID, Subject: request.UserID, ClientID: request.ClientID, ClientName: client.Name,
		BindingMessage: request.BindingMessage, Scope: request.Scope.String(), Resources: request.Resources,
		Details: request.Details, ACRValues: request.ACRValues, ApprovalURL: s.deps.ApprovalURL, ExpiresAt: request.ExpiresAt,
	}
}

// deviceDelivery queues the notice for the device service.
func (s *Service) deviceDelivery(ctx context.Context, n Notice) (oauth.Change, error) {
	body, err := json.Marshal(n)
	if err != nil {
		return nil, err
	}
	about := oauth.Delivery{Kind: kindDevice, ClientID: n.ClientID, URL: s.deps.Webhook.URL, ExpiresAt: n.ExpiresAt}
	return s.delivery(ctx, about, parcel{Body: body})
}

// tell gives the notice to whoever is to know of a request that has just been committed.
func (s *Service) tell(ctx context.Context, n Notice) {
	if s.deps.Webhook != nil {
		s.deps.Queue.Wake()
	}
	if s.deps.Device == nil {
		return
	}
	if err := s.deps.Device.Notify(ctx, n); err != nil {
		s.deps.Log.ErrorContext(ctx, "the authentication device was not told; the user can answer on the approval page", "backchannel_id", n.ID, "cause", err)
	}
}
