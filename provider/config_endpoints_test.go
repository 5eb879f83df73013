package provider

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// faultsOf are the faults of the valid configuration with more appended, without their lines.
func faultsOf(t *testing.T, more string, edit ...string) []string {
	t.Helper()
	_, faults := ParseConfig([]byte(strings.NewReplacer(edit...).Replace(validConfig)+more+"\n"), "")
	var got []string
	for _, f := range faults {
		got = append(got, f.Path+": "+f.Text)
	}
	return got
}

func TestEndpointDefaults(t *testing.T) {
	c, faults := ParseConfig([]byte(validConfig+"endpoints: {token: /oauth2/token, jwks: /.well-known/jwks.json, grants: /oauth2/grants}\n"), "")
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	want := Endpoints{
		Authorization: "/authorize", Token: "/oauth2/token", Introspection: "/introspect", Revocation: "/revoke", Userinfo: "/userinfo",
		PushedRequest: "/par", BackchannelAuthentication: "/bc-authorize", DeviceAuthorization: "/device_authorization", Registration: "/register",
		EndSession: "/end_session", CheckSession: "/check_session", JWKS: "/.well-known/jwks.json", Grants: "/oauth2/grants",
	}
	if diff := cmp.Diff(want, c.Endpoints); diff != "" {
		t.Error(diff)
	}
	if id := c.grantsResource().ID; id != "https://login.bank.example/oauth2/grants" {
		t.Errorf("the grant management API is %s", id)
	}
}

// TestEndpointFaults: each path leads to one place, and to none that is Signet's own.
func TestEndpointFaults(t *testing.T) {
	const (
		shape = "want a path like /oauth2/token, of letters, digits and - . _ ~"
		taken = "is a path that Signet has for something else"
	)
	for name, c := range map[string]struct {
		endpoints string
		want      []string
	}{
		"of other servers": {endpoints: "{token: /token, introspection: /token/introspect, revocation: /token/revoke, authorization: /auth, device_authorization: /auth/device, registration: /clients, jwks: /jwks.json}"},
		"deep":             {endpoints: "{token: /jans-auth/restv1/token, authorization: /jans-auth/restv1/authorize, end_session: /jans-auth/restv1/end_session, registration: /jans-auth/restv1/register}"},
		"dots":             {endpoints: "{token: /v1.0/..token/~t}"},
		"of others":        {endpoints: "{jwks: /interactions, userinfo: /devices}"},

		"relative":        {endpoints: "{token: token}", want: []string{"endpoints.token: " + shape}},
		"root":            {endpoints: "{token: /}", want: []string{"endpoints.token: " + shape}},
		"a slash at last": {endpoints: "{token: /token/}", want: []string{"endpoints.token: " + shape}},
		"two slashes":     {endpoints: "{token: //token}", want: []string{"endpoints.token: " + shape}},
		"a step up":       {endpoints: "{token: /a/../token}", want: []string{"endpoints.token: " + shape}},
		"one dot":         {endpoints: "{token: /./token}", want: []string{"endpoints.token: " + shape}},
		"a template":      {endpoints: `{token: "/{any}"}`, want: []string{"endpoints.token: " + shape}},
		"a query":         {endpoints: `{token: "/token?x=1"}`, want: []string{"endpoints.token: " + shape}},
		"escaped":         {endpoints: `{token: "/tok%65n"}`, want: []string{"endpoints.token: " + shape}},
		"a URL":           {endpoints: `{token: "https://login.bank.example/token"}`, want: []string{"endpoints.token: " + shape}},
		"a line":          {endpoints: `{token: "/token\n"}`, want: []string{"endpoints.token: " + shape}},
		"long":            {endpoints: "{token: /" + strings.Repeat("t", 200) + "}", want: []string{"endpoints.token: " + shape}},

		"the same":             {endpoints: "{token: /oauth2, revocation: /oauth2}", want: []string{"endpoints.revocation: is where endpoints.token is, or belongs to it"}},
		"another's default":    {endpoints: "{token: /authorize}", want: []string{"endpoints.token: is where endpoints.authorization is, or belongs to it"}},
		"below registration":   {endpoints: "{token: /register/token, check_session: /register/x}", want: []string{"endpoints.registration: is where endpoints.token is, or belongs to it", "endpoints.check_session: is where endpoints.registration is, or belongs to it"}},
		"registration above":   {endpoints: "{token: /oauth2/token, registration: /oauth2}", want: []string{"endpoints.registration: is where endpoints.token is, or belongs to it"}},
		"grants above":         {endpoints: "{registration: /x/register, grants: /x}", want: []string{"endpoints.grants: is where endpoints.registration is, or belongs to it"}},
		"pages":                {endpoints: "{token: /interaction/token}", want: []string{"endpoints.token: " + taken}},
		"the pages themselves": {endpoints: "{token: /interaction}", want: []string{"endpoints.token: " + taken}},
		"the device page":      {endpoints: "{device_authorization: /device, token: /device/qr}", want: []string{"endpoints.token: " + taken, "endpoints.device_authorization: " + taken}},
		"resume":               {endpoints: "{token: /authorize/resume}", want: []string{"endpoints.token: " + taken}},
		"over resume":          {endpoints: "{authorization: /auth, registration: /authorize}", want: []string{"endpoints.registration: " + taken}},
		"archived keys":        {endpoints: "{jwks: /jwks/archived}", want: []string{"endpoints.jwks: " + taken}},
		"well-known":           {endpoints: "{token: /.well-known/token, jwks: /.well-known/openid-configuration}", want: []string{"endpoints.token: what is below /.well-known/ has names that are registered (RFC 8615 section 3)", "endpoints.jwks: what is below /.well-known/ has names that are registered (RFC 8615 section 3)"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, faultsOf(t, "endpoints: "+c.endpoints)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
