package interaction

import (
	_ "embed" // the script
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"signet/provider/oauth"
)

// logoutView asks whether to sign out.
type logoutView struct {
	Client string // who asks for it; "" = nobody that is known
	User   string // who is signed in; "" = not known
	Action string
	Fields []field
	Answer answerFields
}

// AskLogout asks the user whether to sign out (OpenID Connect RP-Initiated Logout section 2). The form goes to action
// by POST with the fields and with a decision (see package session). clientName is the client's that sent the user, or "".
// The language is that of ui_locales in the request's query or in the fields; action gets it as a query parameter.
func (p *Pages) AskLogout(w http.ResponseWriter, r *http.Request, clientName, action string, fields url.Values) {
	if asked := sole(fields, paramLocales); asked != "" {
		r = p.in(r, oauth.AuthorizationRequest{UILocales: strings.Fields(asked)})
	}
	m := p.manner(r)
	view := logoutView{
		Client: clientName, Action: m.keep(action), Fields: fieldsOf(fields), Answer: answers,
	}
	// Whose session it is helps to decide; that it cannot be read is no reason not to ask.
	if current, account, err := p.signedIn(r); err == nil && current != nil {
		view.User = displayName(account)
	}
	p.render(w, r, http.StatusOK, pageLogout, page{
		Title: m.language.text("logout.title"), Body: view, policy: policy{returns: fields.Get("post_logout_redirect_uri")},
	})
}

// Stayed says that the user is still signed in: so they have answered, and there is nowhere to go back to.
func (p *Pages) Stayed(w http.ResponseWriter, r *http.Request) {
	p.render(w, r, http.StatusOK, pageStayed, page{Title: p.words(r).text("stayed.title")})
}

//go:embed assets/logged-out.js
var loggedOutScript []byte

// loggedOutView says that the user is signed out.
type loggedOutView struct {
	Client   string
	Continue template.URL // "" = nowhere
	Frames   []string
}

// LoggedOut says that the user is signed out, and loads the frames, which tell clients (OpenID Connect Front-Channel
// Logout section 2). With continueURL it goes on to it by itself when all frames have loaded, after three seconds at
// most; who has no script follows the link. continueURL has been validated: it is a registered
// post_logout_redirect_uri. clientName is that client's.
func (p *Pages) LoggedOut(w http.ResponseWriter, r *http.Request, clientName, continueURL string, frames []string) {
	view := loggedOutView{Client: clientName, Continue: destination(continueURL)}
	content := page{Title: p.words(r).text("logged_out.title")}
	for _, frame := range frames {
		origin := originOf(frame, "https", "http")
		if origin == "" {
			p.deps.Log.WarnContext(r.Context(), "front-channel logout: not a URL that can be framed", "url", frame)
			continue
		}
		view.Frames, content.policy.frames = append(view.Frames, frame), append(content.policy.frames, origin)
	}
	if view.Continue != "" {
		content.Script = script(loggedOutScript)
	}
	content.Body = view
	p.render(w, r, http.StatusOK, pageLoggedOut, content)
}

// destination takes what a link may lead to: a web page, or an app by a scheme of its own, which has a dot in it
// (RFC 8252 section 7.1), unlike those that browsers run or show as a page of ours.
func destination(uri string) template.URL {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" && !strings.Contains(u.Scheme, ".") {
		return ""
	}
	return template.URL(uri) // #nosec G203 -- the scheme has just been looked at; as an attribute it is escaped still
}

// field is a hidden field of a form.
type field struct{ Name, Value string }

// fieldsOf lists the values by name.
func fieldsOf(values url.Values) []field {
	var fields []field
	for name, all := range values {
		for _, value := range all {
			fields = append(fields, field{name, value})
		}
	}
	slices.SortStableFunc(fields, func(a, b field) int { return strings.Compare(a.Name, b.Name) })
	return fields
}
