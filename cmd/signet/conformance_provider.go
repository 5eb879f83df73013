package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"signet/conformance"
	"signet/provider"
	"signet/provider/audit"
	"signet/provider/oauth"
)

// conformanceProvider is a provider that some of the runs are against: its folder, in that of all runs, has the setup's
// name.
type conformanceProvider struct {
	*demonstration
	shared *conformanceSetup
	setup  string
	kind   conformanceKind
	runs   []conformance.Run
	// secrets are those of the clients that have one, by client id.
	secrets  map[string]oauth.Secret
	jobs     []conformance.Job
	rotation rotation
}

func (s *conformanceSetup) newProvider(setup string, kind conformanceKind) *conformanceProvider {
	return &conformanceProvider{
		demonstration: &demonstration{
			console: s.console, o: demoOptions{dir: s.path(setup)}, clients: map[string]clientSettings{}, log: s.log,
		},
		shared: s, setup: setup, kind: kind, secrets: map[string]oauth.Secret{},
	}
}

// configure makes the provider's folder.
func (p *conformanceProvider) configure(ctx context.Context, show progress, o conformanceOptions) error {
	for _, step := range []struct {
		what string
		do   func() (string, error)
	}{
		{"configuration " + p.path("signet.yaml"), p.writeConfig},
		{"clients and a user in a fresh database", func() (string, error) { return p.registerClients(ctx, o.adapt) }},
		{"the suite's configurations", func() (string, error) { return "", p.writeJobs(o) }},
	} {
		if err := show.step(step.what, step.do); err != nil {
			return err
		}
	}
	return nil
}

// writeConfig writes signet.yaml, with the files that it names, and reads it back.
func (p *conformanceProvider) writeConfig() (string, error) {
	u, err := url.Parse(p.shared.suiteURL)
	if err != nil {
		return "", err
	}
	ca := ""
	if p.shared.suiteCA != "" {
		if ca, err = filepath.Abs(p.shared.suiteCA); err != nil {
			return "", err
		}
	}
	text, err := renderConformanceConfig(p.kind, conformanceConfig{ports: p.ports, SuiteHost: u.Host, SuiteCA: ca})
	if err != nil {
		return "", err
	}
	salt, err := oauth.NewSecret(p.random)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(p.path("clients"), 0o700); err != nil {
		return "", err
	}
	if _, _, err := p.ensureSecret("passphrase"); err != nil {
		return "", err
	}
	for name, data := range map[string][]byte{
		"pairwise-salt": []byte(salt), "account_information.schema.json": []byte(accountInformationSchema), "signet.yaml": text,
	} {
		if err := os.WriteFile(p.path(name), data, 0o600); err != nil {
			return "", err
		}
	}
	for i := range p.runs {
		if run := &p.runs[i]; !run.WithoutAlias() {
			run.Alias = fmt.Sprintf("%s-%d", run.Name, p.ports.Main) // nobody else has the port now
		}
	}
	p.config, err = provider.LoadConfig(p.path("signet.yaml"))
	return p.config.Issuer, err
}

// registerClients adds the user and the clients to the fresh database.
func (p *conformanceProvider) registerClients(ctx context.Context, adapt func(*oauth.Client)) (remark string, err error) {
	db, err := p.openDatabase(ctx, p.config)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	r := &registrar{system: p.system, db: db, config: p.config}
	var closeKeys func() error
	if r.sealer, closeKeys, err = openSealer(ctx, p.system, p.config, p.quietLog()); err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, closeKeys()) }()
	if err := p.addUsers(ctx, r); err != nil {
		return "", err
	}
	clients, err := p.registrations()
	if err != nil {
		return "", err
	}
	for _, client := range clients {
		if adapt != nil {
			adapt(&client)
		}
		if _, err := r.addClient(ctx, client, p.secrets[client.ID]); err != nil {
			return "", err
		}
		raw, err := json.MarshalIndent(client, "", "  ")
		if err == nil {
			err = os.WriteFile(p.path("clients", client.ID+".json"), raw, 0o600)
		}
		if err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%d clients", len(clients)), nil
}

// addUsers adds a user for each run: runs at the same time log in at the same time, and one user cannot do that often.
func (p *conformanceProvider) addUsers(ctx context.Context, r *registrar) error {
	hash, err := hashPassword(oauth.Secret(p.shared.password))
	if err != nil {
		return err
	}
	for _, run := range p.runs {
		id, err := oauth.NewID(r.random)
		if err != nil {
			return err
		}
		user := oauth.User{ID: id, Username: run.Name, PasswordHash: hash, Claims: conformanceClaims(), CreatedAt: r.clock().UTC()}
		if err := r.commit(ctx, audit.UserAdded, oauth.AuditEntry{Subject: id}, oauth.StoreUser{User: user, New: true}); err != nil {
			return err
		}
	}
	return nil
}

// writeJobs writes the suite's configuration of each run.
func (p *conformanceProvider) writeJobs(o conformanceOptions) error {
	for _, run := range p.runs {
		config, err := run.Config(p.suiteSetup(run))
		if err != nil {
			return fmt.Errorf("%s: %w", run.Name, err)
		}
		if err := os.WriteFile(p.shared.path("plans", run.Name+".json"), config, 0o600); err != nil {
			return err
		}
		p.jobs = append(p.jobs, conformance.Job{Run: run, Config: config, Modules: o.module})
	}
	return nil
}

// suiteSetup is what the suite has to know of the run.
func (p *conformanceProvider) suiteSetup(run conformance.Run) conformance.Setup {
	setup := conformance.Setup{
		Suite: p.shared.suite, Issuer: p.config.Issuer, ResourceURL: p.config.Resources[0].ID + "/accounts",
		Username: run.Name, Password: p.shared.password,
		Details:     json.RawMessage(`[{"type": "account_information", "actions": ["list_accounts", "read_balances"]}]`),
		ACR:         p.config.Authentication.PasswordACR[0],
		ApprovalURL: p.config.Issuer + "/ciba/development/{auth_req_id}/{action}",
		Clients:     p.shared.parties, InitialToken: p.shared.initialToken,
	}
	for i := range setup.Clients {
		c := &setup.Clients[i]
		c.ID, c.Scope = conformanceClientID(run, i), conformanceScope(run)
		c.Secret = string(p.secrets[c.ID])
	}
	id := conformancePostID(run)
	setup.PostClient = conformance.Client{ID: id, Secret: string(p.secrets[id])}
	return setup
}

func conformanceClientID(run conformance.Run, i int) string {
	return fmt.Sprintf("%s-%d", run.Name, i+1)
}

// conformancePostID is the run's client that sends its secret in the form.
func conformancePostID(run conformance.Run) string { return run.Name + "-post" }

// conformanceScope is what the suite asks for in FAPI's plans, and what the clients can have. With offline_access there
// are refresh tokens in OpenID Connect, too, so that their modules have something to do.
func conformanceScope(run conformance.Run) string {
	switch {
	case run.Connect():
		return "openid profile email address phone offline_access"
	case !run.OpenID():
		return "accounts"
	}
	return oauth.ScopeOpenID + " accounts " + oauth.ScopeOfflineAccess
}

// registeredScope is what the client may have. A module asks for all standard claims by name, which is as much as to ask
// for their scopes (OpenID Connect Core section 5.5).
func registeredScope(run conformance.Run) string {
	scope := conformanceScope(run)
	if run.OpenID() && !run.Connect() {
		scope += " profile email address phone"
	}
	return scope
}
