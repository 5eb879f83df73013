package interaction

import (
	"errors"
	"log/slog"
	"net/http"

	"signet/provider/oauth"
	"signet/provider/session"
	"signet/provider/web"
)

// errorView is what the error page shows: words for the user, the code and our English description for the client's
// developer, and the id under which the log has the cause.
type errorView struct {
	Headline    string
	Why         string // "" = the headline says it
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
	in, kind := p.words(r), kindOf(status, err)
	view := errorView{
		Headline: in.text("error." + kind), Advice: in.text("error." + kind + "_advice"),
		Code: string(shown.Code), Description: shown.Description, RequestID: id,
	}
	if kind == kindRefused {
		view.Why = why(in, shown.Code)
	}
	p.render(w, r, status, pageError, page{Title: view.Headline, Failed: true, Body: view})
}

// The kinds of errors that there are to a user: each has a headline and advice.
const (
	kindAnswered = "answered"
	kindExpired  = "expired"
	kindBusy     = "busy"
	kindFailed   = "failed"
	kindMissing  = "missing"
	kindRefused  = "refused"
)

func kindOf(status int, err error) string {
	var lost *oauth.Conflict
	var known *oauth.Error
	switch {
	case errors.As(err, &lost):
		return kindAnswered
	case errors.As(err, &known) && known.Code == gone.Code && known.Description == gone.Description:
		return kindExpired
	case status == http.StatusServiceUnavailable:
		return kindBusy
	case status >= http.StatusInternalServerError:
		return kindFailed
	case status == http.StatusNotFound:
		return kindMissing
	}
	return kindRefused
}

// gone is what a request that waits no more is answered with: the one refusal that any user can meet.
var gone = session.Gone(nil)

// why says what is wrong with the request, by the error's code.
func why(in *language, code oauth.Code) string {
	if name := "error.why." + string(code); in.has(name) {
		return in.text(name)
	}
	return in.text("error.why.other")
}
