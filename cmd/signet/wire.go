package main

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"signet/mtls"
	"signet/policy"
	"signet/provider"
	"signet/provider/audit"
	"signet/provider/fetch"
	"signet/provider/oauth"
	"signet/provider/store"
	"signet/provider/telemetry"
)

// This file and its neighbour wire_keys.go are the only ones that name a concrete store, key backend or policy
// engine, and this one is the only one that reads the system's clock and randomness.

// system is where time and randomness come from.
type system struct {
	clock  oauth.Clock
	random oauth.Random
}

func realSystem() system { return system{clock: time.Now, random: rand.Reader} }

// database is what the administration commands need of the store.
type database interface {
	Client(ctx context.Context, id string) (*oauth.Client, error)
	Clients(ctx context.Context) ([]oauth.Client, error)
	User(ctx context.Context, id string) (oauth.User, error)
	UserByName(ctx context.Context, username string) (oauth.User, error)
	Users(ctx context.Context) ([]oauth.User, error)
	Grant(ctx context.Context, id string) (oauth.Grant, error)
	Commit(ctx context.Context, changes ...oauth.Change) error
	Close() error

	listGrants(ctx context.Context, clientID, userID string, limit int) ([]oauth.Grant, error)
	listAudit(ctx context.Context, q auditQuery) ([]oauth.AuditEntry, error)
}

// auditQuery selects audit entries; empty fields select all.
type auditQuery struct {
	clientID, event, requestID string
	since                      time.Time
	limit                      int
}

// administered adds the listings, whose filters are the store's own types.
type administered struct{ *store.Store }

func (a administered) listGrants(ctx context.Context, clientID, userID string, limit int) ([]oauth.Grant, error) {
	return a.Grants(ctx, store.GrantFilter{ClientID: clientID, UserID: userID, Limit: limit})
}

func (a administered) listAudit(ctx context.Context, q auditQuery) ([]oauth.AuditEntry, error) {
	return a.AuditEntries(ctx, store.AuditFilter{
		ClientID: q.clientID, Event: q.event, RequestID: q.requestID, Since: q.since, Limit: q.limit,
	})
}

func openStore(ctx context.Context, s system, config provider.Config, log *slog.Logger) (*store.Store, error) {
	db, err := store.Open(ctx, config.Store.DSN, store.Options{
		Clock: s.clock, Random: s.random, Log: log, KeepAudit: config.Store.KeepAudit, NoMigrate: config.Store.Migrate == provider.MigrateNever,
	})
	switch {
	case errors.Is(err, store.ErrSchema):
		return nil, next(fmt.Errorf("opening the database: %w", err), "bring it up to date: signet migrate up")
	case err != nil && strings.HasPrefix(config.Store.DSN, "mysql:"):
		return nil, next(fmt.Errorf("opening the database: %w", err), "check store.dsn (%s), and that the server is up", config.Store.DSN)
	case err != nil:
		return nil, next(fmt.Errorf("opening the database: %w", err),
			"check store.dsn (%s): the folder must exist and be writable for this account", config.Store.DSN)
	}
	return db, nil
}

// openDatabase opens the store for an administration command.
func (c *console) openDatabase(ctx context.Context, config provider.Config) (database, error) {
	db, err := openStore(ctx, c.system, config, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	return administered{db}, nil
}

func openPolicy(ctx context.Context, s system, directory string, timeout time.Duration) (*policy.Engine, error) {
	engine, err := policy.New(ctx, policy.Options{Directory: directory, Clock: s.clock, Random: s.random, Timeout: timeout})
	if err != nil {
		return nil, next(fmt.Errorf("loading the policy: %w", err), "correct the bundle and try it with: signet policy check %s", directory)
	}
	return engine, nil
}

// house is a provider with everything that it stands on.
type house struct {
	config   provider.Config
	log      *slog.Logger
	store    *store.Store
	keys     *keyring
	policy   *policy.Engine
	anchors  *mtls.Anchors
	audit    *audit.Spool
	record   *audit.Recorder
	provider *provider.Provider

	telemetry *telemetry.Telemetry
}

// openHouse builds it from bottom to top. Each step that can take long prints a line.
func openHouse(ctx context.Context, s system, config provider.Config, log *slog.Logger, p progress) (h *house, err error) {
	h = &house{config: config, log: log, record: audit.NewRecorder(s.clock, s.random)}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.close())
		}
	}()
	steps := []struct {
		what string
		do   func() (string, error)
	}{
		{"opening the database", func() (_ string, err error) {
			h.store, err = openStore(ctx, s, config, log)
			return config.Store.DSN, err
		}},
		{"opening the signing keys", func() (_ string, err error) {
			h.keys, err = openKeys(ctx, s, config, log, asServer, h.recordKeys)
			return "", err
		}},
		{"compiling the policy", func() (_ string, err error) {
			if h.policy, err = openPolicy(ctx, s, config.Policy.Directory, config.Policy.Timeout); err != nil {
				return "", err
			}
			return "revision " + h.policy.Revision(), nil
		}},
		{"reading trust anchors and revocation lists", func() (_ string, err error) {
			h.anchors, err = mtls.NewAnchors(anchorsConfig(config), s.clock)
			return "", err
		}},
		{"opening the audit queue", func() (_ string, err error) {
			h.audit, err = audit.Open(config.Audit.Spool, audit.Options{
				MaxBytes: config.Audit.MaxBytes, Sink: h.store, Clock: s.clock, Log: log,
			})
			return "", err
		}},
	}
	for _, step := range steps {
		if err = p.step(step.what, step.do); err != nil {
			return h, err
		}
	}
	if h.telemetry, err = openTelemetry(ctx, config, s, log); err != nil {
		return h, err
	}
	outbound, device, err := newFetch(s, config)
	if err != nil {
		return h, err
	}
	h.provider, err = provider.New(config, provider.Deps{
		Store: h.store, Keys: h.keys.Ring, Sealer: h.keys.sealer, Policy: h.policy, Anchors: h.anchors,
		Fetch: outbound, Device: device, Audit: h.audit, Clock: s.clock, Random: s.random, Log: log, Telemetry: h.telemetry,
	})
	return h, err
}

// close ends it from top to bottom: the audit queue drains into the store, so the store closes last.
func (h *house) close() error {
	var errs []error
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if h.audit != nil {
		errs = append(errs, h.audit.Close(ctx))
	}
	if h.keys != nil {
		errs = append(errs, h.keys.close())
	}
	if h.store != nil {
		errs = append(errs, h.store.Close())
	}
	if h.telemetry != nil {
		if err := h.telemetry.Close(ctx); err != nil {
			h.log.Warn("the last traces were not delivered", "cause", err)
		}
	}
	return errors.Join(errs...)
}

func anchorsConfig(config provider.Config) mtls.AnchorsConfig {
	requireCRL := config.ClientCertificates.RequireCRL
	return mtls.AnchorsConfig{
		CAFiles: config.ClientCertificates.TrustAnchors, CRLFiles: config.ClientCertificates.CRLs,
		RequireCRL: requireCRL != nil && *requireCRL,
	}
}

// newFetch makes the client for what clients publish, and the one that may reach the device service besides, wherever
// that is: the operator wrote its address, and no client can.
func newFetch(s system, config provider.Config) (outbound, device *fetch.Client, err error) {
	options := fetch.Options{AllowHosts: config.Outbound.AllowHosts, Timeout: config.Outbound.Timeout, Clock: s.clock}
	if len(config.Outbound.CAFiles) > 0 {
		pool, err := x509.SystemCertPool()
		if err != nil {
			return nil, nil, fmt.Errorf("reading the system's CAs: %w", err)
		}
		for _, name := range config.Outbound.CAFiles {
			if err := addCAs(pool, name); err != nil {
				return nil, nil, fmt.Errorf("outbound.ca_files: %w", err)
			}
		}
		options.RootCAs = pool
	}
	own := options
	own.AllowHosts = nil
	if address := config.CIBA.Device.URL; address != "" {
		host, err := fetch.HostPort(address)
		if err != nil {
			return nil, nil, fmt.Errorf("ciba.device.url: %w", err)
		}
		own.AllowHosts = []string{host}
	}
	return fetch.New(options), fetch.New(own), nil
}

func addCAs(pool *x509.CertPool, name string) error {
	raw, err := os.ReadFile(name) //nolint:gosec // the operator names the file
	if err != nil {
		return err
	}
	if !pool.AppendCertsFromPEM(raw) {
		return fmt.Errorf("%s has no PEM certificate", name)
	}
	return nil
}
