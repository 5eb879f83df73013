package interaction

import (
	_ "embed" // the script
	"net/http"
	"net/url"
)

//go:embed assets/forward.js
var forwardScript []byte

// forwardView is a form_post answer on its way to the client.
type forwardView struct {
	Client string
	Place  string // a host; "" = an app on this device
	Action string
	Fields []field
}

// WriteForm answers with a page that sends the fields to action by POST (OAuth 2.0 Form Post Response Mode section 2):
// by itself, or by its button where scripts do not run. action is http or https; clientName may be "".
func (p *Pages) WriteForm(w http.ResponseWriter, r *http.Request, clientName, action string, fields url.Values) {
	p.render(w, r, http.StatusOK, pageForward, page{
		Title:  p.words(r).text("forward.title"),
		Body:   forwardView{Client: clientName, Place: returnPlace(action), Action: action, Fields: fieldsOf(fields)},
		Script: script(forwardScript), policy: policy{returns: action},
	})
}

// returnPlace says where the browser goes afterwards: a host that the user can recognise, or "" for an app.
func returnPlace(redirectURI string) string {
	u, err := url.Parse(redirectURI)
	if err != nil || u.Scheme != "https" {
		return ""
	}
	return u.Host
}
