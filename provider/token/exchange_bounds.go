package token

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"signet/provider/oauth"
)

// maxTargets bounds how many resource servers one request names.
const maxTargets = 16

// narrowed is the scope that is asked for, within the subject token's; nil = all of it. The error is invalid_scope.
func (p *presented) narrowed(asked oauth.Scope) (oauth.Scope, error) {
	if asked == nil {
		return p.scope, nil
	}
	if !asked.Within(p.scope) {
		return nil, oauth.Errorf(oauth.InvalidScope, "the scope is wider than the subject_token's")
	}
	return asked, nil
}

// targets are the resource servers that resource and audience name (RFC 8693 section 2.1), or, where they name none, those
// that the subject token is for and the client may have tokens for. There is always one. The error is invalid_target.
func (p *presented) targets(req oauth.TokenRequest) ([]string, error) {
	resources, audiences := req.Params.All(paramResource), req.Params.All(paramAudience)
	for _, resource := range resources {
		if u, err := url.Parse(resource); resource != "" && (err != nil || !u.IsAbs() || strings.Contains(resource, "#")) {
			return nil, oauth.Errorf(oauth.InvalidTarget, "resource must be an absolute URI without a fragment (RFC 8693 section 2.1)")
		}
	}
	var asked []string
	for _, id := range slices.Concat(resources, audiences) {
		if id == "" || slices.Contains(asked, id) {
			continue
		}
		if !slices.Contains(p.reachable, id) {
			return nil, oauth.Errorf(oauth.InvalidTarget, "the subject_token gives nothing at a resource or audience that is asked for")
		}
		if asked = append(asked, id); len(asked) > maxTargets {
			return nil, oauth.Errorf(oauth.InvalidTarget, "too many resources")
		}
	}
	if len(asked) > 0 {
		return asked, nil
	}
	for _, id := range p.audience {
		if slices.Contains(req.Client.Resources, id) && !slices.Contains(asked, id) {
			asked = append(asked, id)
		}
	}
	if len(asked) == 0 {
		return nil, oauth.Errorf(oauth.InvalidTarget, "this client is not registered for what the subject_token is for: name a resource or an audience (RFC 8693 section 2.1)")
	}
	return asked, nil
}

// forItself wants no target other than the client, for which an ID token is. The error is invalid_target.
func forItself(req oauth.TokenRequest) error {
	others := slices.DeleteFunc(req.Params.All(paramAudience), func(id string) bool { return id == "" || id == req.Client.ID })
	if len(others) > 0 || len(req.Params.All(paramResource)) > 0 {
		return oauth.Errorf(oauth.InvalidTarget, "an ID token is for the client itself")
	}
	return nil
}

// chain is who acts for the subject in what is made (RFC 8693 section 4.1): the actor token's subject, then whoever acted
// in the subject token; nobody is left out. Without an actor token the client is not added: it impersonates (section 1.1),
// and is named by client_id.
func (g TokenExchange) chain(req oauth.TokenRequest, subject, actor *presented) (*oauth.Actor, error) {
	names, clientID := []string{req.Client.ID}, req.Client.ID
	if actor != nil {
		names, clientID = actor.names, actor.clientID
	}
	if !g.admits(subject, names, clientID) {
		return nil, oauth.Errorf(oauth.InvalidRequest, "subject_token: its may_act names another actor (RFC 8693 section 4.4)")
	}
	if actor == nil {
		return subject.act, nil
	}
	if actor.act != nil {
		return nil, oauth.Errorf(oauth.InvalidRequest, "actor_token: somebody else acts for its subject already")
	}
	link := &oauth.Actor{Subject: actor.about.Subject(), ClientID: actor.clientID, Act: subject.act}
	if user, person := actor.about.(oauth.EndUser); person {
		name, err := g.Names.Subject(req.Client, user.ID)
		if err != nil {
			return nil, err
		}
		link.Subject = name
	}
	if len(link.Links()) > oauth.MaxGenerations {
		return nil, oauth.Errorf(oauth.InvalidRequest, "no more than %d act one for the other", oauth.MaxGenerations)
	}
	return link, nil
}

// admits says whether a subject token's may_act claim lets a party of this server act (RFC 8693 section 4.4): whatever it
// names must be so. A sub without an iss is one of the token's own issuer. A claim with neither sub nor client_id names
// nobody.
func (g TokenExchange) admits(subject *presented, names []string, clientID string) bool {
	if subject.mayAct == nil {
		return true
	}
	var named map[string]any // a struct would take "Sub" for "sub"
	if json.Unmarshal(subject.mayAct, &named) != nil {
		return false
	}
	sub, bySub := named["sub"]
	client, byClient := named["client_id"]
	issuer, byIssuer := named["iss"]
	if bySub && !byIssuer {
		issuer, byIssuer = subject.issuer, true
	}
	is := func(value any, names ...string) bool {
		text, ok := value.(string)
		return ok && slices.Contains(names, text)
	}
	return (bySub || byClient) && (!bySub || is(sub, names...)) && (!byClient || is(client, clientID)) && (!byIssuer || is(issuer, g.Issuer))
}
