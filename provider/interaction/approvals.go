package interaction

import (
	"errors"
	"net/http"

	"signet/provider/oauth"
	"signet/provider/rar"
	"signet/provider/session"
	"signet/provider/web"
)

// fieldApproval is the form's field for the public id of the request that is answered.
const fieldApproval = "request"

// paramDone is the query parameter by which the page says what was done last.
const paramDone = "done"

// approvalsView is what the approvals page shows.
type approvalsView struct {
	User     string
	Session  string // the public id of that user's session
	Done     string // what the user has just done, in words
	Requests []approvalView
	Action   string // of the forms; it is the page's own path
	Switch   string // where another user can log in
	Address  string // what the address bar must begin with
	Fields   approvalFields
}

// approvalView is one request: who asks, for what, and until when.
type approvalView struct {
	ID        string
	Client    string
	Message   string
	Scopes    []scopeView
	Details   []rar.View
	Resources []string
	Lasts     string
	Left      string
	Asked     string
	Login     bool // approving it takes a new login
}

type approvalFields struct{ Request, Session, Decision, Approve, Deny string }

// approvals shows what waits for the user (GET) and takes an answer (POST).
func (p *Pages) approvals(w http.ResponseWriter, r *http.Request) {
	if !p.admit(w, r, http.MethodGet, http.MethodPost) {
		return
	}
	current, account, err := p.signedIn(r)
	switch {
	case err != nil:
		p.WriteError(w, r, err)
	case current == nil:
		web.SeeOther(w, p.deps.Prefix+pathApprovalsLogin)
	case r.Method == http.MethodPost:
		p.answerApproval(w, r, current.User)
	default:
		p.showApprovals(w, r, current.User, account)
	}
}

// signedIn returns the browser's session if its account still accepts it, or nil.
func (p *Pages) signedIn(r *http.Request) (*oauth.Session, oauth.User, error) {
	current, err := p.deps.Sessions.Current(r)
	if err != nil || current == nil {
		return nil, oauth.User{}, err
	}
	account, err := p.deps.Store.User(r.Context(), current.User.ID)
	if errors.Is(err, oauth.ErrNotFound) || err == nil && !account.Accepts(current.User.AuthTime) {
		return nil, oauth.User{}, nil
	}
	return current, account, err
}

func (p *Pages) showApprovals(w http.ResponseWriter, r *http.Request, user oauth.EndUser, account oauth.User) {
	waiting, err := p.deps.Approvals.Pending(r.Context(), user.ID)
	if err != nil {
		p.WriteError(w, r, err)
		return
	}
	in := p.words(r)
	view := approvalsView{
		User: displayName(account), Session: user.SessionID, Address: p.address(),
		Action: p.deps.Prefix + pathApprovals, Switch: p.deps.Prefix + pathApprovalsLogin,
		Fields: approvalFields{fieldApproval, session.FieldSession, session.FieldDecision, session.DecisionApprove, session.DecisionDeny},
	}
	switch r.URL.Query().Get(paramDone) {
	case session.DecisionApprove:
		view.Done = in.text("approvals.approved")
	case session.DecisionDeny:
		view.Done = in.text("approvals.denied")
	}
	for _, request := range waiting {
		shown, err := p.describeApproval(r, request)
		if errors.Is(err, oauth.ErrNotFound) {
			continue // its client is gone; it can only expire
		}
		if err != nil {
			p.WriteError(w, r, err)
			return
		}
		shown.Login = request.WantsLogin(user.AuthTime)
		view.Requests = append(view.Requests, shown)
	}
	p.render(w, r, http.StatusOK, pageApprovals, page{Title: in.text("approvals.title"), Body: view})
}

func (p *Pages) describeApproval(r *http.Request, request oauth.Backchannel) (approvalView, error) {
	client, err := p.deps.Store.Client(r.Context(), request.ClientID)
	if err != nil {
		return approvalView{}, err
	}
	now, in := p.deps.Clock(), p.words(r)
	view := approvalView{
		ID: request.ID, Client: clientName(client), Message: request.BindingMessage,
		Details: p.detailsInWords(in, request.Details), Lasts: in.duration("lasts", p.deps.Lasts(client, request.Scope)),
		Left: in.duration("left", request.ExpiresAt.Sub(now)), Asked: in.ago(now.Sub(request.CreatedAt)),
	}
	for _, scope := range request.Scope {
		view.Scopes = append(view.Scopes, scopeView{scope, p.scopeWords(in, scope)})
	}
	for _, resource := range request.Resources {
		view.Resources = append(view.Resources, p.resourceWords(in, resource))
	}
	return view, nil
}

// detailsInWords says what authorization_details allow. What the configuration calls them is translated, what they
// say is not.
func (p *Pages) detailsInWords(in *language, details oauth.Details) []rar.View {
	views := make([]rar.View, 0, len(details))
	for _, detail := range details {
		if p.deps.Details == nil {
			label := in.text("consent.details")
			views = append(views, rar.View{Title: detail.Type, Lines: []rar.Line{{Label: label, Value: string(detail.JSON)}}})
			continue
		}
		view := p.deps.Details.Words(detail)
		view.Title = in.own(view.Title)
		for i, line := range view.Lines {
			view.Lines[i].Label = in.own(line.Label)
		}
		views = append(views, view)
	}
	return views
}

// answerApproval takes a decision. It counts only from the session whose user the page named: when somebody else is
// logged in by now, that page is not theirs.
func (p *Pages) answerApproval(w http.ResponseWriter, r *http.Request, user oauth.EndUser) {
	form, fault := web.ParseForm(w, r)
	if fault != nil {
		p.WriteError(w, r, fault)
		return
	}
	decision := form.Get(session.FieldDecision)
	switch {
	case decision != session.DecisionApprove && decision != session.DecisionDeny:
		p.WriteError(w, r, oauth.Errorf(oauth.InvalidRequest, "decision must be approve or deny"))
		return
	case form.Get(session.FieldSession) != user.SessionID:
		web.SeeOther(w, p.deps.Prefix+pathApprovals)
		return
	}
	err := p.deps.Approvals.Answer(r.Context(), form.Get(fieldApproval), user, decision == session.DecisionApprove)
	if fault := (*oauth.Error)(nil); errors.As(err, &fault) && fault.Code == oauth.LoginRequired {
		web.SeeOther(w, p.deps.Prefix+pathApprovalsLogin) // and back: the user sees the request again before approving
		return
	}
	if err != nil {
		p.WriteError(w, r, err)
		return
	}
	web.SeeOther(w, p.deps.Prefix+pathApprovals+"?"+paramDone+"="+decision)
}

// approvalsLogin is the login page for who comes to answer, rather than from a client.
func (p *Pages) approvalsLogin(w http.ResponseWriter, r *http.Request) {
	if !p.admit(w, r, http.MethodGet, http.MethodPost) {
		return
	}
	p.signIn(w, r, signIn{
		view: loginView{Action: p.deps.Prefix + pathApprovalsLogin},
		finish: func(w http.ResponseWriter, r *http.Request, user oauth.EndUser) {
			if p.startSession(w, r, "", user, func(oauth.EndUser) []oauth.Change { return nil }) {
				web.SeeOther(w, p.deps.Prefix+pathApprovals)
			}
		},
	})
}
