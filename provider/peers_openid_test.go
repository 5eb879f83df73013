package provider_test

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"html"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"signet/certs"
)

// openIDConfig is what siteConfig lacks for all of OpenID Connect: every response type, clients that register themselves,
// names of users that differ from client to client, and calls to clients on this machine. PKCE is for public clients only:
// not every library has it for hybrid flows.
const openIDConfig = `
authorization: {response_types: [code, id_token, id_token token, code id_token, code token, code id_token token], require_pkce: public}
registration: {enabled: true, open: true, scopes: [openid, profile, email, offline_access, accounts], resources: ["https://api.bank.example"]}
outbound: {allow_hosts: [localhost], ca_files: [pki/ca.pem]}
subjects: {pairwise_salt_file: salt}
`

// newOpenIDSite has keys for RS256, the default of OpenID Connect, and for what clients encrypt.
func newOpenIDSite(t *testing.T) *site {
	t.Helper()
	s := prepareSite(t, 1, embedded, openIDConfig)
	s.reconfigure(s.processes[0], func(text string) string {
		const before = "algorithms: [ES256, EdDSA]"
		if !strings.Contains(text, before) {
			t.Fatalf("no %q in the configuration", before)
		}
		return strings.Replace(text, before, "algorithms: [RS256, ES256, RSA-OAEP-256]", 1)
	})
	s.write("salt", rand.Text()+rand.Text())
	s.start()
	s.user("alice")
	return s
}

// openIDSteps is what testdata/openid-client/openid.mjs reports when everything works.
var openIDSteps = []string{
	"registration: a redirect URI with a fragment", "registration: a response type without its grant type",
	"form_post: registration", "form_post: authorization", "form_post: another state", "form_post: code and ID token", "form_post: userinfo", "form_post: refresh",
	"hybrid: registration", "hybrid: code id_token", "hybrid: an answer with another code", "hybrid: both ID tokens", "hybrid: signed userinfo",
	"hybrid: code id_token token", "hybrid: the token in front", "hybrid: code and ID token behind it", "hybrid: as a form", "hybrid: never in the query",
	"implicit: registration", "implicit: id_token", "implicit: ID token", "implicit: for another nonce", "implicit: with another signature", "implicit: as a form",
	"encrypted: registration", "encrypted: request", "encrypted: authorization", "encrypted: ID token", "encrypted: userinfo", "encrypted: for somebody else",
	"encrypted: a request that was altered",
	"logout: to a stranger", "logout: asked without a hint, and declined", "logout: with the ID token, encrypted to the server", "logout: the logout token",
	"logout: the logout token that was encrypted", "logout: signed out",
}

// TestOpenIDClientRegistersItself uses Signet with openid-client as clients that register themselves: answers by form,
// hybrid and implicit answers, encryption both ways, and logout at all clients of a session.
func TestOpenIDClientRegistersItself(t *testing.T) {
	s := newOpenIDSite(t)
	leaf := s.leaf(certs.Request{DNSNames: []string{"localhost"}, EKU: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	settings, err := json.Marshal(map[string]any{
		"issuer": s.issuer, "callback": callback,
		"server": map[string]string{"cert": s.write("mailbox.pem", string(leaf.CertPEM)), "key": s.write("mailbox-key.pem", string(leaf.KeyPEM))},
	})
	must(t, err)
	if diff := cmp.Diff(openIDSteps, s.runNode("openid.mjs", string(settings), s.browser().visit)); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
}

// visit does what a script asks for: besides what person does, it answers whether to log out, and carries a form to the
// client. It returns where the browser is then, with the form for there, or the page that it shows, and whether it was
// asked about the logout.
func (b *browser) visit(said nodeLine) any {
	b.h.t.Helper()
	b.person(said)
	asked := strings.Contains(b.page.Body, `id="logout-form"`)
	switch page := b.page.Body; {
	case asked:
		b.submit("logout-form", decision(!said.Deny)...)
	case strings.Contains(page, `id="forward-form"`):
		action, fields := forwarded(b.h.t, page)
		return map[string]any{"at": action, "form": fields}
	}
	return map[string]any{"at": b.at.String(), "page": b.page.Body, "asked": asked}
}

// forwarded is what the page sends on by itself, where there is script.
func forwarded(t testing.TB, page string) (action, fields string) {
	t.Helper()
	match := formTag.FindStringSubmatch(page)
	if match == nil || match[1] != "forward-form" {
		t.Fatalf("no form to send on: %s", page)
	}
	values := form()
	for _, hidden := range inputTag.FindAllStringSubmatch(match[3], -1) {
		values.Add(html.UnescapeString(hidden[1]), html.UnescapeString(hidden[2]))
	}
	return html.UnescapeString(match[2]), values.Encode()
}
