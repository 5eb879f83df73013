package provider

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const fileKeys = `  backend: file
  directory: keys
  passphrase_file: passphrase
`

// inVault is the valid configuration with its keys in Vault; extra lines go below keys.vault.
func inVault(backend, extra string) string {
	return strings.Replace(validConfig, fileKeys, "  backend: "+backend+"\n  vault:\n    address: https://vault:8200\n"+extra, 1)
}

const appRole = "    auth: {method: approle, role_id_file: role, secret_id_file: secret}\n"

func TestVaultDefaultsAndPaths(t *testing.T) {
	text := inVault("transit", "    ca_file: ca.pem\n"+appRole+"    keeper: {method: kubernetes, role: keeper}\n")
	c, faults := ParseConfig([]byte(text), "/etc/signet")
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	want := VaultConfig{
		Address: "https://vault:8200", CAFile: "/etc/signet/ca.pem", TransitMount: "transit", KVMount: "secret", Prefix: "signet", Timeout: 2 * time.Second,
		Auth:   VaultAuth{Method: "approle", Mount: "approle", RoleIDFile: "/etc/signet/role", SecretIDFile: "/etc/signet/secret"},
		Keeper: VaultAuth{Method: "kubernetes", Mount: "kubernetes", Role: "keeper", JWTFile: "/var/run/secrets/kubernetes.io/serviceaccount/token"},
	}
	if diff := cmp.Diff(want, c.Keys.Vault); diff != "" {
		t.Error(diff)
	}
	if *c.Keys.Maintain {
		t.Error("the server keeps keys in Vault by default")
	}
}

func TestDSNPaths(t *testing.T) {
	for dsn, want := range map[string]string{
		"sqlite:signet.db":    "sqlite:/etc/signet/signet.db",
		"sqlite:/x/signet.db": "sqlite:/x/signet.db",
		"mysql:u@db:3306/signet?password_file=pw&ca=/tls/ca.pem": "mysql:u@db:3306/signet?ca=%2Ftls%2Fca.pem&password_file=%2Fetc%2Fsignet%2Fpw",
		"mysql:u@unix(/run/my.sock)/signet":                      "mysql:u@unix(/run/my.sock)/signet",
		"mysql:u@db/signet?%zz":                                  "mysql:u@db/signet?%zz",
	} {
		if got := resolveDSN(dsn, "/etc/signet"); got != want {
			t.Errorf("%s: %s, want %s", dsn, got, want)
		}
	}
}

func TestBackendFaults(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"unknown backend": {strings.Replace(validConfig, "backend: file", "backend: hsm", 1), []string{"keys.backend: want file, transit or vaultkv"}},
		"unknown store":   {strings.Replace(validConfig, "sqlite:signet.db", "oracle:x", 1), []string{"store.dsn: want sqlite:PATH or mysql:USER@HOST/DATABASE?password_file=FILE&ca=FILE"}},
		"migrate":         {strings.Replace(validConfig, "  dsn:", "  migrate: later\n  dsn:", 1), []string{"store.migrate: want on_start or never"}},
		"file and Vault":  {strings.Replace(validConfig, fileKeys, fileKeys+"  vault: {address: \"https://v\"}\n", 1), []string{"keys.vault: is not used with the backend file; remove it, or choose transit or vaultkv"}},
		"Vault and files": {strings.Replace(inVault("transit", appRole), "  backend:", "  directory: keys\n  backend:", 1), []string{"keys: directory and passphrase_file are for the backend file only"}},
		"no auth":         {inVault("vaultkv", ""), []string{"keys.vault.auth.method: is required"}},
		"incomplete":      {inVault("vaultkv", "    auth: {method: approle, role_id_file: r, token_file: t}\n"), []string{"keys.vault.auth.secret_id_file: is required", "keys.vault.auth.token_file: is not used by the method approle"}},
		"plain http":      {strings.Replace(inVault("transit", appRole), "https://vault", "http://vault", 1), []string{"keys.vault.address: want an https URL, like https://vault.internal:8200"}},
		"grace":           {inVault("transit", appRole+"    grace: 5m\n  publish_for: 11m\n"), []string{"keys.vault.grace: must be 0 with transit: no key is here to sign with"}},
		"prefix":          {inVault("transit", appRole+"    prefix: ../x\n"), []string{"keys.vault.prefix: want letters, digits, - and _"}},
		"timeout":         {inVault("transit", appRole+"    timeout: 1m\n"), []string{"keys.vault.timeout: want 100ms to 10s"}},
		"wrapped":         {inVault("transit", "    auth: {method: token_file, token_file: t, wrapped: true}\n"), []string{"keys.vault.auth.wrapped: is for the method approle only"}},
		"method":          {inVault("transit", "    auth: {method: ldap}\n"), []string{"keys.vault.auth.method: want approle, cert, kubernetes or token_file"}},
		"half a TLS":      {strings.Replace(validConfig, "127.0.0.1:9445", "0.0.0.0:9445\n  certificate: c.pem", 1), []string{"operations: certificate, key and client_ca belong together"}},
		"keeper wrapped":  {inVault("transit", appRole+"    keeper: {method: approle, role_id_file: r, secret_id_file: s, wrapped: true}\n"), []string{`keys.vault.keeper.wrapped: must be false: a wrapped secret id serves one process, and each "signet key" is another`}},
		"grace too long": {inVault("vaultkv", appRole+"    grace: 5m\n  retire_after: 1h\n"), []string{
			"keys.publish_for: must not be shorter than 11m0s: resource servers use what they have read for almost so long, and keys.vault.grace comes on top",
			"keys.retire_after: must not be shorter than 1h5m0s, the longest that a token can live, and keys.vault.grace comes on top"}},
		"both kinds of proxy": {validConfig + "proxy_protocol: {addresses: [10.0.0.0/8]}\ntrusted_proxies: {addresses: [10.0.0.7]}\n", []string{
			"proxy_protocol.addresses[0]: overlaps trusted_proxies.addresses (10.0.0.7): no Client-Cert header is believed from there; pin that proxy's certificate in trusted_proxies.thumbprints instead"}},
		"proxy":       {validConfig + "proxy_protocol: {addresses: [10.0.0.0/8, proxy]}\n", []string{`proxy_protocol.addresses[1]: "proxy" is neither an IP address nor a CIDR range`}},
		"traces":      {validConfig + "telemetry: {traces: {endpoint: \"http://c:4318/v1/traces\", sample_ratio: 2}}\n", []string{"telemetry.traces.endpoint: want an https URL, like https://collector.internal:4318/v1/traces; http only to this machine", "telemetry.traces.sample_ratio: want more than 0 and at most 1"}},
		"not a ratio": {validConfig + "telemetry: {traces: {endpoint: \"https://c/v1/traces\", sample_ratio: .nan}}\n", []string{"telemetry.traces.sample_ratio: want more than 0 and at most 1"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, faults := ParseConfig([]byte(c.text), "")
			var got []string
			for _, f := range faults {
				f.Line = 0
				got = append(got, f.String())
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
