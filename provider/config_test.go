package provider

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/provider/oauth"
)

const validConfig = `
issuer: https://login.bank.example
profile: openid
main:
  listen: 0.0.0.0:9443
  certificate: tls/server.pem
  key: tls/server-key.pem
mtls:
  listen: 0.0.0.0:9444
  base_url: https://mtls.bank.example
  certificate: tls/server.pem
  key: tls/server-key.pem
operations:
  listen: 127.0.0.1:9445
client_certificates:
  trust_anchors: [tls/ca.pem]
  require_crl: false
store:
  dsn: sqlite:signet.db
keys:
  backend: file
  directory: keys
  passphrase_file: passphrase
  algorithms: [ES256, PS256]
audit:
  spool: spool
scopes:
  - name: accounts
    description: See your accounts
resources:
  - id: https://api.bank.example
    name: Accounts API
    scopes: [accounts]
`

func TestParseConfigFillsDefaultsAndResolvesPaths(t *testing.T) {
	c, faults := ParseConfig([]byte(validConfig), "/etc/signet")
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	got := []any{
		c.Main.BaseURL, c.Main.Certificate, c.Store.DSN, c.ClientCertificates.TrustAnchors[0], c.Lifetimes.AccessToken,
		c.Resources[0].TokenFormat, c.Resources[0].SigningAlg, c.Resources[0].AccessTokenLifetime, c.Profile,
	}
	want := []any{
		"https://login.bank.example", "/etc/signet/tls/server.pem", "sqlite:/etc/signet/signet.db", "/etc/signet/tls/ca.pem", 5 * time.Minute,
		FormatJWT, "ES256", 5 * time.Minute, oauth.ProfileOpenID,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestParseConfigListsEveryFaultWithItsLine(t *testing.T) {
	broken := strings.NewReplacer(
		"issuer: https://login.bank.example", "issuer: http://login.bank.example",
		"profile: openid", "profil: openid",
		"require_crl: false", "require_crl: perhaps",
		"  spool: spool", "  spool: spool\n  max_byte: 5",
	).Replace(validConfig)
	_, faults := ParseConfig([]byte(broken), "")
	var got []string
	for _, f := range faults {
		text, _, _ := strings.Cut(f.String(), ";")
		got = append(got, text)
	}
	want := []string{
		"line 3: profil: unknown key",
		"line 17: client_certificates.require_crl: want true or false",
		"line 27: audit.max_byte: unknown key",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestValidateListsEveryFault(t *testing.T) {
	for name, c := range map[string]struct {
		replace, with string
		want          []string
	}{
		"issuer scheme":         {"https://login.bank.example", "http://login.bank.example", []string{"line 2: issuer: the scheme must be https"}},
		"issuer path":           {"https://login.bank.example", "https://login.bank.example/x", []string{"line 2: issuer: must have no path: both doors serve at the root"}},
		"unknown profile":       {"profile: openid", "profile: strict", []string{"line 3: profile: want fapi-ciba, fapi1-advanced, fapi2-message-signing, fapi2-message-signing-id1, fapi2-security, fapi2-security-id2, openid"}},
		"operations not local":  {"127.0.0.1:9445", "0.0.0.0:9445", []string{"line 14: operations.listen: must be a loopback address, unless certificate, key and client_ca are given"}},
		"same doors":            {"https://mtls.bank.example", "https://login.bank.example", []string{"line 10: mtls.base_url: must differ from the main door's"}},
		"unknown scope":         {"scopes: [accounts]", "scopes: [accounts, cards]", []string{`line 33: resources[0].scopes[1]: scope "cards" is not defined under scopes`}},
		"several at once":       {"algorithms: [ES256, PS256]", "algorithms: [ES256, ES512, ES256]", []string{"line 24: keys.algorithms[1]: unknown algorithm; known: ES256, PS256, EdDSA, RS256, RSA-OAEP-256", "line 24: keys.algorithms[2]: listed twice"}},
		"missing":               {"  spool: spool", "  max_bytes: 5", []string{"line 25: audit.spool: is required"}},
		"not loopback resource": {"id: https://api.bank.example", "id: api", []string{"line 31: resources[0].id: want an absolute URI without a fragment (RFC 8707 section 2)"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, faults := ParseConfig([]byte(strings.ReplaceAll(validConfig, c.replace, c.with)), "")
			var got []string
			for _, f := range faults {
				got = append(got, f.String())
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLoadConfigNamesTheFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "signet.yaml")
	if err := os.WriteFile(file, []byte("issuer: ["), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := LoadConfig(file)
	if err == nil || !strings.HasPrefix(err.Error(), file+": not YAML") {
		t.Errorf("got %v", err)
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add([]byte(validConfig))
	f.Add([]byte(validConfig + allGrants + "endpoints: {token: /oauth2/token}\n"))
	f.Add([]byte("issuer: 1\nmain: []\nresources: {}\n"))
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, faults := ParseConfig(raw, "/x")
		if len(faults) == 0 && len(c.Validate()) > 0 {
			t.Error("accepted what Validate refuses")
		}
	})
}
