package provider_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"signet/certs"
)

// balancer is a real HAProxy or nginx in front of a site's two processes, with a configuration that we ship. It runs
// from a folder of its own, as nobody where the tests may choose.
type balancer struct {
	*running
	site       *site
	dir        string
	main, mtls string // base URLs, in place of the processes' own
	env        map[string]string
}

// deploy is where the shipped configurations are.
var deploy = filepath.Join(root, "cmd", "signet", "deploy")

// operated gives the processes, which must not run yet, an operations listener with mutual TLS, as one has where a
// proxy on another machine asks for readiness.
func (s *site) operated() {
	s.t.Helper()
	operator := s.http(s.leaf(certs.Request{Subject: pkix.Name{CommonName: "operator"}}))
	for _, p := range s.processes {
		if p.operator != nil {
			continue
		}
		s.reconfigure(p, func(text string) string {
			before, after, found := strings.Cut(text, "operations: {")
			inside, rest, closed := strings.Cut(after, "}")
			if !found || !closed {
				s.t.Fatal("no operations in the configuration")
			}
			return before + "operations: {" + inside + ", certificate: pki/server.pem, key: pki/server-key.pem, client_ca: pki/ca.pem}" + rest
		})
		p.operator, p.ready = operator, strings.Replace(p.ready, "http://", "https://", 1)
	}
}

func (s *site) reconfigure(p *process, change func(string) string) {
	s.t.Helper()
	text, err := os.ReadFile(p.config)
	must(s.t, err)
	must(s.t, os.WriteFile(p.config, []byte(change(string(text))), 0o600))
}

// newBalancer chooses ports and collects the files; own is the certificate that the proxy itself presents.
func (s *site) newBalancer(name string, own *certs.Leaf) *balancer {
	s.t.Helper()
	s.operated()
	dir, err := os.MkdirTemp("", "signet-"+name+"-")
	must(s.t, err)
	s.t.Cleanup(func() { _ = os.RemoveAll(dir) })
	mainPort, mtlsPort := freePort(s.t), freePort(s.t)
	b := &balancer{site: s, dir: dir, main: localhost(mainPort), mtls: localhost(mtlsPort), env: map[string]string{
		"BIND_MAIN": loopback(mainPort), "BIND_MTLS": loopback(mtlsPort), "BIND_ADMIN": loopback(freePort(s.t)),
		"SIGNET_NAME": "localhost", "CHECK_NAME": "localhost", "MAXCONN": "400", "NGINX_RUN": dir, "NGINX_MODULES": "/usr/lib/nginx/modules",
	}}
	for i, p := range s.processes[:2] {
		n := fmt.Sprintf("SIGNET_%d_", i+1)
		b.env[n+"MAIN"], b.env[n+"MTLS"] = strings.TrimPrefix(p.main, "https://"), strings.TrimPrefix(p.mtls, "https://")
		_, port, err := net.SplitHostPort(strings.TrimSuffix(strings.TrimPrefix(p.ready, "https://"), "/readyz"))
		must(s.t, err)
		b.env[n+"OPERATIONS_PORT"] = port
	}
	read := func(name string) []byte {
		text, err := os.ReadFile(filepath.Join(s.dir, "pki", name))
		must(s.t, err)
		return text
	}
	server, serverKey := read("server.pem"), read("server-key.pem")
	for variable, text := range map[string][]byte{
		"DOOR_CERT": append(append([]byte{}, server...), serverKey...), "DOOR_KEY": serverKey,
		"PROXY_CERT": append(append([]byte{}, own.CertPEM...), own.KeyPEM...), "PROXY_KEY": own.KeyPEM,
		"SIGNET_CA": s.ca.CertPEM,
	} {
		b.env[variable] = filepath.Join(dir, strings.ToLower(variable)+".pem")
		must(s.t, os.WriteFile(b.env[variable], text, 0o600))
	}
	b.env["CHECK_CA"], b.env["CHECK_CERT"] = b.env["SIGNET_CA"], b.env["PROXY_CERT"]
	return b
}

// copyIn puts a shipped file into the proxy's folder; nginx gets its variables filled in, as envsubst does.
func (b *balancer) copyIn(elements ...string) string {
	t := b.site.t
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{deploy}, elements...)...))
	must(t, err)
	name := elements[len(elements)-1]
	if plain, template := strings.CutSuffix(name, ".template"); template {
		name = plain
		for variable, value := range b.env {
			text = bytes.ReplaceAll(text, []byte("${"+variable+"}"), []byte(value))
		}
		if at := bytes.Index(text, []byte("${")); at >= 0 {
			t.Fatalf("%s: a variable is not filled in: %.40s", name, text[at:])
		}
	}
	file := filepath.Join(b.dir, name)
	must(t, os.WriteFile(file, text, 0o600))
	return file
}

func (b *balancer) launch(name string, cmd *exec.Cmd) {
	t := b.site.t
	t.Helper()
	log := filepath.Join(b.dir, "log")
	must(t, os.WriteFile(log, nil, 0o600))
	cmd.Env, cmd.Dir = []string{"PATH=" + os.Getenv("PATH")}, b.dir
	for variable, value := range b.env {
		cmd.Env = append(cmd.Env, variable+"="+value)
	}
	must(t, unprivileged(cmd, b.dir))
	b.running = launch(t, name, log, cmd)
}

// behindHAProxy starts HAProxy with TLS passed through, before the processes. Their proxy_protocol must expect it
// from 127.0.0.1.
func (s *site) behindHAProxy() *balancer {
	b := s.newBalancer("haproxy", s.leaf(certs.Request{Subject: pkix.Name{CommonName: "haproxy"}}))
	b.haproxy("passthrough.cfg")
	return b
}

func (b *balancer) haproxy(config string) {
	b.env["CHAIN_LUA"] = b.copyIn("haproxy", "client-cert-chain.lua")
	b.launch("HAProxy", exec.Command(server(b.site.t, "haproxy"), "-db", "-f", b.copyIn("haproxy", config)))
}

// nginx runs as one process, so that none is left when it is killed.
func (b *balancer) nginx(config string) {
	b.env["CLIENT_CERT_JS"] = b.copyIn("nginx", "client-cert.js")
	b.launch("nginx", exec.Command(server(b.site.t, "nginx"), "-e", "stderr", "-c", b.copyIn("nginx", config), "-g", "daemon off; master_process off;"))
}

// server finds a program that may be in sbin, which is not on every user's PATH.
func server(t testing.TB, name string) string {
	t.Helper()
	for _, dir := range []string{"/usr/local/sbin", "/usr/sbin", "/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path
		}
	}
	return tool(t, name)
}

// awaitBoth waits until new connections through the balancer reach each of the two processes. It keeps those that it
// has made, as a balancer may choose whoever has the fewest.
func (b *balancer) awaitBoth(t testing.TB) {
	t.Helper()
	start := b.served()
	var held []*http.Client
	defer func() {
		for _, client := range held {
			client.CloseIdleConnections()
		}
	}()
	b.await(t, func(ctx context.Context) error {
		client := b.site.http(nil)
		client.Timeout = 5 * time.Second
		held = append(held, client)
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, b.main+"/jwks", nil)
		if err != nil {
			return err
		}
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		_, _ = io.Copy(io.Discard, response.Body) // without which the connection is not kept
		_ = response.Body.Close()
		for i, n := range b.served() {
			if n == start[i] {
				return fmt.Errorf("%s has not been asked yet", b.site.processes[i].name)
			}
		}
		return nil
	})
}

// served is how many requests each process has logged.
func (b *balancer) served() []int {
	var counts []int
	for _, p := range b.site.processes[:2] {
		text, _ := os.ReadFile(p.log) // not there before its first start
		counts = append(counts, bytes.Count(text, []byte("msg=request ")))
	}
	return counts
}

// from is a client whose connections come from an address of this machine.
func (s *site) from(address string, leaf *certs.Leaf) *http.Client {
	client := s.http(leaf)
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	client.Transport.(*http.Transport).DialContext = dialer.DialContext
	return client
}

// resuming is a client that keeps TLS sessions, but no connections.
func (s *site) resuming(leaf *certs.Leaf) *http.Client {
	client := s.http(leaf)
	transport := client.Transport.(*http.Transport)
	transport.TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(8)
	transport.DisableKeepAlives = true
	return client
}
