package provider

import (
	"log/slog"
	"net/http"
	"slices"

	"github.com/gorilla/mux"

	"signet/provider/oauth"
	"signet/provider/web"
)

// The paths that nobody moves, at both doors; the others are in [Endpoints]. Discovery publishes them behind each door's
// base URL.
const (
	pathResume        = "/authorize/resume"
	pathInteraction   = "/interaction/"
	pathDevelopment   = "/ciba/development/"
	pathInitiate      = "/initiate_login"
	pathConfirmLogout = "/end_session/confirm"
	pathDevice        = "/device" // the page at which users enter the code of a device; its parts are below it
	pathDevicePicture = "/device/qr"
	pathArchivedJWKS  = "/jwks/archived" // the keys that have retired

	pathWellKnown    = "/.well-known/"
	pathOpenIDConfig = pathWellKnown + "openid-configuration"
	pathServerConfig = pathWellKnown + "oauth-authorization-server" // RFC 8414 section 3
	notFoundText     = "there is nothing at this path; the endpoints are listed in " + pathOpenIDConfig
)

// handlers are the endpoints of one provider.
type handlers struct {
	token, introspect, revoke, userinfo, push, authorize, resume, interaction, jwks, metadata http.Handler
	// nil where the configuration has them off
	backchannel, development, grants, register        http.Handler
	endSession, confirmLogout, checkSession, initiate http.Handler
	deviceAuthorization, device, devicePicture        http.Handler
	archivedJWKS                                      http.Handler
}

// routes is the whole route table, the busiest first.
func routes(h handlers, at Endpoints, log *slog.Logger) http.Handler {
	router := mux.NewRouter().SkipClean(true)
	on(router, log, at.Token, h.token, http.MethodPost)
	on(router, log, at.Introspection, h.introspect, http.MethodPost)
	on(router, log, at.Revocation, h.revoke, http.MethodPost)
	on(router, log, at.Userinfo, h.userinfo, http.MethodGet, http.MethodPost)
	on(router, log, at.PushedRequest, h.push, http.MethodPost)
	on(router, log, at.BackchannelAuthentication, h.backchannel, http.MethodPost)
	on(router, log, at.DeviceAuthorization, h.deviceAuthorization, http.MethodPost)
	below(router, pathDevelopment, h.development)
	below(router, at.Grants+"/", h.grants)
	if h.register != nil {
		router.Handle(at.Registration, h.register)
	}
	below(router, at.Registration+"/", h.register)
	on(router, log, at.Authorization, h.authorize, http.MethodGet, http.MethodPost)
	on(router, log, pathResume, h.resume, http.MethodGet, http.MethodPost)
	on(router, log, pathInitiate, h.initiate, http.MethodGet)
	on(router, log, at.EndSession, h.endSession, http.MethodGet, http.MethodPost)
	on(router, log, pathConfirmLogout, h.confirmLogout, http.MethodPost)
	on(router, log, at.CheckSession, h.checkSession, http.MethodGet)
	on(router, log, at.JWKS, h.jwks, http.MethodGet, http.MethodHead)
	on(router, log, pathArchivedJWKS, h.archivedJWKS, http.MethodGet, http.MethodHead)
	on(router, log, pathOpenIDConfig, h.metadata, http.MethodGet, http.MethodHead)
	on(router, log, pathServerConfig, h.metadata, http.MethodGet, http.MethodHead)
	below(router, pathInteraction, h.interaction)
	on(router, log, pathDevice, h.device, http.MethodGet, http.MethodPost)
	on(router, log, pathDevicePicture, h.devicePicture, http.MethodGet, http.MethodHead)
	below(router, pathDevice+"/", h.device)
	router.NotFoundHandler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		web.WriteError(w, r, log, oauth.Errorf(oauth.NotFound, notFoundText))
	})
	return router
}

// below mounts a handler for all that begins with the path, unless it is off.
func below(router *mux.Router, path string, handler http.Handler) {
	if handler != nil {
		router.PathPrefix(path).Handler(handler)
	}
}

// on mounts a handler for the methods, unless it is off; any other method is 405 with Allow (RFC 9110 section 15.5.6).
func on(router *mux.Router, log *slog.Logger, path string, handler http.Handler, methods ...string) {
	if handler == nil {
		return
	}
	router.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		if !slices.Contains(methods, r.Method) {
			web.WriteError(w, r, log, web.MethodNotAllowed(methods...))
			return
		}
		handler.ServeHTTP(w, r)
	})
}
