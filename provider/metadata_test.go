package provider_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/provider"
	"signet/provider/jose"
	"signet/provider/oauth"
)

// TestDiscoveryFollowsTheConfiguration: what is switched on is published, with where it is; what is off is not.
func TestDiscoveryFollowsTheConfiguration(t *testing.T) {
	h := newHouse(t, func(c *provider.Config) { c.Keys.Algorithms = []string{"ES256", "RSA-OAEP-256"} })
	off := false
	salt := h.write("salt", strings.Repeat("s", 32))
	all := h.twin(func(c *provider.Config) {
		c.Authorization.ResponseTypes, c.Authorization.RequestURIs = oauth.Profiles[oauth.ProfileOpenID].ResponseTypes, true
		c.Subjects.PairwiseSaltFile, c.Logout.SessionManagement = salt, true
		c.Authorization.RequirePAR = true
		c.Device = provider.DeviceGrantConfig{Enabled: true, Expiry: 10 * time.Minute, Interval: 5 * time.Second, PendingOfClient: 10}
		c.Brand.Documentation, c.Brand.Policy, c.Brand.Terms = "https://bank.example/docs", "https://bank.example/policy", "https://bank.example/terms"
	}, nil)
	none := h.twin(func(c *provider.Config) {
		c.Authorization.ResponseTypes = []string{"code"}
		c.Logout = provider.LogoutConfig{Enabled: &off, Frontchannel: &off, Backchannel: &off}
	}, nil)
	fapi := h.twin(func(c *provider.Config) { c.Profile = oauth.ProfileFAPI2Security }, nil)

	published := func(tw *twin) map[string]any {
		return tw.get(tw.plain, tw.issuer+"/.well-known/openid-configuration").JSON
	}
	list := func(values ...string) (all []any) {
		for _, v := range values {
			all = append(all, v)
		}
		return all
	}
	algs, encs := list(jose.EncryptionAlgs()...), list(jose.ContentEncryptions()...)
	for name, c := range map[string]struct {
		tw   *twin
		want map[string]any // nil = not there
	}{
		"all": {all, map[string]any{
			"response_types_supported":        list(oauth.Profiles[oauth.ProfileOpenID].ResponseTypes...),
			"grant_types_supported":           list("authorization_code", "client_credentials", "refresh_token", oauth.GrantDevice, "implicit"),
			"subject_types_supported":         list("public", "pairwise"),
			"request_uri_parameter_supported": true, "require_request_uri_registration": true, "claims_parameter_supported": true,
			"end_session_endpoint": all.issuer + "/end_session", "check_session_iframe": all.issuer + "/check_session",
			"frontchannel_logout_supported": true, "frontchannel_logout_session_supported": true,
			"backchannel_logout_supported": true, "backchannel_logout_session_supported": true,
			"id_token_signing_alg_values_supported": list("ES256", "none"), "userinfo_signing_alg_values_supported": list("ES256"),
			"id_token_encryption_alg_values_supported": algs, "id_token_encryption_enc_values_supported": encs,
			"userinfo_encryption_alg_values_supported": algs, "userinfo_encryption_enc_values_supported": encs,
			"introspection_encryption_alg_values_supported": algs, "introspection_encryption_enc_values_supported": encs,
			"authorization_encryption_alg_values_supported": algs, "authorization_encryption_enc_values_supported": encs,
			"device_authorization_endpoint": all.issuer + "/device_authorization", "require_pushed_authorization_requests": true,
			"request_object_encryption_alg_values_supported": list("RSA-OAEP-256"), "request_object_encryption_enc_values_supported": encs,
			"service_documentation": "https://bank.example/docs", "op_policy_uri": "https://bank.example/policy", "op_tos_uri": "https://bank.example/terms",
		}},
		"none": {none, map[string]any{
			"response_types_supported": list("code"), "grant_types_supported": list("authorization_code", "client_credentials", "refresh_token"),
			"subject_types_supported": list("public"), "request_uri_parameter_supported": false, "require_request_uri_registration": nil,
			"end_session_endpoint": nil, "check_session_iframe": nil, "frontchannel_logout_supported": nil, "frontchannel_logout_session_supported": nil,
			"backchannel_logout_supported": nil, "backchannel_logout_session_supported": nil, "service_documentation": nil, "registration_endpoint": nil,
			"device_authorization_endpoint": nil, "require_pushed_authorization_requests": nil,
		}},
		"FAPI": {fapi, map[string]any{
			"response_types_supported": list("code"), "grant_types_supported": list("authorization_code", "client_credentials", "refresh_token"),
			"id_token_signing_alg_values_supported": list("ES256"), "check_session_iframe": nil, "end_session_endpoint": fapi.issuer + "/end_session",
		}},
	} {
		got := published(c.tw)
		for field, want := range c.want {
			if diff := cmp.Diff(want, got[field]); diff != "" {
				t.Errorf("%s: %s: %s", name, field, diff)
			}
		}
	}
	if objects, _ := published(fapi)["request_object_signing_alg_values_supported"].([]any); slices.Contains(objects, any("none")) {
		t.Error("FAPI has unsigned request objects")
	}
	for _, path := range []string{"/end_session", "/check_session"} {
		if there, not := all.get(all.plain, all.issuer+path), none.get(none.plain, none.issuer+path); there.Status == http.StatusNotFound || not.Status != http.StatusNotFound {
			t.Errorf("%s: %d where it is on, %d where it is off", path, there.Status, not.Status)
		}
	}
}

// TestDiscoveryFollowsThePaths: what the configuration moves is published where it is, at both doors.
func TestDiscoveryFollowsThePaths(t *testing.T) {
	h := newHouse(t, nil)
	moved := h.twin(func(c *provider.Config) {
		c.Endpoints.Authorization, c.Endpoints.Token, c.Endpoints.Introspection, c.Endpoints.Revocation = "/oauth2/auth", "/oauth2/token", "/oauth2/introspect", "/oauth2/revoke"
		c.Endpoints.Userinfo, c.Endpoints.PushedRequest, c.Endpoints.JWKS, c.Endpoints.EndSession = "/oidc/userinfo", "/oauth2/par", "/.well-known/jwks.json", "/oidc/logout"
		c.Endpoints.Grants = "/oauth2/grants"
	}, nil)
	got := moved.get(moved.plain, moved.issuer+"/.well-known/openid-configuration").JSON
	for field, path := range map[string]string{
		"authorization_endpoint": "/oauth2/auth", "token_endpoint": "/oauth2/token", "introspection_endpoint": "/oauth2/introspect",
		"revocation_endpoint": "/oauth2/revoke", "userinfo_endpoint": "/oidc/userinfo", "pushed_authorization_request_endpoint": "/oauth2/par",
		"jwks_uri": "/.well-known/jwks.json", "end_session_endpoint": "/oidc/logout", "grant_management_endpoint": "/oauth2/grants",
	} {
		if got[field] != moved.issuer+path {
			t.Errorf("%s is %v", field, got[field])
		}
		alias, there := got["mtls_endpoint_aliases"].(map[string]any)[field]
		if there && alias != moved.config.MTLS.BaseURL+path {
			t.Errorf("the alias of %s is %v", field, alias)
		}
	}
}
