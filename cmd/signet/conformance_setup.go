package main

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"time"

	"signet/conformance"
)

// conformanceSetup is a folder in which everything for the runs has been made: what all of them share, and below it a
// folder for each provider.
type conformanceSetup struct {
	*demonstration // its folder, certificates, secrets and keys are made in the same way
	suite          *conformance.Suite
	suiteURL       string
	suiteCA        string // PEM file; "" = the system's
	runs           []conformance.Run
	parties        [2]conformance.Client // without the ids and scopes, which are the runs'
	initialToken   string                // with which the suite registers clients
	providers      []*conformanceProvider
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
	if err := s.splitRuns(); err != nil {
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
		{"free ports", func() (string, error) { return "", s.choosePorts(ctx) }},
	} {
		if err := p.step(step.what, step.do); err != nil {
			return nil, err
		}
	}
	for _, provider := range s.providers {
		if err := provider.configure(ctx, p, o); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// splitRuns gives each of the runs to the provider with its configuration, in the runs' order.
func (s *conformanceSetup) splitRuns() error {
	for _, run := range s.runs {
		i := slices.IndexFunc(s.providers, func(p *conformanceProvider) bool { return p.setup == run.Setup })
		if i < 0 {
			kind, known := conformanceKinds[run.Setup]
			if !known {
				return fmt.Errorf("%s: there is no setup %q", run.Name, run.Setup)
			}
			i = len(s.providers)
			s.providers = append(s.providers, s.newProvider(run.Setup, kind))
		}
		s.providers[i].runs = append(s.providers[i].runs, run)
	}
	return nil
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
	names := []string{"plans"}
	for name := range conformanceKinds {
		names = append(names, name)
	}
	for _, name := range names {
		if err := os.RemoveAll(s.path(name)); err != nil {
			return err
		}
	}
	return errors.Join(os.MkdirAll(s.path("plans"), 0o700), os.WriteFile(marker, []byte("{}\n"), 0o600))
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

// choosePorts fills in free ports for those that were not given. The given ones are the first provider's.
func (s *conformanceSetup) choosePorts(ctx context.Context) error {
	var held []net.Listener
	defer func() {
		for _, listener := range held {
			_ = listener.Close()
		}
	}()
	for i, p := range s.providers {
		p.ports = ports{Host: s.o.ports.Host}
		if i == 0 {
			p.ports = s.o.ports
		}
		for _, port := range []*int{&p.ports.Main, &p.ports.MTLS, &p.ports.Operations, &p.ports.Resource} {
			if *port != 0 {
				continue
			}
			listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(p.ports.Host, "0"))
			if err != nil {
				return err
			}
			held = append(held, listener)
			*port = int(netip.MustParseAddrPort(listener.Addr().String()).Port())
		}
	}
	return nil
}

// conformancePatience is for how long what is started may take until it answers.
const conformancePatience = 30 * time.Second
