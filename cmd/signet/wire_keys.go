package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"signet/provider"
	"signet/provider/keys"
	"signet/provider/keys/file"
	"signet/provider/keys/transit"
	"signet/provider/keys/vault"
	"signet/provider/keys/vaultkv"
)

// keyring is the opened key backend: the keys that sign, and the sealer of secrets at rest.
type keyring struct {
	*keys.Ring
	sealer  keys.Sealer
	vault   *vault.Client    // nil with file
	transit *transit.Backend // nil with the others
}

// close logs out of Vault's watch. A keyring of files has nothing to end.
func (k *keyring) close() error {
	if k.vault == nil {
		return nil
	}
	return k.vault.Close()
}

// identity says on whose behalf the keys are opened: it decides what the key backend permits.
type identity int

const (
	asServer identity = iota // signs; makes and destroys keys only if keys.maintain says so
	asReader                 // a command that looks or seals; makes no keys
	asKeeper                 // "signet key maintain, rotate": makes and destroys keys
)

// openKeys opens the signing keys. What it makes is told to record, as is what the ring makes or destroys later by itself.
func openKeys(ctx context.Context, s system, config provider.Config, log *slog.Logger, who identity, record func(context.Context, keys.Report)) (k *keyring, err error) {
	k, backend, err := openBackend(ctx, s, config, log, who)
	if err != nil {
		return nil, err
	}
	k.Ring, err = keys.NewRing(ctx, backend, keys.Options{
		Clock: s.clock, Algs: config.Keys.Algorithms, Maintain: who == asKeeper || who == asServer && *config.Keys.Maintain, Maintained: record,
		PublishFor: config.Keys.PublishFor, RetireAfter: config.Keys.RetireAfter, ArchiveFor: config.Keys.ArchiveFor, RotateEvery: config.Keys.RotateEvery, Log: log,
	})
	if err != nil {
		err = fmt.Errorf("loading the keys: %w", errors.Join(err, k.close()))
		if errors.Is(err, keys.ErrNoKey) {
			err = next(err, "make the first keys: signet key maintain")
		}
		return nil, err
	}
	return k, nil
}

// openSealer opens the backend for a command that only seals.
func openSealer(ctx context.Context, s system, config provider.Config, log *slog.Logger) (keys.Sealer, func() error, error) {
	k, _, err := openBackend(ctx, s, config, log, asReader)
	if err != nil {
		return nil, nil, err
	}
	return k.sealer, k.close, nil
}

func openBackend(ctx context.Context, s system, config provider.Config, log *slog.Logger, who identity) (k *keyring, backend keys.Backend, err error) {
	k = &keyring{}
	if config.Keys.Backend == provider.KeysFile {
		backend, err = openKeyFiles(ctx, s, config.Keys, log)
	} else {
		backend, err = k.openInVault(ctx, s, config, log, who)
	}
	k.sealer = backend
	return k, backend, err
}

// keeperTimeout is for how long a command that makes keys waits for Vault at least, each time.
const keeperTimeout = 30 * time.Second

func (k *keyring) openInVault(ctx context.Context, s system, config provider.Config, log *slog.Logger, who identity) (keys.Backend, error) {
	v := config.Keys.Vault
	auth, section := v.Auth, "auth"
	switch command := who != asServer; {
	case command && v.Keeper != (provider.VaultAuth{}):
		auth, section = v.Keeper, "keeper"
	case command && auth.Wrapped:
		return nil, next(errors.New("keys.vault.auth has a wrapped secret id, which is for the server's start alone"), "give commands an identity of their own: keys.vault.keeper")
	}
	timeout := v.Timeout
	if who == asKeeper { // making an RSA key can take Vault longer than a request may wait for a signature
		timeout = max(timeout, keeperTimeout)
	}
	client, err := vault.Open(ctx, vault.Options{
		Address: v.Address, CAFile: v.CAFile, Namespace: v.Namespace, Timeout: timeout, Clock: s.clock, Log: log, Auth: vaultIdentity(auth),
	})
	if err != nil {
		return nil, next(fmt.Errorf("logging in to Vault at %s: %w", v.Address, err), "check keys.vault.%s, and that Vault is unsealed; \"signet vault setup\" shows what it needs", section)
	}
	k.vault = client
	var backend keys.Backend
	if config.Keys.Backend == provider.KeysTransit {
		k.transit, err = transit.Open(ctx, transit.Options{
			Client: client, Mount: v.TransitMount, KVMount: v.KVMount, Prefix: v.Prefix, Clock: s.clock, Log: log,
		})
		backend = k.transit
	} else {
		backend, err = vaultkv.Open(ctx, vaultkv.Options{
			Client: client, Mount: v.KVMount, Prefix: v.Prefix, Grace: v.Grace, Clock: s.clock, Random: s.random, Log: log,
		})
	}
	if err != nil {
		gone := errors.Is(err, keys.ErrNoKey) // the error itself says what to do
		err = fmt.Errorf("opening the keys in Vault: %w", errors.Join(err, client.Close()))
		if !gone {
			err = next(err, "see what Vault lacks: signet vault setup")
		}
		return nil, err
	}
	return backend, nil
}

func vaultIdentity(a provider.VaultAuth) vault.Auth {
	return vault.Auth{
		Method: a.Method, Mount: a.Mount, Role: a.Role, RoleIDFile: a.RoleIDFile, SecretIDFile: a.SecretIDFile, Wrapped: a.Wrapped,
		Certificate: a.Certificate, Key: a.Key, TokenFile: a.TokenFile, JWTFile: a.JWTFile,
	}
}

func openKeyFiles(ctx context.Context, s system, config provider.KeysConfig, log *slog.Logger) (keys.Backend, error) {
	backend, err := file.Open(ctx, file.Options{
		Directory: config.Directory, PassphraseFile: config.PassphraseFile, Random: s.random, Log: log,
	})
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, next(fmt.Errorf("opening the keys: %w", err),
			"make the passphrase file: (umask 077; head -c 32 /dev/urandom | base64 > %s)", config.PassphraseFile)
	case err != nil:
		return nil, next(fmt.Errorf("opening the keys: %w", err),
			"check that %s holds the passphrase with which %s was made", config.PassphraseFile, config.Directory)
	}
	return backend, nil
}
