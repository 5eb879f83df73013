package interaction

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"signet/provider/oauth"
	"signet/provider/rar"
	"signet/provider/session"
	"signet/provider/web"
)

// Devices are the device authorization requests that wait for users (RFC 8628).
type Devices interface {
	// UserCode returns a user code, as somebody typed it, in the form in which devices show it, or "" for what cannot be
	// one. It looks nothing up.
	UserCode(typed string) string
	// Waiting returns the request that waits under this user code; an *oauth.Error with not_found when there is none.
	Waiting(ctx context.Context, userCode string) (oauth.DeviceRequest, error)
	// WantsLogin says that who logged in at that time has to do it again before approving.
	WantsLogin(request oauth.DeviceRequest, at time.Time) bool
	// Answer records the user's decision. The errors are those of Waiting; with login_required the user has to log in
	// again before approving.
	Answer(ctx context.Context, userCode string, user oauth.EndUser, approve bool) error
}

// fieldUserCode is the parameter, of the query and of the forms, for the user code (RFC 8628 section 3.3.1).
const fieldUserCode = "user_code"

// maxUserCode bounds what is taken of a typed code, in bytes.
const maxUserCode = 64

// deviceView is what the device page shows: what was done, or the request that a code stands for, or else where to type
// one.
type deviceView struct {
	User    string
	Session string // the public id of that user's session
	Action  string // of the forms; it is the page's own path
	Switch  string // where another user can log in
	Address string // what the address bar must begin with
	Error   string
	Typed   string // what was typed and is no code
	Done    string // what the user has just decided: approve, deny, or nothing that counts
	Request *deviceRequestView
	Client  clientView // of the request
	Fields  deviceFields
}

// deviceRequestView is who asks, for what, and until when.
type deviceRequestView struct {
	Code      string // as the device shows it
	Scopes    []scopeView
	Details   []rar.View
	Resources []string
	Lasts     string
	Left      string
	Asked     string
	Login     bool // approving it takes a new login
}

type deviceFields struct{ UserCode, Session, Decision, Approve, Deny string }

// Device serves the page at which users type the codes that their devices show (RFC 8628 section 3.3), at
// [Deps.DevicePath], and its login page at "/login" below it. It is nil without [Deps.Devices].
func (p *Pages) Device() http.Handler {
	if p.deps.Devices == nil {
		return nil
	}
	mux := http.NewServeMux()
	mux.HandleFunc(p.deps.DevicePath, p.device)
	mux.HandleFunc(p.deps.DevicePath+pathLogin, p.deviceLogin)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		p.WriteError(w, r, oauth.Errorf(oauth.NotFound, "there is no such page"))
	})
	return mux
}

// deviceURL is the page, or the login before it, with the code that the user has come with or typed.
func (p *Pages) deviceURL(path, userCode string) string {
	if code := p.deps.Devices.UserCode(userCode); code != "" {
		return p.deps.DevicePath + path + "?" + fieldUserCode + "=" + url.QueryEscape(code)
	}
	return p.deps.DevicePath + path
}

// device shows what waits under the code in the query, or asks for one (GET), and takes a code or an answer (POST).
// Nobody learns about a code without being logged in: guesses are counted by account.
func (p *Pages) device(w http.ResponseWriter, r *http.Request) {
	if !p.admit(w, r, http.MethodGet, http.MethodPost) {
		return
	}
	query := r.URL.Query()
	current, account, err := p.signedIn(r)
	switch {
	case err != nil:
		p.WriteError(w, r, err)
	case current == nil:
		web.SeeOther(w, p.deviceURL(pathLogin, sole(query, fieldUserCode)))
	case r.Method == http.MethodPost:
		p.postDevice(w, r, visitor{current.User, account})
	case query.Has(fieldUserCode):
		p.showDevice(w, r, visitor{current.User, account}, sole(query, fieldUserCode))
	default:
		p.renderDevice(w, r, visitor{current.User, account}, http.StatusOK, deviceView{Done: query.Get(paramDone)})
	}
}

// visitor is who is signed in.
type visitor struct {
	login   oauth.EndUser
	account oauth.User
}

func (p *Pages) renderDevice(w http.ResponseWriter, r *http.Request, who visitor, status int, view deviceView) {
	view.User, view.Session, view.Address = displayName(who.account), who.login.SessionID, p.address()
	view.Action, view.Switch = p.deps.DevicePath, p.deps.DevicePath+pathLogin
	if view.Request != nil {
		view.Switch = p.deviceURL(pathLogin, view.Request.Code)
	}
	view.Fields = deviceFields{fieldUserCode, session.FieldSession, session.FieldDecision, session.DecisionApprove, session.DecisionDeny}
	p.render(w, r, status, pageDevice, page{
		Title: p.words(r).text("device.title"), Failed: view.Error != "", Body: view, policy: policy{picture: view.Client.origin},
	})
}

// refuseCode shows the page again, with what is wrong about the code.
func (p *Pages) refuseCode(w http.ResponseWriter, r *http.Request, who visitor, typed string) {
	text := p.words(r).text("device.wrong")
	if typed == "" {
		text = p.words(r).text("device.missing")
	}
	p.renderDevice(w, r, who, http.StatusUnprocessableEntity, deviceView{Error: text, Typed: typed[:min(len(typed), maxUserCode)]})
}

// guess does what tells whether there is a request under a code, and counts it for the account and for the address
// unless there is one. When there have been too many, or on an error, the browser has got its page.
func (p *Pages) guess(w http.ResponseWriter, r *http.Request, who visitor, typed string, do func(code string) error) bool {
	code := p.deps.Devices.UserCode(typed)
	if code == "" {
		p.refuseCode(w, r, who, typed)
		return false
	}
	try, wait, ok := p.codes.begin(who.login.ID, web.Subscriber(p.deps.Address(r)))
	if !ok {
		p.deps.Log.WarnContext(r.Context(), "user codes throttled", "request_id", web.RequestID(r.Context()), "user_id", who.login.ID)
		retryAfter(w, wait)
		in := p.words(r)
		text := in.text("device.throttled", "wait", in.duration("wait", roundUp(wait)))
		p.renderDevice(w, r, who, http.StatusTooManyRequests, deviceView{Error: text})
		return false
	}
	err := do(code)
	if fault := (*oauth.Error)(nil); errors.As(err, &fault) && fault.Code == oauth.NotFound {
		p.deps.Log.InfoContext(r.Context(), "no such user code", "request_id", web.RequestID(r.Context()), "user_id", who.login.ID)
		p.refuseCode(w, r, who, code)
		return false
	}
	try.undecided() // a right code is no guess; it forgives none of those before it
	switch fault := (*oauth.Error)(nil); {
	case errors.As(err, &fault) && fault.Code == oauth.LoginRequired:
		web.SeeOther(w, p.deviceURL(pathLogin, code)) // and back: the user sees the request again before approving
	case err != nil:
		p.WriteError(w, r, err)
	}
	return err == nil
}

// showDevice shows the request under a code, which the user compares with what the device shows: also when it came with
// the address, since anybody can send an address (RFC 8628 sections 3.3.1 and 5.4).
func (p *Pages) showDevice(w http.ResponseWriter, r *http.Request, who visitor, typed string) {
	var view deviceView
	found := p.guess(w, r, who, typed, func(code string) error {
		request, err := p.deps.Devices.Waiting(r.Context(), code)
		if err != nil {
			return err
		}
		view, err = p.describeDevice(r, request, code)
		if err == nil {
			view.Request.Login = p.deps.Devices.WantsLogin(request, who.login.AuthTime)
		}
		return err
	})
	if found {
		p.renderDevice(w, r, who, http.StatusOK, view)
	}
}

func (p *Pages) describeDevice(r *http.Request, request oauth.DeviceRequest, code string) (deviceView, error) {
	client, err := p.deps.Store.Client(r.Context(), request.ClientID)
	if err != nil {
		return deviceView{}, err
	}
	now, in := p.deps.Clock(), p.words(r)
	shown := &deviceRequestView{
		Code: code, Details: p.detailsInWords(in, request.Details), Lasts: in.duration("lasts", p.deps.Lasts(client, request.Scope)),
		Left: in.duration("left", request.ExpiresAt.Sub(now)), Asked: in.ago(now.Sub(request.CreatedAt)),
	}
	for _, scope := range request.Scope {
		shown.Scopes = append(shown.Scopes, scopeView{scope, p.scopeWords(in, scope)})
	}
	for _, resource := range request.Resources {
		shown.Resources = append(shown.Resources, p.resourceWords(in, resource))
	}
	return deviceView{Request: shown, Client: viewOf(client)}, nil
}

// postDevice takes a code, or a decision about the request of one. A decision counts only from the session whose user
// the page named: when somebody else is logged in by now, that page is not theirs.
func (p *Pages) postDevice(w http.ResponseWriter, r *http.Request, who visitor) {
	form, fault := web.ParseForm(w, r)
	if fault != nil {
		p.WriteError(w, r, fault)
		return
	}
	typed, decision := form.Get(fieldUserCode), form.Get(session.FieldDecision)
	switch {
	case decision == "":
		if p.deps.Devices.UserCode(typed) == "" {
			p.refuseCode(w, r, who, typed)
			return
		}
		web.SeeOther(w, p.deviceURL("", typed))
	case decision != session.DecisionApprove && decision != session.DecisionDeny:
		p.WriteError(w, r, oauth.Errorf(oauth.InvalidRequest, "decision must be approve or deny"))
	case form.Get(session.FieldSession) != who.login.SessionID:
		web.SeeOther(w, p.deviceURL("", typed))
	default:
		answered := p.guess(w, r, who, typed, func(code string) error {
			return p.deps.Devices.Answer(r.Context(), code, who.login, decision == session.DecisionApprove)
		})
		if answered {
			web.SeeOther(w, p.deps.DevicePath+"?"+paramDone+"="+decision)
		}
	}
}

// deviceLogin is the login page for who comes to type a code.
func (p *Pages) deviceLogin(w http.ResponseWriter, r *http.Request) {
	if !p.admit(w, r, http.MethodGet, http.MethodPost) {
		return
	}
	code := sole(r.URL.Query(), fieldUserCode)
	p.signIn(w, r, signIn{
		view: loginView{Action: p.deviceURL(pathLogin, code), Device: true},
		finish: func(w http.ResponseWriter, r *http.Request, user oauth.EndUser) {
			if p.startSession(w, r, "", user, func(oauth.EndUser) []oauth.Change { return nil }) {
				web.SeeOther(w, p.deviceURL("", code))
			}
		},
	})
}
