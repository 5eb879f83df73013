package interaction

import (
	"net/http"
	"net/url"

	"signet/provider/oauth"
	"signet/provider/rar"
	"signet/provider/session"
	"signet/provider/web"
)

// consentView is what the consent page shows: who gets what, where, how long, and what it is bound to.
type consentView struct {
	Client    string
	User      string
	Session   string     // the public id of that user's session
	Details   []rar.View // authorization_details in words: each is agreed to as it stands
	Scopes    []scopeView
	Resources []string
	Before    string // what becomes of an earlier permission that this one is to change, in words; "" = nothing
	Bound     string // what the access is bound to, in words; "" = to nothing
	Lasts     string
	Return    string
	Switch    string // where another user can log in
	Action    string
	Fields    consentFields
}

type scopeView struct{ Name, Words string }

type consentFields struct{ Session, Decision, Approve, Deny string }

// consent shows the consent page. Its form goes to the authorization endpoint, which takes the decision.
func (p *Pages) consent(w http.ResponseWriter, r *http.Request) {
	if !p.admit(w, r, http.MethodGet) {
		return
	}
	waiting, client, err := p.open(r)
	if err != nil {
		p.WriteError(w, r, err)
		return
	}
	current, err := p.deps.Sessions.Current(r)
	if err != nil {
		p.WriteError(w, r, err)
		return
	}
	if waiting.User == nil || current == nil || current.User.SessionID != waiting.User.SessionID || !foreseen(waiting) {
		web.SeeOther(w, session.PageURL(p.deps.ResumePath, waiting.Digest)) // it knows what is needed instead
		return
	}
	account, err := p.deps.Store.User(r.Context(), waiting.User.ID)
	if err != nil {
		p.WriteError(w, r, err)
		return
	}
	view := p.describe(waiting, client)
	view.User = displayName(account)
	p.render(w, http.StatusOK, pageConsent, page{Title: "Allow access", Returns: waiting.Request.RedirectURI, Body: view})
}

// foreseen says whether it is known what the user decides about: a grant of that user's, where the request names one.
func foreseen(waiting oauth.Interaction) bool {
	return waiting.Request.GrantID == "" || waiting.Outcome != nil && waiting.Outcome.UserID == waiting.User.ID
}

func (p *Pages) describe(waiting oauth.Interaction, client *oauth.Client) consentView {
	req := waiting.Request
	if grant := waiting.Outcome; grant != nil { // all that the client would have, not only what it asks for now
		req.Scope, req.Resources, req.Details = grant.Scope, grant.Resources, grant.Details
	}
	profile, _ := p.deps.Floor.For(client) // the endpoint refuses a client whose profile is unknown
	view := consentView{
		Client: clientName(client), Session: waiting.User.SessionID,
		Bound: boundTo(client, profile, req), Before: before[req.GrantAction], Details: p.detailsInWords(req.Details),
		Lasts: inWords(p.deps.Lasts(client, req.Scope)), Return: returnPlace(req.RedirectURI),
		Switch: session.PageURL(p.deps.Prefix+pathLogin, waiting.Digest),
		Action: session.PageURL(p.deps.ResumePath, waiting.Digest),
		Fields: consentFields{session.FieldSession, session.FieldDecision, session.DecisionApprove, session.DecisionDeny},
	}
	for _, scope := range req.Scope {
		view.Scopes = append(view.Scopes, scopeView{scope, p.scopeWords(scope)})
	}
	for _, resource := range req.Resources {
		view.Resources = append(view.Resources, p.resourceWords(resource))
	}
	return view
}

// before says what becomes of an earlier permission (Grant Management for OAuth 2.0 section 6.1).
var before = map[oauth.GrantAction]string{
	oauth.GrantMerge: "What you allowed before is listed here too. It stays, and lasts as long as what is new.",
	oauth.GrantReplace: "This takes the place of what you allowed before. Whatever is not listed here ends: it is not renewed, and " +
		"access that is under way runs out shortly.",
}

// boundTo says what the access will be bound to, as far as that is certain before the token is asked for.
func boundTo(client *oauth.Client, profile oauth.Profile, req oauth.AuthorizationRequest) string {
	switch {
	case client.BoundAccessTokens || profile.CertificateBound:
		return "certificate"
	case client.DPoPBound || req.DPoPJKT != "":
		return "key"
	case client.AuthMethod.UsesCertificate():
		return "certificate"
	case profile.SenderConstrained:
		return "certificate or key"
	}
	return ""
}

// returnPlace says where the browser goes afterwards: a host that the user can recognise, or an app.
func returnPlace(redirectURI string) string {
	u, err := url.Parse(redirectURI)
	if err != nil || u.Scheme != "https" {
		return "the app on this device"
	}
	return u.Host
}
