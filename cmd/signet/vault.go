package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"signet/provider"
	"signet/provider/keys/vault"
	"signet/provider/oauth"
)

func (c *console) vaultCommand() *cobra.Command {
	return noun("vault", "HashiCorp Vault or OpenBao: set it up for Signet's keys", c.vaultSetupCommand())
}

// vaultSetup is the flags of "signet vault setup".
type vaultSetup struct {
	apply                            bool
	tokenFile, bootstrap             string
	wrapTTL                          time.Duration
	serveCert, keysCert, certCA      string
	serveAccount, keysAccount        string
	podNamespace, kubernetesAudience string
}

func (c *console) vaultSetupCommand() *cobra.Command {
	var o vaultSetup
	cmd := &cobra.Command{
		Use:   "setup",
		Short: "Show or make what the configuration's keys need in Vault",
		Long: `Lists what keys.vault of the configuration needs in Vault - mounts, the data key, the two policies and
their roles - with Vault's own commands, so that a Vault team can run them. With an administrator's
token (--token-file or $VAULT_TOKEN) it says what is there already; with --apply it makes the rest.

The policy PREFIX-serve lets a server use the keys; only PREFIX-keys, for keys.vault.keeper and "signet
key", lets one make, rotate and retire them. With --bootstrap the role id and a secret id of each AppRole
are written into files that only you can read; the secret id is wrapped where the configuration says so.
A file that exists is kept: remove it to get a new one.`,
		Example: `  signet vault setup
  VAULT_TOKEN=$(cat admin-token) signet vault setup --apply --bootstrap vault
  signet vault setup --token-file admin-token --cert-ca clients-ca.pem --apply`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.setUpVault(cmd.Context(), o) },
	}
	f := cmd.Flags()
	f.BoolVar(&o.apply, "apply", false, "make what is missing and change what differs")
	f.StringVar(&o.tokenFile, "token-file", "", "file with an administrator's token (default: $VAULT_TOKEN)")
	f.StringVar(&o.bootstrap, "bootstrap", "", "with --apply: folder for the first credentials of the AppRoles")
	f.DurationVar(&o.wrapTTL, "wrap-ttl", time.Hour, "how long a wrapped secret id can be unwrapped")
	f.StringVar(&o.serveCert, "serve-cert", "", "the servers' certificate, PEM (default: keys.vault.auth.certificate)")
	f.StringVar(&o.keysCert, "keys-cert", "", "the keeper's certificate, PEM (default: keys.vault.keeper.certificate)")
	f.StringVar(&o.certCA, "cert-ca", "", "the CA of these certificates, PEM (default: from the same file)")
	f.StringVar(&o.serveAccount, "kubernetes-account", "signet", "the servers' service account")
	f.StringVar(&o.keysAccount, "keys-kubernetes-account", "signet-keys", "the keeper's service account")
	f.StringVar(&o.podNamespace, "kubernetes-namespace", "", "namespace of the service accounts (needed for the method kubernetes)")
	f.StringVar(&o.kubernetesAudience, "kubernetes-audience", "", "audience that Vault wants in the service accounts' tokens")
	return cmd
}

// vaultReport is what "signet vault setup --json" prints.
type vaultReport struct {
	Address string       `json:"address"`
	Steps   []vault.Step `json:"steps"`
	Files   []vaultFile  `json:"files,omitempty"`
	Next    []string     `json:"next"`
}

// vaultFile is one credential that --bootstrap writes.
type vaultFile struct {
	Path    string `json:"path"`
	Holds   string `json:"holds"`
	For     string `json:"for"`     // where the configuration expects it; "" = nowhere yet
	Written bool   `json:"written"` // now; false: it was there
}

func (c *console) setUpVault(ctx context.Context, o vaultSetup) error {
	config, err := c.loadConfig()
	if err != nil {
		return err
	}
	if config.Keys.Backend == provider.KeysFile {
		return next(errors.New("the keys are not in Vault: keys.backend is file"), "set keys.backend to transit or vaultkv; \"signet config explain keys.vault\" says more")
	}
	if o.bootstrap != "" && !o.apply {
		return next(errors.New("--bootstrap makes credentials"), "add --apply")
	}
	layout, identities := vaultPlan(config, o)
	report := vaultReport{Address: config.Keys.Vault.Address}
	if report.Steps, err = layout.Steps(identities...); err != nil {
		return next(err, "see --cert-ca, --serve-cert, --keys-cert and --kubernetes-namespace in: signet vault setup --help")
	}
	client, err := c.openVaultAsAdmin(ctx, config.Keys.Vault, o)
	if err != nil {
		return err
	}
	if client != nil {
		err = errors.Join(c.workOnVault(ctx, client, o, identities, &report), client.Close())
	}
	if err != nil {
		return vaultAdvice(err)
	}
	report.Next = vaultNext(config, identities, report, o)
	return c.showVault(config.Keys.Vault, report)
}

// vaultPlan says what the configuration needs.
func vaultPlan(config provider.Config, o vaultSetup) (vault.Layout, []vault.Identity) {
	v := config.Keys.Vault
	layout := vault.Layout{Backend: string(config.Keys.Backend), TransitMount: v.TransitMount, KVMount: v.KVMount, Prefix: v.Prefix}
	serve := vault.Identity{
		Name: layout.ServeName(), Policies: []string{layout.ServeName()}, Auth: vaultIdentity(v.Auth), Server: true,
		CertificateAuthority: o.certCA, ServiceAccounts: []string{o.serveAccount}, Audience: o.kubernetesAudience,
	}
	if *config.Keys.Maintain {
		serve.Policies = append(serve.Policies, layout.KeysName())
	}
	keeper := vault.Identity{
		Name: layout.KeysName(), Policies: []string{layout.KeysName()}, Auth: vaultIdentity(v.Keeper),
		CertificateAuthority: o.certCA, ServiceAccounts: []string{o.keysAccount}, Audience: o.kubernetesAudience,
	}
	serve.Auth.Certificate = cmp.Or(o.serveCert, serve.Auth.Certificate)
	keeper.Auth.Certificate = cmp.Or(o.keysCert, keeper.Auth.Certificate)
	if o.podNamespace != "" {
		serve.PodNamespaces, keeper.PodNamespaces = []string{o.podNamespace}, []string{o.podNamespace}
	}
	if keeper.Auth.Method == "" { // not configured yet: make it as the servers' identity is
		keeper.Auth = vault.Auth{Method: serve.Auth.Method, Mount: serve.Auth.Mount, Certificate: o.keysCert}
		if keeper.Auth.Method == vault.Cert && o.keysCert == "" {
			return layout, []vault.Identity{serve}
		}
	}
	return layout, []vault.Identity{serve, keeper}
}

// openVaultAsAdmin logs in with the administrator's token; nil without one, when none is needed.
func (c *console) openVaultAsAdmin(ctx context.Context, v provider.VaultConfig, o vaultSetup) (*vault.Client, error) {
	auth := vault.Auth{Method: vault.TokenFile, TokenFile: o.tokenFile}
	if o.tokenFile == "" {
		auth = vault.Auth{Method: vault.Token, Token: oauth.Secret(os.Getenv("VAULT_TOKEN"))}
		if auth.Token == "" && o.apply {
			return nil, next(errors.New("there is no administrator's token"), "name its file with --token-file, or set VAULT_TOKEN")
		} else if auth.Token == "" {
			return nil, nil
		}
	}
	client, err := vault.Open(ctx, vault.Options{
		Address: v.Address, CAFile: v.CAFile, Namespace: v.Namespace, Timeout: max(v.Timeout, 10*time.Second),
		Auth: auth, Clock: c.clock, Log: c.quietLog(),
	})
	if err != nil {
		return nil, next(fmt.Errorf("logging in to Vault at %s: %w", v.Address, err), "check keys.vault.address and ca_file, that Vault is unsealed, and the token")
	}
	return client, nil
}

// workOnVault looks or, with --apply, makes.
func (c *console) workOnVault(ctx context.Context, client *vault.Client, o vaultSetup, identities []vault.Identity, report *vaultReport) error {
	if !o.apply {
		return client.Check(ctx, report.Steps)
	}
	if err := client.Apply(ctx, report.Steps); err != nil {
		return err
	}
	if o.bootstrap == "" {
		return nil
	}
	if err := os.MkdirAll(o.bootstrap, 0o700); err != nil {
		return err
	}
	for _, i := range identities {
		if i.Auth.Method != vault.AppRole {
			continue
		}
		files, err := bootstrapAppRole(ctx, client, i, o)
		report.Files = append(report.Files, files...)
		if err != nil {
			return err
		}
	}
	return nil
}

// bootstrapAppRole writes PREFIX-serve's credentials to serve-role-id and serve-secret-id, PREFIX-keys' likewise.
func bootstrapAppRole(ctx context.Context, client *vault.Client, i vault.Identity, o vaultSetup) ([]vaultFile, error) {
	who := "keys"
	if i.Server {
		who = "serve"
	}
	files := []vaultFile{
		{Path: filepath.Join(o.bootstrap, who+"-role-id"), Holds: "role id of " + i.Name, For: i.Auth.RoleIDFile},
		{Path: filepath.Join(o.bootstrap, who+"-secret-id"), Holds: "secret id of " + i.Name, For: i.Auth.SecretIDFile},
	}
	if i.Auth.Wrapped {
		files[1].Holds = fmt.Sprintf("token that unwraps the secret id of %s, once, within %s", i.Name, o.wrapTTL)
	}
	if _, err := os.Stat(files[1].Path); err == nil {
		return files, nil // what is there stays
	}
	credentials, err := client.Bootstrap(ctx, i, o.wrapTTL)
	if err != nil {
		return nil, err
	}
	for n, content := range []string{credentials.RoleID, credentials.SecretID.Reveal()} {
		err := writeNew(files[n].Path, []byte(content+"\n"), 0o600)
		if n == 0 && errors.Is(err, os.ErrExist) { // a role id stays the same
			continue
		}
		if err != nil {
			return nil, err
		}
		files[n].Written = true
	}
	return files, nil
}

// vaultAdvice adds what to do about a failure.
func vaultAdvice(err error) error {
	switch {
	case errors.Is(err, vault.ErrConflict):
		return next(err, "choose other names in keys.vault (transit_mount, kv_mount, prefix, auth.mount), or move what is there")
	case errors.Is(err, vault.ErrDenied):
		return next(err, "use a token that may manage mounts, policies and roles, or give the printed commands to those who may")
	case errors.Is(err, oauth.ErrUnavailable):
		return next(err, "see that Vault is reachable and unsealed, then run the command again: what is made stays")
	}
	return err
}

// vaultNext says what remains to be done by people.
func vaultNext(config provider.Config, identities []vault.Identity, report vaultReport, o vaultSetup) (steps []string) {
	v := config.Keys.Vault
	if !o.apply {
		steps = append(steps, "make it: signet vault setup --apply, with an administrator's token in --token-file or $VAULT_TOKEN; or run Vault's own commands")
	}
	for _, i := range identities {
		mount := cmp.Or(i.Auth.Mount, i.Auth.Method)
		switch {
		case i.Auth.Method == vault.TokenFile:
			steps = append(steps, fmt.Sprintf("make the token of %s: (umask 077; vault token create -orphan -period=24h -no-default-policy -policy=%s -field=token > %s)",
				i.Name, strings.Join(i.Policies, " -policy="), i.Auth.TokenFile))
		case i.Auth.Method == vault.AppRole && len(report.Files) == 0:
			wrap, field := "", "secret_id"
			if i.Auth.Wrapped {
				wrap, field = fmt.Sprintf("-wrap-ttl=%s ", o.wrapTTL), "wrapping_token"
			}
			steps = append(steps, fmt.Sprintf("write the credentials of %[1]s (--bootstrap DIR does): vault read -field=role_id auth/%[2]s/role/%[1]s/role-id; vault write -f %[3]s-field=%[4]s auth/%[2]s/role/%[1]s/secret-id",
				i.Name, mount, wrap, field))
		case i.Auth.Method == vault.Kubernetes && i.Server:
			steps = append(steps, fmt.Sprintf("tell Vault which Kubernetes, if it does not know: vault write auth/%s/config kubernetes_host=https://kubernetes.default.svc", mount))
		}
	}
	for _, f := range report.Files {
		if f.For == "" || !samePath(f.Path, f.For) {
			steps = append(steps, fmt.Sprintf("bring %s (%s) to %s", f.Path, f.Holds, cmp.Or(f.For, "the file that keys.vault.keeper will name")))
		}
	}
	if len(report.Files) > 0 {
		steps = append(steps, fmt.Sprintf("renew the secret ids within %d days: remove the file and run --bootstrap again; servers take it up by themselves", int(vault.SecretIDTTL.Hours()/24)))
	}
	if v.Keeper.Method == "" && !*config.Keys.Maintain {
		steps = append(steps, "name an identity with the policy "+v.Prefix+"-keys in keys.vault.keeper: the servers' may not make keys")
	}
	return append(steps, "make the first signing keys: signet key maintain")
}

func samePath(a, b string) bool {
	absA, errA := filepath.Abs(a)
	absB, errB := filepath.Abs(b)
	return errA == nil && errB == nil && absA == absB
}
