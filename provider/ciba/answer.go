package ciba

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"signet/provider/audit"
	"signet/provider/oauth"
	"signet/provider/web"
)

// Pending returns what waits for the user, the newest first.
func (s *Service) Pending(ctx context.Context, userID string) ([]oauth.Backchannel, error) {
	return s.deps.Store.PendingBackchannels(ctx, userID, s.now())
}

// Answer records the decision of user, who has logged in as it says, about the request with this public id. What
// the client is to be told of it is committed with it. The user's acr becomes the first of the requested ones that
// a login reaches. The error is an *oauth.Error when there is no such request for this user or when it waits no
// more, and an *oauth.Conflict when somebody else has answered in this moment.
func (s *Service) Answer(ctx context.Context, id string, user oauth.EndUser, approve bool) error {
	request, err := s.deps.Store.BackchannelByID(ctx, id)
	if err != nil && !errors.Is(err, oauth.ErrNotFound) {
		return err
	}
	if err != nil || request.UserID != user.ID {
		return oauth.Errorf(oauth.NotFound, "there is no such request").Because(err)
	}
	return s.settle(ctx, request, user, approve)
}

func (s *Service) settle(ctx context.Context, request oauth.Backchannel, user oauth.EndUser, approve bool) error {
	now := s.now()
	if request.Status != oauth.BackchannelPending || !now.Before(request.ExpiresAt) {
		return oauth.Errorf(oauth.InvalidRequest, "this request has expired or was already answered")
	}
	client, err := s.client(ctx, request)
	if err != nil {
		return err
	}
	changes, err := s.answer(ctx, request, client, user, approve, now)
	if err != nil {
		return err
	}
	if err := s.deps.Store.Commit(ctx, changes...); err != nil {
		return err
	}
	s.Wake()
	return nil
}

// client judges the request's client again: minutes may have passed.
func (s *Service) client(ctx context.Context, request oauth.Backchannel) (*oauth.Client, error) {
	client, err := s.deps.Store.Client(ctx, request.ClientID)
	if err != nil && !errors.Is(err, oauth.ErrNotFound) {
		return nil, err
	}
	if err != nil || client.Disabled || !client.Allows(oauth.GrantCIBA) || !request.Scope.Within(client.Scopes()) {
		return nil, oauth.Errorf(oauth.InvalidRequest, "the client that asked may not have this any more").Because(err)
	}
	return client, nil
}

// answer is the one commit of a decision.
func (s *Service) answer(ctx context.Context, request oauth.Backchannel, client *oauth.Client, user oauth.EndUser, approve bool, now time.Time) ([]oauth.Change, error) {
	event := audit.ConsentDenied
	request.Status = oauth.BackchannelDenied
	var grant []oauth.Change
	if approve {
		id, err := oauth.NewID(s.deps.Random)
		if err != nil {
			return nil, err
		}
		event, request.Status, request.GrantID = audit.ConsentGiven, oauth.BackchannelApproved, id
		user.ACR = s.reached(user.ACR, request.ACRValues)
		request.User = &user
		grant = []oauth.Change{oauth.StoreGrant{Grant: oauth.Grant{
			ID: id, ClientID: request.ClientID, UserID: user.ID, Scope: request.Scope, Resources: request.Resources,
			Details: request.Details, CreatedAt: now, ExpiresAt: request.ExpiresAt.Add(s.deps.RefreshLifetime),
		}}}
	}
	told, err := s.telling(ctx, request, client)
	if err != nil {
		return nil, err
	}
	entry, err := s.deps.Record.Change(event, oauth.AuditEntry{
		RequestID: web.RequestID(ctx), ClientID: request.ClientID, Subject: user.ID, GrantID: request.GrantID,
		Detail: map[string]any{
			"backchannel_id": request.ID, "scope": request.Scope.String(), "resources": request.Resources,
			"authorization_details": request.Details.Types(), "acr": user.ACR, "sid": user.SessionID,
		},
	})
	if err != nil {
		return nil, err
	}
	return slices.Concat([]oauth.Change{oauth.AnswerBackchannel{Request: request}}, grant, told, []oauth.Change{entry}), nil
}

// reached returns the first of the asked contexts that a login reaches, or else what this one did by itself.
func (s *Service) reached(own string, asked []string) string {
	for _, acr := range asked {
		if slices.Contains(s.deps.ACRs, acr) {
			return acr
		}
	}
	return own
}

// telling is what the client gets to know of the answer, by its delivery mode.
func (s *Service) telling(ctx context.Context, request oauth.Backchannel, client *oauth.Client) ([]oauth.Change, error) {
	if request.Mode == oauth.BackchannelPoll {
		return nil, nil
	}
	known, err := s.unseal(ctx, request)
	if err != nil {
		return nil, err
	}
	kind, body, changes := kindPing, []byte(nil), []oauth.Change(nil)
	if request.Mode == oauth.BackchannelPush {
		kind = kindPush
		if body, changes, err = s.push(ctx, request, client, oauth.Secret(known.AuthReqID)); err != nil {
			return nil, err
		}
	} else if body, err = json.Marshal(map[string]string{"auth_req_id": known.AuthReqID}); err != nil { // CIBA Core section 10.2
		return nil, err
	}
	delivery, err := s.delivery(ctx, kind, client.ID, client.BackchannelEndpoint, request.ExpiresAt, parcel{Token: known.Token, Body: body})
	return append(changes, delivery), err
}

// push is the tokens (CIBA Core section 10.3.1), or why there are none (section 12).
func (s *Service) push(ctx context.Context, request oauth.Backchannel, client *oauth.Client, authReqID oauth.Secret) ([]byte, []oauth.Change, error) {
	refused := oauth.Errorf(oauth.AccessDenied, "the user denied the request")
	var changes []oauth.Change
	if request.Status == oauth.BackchannelApproved {
		profile, known := s.deps.Floor.For(client)
		if !known || !s.mayPush(client, profile) {
			return nil, nil, oauth.Errorf(oauth.InvalidRequest, "the client that asked may not have this any more")
		}
		body, made, err := s.deps.Push.Tokens(ctx, client, profile, request, authReqID)
		switch {
		case err == nil:
			return body, made, nil
		case !errors.As(err, &refused) || unavailable(refused.Code):
			return nil, nil, err // nothing is answered; the user can try again
		}
		changes = made
	}
	shown := web.Public(refused)
	body, err := json.Marshal(pushError{authReqID.Reveal(), shown.Code, shown.Description})
	return body, changes, err
}

func unavailable(code oauth.Code) bool {
	return code == oauth.TemporarilyUnavailable || code == oauth.ServerError
}

// pushError is CIBA Core section 12.
type pushError struct {
	AuthReqID   string     `json:"auth_req_id"`
	Error       oauth.Code `json:"error"`
	Description string     `json:"error_description,omitempty"`
}
