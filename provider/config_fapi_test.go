package provider

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestFAPIDefaultsAndPaths(t *testing.T) {
	c, faults := ParseConfig([]byte(validConfig+`
ciba:
  enabled: true
  hint_issuers: [{issuer: "https://hints.example", jwks: hints.json}]
  device: {url: "https://device.example/ciba", token_file: token}
authorization_details:
  - type: payment_initiation
    description: Make this payment
    schema: payment.json
    resources: [https://api.bank.example]
`), "/etc/signet")
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	got := []any{c.DPoP, c.Authorization, c.Authentication.PasswordACR, c.GrantManagement.On(), c.CIBA, c.DetailsTypes[0].Schema}
	want := []any{
		DPoPConfig{NonceLifetime: 5 * time.Minute, ProofLifetime: time.Minute, ProofLeeway: 30 * time.Second}, AuthorizationConfig{RequirePKCE: PKCEAll, PushedLifetime: time.Minute, ResponseLifetime: 5 * time.Minute},
		[]string{"urn:signet:acr:password"}, true,
		CIBAConfig{
			Enabled: true, Expiry: 2 * time.Minute, MaxExpiry: 10 * time.Minute, Interval: 5 * time.Second, PendingOfClient: 5, LoginHint: HintUsername,
			HintIssuers: []HintIssuer{{Issuer: "https://hints.example", JWKS: "/etc/signet/hints.json"}},
			Device:      DeviceConfig{URL: "https://device.example/ciba", TokenFile: "/etc/signet/token"},
		}, "/etc/signet/payment.json",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestFAPIFaults(t *testing.T) {
	const localhost = "issuer: https://localhost:9443"
	for name, c := range map[string]struct {
		more string // appended to the valid configuration
		edit [2]string
		want []string // without the line
		// local has both doors listen on this machine's own address, one only the main one.
		local, one bool
	}{
		"nothing":       {},
		"other profile": {edit: [2]string{"profile: openid", "profile: fapi-ciba"}},

		"nonce":               {more: "dpop: {nonce_lifetime: 1s}", want: []string{"dpop.nonce_lifetime: want 10s to 1h0m0s"}},
		"pushed":              {more: "authorization: {pushed_lifetime: 11m}", want: []string{"authorization.pushed_lifetime: want 5s to 10m0s"}},
		"pushed for FAPI 2.0": {more: "authorization: {pushed_lifetime: 10m}", edit: [2]string{"profile: openid", "profile: fapi2-security"}, want: []string{"authorization.pushed_lifetime: want 5s to 9m59s"}},
		"answer":              {more: "authorization: {response_lifetime: 1h}", want: []string{"authorization.response_lifetime: want 1s to 10m0s"}},
		"acr with a space":    {more: `authentication: {password_acr: ["a b", c, c]}`, want: []string{"authentication.password_acr[0]: want printable ASCII without spaces", "authentication.password_acr[2]: listed twice"}},
		"grants are ours":     {edit: [2]string{"https://api.bank.example", "https://login.bank.example/grants"}, want: []string{"resources[0].id: exists already"}},
		"their scopes, too":   {edit: [2]string{"name: accounts", "name: grant_management_query"}, want: []string{"scopes[0].name: exists already", `resources[0].scopes[0]: scope "accounts" is not defined under scopes`}},
		"grants required":     {more: "grant_management: {enabled: false, required: true}", want: []string{"grant_management.required: needs grant_management.enabled"}},

		"details": {more: "authorization_details: [{type: a, description: A, schema: a.json, resources: [https://api.bank.example]}, {type: a, show: [{label: x, path: a..b}], resources: [https://moon.example]}, {}]", want: []string{
			"authorization_details[1].type: exists already", "authorization_details[1].description: is required", "authorization_details[1].schema: is required",
			"authorization_details[1].show[0].path: want names with single dots between them, like instructedAmount.amount",
			`authorization_details[1].resources[0]: "https://moon.example" is not defined under resources`,
			"authorization_details[2].type: is required", "authorization_details[2].description: is required",
			"authorization_details[2].schema: is required",
		}},

		"CIBA half off":     {more: "ciba: {expiry: 1m}", want: []string{"ciba: is not used; set ciba.enabled, or remove the rest"}},
		"CIBA durations":    {more: "ciba: {enabled: true, expiry: 20m, interval: 1500ms}", want: []string{"ciba.expiry: want 1s to 10m0s", "ciba.interval: want whole seconds (CIBA Core section 7.3)"}},
		"CIBA longest":      {more: "ciba: {enabled: true, max_expiry: 2h}", want: []string{"ciba.max_expiry: want 1s to 1h0m0s"}},
		"CIBA crowd":        {more: "ciba: {enabled: true, pending_of_client: 51}", want: []string{"ciba.pending_of_client: want 1 to 50"}},
		"CIBA hint":         {more: "ciba: {enabled: true, login_hint: email}", want: []string{"ciba.login_hint: want username or sub"}},
		"CIBA hint issuers": {more: "ciba: {enabled: true, hint_issuers: [{issuer: a}, {issuer: a, jwks_uri: http://x/}]}", want: []string{"ciba.hint_issuers[0]: exactly one of jwks_uri and jwks is required", "ciba.hint_issuers[1].issuer: exists already", "ciba.hint_issuers[1].jwks_uri: want an https URL"}},
		"CIBA device":       {more: "ciba: {enabled: true, device: {url: https://device.example}}", want: []string{"ciba.device.token_file: is required"}},
		"CIBA device, http": {more: "ciba: {enabled: true, device: {url: http://device.example, token_file: x}}", want: []string{"ciba.device.url: want an https URL"}},

		"approver in public":      {more: "ciba: {enabled: true, development_approver: true}", want: []string{"ciba.development_approver: answers for every user: only where the issuer is localhost, or development_host names its host once more"}},
		"approver here":           {more: "ciba: {enabled: true, development_approver: true}", edit: [2]string{"issuer: https://login.bank.example", localhost}, local: true},
		"approver, doors open":    {more: "ciba: {enabled: true, development_approver: true}", edit: [2]string{"issuer: https://login.bank.example", localhost}, want: []string{"ciba.development_approver: answers for every user: main and mtls must listen on a loopback address, or development_host name the issuer's host once more"}},
		"approver, one door open": {more: "ciba: {enabled: true, development_approver: true}", edit: [2]string{"issuer: https://login.bank.example\n", "issuer: https://localhost:9443\n"}, one: true, want: []string{"ciba.development_approver: answers for every user: main and mtls must listen on a loopback address, or development_host name the issuer's host once more"}},
		"approver, said twice":    {more: "ciba: {enabled: true, development_approver: true, development_host: login.bank.example}"},
		"approver, copied":        {more: "ciba: {enabled: true, development_approver: true, development_host: signet}", want: []string{"ciba.development_host: is not the issuer's host"}},
		"host without approver":   {more: "ciba: {enabled: true, development_host: login.bank.example}", want: []string{"ciba.development_host: is for development_approver only"}},
		"approver, CIBA off":      {more: "ciba: {development_approver: true}", want: []string{"ciba: is not used; set ciba.enabled, or remove the rest"}},
		"approver not localhost":  {more: "ciba: {enabled: true, development_approver: true}", edit: [2]string{"issuer: https://login.bank.example", "issuer: https://localhost.bank.example"}, want: []string{"ciba.development_approver: answers for every user: only where the issuer is localhost, or development_host names its host once more"}},
	} {
		t.Run(name, func(t *testing.T) {
			text := validConfig + c.more + "\n"
			if c.edit[0] != "" {
				text = strings.Replace(text, c.edit[0], c.edit[1], 1)
			}
			if c.one {
				text = strings.Replace(text, "listen: 0.0.0.0:", "listen: 127.0.0.1:", 1)
			}
			if c.local {
				text = strings.ReplaceAll(text, "listen: 0.0.0.0:", "listen: 127.0.0.1:")
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
