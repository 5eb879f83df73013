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
// a login reaches. The error is an *oauth.Error when there is no such request for this user, when it waits no more,
// or, with login_required, when the user has to log in again before approving ([oauth.Backchannel.WantsLogin]); it is
// an *oauth.Conflict when somebody else has answered in this moment.
func (s *Service) Answer(ctx context.Context, id string, user oauth.EndUser, approve bool) error {
	request, err := s.deps.Store.BackchannelByID(ctx, id)
	if err != nil && !errors.Is(err, oauth.ErrNotFound) {
		return err
	}
	if err != nil || request.UserID != user.ID {
		return oauth.Errorf(oauth.NotFound, "there is no such request").Because(err)
	}
	if approve && request.WantsLogin(user.AuthTime) {
		return oauth.Errorf(oauth.LoginRequired, "this request is approved only by who has logged in since it was made")
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
	if asked := pair(request.ClientID, request.UserID); approve {
		s.asked.add(asked, -1)
	} else {
		s.asked.add(asked, askDenied)
	}
	s.deps.Queue.Wake()
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

// answer is the one commit of a decision. When the tokens of a push are refused, the user's approval comes to nothing:
// there is no grant that nobody could use, and the client is told why.
func (s *Service) answer(ctx context.Context, request oauth.Backchannel, client *oauth.Client, user oauth.EndUser, approve bool, now time.Time) ([]oauth.Change, error) {
	known, err := s.unseal(ctx, request)
	if err != nil {
		return nil, err
	}
	m := message{refused: oauth.Errorf(oauth.AccessDenied, "the user denied the request")}
	event, decided := audit.ConsentDenied, request
	decided.Status = oauth.BackchannelDenied
	var grant []oauth.Change
	if approve {
		approved, err := s.approved(request, user)
		if err != nil {
			return nil, err
		}
		if m, err = s.push(ctx, approved, client, known); err != nil {
			return nil, err
		}
		event = "" // that tokens were refused is in the audit log already
		if m.refused == nil {
			event, decided, grant = audit.ConsentGiven, approved, []oauth.Change{s.grant(approved, now)}
		}
	}
	told, err := s.telling(ctx, decided, client, known, m)
	if err != nil {
		return nil, err
	}
	changes := slices.Concat([]oauth.Change{oauth.AnswerBackchannel{Request: decided}}, grant, m.changes, told)
	if event == "" {
		return changes, nil
	}
	entry, err := s.consent(ctx, event, decided, user)
	return append(changes, entry), err
}

// approved is the request as its user has approved it.
func (s *Service) approved(request oauth.Backchannel, user oauth.EndUser) (oauth.Backchannel, error) {
	id, err := oauth.NewID(s.deps.Random)
	user.ACR = s.reached(user.ACR, request.ACRValues)
	request.Status, request.GrantID, request.User = oauth.BackchannelApproved, id, &user
	return request, err
}

func (s *Service) grant(request oauth.Backchannel, now time.Time) oauth.Change {
	return oauth.StoreGrant{Grant: oauth.Grant{
		ID: request.GrantID, ClientID: request.ClientID, UserID: request.UserID, Scope: request.Scope, Resources: request.Resources,
		Details: request.Details, CreatedAt: now, ExpiresAt: request.ExpiresAt.Add(s.deps.RefreshLifetime),
	}}
}

func (s *Service) consent(ctx context.Context, event audit.Event, request oauth.Backchannel, user oauth.EndUser) (oauth.Change, error) {
	if request.User != nil {
		user = *request.User
	}
	return s.deps.Record.Change(event, oauth.AuditEntry{
		RequestID: web.RequestID(ctx), ClientID: request.ClientID, Subject: user.ID, GrantID: request.GrantID,
		Detail: map[string]any{
			"backchannel_id": request.ID, "scope": request.Scope.String(), "resources": request.Resources,
			"authorization_details": request.Details.Types(), "acr": user.ACR, "sid": user.SessionID,
		},
	})
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

// message is what a client gets by push: the tokens, or why there are none.
type message struct {
	body    []byte
	changes []oauth.Change // to be committed with it
	refused *oauth.Error
}

// push makes the tokens of an approved request for a client that gets them so (CIBA Core section 10.3.1).
func (s *Service) push(ctx context.Context, request oauth.Backchannel, client *oauth.Client, known secrets) (m message, err error) {
	if request.Mode != oauth.BackchannelPush {
		return message{}, nil
	}
	profile, exists := s.deps.Floor.For(client)
	if !exists || !s.mayPush(client, profile) {
		return message{}, oauth.Errorf(oauth.InvalidRequest, "the client that asked may not have this any more")
	}
	m.body, m.changes, err = s.deps.Push.Tokens(ctx, client, profile, request, oauth.Secret(known.AuthReqID))
	if errors.As(err, &m.refused) && !unavailable(m.refused.Code) {
		return m, nil
	}
	return m, err // nothing is answered then; the user can try again
}

// telling is what the client gets to know of the answer, by its delivery mode.
func (s *Service) telling(ctx context.Context, request oauth.Backchannel, client *oauth.Client, known secrets, m message) ([]oauth.Change, error) {
	about := oauth.Delivery{ClientID: client.ID, URL: client.BackchannelEndpoint, ExpiresAt: request.ExpiresAt}
	var err error
	switch request.Mode {
	case oauth.BackchannelPoll:
		return nil, nil
	case oauth.BackchannelPing: // CIBA Core section 10.2
		about.Kind = kindPing
		m.body, err = json.Marshal(map[string]string{"auth_req_id": known.AuthReqID})
	default:
		about.Kind, about.GrantID = kindPush, request.GrantID
		if least := s.now().Add(leastPush); about.ExpiresAt.Before(least) {
			about.ExpiresAt = least
		}
		if m.refused != nil {
			shown := web.Public(m.refused)
			m.body, err = json.Marshal(pushError{known.AuthReqID, shown.Code, shown.Description})
		}
	}
	if err != nil {
		return nil, err
	}
	delivery, err := s.delivery(ctx, about, parcel{Token: known.Token, Body: m.body})
	return []oauth.Change{delivery}, err
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
