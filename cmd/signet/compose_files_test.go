package main

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"signet/provider"
)

// TestComposeParts checks the files that docker-compose.yml mounts, with the programs that read them, and against
// each other.
func TestComposeParts(t *testing.T) {
	secrets := filepath.Join(t.TempDir(), "secrets")
	script(t, nil, composeRoot+"/cmd/signet/deploy/compose/secrets.sh", secrets)
	project := composed(t, secrets)
	pki := composePKI(t)
	config, err := provider.LoadConfig(project.Configs["signet"].File)
	ok(t, err)

	t.Run("the doors", func(t *testing.T) { composeDoors(t, project, config) })
	t.Run("files of the configuration", func(t *testing.T) { composeConfigFiles(t, project, pki) })
	t.Run("operations", func(t *testing.T) { composeOperations(t, config.Operations, pki) })
	t.Run("HAProxy", func(t *testing.T) {
		must := map[string]string{"CHECK_CA": pki + "/haproxy/ca.pem", "CHECK_CERT": pki + "/haproxy/haproxy.pem", "MAXCONN": "400"}
		for _, n := range []string{"1", "2"} { // the names are known in the containers' network only
			must["SIGNET_"+n+"_MAIN"], must["SIGNET_"+n+"_MTLS"] = "127.0.0.1:9443", "127.0.0.1:9444"
		}
		for name, value := range project.Services["haproxy"].Environment {
			must[name] = *value
		}
		accepts(t, must, "haproxy", "-c", "-f", source(t, project.Services["haproxy"], "/usr/local/etc/haproxy/haproxy.cfg"))
	})
	t.Run("Prometheus", func(t *testing.T) {
		dir := t.TempDir()
		for _, name := range []string{"prometheus.yml", "alerts.yml"} {
			text, err := os.ReadFile(source(t, project.Services["prometheus"], "/etc/prometheus/"+name))
			ok(t, err)
			ok(t, os.WriteFile(filepath.Join(dir, name), text, 0o600))
		}
		ok(t, os.Symlink(filepath.Join(pki, "prometheus"), filepath.Join(dir, "pki")))
		accepts(t, nil, "promtool", "check", "config", filepath.Join(dir, "prometheus.yml"))
	})
	t.Run("scripts", func(t *testing.T) {
		for _, s := range project.Services {
			for _, v := range s.Volumes {
				if strings.HasSuffix(v.Source, ".sh") {
					accepts(t, nil, "bash", "-n", v.Source)
				}
			}
		}
	})
	for service, file := range map[string]string{"mysql": "/etc/mysql/conf.d/signet.cnf", "vault": "/vault/config/vault.hcl"} {
		t.Run(service, func(t *testing.T) {
			text, err := os.ReadFile(source(t, project.Services[service], file))
			ok(t, err)
			names := regexp.MustCompile(`/etc/`+service+`/pki/([a-z.-]+)`).FindAllStringSubmatch(string(text), -1)
			if len(names) < 2 {
				t.Error("no certificate and key")
			}
			for _, m := range names {
				if _, err := os.Stat(filepath.Join(pki, service, m[1])); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// composePKI runs pki.sh with the real program, twice: what is there stays.
func composePKI(t *testing.T) string {
	t.Helper()
	bin, pki := buildSignet(t), t.TempDir()
	for _, service := range []string{"authority", "signet", "haproxy", "mysql", "vault", "prometheus"} {
		ok(t, os.Mkdir(filepath.Join(pki, service), 0o750))
	}
	var first []byte
	for range 2 {
		script(t, []string{"PKI=" + pki, "PATH=" + bin + ":" + os.Getenv("PATH")}, composeRoot+"/cmd/signet/deploy/compose/pki.sh")
		cert, err := os.ReadFile(filepath.Join(pki, "signet", "operations.pem"))
		ok(t, err)
		if first != nil && !bytes.Equal(first, cert) {
			t.Error("a certificate that was there has been replaced")
		}
		first = cert
	}
	return pki
}

// buildSignet builds the program and returns its folder.
func buildSignet(t *testing.T) string {
	t.Helper()
	bin := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", bin+"/", "./cmd/signet")
	build.Dir = composeRoot
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return bin
}

// source is what a service has mounted at a path.
func source(t testing.TB, s types.ServiceConfig, target string) string {
	t.Helper()
	for _, v := range s.Volumes {
		if v.Target == target {
			return v.Source
		}
	}
	t.Fatalf("%s has nothing at %s", s.Name, target)
	return ""
}

// accepts runs a program that checks a file. Nothing is skipped for the lack of one.
func accepts(t testing.TB, env map[string]string, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), tool(t, name), args...)
	cmd.Env = os.Environ()
	for variable, value := range env {
		cmd.Env = append(cmd.Env, variable+"="+value)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s %v: %v\n%s", name, args, err, out)
	}
}

// tool finds a program. Servers are not on every user's PATH.
func tool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if path, err = exec.LookPath("/usr/sbin/" + name); err != nil {
			t.Fatalf("%s is missing; \"make tools\" installs it (.ci/need)", name)
		}
	}
	return path
}

// composeDoors follows a client's way: the published port, HAProxy, and the port that a replica listens on.
func composeDoors(t *testing.T, p *types.Project, config provider.Config) {
	haproxy := p.Services["haproxy"]
	balancer, err := os.ReadFile(source(t, haproxy, "/usr/local/etc/haproxy/haproxy.cfg"))
	ok(t, err)
	for _, door := range []struct{ name, base, listen string }{
		{"MAIN", config.Main.BaseURL, config.Main.Listen}, {"MTLS", config.MTLS.BaseURL, config.MTLS.Listen},
	} {
		_, outside, _ := strings.Cut(strings.TrimPrefix(door.base, "https://"), ":")
		i := slices.IndexFunc(haproxy.Ports, func(port types.ServicePortConfig) bool { return port.Published == outside })
		if i < 0 {
			t.Errorf("%s is not published", door.base)
			continue
		}
		if bind := haproxy.Environment["BIND_"+door.name]; bind == nil || *bind != fmt.Sprintf(":%d", haproxy.Ports[i].Target) {
			t.Errorf("HAProxy does not listen where %s leads", door.base)
		}
		_, inside, err := net.SplitHostPort(door.listen)
		ok(t, err)
		for _, replica := range []string{"signet-1", "signet-2"} {
			variable := strings.ToUpper(strings.ReplaceAll(replica, "-", "_")) + "_" + door.name
			if !strings.Contains(string(balancer), fmt.Sprintf("${%s-%s:%s}", variable, replica, inside)) {
				t.Errorf("HAProxy does not know %s's port %s", replica, inside)
			}
		}
	}
	if got := haproxy.Networks["edge"].Ipv4Address; !slices.Equal(config.ProxyProtocol.Addresses, []string{got}) {
		t.Errorf("proxy_protocol is for %v, HAProxy is at %s", config.ProxyProtocol.Addresses, got)
	}
	_, subnet, err := net.ParseCIDR(p.Networks["edge"].Ipam.Config[0].Subnet)
	ok(t, err)
	_, operations, err := net.SplitHostPort(config.Operations.Listen)
	ok(t, err)
	prometheus, err := os.ReadFile(source(t, p.Services["prometheus"], "/etc/prometheus/prometheus.yml"))
	ok(t, err)
	for _, name := range []string{"haproxy", "signet-1", "signet-2"} {
		if address := p.Services[name].Networks["edge"].Ipv4Address; !subnet.Contains(net.ParseIP(address)) {
			t.Errorf("%s has the address %q", name, address)
		}
		if name != "haproxy" && !strings.Contains(string(prometheus), name+":"+operations) {
			t.Errorf("Prometheus does not ask %s", name)
		}
	}
	if grace := p.Services["signet-1"].StopGracePeriod; grace == nil || time.Duration(*grace) <= 20*time.Second {
		t.Error("a replica is killed before it has drained")
	}
}

// composeConfigFiles wants each file that the configuration names in each container that uses it.
func composeConfigFiles(t *testing.T, p *types.Project, pki string) {
	text, err := os.ReadFile(p.Configs["signet"].File)
	ok(t, err)
	for _, name := range []string{"signet-1", "signet-2", "keeper", "vault-setup"} {
		s := p.Services[name]
		mounts := map[string]string{}
		for _, v := range s.Volumes {
			mounts[v.Target] = v.Source
		}
		for _, m := range regexp.MustCompile(`(/run/secrets|/run/signet/pki)/([a-z.-]+)`).FindAllStringSubmatch(string(text), -1) {
			switch held := slices.ContainsFunc(s.Secrets, func(one types.ServiceSecretConfig) bool { return one.Source == m[2] }); {
			case m[1] == "/run/secrets" && !held:
				t.Errorf("%s has no secret %s", name, m[2])
			case m[1] == "/run/signet/pki" && mounts[m[1]] != "pki-signet":
				t.Errorf("%s has no PKI", name)
			}
		}
		serves := strings.HasPrefix(name, "signet-")
		if serves != (mounts["/run/signet/identity"] != "" && mounts["/run/signet/keeper"] == "") {
			t.Errorf("%s has the wrong identity in Vault", name)
		}
	}
	for _, m := range regexp.MustCompile(`/run/signet/pki/([a-z.-]+)`).FindAllStringSubmatch(string(text)+" /run/signet/pki/monitor.pem /run/signet/pki/monitor-key.pem", -1) {
		if _, err := os.Stat(filepath.Join(pki, "signet", m[1])); err != nil {
			t.Error(err)
		}
	}
	spools := map[string]bool{}
	for _, name := range []string{"signet-1", "signet-2", "keeper"} {
		spools[source(t, p.Services[name], "/var/lib/signet")] = true
	}
	if len(spools) != 3 {
		t.Errorf("processes share an audit spool: %v", spools)
	}
}

// composeOperations serves with the generated files and asks as the health check does; a client's certificate from the
// other authority opens nothing.
func composeOperations(t *testing.T, config provider.OperationsConfig, pki string) {
	at := func(file string) string { return filepath.Join(pki, "signet", filepath.Base(file)) }
	config.Certificate, config.Key, config.ClientCA = at(config.Certificate), at(config.Key), at(config.ClientCA)
	o, err := openOperationsTLS(config, time.Now)
	ok(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	ok(t, err)
	config.Listen = listener.Addr().String()
	server := newServer(provider.Operations(nil, provider.NewChecks(time.Now)), slog.New(slog.DiscardHandler))
	go func() { _ = o.serve(server, listener) }()
	t.Cleanup(func() { _ = server.Close() })
	c := &console{out: io.Discard, err: io.Discard, system: realSystem()}
	for _, who := range []string{"signet/monitor", "prometheus/prometheus", "authority/internal/haproxy"} {
		if err := c.status(t.Context(), config, filepath.Join(pki, who+".pem"), filepath.Join(pki, who+"-key.pem")); err != nil {
			t.Errorf("%s: %v", who, err)
		}
	}
	client := filepath.Join(pki, "authority", "public", "client-tls")
	if err := c.status(t.Context(), config, client+".pem", client+"-key.pem"); err == nil {
		t.Error("a client of the doors may ask for readiness")
	}
}
