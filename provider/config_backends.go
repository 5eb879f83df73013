package provider

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"signet/provider/jose"
)

// The ways to log in to Vault.
const (
	vaultAppRole    = "approle"
	vaultCert       = "cert"
	vaultKubernetes = "kubernetes"
	vaultTokenFile  = "token_file"
)

// vaultName is what mounts and prefixes look like: they become parts of paths.
var vaultName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]*(/[A-Za-z0-9][A-Za-z0-9_-]*)*$`)

func (v *validator) store(s StoreConfig) {
	scheme, rest, _ := strings.Cut(s.DSN, ":")
	switch {
	case !v.required("store.dsn", s.DSN):
	case scheme != "sqlite" && scheme != "mysql" || rest == "":
		v.fault("store.dsn", "want sqlite:PATH or mysql:USER@HOST/DATABASE?password_file=FILE&ca=FILE")
	}
	if s.Migrate != MigrateOnStart && s.Migrate != MigrateNever {
		v.fault("store.migrate", "want on_start or never")
	}
}

func (v *validator) keys(k KeysConfig) {
	switch {
	case !v.required("keys.backend", string(k.Backend)):
	case k.Backend == KeysFile:
		v.required("keys.directory", k.Directory)
		v.required("keys.passphrase_file", k.PassphraseFile)
		if k.Vault != (VaultConfig{}) {
			v.fault("keys.vault", "is not used with the backend file; remove it, or choose transit or vaultkv")
		}
	case k.Backend.inVault():
		if k.Directory != "" || k.PassphraseFile != "" {
			v.fault("keys", "directory and passphrase_file are for the backend file only")
		}
		v.vault(k)
	default:
		v.fault("keys.backend", "want file, transit or vaultkv")
	}
	switch {
	case len(k.Algorithms) == 0:
		v.fault("keys.algorithms", "at least one is required")
	case len(k.SigningAlgs()) == 0 && slices.Contains(k.Algorithms, jose.DecryptionAlg):
		v.fault("keys.algorithms", "at least one that signs is required")
	}
}

func (v *validator) vault(k KeysConfig) {
	c := k.Vault
	if v.required("keys.vault.address", c.Address) {
		if u, err := url.Parse(c.Address); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.Path != "" && u.Path != "/" {
			v.fault("keys.vault.address", "want an https URL, like https://vault.internal:8200")
		}
	}
	for _, name := range []struct{ key, value string }{
		{"transit_mount", c.TransitMount}, {"kv_mount", c.KVMount}, {"prefix", c.Prefix},
	} {
		if !vaultName.MatchString(name.value) || name.key == "prefix" && strings.Contains(name.value, "/") {
			v.fault("keys.vault."+name.key, "want letters, digits, - and _")
		}
	}
	if c.Timeout < 100*time.Millisecond || c.Timeout > 10*time.Second {
		v.fault("keys.vault.timeout", "want 100ms to 10s")
	}
	switch {
	case c.Grace < 0 || c.Grace > time.Hour:
		v.fault("keys.vault.grace", "want 0 to 1h")
	case c.Grace > 0 && k.Backend == KeysTransit:
		v.fault("keys.vault.grace", "must be 0 with transit: no key is here to sign with")
	}
	v.vaultAuth("keys.vault.auth", c.Auth)
	if c.Keeper != (VaultAuth{}) {
		v.vaultAuth("keys.vault.keeper", c.Keeper)
		if c.Keeper.Wrapped {
			v.fault("keys.vault.keeper.wrapped", "must be false: a wrapped secret id serves one process, and each \"signet key\" is another")
		}
	}
}

// vaultAuth wants what the method needs, and nothing that it would ignore.
func (v *validator) vaultAuth(path string, a VaultAuth) {
	given := map[string]string{
		"role_id_file": a.RoleIDFile, "secret_id_file": a.SecretIDFile, "certificate": a.Certificate, "key": a.Key,
		"token_file": a.TokenFile, "jwt_file": a.JWTFile, "role": a.Role,
	}
	needs := map[string][]string{
		vaultAppRole: {"role_id_file", "secret_id_file"}, vaultCert: {"certificate", "key"},
		vaultKubernetes: {"role", "jwt_file"}, vaultTokenFile: {"token_file"},
	}
	needed, known := needs[a.Method]
	switch {
	case !v.required(path+".method", a.Method):
		return
	case !known:
		v.fault(path+".method", "want approle, cert, kubernetes or token_file")
		return
	case !vaultName.MatchString(a.Mount):
		v.fault(path+".mount", "want letters, digits, - and _")
	}
	for _, key := range []string{"role_id_file", "secret_id_file", "certificate", "key", "token_file", "jwt_file", "role"} {
		switch wanted := slices.Contains(needed, key); {
		case wanted:
			v.required(path+"."+key, given[key])
		case given[key] != "" && (key != "role" || a.Method == vaultTokenFile):
			v.fault(fmt.Sprintf("%s.%s", path, key), "is not used by the method %s", a.Method)
		}
	}
	if a.Wrapped && a.Method != vaultAppRole {
		v.fault(path+".wrapped", "is for the method approle only")
	}
}

func (v *validator) outbound(c Config) {
	for i, host := range c.Outbound.AllowHosts {
		if strings.ContainsAny(host, "/@ ") {
			v.fault(fmt.Sprintf("outbound.allow_hosts[%d]", i), "want host or host:port")
		}
	}
	t := c.Telemetry.Traces
	if u, err := url.Parse(t.Endpoint); t.Endpoint != "" && (err != nil || u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Host)) || u.Host == "") {
		v.fault("telemetry.traces.endpoint", "want an https URL, like https://collector.internal:4318/v1/traces; http only to this machine")
	}
	if t.Endpoint != "" && !(t.SampleRatio > 0 && t.SampleRatio <= 1) { // NaN, too
		v.fault("telemetry.traces.sample_ratio", "want more than 0 and at most 1")
	}
}
