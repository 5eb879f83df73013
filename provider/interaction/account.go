package interaction

import (
	"net/http"
	"slices"
	"time"

	"signet/provider/oauth"
	"signet/provider/session"
	"signet/provider/web"
)

// Values of prompt (OpenID Connect Core section 3.1.2.1).
const (
	promptLogin         = "login"
	promptSelectAccount = "select_account"
)

// accountView is who is signed in already and may go on as that.
type accountView struct {
	User    string
	Session string // the public id of that user's session
}

// choice returns the session with which the user may go on where the client wants an account to be selected, or nil
// when there is none: then one has to log in, as without.
func (p *Pages) choice(r *http.Request, waiting oauth.Interaction) (*oauth.Session, oauth.User, error) {
	if !slices.Contains(waiting.Request.Prompt, promptSelectAccount) {
		return nil, oauth.User{}, nil
	}
	current, account, err := p.signedIn(r)
	if err != nil || current == nil || !suffices(waiting.Request, current.User, p.deps.Clock()) {
		return nil, oauth.User{}, err
	}
	return current, account, nil
}

// suffices says whether the login that the user has is all that the request asks for: the choice of an account takes
// the place of no other demand. Who it has to be (req.Subject, by the name under which the client knows the user) is the
// authorization endpoint's to say, afterwards.
func suffices(req oauth.AuthorizationRequest, user oauth.EndUser, now time.Time) bool {
	switch {
	case slices.Contains(req.Prompt, promptLogin):
		return false
	case req.EssentialACR && !slices.Contains(req.ACRValues, user.ACR):
		return false
	}
	return req.MaxAge == nil || now.Before(user.AuthTime.Add(time.Duration(*req.MaxAge)*time.Second))
}

// goOn notes the user of the session as the waiting request's. The choice counts only for the session whose user the
// page named: when somebody else is signed in by now, or nobody, the page is shown again.
func (p *Pages) goOn(
	w http.ResponseWriter, r *http.Request, waiting oauth.Interaction, current *oauth.Session, chosen string,
) {
	if current == nil || current.User.SessionID != chosen {
		web.SeeOther(w, session.PageURL(p.deps.Prefix+pathLogin, waiting.Digest))
		return
	}
	waiting.User = &current.User
	if err := p.deps.Store.Commit(r.Context(), oauth.UpdateInteraction{Interaction: waiting}); err != nil {
		p.WriteError(w, r, err)
		return
	}
	web.SeeOther(w, p.resume(r, waiting))
}
