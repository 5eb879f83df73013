//go:build conformance

package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"signet/conformance"
	"signet/provider/oauth"
)

// controlVariable makes this test binary serve as a provider that is wrong on purpose.
const controlVariable = "SIGNET_TEST_CONTROL"

// TestMain is the provider with rotation of refresh tokens, or with RS256, when it is started as that.
func TestMain(m *testing.M) {
	profile := oauth.Profiles[oauth.ProfileFAPI2Security]
	switch control := os.Getenv(controlVariable); control {
	case "":
		os.Exit(m.Run())
	case "rotation":
		profile.RotateRefreshTokens = true
	case "RS256":
		profile.SigningAlgs = append(profile.SigningAlgs, "RS256")
	case "ordinary ciphers": // that is the front's
	default:
		fmt.Fprintln(os.Stderr, "unknown control", control)
		os.Exit(2)
	}
	oauth.Profiles[oauth.ProfileFAPI2Security] = profile
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// TestControls needs the suite. Each wrong setup must be reported as FAILED by the module that is about it.
func TestControls(t *testing.T) {
	controls, err := conformance.Controls()
	ok(t, err)
	self, err := os.Executable()
	ok(t, err)
	bin := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", bin+"/", "signet/cmd/resource-server")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	for _, control := range controls {
		t.Run(control.Name, func(t *testing.T) {
			o := conformanceOptions{
				dir: filepath.Join(t.TempDir(), "run"), plans: control.Run, module: control.Module,
				suite: defaultSuite(), suiteCA: os.Getenv("SIGNET_SUITE_CA"), parallel: 1,
				limit: 3 * time.Minute, quiet: time.Minute, ports: ports{Host: "127.0.0.1"},
				program: self, resourceServer: filepath.Join(bin, "resource-server"),
				environment: []string{controlVariable + "=" + control.Name},
			}
			switch control.Name {
			case "RS256":
				o.adapt = withoutKeyAlgorithm(t)
			case "ordinary ciphers":
				o.prepared = func(p *conformanceProvider) error { return ordinaryFront(t, p) }
			}
			c := &console{in: os.Stdin, out: os.Stdout, err: os.Stderr, system: realSystem()}
			results, err := c.runConformance(t.Context(), o)
			ok(t, err)
			if !control.Failed(results) {
				t.Errorf("the suite does not say FAILED by %s in %s: %+v", control.Condition, control.Module, results)
			}
		})
	}
}

// withoutKeyAlgorithm registers keys that do not say PS256, so that the profile alone decides about RS256.
func withoutKeyAlgorithm(t *testing.T) func(*oauth.Client) {
	return func(client *oauth.Client) {
		var set struct {
			Keys []map[string]any `json:"keys"`
		}
		ok(t, json.Unmarshal(client.JWKS, &set))
		for _, key := range set.Keys {
			delete(key, "alg")
		}
		raw, err := json.Marshal(set)
		ok(t, err)
		client.JWKS = raw
	}
}

// ordinaryFront takes the main door's place with all ciphers that Go has for TLS 1.2, and moves the door elsewhere.
func ordinaryFront(t *testing.T, p *conformanceProvider) error {
	certificate, err := tls.LoadX509KeyPair(p.config.Main.Certificate, p.config.Main.Key)
	ok(t, err)
	config := &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		config.CipherSuites = append(config.CipherSuites, suite.ID)
	}
	listener, err := tls.Listen("tcp", p.config.Main.Listen, config)
	ok(t, err)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	ok(t, err)
	door := free.Addr().String()
	ok(t, free.Close())

	file := p.path("signet.yaml")
	text, err := os.ReadFile(file)
	ok(t, err)
	moved := strings.Replace(string(text), "listen: "+p.config.Main.Listen, "listen: "+door, 1)
	ok(t, os.WriteFile(file, []byte(moved), 0o600))

	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "https", Host: door})
			r.Out.Host = r.In.Host
		},
		Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}},
	}
	server := &http.Server{Handler: proxy, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("the front: %v", err)
		}
	}()
	t.Cleanup(func() { _ = server.Close() })
	return nil
}
