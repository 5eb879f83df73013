package logout

import (
	"errors"
	"net/http"

	"signet/provider/audit"
	"signet/provider/oauth"
	"signet/provider/session"
	"signet/provider/web"
)

// EndSession is the end_session_endpoint (RP-Initiated Logout section 2), for GET and POST. A POST comes from another
// site, and without our cookies then (SameSite=Lax): it goes on as a GET of our own, to which browsers add them.
func (s *Service) EndSession() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			params, fault := web.ParseForm(w, r)
			if fault != nil {
				s.deps.Pages.WriteError(w, r, fault)
				return
			}
			s.again(w, request{params: params})
			return
		}
		params, fault := web.ParseQuery(r)
		if fault != nil {
			s.deps.Pages.WriteError(w, r, fault)
			return
		}
		s.endSession(w, r, params)
	})
}

// again sends the browser to the endpoint with the same parameters.
func (s *Service) again(w http.ResponseWriter, req request) {
	location := s.deps.Path
	if query := req.carried().Encode(); query != "" {
		location += "?" + query
	}
	web.SeeOther(w, location)
}

func (s *Service) endSession(w http.ResponseWriter, r *http.Request, params oauth.Params) {
	req, err := s.validate(r.Context(), params)
	if err != nil {
		s.refuse(w, r, req, err)
		return
	}
	current, err := s.deps.Sessions.Current(r)
	switch {
	case err != nil:
		s.deps.Pages.WriteError(w, r, err)
	case current == nil: // nobody is signed in, which is what was asked for
		s.deps.Sessions.End(r).Write(w)
		s.leave(w, r, req, nil)
	default:
		s.endOrAsk(w, r, req, *current)
	}
}

// endOrAsk ends the session that the hint names, and asks about any other. Clients know sessions by names of their own.
func (s *Service) endOrAsk(w http.ResponseWriter, r *http.Request, req request, current oauth.Session) {
	if req.sid == "" || req.client == nil {
		s.ask(w, r, req, current)
		return
	}
	sid, err := s.deps.Tokens.SessionID(req.client, current.User.SessionID)
	switch {
	case err != nil:
		s.deps.Pages.WriteError(w, r, err)
	case sid == req.sid:
		s.end(w, r, req, current, false)
	default:
		s.ask(w, r, req, current)
	}
}

// ask has the user decide: nothing proves that the request is about this session (RP-Initiated Logout section 2).
func (s *Service) ask(w http.ResponseWriter, r *http.Request, req request, current oauth.Session) {
	fields := req.carried()
	fields.Set(session.FieldSession, current.User.SessionID)
	s.deps.Pages.AskLogout(w, r, req.name(), s.deps.ConfirmPath, fields)
}

// Confirm takes the user's answer: a POST of the form that [Pages.AskLogout] shows. The form's fields are no safer than
// any request's, and judged as such.
func (s *Service) Confirm() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := s.origin.Check(r); err != nil {
			s.deps.Pages.WriteError(w, r, oauth.Errorf(oauth.InvalidRequest, "the form was sent from another site").Because(err))
			return
		}
		form, fault := web.ParseForm(w, r)
		if fault != nil {
			s.deps.Pages.WriteError(w, r, fault)
			return
		}
		s.confirm(w, r, form)
	})
}

func (s *Service) confirm(w http.ResponseWriter, r *http.Request, form oauth.Params) {
	req, err := s.validate(r.Context(), form)
	if err != nil {
		s.refuse(w, r, req, err)
		return
	}
	current, err := s.deps.Sessions.Current(r)
	switch {
	case err != nil:
		s.deps.Pages.WriteError(w, r, err)
	case current == nil || current.User.SessionID != form.Get(session.FieldSession):
		s.again(w, req) // the page was about another session
	case form.Get(session.FieldDecision) == session.DecisionApprove:
		s.end(w, r, req, *current, true)
	case form.Get(session.FieldDecision) == session.DecisionDeny:
		s.stay(w, r, req, *current)
	default:
		s.deps.Pages.WriteError(w, r, oauth.Errorf(oauth.InvalidRequest, "the form has no answer"))
	}
}

// stay is for who wants to stay signed in. They go back to where they came from, if that is known.
func (s *Service) stay(w http.ResponseWriter, r *http.Request, req request, current oauth.Session) {
	s.record(r, req, current.User.ID, "the user stays signed in")
	if req.next != "" {
		web.SeeOther(w, req.next)
		return
	}
	s.deps.Pages.Stayed(w, r)
}

// leave is the end of a logout: the frames are loaded, and the browser goes to where it is sent.
func (s *Service) leave(w http.ResponseWriter, r *http.Request, req request, frames []string) {
	if req.next != "" && len(frames) == 0 {
		web.SeeOther(w, req.next)
		return
	}
	s.deps.Pages.LoggedOut(w, r, req.name(), req.next, frames)
}

// refuse shows what is wrong with a request. The audit log has it when a client stands behind the request and somebody
// is signed in at this browser: what anybody can send without being anybody does not fill it.
func (s *Service) refuse(w http.ResponseWriter, r *http.Request, req request, err error) {
	current, unknown := s.deps.Sessions.Current(r)
	if shown := web.Public(err); req.client != nil && current != nil {
		s.record(r, req, current.User.ID, string(shown.Code)+": "+shown.Description)
	}
	s.deps.Pages.WriteError(w, r, errors.Join(err, unknown))
}

// record keeps why nobody was logged out. When that fails, nothing has happened that the log does not tell.
func (s *Service) record(r *http.Request, req request, userID, reason string) {
	ctx := r.Context()
	about := oauth.AuditEntry{RequestID: web.RequestID(ctx), Subject: userID, Detail: map[string]any{"reason": reason}}
	if req.client != nil {
		about.ClientID = req.client.ID
	}
	entry, err := s.deps.Record.Entry(audit.LogoutRefused, about)
	if err == nil {
		err = s.deps.Audit.Add(ctx, entry)
	}
	if err != nil {
		s.deps.Log.ErrorContext(ctx, "audit entry lost", "event", audit.LogoutRefused, "request_id", about.RequestID, "err", err)
	}
}
