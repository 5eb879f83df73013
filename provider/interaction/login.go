package interaction

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"signet/provider/audit"
	"signet/provider/oauth"
	"signet/provider/session"
	"signet/provider/web"
)

// loginView is what the login page shows.
type loginView struct {
	Client   string
	Host     string // what the address bar must say
	Action   string
	Cancel   string // where the cancel button's form goes
	Decision string // its field's name
	Deny     string // and value
	Username string
	Error    string
	Retry    bool // the password is to be typed again: the cursor goes there
}

// login shows the login page (GET) and judges what was typed into it (POST).
func (p *Pages) login(w http.ResponseWriter, r *http.Request) {
	if !p.admit(w, r, http.MethodGet, http.MethodPost) {
		return
	}
	waiting, client, err := p.open(r)
	if err != nil {
		p.WriteError(w, r, err)
		return
	}
	if r.Method == http.MethodGet {
		p.showLogin(w, waiting, client, http.StatusOK, loginView{Username: waiting.Request.LoginHint})
		return
	}
	form, fault := web.ParseForm(w, r)
	if fault != nil {
		p.WriteError(w, r, fault)
		return
	}
	p.tryLogin(w, r, waiting, client, form.Get("username"), form.Secret("password"))
}

func (p *Pages) tryLogin(w http.ResponseWriter, r *http.Request, waiting oauth.Interaction, client *oauth.Client, username string, password oauth.Secret) {
	again := func(status int, text string) {
		p.showLogin(w, waiting, client, status, loginView{Username: username, Error: text, Retry: username != ""})
	}
	if username == "" || password == "" {
		again(http.StatusUnprocessableEntity, "Please enter your username and your password.")
		return
	}
	try, wait, ok := p.throttle.begin(username, subscriber(p.deps.Address(r)))
	if !ok {
		p.deps.Log.WarnContext(r.Context(), "login throttled", "request_id", web.RequestID(r.Context()))
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
		again(http.StatusTooManyRequests, "Too many attempts. For your safety, please try again in "+inWords(roundUp(wait))+".")
		return
	}
	user, err := p.authenticate(r, username, password)
	var bad *BadCredentials
	switch {
	case errors.As(err, &bad):
		p.recordFailure(r, waiting, bad)
		again(http.StatusUnprocessableEntity, "The username or the password is not right. Please try again.")
	case err != nil:
		try.undecided()
		p.WriteError(w, r, err)
	default:
		try.succeeded()
		p.finishLogin(w, r, waiting, user)
	}
}

// authenticate does not even hash what no account can have; that says nothing about any account.
func (p *Pages) authenticate(r *http.Request, username string, password oauth.Secret) (oauth.EndUser, error) {
	if len(username) > MaxUsername || len(password) > maxPassword {
		return oauth.EndUser{}, &BadCredentials{Reason: "too long"}
	}
	return p.deps.Authenticator.Authenticate(r.Context(), username, password)
}

// finishLogin starts a new session and notes the user in the waiting request, in one commit, unless the
// request has been answered meanwhile.
func (p *Pages) finishLogin(w http.ResponseWriter, r *http.Request, waiting oauth.Interaction, user oauth.EndUser) {
	user.AuthTime = p.deps.Clock().UTC().Truncate(time.Second) // auth_time has whole seconds
	login, err := p.deps.Sessions.Start(r, user)
	if err != nil {
		p.WriteError(w, r, err)
		return
	}
	waiting.User = &login.User
	entry, err := p.recorder.Change(audit.LoginSucceeded, oauth.AuditEntry{
		RequestID: web.RequestID(r.Context()), ClientID: waiting.Request.ClientID, Subject: user.ID,
		Detail: map[string]any{"acr": user.ACR, "amr": user.AMR, "sid": login.User.SessionID},
	})
	if err == nil {
		err = p.deps.Store.Commit(r.Context(), append(login.Changes, oauth.UpdateInteraction{Interaction: waiting}, entry)...)
	}
	if err != nil {
		p.WriteError(w, r, err)
		return
	}
	login.Write(w)
	web.SeeOther(w, session.PageURL(p.deps.ResumePath, waiting.Digest))
}

// recordFailure keeps what was tried, never what was typed: people type passwords into the wrong field. A
// full queue cannot deny more than is denied already; the log says that the entry is lost.
func (p *Pages) recordFailure(r *http.Request, waiting oauth.Interaction, bad *BadCredentials) {
	id := web.RequestID(r.Context())
	p.deps.Log.WarnContext(r.Context(), "login failed", "request_id", id, "user_id", bad.UserID, "reason", bad.Reason)
	entry, err := p.recorder.Entry(audit.LoginFailed, oauth.AuditEntry{
		RequestID: id, ClientID: waiting.Request.ClientID, Subject: bad.UserID, Detail: map[string]any{"reason": bad.Reason},
	})
	if err == nil {
		err = p.deps.Audit.Add(r.Context(), entry)
	}
	if err != nil {
		p.deps.Log.ErrorContext(r.Context(), "audit entry lost", "event", audit.LoginFailed, "request_id", id, "err", err)
	}
}

func (p *Pages) showLogin(w http.ResponseWriter, waiting oauth.Interaction, client *oauth.Client, status int, view loginView) {
	view.Client = clientName(client)
	view.Host = p.host
	view.Action = session.PageURL(p.deps.Prefix+pathLogin, waiting.Digest)
	view.Cancel = session.PageURL(p.deps.ResumePath, waiting.Digest)
	view.Decision, view.Deny = session.FieldDecision, session.DecisionDeny
	p.render(w, status, pageLogin, page{Title: "Sign in", Failed: view.Error != "", Returns: waiting.Request.RedirectURI, Body: view})
}

// admit refuses other methods, and forms that another site sent.
func (p *Pages) admit(w http.ResponseWriter, r *http.Request, methods ...string) bool {
	for _, method := range methods {
		if r.Method != method {
			continue
		}
		if err := p.origin.Check(r); err != nil {
			p.WriteError(w, r, oauth.Errorf(oauth.InvalidRequest, "the form was sent from another site").Because(err))
			return false
		}
		return true
	}
	w.Header().Set("Allow", strings.Join(methods, ", "))
	p.WriteError(w, r, web.MethodNotAllowed(methods...))
	return false
}
