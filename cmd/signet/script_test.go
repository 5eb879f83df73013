package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts runs testdata/script/*.txtar with the real programs, each in a folder and on ports of its own.
func TestScripts(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", bin+"/", "./cmd/signet", "./cmd/resource-server")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", bin+string(os.PathListSeparator)+env.Getenv("PATH"))
			env.Setenv("ROOT", root)
			ports, err := freePorts()
			if err != nil {
				return err
			}
			for i, name := range []string{"MAIN", "MTLS", "OPS", "API", "CALLBACK"} {
				env.Setenv(name, strconv.Itoa(ports+i))
			}
			env.Setenv("PORTS", fmt.Sprintf("--main-port=%d --mtls-port=%d --operations-port=%d --resource-port=%d --callback-port=%d",
				ports, ports+1, ports+2, ports+3, ports+4))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"await":  await,
			"browse": browse,
			"sed":    replaceInFile,
		},
	})
}

// freePorts finds six ports in a row that are free now.
func freePorts() (int, error) {
next:
	for range 100 {
		first, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return 0, err
		}
		base := first.Addr().(*net.TCPAddr).Port
		listeners := []net.Listener{first}
		closeAll := func() {
			for _, l := range listeners {
				l.Close()
			}
		}
		for port := base + 1; port < base+6; port++ {
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
			if err != nil {
				closeAll()
				continue next
			}
			listeners = append(listeners, l)
		}
		closeAll()
		return base, nil
	}
	return 0, fmt.Errorf("no six free ports in a row")
}

// await URL STATUS asks the URL until it answers with the status.
func await(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: await URL STATUS")
	}
	last := ""
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		response, err := http.Get(args[0])
		if err != nil {
			last = err.Error()
			continue
		}
		response.Body.Close()
		if last = strconv.Itoa(response.StatusCode); last == args[1] {
			return
		}
	}
	ts.Fatalf("%s: still %s, not %s", args[0], last, args[1])
}

// replaceInFile: sed FILE OLD NEW.
func replaceInFile(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: sed FILE OLD NEW")
	}
	name := ts.MkAbs(args[0])
	raw, err := os.ReadFile(name)
	ts.Check(err)
	if !strings.Contains(string(raw), args[1]) {
		ts.Fatalf("%s has no %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(name, []byte(strings.ReplaceAll(string(raw), args[1], args[2])), 0o600))
}

// browse CA PASSWORD-FILE signet token ...: runs the development client, and is the browser and the user
// that it waits for. Standard output is the client's.
func browse(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 3 {
		ts.Fatalf("usage: browse CA PASSWORD-FILE signet token ARGS...")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	program, err := exec.LookPath(filepath.Join(filepath.SplitList(ts.Getenv("PATH"))[0], args[2]))
	ts.Check(err)
	cmd := exec.CommandContext(ctx, program, args[3:]...)
	cmd.Dir = ts.MkAbs(".")
	var stdout strings.Builder
	cmd.Stdout = &stdout
	stderr, err := cmd.StderrPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		if address := strings.TrimSpace(lines.Text()); strings.HasPrefix(address, "https://") {
			password := strings.TrimSpace(ts.ReadFile(args[1]))
			if err := browseLogin(ctx, ts.MkAbs(args[0]), address, password); err != nil {
				cancel()
				ts.Logf("browser: %v", err)
			}
		}
	}
	err = cmd.Wait()
	fmt.Fprint(ts.Stdout(), stdout.String())
	ts.Check(err)
}

func browseLogin(ctx context.Context, ca, address, password string) error {
	b, err := newBrowser(ca)
	if err != nil {
		return err
	}
	if err := b.open(ctx, address); err != nil {
		return err
	}
	if err := b.submit(ctx, "login-form", url.Values{"username": {"alice"}, "password": {password}}); err != nil {
		return err
	}
	return b.submit(ctx, "consent-form", b.button("consent-approve"))
}
