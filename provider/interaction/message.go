package interaction

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"

	"signet/provider/oauth"
	"signet/provider/web"
)

// errorView is what the error page shows: words for the user, the code for the client's developer, and
// the id under which the log has the cause.
type errorView struct {
	Headline    string
	Advice      string
	Code        string
	Description string
	RequestID   string
}

// WriteError answers with an error page, and logs the cause under the request id. It is for whatever must
// not be redirected to a client.
func (p *Pages) WriteError(w http.ResponseWriter, r *http.Request, err error) {
	shown := web.Public(err)
	web.NotesOf(r.Context()).Error = shown.Code
	status := web.StatusOf(shown.Code)
	level := slog.LevelInfo
	if status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	id := web.RequestID(r.Context())
	p.deps.Log.Log(r.Context(), level, "error page", "request_id", id, "status", status, "err", err)
	switch status {
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "5")
	case http.StatusMethodNotAllowed:
		if w.Header().Get("Allow") == "" {
			w.Header().Set("Allow", "GET, POST") // what the authorization endpoint takes
		}
	}
	view := errorView{Code: string(shown.Code), Description: shown.Description, RequestID: id}
	view.Headline, view.Advice = explain(status, err)
	p.render(w, status, pageError, page{Title: view.Headline, Failed: true, Body: view})
}

func explain(status int, err error) (headline, advice string) {
	var lost *oauth.Conflict
	switch {
	case errors.As(err, &lost):
		return "You have already answered", "Your answer was received the first time. You can close this window and go back to the app or website you came from."
	case status == http.StatusServiceUnavailable:
		return "Please try again in a moment", "The service is very busy or being looked after. Nothing was changed."
	case status >= http.StatusInternalServerError:
		return "Something went wrong on our side", "Nothing was changed. Please go back to the app or website you came from and try again."
	case status == http.StatusNotFound:
		return "There is no such page", "Please go back to the app or website you came from and start again."
	default:
		return "This request cannot go on", "For your safety we stopped here, and nothing was changed. Please go back to the app or website you came from and start again."
	}
}

// forwardView is a form_post answer on its way to the client.
type forwardView struct {
	Client string
	Return string
	Action string
	Fields []field
}

type field struct{ Name, Value string }

// WriteForm answers with a page whose button sends the fields to action (OAuth 2.0 Form Post Response Mode
// section 2). The specification submits the form by script; a button does without any. action is http or https.
func (p *Pages) WriteForm(w http.ResponseWriter, _ *http.Request, clientName, action string, fields url.Values) {
	view := forwardView{Client: clientName, Return: returnPlace(action), Action: action}
	for _, name := range []string{"code", "id_token", "response", "error", "error_description", "state", "iss"} {
		if fields.Has(name) {
			view.Fields = append(view.Fields, field{name, fields.Get(name)})
		}
	}
	p.render(w, http.StatusOK, pageForward, page{Title: "Go on to " + view.Return, Returns: action, Body: view})
}
