package provider_test

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"signet/certs"
	"signet/mtls"
	"signet/provider/oauth"
)

// paymentSchema is what a payment's authorization_details must be like.
const paymentSchema = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "additionalProperties": false,
  "required": ["type", "instructedAmount", "creditorName"],
  "properties": {
    "type": {"const": "payment"},
    "creditorName": {"type": "string", "maxLength": 70},
    "instructedAmount": {
      "type": "object", "additionalProperties": false, "required": ["currency", "amount"],
      "properties": {"currency": {"type": "string", "pattern": "^[A-Z]{3}$"}, "amount": {"type": "string", "pattern": "^[0-9]+\\.[0-9]{2}$"}}
    },
    "actions": {"type": "array", "items": {"enum": ["initiate", "status", "cancel"]}}
  }
}`

// fapiConfig is what siteConfig lacks for the FAPI profiles; the schema is a file.
func fapiConfig(t testing.TB, dpop string) string {
	t.Helper()
	schema := (&house{t: t, dir: t.TempDir()}).write("payment.schema.json", paymentSchema)
	return strings.NewReplacer("SCHEMA", filepath.ToSlash(schema), "DPOP", dpop).Replace(`
DPOP
ciba: {enabled: true, interval: 1s}
authorization_details:
  - type: payment
    description: Make this payment
    schema: "SCHEMA"
    show:
      - {label: To, path: creditorName}
      - {label: Amount, path: instructedAmount.amount}
      - {label: Currency, path: instructedAmount.currency}
    resources: ["https://api.bank.example"]
`)
}

// fapiSteps is what testdata/openid-client/fapi.mjs reports when everything works.
var fapiSteps = []string{
	"fapi2: pushed", "fapi2: authorization", "fapi2: a request_uri twice", "fapi2: code and ID token", "fapi2: userinfo",
	"fapi2: userinfo without a proof", "fapi2: refresh", "fapi2: a code with another's key", "fapi2: not pushed",
	"details: consent in words", "details: granted", "details: narrowed", "details: more than was granted", "details: against the schema",
	"signing: signed and pushed", "signing: authorization", "signing: JARM, code and ID token", "signing: a refusal is signed, too",
	"signing: an answer that was altered", "signing: not signed", "signing: signed without exp", "signing: signed for another server",
	"fapi1: signed", "fapi1: authorization", "fapi1: detached signature, code and ID token", "fapi1: userinfo", "fapi1: userinfo without the certificate",
	"fapi1: refresh", "fapi1: an answer with another code", "fapi1: not signed", "fapi1: signed for longer than an hour",
	"ciba: asked", "ciba: pending", "ciba: approved", "ciba: tokens", "ciba: userinfo", "ciba: fetched twice", "ciba: too often", "ciba: declined",
	"ciba: nobody", "ciba: not signed",
}

// TestOpenIDClientFAPI uses Signet with openid-client as a client of each FAPI profile: pushed and signed requests,
// signed answers, bound tokens, rich authorization requests, and the backchannel.
func TestOpenIDClientFAPI(t *testing.T) {
	s := newSite(t, 1, fapiConfig(t, "dpop: {require_nonce: true}"))
	s.user("alice")
	key := newSigningKey(t, "k1")
	leaf := s.leaf(certs.Request{DNSNames: []string{"node.example"}})
	register := func(name string, profile oauth.ProfileName, change func(*oauth.Client)) {
		s.register("node-"+name, func(c *oauth.Client) {
			c.Profile, c.AuthMethod, c.JWKS = profile, oauth.AuthPrivateKeyJWT, key.jwks
			c.GrantTypes = []string{oauth.GrantAuthorizationCode, oauth.GrantRefreshToken}
			change(c)
		})
	}
	byCertificate := func(c *oauth.Client) { c.AuthMethod, c.TLSSANDNS = oauth.AuthTLS, "node.example" }
	register("fapi2", oauth.ProfileFAPI2Security, func(c *oauth.Client) { c.DPoPBound, c.DetailsTypes = true, []string{"payment"} })
	register("signing", oauth.ProfileFAPI2MessageSigning, func(c *oauth.Client) { c.DPoPBound = true })
	register("fapi1", oauth.ProfileFAPI1Advanced, func(c *oauth.Client) {
		byCertificate(c)
		c.ResponseTypes = []string{"code id_token"}
	})
	register("ciba", oauth.ProfileFAPICIBA, func(c *oauth.Client) {
		byCertificate(c)
		c.GrantTypes, c.RedirectURIs, c.BackchannelMode = []string{oauth.GrantCIBA}, nil, oauth.BackchannelPoll
	})
	jwk, err := json.Marshal(key.private)
	must(t, err)
	settings, err := json.Marshal(map[string]any{
		"issuer": s.issuer, "callback": callback, "jwk": json.RawMessage(jwk),
		"certificate": map[string]string{
			"cert": s.write("node.pem", string(leaf.CertPEM)), "key": s.write("node-key.pem", string(leaf.KeyPEM)),
			"thumbprint": mtls.Thumbprint(leaf.Certificate),
		},
	})
	must(t, err)
	if diff := cmp.Diff(fapiSteps, s.runNode("fapi.mjs", string(settings), s.browser().person)); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
}

// person does what a script asks for: answers an authorization request, or one of the backchannel that shows this
// message. It returns where the browser is then, and the last page that had something to decide or to say.
func (b *browser) person(said nodeLine) any {
	t := b.h.t
	t.Helper()
	target := said.Open
	if said.Answer != "" {
		target = b.h.issuer + "/interaction/approvals"
	}
	arrived := b.open(target) != nil
	if !arrived && strings.Contains(b.page.Body, `id="login-form"`) {
		arrived = b.submit("login-form", "username", "alice", "password", password) != nil
	}
	seen := b.page.Body
	switch {
	case said.Answer != "":
		b.answer(said.Answer, !said.Deny)
	case !arrived && strings.Contains(seen, `id="consent-form"`) && said.Deny:
		b.submit("consent-form", decision(false)...)
	case !arrived && strings.Contains(seen, `id="consent-form"`):
		b.submit("consent-form", decision(true)...)
	}
	return map[string]any{"at": b.at.String(), "page": seen}
}

// answer decides about the request on the approvals page that shows the message.
func (b *browser) answer(message string, approve bool) {
	b.h.t.Helper()
	match := regexp.MustCompile(`id="message-([^"]+)">` + regexp.QuoteMeta(message) + `<`).FindStringSubmatch(b.page.Body)
	if match == nil {
		b.h.t.Fatalf("no request with the message %q: %s", message, b.page.Body)
	}
	b.submit("approval-"+match[1], decision(approve)...)
	if !strings.Contains(b.page.Body, `id="approvals-done"`) {
		b.h.t.Errorf("the page does not say what was done: %d %s", b.page.Status, b.page.Body)
	}
}

// decision is what the buttons of the consent and approvals pages send.
func decision(approve bool) []string {
	if approve {
		return []string{"decision", "approve"}
	}
	return []string{"decision", "deny"}
}
