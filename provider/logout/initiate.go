package logout

import (
	"net/http"
	"net/url"
	"strings"

	"signet/provider/oauth"
	"signet/provider/web"
)

// InitiateLogin sends the browser to where a client begins logins (OpenID Connect Core section 4), so that a portal
// can link to any client: GET with client_id and, optionally, login_hint and target_link_uri. The client's
// initiate_login_uri gets both as they are, with our iss; whether target_link_uri is a page of its own is the client's
// to judge.
func (s *Service) InitiateLogin() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		location, err := s.initiate(r)
		if err != nil {
			s.deps.Pages.WriteError(w, r, err)
			return
		}
		web.SeeOther(w, location)
	})
}

func (s *Service) initiate(r *http.Request) (string, error) {
	params, fault := web.ParseQuery(r)
	if fault != nil {
		return "", fault
	}
	if !params.Has("client_id") {
		return "", oauth.Errorf(oauth.InvalidRequest, "client_id is missing")
	}
	client, err := s.client(r.Context(), params.Get("client_id"))
	if err != nil {
		return "", err
	}
	if client.InitiateLoginURI == "" {
		return "", oauth.Errorf(oauth.InvalidRequest, "the client has registered no initiate_login_uri")
	}
	pairs := []string{"iss", s.deps.Issuer}
	if hint := params.Get("login_hint"); hint != "" {
		pairs = append(pairs, "login_hint", hint)
	}
	if target := params.Get("target_link_uri"); target != "" {
		if !isPage(target) {
			return "", oauth.Errorf(oauth.InvalidRequest, "target_link_uri is no address of a page")
		}
		pairs = append(pairs, "target_link_uri", target)
	}
	return withQuery(client.InitiateLoginURI, pairs...), nil
}

// isPage takes absolute URLs of web pages, written so that everybody reads the same host.
func isPage(address string) bool {
	if strings.ContainsFunc(address, func(c rune) bool { return c <= ' ' || c >= 0x7f || c == '\\' }) {
		return false
	}
	u, err := url.Parse(address)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != "" && u.User == nil
}
