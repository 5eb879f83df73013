package provider

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"signet/provider/oauth"
)

// mostRegistrations bounds what an operator can allow strangers: each registration of the last hour is remembered.
const mostRegistrations = 1_000_000

func (v *validator) openID(c Config) {
	if floor, known := oauth.Profiles[c.Profile]; known {
		v.listed("authorization.response_types", c.Authorization.ResponseTypes, floor.ResponseTypes, "the profile "+string(c.Profile))
	}
	switch mode := c.Authorization.RequirePKCE; {
	case mode == PKCENone && c.Profile != oauth.ProfileOpenID:
		v.fault("authorization.require_pkce", "none is for the profile openid alone")
	case mode != PKCEAll && mode != PKCEPublic && mode != PKCENone:
		v.fault("authorization.require_pkce", "want all, public or none")
	}
	v.logout(c.Logout)
	for _, link := range []struct{ path, url string }{
		{"brand.documentation", c.Brand.Documentation}, {"brand.policy", c.Brand.Policy}, {"brand.terms", c.Brand.Terms},
	} {
		if link.url != "" && !httpsURL(link.url) {
			v.fault(link.path, "want an https URL without a fragment")
		}
	}
	v.registration(c)
}

// mostLogoutRetries: a client that is away for longer has no use for the news.
const mostLogoutRetries = 48 * time.Hour

func (v *validator) logout(l LogoutConfig) {
	if l.BackchannelOn() {
		v.within("logout.backchannel_retry_for", l.BackchannelRetryFor, time.Minute, mostLogoutRetries)
	}
	if l.On() {
		return
	}
	for _, part := range []struct {
		name string
		on   bool
	}{{"session_management", l.SessionManagement}, {"frontchannel", l.FrontchannelOn()}, {"backchannel", l.BackchannelOn()}} {
		if part.on {
			v.fault("logout."+part.name, "needs logout.enabled")
		}
	}
}

func (v *validator) registration(c Config) {
	r := c.Registration
	if !r.Enabled {
		if !reflect.ValueOf(r).IsZero() {
			v.fault("registration", "is not used; set registration.enabled, or remove the rest")
		}
		return
	}
	switch {
	case !r.Open && r.MostPerHour != 0:
		v.fault("registration.most_per_hour", "is for registration.open only")
	case r.Open && (r.MostPerHour < 1 || r.MostPerHour > mostRegistrations):
		v.fault("registration.most_per_hour", "want 1 to %d", mostRegistrations)
	}
	if !r.Open {
		v.required("registration.initial_access_token_file", r.InitialAccessTokenFile)
	}
	v.statements(r.SoftwareStatements)
	v.bounds("scopes", r.Scopes, "scopes", c.scopeNames())
	v.bounds("resources", r.Resources, "resources", c.resourceIDs())
	var types []string
	for _, t := range c.DetailsTypes {
		types = append(types, t.Type)
	}
	if len(r.DetailsTypes) > 0 {
		v.bounds("authorization_details_types", r.DetailsTypes, "authorization_details", types)
	}
	profile, known := c.registrationProfile()
	if !known {
		if r.Profile != c.Profile { // otherwise that is the fault
			v.fault("registration.profile", "want one of %v", ProfileNames())
		}
		return
	}
	under := "the profile " + string(profile.Name)
	v.listed("registration.response_types", r.ResponseTypes, c.responseTypes(profile), "authorization.response_types and "+under)
	v.listed("registration.grant_types", r.GrantTypes, c.registrable(profile), "this configuration")
	var methods []string
	for _, m := range profile.AuthMethods {
		methods = append(methods, string(m))
	}
	v.listed("registration.auth_methods", r.AuthMethods, methods, under)
}

func (v *validator) statements(s SoftwareStatements) {
	if s.Required && len(s.Issuers) == 0 {
		v.fault("registration.software_statements.required", "needs issuers")
	}
	seen := map[string]bool{}
	for i, issuer := range s.Issuers {
		path := fmt.Sprintf("registration.software_statements.issuers[%d]", i)
		if v.required(path+".issuer", issuer.Issuer) && seen[issuer.Issuer] {
			v.fault(path+".issuer", "exists already")
		}
		seen[issuer.Issuer] = true
		v.publicKeys(path, issuer.JWKSURI, issuer.JWKS)
	}
}

// bounds checks a list of what registered clients may have.
func (v *validator) bounds(name string, list []string, section string, known []string) {
	path := "registration." + name
	if len(list) == 0 {
		v.fault(path, "is required")
	}
	for i, value := range list {
		if at := fmt.Sprintf("%s[%d]", path, i); slices.Contains(list[:i], value) {
			v.fault(at, "listed twice")
		} else if !slices.Contains(known, value) {
			v.fault(at, "%q is not defined under %s", value, section)
		}
	}
}

// listed checks a list of names that are known beforehand.
func (v *validator) listed(path string, list, known []string, by string) {
	for i, value := range list {
		if at := fmt.Sprintf("%s[%d]", path, i); slices.Contains(list[:i], value) {
			v.fault(at, "listed twice")
		} else if !slices.Contains(known, value) {
			v.fault(at, "%q is not allowed by %s: want some of %s", value, by, strings.Join(known, ", "))
		}
	}
}
