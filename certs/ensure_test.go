package certs_test

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/certs"
	"signet/mtls"
)

func ensure(t *testing.T, dir string, at time.Time, hosts ...string) certs.Report {
	t.Helper()
	report, err := certs.Ensure(certs.Spec{Dir: dir, Now: at, Random: rand.Reader, Hosts: hosts})
	return must(t, report, err)
}

// made is "name: reason" of each file that was made.
func made(report certs.Report) []string {
	var out []string
	for _, file := range report.Made() {
		out = append(out, strings.TrimSuffix(file.Name, ".pem")+": "+file.Reason)
	}
	return out
}

func all(reason string) []string {
	var out []string
	for _, name := range []string{"ca", "crl", "server", "client-tls", "client-tls-other", "client-selfsigned", "tpp-aisp", "tpp-pisp", "tpp-both"} {
		out = append(out, name+": "+reason)
	}
	return out
}

// TestEnsureMakesWhatServes checks each file by using it.
func TestEnsureMakesWhatServes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "pki")
	report := ensure(t, dir, now)
	if diff := cmp.Diff(all("missing"), made(report)); diff != "" {
		t.Error(diff)
	}
	anchors, err := mtls.NewAnchors(mtls.AnchorsConfig{CAFiles: []string{filepath.Join(dir, "ca.pem")}, CRLFiles: []string{filepath.Join(dir, "crl.pem")}, RequireCRL: true},
		func() time.Time { return now })
	if err != nil || anchors.Health() != nil {
		t.Fatal(err, anchors.Health())
	}
	subjects := map[string]string{
		"client-tls": "CN=demo-tls", "client-tls-other": "CN=demo-tls-other", "client-selfsigned": "CN=demo-selfsigned",
		"tpp-aisp": "organizationIdentifier=PSDDE-BAFIN-123456,CN=tpp-aisp.example,O=Demo Account Information GmbH,C=DE",
		"tpp-pisp": "organizationIdentifier=PSDDE-BAFIN-123457,CN=tpp-pisp.example,O=Demo Payment Initiation GmbH,C=DE",
		"tpp-both": "organizationIdentifier=PSDDE-BAFIN-123458,CN=tpp-both.example,O=Demo Third Party GmbH,C=DE",
	}
	roles := map[string][]string{"tpp-aisp": {"PSP_AI"}, "tpp-pisp": {"PSP_PI"}, "tpp-both": {"PSP_PI", "PSP_AI"}}
	for name, subject := range subjects {
		cert := load(t, dir, name)
		file, ok := report.File(name + ".pem")
		if !ok || file.Subject != subject || file.Thumbprint != mtls.Thumbprint(cert) || !file.NotAfter.Equal(cert.NotAfter) || file.Path != filepath.Join(dir, name+".pem") {
			t.Errorf("%s: %+v", name, file)
		}
		if err := (mtls.Identity{SubjectDN: subject}).Match(cert); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := anchors.Verify(cert, nil, now); (err == nil) != (name != "client-selfsigned") {
			t.Errorf("%s: %v", name, err)
		}
		psd2, err := mtls.PSD2Of(cert)
		if want := roles[name]; err != nil || (psd2 == nil) != (want == nil) || psd2 != nil && !cmp.Equal(psd2.Roles, want) {
			t.Errorf("%s: %+v, %v", name, psd2, err)
		}
	}
	server, pool := load(t, dir, "server"), x509.NewCertPool()
	pool.AddCert(load(t, dir, "ca"))
	for _, host := range []string{"localhost", "127.0.0.1", "::1"} {
		if _, err := server.Verify(x509.VerifyOptions{Roots: pool, DNSName: host, CurrentTime: now}); err != nil {
			t.Error(err)
		}
	}
	if _, ok := report.File("nothing.pem"); ok {
		t.Error("a file that is not there")
	}
}

// load reads a pair of the folder; its key must fit and be the owner's alone.
func load(t *testing.T, dir, name string) *x509.Certificate {
	t.Helper()
	keyFile := filepath.Join(dir, name+"-key.pem")
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, name+".pem"), keyFile)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(keyFile); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%s: mode %v, %v", keyFile, info.Mode(), err)
	}
	return pair.Leaf
}

func TestEnsureKeepsWhatServes(t *testing.T) {
	dir := t.TempDir()
	first := ensure(t, dir, now)
	if got := made(ensure(t, dir, now.Add(24*time.Hour))); got != nil {
		t.Errorf("made again: %s", got)
	}
	edit := func(name string, data []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	key, err := os.ReadFile(filepath.Join(dir, "client-tls-key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	edit("client-tls-other-key.pem", key)
	edit("tpp-aisp.pem", []byte("broken"))
	edit("crl.pem", []byte("broken"))
	if err := os.Remove(filepath.Join(dir, "client-selfsigned-key.pem")); err != nil {
		t.Fatal(err)
	}
	second := ensure(t, dir, now, "localhost", "signet.bank.example", "192.0.2.1")
	want := []string{"crl: broken", "server: other hosts", "client-tls-other: broken", "client-selfsigned: missing", "tpp-aisp: broken"}
	if diff := cmp.Diff(want, made(second)); diff != "" {
		t.Error(diff)
	}
	before, _ := first.File("client-tls.pem")
	after, _ := second.File("client-tls.pem")
	if before.Thumbprint != after.Thumbprint {
		t.Error("an untouched certificate changed")
	}
	edit("ca.pem", []byte("broken"))
	third := ensure(t, dir, now)
	wantAll := all("another authority's")
	wantAll[0], wantAll[5] = "ca: broken", wantAll[6]
	if diff := cmp.Diff(append(wantAll[:6], wantAll[7:]...), made(third)); diff != "" {
		t.Error(diff)
	}
	edit("ca-key.pem", nil)
	edit("server-key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("?")}))
	if got := made(ensure(t, dir, now)); len(got) != 8 || got[0] != "ca: broken" || got[2] != "server: broken" {
		t.Errorf("made %q", got)
	}
}

// TestEnsureRenews: 30 days before the end; a new revocation list still knows who was revoked.
func TestEnsureRenews(t *testing.T) {
	dir := t.TempDir()
	ensure(t, dir, now)
	leaf := load(t, dir, "client-tls")
	if got := made(ensure(t, dir, now.Add(366*24*time.Hour))); got != nil {
		t.Errorf("too early: %s", got)
	}
	want := all("expiring")[2:]
	if diff := cmp.Diff(want, made(ensure(t, dir, now.Add(368*24*time.Hour)))); diff != "" {
		t.Error(diff)
	}
	ca, err := certs.LoadCA(dir, now, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	list, err := ca.CRL(leaf.SerialNumber)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "crl.pem"), list, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := made(ensure(t, dir, now.Add(710*24*time.Hour))); len(got) < 1 || got[0] != "crl: expiring" {
		t.Errorf("made %q", got)
	}
	data, err := os.ReadFile(filepath.Join(dir, "crl.pem"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(data)
	renewed, err := x509.ParseRevocationList(block.Bytes)
	if err != nil || len(renewed.RevokedCertificateEntries) != 1 || renewed.Number.Int64() != 2 {
		t.Errorf("%+v, %v", renewed, err)
	}
	if diff := cmp.Diff([]string{"ca: expiring", "crl: another authority's"}, made(ensure(t, dir, now.Add(3640*24*time.Hour)))[:2]); diff != "" {
		t.Error(diff)
	}
}

// TestEnsureAtOnce: callers on one folder agree on one authority.
func TestEnsureAtOnce(t *testing.T) {
	dir := t.TempDir()
	reports := make([]certs.Report, 4)
	var group sync.WaitGroup
	for i := range reports {
		group.Go(func() {
			var err error
			if reports[i], err = certs.Ensure(certs.Spec{Dir: dir, Now: now, Random: rand.Reader}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	count := 0
	for _, report := range reports {
		count += len(report.Made())
		for i, file := range report.Files {
			if file.Thumbprint != reports[0].Files[i].Thumbprint {
				t.Errorf("two of %s", file.Name)
			}
		}
	}
	if count != 9 {
		t.Errorf("made %d files", count)
	}
}

func TestEnsureRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := certs.Ensure(certs.Spec{Dir: file, Now: now, Random: rand.Reader}); err == nil {
		t.Error("a file is no folder")
	}
	if _, err := certs.LoadCA(t.TempDir(), now, rand.Reader); err == nil {
		t.Error("an empty folder has no authority")
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "server.pem"), 0o700); err != nil {
		t.Fatal(err)
	}
	var told []string
	_, err := certs.Ensure(certs.Spec{Dir: dir, Now: now, Random: rand.Reader, Progress: func(file, _ string) { told = append(told, file) }})
	if err == nil || !strings.Contains(err.Error(), "server.pem") {
		t.Errorf("a folder in place of a file: %v", err)
	}
	if diff := cmp.Diff([]string{"ca.pem", "crl.pem", "server.pem"}, told); diff != "" {
		t.Error(diff)
	}
}
