package authorize

import (
	"context"
	"net/http"
	"slices"
	"time"

	"signet/provider/audit"
	"signet/provider/oauth"
	"signet/provider/web"
)

// requestURIPrefix begins the request_uri of a pushed request (RFC 9126 section 2.2); a secret follows.
const requestURIPrefix = "urn:ietf:params:oauth:request_uri:"

// pushedAnswer is RFC 9126 section 2.2.
type pushedAnswer struct {
	RequestURI string `json:"request_uri"`
	ExpiresIn  int64  `json:"expires_in"` // seconds
}

// Push is the pushed authorization request endpoint (RFC 9126 section 2).
func (e *Endpoint) Push() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, err := e.push(w, r)
		if err != nil {
			web.WriteError(w, r, e.deps.Log, err)
			return
		}
		web.NoStore(w.Header())
		web.WriteJSON(w, http.StatusCreated, answer)
	})
}

// push is the whole of it: parse, authenticate, bind, validate, commit.
func (e *Endpoint) push(w http.ResponseWriter, r *http.Request) (*pushedAnswer, error) {
	ctx := r.Context()
	params, fault := web.ParseForm(w, r, "resource")
	if fault != nil {
		return nil, fault
	}
	caller, err := e.deps.Authenticate.Authenticate(ctx, r, params, slices.Concat(e.deps.PushEndpoints, e.deps.Audiences))
	if err != nil {
		return nil, err
	}
	sender, err := e.deps.Bind.From(w, r, caller.Certificate, e.deps.PushEndpoints, caller.Profile.SigningAlgs, "")
	if err != nil {
		return nil, err
	}
	req, err := e.validatePushed(ctx, inquiry{party: party{caller.Client, caller.Profile}, params: params, pushed: true})
	if err != nil {
		return nil, err
	}
	if err := bindCode(&req, sender.Confirmation.JKT); err != nil {
		return nil, err
	}
	answer, changes, err := e.keepPushed(ctx, req, caller)
	if err != nil {
		return nil, err
	}
	if err := e.deps.Store.Commit(ctx, slices.Concat(caller.Changes, sender.Changes, changes)...); err != nil {
		return nil, err
	}
	return answer, nil
}

// validatePushed validates as the authorization endpoint does (RFC 9126 section 2.1).
func (e *Endpoint) validatePushed(ctx context.Context, from inquiry) (oauth.AuthorizationRequest, error) {
	if from.params.Has("request_uri") { // RFC 9126 section 2.1
		return oauth.AuthorizationRequest{}, oauth.Errorf(oauth.InvalidRequest, "request_uri must not be pushed")
	}
	if err := e.open(ctx, &from); err != nil {
		return oauth.AuthorizationRequest{}, err
	}
	d, err := findDestination(from)
	if err != nil {
		return oauth.AuthorizationRequest{}, err
	}
	return e.validate(ctx, from, d)
}

// bindCode binds the code to the DPoP key whose proof came with the push (RFC 9449 section 10.1); "" = none came.
func bindCode(req *oauth.AuthorizationRequest, proved string) *oauth.Error {
	if proved == "" {
		return nil
	}
	if req.DPoPJKT != "" && req.DPoPJKT != proved {
		return oauth.Errorf(oauth.InvalidDPoPProof, "dpop_jkt is not the key of the DPoP proof")
	}
	req.DPoPJKT = proved
	return checkBinding(*req)
}

// keepPushed returns a new request_uri and what keeps the request at it.
func (e *Endpoint) keepPushed(ctx context.Context, req oauth.AuthorizationRequest, caller oauth.ClientAuthentication) (*pushedAnswer, []oauth.Change, error) {
	reference, err := oauth.NewSecret(e.deps.Random)
	if err != nil {
		return nil, nil, err
	}
	lifetime := min(e.deps.PushedLifetime, caller.Profile.MaxPushedLifetime).Truncate(time.Second)
	changes := []oauth.Change{oauth.StorePushed{Pushed: oauth.PushedRequest{
		Digest: reference.Digest(), Request: req, ExpiresAt: e.deps.Clock().Add(lifetime),
	}}}
	if caller.Client.Public() { // anybody can push in its name, and strangers must not be able to fill the audit log
		e.deps.Log.InfoContext(ctx, "authorization request pushed", "request_id", web.RequestID(ctx), "client_id", req.ClientID)
	} else {
		entry, err := e.recorder.Change(audit.RequestPushed, oauth.AuditEntry{
			RequestID: web.RequestID(ctx), ClientID: req.ClientID,
			Detail: map[string]any{"scope": req.Scope.String(), "resources": req.Resources, "details": req.Details.Types()},
		})
		if err != nil {
			return nil, nil, err
		}
		changes = append(changes, entry)
	}
	return &pushedAnswer{requestURIPrefix + reference.Reveal(), int64(lifetime.Seconds())}, changes, nil
}
