package provider_test

import (
	"context"
	"crypto"
	"crypto/tls"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"signet/certs"
	"signet/mtls"
)

// demo is a folder of "signet demo", and the flags that give it ports of its own.
type demo struct {
	dir                  string
	main, mtls, resource int
	flags                []string
}

func newDemo(t testing.TB) *demo {
	d := &demo{dir: filepath.Join(t.TempDir(), "signet"), main: freePort(t), mtls: freePort(t), resource: freePort(t)}
	d.flags = []string{"demo", "--dir", d.dir}
	for flag, port := range map[string]int{
		"main": d.main, "mtls": d.mtls, "resource": d.resource, "operations": freePort(t), "callback": freePort(t),
	} {
		d.flags = append(d.flags, "--"+flag+"-port", strconv.Itoa(port))
	}
	return d
}

// TestDemo runs the demonstration as "make run" does: its own check in a new folder and again in the same one,
// and then, while it runs, what the issue asks of its tokens, from outside.
func TestDemo(t *testing.T) {
	tool(t, "curl") // the printed commands use it
	d := newDemo(t)
	first := d.check(t)
	if strings.Contains(first, "(0 new)") {
		t.Errorf("the first run made no clients:\n%s", first)
	}
	before := d.made(t)
	second := d.check(t)
	if !strings.Contains(second, "(0 new)") || regexp.MustCompile(`\bmade\b`).MatchString(second) {
		t.Errorf("the second run made things:\n%s", second)
	}
	for name, content := range d.made(t) {
		if before[name] != content {
			t.Errorf("the second run changed %s", name)
		}
	}
	d.assertBoundTokens(t)
}

// check runs "signet demo --check" to its end, which must be a good one.
func (d *demo) check(t *testing.T) string {
	t.Helper()
	log := filepath.Join(t.TempDir(), "check.log")
	check := launch(t, "signet demo --check", log, exec.Command(program(t, "signet"), append(d.flags, "--check")...))
	check.awaitEnd(t)
	out, err := os.ReadFile(log)
	must(t, err)
	if check.err != nil || strings.Count(string(out), "\nok ") < 7 || strings.Contains(string(out), "FAILED") {
		t.Fatalf("signet demo --check: %v\n%s", check.err, out)
	}
	return string(out)
}

// made are the files that a second run must not touch.
func (d *demo) made(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, pattern := range []string{"signet.yaml", "passphrase", "alice.password", "pki/*", "clients/*", "keys/*"} {
		matches, err := filepath.Glob(filepath.Join(d.dir, pattern))
		must(t, err)
		if len(matches) == 0 {
			t.Errorf("the demonstration made no %s", pattern)
		}
		for _, match := range matches {
			raw, err := os.ReadFile(match)
			must(t, err)
			files[match] = string(raw)
		}
	}
	return files
}

// assertBoundTokens starts the demonstration, gets tokens by certificate at the mTLS door and with "signet
// token" at both doors, and shows them to the resource server.
func (d *demo) assertBoundTokens(t *testing.T) {
	log := filepath.Join(t.TempDir(), "demo.log")
	running := launch(t, "signet demo", log, exec.Command(program(t, "signet"), d.flags...))
	running.await(t, func(context.Context) error {
		if !strings.Contains(string(tail(log)), "Ctrl-C ends it.") {
			return errors.New("it has not printed its commands")
		}
		return nil
	})
	s := &site{house: &house{t: t, dir: d.dir, issuer: localhost(d.main), mtls: localhost(d.mtls)}}
	var err error
	s.ca, err = certs.LoadCA(filepath.Join(d.dir, "pki"), s.now(), nil)
	must(t, err)
	own, other := d.leaf(t, "client-tls"), d.leaf(t, "client-tls-other")

	byCertificate := s.post(s.http(own), s.mtls+"/token", form("grant_type", "client_credentials", "client_id", "demo-tls", "scope", "accounts"))
	for name, token := range map[string]string{
		"curl": byCertificate.text("access_token"), "signet token at the mTLS door": d.token(t, "mtls"),
	} {
		cnf, _ := claimsOf(t, token)["cnf"].(map[string]any)
		if cnf["x5t#S256"] != mtls.Thumbprint(own.Certificate) {
			t.Errorf("%s: cnf is %v", name, cnf)
		}
		for _, c := range []struct {
			who  string
			leaf *certs.Leaf
			want int
		}{{"its certificate", own, http.StatusOK}, {"another certificate", other, http.StatusUnauthorized}, {"no certificate", nil, http.StatusUnauthorized}} {
			got := s.get(s.http(c.leaf), localhost(d.resource)+"/accounts", bearer(token))
			challenge := got.Header.Get("WWW-Authenticate")
			if got.Status != c.want || (c.want == http.StatusUnauthorized) != strings.Contains(challenge, `error="invalid_token"`) {
				t.Errorf("%s, with %s: %d %q %s", name, c.who, got.Status, challenge, got.Body)
			}
		}
	}
	if cnf := claimsOf(t, d.token(t, "main"))["cnf"]; cnf != nil {
		t.Errorf("a token from the main door is bound: %v", cnf)
	}
	must(t, running.cmd.Process.Signal(os.Interrupt))
	running.awaitEnd(t)
	if running.err != nil {
		t.Errorf("signet demo after an interrupt: %v\n%s", running.err, tail(log))
	}
}

// token gets one by "signet token" with private_key_jwt.
func (d *demo) token(t *testing.T, door string) string {
	t.Helper()
	out, err := exec.Command(program(t, "signet"), "token", "--client-file", filepath.Join(d.dir, "clients", "demo-private-key-jwt.json"),
		"--door", door, "--scope", "accounts", "--json").Output()
	must(t, err)
	var answer map[string]any
	must(t, json.Unmarshal(out, &answer))
	token, _ := answer["access_token"].(string)
	return token
}

// leaf loads a client certificate of the demonstration.
func (d *demo) leaf(t *testing.T, name string) *certs.Leaf {
	t.Helper()
	file := filepath.Join(d.dir, "pki", name)
	pair, err := tls.LoadX509KeyPair(file+".pem", file+"-key.pem")
	must(t, err)
	return &certs.Leaf{Certificate: pair.Leaf, Key: pair.PrivateKey.(crypto.Signer)}
}
