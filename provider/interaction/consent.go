package interaction

import (
	"net/http"
	"slices"

	"signet/provider/oauth"
	"signet/provider/rar"
	"signet/provider/session"
	"signet/provider/web"
)

// consentView is what the consent page shows: who gets what, where, how long, and what it is bound to.
type consentView struct {
	Client    clientView
	User      string
	Session   string     // the public id of that user's session
	Details   []rar.View // authorization_details in words: each is agreed to as it stands
	Scopes    []scopeView
	Resources []string
	Before    string // the message on what becomes of an earlier permission that this one is to change; "" = nothing
	Bound     string // the message on what the access is bound to; "" = to nothing
	Lasts     string
	Return    string // a host; "" = an app on this device
	Switch    string // where another user can log in
	Action    string
	Answer    answerFields
}

type scopeView struct{ Name, Words string }

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
	r = p.in(r, waiting.Request)
	current, err := p.deps.Sessions.Current(r)
	if err != nil {
		p.WriteError(w, r, err)
		return
	}
	if waiting.User == nil || current == nil || current.User.SessionID != waiting.User.SessionID || !foreseen(waiting) {
		web.SeeOther(w, p.resume(r, waiting)) // it knows what is needed instead
		return
	}
	account, err := p.deps.Store.User(r.Context(), waiting.User.ID)
	if err != nil {
		p.WriteError(w, r, err)
		return
	}
	view := p.describe(r, waiting, client)
	view.User = displayName(account)
	p.render(w, r, http.StatusOK, pageConsent, page{
		Title: p.words(r).text("consent.title"), Body: view,
		policy: policy{returns: waiting.Request.RedirectURI, picture: view.Client.origin},
	})
}

// foreseen says whether it is known what the user decides about: a grant of that user's, where the request names one.
func foreseen(waiting oauth.Interaction) bool {
	return waiting.Request.GrantID == "" || waiting.Outcome != nil && waiting.Outcome.UserID == waiting.User.ID
}

func (p *Pages) describe(r *http.Request, waiting oauth.Interaction, client *oauth.Client) consentView {
	req, in := waiting.Request, p.words(r)
	claims := req.Claims.Scope()
	if grant := waiting.Outcome; grant != nil { // all that the client would have, not only what it asks for now
		req.Scope, req.Resources, req.Details = grant.Scope, grant.Resources, grant.Details
		claims = slices.Concat(claims, grant.Claims.Scope())
	}
	profile, _ := p.deps.Floor.For(client) // the endpoint refuses a client whose profile is unknown
	view := consentView{
		Client: viewOf(client), Session: waiting.User.SessionID,
		Bound: boundTo(client, profile, req), Before: before[req.GrantAction], Details: p.detailsInWords(in, req.Details),
		Lasts: in.duration("lasts", p.deps.Lasts(client, req.Scope)), Return: returnPlace(req.RedirectURI),
		Switch: session.PageURL(p.deps.Prefix+pathLogin, waiting.Digest), Action: p.resume(r, waiting), Answer: answers,
	}
	shown := map[string]bool{}
	for _, scope := range slices.Concat(req.Scope, claims) { // a claim asked for by itself stands for its scope value
		if !shown[scope] {
			view.Scopes = append(view.Scopes, scopeView{scope, p.scopeWords(in, scope)})
		}
		shown[scope] = true
	}
	for _, resource := range req.Resources {
		view.Resources = append(view.Resources, p.resourceWords(in, resource))
	}
	return view
}

// before is the message on what becomes of an earlier permission (Grant Management for OAuth 2.0 section 6.1).
var before = map[oauth.GrantAction]string{oauth.GrantMerge: "consent.merge", oauth.GrantReplace: "consent.replace"}

// The messages on what access is bound to.
const (
	boundToCertificate = "consent.bound_certificate"
	boundToKey         = "consent.bound_key"
	boundToEither      = "consent.bound_either"
)

// boundTo is the message on what the access will be bound to, as far as that is certain before the token is asked for.
func boundTo(client *oauth.Client, profile oauth.Profile, req oauth.AuthorizationRequest) string {
	switch {
	case client.BoundAccessTokens || profile.CertificateBound:
		return boundToCertificate
	case client.DPoPBound || req.DPoPJKT != "":
		return boundToKey
	case client.AuthMethod.UsesCertificate():
		return boundToCertificate
	case profile.SenderConstrained:
		return boundToEither
	}
	return ""
}
