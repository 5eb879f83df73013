package device

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"signet/provider/oauth"
	"signet/provider/web"
)

// response is RFC 8628 section 3.2.
type response struct {
	DeviceCode string `json:"device_code"`
	UserCode   string `json:"user_code"`
	// URI is where the user types the user code; Complete has it in its query.
	URI      string `json:"verification_uri"`
	Complete string `json:"verification_uri_complete"`
	// Picture is ours: where a device that shows pictures gets Complete as a QR code.
	Picture   string `json:"verification_uri_qr"`
	ExpiresIn int64  `json:"expires_in"` // seconds
	Interval  int    `json:"interval"`   // seconds
}

// ServeHTTP is the device authorization endpoint (RFC 8628 section 3.1).
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, err := s.authorize(w, r)
	if err != nil {
		web.WriteError(w, r, s.deps.Log, err)
		return
	}
	web.NoStore(w.Header())
	web.WriteJSON(w, http.StatusOK, answer)
}

// authorize is the whole flow: parse, authenticate, bind, validate, commit, answer.
func (s *Service) authorize(w http.ResponseWriter, r *http.Request) (*response, error) {
	ctx := r.Context()
	form, fault := web.ParseForm(w, r, "resource")
	if fault != nil {
		return nil, fault
	}
	caller, err := s.deps.Authenticate.Authenticate(ctx, r, form, slices.Concat(s.deps.Endpoints, s.deps.Audiences))
	if err != nil {
		return nil, err
	}
	if !caller.Client.Allows(oauth.GrantDevice) {
		return nil, oauth.Errorf(oauth.UnauthorizedClient, "this client is not registered for "+oauth.GrantDevice)
	}
	sender, err := s.deps.Bind.From(w, r, caller.Certificate, s.deps.Endpoints, caller.Profile.SigningAlgs, "")
	if err != nil {
		return nil, err
	}
	request, fault := s.validate(caller.Client, form)
	if fault != nil {
		return nil, fault
	}
	if fault := s.admit(r, caller.Client); fault != nil {
		return nil, fault
	}
	request.Sender = sender.Confirmation
	answer, err := s.open(ctx, request, slices.Concat(caller.Changes, sender.Changes))
	if err != nil {
		return nil, err
	}
	// Most of these clients are public: anybody can ask in their name, and strangers must not be able to fill the audit
	// log. That of the user's answer says what was asked for.
	s.deps.Log.InfoContext(ctx, "device authorization requested", "request_id", web.RequestID(ctx), "client_id", request.ClientID)
	return answer, nil
}

// attempts is how often another user code is drawn when one is taken. That the first is, is as likely as that somebody
// guesses one; that several are, says that something else is wrong.
const attempts = 4

// open keeps the request under codes that nobody else has, together with what the sender's proofs change.
func (s *Service) open(ctx context.Context, request oauth.DeviceRequest, proofs []oauth.Change) (*response, error) {
	now := s.now()
	request.Status, request.RequestID, request.Interval = oauth.DevicePending, web.RequestID(ctx), int(s.deps.Interval.Seconds())
	request.CreatedAt, request.ExpiresAt, request.NextPoll = now, now.Add(s.deps.Expiry.Truncate(time.Second)), now
	var err error
	for range attempts {
		var deviceCode oauth.Secret
		if deviceCode, err = oauth.NewSecret(s.deps.Random); err != nil {
			return nil, err
		}
		var userCode UserCode
		if userCode, err = newUserCode(s.deps.Random); err != nil {
			return nil, err
		}
		if request.ID, err = oauth.NewID(s.deps.Random); err != nil {
			return nil, err
		}
		request.Digest, request.UserCode = deviceCode.Digest(), userCode.digest()
		err = s.deps.Store.Commit(ctx, append(slices.Clone(proofs), oauth.StoreDevice{Request: request})...)
		if err == nil {
			return s.response(request, deviceCode, userCode), nil
		}
		var lost *oauth.Conflict
		if !errors.As(err, &lost) || !isStoreDevice(lost.Change) {
			return nil, err
		}
	}
	return nil, oauth.Errorf(oauth.TemporarilyUnavailable, "no user code is free at present").Because(err)
}

func isStoreDevice(change oauth.Change) bool {
	_, ok := change.(oauth.StoreDevice)
	return ok
}

func (s *Service) response(request oauth.DeviceRequest, deviceCode oauth.Secret, userCode UserCode) *response {
	query := "?" + url.Values{"user_code": {userCode.String()}}.Encode()
	return &response{
		DeviceCode: deviceCode.Reveal(), UserCode: userCode.String(),
		URI: s.deps.VerificationURI, Complete: s.deps.VerificationURI + query, Picture: s.deps.VerificationURI + pathPicture + query,
		ExpiresIn: int64(request.ExpiresAt.Sub(request.CreatedAt).Seconds()), Interval: request.Interval,
	}
}

// admit bounds how many requests there can be. For a public client anybody can ask: one sender must not use up what is
// everybody's.
func (s *Service) admit(r *http.Request, client *oauth.Client) *oauth.Error {
	if client.Public() && !s.addresses.take(web.Subscriber(s.deps.Address(r))) {
		return oauth.Errorf(oauth.SlowDown, "too many requests came from this address: try again later")
	}
	if !s.clients.take(client.ID) {
		return oauth.Errorf(oauth.SlowDown, "this client has made too many requests: try again later")
	}
	return nil
}
