package provider_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"signet/certs"
	"signet/provider"
	"signet/provider/processtest"
	"signet/provider/store"
	"signet/provider/store/dbtest"
)

// patience bounds every wait for another process. It is far above what any of them takes on an idle machine.
const patience = 2 * time.Minute

// programs are the binaries under test, built once per run of the tests.
var programs struct {
	once sync.Once
	dir  string
	err  error
}

func TestMain(m *testing.M) {
	code := m.Run()
	dbtest.Stop()
	if programs.dir != "" {
		_ = os.RemoveAll(programs.dir)
	}
	os.Exit(code)
}

// program is the path of a built command: "signet" or "resource-server".
func program(t testing.TB, name string) string {
	t.Helper()
	programs.once.Do(func() {
		if programs.dir, programs.err = os.MkdirTemp("", "signet-programs-"); programs.err != nil {
			return
		}
		build := exec.Command("go", "build", "-o", programs.dir+string(filepath.Separator), "./cmd/signet", "./cmd/resource-server")
		build.Dir = root
		if out, err := build.CombinedOutput(); err != nil {
			programs.err = fmt.Errorf("go build: %w\n%s", err, out)
		}
	})
	must(t, programs.err)
	return filepath.Join(programs.dir, name)
}

func freePort(t testing.TB) int {
	t.Helper()
	port, err := processtest.FreePort()
	must(t, err)
	return port
}

func loopback(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }

func localhost(port int) string { return "https://localhost:" + strconv.Itoa(port) }

// site is a folder as an operator has it - certificates, configurations, keys, database - and the server
// processes on it. Its house has no doors of its own: the helpers talk to the processes, and to their store.
type site struct {
	*house
	on        ground
	processes []*process
}

// process is one "signet serve". All of a site have the same issuer and the same mTLS base URL, as behind a
// load balancer; main and mtls are where this one is reached.
type process struct {
	*running
	t                 testing.TB
	name, config, log string
	main, mtls        string
	ready             string
	operator          *http.Client // who may ask for readiness; nil = anybody
	binary            string       // another than the one under test
}

const siteConfig = `
issuer: ISSUER
profile: openid
main: {listen: "MAIN", certificate: pki/server.pem, key: pki/server-key.pem}
mtls: {listen: "MTLS", base_url: BASE, certificate: pki/server.pem, key: pki/server-key.pem}
operations: {listen: "OPERATIONS"}
client_certificates: {trust_anchors: [pki/ca.pem], crls: [pki/crl.pem], require_crl: true}
store: {dsn: "STORE"}
keys: {KEYS, algorithms: [ES256, EdDSA]}
policy: {timeout: 10s}
audit: {spool: spool-NUMBER}
scopes:
  - {name: accounts, description: See your accounts}
  - {name: payments, description: Make payments}
resources:
  - {id: "https://api.bank.example", name: Accounts API, scopes: [accounts, payments]}
  - {id: "https://opaque.bank.example", name: Cards API, scopes: [accounts], token_format: opaque}
`

// ground is what a site stands on: one file and a folder of keys, or the parts of production.
type ground struct{ store, keys string }

var embedded = ground{"sqlite:signet.db", "backend: file, directory: keys, passphrase_file: passphrase"}

// newSite makes the folder and starts n processes on it; extra is added to their configuration.
func newSite(t testing.TB, n int, extra string) *site {
	t.Helper()
	s := prepareSite(t, n, embedded, extra)
	s.start()
	return s
}

// prepareSite makes everything but the processes.
func prepareSite(t testing.TB, n int, on ground, extra string) *site {
	t.Helper()
	s := &site{house: &house{t: t, dir: t.TempDir()}, on: on}
	_, err := certs.Ensure(certs.Spec{Dir: filepath.Join(s.dir, "pki"), Now: time.Now(), Random: rand.Reader})
	must(t, err)
	s.ca, err = certs.LoadCA(filepath.Join(s.dir, "pki"), time.Now(), rand.Reader)
	must(t, err)
	s.write("passphrase", "a passphrase for tests only")
	for i := range n {
		s.addProcess(i, extra)
	}
	s.config, err = provider.LoadConfig(s.processes[0].config)
	must(t, err)
	s.openStore()
	t.Cleanup(func() { _ = s.store.Close() })
	return s
}

// start starts the processes and waits until all are ready.
func (s *site) start() {
	s.t.Helper()
	for _, p := range s.processes {
		p.start()
	}
	for _, p := range s.processes {
		p.awaitReady()
	}
}

// signet runs a command of the program on the site's first configuration, as an operator does.
func (s *site) signet(args ...string) string {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), program(s.t, "signet"), append([]string{"--config", s.processes[0].config}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("signet %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// openStore opens the database beside the processes, as the administration commands do.
func (s *site) openStore() {
	s.t.Helper()
	var err error
	s.store, err = store.Open(s.t.Context(), s.config.Store.DSN, store.Options{Clock: s.now, Random: rand.Reader, Log: s.house.log()})
	must(s.t, err)
}

// with is the site as a subtest uses it: what fails there fails the subtest.
func (s *site) with(t testing.TB) *site {
	h := &house{t: t, dir: s.dir, ca: s.ca, config: s.config, store: s.store, issuer: s.issuer, mtls: s.mtls}
	return &site{house: h, on: s.on, processes: s.processes}
}

func (s *site) addProcess(i int, extra string) {
	mainPort, mtlsPort, operations := freePort(s.t), freePort(s.t), freePort(s.t)
	p := &process{
		t: s.t, name: fmt.Sprintf("signet %d", i), log: filepath.Join(s.dir, fmt.Sprintf("signet-%d.log", i)),
		main: localhost(mainPort), mtls: localhost(mtlsPort), ready: "http://" + loopback(operations) + "/readyz",
	}
	if i == 0 {
		s.issuer, s.mtls = p.main, p.mtls
	}
	p.config = s.write(fmt.Sprintf("signet-%d.yaml", i), strings.NewReplacer("ISSUER", s.issuer, "BASE", s.mtls,
		"MAIN", loopback(mainPort), "MTLS", loopback(mtlsPort), "OPERATIONS", loopback(operations),
		"STORE", s.on.store, "KEYS", strings.ReplaceAll(s.on.keys, "NUMBER", strconv.Itoa(i)), "NUMBER", strconv.Itoa(i)).Replace(siteConfig)+extra)
	s.processes = append(s.processes, p)
}

// start launches the process; awaitReady waits for it. When the test ends, so does the process.
func (p *process) start() {
	p.t.Helper()
	binary := p.binary
	if binary == "" {
		binary = program(p.t, "signet")
	}
	p.running = launch(p.t, p.name, p.log, exec.Command(binary, "serve", "--config", p.config, "--log-format", "text"))
}

// assertLogsAreClean looks for secrets in the logs of the whole run.
func (s *site) assertLogsAreClean(secrets []string) {
	s.t.Helper()
	for _, p := range s.processes {
		raw, err := os.ReadFile(p.log)
		must(s.t, err)
		for _, secret := range secrets {
			if strings.Contains(string(raw), secret) {
				s.t.Fatalf("the log of %s has a secret that a client received", p.name)
			}
		}
	}
}

// terminate asks the process to drain and end.
func (p *process) terminate() {
	p.t.Helper()
	must(p.t, p.cmd.Process.Signal(syscall.SIGTERM))
}

func (p *process) awaitReady() {
	p.t.Helper()
	p.await(p.t, func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.ready, nil)
		if err != nil {
			return err
		}
		operator := p.operator
		if operator == nil {
			operator = http.DefaultClient
		}
		response, err := operator.Do(request)
		if err != nil {
			return err
		}
		body, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("readiness: %d %s", response.StatusCode, body)
		}
		return nil
	})
}

// running is a child process, known by its handle alone.
type running struct {
	name, log string
	cmd       *exec.Cmd
	ended     chan struct{}
	err       error // how it ended; to be read after ended
}

// launch starts a command whose output goes to the log file, and kills it when the test is over. The log is
// shown when the test has failed.
func launch(t testing.TB, name, log string, cmd *exec.Cmd) *running {
	t.Helper()
	file, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	must(t, err)
	r := &running{name: name, log: log, cmd: cmd, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = file, file
	endWithTests(cmd)
	started := make(chan error, 1)
	go func() {
		// The kernel ties the child's life to the thread that started it, so this goroutine keeps its thread.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(r.ended)
		err := cmd.Start()
		started <- err
		if err == nil {
			r.err = cmd.Wait()
		}
		_ = file.Close()
	}()
	must(t, <-started)
	t.Cleanup(func() {
		r.kill()
		if t.Failed() {
			t.Logf("the end of the log of %s:\n%s", name, tail(log))
		}
	})
	return r
}

// kill ends the process at once, as kill -9 does, and waits until it is gone.
func (r *running) kill() {
	_ = r.cmd.Process.Kill() // an error means that it has ended
	<-r.ended
}

// awaitEnd waits for a process that ends by itself.
func (r *running) awaitEnd(t testing.TB) {
	t.Helper()
	select {
	case <-r.ended:
	case <-time.After(patience):
		t.Fatalf("%s does not end\n%s", r.name, tail(r.log))
	}
}

// await tries until ok, while the process lives and patience lasts.
func (r *running) await(t testing.TB, try func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err := errors.New("not tried")
	for err != nil {
		if err = try(ctx); err == nil {
			return
		}
		select {
		case <-r.ended:
			t.Fatalf("%s ended: %v\n%s", r.name, r.err, tail(r.log))
		case <-ctx.Done():
			t.Fatalf("%s is not ready: %v\n%s", r.name, err, tail(r.log))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// tail is the last part of a file.
func tail(file string) []byte {
	raw, err := os.ReadFile(file)
	if err != nil {
		return []byte(err.Error())
	}
	lines := bytes.Split(bytes.TrimSpace(raw), []byte("\n"))
	return bytes.Join(lines[max(0, len(lines)-40):], []byte("\n"))
}
