package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"signet/conformance"
)

// errRunsDone ends the servers when the runs are.
var errRunsDone = errors.New("the runs are done")

// runConformance configures, starts the provider and the resource server, and runs the plans. What it returns may
// be incomplete when the error is not nil.
func (c *console) runConformance(ctx context.Context, o conformanceOptions) ([]conformance.RunResult, error) {
	s, err := c.configureConformance(ctx, o)
	if err != nil {
		return nil, err
	}
	if o.prepared != nil {
		for _, p := range s.providers {
			if err := o.prepared(p); err != nil {
				return nil, err
			}
		}
	}
	expected, err := conformance.Expectations()
	if err != nil {
		return nil, err
	}
	var results []conformance.RunResult
	g, serving := errgroup.WithContext(ctx)
	for _, p := range s.providers {
		g.Go(func() error { return p.serveProvider(serving, o) })
		if p.kind.resourceServer {
			g.Go(func() error { return p.serveResource(serving, o) })
		}
	}
	g.Go(func() error {
		if err := s.awaitServers(serving); err != nil {
			return err
		}
		results, err = s.runJobs(serving, o, expected)
		if err != nil {
			return err
		}
		return errRunsDone
	})
	if err := g.Wait(); !errors.Is(err, errRunsDone) {
		return results, err
	}
	return results, nil
}

func (s *conformanceSetup) runJobs(ctx context.Context, o conformanceOptions, expected []conformance.Expectation) ([]conformance.RunResult, error) {
	camera := &conformance.Chromium{}
	defer camera.Close()
	if err := (progress{out: s.err, clock: s.clock}).step("a browser for the pictures", func() (string, error) { return "", camera.Warm() }); err != nil {
		return nil, next(err, "install Chromium, or try: make tools")
	}
	var jobs []conformance.Job
	for _, p := range s.providers {
		jobs = append(jobs, p.jobs...)
	}
	show := newConformanceProgress(s.err, s.clock, o.verbose, len(jobs))
	defer show.close()
	commit := buildCommit(ctx)
	runner := &conformance.Runner{
		Suite: s.suite, Camera: camera, Events: show, Clock: s.clock, Expected: expected,
		Parallel: o.parallel, ModuleLimit: o.limit, Quiet: o.quiet,
		Prepare: map[string]conformance.Preparation{
			"oidcc-server-rotate-keys": {Do: s.rotateKeys, Limit: rotationLimit},
		},
		Done: func(ctx context.Context, result *conformance.RunResult) error {
			result.Commit = commit
			return s.keep(ctx, result)
		},
	}
	return runner.Run(ctx, jobs)
}

// keep writes the run's result and the suite's own logs of it. A part of a plan is no result to keep.
func (s *conformanceSetup) keep(ctx context.Context, result *conformance.RunResult) error {
	if result.Partial || result.PlanID == "" {
		return nil
	}
	dir := s.path("results")
	if err := os.MkdirAll(filepath.Join(dir, "logs"), 0o700); err != nil {
		return err
	}
	if err := conformance.KeepLogs(ctx, s.suite, filepath.Join(dir, "logs"), result); err != nil {
		s.note("the logs of %s were not exported: %v", result.Name, err)
	}
	if err := conformance.WriteResult(dir, *result); err != nil {
		return err
	}
	all, err := conformance.ReadResults(dir)
	if err != nil {
		return err
	}
	return conformance.WriteReport(s.path("report"), all)
}

// serveProvider runs "signet serve" until ctx ends.
func (p *conformanceProvider) serveProvider(ctx context.Context, o conformanceOptions) error {
	program := o.program
	if program == "" {
		var err error
		if program, err = os.Executable(); err != nil {
			return err
		}
	}
	return runChild(ctx, child{
		what: "the provider " + p.setup, program: program, environment: o.environment, log: p.path("signet.log"),
		args: []string{"serve", "--config", p.path("signet.yaml"), "--log-format", "text", "--log-level", "debug", "--drain", "2s"},
	})
}

// serveResource runs the sample resource server until ctx ends. It asks about every token, so that a revocation
// counts at once.
func (p *conformanceProvider) serveResource(ctx context.Context, o conformanceOptions) error {
	program := o.resourceServer
	if program == "" {
		var err error
		if program, err = besideThisProgram("resource-server"); err != nil {
			return err
		}
	}
	return runChild(ctx, child{
		what: "the sample resource server", program: program, log: p.path("resource-server.log"),
		args: []string{
			"--listen", fmt.Sprintf("%s:%d", p.ports.Host, p.ports.Resource),
			"--issuer", p.config.Issuer, "--audience", p.config.Resources[0].ID,
			"--cert", p.config.Main.Certificate, "--key", p.config.Main.Key, "--ca", p.shared.path("pki", "ca.pem"),
			"--introspect-client", introspector, "--introspect-key", p.shared.path("pki", introspector+"-key.pem"), "--introspect-always",
		},
	})
}

func (s *conformanceSetup) awaitServers(ctx context.Context) error {
	transport, err := (&clientSettings{CA: s.path("pki", "ca.pem")}).transport()
	if err != nil {
		return err
	}
	client := &http.Client{Transport: transport, Timeout: time.Second}
	defer transport.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, conformancePatience)
	defer cancel()
	return progress{out: s.err, clock: s.clock}.step("starting what the suite calls", func() (string, error) {
		for _, p := range s.providers {
			for _, address := range p.addresses() {
				if err := awaitAnswer(ctx, client, address); err != nil {
					return "", next(err, "read the logs in %s", p.path())
				}
			}
		}
		return "ready", nil
	})
}

// addresses are what answers when everything is up.
func (p *conformanceProvider) addresses() []string {
	list := []string{p.config.Main.BaseURL + "/jwks", p.config.MTLS.BaseURL + "/jwks"}
	if p.kind.resourceServer {
		list = append(list, p.config.Resources[0].ID+"/accounts")
	}
	return list
}

// buildCommit is the commit that this program was built from; if it does not know, that of the working folder.
func buildCommit(ctx context.Context) string {
	commit, modified := "", false
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, setting := range info.Settings {
			switch setting.Key {
			case "vcs.revision":
				commit = setting.Value
			case "vcs.modified":
				modified = setting.Value == "true"
			}
		}
	}
	if commit == "" {
		out, err := exec.CommandContext(ctx, "git", "rev-parse", "HEAD").Output()
		if err != nil {
			return ""
		}
		commit = strings.TrimSpace(string(out))
		status, err := exec.CommandContext(ctx, "git", "status", "--porcelain").Output()
		modified = err != nil || len(status) > 0
	}
	if modified {
		commit += " with changes"
	}
	return commit
}
