package provider

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/provider/oauth"
)

// sorted puts faults into the order of those that are wanted, as lines decide on the file's: the others come last.
func sorted(got, want []string) []string {
	at := func(fault string) int {
		if i := slices.Index(want, fault); i >= 0 {
			return i
		}
		return len(want)
	}
	slices.SortStableFunc(got, func(a, b string) int { return at(a) - at(b) })
	return got
}

const allGrants = `
password_grant: {enabled: true}
device: {enabled: true}
token_exchange: {enabled: true}
transaction_tokens:
  trust_domains: [{audience: bank.example}, {audience: "https://payments.bank.example", scopes: [accounts], lifetime: 5m, issuer: false}]
assertion_grants: {jwt_bearer: true, saml2_bearer: true, self_issued: true}
assertion_issuers:
  - {issuer: "https://sts.example", jwks: sts.json, certificates: [sts.pem, /old/sts.pem], scope: [accounts]}
  - {issuer: "urn:idp", certificates: [idp.pem], uses: [saml2-bearer, token-exchange], subject: username, audiences: ["urn:signet"], scope: [openid, accounts], clients: [app], max_lifetime: 1h, algorithms: [RS256]}
declared_grants:
  - {type: client_authenticated_user, user_parameter: userId, parameters: [userType, roles], required: [userType]}
  - {type: "urn:bank:batch"}
`

func TestGrantDefaultsAndPaths(t *testing.T) {
	c, faults := ParseConfig([]byte(validConfig+allGrants), "/etc/signet")
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	on, off := true, false
	got := []any{
		c.PasswordGrant.Enabled, c.Device, c.TokenExchange.Enabled, c.TransactionTokens.TrustDomains, c.AssertionGrants, c.AssertionIssuers, c.DeclaredGrants,
		c.AssertionIssuers[0].GrantTypes(), c.AssertionIssuers[1].GrantTypes(), c.TransactionTokens.TrustDomains[0].NamesIssuer(),
	}
	want := []any{
		true, DeviceGrantConfig{Enabled: true, Expiry: 10 * time.Minute, Interval: 5 * time.Second, PendingOfClient: 1000}, true,
		[]TrustDomain{
			{Audience: "bank.example", Lifetime: time.Minute, Issuer: &on},
			{Audience: "https://payments.bank.example", Scopes: []string{"accounts"}, Lifetime: 5 * time.Minute, Issuer: &off},
		},
		AssertionGrants{JWTBearer: true, SAML2Bearer: true, SelfIssued: true},
		[]AssertionIssuer{
			{
				Issuer: "https://sts.example", JWKS: "/etc/signet/sts.json", Certificates: []string{"/etc/signet/sts.pem", "/old/sts.pem"},
				Scope: []string{"accounts"}, Subject: HintSubject, MaxLifetime: 10 * time.Minute,
			},
			{
				Issuer: "urn:idp", Certificates: []string{"/etc/signet/idp.pem"}, Uses: []AssertionUse{UseSAML2Bearer, UseTokenExchange}, Subject: HintUsername,
				Audiences: []string{"urn:signet"}, Scope: []string{"openid", "accounts"}, Clients: []string{"app"}, MaxLifetime: time.Hour, Algorithms: []string{"RS256"},
			},
		},
		[]DeclaredGrant{
			{Type: "client_authenticated_user", UserParameter: "userId", User: HintUsername, Parameters: []string{"userType", "roles"}, Required: []string{"userType"}},
			{Type: "urn:bank:batch"},
		},
		[]string(nil), []string{oauth.GrantSAML2Bearer, oauth.GrantTokenExchange}, true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestGrantFaults(t *testing.T) {
	const (
		bearer = "assertion_grants: {jwt_bearer: true, self_issued: true}\n"
		good   = `issuer: a, jwks: f, scope: [openid]`
	)
	fapi := []string{"profile: openid", "profile: fapi2-security"}
	for name, c := range map[string]struct {
		more string
		edit []string
		want []string
	}{
		"password under FAPI": {more: "password_grant: {enabled: true}", edit: fapi, want: []string{"password_grant.enabled: is not allowed by the profile fapi2-security (RFC 9700 section 2.4)"}},

		"device, off":    {more: "device: {interval: 5s}", want: []string{"device: is not used; set device.enabled, or remove the rest"}},
		"device, bounds": {more: "device: {enabled: true, expiry: 31m, interval: 1500ms, pending_of_client: 100001}", want: []string{"device.expiry: want whole seconds, 1m0s to 30m0s", "device.interval: want whole seconds, 1s to 1m0s", "device.pending_of_client: want 1 to 100000"}},

		"trust domains, off": {more: "transaction_tokens: {trust_domains: [{audience: bank}]}", want: []string{"transaction_tokens: needs token_exchange.enabled"}},
		"trust domains": {more: "token_exchange: {enabled: true}\ntransaction_tokens: {trust_domains: [{lifetime: 6m}, {audience: a b}, {audience: a, scopes: [moon]}, {audience: a, lifetime: 500ms}, {audience: https://api.bank.example}]}", want: []string{
			"transaction_tokens.trust_domains[0].audience: is required",
			"transaction_tokens.trust_domains[0].lifetime: want whole seconds, 1s to 5m0s",
			"transaction_tokens.trust_domains[1].audience: want printable ASCII without spaces",
			`transaction_tokens.trust_domains[2].scopes[0]: "moon" is not defined under scopes`,
			"transaction_tokens.trust_domains[3].audience: exists already",
			"transaction_tokens.trust_domains[3].lifetime: want whole seconds, 1s to 5m0s",
			"transaction_tokens.trust_domains[4].audience: is a resource server's: what an access token is for and what a transaction token is for must differ"}},

		"nobody's assertions": {more: "assertion_grants: {jwt_bearer: true, saml2_bearer: true}", want: []string{
			"assertion_grants.jwt_bearer: believes nobody: it needs assertion_grants.self_issued, or one of assertion_issuers with the use jwt-bearer",
			"assertion_grants.saml2_bearer: believes nobody: it needs assertion_grants.self_issued, or one of assertion_issuers with the use saml2-bearer"}},
		"JWTs of who has certificates alone": {more: "assertion_grants: {jwt_bearer: true, saml2_bearer: true}\nassertion_issuers: [{issuer: a, certificates: [f], scope: [openid]}]", want: []string{
			"assertion_grants.jwt_bearer: believes nobody: it needs assertion_grants.self_issued, or one of assertion_issuers with the use jwt-bearer"}},
		"self-issued for nothing": {more: "assertion_grants: {self_issued: true}", want: []string{"assertion_grants.self_issued: needs jwt_bearer or saml2_bearer"}},

		"issuer":         {more: bearer + "assertion_issuers: [{" + good + "}]"},
		"issuer, unused": {more: "assertion_issuers: [{" + good + "}]", want: []string{"assertion_issuers[0]: is not used: see assertion_grants and token_exchange.enabled"}},
		"issuer, bare": {more: bearer + "assertion_issuers: [{uses: [jwt-bearer]}]", want: []string{
			"assertion_issuers[0].issuer: is required", "assertion_issuers[0]: jwks_uri, jwks or certificates is required",
			"assertion_issuers[0].uses[0]: has no keys: jwks_uri and jwks are for JWTs, certificates for SAML assertions", "assertion_issuers[0].scope: at least one is required"}},
		"issuer, twice": {more: bearer + "assertion_issuers: [{" + good + "}, {" + good + "}]", want: []string{"assertion_issuers[1].issuer: exists already"}},
		"issuer, ours":  {more: bearer + "assertion_issuers: [{issuer: 'https://login.bank.example', jwks: f, scope: [openid]}]", want: []string{"assertion_issuers[0].issuer: is this server, whose tokens are known without"}},
		"issuer, keys": {more: bearer + "assertion_issuers: [{issuer: a, jwks: f, jwks_uri: 'https://a.example/jwks', scope: [openid]}, {issuer: b, jwks_uri: 'http://b.example/', certificates: [x, x], scope: [openid]}]", want: []string{
			"assertion_issuers[0]: at most one of jwks_uri and jwks can be given", "assertion_issuers[1].jwks_uri: want an https URL", "assertion_issuers[1].certificates[1]: listed twice"}},
		"issuer, uses": {more: bearer + "assertion_issuers: [{" + good + ", uses: [jwt-bearer, magic, jwt-bearer, saml2-bearer, token-exchange]}]", want: []string{
			"assertion_issuers[0].uses[1]: want jwt-bearer, saml2-bearer or token-exchange", "assertion_issuers[0].uses[2]: listed twice",
			"assertion_issuers[0].uses[3]: needs assertion_grants.saml2_bearer", "assertion_issuers[0].uses[4]: needs token_exchange.enabled"}},
		"issuer, the rest": {more: bearer + "assertion_issuers: [{" + good + ", algorithms: [HS256], subject: email, audiences: [a b, c, c], clients: [\"a\\tb\"], max_lifetime: 2h}]", want: []string{
			"assertion_issuers[0].algorithms[0]: \"HS256\" is not allowed by the profile openid: want some of ES256, PS256, EdDSA, RS256",
			"assertion_issuers[0].subject: want username or sub", "assertion_issuers[0].audiences[0]: want printable ASCII without spaces",
			"assertion_issuers[0].audiences[2]: listed twice", "assertion_issuers[0].clients[0]: want a client_id", "assertion_issuers[0].max_lifetime: want 1s to 1h0m0s"}},
		"issuer, scope": {more: bearer + "assertion_issuers: [{issuer: a, jwks: f, scope: [openid, openid, moon]}]", want: []string{"assertion_issuers[0].scope[1]: listed twice", `assertion_issuers[0].scope[2]: "moon" is not defined under scopes`}},
		"issuer, under FAPI": {more: bearer + "assertion_issuers: [{" + good + ", algorithms: [RS256]}]", edit: fapi, want: []string{
			`assertion_issuers[0].algorithms[0]: "RS256" is not allowed by the profile fapi2-security: want some of ES256, PS256, EdDSA`}},
		"SAML issuer, under FAPI": {more: "assertion_grants: {saml2_bearer: true}\nassertion_issuers: [{issuer: a, certificates: [f], scope: [openid], algorithms: [RS256, ES384, HS256]}]", edit: fapi, want: []string{
			`assertion_issuers[0].algorithms[2]: "HS256" is not allowed by the profile fapi2-security, or for SAML assertions: want some of ES256, ES384, ES512, EdDSA, PS256, RS256, RS384, RS512`}},

		"declared": {more: "declared_grants: [{user: sub}, {type: 'a b'}, {type: password}, {type: x}, {type: x}, {type: ':x'}]", want: []string{
			"declared_grants[0].type: is required", "declared_grants[0].user: is for user_parameter only", "declared_grants[1].type: want an absolute URI, or a name without spaces",
			"declared_grants[2].type: is a grant type that Signet has", "declared_grants[4].type: exists already", "declared_grants[5].type: want an absolute URI, or a name without spaces"}},
		"declared, parameters": {more: "declared_grants: [{type: x, user_parameter: client_id, user: email, parameters: [scope, p, p, 'a b'], required: [q]}, {type: y, user_parameter: u, parameters: [u]}]", want: []string{
			"declared_grants[0].user_parameter: client_id means something else at the token endpoint", "declared_grants[0].user: want username or sub",
			"declared_grants[0].parameters[0]: scope means something else at the token endpoint", "declared_grants[0].parameters[2]: listed twice",
			"declared_grants[0].parameters[3]: want at most 64 printable ASCII characters without spaces",
			`declared_grants[0].required[0]: "q" is not defined under declared_grants[0].parameters`, "declared_grants[1].parameters[0]: listed twice"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, sorted(faultsOf(t, c.more, c.edit...), c.want)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
