package provider

import (
	"regexp"
	"slices"
	"strings"
)

// Endpoints are the paths of the endpoints, the same at both doors, for clients that know those of another server. Each
// begins with a slash and is unlike every other. Discovery publishes them behind each door's base URL.
type Endpoints struct {
	Authorization             string `yaml:"authorization"`                // default /authorize
	Token                     string `yaml:"token"`                        // default /token
	Introspection             string `yaml:"introspection"`                // default /introspect
	Revocation                string `yaml:"revocation"`                   // default /revoke
	Userinfo                  string `yaml:"userinfo"`                     // default /userinfo
	PushedRequest             string `yaml:"pushed_authorization_request"` // default /par
	BackchannelAuthentication string `yaml:"backchannel_authentication"`   // default /bc-authorize
	DeviceAuthorization       string `yaml:"device_authorization"`         // default /device_authorization
	Registration              string `yaml:"registration"`                 // default /register; each client's own is below it
	EndSession                string `yaml:"end_session"`                  // default /end_session
	CheckSession              string `yaml:"check_session"`                // default /check_session
	JWKS                      string `yaml:"jwks"`                         // default /jwks; below /.well-known it may be, too
	// Grants is the grant management API; each grant is below it. Its URL at the issuer is the resource identifier that
	// access tokens for it name. Default /grants.
	Grants string `yaml:"grants"`
}

// grantsPath is where the grant management API is, unless the configuration says otherwise.
const grantsPath = "/grants"

// withDefaults fills in the paths that are not given.
func (e Endpoints) withDefaults() Endpoints {
	for _, p := range e.all() {
		setDefault(p.path, p.usual)
	}
	return e
}

// endpointPath is one of the paths: its key in the configuration, where it is unless that says otherwise, and whether what
// is below it is its own as well.
type endpointPath struct {
	key   string
	path  *string
	usual string
	tree  bool
}

func (e *Endpoints) all() []endpointPath {
	return []endpointPath{
		{key: "authorization", path: &e.Authorization, usual: "/authorize"},
		{key: "token", path: &e.Token, usual: "/token"},
		{key: "introspection", path: &e.Introspection, usual: "/introspect"},
		{key: "revocation", path: &e.Revocation, usual: "/revoke"},
		{key: "userinfo", path: &e.Userinfo, usual: "/userinfo"},
		{key: "pushed_authorization_request", path: &e.PushedRequest, usual: "/par"},
		{key: "backchannel_authentication", path: &e.BackchannelAuthentication, usual: "/bc-authorize"},
		{key: "device_authorization", path: &e.DeviceAuthorization, usual: "/device_authorization"},
		{key: "registration", path: &e.Registration, usual: "/register", tree: true},
		{key: "end_session", path: &e.EndSession, usual: "/end_session"},
		{key: "check_session", path: &e.CheckSession, usual: "/check_session"},
		{key: "jwks", path: &e.JWKS, usual: "/jwks"},
		{key: "grants", path: &e.Grants, usual: grantsPath, tree: true},
	}
}

// fixedPaths are taken whatever the configuration says. One that ends with a slash has all that is below it, too.
var fixedPaths = []string{
	pathInteraction, pathDevelopment, pathResume, pathConfirmLogout, pathInitiate, pathArchivedJWKS, pathDevice, pathDevice + "/",
}

// maxPath bounds a path, in bytes: it is part of URLs that have to fit elsewhere.
const maxPath = 200

// endpointSegments are what a path is made of: characters that no URL writes in two ways (RFC 3986 section 2.3), and no
// dots alone, which are steps.
var endpointSegments = regexp.MustCompile(`^(/[A-Za-z0-9._~-]*[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+$`)

// endpoints checks that each path leads to one place.
func (v *validator) endpoints(e Endpoints) {
	all := e.all()
	for i, p := range all {
		at, path := "endpoints."+p.key, *p.path
		switch other, taken := clash(p, all[:i]); {
		case path == "" || len(path) > maxPath || !endpointSegments.MatchString(path):
			v.fault(at, "want a path like /oauth2/token, of letters, digits and - . _ ~")
		case strings.HasPrefix(path, pathWellKnown) && (p.key != "jwks" || path == pathOpenIDConfig || path == pathServerConfig):
			v.fault(at, "what is below /.well-known/ has names that are registered (RFC 8615 section 3)")
		case slices.ContainsFunc(fixedPaths, func(fixed string) bool { return covers(fixed, path) || p.tree && covers(path+"/", fixed) }):
			v.fault(at, "is a path that Signet has for something else")
		case taken:
			v.fault(at, "is where endpoints.%s is, or belongs to it", other)
		}
	}
}

// clash finds the endpoint whose path is the same, or that one of the two is below where that belongs to the other.
func clash(p endpointPath, others []endpointPath) (key string, found bool) {
	for _, o := range others {
		if *p.path == *o.path || o.tree && covers(*o.path+"/", *p.path) || p.tree && covers(*p.path+"/", *o.path) {
			return o.key, true
		}
	}
	return "", false
}

// covers says whether the path is the fixed one or, where that ends with a slash, below it.
func covers(fixed, path string) bool {
	return path == strings.TrimSuffix(fixed, "/") || strings.HasSuffix(fixed, "/") && strings.HasPrefix(path, fixed)
}
