package logout

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	"signet/provider/audit"
	"signet/provider/deliver"
	"signet/provider/fetch"
	"signet/provider/oauth"
)

// kindLogout is the kind of deliveries that this package sends.
const kindLogout = "backchannel-logout"

// errPointless is why a client is not told.
var errPointless = errors.New("the client is gone, or has no backchannel_logout_uri any more")

// notice is what a delivery carries. The logout token is made of it for each attempt, so that it is fresh however late
// that comes. Nothing of it is secret: it is kept as it is, so that nobody stays signed in because the key service is
// out of reach.
type notice struct {
	UserID string `json:"sub"` // the local id
	SID    string `json:"sid"`
}

// delivery makes the change that queues the notice for a client.
func (s *Service) delivery(client *oauth.Client, user oauth.EndUser, now time.Time) (oauth.Change, error) {
	id, err := oauth.NewID(s.deps.Random)
	if err != nil {
		return nil, err
	}
	carried, err := json.Marshal(notice{UserID: user.ID, SID: user.SessionID})
	return oauth.StoreDelivery{Delivery: oauth.Delivery{
		ID: id, Kind: kindLogout, ClientID: client.ID, URL: client.BackchannelLogoutURI, Sealed: carried,
		NextAt: now, ExpiresAt: now.Add(s.deps.RetryFor),
	}}, err
}

// send makes one attempt.
func (s *Service) send(ctx context.Context, d oauth.Delivery) deliver.Result {
	status, err := s.tell(ctx, d)
	return deliver.Result{Verdict: judge(status, err), Status: status, Cause: err}
}

// judge: 200 says that it is done, and 204 means it; 400 that it cannot be done (Back-Channel Logout section 2.8).
// Anything else may get better.
func judge(status int, err error) deliver.Verdict {
	switch {
	case errors.Is(err, errPointless), errors.Is(err, fetch.ErrRefused):
		return deliver.Refused
	case err != nil:
		return deliver.Again
	case status == http.StatusOK, status == http.StatusNoContent:
		return deliver.Done
	case status == http.StatusBadRequest:
		return deliver.Refused
	}
	return deliver.Again
}

// tell sends the client a logout token (Back-Channel Logout section 2.5), to where it is registered now.
func (s *Service) tell(ctx context.Context, d oauth.Delivery) (status int, err error) {
	client, err := s.deps.Store.Client(ctx, d.ClientID)
	if errors.Is(err, oauth.ErrNotFound) || err == nil && (client.Disabled || client.BackchannelLogoutURI == "") {
		return 0, errPointless
	}
	if err != nil {
		return 0, err
	}
	var n notice
	if err := json.Unmarshal(d.Sealed, &n); err != nil {
		return 0, err
	}
	if !client.BackchannelLogoutSession { // it may not know its sessions by their sid: all of the user's end
		n.SID = ""
	}
	profile, known := s.deps.Floor.For(client)
	if !known {
		return 0, errors.New("the client's profile is unknown")
	}
	sub, err := s.deps.Tokens.Subject(client, n.UserID)
	if err != nil {
		return 0, err
	}
	sid, err := s.deps.Tokens.SessionID(client, n.SID)
	if err != nil {
		return 0, err
	}
	token, err := s.deps.Tokens.LogoutToken(ctx, client, profile.SigningAlgs, sub, sid, s.now())
	if err != nil {
		return 0, err
	}
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	body := url.Values{"logout_token": {token}}.Encode()
	return s.deps.Post.Post(ctx, client.BackchannelLogoutURI, header, []byte(body))
}

// delivered is for the audit log.
func (s *Service) delivered(d oauth.Delivery, end deliver.End) ([]oauth.Change, error) {
	event, detail := audit.LogoutDelivered, map[string]any{"delivery": d.ID, "attempts": d.Attempts}
	if end.Status != 0 {
		detail["status"] = end.Status
	}
	if !end.Delivered {
		event, detail["reason"] = audit.LogoutGivenUp, end.Reason
	}
	var n notice
	if err := json.Unmarshal(d.Sealed, &n); err == nil {
		detail["sid"] = n.SID
	}
	entry, err := s.deps.Record.Change(event, oauth.AuditEntry{ClientID: d.ClientID, Subject: n.UserID, Detail: detail})
	return []oauth.Change{entry}, err
}
