package main

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"signet/conformance"
	"signet/provider"
	"signet/provider/oauth"
)

// unrunConformance is a setup of the runs that has found no suite.
func unrunConformance(t *testing.T, plans string) *conformanceSetup {
	t.Helper()
	runs, err := selectRuns(plans)
	ok(t, err)
	suite, err := conformance.NewSuite("https://suite.test:8443", http.DefaultClient)
	ok(t, err)
	c := &console{in: strings.NewReader(""), out: io.Discard, err: io.Discard, system: realSystem()}
	s := &conformanceSetup{runs: runs, suite: suite, suiteURL: suite.URL()}
	s.demonstration = &demonstration{
		console: c, o: demoOptions{dir: filepath.Join(t.TempDir(), "runs"), ports: ports{Host: "127.0.0.1"}}, clients: map[string]clientSettings{},
	}
	s.log = c.quietLog()
	ok(t, s.splitRuns())
	ok(t, s.clean())
	ok(t, s.ensureCredentials())
	ok(t, s.choosePorts(t.Context()))
	return s
}

// TestConformanceSetups makes everything for all runs, as far as that needs no suite: each configuration is valid, and
// each client can be registered with it.
func TestConformanceSetups(t *testing.T) {
	s := unrunConformance(t, "")
	if len(s.providers) != len(conformanceKinds) {
		t.Errorf("the runs need %d setups, there are %d", len(s.providers), len(conformanceKinds))
	}
	seen, jobs := map[int]bool{}, 0
	for _, p := range s.providers {
		t.Run(p.setup, func(t *testing.T) {
			ok(t, p.configure(t.Context(), progress{out: io.Discard, clock: s.clock}, conformanceOptions{}))
			jobs += len(p.jobs)
			for _, port := range []int{p.ports.Main, p.ports.MTLS, p.ports.Operations, p.ports.Resource} {
				if seen[port] {
					t.Errorf("port %d is used twice", port)
				}
				seen[port] = true
			}
			for _, job := range p.jobs {
				if _, err := os.Stat(s.path("plans", job.Name+".json")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	if jobs != len(s.runs) {
		t.Errorf("%d jobs for %d runs", jobs, len(s.runs))
	}
	// A second time it begins afresh.
	ok(t, s.clean())
	if _, err := os.Stat(s.providers[0].path("signet.yaml")); err == nil {
		t.Error("the last run's configuration is still there")
	}
}

// TestConnectClients looks at what an operator would register for OpenID Connect's own plans.
func TestConnectClients(t *testing.T) {
	suite, err := conformance.NewSuite("https://suite.test:8443", http.DefaultClient)
	ok(t, err)
	shared := &conformanceSetup{suite: suite}
	shared.parties[0].JWKS, shared.parties[1].JWKS = []byte(`{"keys":[{"kid":"a","d":"private"}]}`), []byte(`{"keys":[{"kid":"b"}]}`)
	p := &conformanceProvider{
		demonstration: &demonstration{console: &console{system: realSystem()}, config: provider.Config{Resources: []provider.Resource{{ID: "https://api.test"}}}},
		shared:        shared, secrets: map[string]oauth.Secret{},
	}
	runs, err := conformance.Runs()
	ok(t, err)
	for name, want := range map[string]struct {
		types, grants  string
		method         oauth.AuthMethod
		front, back    bool
		withoutASecret bool
	}{
		"oidcc-basic-static":             {types: "code", grants: "authorization_code refresh_token", method: oauth.AuthSecretBasic},
		"oidcc-implicit-static":          {types: "id_token, id_token token", grants: "implicit", method: oauth.AuthSecretBasic},
		"oidcc-formpost-hybrid-static":   {types: "code id_token, code token, code id_token token", grants: "authorization_code refresh_token implicit", method: oauth.AuthSecretBasic},
		"oidcc-frontchannel-code-static": {types: "code", grants: "authorization_code refresh_token", method: oauth.AuthSecretBasic, front: true},
		"oidcc-backchannel-code-static":  {types: "code", grants: "authorization_code refresh_token", method: oauth.AuthSecretBasic, back: true},
		"oidcc-test-pkjwt-static":        {types: "code", grants: "authorization_code refresh_token", method: oauth.AuthPrivateKeyJWT, withoutASecret: true},
		"oidcc-test-none-static":         {types: "code", grants: "authorization_code refresh_token", method: oauth.AuthNone, withoutASecret: true},
	} {
		i := slices.IndexFunc(runs, func(r conformance.Run) bool { return r.Name == name })
		if i < 0 {
			t.Errorf("there is no run %s", name)
			continue
		}
		run := runs[i]
		run.Alias = "x"
		clients, err := p.connectClients(run)
		ok(t, err)
		c := clients[0]
		if got := strings.Join(c.ResponseTypes, ", "); got != want.types || strings.Join(c.GrantTypes, " ") != want.grants || c.AuthMethod != want.method {
			t.Errorf("%s: %s by %v with %s", name, got, c.GrantTypes, c.AuthMethod)
		}
		if (c.FrontchannelLogoutURI != "") != want.front || (c.BackchannelLogoutURI == "https://suite.test:8443/test/a/x/backchannel_logout") != want.back {
			t.Errorf("%s: logout at %q and %q", name, c.FrontchannelLogoutURI, c.BackchannelLogoutURI)
		}
		if (p.secrets[c.ID] == "") != want.withoutASecret || p.secrets[clients[2].ID] == "" || clients[2].AuthMethod != oauth.AuthSecretPost {
			t.Errorf("%s: %s has a secret: %v; the last is %s", name, c.ID, p.secrets[c.ID] != "", clients[2].AuthMethod)
		}
		if strings.Contains(string(c.JWKS), "private") {
			t.Errorf("%s: the private key is registered", name)
		}
	}
}

// TestConformanceClaims: the user lacks none of the standard claims, so that no scope does.
func TestConformanceClaims(t *testing.T) {
	claims := conformanceClaims()
	for _, name := range oauth.StandardClaims() {
		if _, has := claims[name]; !has && name != "sub" {
			t.Errorf("the user has no %s", name)
		}
	}
}

// TestConformanceRotation makes keys as a module wants them: none while the latest of an algorithm does not sign yet.
func TestConformanceRotation(t *testing.T) {
	s := unrunConformance(t, "oidcc-config")
	p := s.providers[0]
	ok(t, p.configure(t.Context(), progress{out: io.Discard, clock: s.clock}, conformanceOptions{}))
	seen := map[string]bool{}
	for _, step := range []struct {
		alg  string
		want int
	}{{"RS256", 1}, {"RS256", 0}, {"ES256", 1}, {"ES256", 0}} {
		kids, err := p.makeKey(t.Context(), step.alg)
		ok(t, err)
		if len(kids) != step.want || step.want > 0 && seen[kids[0]] {
			t.Errorf("%s: made %v, want %d", step.alg, kids, step.want)
		}
		for _, kid := range kids {
			seen[kid] = true
		}
	}
	for _, alg := range rotatable {
		if !slices.Contains(p.config.Keys.Algorithms, alg) {
			t.Errorf("there are no keys for %s", alg)
		}
	}
}
