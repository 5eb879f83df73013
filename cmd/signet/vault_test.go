package main

import (
	"bytes"
	"crypto/rand"
	"crypto/x509/pkix"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"signet/certs"
	"signet/provider/keys/vault"
	"signet/provider/keys/vaulttest"
)

// vaultRig is a folder with a configuration whose keys are in a new Vault.
type vaultRig struct {
	t      *testing.T
	vault  *vaulttest.Server
	dir    string
	config string
}

func newVaultRig(t *testing.T, backend, identities string) *vaultRig {
	t.Helper()
	r := &vaultRig{t: t, vault: vaulttest.Start(t), dir: t.TempDir()}
	var example bytes.Buffer
	if code := run(t.Context(), []string{"config", "example"}, nil, &example, os.Stderr); code != 0 {
		t.Fatal("config example failed")
	}
	text := strings.Replace(example.String(), "  backend: file\n  directory: keys\n  passphrase_file: passphrase\n",
		"  backend: "+backend+"\n  vault:\n    address: "+r.vault.Address()+"\n    ca_file: "+r.vault.CAFile()+"\n"+identities, 1)
	r.config = filepath.Join(r.dir, "signet.yaml")
	r.write("signet.yaml", []byte(text))
	r.write("admin-token", []byte(r.vault.RootToken()))
	return r
}

func (r *vaultRig) write(name string, data []byte) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, name), data, 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// setup runs "signet vault setup" and returns what it printed.
func (r *vaultRig) setup(want int, args ...string) (out, errOut string) {
	r.t.Helper()
	var stdout, stderr bytes.Buffer
	if code := run(r.t.Context(), append([]string{"vault", "setup", "--config", r.config}, args...), nil, &stdout, &stderr); code != want {
		r.t.Fatalf("%v: exit %d\n%s%s", args, code, stdout.String(), stderr.String())
	}
	return stdout.String(), stderr.String()
}

func (r *vaultRig) contains(text string, wanted ...string) {
	r.t.Helper()
	for _, want := range wanted {
		if !strings.Contains(text, want) {
			r.t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func (r *vaultRig) report(args ...string) (report vaultReport) {
	r.t.Helper()
	out, _ := r.setup(0, append(args, "--json")...)
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		r.t.Fatalf("%v\n%s", err, out)
	}
	return report
}

func (r *vaultRig) login(auth vault.Auth) (*vault.Client, error) {
	client, err := vault.Open(r.t.Context(), vault.Options{Address: r.vault.Address(), CAFile: r.vault.CAFile(), Auth: auth, Clock: time.Now})
	if err == nil {
		r.t.Cleanup(func() { _ = client.Close() })
	}
	return client, err
}

const appRoleIdentities = `    auth: {method: approle, role_id_file: vault/serve-role-id, secret_id_file: vault/serve-secret-id, wrapped: true}
    keeper: {method: approle, role_id_file: vault/keys-role-id, secret_id_file: vault/keys-secret-id}
`

// TestVaultSetup takes an empty Vault to one that both identities can use.
func TestVaultSetup(t *testing.T) {
	t.Setenv("VAULT_TOKEN", "")
	r := newVaultRig(t, "transit", appRoleIdentities)
	admin := []string{"--token-file", filepath.Join(r.dir, "admin-token")}

	out, _ := r.setup(0) // without a token: what and how, not whether
	r.contains(out, "unknown", "vault secrets enable -path=transit transit", "vault secrets enable -version=2 -path=secret kv",
		"vault policy write signet-serve - <<'EOF'", "vault write auth/approle/role/signet-serve", "export VAULT_ADDR=", "signet key maintain")
	_, errOut := r.setup(1, "--apply")
	r.contains(errOut, "next: name its file with --token-file")
	out, _ = r.setup(0, admin...)
	r.contains(out, "missing", "to be made")
	if mounts, err := r.vault.Client(t).Sys().ListMounts(); err != nil || mounts["transit/"] != nil {
		t.Fatalf("without --apply something was made: %v, %v", mounts, err)
	}

	creds := filepath.Join(r.dir, "vault")
	apply := append(admin, "--apply", "--bootstrap", creds)
	for _, step := range r.report(apply...).Steps {
		if step.State != vault.There || !step.Applied {
			t.Errorf("first time: %s is %s, applied %t", step.What, step.State, step.Applied)
		}
	}
	second := r.report(apply...)
	for _, step := range second.Steps {
		if step.State != vault.There || step.Applied {
			t.Errorf("second time: %s is %s, applied %t", step.What, step.State, step.Applied)
		}
	}
	for _, file := range second.Files {
		if info, err := os.Stat(file.Path); err != nil || info.Mode().Perm() != 0o600 || file.Written {
			t.Errorf("%s: %v, written again %t", file.Path, err, file.Written)
		}
	}

	serve := vault.Auth{Method: vault.AppRole, Role: "signet-serve", Wrapped: true,
		RoleIDFile: filepath.Join(creds, "serve-role-id"), SecretIDFile: filepath.Join(creds, "serve-secret-id")}
	server, err := r.login(serve)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := server.Write(t.Context(), "transit/encrypt/signet-data", map[string]any{"plaintext": "aGVsbG8="}); err == nil {
		t.Error("the server seals")
	}
	if _, err := server.Write(t.Context(), "transit/keys/signet-data/rotate", nil); err == nil {
		t.Error("the server rotates")
	}
	if _, err := r.login(serve); err == nil {
		t.Error("the wrapped secret id was unwrapped twice")
	}
	keeper, err := r.login(vault.Auth{Method: vault.AppRole,
		RoleIDFile: filepath.Join(creds, "keys-role-id"), SecretIDFile: filepath.Join(creds, "keys-secret-id")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keeper.Write(t.Context(), "transit/keys/signet-data/rotate", nil); err != nil {
		t.Error(err)
	}
}

// TestVaultSetupMends changes what differs, and leaves alone what is not Signet's.
func TestVaultSetupMends(t *testing.T) {
	r := newVaultRig(t, "vaultkv", appRoleIdentities)
	t.Setenv("VAULT_TOKEN", r.vault.RootToken())
	r.setup(0, "--apply")
	root := r.vault.Client(t)
	if err := root.Sys().PutPolicy("signet-serve", `path "*" { capabilities = ["sudo"] }`); err != nil {
		t.Fatal(err)
	}
	if _, err := root.Logical().Write("auth/approle/role/signet-keys", map[string]any{"token_ttl": 60}); err != nil {
		t.Fatal(err)
	}
	out, _ := r.setup(0)
	r.contains(out, "differs: other text", "differs: other token_ttl")
	applied := 0
	for _, step := range r.report("--apply").Steps {
		if step.Applied {
			applied++
		}
	}
	if applied != 2 {
		t.Errorf("%d steps were applied, want 2", applied)
	}

	if err := root.Sys().Unmount("secret"); err != nil {
		t.Fatal(err)
	}
	if _, err := root.Logical().Write("sys/mounts/secret", map[string]any{"type": "kv", "options": map[string]any{"version": "1"}}); err != nil {
		t.Fatal(err)
	}
	out, _ = r.setup(0)
	r.contains(out, "in the way")
	_, errOut := r.setup(1, "--apply")
	r.contains(errOut, "something else is in the way", "next: choose other names in keys.vault")
}

// TestVaultSetupRefused is an administrator who is none.
func TestVaultSetupRefused(t *testing.T) {
	r := newVaultRig(t, "transit", appRoleIdentities)
	policies := map[string]any{"policies": []string{"default"}}
	nobody, err := r.vault.Client(t).Logical().Write("auth/token/create", policies)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("VAULT_TOKEN", nobody.Auth.ClientToken)
	_, errOut := r.setup(1)
	r.contains(errOut, "vault denies it", "next: use a token that may manage mounts")
	if strings.Contains(errOut, nobody.Auth.ClientToken) {
		t.Error("the token is in the error")
	}
}

// TestVaultSetupCertificates binds the roles to the CA and the names of the certificates.
func TestVaultSetupCertificates(t *testing.T) {
	r := newVaultRig(t, "vaultkv", `    auth: {method: cert, role: signet-serve, certificate: serve.pem, key: serve-key.pem}
    keeper: {method: cert, certificate: keys.pem, key: keys-key.pem}
`)
	t.Setenv("VAULT_TOKEN", r.vault.RootToken())
	ca, err := certs.NewCA(rand.Reader, time.Now(), "clients")
	if err != nil {
		t.Fatal(err)
	}
	r.write("ca.pem", ca.CertPEM)
	auth := map[string]vault.Auth{}
	for _, name := range []string{"serve", "keys", "stranger"} {
		leaf, err := ca.Issue(certs.Request{Subject: pkix.Name{CommonName: "signet-" + name}, DNSNames: []string{name + ".bank.example"}})
		if err != nil {
			t.Fatal(err)
		}
		r.write(name+".pem", leaf.CertPEM)
		r.write(name+"-key.pem", leaf.KeyPEM)
		auth[name] = vault.Auth{Method: vault.Cert, Certificate: filepath.Join(r.dir, name+".pem"), Key: filepath.Join(r.dir, name+"-key.pem")}
	}
	_, errOut := r.setup(1, "--apply")
	r.contains(errOut, "the CA that issued", "next: see --cert-ca")
	flags := []string{"--apply", "--cert-ca", filepath.Join(r.dir, "ca.pem")}
	r.setup(0, flags...)
	for _, step := range r.report(flags...).Steps {
		if step.State != vault.There || step.Applied {
			t.Errorf("second time: %s is %s", step.What, step.State)
		}
	}
	for name, want := range map[string]bool{"serve": true, "keys": true, "stranger": false} {
		if _, err := r.login(auth[name]); (err == nil) != want {
			t.Errorf("%s logs in: %v", name, err)
		}
	}
}

// TestVaultSetupFor names what other methods need.
func TestVaultSetupFor(t *testing.T) {
	t.Setenv("VAULT_TOKEN", "")
	r := newVaultRig(t, "transit", `    auth: {method: kubernetes, role: signet, jwt_file: jwt}
    keeper: {method: token_file, token_file: keeper-token}
`)
	_, errOut := r.setup(1)
	r.contains(errOut, "--kubernetes-namespace")
	out, _ := r.setup(0, "--kubernetes-namespace", "bank")
	r.contains(out, "vault write auth/kubernetes/role/signet bound_service_account_names=signet bound_service_account_namespaces=bank",
		"vault token create -orphan -period=24h -no-default-policy -policy=signet-keys", "vault write auth/kubernetes/config")
}

// TestVaultKeys makes, lists and rotates keys with the identities and policies of "signet vault setup" alone.
func TestVaultKeys(t *testing.T) {
	for _, backend := range []string{"transit", "vaultkv"} {
		t.Run(backend, func(t *testing.T) {
			r := newVaultRig(t, backend, strings.Replace(appRoleIdentities, ", wrapped: true", "", 1))
			t.Setenv("VAULT_TOKEN", r.vault.RootToken())
			r.setup(0, "--apply", "--bootstrap", filepath.Join(r.dir, "vault"))
			t.Setenv("VAULT_TOKEN", "")
			for _, args := range [][]string{{"key", "maintain"}, {"key", "rotate", "ES256"}, {"key", "rotate", "--data"}, {"key", "list"}} {
				var stdout, stderr bytes.Buffer
				if code := run(t.Context(), append(args, "--config", r.config), nil, &stdout, &stderr); code != 0 {
					t.Fatalf("%v: exit %d\n%s%s", args, code, stdout.String(), stderr.String())
				}
				if args[1] == "list" {
					r.contains(stdout.String(), "active", "next", "PS256", "EdDSA")
				}
			}
		})
	}
}
