package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"signet/certs"
)

const profileSuite = "conformance"

// TestComposeSuite checks the profile with the conformance suite: its addresses agree, its proxy is HAProxy's to run,
// and what the proxy tells the suite of a connection is true.
func TestComposeSuite(t *testing.T) {
	secrets := filepath.Join(t.TempDir(), "secrets")
	script(t, nil, composeRoot+"/cmd/signet/deploy/compose/secrets.sh", secrets)
	project := composed(t, secrets, profileSuite)
	t.Run("without its image", func(t *testing.T) { suiteWithoutImage(t, secrets) })
	t.Run("addresses", func(t *testing.T) { suiteAddresses(t, project) })
	t.Run("this machine's network", func(t *testing.T) { suiteNetwork(t, composed(t, secrets, "*")) })
	t.Run("how to start it", func(t *testing.T) { suiteStart(t) })

	pki, bin := t.TempDir(), buildSignet(t)
	ok(t, os.MkdirAll(filepath.Join(pki, "suite"), 0o750))
	for range 2 {
		script(t, []string{"PKI=" + pki, "PATH=" + bin + ":" + os.Getenv("PATH")}, source(t, project.Services["suite-pki"], "/usr/local/lib/signet/suite-pki.sh"))
	}
	proxy := project.Services["suite-proxy"]
	file := source(t, proxy, "/usr/local/etc/haproxy/haproxy.cfg")
	env := environment(proxy)
	env["DOOR_CERT"], env["DOOR_CA"] = filepath.Join(pki, "suite", "doors.pem"), filepath.Join(pki, "suite", "ca.pem")
	accepts(t, env, "haproxy", "-c", "-f", file)
	t.Run("the proxy", func(t *testing.T) { suiteProxy(t, file, env) })
}

func environment(s types.ServiceConfig) map[string]string {
	env := map[string]string{}
	for name, value := range s.Environment {
		env[name] = *value
	}
	return env
}

// suiteWithoutImage: nothing else stops for the lack of the variable, and no registry is asked for another image.
func suiteWithoutImage(t *testing.T, secrets string) {
	without := []string{"SIGNET_SECRETS=" + secrets}
	composedWith(t, without)
	composedWith(t, without, "demo")
	image := composedWith(t, without, profileSuite).Services["suite"].Image
	if !strings.Contains(image, "SIGNET_SUITE_IMAGE") || strings.ContainsAny(image, "/:@") {
		t.Errorf("without SIGNET_SUITE_IMAGE the image is %q: a name in capital letters without a registry is none", image)
	}
}

// suiteAddresses follows the ways: a run, the proxy, the suite, its database.
func suiteAddresses(t *testing.T, p *types.Project) {
	t.Setenv("SIGNET_SUITE", "")
	suite, proxy, db := p.Services["suite"], environment(p.Services["suite-proxy"]), p.Services["suite-db"]
	flag := func(name string) string {
		i := slices.IndexFunc(suite.Entrypoint, func(arg string) bool { return strings.HasPrefix(arg, "--"+name+"=") })
		if i < 0 {
			t.Fatalf("the suite has no --%s", name)
		}
		return strings.SplitN(suite.Entrypoint[i], "=", 2)[1]
	}
	if got := flag("fintechlabs.base_url"); got != defaultSuite() {
		t.Errorf("the suite is at %s, a run looks for it at %s", got, defaultSuite())
	}
	for bind, name := range map[string]string{"BIND_MAIN": "fintechlabs.base_url", "BIND_MTLS": "fintechlabs.base_mtls_url"} {
		u, err := url.Parse(flag(name))
		ok(t, err)
		if proxy[bind] != "127.0.0.1:"+u.Port() {
			t.Errorf("%s leads elsewhere than to the proxy's %s", u, proxy[bind])
		}
		if hosts := suite.ExtraHosts[u.Hostname()]; !slices.Equal(hosts, []string{"127.0.0.1"}) {
			t.Errorf("to the suite, %s is %v", u.Hostname(), hosts)
		}
	}
	listens := flag("server.address") + ":" + flag("server.port")
	if proxy["SUITE"] != listens || !strings.Contains(strings.Join(suite.HealthCheck.Test, " "), strings.Replace(listens, ":", "/", 1)) {
		t.Errorf("the suite listens at %s; the proxy and the health check do not agree", listens)
	}
	if want := fmt.Sprintf("mongodb://127.0.0.1:%s/", db.Ports[0].Published); !strings.HasPrefix(flag("spring.mongodb.uri"), want) {
		t.Errorf("the database is at %s, the suite looks for it at %s", want, flag("spring.mongodb.uri"))
	}
}

// suiteNetwork: only what has to be is in this machine's network, and nobody beyond it can reach that.
func suiteNetwork(t *testing.T, p *types.Project) {
	used := map[string]string{}
	for name, s := range p.Services {
		for _, port := range s.Ports {
			used[port.Published] = name
		}
	}
	for name, s := range p.Services {
		if s.NetworkMode != "host" {
			continue
		}
		if name != "suite" && name != "suite-proxy" {
			t.Errorf("%s is in this machine's network", name)
		}
		if len(s.Ports) > 0 || len(s.Networks) > 0 {
			t.Errorf("%s has ports or networks beside this machine's", name)
		}
		for variable, value := range environment(s) {
			host, port, err := net.SplitHostPort(value)
			if err != nil || host != "127.0.0.1" {
				t.Errorf("%s: %s is %s", name, variable, value)
			}
			if other, taken := used[port]; taken && strings.HasPrefix(variable, "BIND_") {
				t.Errorf("%s listens at %s, where %s is published", name, value, other)
			}
		}
	}
}

// suiteStart: the command that an error and the documents give starts the proxy, and with it all that it needs.
func suiteStart(t *testing.T) {
	command := "docker compose --profile " + profileSuite + " up --build --detach --wait suite-proxy"
	for _, file := range []string{composeFile, composeRoot + "/conformance/README.md"} {
		if text, err := os.ReadFile(file); err != nil || !bytes.Contains(text, []byte(command+"\n")) {
			t.Errorf("%s does not say %q: %v", file, command, err)
		}
	}
	if !strings.Contains(startSuite, command) {
		t.Errorf("a run without a suite does not say %q", command)
	}
}

// suiteProxy runs the proxy before a server in the suite's place.
func suiteProxy(t *testing.T, file string, env map[string]string) {
	seen := make(chan *http.Request, 1)
	behind := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("X-Forwarded-Proto") != "https": // the suite serves nothing else
			w.WriteHeader(http.StatusInternalServerError)
		case r.URL.Path != "/api/server":
			seen <- r.Clone(context.Background())
		}
	}))
	t.Cleanup(behind.Close)
	env["SUITE"] = behind.Listener.Addr().String()
	for _, name := range []string{"BIND_MAIN", "BIND_MTLS", "BIND_ADMIN"} {
		env[name] = freeAddress(t)
	}
	startHAProxy(t, file, env)
	pool := x509.NewCertPool()
	ok(t, addCAs(pool, env["DOOR_CA"]))
	stranger := strangerCertificate(t)
	for name, test := range map[string]struct {
		door, path     string
		offers         bool
		version        uint16
		protocol, cert string
		wrongHost      string
	}{
		"main":                       {door: "BIND_MAIN", path: "/test/a/x", protocol: "TLSv1.3"},
		"main, TLS 1.2":              {door: "BIND_MAIN", path: "/test/a/x", version: tls.VersionTLS12, protocol: "TLSv1.2"},
		"main, with a certificate":   {door: "BIND_MAIN", path: "/test-mtls/a/x?y", offers: true, protocol: "TLSv1.3", wrongHost: "true"},
		"mtls":                       {door: "BIND_MTLS", path: "/test-mtls/a/x", protocol: "TLSv1.3"},
		"mtls, with any certificate": {door: "BIND_MTLS", path: "/test-mtls/a/x", offers: true, protocol: "TLSv1.3", cert: string(stranger.CertPEM)},
	} {
		t.Run(name, func(t *testing.T) {
			config := &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12, MaxVersion: test.version, ServerName: "localhost.emobix.co.uk"}
			if test.offers {
				certificate, err := tls.X509KeyPair(stranger.CertPEM, stranger.KeyPEM)
				ok(t, err)
				config.Certificates = []tls.Certificate{certificate}
			}
			r := throughProxy(t, seen, config, env[test.door], test.path)
			_, port, _ := net.SplitHostPort(env[test.door])
			for header, want := range map[string]string{
				"X-Ssl-Protocol": test.protocol, "X-Forwarded-Port": port, "X-Forwarded-Host": "", "X-Forwarded-For": "127.0.0.1",
				"X-Test-Mtls-Called-On-Wrong-Host": test.wrongHost, "X-Ssl-Cert-Chain-0": "", "Forwarded": "",
			} {
				if got := strings.Join(r.Header.Values(header), ", "); got != want {
					t.Errorf("%s: %q, want %q", header, got, want)
				}
			}
			if cipher := r.Header.Get("X-Ssl-Cipher"); !regexp.MustCompile(`^(TLS_|ECDHE-RSA-).*(GCM|POLY1305)`).MatchString(cipher) || r.Host != "localhost.emobix.co.uk" {
				t.Errorf("cipher %q, host %q", cipher, r.Host)
			}
			if got := suitePEM(r.Header.Get("X-Ssl-Cert")); got != test.cert {
				t.Errorf("the caller's certificate: %q, want %q", got, test.cert)
			}
		})
	}
}

// suitePEM makes a PEM block of the header field, with the line ends where the suite puts them.
func suitePEM(field string) string {
	block, _ := pem.Decode([]byte(strings.NewReplacer("----- ", "-----\n", " -----END", "\n-----END").Replace(field)))
	if block == nil {
		return field
	}
	return string(pem.EncodeToMemory(block))
}

// throughProxy sends a request in which the caller claims everything that only the proxy may say.
func throughProxy(t *testing.T, seen <-chan *http.Request, config *tls.Config, door, path string) *http.Request {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: config}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+door+path, nil)
	ok(t, err)
	request.Host = "localhost.emobix.co.uk:8443"
	for _, name := range []string{"X-Ssl-Cert", "x-ssl-cert", "X-Ssl-Cert-Chain-0", "X-Ssl-Cipher", "X-Ssl-Protocol", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-For", "Forwarded", "X-Test-Mtls-Called-On-Wrong-Host"} {
		request.Header[name] = []string{"claimed"}
	}
	response, err := (&http.Client{Transport: transport, Timeout: 10 * time.Second}).Do(request)
	ok(t, err)
	_, _ = io.Copy(io.Discard, response.Body)
	ok(t, response.Body.Close())
	if response.StatusCode != http.StatusOK {
		t.Fatalf("the proxy answered %d", response.StatusCode)
	}
	return <-seen
}

// strangerCertificate is of an authority that the proxy does not know.
func strangerCertificate(t *testing.T) *certs.Leaf {
	t.Helper()
	system := realSystem()
	ca, err := certs.NewCA(system.random, time.Now(), "Elsewhere")
	ok(t, err)
	leaf, err := ca.Issue(certs.Request{NotAfter: time.Now().Add(time.Hour)})
	ok(t, err)
	return leaf
}

// startHAProxy runs it until the test ends, and waits until it says that the server behind it answers.
func startHAProxy(t *testing.T, file string, env map[string]string) {
	t.Helper()
	log := filepath.Join(t.TempDir(), "haproxy.log")
	c := child{what: "HAProxy", program: tool(t, "haproxy"), args: []string{"-f", file}, log: log}
	for name, value := range env {
		c.environment = append(c.environment, name+"="+value)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- runChild(ctx, c) }()
	t.Cleanup(func() { stop(); <-ended })
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if response, err := http.Get("http://" + env["BIND_ADMIN"] + "/healthz"); err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return
			}
		}
		if len(ended) > 0 || time.Now().After(deadline) {
			text, _ := os.ReadFile(log)
			t.Fatalf("HAProxy does not serve:\n%s", text)
		}
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	ok(t, err)
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}
