package ciba

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"signet/provider/audit"
	"signet/provider/oauth"
	"signet/provider/web"
)

// response acknowledges a request (CIBA Core section 7.3).
type response struct {
	AuthReqID string `json:"auth_req_id"`
	ExpiresIn int64  `json:"expires_in"` // seconds
	Interval  int    `json:"interval,omitempty"`
}

// ServeHTTP is the backchannel authentication endpoint (CIBA Core section 7).
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, err := s.acknowledge(w, r)
	if err != nil {
		web.WritePlainError(w, r, s.deps.Log, err)
		return
	}
	web.NoStore(w.Header())
	web.WriteJSON(w, http.StatusOK, answer)
}

// acknowledge is the whole flow: parse, authenticate, validate, find the user, commit, tell the user's device.
func (s *Service) acknowledge(w http.ResponseWriter, r *http.Request) (*response, error) {
	ctx := r.Context()
	form, fault := web.ParseForm(w, r, "resource")
	if fault != nil {
		return nil, fault
	}
	caller, err := s.deps.Authenticate.Authenticate(ctx, r, form, s.deps.Endpoints)
	if err != nil {
		return nil, err
	}
	if fault := s.mayAsk(caller.Client, caller.Profile); fault != nil {
		return nil, fault
	}
	now := s.now()
	params, used, err := s.parameters(ctx, caller, form, now)
	if err != nil {
		return nil, err
	}
	asked, fault := s.validate(caller, params)
	if fault != nil {
		return nil, fault
	}
	user, err := s.hinted(ctx, caller, params, now)
	if err == nil {
		err = s.admit(ctx, caller.Client, user, params.Secret("user_code"), now)
	}
	if err != nil {
		return nil, s.refused(ctx, caller, user, used, err)
	}
	request, authReqID, err := s.open(ctx, caller.Client, user, asked, now)
	if err != nil {
		return nil, err
	}
	notice := s.notice(request, caller.Client)
	changes, err := s.opening(ctx, request, notice)
	if err != nil {
		return nil, err
	}
	if err := s.deps.Store.Commit(ctx, slices.Concat(caller.Changes, used, changes)...); err != nil {
		s.asked.add(pair(request.ClientID, request.UserID), -1) // the user never heard of it
		return nil, replayed(err, used)
	}
	s.tell(ctx, notice)
	answer := &response{AuthReqID: authReqID.Reveal(), ExpiresIn: int64(asked.expiry.Seconds())}
	if request.Mode != oauth.BackchannelPush {
		answer.Interval = request.Interval
	}
	return answer, nil
}

// mayAsk judges the client's registration (CIBA Core section 4).
func (s *Service) mayAsk(client *oauth.Client, profile oauth.Profile) *oauth.Error {
	refuse := func(why string) *oauth.Error { return oauth.Errorf(oauth.UnauthorizedClient, "%s", why) }
	switch {
	case client.Public():
		return refuse("a public client cannot use backchannel authentication (CIBA Core section 7.1)")
	case !client.Allows(oauth.GrantCIBA):
		return refuse("this client is not registered for " + oauth.GrantCIBA)
	}
	switch client.BackchannelMode {
	case oauth.BackchannelPoll:
		return nil
	case oauth.BackchannelPing, oauth.BackchannelPush:
		if client.BackchannelEndpoint == "" {
			return refuse("this client has no backchannel_client_notification_endpoint (CIBA Core section 4)")
		}
	default:
		return refuse("this client has no backchannel_token_delivery_mode (CIBA Core section 4)")
	}
	if client.BackchannelMode == oauth.BackchannelPush && !s.mayPush(client, profile) {
		return refuse("push mode is not for clients whose tokens are sender-constrained: a push proves no key (FAPI-CIBA section 5.2.2)")
	}
	return nil
}

// mayPush: a pushed token is bound to nobody, as nobody was there to prove a key.
func (s *Service) mayPush(client *oauth.Client, profile oauth.Profile) bool {
	return s.deps.Push != nil && profile.PushMode && !profile.SenderConstrained && !client.BoundAccessTokens && !client.DPoPBound
}

// open makes the request as it will be kept, and its auth_req_id.
func (s *Service) open(ctx context.Context, client *oauth.Client, user oauth.User, asked asked, now time.Time) (oauth.Backchannel, oauth.Secret, error) {
	authReqID, err := oauth.NewSecret(s.deps.Random)
	if err != nil {
		return oauth.Backchannel{}, "", err
	}
	id, err := oauth.NewID(s.deps.Random)
	if err != nil {
		return oauth.Backchannel{}, "", err
	}
	request := oauth.Backchannel{
		Digest: authReqID.Digest(), ID: id, ClientID: client.ID, UserID: user.ID, Mode: client.BackchannelMode,
		Scope: asked.scope, Resources: asked.resources, Details: asked.details, ACRValues: asked.acrValues,
		BindingMessage: asked.bindingMessage, Status: oauth.BackchannelPending, RequestID: web.RequestID(ctx),
		CreatedAt: now, ExpiresAt: now.Add(asked.expiry),
		Interval: int(s.deps.Interval.Seconds()), NextPoll: now, // the first poll may come at once
	}
	if request.Mode != oauth.BackchannelPoll {
		request.Sealed, err = s.seal(ctx, request, secrets{AuthReqID: authReqID.Reveal(), Token: asked.notificationToken.Reveal()})
	}
	return request, authReqID, err
}

// opening is what makes the request wait for its user.
func (s *Service) opening(ctx context.Context, request oauth.Backchannel, notice Notice) ([]oauth.Change, error) {
	entry, err := s.deps.Record.Change(audit.BackchannelRequested, oauth.AuditEntry{
		RequestID: request.RequestID, ClientID: request.ClientID, Subject: request.UserID,
		Detail: map[string]any{
			"backchannel_id": request.ID, "mode": request.Mode, "scope": request.Scope.String(),
			"resources": request.Resources, "authorization_details": request.Details.Types(),
		},
	})
	if err != nil {
		return nil, err
	}
	changes := []oauth.Change{oauth.StoreBackchannel{Request: request}, entry}
	if s.deps.Webhook == nil {
		return changes, nil
	}
	delivery, err := s.deviceDelivery(ctx, notice)
	return append(changes, delivery), err
}

// refused keeps what a client has to answer for, and uses up its proofs: it asked for nobody, or without the user's
// code. Nothing else that is refused tells it anything.
func (s *Service) refused(ctx context.Context, caller oauth.ClientAuthentication, user oauth.User, used []oauth.Change, cause error) error {
	var fault *oauth.Error
	if !errors.As(cause, &fault) {
		return cause
	}
	switch fault.Code {
	case oauth.UnknownUserID, oauth.MissingUserCode, oauth.InvalidUserCode:
	default:
		return cause
	}
	entry, err := s.deps.Record.Change(audit.BackchannelRefused, oauth.AuditEntry{
		RequestID: web.RequestID(ctx), ClientID: caller.Client.ID, Subject: user.ID, Detail: map[string]any{"error": string(fault.Code)},
	})
	if err != nil {
		return err
	}
	if err := s.deps.Store.Commit(ctx, slices.Concat(caller.Changes, used, []oauth.Change{entry})...); err != nil {
		return replayed(err, used)
	}
	return cause
}

// secrets are the secret parts of a request, as they are sealed.
type secrets struct {
	AuthReqID string `json:"auth_req_id"`
	Token     string `json:"client_notification_token"`
}

func sealContext(request oauth.Backchannel) []byte { return []byte("backchannel " + request.ID) }

func (s *Service) seal(ctx context.Context, request oauth.Backchannel, what secrets) ([]byte, error) {
	plain, err := json.Marshal(what)
	if err != nil {
		return nil, err
	}
	return s.deps.Sealer.Seal(ctx, plain, sealContext(request))
}

func (s *Service) unseal(ctx context.Context, request oauth.Backchannel) (secrets, error) {
	var what secrets
	if request.Mode == oauth.BackchannelPoll {
		return what, nil // it has none
	}
	plain, err := s.deps.Sealer.Open(ctx, request.Sealed, sealContext(request))
	if err != nil {
		return what, err
	}
	return what, json.Unmarshal(plain, &what)
}

// replayed tells a lost race for a request object's jti from one for a client assertion's.
func replayed(err error, used []oauth.Change) error {
	var lost *oauth.Conflict
	if errors.As(err, &lost) && slices.Contains(used, lost.Change) {
		return oauth.Errorf(oauth.InvalidRequest, "the request object was used before").Because(err)
	}
	return err
}
