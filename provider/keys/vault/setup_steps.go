package vault

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
)

// Identity is one of the two that Signet has in Vault, and how it logs in.
type Identity struct {
	Name     string // of its role and its policy; for kubernetes and cert, Auth.Role names the role
	Policies []string
	Auth     Auth
	Server   bool // lives long: its token may be renewed for a day, not for an hour

	// CertificateAuthority is a PEM file with the CA of the identity's certificate (method cert); "" = the
	// CA in the file of Auth.Certificate.
	CertificateAuthority string
	// ServiceAccounts and PodNamespaces are who may log in (method kubernetes). Audience is the JWT's, if
	// Vault is to check it.
	ServiceAccounts, PodNamespaces []string
	Audience                       string
}

// Steps lists what an installation needs in Vault, in the order in which it can be made.
func (l Layout) Steps(identities ...Identity) ([]Step, error) {
	steps := l.engineSteps()
	for _, policy := range []struct{ name, text string }{{l.ServeName(), l.ServePolicy()}, {l.KeysName(), l.KeysPolicy()}} {
		steps = append(steps, policyStep(policy.name, policy.text))
	}
	mounted := map[string]bool{}
	for _, identity := range identities {
		a := identity.Auth
		if a.Mount == "" {
			a.Mount = a.Method
		}
		identity.Auth = a
		if a.Method == TokenFile {
			continue
		}
		if !mounted[a.Mount] {
			mounted[a.Mount] = true
			steps = append(steps, mountStep("authentication method", "sys/auth", a.Mount, a.Method, "vault auth enable"))
		}
		role, err := identity.roleStep()
		if err != nil {
			return nil, err
		}
		steps = append(steps, role)
	}
	return steps, nil
}

func (l Layout) engineSteps() []Step {
	kv := mountStep("KV version 2 mount", "sys/mounts", l.KVMount, "kv", "vault secrets enable -version=2")
	kv.data["options"] = map[string]any{"version": "2"}
	kv.judge = func(found, _ map[string]any) (State, string) {
		options, _ := found["options"].(map[string]any)
		if found["type"] != "kv" || plain(options["version"]) != "2" {
			return Conflict, fmt.Sprintf("%s is mounted as %v, version %q", l.KVMount, found["type"], plain(options["version"]))
		}
		return There, ""
	}
	if l.Backend != "transit" {
		return []Step{kv}
	}
	key := map[string]any{"type": "aes256-gcm96", "exportable": false, "allow_plaintext_backup": false}
	dataKey := Step{
		What: "transit key " + l.DataKey(), State: Unknown, path: l.TransitMount + "/keys/" + l.DataKey(), data: key,
		judge: func(found, data map[string]any) (State, string) {
			if state, detail := sameFields(found, data); state != There {
				return Conflict, detail
			}
			return There, ""
		},
	}
	dataKey.Command = writeCommand(dataKey.path, key)
	return []Step{mountStep("transit mount", "sys/mounts", l.TransitMount, "transit", "vault secrets enable"), kv, dataKey}
}

// mountStep is an engine or an authentication method at a mount.
func mountStep(what, table, mount, kind, command string) Step {
	return Step{
		What: what + " " + mount, State: Unknown, Command: fmt.Sprintf("%s -path=%s %s", command, mount, kind),
		path: table + "/" + mount, data: map[string]any{"type": kind}, read: table, entry: mount + "/",
		judge: func(found, _ map[string]any) (State, string) {
			if found["type"] != kind {
				return Conflict, fmt.Sprintf("%s is mounted as %v", mount, found["type"])
			}
			return There, ""
		},
	}
}

func policyStep(name, text string) Step {
	return Step{
		What: "policy " + name, State: Unknown, path: "sys/policies/acl/" + name, data: map[string]any{"policy": text},
		Command: fmt.Sprintf("vault policy write %s - <<'EOF'\n%sEOF", name, text),
		judge: func(found, data map[string]any) (State, string) {
			if plain(found["policy"]) != plain(data["policy"]) {
				return Differs, "other text"
			}
			return There, ""
		},
	}
}

func (i Identity) roleName() string {
	if i.Auth.Role != "" {
		return i.Auth.Role
	}
	return i.Name
}

// SecretIDTTL is how long an AppRole secret id can be used to log in, wrapped or not: a Vault that is not tuned permits
// 32 days at most. A new one in its file is taken up at the next login, without a restart.
const SecretIDTTL = 30 * 24 * time.Hour

// roleStep is the role that the identity logs in to. Its token has the policies and not the default one; the
// server's is renewed within a day, then it logs in again, so that a withdrawn role ends its access.
func (i Identity) roleStep() (Step, error) {
	ttl, maximum := 15*60, 60*60
	if i.Server {
		ttl, maximum = 60*60, 24*60*60
	}
	data := map[string]any{
		"token_policies": i.Policies, "token_no_default_policy": true, "token_ttl": ttl, "token_max_ttl": maximum,
	}
	folder := "role"
	switch i.Auth.Method {
	case AppRole:
		data["bind_secret_id"] = true
		data["secret_id_ttl"] = int(SecretIDTTL.Seconds())
	case Cert:
		folder = "certs"
		if err := i.certificateFields(data); err != nil {
			return Step{}, err
		}
	case Kubernetes:
		if len(i.ServiceAccounts) == 0 || len(i.PodNamespaces) == 0 {
			return Step{}, fmt.Errorf("the kubernetes role of %s needs a service account and its namespace", i.Name)
		}
		data["bound_service_account_names"], data["bound_service_account_namespaces"] = i.ServiceAccounts, i.PodNamespaces
		if i.Audience != "" {
			data["audience"] = i.Audience
		}
	default:
		return Step{}, fmt.Errorf("no role for the authentication method %q", i.Auth.Method)
	}
	path := fmt.Sprintf("auth/%s/%s/%s", i.Auth.Mount, folder, i.roleName())
	return Step{
		What: fmt.Sprintf("%s role %s", i.Auth.Method, i.roleName()), State: Unknown,
		Command: writeCommand(path, data), path: path, data: data, judge: sameFields,
	}, nil
}

// certificateFields bind the role to the CA and to the names of the identity's certificate, so that a renewed one
// logs in as well. The certificate itself is no trust anchor: older Vaults compare its serial number only.
func (i Identity) certificateFields(data map[string]any) error {
	chain, err := readCertificates(i.Auth.Certificate)
	if err != nil {
		return fmt.Errorf("the certificate of %s: %w", i.Name, err)
	}
	leaf, authorities := chain[0], chain[1:]
	if i.CertificateAuthority != "" {
		if authorities, err = readCertificates(i.CertificateAuthority); err != nil {
			return fmt.Errorf("the CA of %s: %w", i.Name, err)
		}
	}
	var issuer *x509.Certificate
	for _, authority := range authorities {
		if authority.IsCA && leaf.CheckSignatureFrom(authority) == nil {
			issuer = authority
		}
	}
	if issuer == nil {
		return fmt.Errorf("the CA that issued %s is needed", i.Auth.Certificate)
	}
	names := 0
	for field, values := range map[string][]string{"allowed_common_names": {leaf.Subject.CommonName}, "allowed_dns_sans": leaf.DNSNames, "allowed_uri_sans": uris(leaf)} {
		values = slices.DeleteFunc(slices.Clone(values), func(s string) bool { return s == "" })
		if strings.Contains(strings.Join(values, ""), "*") {
			return fmt.Errorf("%s has a name with a wildcard, which Vault would take for a pattern", i.Auth.Certificate)
		}
		if len(values) > 0 {
			data[field], names = values, names+1
		}
	}
	if names == 0 {
		return fmt.Errorf("%s has no name to know it by", i.Auth.Certificate)
	}
	data["certificate"] = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: issuer.Raw}))
	return nil
}

func uris(leaf *x509.Certificate) (list []string) {
	for _, uri := range leaf.URIs {
		list = append(list, uri.String())
	}
	return list
}

func readCertificates(file string) ([]*x509.Certificate, error) {
	if file == "" {
		return nil, errors.New("no file is named")
	}
	rest, err := os.ReadFile(file) //nolint:gosec // the operator names it
	if err != nil {
		return nil, err
	}
	var list []*x509.Certificate
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		list = append(list, certificate)
	}
	if len(list) == 0 {
		return nil, errors.New(file + " holds no certificate")
	}
	return list, nil
}

// writeCommand is a write as vault's command line takes it.
func writeCommand(path string, data map[string]any) string {
	words := []string{"vault write", path}
	for _, key := range slices.Sorted(maps.Keys(data)) {
		words = append(words, key+"="+quoted(plain(data[key])))
	}
	return strings.Join(words, " ")
}

// quoted protects a value from the shell.
func quoted(value string) string {
	if !strings.ContainsFunc(value, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:,@", r)
	}) {
		return value
	}
	return "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
}
