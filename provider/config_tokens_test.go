package provider

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/provider/oauth"
)

func TestTokenDefaults(t *testing.T) {
	c, faults := ParseConfig([]byte(validConfig), "")
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	got := []any{
		c.TokenEndpoint.ReadsAudience(), c.TokenEndpoint.NotBeforeLeeway == nil, c.TokenEndpoint.TellRefreshLifetime, c.TokenEndpoint.GrantTypes == nil,
		c.RefreshTokens.ChecksUser(), c.RefreshTokens.Rotates(), c.RefreshTokens.Persists(), c.RefreshTokens.RequireOfflineAccess, c.RefreshTokens.ExtendOnRotation,
		c.IDTokens, c.Resources[0].TokenLayout, c.Authorization.RequirePAR, c.Authorization.OpenIDOptional, c.Logout.RevokeRefreshTokens, c.Keys.ArchiveFor, c.Errors,
	}
	want := []any{
		true, true, false, true, true, true, true, false, false,
		IDTokensConfig{Claims: ClaimsRequested}, LayoutRFC9068, false, false, false, time.Duration(0), ErrorsConfig{},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if zero := (Config{}); !zero.TokenEndpoint.ReadsAudience() || !zero.RefreshTokens.ChecksUser() || !zero.RefreshTokens.Rotates() || !zero.RefreshTokens.Persists() {
		t.Error("what is on by default is off where nothing was said")
	}
}

func TestTokenOptions(t *testing.T) {
	c, faults := ParseConfig([]byte(validConfig+`
token_endpoint: {audience_parameter: false, not_before_leeway: 0s, tell_refresh_lifetime: true}
refresh_tokens: {check_user: false, require_offline_access: true, rotate: false, extend_on_rotation: true, persist: false}
id_tokens: {claims: granted, persist: true}
errors: {documentation: "https://developers.bank.example/errors"}
dpop: {proof_lifetime: 2m, proof_leeway: 10s}
`), "")
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	got := []any{
		c.TokenEndpoint.ReadsAudience(), *c.TokenEndpoint.NotBeforeLeeway, c.TokenEndpoint.TellRefreshLifetime,
		c.RefreshTokens.ChecksUser(), c.RefreshTokens.Rotates(), c.RefreshTokens.Persists(), c.RefreshTokens.RequireOfflineAccess, c.RefreshTokens.ExtendOnRotation,
		c.IDTokens, c.Errors.Documentation, c.DPoP.ProofLifetime, c.DPoP.ProofLeeway,
	}
	want := []any{
		false, time.Duration(0), true, false, false, false, true, true,
		IDTokensConfig{Claims: ClaimsGranted, Persist: true}, "https://developers.bank.example/errors", 2 * time.Minute, 10 * time.Second,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestTokenFaults(t *testing.T) {
	fapi := []string{"profile: openid", "profile: fapi2-security"}
	const known = "[authorization_code implicit client_credentials refresh_token urn:openid:params:grant-type:ciba password" +
		" urn:ietf:params:oauth:grant-type:device_code urn:ietf:params:oauth:grant-type:token-exchange" +
		" urn:ietf:params:oauth:grant-type:jwt-bearer urn:ietf:params:oauth:grant-type:saml2-bearer]"
	for name, c := range map[string]struct {
		more string
		edit []string
		want []string
	}{
		"leeway":       {more: "token_endpoint: {not_before_leeway: 6m}", want: []string{"token_endpoint.not_before_leeway: want 0s to 5m0s"}},
		"retry":        {more: "refresh_tokens: {retry_grace: 6m}", want: []string{"refresh_tokens.retry_grace: want at most 5m"}},
		"user":         {more: "refresh_tokens: {check_user: false}", edit: fapi, want: []string{"refresh_tokens.check_user: false is for the profile openid alone"}},
		"not kept":     {more: "refresh_tokens: {persist: false}", want: []string{"refresh_tokens.persist: false needs refresh_tokens.rotate: false: a token that is not kept cannot be used up"}},
		"kept by none": {more: "refresh_tokens: {persist: false}", edit: fapi},
		"claims":       {more: "id_tokens: {claims: all}", want: []string{"id_tokens.claims: want requested, granted or scope"}},
		"openid":       {more: "authorization: {openid_optional: true}", edit: fapi, want: []string{"authorization.openid_optional: is for the profile openid alone"}},
		"errors":       {more: "errors: {documentation: 'https://x.example/#errors'}", want: []string{"errors.documentation: want an https URL without a fragment: that will be the error's code"}},
		"proofs":       {more: "dpop: {proof_lifetime: 6m, proof_leeway: 2m}", want: []string{"dpop.proof_lifetime: want 5s to 5m0s", "dpop.proof_leeway: want 1s to 1m0s"}},
		"archive":      {edit: []string{"algorithms: [ES256, PS256]", "algorithms: [ES256, PS256]\n  archive_for: 100000h"}, want: []string{"keys.archive_for: want 0s to 87600h0m0s"}},
		"layout":       {edit: []string{"scopes: [accounts]", "scopes: [accounts]\n    token_layout: heavy"}, want: []string{"resources[0].token_layout: want rfc9068 or light"}},
		"logout":       {more: "logout: {enabled: false, revoke_refresh_tokens: true}", want: []string{"logout.revoke_refresh_tokens: needs logout.enabled"}},

		"grants":     {more: "token_endpoint: {grant_types: [authorization_code, refresh_token]}"},
		"more of it": {more: "token_endpoint: {grant_types: [client_credentials, 'urn:openid:params:grant-type:ciba', 'urn:bank']}\nciba: {enabled: true}\ndeclared_grants: [{type: 'urn:bank'}]"},
		"grants that are off": {more: "token_endpoint: {grant_types: [password, magic, password, 'urn:ietf:params:oauth:grant-type:device_code']}", want: []string{
			"token_endpoint.grant_types[0]: password is off: see password_grant.enabled",
			`token_endpoint.grant_types[1]: "magic" is not known; known: ` + known + ", and those of declared_grants",
			"token_endpoint.grant_types[2]: listed twice",
			"token_endpoint.grant_types[3]: urn:ietf:params:oauth:grant-type:device_code is off: see device.enabled"}},
		"grants that are not listed": {more: "token_endpoint: {grant_types: [authorization_code]}\ndevice: {enabled: true}\ntoken_exchange: {enabled: true}\ndeclared_grants: [{type: bank}]", want: []string{
			"device.enabled: is on, but token_endpoint.grant_types has not urn:ietf:params:oauth:grant-type:device_code",
			"token_exchange.enabled: is on, but token_endpoint.grant_types has not urn:ietf:params:oauth:grant-type:token-exchange",
			"declared_grants[0].type: is not in token_endpoint.grant_types"}},
		"response types without grants": {more: "token_endpoint: {grant_types: [client_credentials]}\nauthorization: {response_types: [code, id_token]}", want: []string{
			"authorization.response_types[0]: needs authorization_code in token_endpoint.grant_types",
			"authorization.response_types[1]: needs implicit in token_endpoint.grant_types"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, sorted(faultsOf(t, c.more, c.edit...), c.want)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestServedGrants: the operator's list bounds what clients can have, and with it the response types.
func TestServedGrants(t *testing.T) {
	openid, fapi := oauth.Profiles[oauth.ProfileOpenID], oauth.Profiles[oauth.ProfileFAPI2Security]
	all := Config{
		CIBA: CIBAConfig{Enabled: true}, PasswordGrant: PasswordGrantConfig{Enabled: true}, Device: DeviceGrantConfig{Enabled: true},
		TokenExchange: TokenExchangeConfig{Enabled: true}, AssertionGrants: AssertionGrants{JWTBearer: true, SAML2Bearer: true},
		DeclaredGrants: []DeclaredGrant{{Type: "bank"}},
	}
	listed := func(types ...string) Config {
		c := all
		c.TokenEndpoint.GrantTypes = types
		return c
	}
	for name, c := range map[string]struct {
		config    Config
		profile   oauth.Profile
		grants    []string
		responses []string
	}{
		"nothing": {Config{}, openid, []string{"authorization_code", "implicit", "client_credentials", "refresh_token"}, []string{"code", "code id_token"}},
		"all": {all, openid, []string{
			"authorization_code", "implicit", "client_credentials", "refresh_token", oauth.GrantCIBA, "password",
			oauth.GrantDevice, oauth.GrantTokenExchange, oauth.GrantJWTBearer, oauth.GrantSAML2Bearer, "bank",
		}, []string{"code", "code id_token"}},
		"all, FAPI 2.0": {all, fapi, []string{
			"authorization_code", "client_credentials", "refresh_token", oauth.GrantCIBA,
			oauth.GrantDevice, oauth.GrantTokenExchange, oauth.GrantJWTBearer, oauth.GrantSAML2Bearer, "bank",
		}, []string{"code"}},
		"code":     {listed("authorization_code"), openid, []string{"authorization_code"}, []string{"code"}},
		"password": {listed("password", "bank"), openid, []string{"password", "bank"}, nil},
		"hybrid":   {listed("implicit", "authorization_code"), openid, []string{"authorization_code", "implicit"}, []string{"code", "code id_token"}},
	} {
		t.Run(name, func(t *testing.T) {
			grants, responses := c.config.grantTypes(c.profile), c.config.responseTypes(c.profile)
			if diff := cmp.Diff(c.grants, grants); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(append([]string{}, c.responses...), append([]string{}, responses...)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
