package provider

import (
	"log/slog"
	"net/http"
	"slices"

	"github.com/gorilla/mux"

	"signet/provider/oauth"
	"signet/provider/web"
)

// The paths, at both doors. Discovery publishes them behind each door's base URL.
const (
	pathToken        = "/token"
	pathIntrospect   = "/introspect"
	pathRevoke       = "/revoke"
	pathUserinfo     = "/userinfo"
	pathAuthorize    = "/authorize"
	pathResume       = "/authorize/resume"
	pathInteraction  = "/interaction/"
	pathPush         = "/par"
	pathBackchannel  = "/bc-authorize"
	pathDevelopment  = "/ciba/development/"
	pathGrants       = grantsPath
	pathRegister     = "/register"
	pathEndSession   = "/end_session"
	pathCheckSession = "/check_session"
	pathInitiate     = "/initiate_login"
	pathJWKS         = "/jwks"

	pathConfirmLogout = "/end_session/confirm"

	pathOpenIDConfig = "/.well-known/openid-configuration"
	pathServerConfig = "/.well-known/oauth-authorization-server" // RFC 8414 section 3
	notFoundText     = "there is nothing at this path; the endpoints are listed in " + pathOpenIDConfig
)

// handlers are the endpoints of one provider.
type handlers struct {
	token, introspect, revoke, userinfo, push, authorize, resume, interaction, jwks, metadata http.Handler
	// nil where the configuration has them off
	backchannel, development, grants, register        http.Handler
	endSession, confirmLogout, checkSession, initiate http.Handler
}

// routes is the whole route table, the busiest first.
func routes(h handlers, log *slog.Logger) http.Handler {
	router := mux.NewRouter().SkipClean(true)
	on(router, log, pathToken, h.token, http.MethodPost)
	on(router, log, pathIntrospect, h.introspect, http.MethodPost)
	on(router, log, pathRevoke, h.revoke, http.MethodPost)
	on(router, log, pathUserinfo, h.userinfo, http.MethodGet, http.MethodPost)
	on(router, log, pathPush, h.push, http.MethodPost)
	if h.backchannel != nil {
		on(router, log, pathBackchannel, h.backchannel, http.MethodPost)
	}
	if h.development != nil {
		router.PathPrefix(pathDevelopment).Handler(h.development)
	}
	if h.grants != nil {
		router.PathPrefix(pathGrants + "/").Handler(h.grants)
	}
	if h.register != nil {
		router.Handle(pathRegister, h.register)
		router.PathPrefix(pathRegister + "/").Handler(h.register)
	}
	on(router, log, pathAuthorize, h.authorize, http.MethodGet, http.MethodPost)
	on(router, log, pathResume, h.resume, http.MethodGet, http.MethodPost)
	on(router, log, pathInitiate, h.initiate, http.MethodGet)
	if h.endSession != nil {
		on(router, log, pathEndSession, h.endSession, http.MethodGet, http.MethodPost)
		on(router, log, pathConfirmLogout, h.confirmLogout, http.MethodPost)
	}
	if h.checkSession != nil {
		on(router, log, pathCheckSession, h.checkSession, http.MethodGet)
	}
	on(router, log, pathJWKS, h.jwks, http.MethodGet, http.MethodHead)
	on(router, log, pathOpenIDConfig, h.metadata, http.MethodGet, http.MethodHead)
	on(router, log, pathServerConfig, h.metadata, http.MethodGet, http.MethodHead)
	router.PathPrefix(pathInteraction).Handler(h.interaction)
	router.NotFoundHandler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		web.WriteError(w, r, log, oauth.Errorf(oauth.NotFound, notFoundText))
	})
	return router
}

// on mounts a handler for the methods; any other method is 405 with Allow (RFC 9110 section 15.5.6).
func on(router *mux.Router, log *slog.Logger, path string, handler http.Handler, methods ...string) {
	router.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		if !slices.Contains(methods, r.Method) {
			web.WriteError(w, r, log, web.MethodNotAllowed(methods...))
			return
		}
		handler.ServeHTTP(w, r)
	})
}
