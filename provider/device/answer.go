package device

import (
	"context"
	"errors"
	"slices"
	"time"

	"signet/provider/audit"
	"signet/provider/oauth"
	"signet/provider/web"
)

// UserCode returns a user code, as somebody typed it, in the form in which devices show it, or "" for what cannot be
// one. Whether there is a request of it, it does not say.
func (s *Service) UserCode(typed string) string {
	code, _ := ParseUserCode(typed)
	return code.String()
}

// Waiting returns the request that waits for an answer under this user code, as it was typed. The error is an
// *oauth.Error with not_found when there is none: never asked for, answered, expired, or its client may not have it any
// more. What it tells is what guessing is about: who asks has to be counted.
func (s *Service) Waiting(ctx context.Context, userCode string) (oauth.DeviceRequest, error) {
	code, ok := ParseUserCode(userCode)
	if !ok {
		return oauth.DeviceRequest{}, gone(nil)
	}
	request, err := s.deps.Store.DeviceRequestByUserCode(ctx, code.digest())
	if errors.Is(err, oauth.ErrNotFound) {
		return oauth.DeviceRequest{}, gone(err)
	}
	if err != nil {
		return oauth.DeviceRequest{}, err
	}
	if request.Status != oauth.DevicePending || !s.now().Before(request.ExpiresAt) {
		return oauth.DeviceRequest{}, gone(nil)
	}
	// Minutes may have passed since the client was judged.
	client, err := s.deps.Store.Client(ctx, request.ClientID)
	if err != nil && !errors.Is(err, oauth.ErrNotFound) {
		return oauth.DeviceRequest{}, err
	}
	if err != nil || client.Disabled || !client.Allows(oauth.GrantDevice) || !request.Scope.Within(client.Scopes()) {
		return oauth.DeviceRequest{}, gone(err)
	}
	return request, nil
}

func gone(cause error) *oauth.Error {
	return oauth.Errorf(oauth.NotFound, "no request waits under this user code").Because(cause)
}

// WantsLogin says that who logged in at that time has to do it again before approving: a request with details, or with
// wishes for the login, is not approved by a browser that happened to be signed in. Logins are kept in whole seconds,
// and one within the request's own second counts.
func (s *Service) WantsLogin(request oauth.DeviceRequest, at time.Time) bool {
	return (len(request.Details) > 0 || len(request.ACRValues) > 0) && at.Before(request.CreatedAt.Truncate(time.Second))
}

// Answer records the decision of user, who has logged in as it says, about the request under this user code. The user's
// acr becomes the first of the requested ones that a login reaches. The errors are those of [Service.Waiting]; with
// login_required the user has to log in again before approving; it is an *oauth.Conflict when somebody else has answered
// in this moment.
func (s *Service) Answer(ctx context.Context, userCode string, user oauth.EndUser, approve bool) error {
	request, err := s.Waiting(ctx, userCode)
	if err != nil {
		return err
	}
	if approve && s.WantsLogin(request, user.AuthTime) {
		return oauth.Errorf(oauth.LoginRequired, "this request is approved only by who has logged in since it was made")
	}
	event := audit.ConsentDenied
	request.Status = oauth.DeviceDenied
	var changes []oauth.Change
	if approve {
		event = audit.ConsentGiven
		if request, err = s.approved(request, user); err != nil {
			return err
		}
		changes = append(changes, s.grant(request))
	}
	entry, err := s.consent(ctx, event, request, user)
	if err != nil {
		return err
	}
	return s.deps.Store.Commit(ctx, slices.Concat([]oauth.Change{oauth.AnswerDevice{Request: request}}, changes, []oauth.Change{entry})...)
}

// approved is the request as its user has approved it.
func (s *Service) approved(request oauth.DeviceRequest, user oauth.EndUser) (oauth.DeviceRequest, error) {
	id, err := oauth.NewID(s.deps.Random)
	for _, acr := range request.ACRValues {
		if slices.Contains(s.deps.ACRs, acr) {
			user.ACR = acr
			break
		}
	}
	request.Status, request.GrantID, request.User = oauth.DeviceApproved, id, &user
	return request, err
}

func (s *Service) grant(request oauth.DeviceRequest) oauth.Change {
	return oauth.StoreGrant{Grant: oauth.Grant{
		ID: request.GrantID, ClientID: request.ClientID, UserID: request.User.ID, Scope: request.Scope, Resources: request.Resources,
		Details: request.Details, CreatedAt: s.now(), ExpiresAt: request.ExpiresAt.Add(s.deps.RefreshLifetime),
	}}
}

func (s *Service) consent(ctx context.Context, event audit.Event, request oauth.DeviceRequest, user oauth.EndUser) (oauth.Change, error) {
	if request.User != nil {
		user = *request.User
	}
	return s.deps.Record.Change(event, oauth.AuditEntry{
		RequestID: web.RequestID(ctx), ClientID: request.ClientID, Subject: user.ID, GrantID: request.GrantID,
		Detail: map[string]any{
			"device_request_id": request.ID, "asked_in": request.RequestID, "scope": request.Scope.String(), "resources": request.Resources,
			"authorization_details": request.Details.Types(), "acr": user.ACR, "sid": user.SessionID,
		},
	})
}
