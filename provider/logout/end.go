package logout

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"signet/provider/audit"
	"signet/provider/oauth"
	"signet/provider/web"
)

// end logs the user out in one commit, and shows it. Of two requests at once only one does; both show it.
func (s *Service) end(w http.ResponseWriter, r *http.Request, req request, current oauth.Session, asked bool) {
	out, err := s.ending(r.Context(), current)
	if err != nil {
		s.deps.Pages.WriteError(w, r, err)
		return
	}
	entry, err := s.completed(r.Context(), req, current, out, asked)
	if err != nil {
		s.deps.Pages.WriteError(w, r, err)
		return
	}
	logout := s.deps.Sessions.End(r)
	changes := slices.Concat(logout.Changes, out.changes, []oauth.Change{entry})
	err = s.deps.Store.Commit(r.Context(), changes...)
	if err != nil && !endedAlready(err) {
		s.deps.Pages.WriteError(w, r, err)
		return
	}
	logout.Write(w)
	if err == nil && len(out.told) > 0 {
		s.deps.Queue.Wake()
	}
	s.leave(w, r, req, out.frames) // the frames twice, if need be: a browser shows the answer that it asked for last
}

// endedAlready says whether a commit failed because another request of this browser was first: then the session has
// ended, with its clients told and with its audit entry.
func endedAlready(err error) bool {
	var lost *oauth.Conflict
	if !errors.As(err, &lost) {
		return false
	}
	_, ended := lost.Change.(oauth.EndSession)
	return ended
}

// ending is what the end of a session means for those who took part in it.
type ending struct {
	changes []oauth.Change
	frames  []string // to be loaded by the browser (Front-Channel Logout section 2)
	revoked []string // ids of the grants that end
	told    []string // ids of the clients that this server tells (Back-Channel Logout section 2.5)
}

func (s *Service) ending(ctx context.Context, current oauth.Session) (ending, error) {
	sid, now := current.User.SessionID, s.now()
	parts, err := s.deps.Store.SessionParticipations(ctx, sid)
	if err != nil {
		return ending{}, err
	}
	out, seen := ending{}, map[string]bool{}
	for _, p := range parts {
		if err := s.endGrant(ctx, p, now, &out); err != nil {
			return ending{}, err
		}
		if seen[p.ClientID] {
			continue
		}
		seen[p.ClientID] = true
		if err := s.endAt(ctx, p.ClientID, current, now, &out); err != nil {
			return ending{}, err
		}
	}
	if s.deps.RevokeRefreshTokens { // also what another request grants before this one is committed
		out.changes = append(out.changes, oauth.RevokeSession{SessionID: sid, At: now})
	}
	out.changes = append(out.changes, oauth.LeaveSession{SessionID: sid})
	return out, nil
}

// endGrant ends what was granted for the time of the session (Back-Channel Logout section 2.7). A grant with
// offline_access outlives it, as do, unless Deps.RevokeRefreshTokens says otherwise, one that the client manages by its id
// (Grant Management for OAuth 2.0) and one that is no login at all.
func (s *Service) endGrant(ctx context.Context, p oauth.Participation, now time.Time, out *ending) error {
	if p.Offline || p.GrantID == "" || slices.Contains(out.revoked, p.GrantID) {
		return nil
	}
	grant, err := s.deps.Store.Grant(ctx, p.GrantID)
	switch {
	case errors.Is(err, oauth.ErrNotFound):
		return nil
	case err != nil:
		return err
	case grant.Revoked:
		return nil
	case s.deps.RevokeRefreshTokens: // all at once, by the session
		out.revoked = append(out.revoked, grant.ID)
		return nil
	case grant.Managed:
		return nil
	case !grant.Scope.Has(oauth.ScopeOpenID) || grant.Scope.Has(oauth.ScopeOfflineAccess):
		return nil
	}
	out.revoked = append(out.revoked, grant.ID)
	out.changes = append(out.changes, oauth.RevokeGrant{GrantID: grant.ID, At: now})
	return nil
}

// endAt notes how the client is told. One that is gone is told nothing.
func (s *Service) endAt(ctx context.Context, clientID string, current oauth.Session, now time.Time, out *ending) error {
	client, err := s.deps.Store.Client(ctx, clientID)
	if errors.Is(err, oauth.ErrNotFound) || err == nil && client.Disabled {
		return nil
	}
	if err != nil {
		return err
	}
	if s.deps.Frontchannel && client.FrontchannelLogoutURI != "" {
		sid, err := s.deps.Tokens.SessionID(client, current.User.SessionID)
		if err != nil {
			return err
		}
		out.frames = append(out.frames, s.frame(client, sid))
	}
	if !s.deps.Backchannel || client.BackchannelLogoutURI == "" {
		return nil
	}
	delivery, err := s.delivery(client, current.User, now)
	out.told, out.changes = append(out.told, client.ID), append(out.changes, delivery)
	return err
}

// frame is the address of a client's front-channel logout; iss and sid are there where the client asks for them
// (Front-Channel Logout section 2).
func (s *Service) frame(client *oauth.Client, sid string) string {
	if !client.FrontchannelLogoutSession {
		return client.FrontchannelLogoutURI
	}
	return withQuery(client.FrontchannelLogoutURI, "iss", s.deps.Issuer, "sid", sid)
}

func (s *Service) completed(
	ctx context.Context, req request, current oauth.Session, out ending, asked bool,
) (oauth.Change, error) {
	about := oauth.AuditEntry{RequestID: web.RequestID(ctx), Subject: current.User.ID, Detail: map[string]any{
		"sid": current.User.SessionID, "asked": asked, "revoked_grants": out.revoked,
		"backchannel": out.told, "frontchannel": len(out.frames),
	}}
	if req.client != nil {
		about.ClientID = req.client.ID
	}
	return s.deps.Record.Change(audit.LogoutCompleted, about)
}
