package discovery

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func published(t *testing.T, m Metadata) map[string]any {
	t.Helper()
	h, err := Handler(m)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	var fields map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &fields); err != nil {
		t.Fatal(err)
	}
	return fields
}

// TestWhatIsOffIsNotPublished: a field that is there tells clients that the feature is.
func TestWhatIsOffIsNotPublished(t *testing.T) {
	var all Metadata
	all.PushedEndpoint, all.RequirePushed = "https://op.example/par", true
	all.RequestObjectAlgs, all.RequireSignedRequest = []string{"ES256"}, true
	all.ResponseAlgs, all.DPoPAlgs, all.IntrospectionAlgs = []string{"ES256"}, []string{"ES256"}, []string{"ES256"}
	all.DetailsTypes, all.ACRValues = []string{"payment"}, []string{"gold"}
	all.Backchannel = Backchannel{"https://op.example/bc", []string{"poll"}, []string{"ES256"}, true}
	all.GrantManagement = GrantManagement{"https://op.example/grants", []string{"query"}, true}
	all.DisplayValues, all.UILocales, all.RegisteredURIs = []string{"page"}, []string{"en"}, true
	all.Documentation, all.Policy, all.Terms = "https://op.example/docs", "https://op.example/policy", "https://op.example/terms"
	all.DeviceEndpoint = "https://op.example/device_authorization"
	some := []string{"x"}
	all.Encryption = Encryption{some, some, some, some, some, some, some, some, some, some, some}
	all.Logout = Logout{"https://op.example/end", "https://op.example/check", true, true, true, true}

	off, on := published(t, Metadata{}), published(t, all)
	optional := slices.Sorted(maps.Keys(on))
	optional = slices.DeleteFunc(optional, func(name string) bool { _, always := off[name]; return always })
	want := []string{
		"acr_values_supported", "authorization_details_types_supported",
		"authorization_encryption_alg_values_supported", "authorization_encryption_enc_values_supported", "authorization_signing_alg_values_supported",
		"backchannel_authentication_endpoint", "backchannel_authentication_request_signing_alg_values_supported",
		"backchannel_logout_session_supported", "backchannel_logout_supported",
		"backchannel_token_delivery_modes_supported", "backchannel_user_code_parameter_supported",
		"check_session_iframe", "device_authorization_endpoint", "display_values_supported", "dpop_signing_alg_values_supported", "end_session_endpoint",
		"frontchannel_logout_session_supported", "frontchannel_logout_supported",
		"grant_management_action_required", "grant_management_actions_supported", "grant_management_endpoint",
		"id_token_encryption_alg_values_supported", "id_token_encryption_enc_values_supported",
		"introspection_encryption_alg_values_supported", "introspection_encryption_enc_values_supported",
		"introspection_signing_alg_values_supported", "op_policy_uri", "op_tos_uri", "pushed_authorization_request_endpoint",
		"request_object_encryption_alg_values_supported", "request_object_encryption_enc_values_supported", "request_object_signing_alg_values_supported",
		"require_pushed_authorization_requests", "require_request_uri_registration", "require_signed_request_object", "service_documentation",
		"ui_locales_supported", "userinfo_encryption_alg_values_supported", "userinfo_encryption_enc_values_supported", "userinfo_signing_alg_values_supported",
	}
	if diff := cmp.Diff(want, optional); diff != "" {
		t.Error(diff)
	}
	for _, name := range []string{"claims_parameter_supported", "request_parameter_supported", "request_uri_parameter_supported"} {
		if _, there := off[name]; !there { // their defaults differ (OpenID Connect Discovery section 3)
			t.Errorf("%s is not stated", name)
		}
	}
}

func TestAliases(t *testing.T) {
	m := Metadata{MTLSEndpoints: Aliases{PushedEndpoint: "https://mtls.example/par", BackchannelEndpoint: "https://mtls.example/bc", GrantEndpoint: "https://mtls.example/grants", DeviceEndpoint: "https://mtls.example/device_authorization"}}
	aliases, _ := published(t, m)["mtls_endpoint_aliases"].(map[string]any)
	for name, want := range map[string]string{
		"pushed_authorization_request_endpoint": "https://mtls.example/par", "backchannel_authentication_endpoint": "https://mtls.example/bc",
		"grant_management_endpoint": "https://mtls.example/grants", "device_authorization_endpoint": "https://mtls.example/device_authorization",
	} {
		if aliases[name] != want {
			t.Errorf("%s: %v", name, aliases[name])
		}
	}
}

// TestArchivedJWKS: what is archived does not change often, and is nobody's secret.
func TestArchivedJWKS(t *testing.T) {
	w := httptest.NewRecorder()
	ArchivedJWKS(func() []byte { return []byte(`{"keys":[]}`) }).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	got := []string{w.Body.String(), w.Header().Get("Cache-Control"), w.Header().Get("Access-Control-Allow-Origin")}
	if diff := cmp.Diff([]string{`{"keys":[]}`, "public, max-age=3600", "*"}, got); diff != "" {
		t.Error(diff)
	}
}
