package provider

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"signet/provider/oauth"
)

func TestOpenIDDefaultsAndPaths(t *testing.T) {
	c, faults := ParseConfig([]byte(strings.Replace(validConfig, "algorithms: [ES256, PS256]", "algorithms: [RSA-OAEP-256, PS256, ES256]", 1)+`
authorization: {response_types: [token  id_token code, code], require_pkce: public, request_uris: true}
subjects: {pairwise_salt_file: salt}
logout: {session_management: true, frontchannel: false}
brand: {locales: locales, documentation: https://developers.bank.example}
registration:
  enabled: true
  open: true
  scopes: [openid]
  resources: [https://api.bank.example]
  response_types: [code]
  software_statements:
    required: true
    issuers: [{issuer: "https://a.example", jwks: a.json}, {issuer: "https://b.example", jwks_uri: "https://b.example/jwks"}]
`), "/etc/signet")
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	r := c.Registration
	got := []any{
		c.Authorization.ResponseTypes, c.Authorization.RequirePKCE, c.Authorization.RequestURIs, c.Subjects, c.Brand.Locales, c.Brand.Documentation,
		c.Logout.On(), c.Logout.FrontchannelOn(), c.Logout.BackchannelOn(), c.Logout.SessionManagement,
		r.MostPerHour, r.Profile, r.SoftwareStatements.Issuers[0].JWKS, r.ResponseTypes, c.Resources[0].SigningAlg, c.Keys.SigningAlgs(), c.Keys.decryptionAlgs(),
	}
	want := []any{
		[]string{"code id_token token", "code"}, PKCEPublic, true, SubjectsConfig{PairwiseSaltFile: "/etc/signet/salt"}, "/etc/signet/locales", "https://developers.bank.example",
		true, false, true, true,
		100, oauth.ProfileOpenID, "/etc/signet/a.json", []string{"code"}, "PS256", []string{"PS256", "ES256"}, []string{"RSA-OAEP-256"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestOpenIDFaults(t *testing.T) {
	const most = ", scopes: [openid], resources: [https://api.bank.example]}"
	for name, c := range map[string]struct {
		more string // appended to the valid configuration
		edit [2]string
		want []string // without the line
	}{
		"nothing":            {},
		"all response types": {more: "authorization: {response_types: [code, id_token, id_token token, code id_token, code token, code id_token token]}"},
		"response types": {more: "authorization: {response_types: [code, token, code]}", want: []string{
			`authorization.response_types[1]: "token" is not allowed by the profile openid: want some of code, id_token, id_token token, code id_token, code token, code id_token token`,
			"authorization.response_types[2]: listed twice"}},
		"response types of FAPI": {more: "authorization: {response_types: [code, id_token]}", edit: [2]string{"profile: openid", "profile: fapi2-security"},
			want: []string{`authorization.response_types[1]: "id_token" is not allowed by the profile fapi2-security: want some of code`}},
		"PKCE":                     {more: "authorization: {require_pkce: never}", want: []string{"authorization.require_pkce: want all, public or none"}},
		"no PKCE under FAPI":       {more: "authorization: {require_pkce: none}", edit: [2]string{"profile: openid", "profile: fapi2-security"}, want: []string{"authorization.require_pkce: none is for the profile openid alone"}},
		"keys that only decrypt":   {edit: [2]string{"algorithms: [ES256, PS256]", "algorithms: [RSA-OAEP-256]"}, want: []string{"keys.algorithms: at least one that signs is required"}},
		"a resource that decrypts": {edit: [2]string{"scopes: [accounts]", "scopes: [accounts]\n    signing_alg: RSA-OAEP-256"}, want: []string{"resources[0].signing_alg: is not one of keys.algorithms that signs"}},
		"logout off":               {more: "logout: {enabled: false}"},
		"logout off, but a part":   {more: "logout: {enabled: false, session_management: true, backchannel: true}", want: []string{"logout.session_management: needs logout.enabled", "logout.backchannel: needs logout.enabled"}},
		"links": {more: "brand: {documentation: http://x.example, policy: https://x.example/#a, terms: nowhere}", want: []string{
			"brand.documentation: want an https URL without a fragment", "brand.policy: want an https URL without a fragment", "brand.terms: want an https URL without a fragment"}},

		"registration half off": {more: "registration: {scopes: [openid]}", want: []string{"registration: is not used; set registration.enabled, or remove the rest"}},
		"half off, deeper":      {more: "registration: {software_statements: {required: true}}", want: []string{"registration: is not used; set registration.enabled, or remove the rest"}},
		"registration, bare":    {more: "registration: {enabled: true}", want: []string{"registration.initial_access_token_file: is required", "registration.scopes: is required", "registration.resources: is required"}},
		"registration":          {more: "registration: {enabled: true, initial_access_token_file: t, profile: fapi-ciba, scopes: [openid, accounts], resources: [https://api.bank.example]}"},
		"registration of others": {more: "registration: {enabled: true, initial_access_token_file: t, profile: x, scopes: [openid, openid, moon], resources: [https://moon.example], authorization_details_types: [m]}", want: []string{
			"registration.scopes[1]: listed twice", `registration.scopes[2]: "moon" is not defined under scopes`, `registration.resources[0]: "https://moon.example" is not defined under resources`,
			`registration.authorization_details_types[0]: "m" is not defined under authorization_details`,
			"registration.profile: want one of [fapi-ciba fapi1-advanced fapi2-message-signing fapi2-message-signing-id1 fapi2-security fapi2-security-id2 openid]",
		}},
		"open":                {more: "registration: {enabled: true, open: true" + most},
		"open, and a token":   {more: "registration: {enabled: true, open: true, initial_access_token_file: t, most_per_hour: 1000000" + most},
		"too many strangers":  {more: "registration: {enabled: true, open: true, most_per_hour: 1000001" + most, want: []string{"registration.most_per_hour: want 1 to 1000000"}},
		"strangers, not open": {more: "registration: {enabled: true, initial_access_token_file: t, most_per_hour: 5" + most, want: []string{"registration.most_per_hour: is for registration.open only"}},
		"bounds": {more: "registration: {enabled: true, open: true, response_types: [code, id_token], grant_types: [implicit, authorization_code, 'urn:openid:params:grant-type:ciba'], auth_methods: [none, none, magic]" + most, want: []string{
			`registration.response_types[1]: "id_token" is not allowed by authorization.response_types and the profile openid: want some of code, code id_token`,
			`registration.grant_types[2]: "urn:openid:params:grant-type:ciba" is not allowed by this configuration: want some of authorization_code, implicit, client_credentials, refresh_token`,
			"registration.auth_methods[1]: listed twice",
			`registration.auth_methods[2]: "magic" is not allowed by the profile openid: want some of none, client_secret_basic, client_secret_post, client_secret_jwt, private_key_jwt, tls_client_auth, self_signed_tls_client_auth`,
		}},
		"bounds, further grants": {more: "declared_grants: [{type: bank}]\npassword_grant: {enabled: true}\nregistration: {enabled: true, initial_access_token_file: t, grant_types: [password, bank]" + most, want: []string{
			`registration.grant_types[1]: "bank" is not allowed by this configuration: want some of authorization_code, implicit, client_credentials, refresh_token, password`}},
		"bounds under FAPI": {more: "registration: {enabled: true, open: true, profile: fapi2-security, response_types: [code id_token], grant_types: [implicit], auth_methods: [none]" + most, want: []string{
			`registration.response_types[0]: "code id_token" is not allowed by authorization.response_types and the profile fapi2-security: want some of code`,
			`registration.grant_types[0]: "implicit" is not allowed by this configuration: want some of authorization_code, client_credentials, refresh_token`,
			`registration.auth_methods[0]: "none" is not allowed by the profile fapi2-security: want some of private_key_jwt, tls_client_auth, self_signed_tls_client_auth`,
		}},
		"statements": {more: `registration: {enabled: true, open: true, software_statements: {issuers: [{issuer: a}, {issuer: a, jwks_uri: "http://x/"}, {jwks: f}]}` + most, want: []string{
			"registration.software_statements.issuers[0]: exactly one of jwks_uri and jwks is required", "registration.software_statements.issuers[1].issuer: exists already",
			"registration.software_statements.issuers[1].jwks_uri: want an https URL", "registration.software_statements.issuers[2].issuer: is required"}},
		"statements of nobody": {more: "registration: {enabled: true, open: true, software_statements: {required: true}" + most, want: []string{"registration.software_statements.required: needs issuers"}},
	} {
		t.Run(name, func(t *testing.T) {
			text := validConfig + c.more + "\n"
			if c.edit[0] != "" {
				text = strings.Replace(text, c.edit[0], c.edit[1], 1)
			}
			_, faults := ParseConfig([]byte(text), "")
			var got []string
			for _, f := range faults {
				got = append(got, f.Path+": "+f.Text)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestRegistrationBounds: what a registered client can have when the operator does not say.
func TestRegistrationBounds(t *testing.T) {
	const all = "registration: {enabled: true, open: OPEN, PROFILE initial_access_token_file: t, scopes: [openid], resources: [https://api.bank.example]}\n"
	for name, c := range map[string]struct {
		open, profile, more string
		keys                string
		want                []string // response types, grant types, the algorithm of ID tokens, and the profile in force
		implicit            bool
	}{
		"by a token": {open: "false", want: []string{"code,code id_token", "authorization_code,implicit,client_credentials,refresh_token", "ES256", "openid"}, implicit: true},
		"open":       {open: "true", want: []string{"code,code id_token", "authorization_code,implicit,refresh_token", "ES256", "openid"}, implicit: true},
		"open, CIBA": {open: "true", more: "ciba: {enabled: true}\n", want: []string{"code,code id_token", "authorization_code,implicit,refresh_token", "ES256", "openid"}, implicit: true},
		"CIBA":       {open: "false", more: "ciba: {enabled: true}\n", want: []string{"code,code id_token", "authorization_code,implicit,client_credentials,refresh_token,urn:openid:params:grant-type:ciba", "ES256", "openid"}, implicit: true},
		"further grants": {open: "false", more: allGrants, want: []string{
			"code,code id_token", "authorization_code,implicit,client_credentials,refresh_token," +
				strings.Join([]string{oauth.GrantDevice, oauth.GrantTokenExchange, oauth.GrantJWTBearer, oauth.GrantSAML2Bearer}, ","), "RS256", "openid"}, keys: "[ES256, RS256]", implicit: true},
		"further, open": {open: "true", more: allGrants, keys: "[ES256, RS256]", want: []string{"code,code id_token", "authorization_code,implicit,refresh_token", "RS256", "openid"}, implicit: true},
		"listed":        {open: "false", more: "token_endpoint: {grant_types: [authorization_code]}\n", want: []string{"code", "authorization_code", "ES256", "openid"}, implicit: true},
		"code alone":    {open: "false", more: "authorization: {response_types: [code]}\n", want: []string{"code", "authorization_code,client_credentials,refresh_token", "ES256", "openid"}, implicit: true},
		"RS256":         {open: "false", keys: "[ES256, RS256]", want: []string{"code,code id_token", "authorization_code,implicit,client_credentials,refresh_token", "RS256", "openid"}, implicit: true},
		"FAPI 1.0":      {open: "false", profile: "profile: fapi1-advanced,", keys: "[RS256, PS256]", want: []string{"code,code id_token", "authorization_code,client_credentials,refresh_token", "PS256", "fapi1-advanced"}},
		"FAPI 2.0":      {open: "false", profile: "profile: fapi2-security,", want: []string{"code", "authorization_code,client_credentials,refresh_token", "ES256", "fapi2-security"}},
		"no fit at all": {open: "false", profile: "profile: fapi2-security,", keys: "[RS256]", want: []string{"code", "authorization_code,client_credentials,refresh_token", "", "fapi2-security"}},
	} {
		t.Run(name, func(t *testing.T) {
			text := validConfig + strings.NewReplacer("OPEN", c.open, "PROFILE", c.profile).Replace(all) + c.more
			if c.keys != "" {
				text = strings.Replace(text, "algorithms: [ES256, PS256]", "algorithms: "+c.keys, 1)
			}
			config, faults := ParseConfig([]byte(text), "")
			if len(faults) > 0 {
				t.Fatal(faults)
			}
			b := config.registrationBounds()
			got := []string{strings.Join(b.ResponseTypes, ","), strings.Join(b.GrantTypes, ","), b.IDTokenAlg, string(b.InForce)}
			if diff := cmp.Diff(c.want, got); diff != "" || b.WithoutImplicit == c.implicit || len(b.AuthMethods) == 0 {
				t.Errorf("%s%+v", diff, b)
			}
		})
	}
}

func TestSalt(t *testing.T) {
	file := filepath.Join(t.TempDir(), "salt")
	if salt, err := (SubjectsConfig{}).Salt(); salt != "" || err != nil {
		t.Errorf("none: %q, %v", salt.Reveal(), err)
	}
	if _, err := (SubjectsConfig{file}).Salt(); err == nil {
		t.Error("read what is not there")
	}
	for text, good := range map[string]bool{strings.Repeat("s", 31): false, strings.Repeat("s", 31) + "\n": false, strings.Repeat("s", 32) + "\n": true} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		salt, err := SubjectsConfig{file}.Salt()
		if (err == nil) != good || good && salt.Reveal() != strings.TrimSpace(text) || err != nil && strings.Contains(err.Error(), text) {
			t.Errorf("%d characters: %v", len(text), err)
		}
	}
}

// TestReferenceNamesWhatIsKnown: the comments of the configuration are its reference.
func TestReferenceNamesWhatIsKnown(t *testing.T) {
	text := strings.Join(strings.Fields(strings.ReplaceAll(strings.Join(ConfigSource(), "\n"), "//", "")), " ")
	for _, known := range slices.Concat(oauth.Profiles[oauth.ProfileOpenID].ResponseTypes, oauth.Profiles[oauth.ProfileOpenID].SigningAlgs, ProfileNames()) {
		if !strings.Contains(text, known) {
			t.Errorf("%s is not mentioned", known)
		}
	}
}
