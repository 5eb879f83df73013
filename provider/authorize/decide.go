package authorize

import (
	"net/url"
	"slices"
	"time"

	"signet/provider/oauth"
)

// step is what an authorization request needs next: askLogin, askConsent, issueAnswer or refuse.
type step interface{ isStep() }

type askLogin struct{}
type askConsent struct{ user oauth.EndUser }
type issueAnswer struct{ user oauth.EndUser }
type refuse struct{ err *oauth.Error }

func (askLogin) isStep()    {}
func (askConsent) isStep()  {}
func (issueAnswer) isStep() {}
func (refuse) isStep()      {}

// situation is all that the decision looks at.
type situation struct {
	request oauth.AuthorizationRequest
	client  *oauth.Client
	user    *oauth.EndUser // who is there; nil = nobody that is known
	// settled: the user has logged in for this very request, or was found logged in recently enough.
	settled bool
	other   bool          // the user is another than the request is about
	consent oauth.Consent // what the user has agreed to before
	outcome outcome       // what would come of the request
	now     time.Time
}

// decide applies prompt, max_age, the ownership of a grant and consent (OpenID Connect Core sections 3.1.2.1, 3.1.2.3,
// 3.1.2.4).
func decide(s situation) step {
	silent := slices.Contains(s.request.Prompt, promptNone)
	if needsLogin(s) {
		if silent {
			return refuse{oauth.Errorf(oauth.LoginRequired, "the user is not logged in, or not recently enough, or is another than asked for")}
		}
		return askLogin{}
	}
	if s.other {
		return refuse{notAskedFor()}
	}
	if owner := s.outcome.before.UserID; owner != "" && owner != s.user.ID {
		return refuse{notTheirs()}
	}
	if needsConsent(s) {
		if silent {
			return refuse{oauth.Errorf(oauth.ConsentRequired, "the user has not agreed to this yet")}
		}
		return askConsent{*s.user}
	}
	return issueAnswer{*s.user}
}

func needsLogin(s situation) bool {
	if s.user == nil {
		return true
	}
	if s.settled {
		return false
	}
	if s.other || slices.Contains(s.request.Prompt, promptLogin) || slices.Contains(s.request.Prompt, promptSelectAccount) {
		return true
	}
	if s.request.MaxAge == nil {
		return false
	}
	limit := s.user.AuthTime.Add(time.Duration(*s.request.MaxAge) * time.Second)
	return !s.now.Before(limit)
}

// needsConsent looks at the grant that would come of the request: what a merge keeps is issued again.
func needsConsent(s situation) bool {
	if slices.Contains(s.request.Prompt, promptConsent) || !assured(s.client, s.request) {
		return true
	}
	grant := s.outcome.grant
	if len(grant.Details) > 0 { // each is about one thing, such as one payment: no agreement covers the next
		return true
	}
	if s.outcome.prolongs() || s.consent.UserID != s.user.ID || s.consent.ClientID != s.client.ID {
		return true
	}
	return !s.consent.Covers(reach(grant.Scope, grant.Claims), grant.Resources, s.now)
}

// assured says whether the client's identity is certain enough to skip a consent given before. At a private-use scheme
// or on loopback there can be any program (RFC 8252 section 8.6), unless what it gets is of use only to a client that
// authenticates: a code, and nothing beside it.
func assured(client *oauth.Client, req oauth.AuthorizationRequest) bool {
	if !client.Public() && !carriesToken(req.ResponseType) {
		return true
	}
	u, err := url.Parse(req.RedirectURI)
	return err == nil && u.Scheme == "https"
}
