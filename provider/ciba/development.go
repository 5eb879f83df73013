package ciba

import (
	"errors"
	"net/http"
	"path"
	"time"

	"signet/provider/oauth"
	"signet/provider/web"
)

// Development answers requests for their users, without asking them: POST {prefix}{auth_req_id}/{action}, the action
// allow or deny. It is for conformance runs and for trying things out, never with real accounts: whoever has an
// auth_req_id, the client that asked, could approve its own request. The configuration must ask for it by name.
func (s *Service) Development(prefix string) http.Handler {
	s.deps.Log.Warn("the CIBA development approver is on: clients can approve their own requests")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		web.HidePath(r, prefix)
		status, err := s.approveUnasked(r)
		if err != nil {
			web.WriteError(w, r, s.deps.Log, err)
			return
		}
		web.NoStore(w.Header())
		web.WriteJSON(w, http.StatusOK, map[string]any{"status": status})
	})
}

func (s *Service) approveUnasked(r *http.Request) (oauth.BackchannelStatus, error) {
	if r.Method != http.MethodPost {
		return "", web.MethodNotAllowed(http.MethodPost)
	}
	rest, action := path.Split(r.URL.Path)
	status, known := map[string]oauth.BackchannelStatus{"allow": oauth.BackchannelApproved, "deny": oauth.BackchannelDenied}[action]
	if !known {
		return "", oauth.Errorf(oauth.InvalidRequest, "the action must be allow or deny")
	}
	request, err := s.deps.Store.Backchannel(r.Context(), oauth.Secret(path.Base(rest)).Digest())
	if errors.Is(err, oauth.ErrNotFound) {
		return "", oauth.Errorf(oauth.NotFound, "there is no such request").Because(err)
	}
	if err != nil {
		return "", err
	}
	user := oauth.EndUser{ID: request.UserID, AuthTime: s.now().Truncate(time.Second)}
	return status, s.settle(r.Context(), request, user, status == oauth.BackchannelApproved)
}
