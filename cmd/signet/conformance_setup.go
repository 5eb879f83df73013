package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"signet/conformance"
	"signet/provider"
	"signet/provider/oauth"
)

// conformanceSetup is a folder in which everything for the runs has been made.
type conformanceSetup struct {
	*demonstration // its folder, certificates, secrets and keys are made in the same way
	suite          *conformance.Suite
	suiteURL       string
	suiteCA        string // PEM file; "" = the system's
	runs           []conformance.Run
	parties        [2]conformance.Client // without the ids and scopes, which are the runs'
	initialToken   string                // with which the suite registers clients
	jobs           []conformance.Job
}

// conformanceMarker is a file by which the folder is known to be ours, so that making everything afresh removes
// nothing of anybody else's.
const conformanceMarker = "conformance.json"

// configureConformance makes everything afresh, except certificates, keys and earlier results.
func (c *console) configureConformance(ctx context.Context, o conformanceOptions) (*conformanceSetup, error) {
	runs, err := selectRuns(o.plans)
	if err != nil {
		return nil, err
	}
	s := &conformanceSetup{runs: runs, suiteURL: o.suite, suiteCA: o.suiteCA}
	s.demonstration = &demonstration{console: c, o: demoOptions{dir: o.dir, ports: o.ports}, clients: map[string]clientSettings{}}
	if s.log, err = (&logOptions{format: "text", level: "info"}).logger(c.err); err != nil {
		return nil, err
	}
	p := progress{out: c.err, clock: c.clock}
	for _, step := range []struct {
		what string
		do   func() (string, error)
	}{
		{"the folder " + o.dir, func() (string, error) { return "", s.clean() }},
		{"the suite at " + o.suite, func() (string, error) { return s.findSuite(ctx) }},
		{"certificates and keys (RSA takes a moment)", func() (string, error) { return "", s.ensureCredentials() }},
		{"configuration " + s.path("signet.yaml"), func() (string, error) { return s.writeConformanceConfig(ctx) }},
		{"clients and a user in a fresh database", func() (string, error) { return s.registerConformance(ctx, o.adapt) }},
		{"the suite's configurations", func() (string, error) { return "", s.writeJobs(o) }},
	} {
		if err := p.step(step.what, step.do); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// clean removes what an earlier run has left, or makes the folder.
func (s *conformanceSetup) clean() error {
	if err := os.MkdirAll(s.path(), 0o700); err != nil {
		return err
	}
	marker := s.path(conformanceMarker)
	entries, err := os.ReadDir(s.path())
	if err != nil {
		return err
	}
	if _, err := os.Stat(marker); errors.Is(err, fs.ErrNotExist) && len(entries) > 0 {
		return next(fmt.Errorf("%s is not empty and not of an earlier run", s.path()), "give another --dir")
	}
	for _, name := range []string{"signet.db", "signet.db-wal", "signet.db-shm", "keys", "audit", "plans", "clients", "signet.log", "resource-server.log"} {
		if err := os.RemoveAll(s.path(name)); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(s.path("clients"), 0o700); err != nil {
		return err
	}
	return os.WriteFile(marker, []byte("{}\n"), 0o600)
}

// findSuite connects to the suite. One on this machine has a certificate of its own making: that is taken, and
// written down for the provider, which calls the suite too.
func (s *conformanceSetup) findSuite(ctx context.Context) (string, error) {
	if s.suiteCA == "" {
		if err := s.takeSuiteCertificate(ctx); err != nil {
			return "", err
		}
	}
	var err error
	if s.suite, err = openSuite(ctx, s.suiteURL, s.suiteCA); err != nil {
		return "", err
	}
	version, err := s.suite.Version(ctx)
	return "version " + version, err
}

func (s *conformanceSetup) takeSuiteCertificate(ctx context.Context) error {
	u, err := url.Parse(s.suiteURL)
	if err != nil || u.Scheme != "https" || u.Port() == "" {
		return nil // the connection will say what is wrong
	}
	if local, err := onThisMachine(ctx, u.Hostname()); err != nil || !local {
		return err
	}
	dialer := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}} //nolint:gosec // only to read the certificate, of this machine
	connection, err := dialer.DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return next(fmt.Errorf("the suite does not answer: %w", err), startSuite)
	}
	chain := connection.(*tls.Conn).ConnectionState().PeerCertificates
	if err := connection.Close(); err != nil {
		return err
	}
	var text []byte
	for _, cert := range chain {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})...)
	}
	s.suiteCA = s.path("suite.pem")
	return os.WriteFile(s.suiteCA, text, 0o600)
}

// onThisMachine says whether all of the host's addresses are loopback ones.
func onThisMachine(ctx context.Context, host string) (bool, error) {
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return false, next(err, "the suite's host must be known here; for the default one, add to the hosts file: 127.0.0.1 %s", host)
	}
	for _, address := range addresses {
		if !address.Unmap().IsLoopback() {
			return false, nil
		}
	}
	return len(addresses) > 0, nil
}

// writeConformanceConfig writes signet.yaml and reads it back.
func (s *conformanceSetup) writeConformanceConfig(ctx context.Context) (string, error) {
	if err := s.choosePorts(ctx); err != nil {
		return "", err
	}
	u, err := url.Parse(s.suiteURL)
	if err != nil {
		return "", err
	}
	ca := ""
	if s.suiteCA != "" {
		if ca, err = filepath.Abs(s.suiteCA); err != nil {
			return "", err
		}
	}
	text, err := renderConformanceConfig(conformanceConfig{ports: s.ports, SuiteHost: u.Host, SuiteCA: ca})
	if err != nil {
		return "", err
	}
	schema := s.path("account_information.schema.json")
	if err := errors.Join(os.WriteFile(schema, []byte(accountInformationSchema), 0o600), os.WriteFile(s.path("signet.yaml"), text, 0o600)); err != nil {
		return "", err
	}
	for i := range s.runs {
		s.runs[i].Alias = fmt.Sprintf("%s-%d", s.runs[i].Name, s.ports.Main) // nobody else has the port now
	}
	s.config, err = provider.LoadConfig(s.path("signet.yaml"))
	return s.config.Issuer, err
}

// choosePorts fills in free ports for those that were not given.
func (s *conformanceSetup) choosePorts(ctx context.Context) error {
	s.ports = s.o.ports
	var held []net.Listener
	defer func() {
		for _, listener := range held {
			_ = listener.Close()
		}
	}()
	for _, port := range []*int{&s.ports.Main, &s.ports.MTLS, &s.ports.Operations, &s.ports.Resource} {
		if *port != 0 {
			continue
		}
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(s.ports.Host, "0"))
		if err != nil {
			return err
		}
		held = append(held, listener)
		*port = int(netip.MustParseAddrPort(listener.Addr().String()).Port())
	}
	return nil
}

// writeJobs writes the suite's configuration of each run.
func (s *conformanceSetup) writeJobs(o conformanceOptions) error {
	if err := os.MkdirAll(s.path("plans"), 0o700); err != nil {
		return err
	}
	for _, run := range s.runs {
		config, err := run.Config(s.setup(run))
		if err != nil {
			return fmt.Errorf("%s: %w", run.Name, err)
		}
		if err := os.WriteFile(s.path("plans", run.Name+".json"), config, 0o600); err != nil {
			return err
		}
		s.jobs = append(s.jobs, conformance.Job{Run: run, Config: config, Modules: o.module})
	}
	return nil
}

// setup is what the suite has to know of the run.
func (s *conformanceSetup) setup(run conformance.Run) conformance.Setup {
	setup := conformance.Setup{
		Suite: s.suite, Issuer: s.config.Issuer, ResourceURL: s.config.Resources[0].ID + "/accounts",
		Username: conformanceUser, Password: s.password,
		Details:     json.RawMessage(`[{"type": "account_information", "actions": ["list_accounts", "read_balances"]}]`),
		ACR:         s.config.Authentication.PasswordACR[0],
		ApprovalURL: s.config.Issuer + "/ciba/development/{auth_req_id}/{action}",
		Clients:     s.parties, InitialToken: s.initialToken,
	}
	for i := range setup.Clients {
		setup.Clients[i].ID, setup.Clients[i].Scope = conformanceClientID(run, i), conformanceScope(run)
	}
	return setup
}

func conformanceClientID(run conformance.Run, i int) string {
	return fmt.Sprintf("%s-%d", run.Name, i+1)
}

// conformanceScope is what the suite asks for. With offline_access there are refresh tokens in OpenID Connect,
// too, so that their modules have something to do.
func conformanceScope(run conformance.Run) string {
	if !run.OpenID() {
		return "accounts"
	}
	return oauth.ScopeOpenID + " accounts " + oauth.ScopeOfflineAccess
}

// conformanceUser signs in to all that the suite asks for.
const conformanceUser = "alice"

// conformancePatience is for how long what is started may take until it answers.
const conformancePatience = 30 * time.Second
