package interaction

import (
	"errors"
	"math"
	"net/http"
	"slices"
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
	Client   clientView   // none: nobody but the user asks for the login
	Account  *accountView // who may go on without logging in; nil = nobody
	Address  string       // what the address bar must begin with
	Action   string
	Cancel   string // where the cancel button's form goes; "" = there is nothing to cancel
	Answer   answerFields
	Username string
	Error    string
	Device   bool // who logs in comes to type a device's code
}

// answerFields are the names of a form's fields for the user's answer, and the values of one of them.
type answerFields struct{ Session, Decision, Approve, Deny string }

// answers are the fields of the forms that other packages read.
var answers = answerFields{session.FieldSession, session.FieldDecision, session.DecisionApprove, session.DecisionDeny}

// signIn is what somebody logs in for: what the page says and where its forms go, and what follows.
type signIn struct {
	view     loginView
	returns  string // the redirect URI that the page leads to in the end
	clientID string // for the audit log; "" = no client asked
	// finish goes on with the user, who has just proved who they are.
	finish func(w http.ResponseWriter, r *http.Request, user oauth.EndUser)
	// goOn goes on with the session of this public id instead. Optional.
	goOn func(w http.ResponseWriter, r *http.Request, chosen string)
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
	r = p.in(r, waiting.Request)
	current, account, err := p.choice(r, waiting)
	if err != nil {
		p.WriteError(w, r, err)
		return
	}
	in := p.signInFor(r, waiting, client)
	if current != nil {
		in.view.Account = &accountView{displayName(account), current.User.SessionID}
	}
	in.goOn = func(w http.ResponseWriter, r *http.Request, chosen string) { p.goOn(w, r, waiting, current, chosen) }
	p.signIn(w, r, in)
}

// signInFor is the login for a waiting request.
func (p *Pages) signInFor(r *http.Request, waiting oauth.Interaction, client *oauth.Client) signIn {
	return signIn{
		view: loginView{
			Client: viewOf(client), Username: waiting.Request.LoginHint,
			Action: session.PageURL(p.deps.Prefix+pathLogin, waiting.Digest), Cancel: p.resume(r, waiting),
		},
		returns: waiting.Request.RedirectURI, clientID: waiting.Request.ClientID,
		finish: func(w http.ResponseWriter, r *http.Request, user oauth.EndUser) { p.finishLogin(w, r, waiting, user) },
	}
}

// resume is where the waiting request goes on, in the language that it has by now.
func (p *Pages) resume(r *http.Request, waiting oauth.Interaction) string {
	return p.manner(r).keep(session.PageURL(p.deps.ResumePath, waiting.Digest))
}

// signIn shows the page (GET) and judges what was typed into it (POST).
func (p *Pages) signIn(w http.ResponseWriter, r *http.Request, in signIn) {
	if r.Method == http.MethodGet {
		p.showLogin(w, r, in, http.StatusOK)
		return
	}
	form, fault := web.ParseForm(w, r)
	if fault != nil {
		p.WriteError(w, r, fault)
		return
	}
	if chosen := form.Get(session.FieldSession); chosen != "" && in.goOn != nil {
		in.goOn(w, r, chosen)
		return
	}
	p.tryLogin(w, r, in, form.Get("username"), form.Secret("password"))
}

func (p *Pages) tryLogin(w http.ResponseWriter, r *http.Request, in signIn, username string, password oauth.Secret) {
	words := p.words(r)
	again := func(status int, text string) {
		in.view.Username, in.view.Error = username, text
		p.showLogin(w, r, in, status)
	}
	if username == "" || password == "" {
		again(http.StatusUnprocessableEntity, words.text("login.missing"))
		return
	}
	try, wait, ok := p.throttle.begin(username, web.Subscriber(p.deps.Address(r)))
	if !ok {
		p.deps.Log.WarnContext(r.Context(), "login throttled", "request_id", web.RequestID(r.Context()))
		retryAfter(w, wait)
		again(http.StatusTooManyRequests, words.text("login.throttled", "wait", words.duration("wait", roundUp(wait))))
		return
	}
	user, err := p.authenticate(r, username, password)
	var bad *BadCredentials
	switch {
	case errors.As(err, &bad):
		p.recordFailure(r, in.clientID, bad)
		again(http.StatusUnprocessableEntity, words.text("login.wrong"))
	case err != nil:
		try.undecided()
		p.WriteError(w, r, err)
	default:
		try.succeeded()
		user.AuthTime = p.deps.Clock().UTC().Truncate(time.Second) // auth_time has whole seconds
		in.finish(w, r, user)
	}
}

// retryAfter tells programs when to come again (RFC 9110 section 10.2.3).
func retryAfter(w http.ResponseWriter, wait time.Duration) {
	w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
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
	started := p.startSession(w, r, waiting.Request.ClientID, user, func(user oauth.EndUser) []oauth.Change {
		waiting.User = &user
		return []oauth.Change{oauth.UpdateInteraction{Interaction: waiting}}
	})
	if started {
		web.SeeOther(w, p.resume(r, waiting))
	}
}

// startSession makes a login good: the session, what the login means besides and the audit entry are one commit.
// When it fails, the browser has got the error page.
func (p *Pages) startSession(w http.ResponseWriter, r *http.Request, clientID string, user oauth.EndUser, besides func(oauth.EndUser) []oauth.Change) bool {
	login, err := p.deps.Sessions.Start(r, user)
	if err != nil {
		p.WriteError(w, r, err)
		return false
	}
	entry, err := p.recorder.Change(audit.LoginSucceeded, oauth.AuditEntry{
		RequestID: web.RequestID(r.Context()), ClientID: clientID, Subject: user.ID,
		Detail: map[string]any{"acr": user.ACR, "amr": user.AMR, "sid": login.User.SessionID},
	})
	if err == nil {
		err = p.deps.Store.Commit(r.Context(), slices.Concat(login.Changes, besides(login.User), []oauth.Change{entry})...)
	}
	if err != nil {
		p.WriteError(w, r, err)
		return false
	}
	login.Write(w)
	return true
}

// recordFailure keeps what was tried, never what was typed: people type passwords into the wrong field. A
// full queue cannot deny more than is denied already; the log says that the entry is lost.
func (p *Pages) recordFailure(r *http.Request, clientID string, bad *BadCredentials) {
	id := web.RequestID(r.Context())
	p.deps.Log.WarnContext(r.Context(), "login failed", "request_id", id, "user_id", bad.UserID, "reason", bad.Reason)
	entry, err := p.recorder.Entry(audit.LoginFailed, oauth.AuditEntry{
		RequestID: id, ClientID: clientID, Subject: bad.UserID, Detail: map[string]any{"reason": bad.Reason},
	})
	if err == nil {
		err = p.deps.Audit.Add(r.Context(), entry)
	}
	if err != nil {
		p.deps.Log.ErrorContext(r.Context(), "audit entry lost", "event", audit.LoginFailed, "request_id", id, "err", err)
	}
}

func (p *Pages) showLogin(w http.ResponseWriter, r *http.Request, in signIn, status int) {
	in.view.Address, in.view.Answer = p.address(), answers
	p.render(w, r, status, pageLogin, page{
		Title: p.words(r).text("login.title"), Failed: in.view.Error != "", Body: in.view,
		policy: policy{returns: in.returns, picture: in.view.Client.origin},
	})
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
