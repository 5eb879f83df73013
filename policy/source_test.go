package policy

import (
	"context"
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const addition = `package signet.custom.client
deny contains {"rule": "x", "error": "access_denied", "text": "x"} if input.client.id == data.bank.blocked[_]`

// A directory that is not in order is refused as a whole, with a reason that names the place.
func TestRefusedDirectories(t *testing.T) {
	table := []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"syntax", map[string]string{"a.rego": "package signet.client\ndeny contains"}, "a.rego:2"},
		{"old Rego", map[string]string{"a.rego": "package signet.client\ndeny[x] { x := 1 }"}, "a.rego:2"},
		{"misspelt field", map[string]string{"a.rego": strings.Replace(addition, "input.client", "input.clinet", 1)}, "undefined ref: input.clinet"},
		{"misspelt inner field", map[string]string{"a.rego": strings.Replace(addition, "input.client.id", "input.certificate.psd2.role", 1)}, "undefined ref"},
		{"wrong type", map[string]string{"a.rego": strings.Replace(addition, "data.bank.blocked[_]", "7", 1)}, "match error"},
		{"unused variable", map[string]string{"a.rego": addition + "\nf if { x := 1; input.client.id == \"a\" }"}, "unused"},
		{"recursion", map[string]string{"a.rego": addition + "\na if b\nb if a"}, "recursive"},
		{"unknown package", map[string]string{"a.rego": "package signet.clients\nx := 1"}, "below signet only"},
		{"unknown addition", map[string]string{"a.rego": "package signet.custom.clients\nx := 1"}, "below signet only"},
		{"package below", map[string]string{"a.rego": "package signet.client.more\nx := 1"}, "below signet only"},
		{"the entry", map[string]string{"a.rego": "package signet\ndecision := {}"}, "below signet only"},
		{"rule missing", map[string]string{"a.rego": "package signet.scope\ngranted := []"}, "signet.scope does not define deny"},
		{"nothing asked for", map[string]string{"a.rego": "package signet.custom.client\ndenny contains 1 if input.client.id"}, "nothing that is asked for"},
		{"deny is no set", map[string]string{"a.rego": "package signet.client\ndeny if input.client.id == \"\""}, "must be a set"},
		{"granted is a set rule", map[string]string{"a.rego": "package signet.scope\ngranted contains 1\ndeny contains 1 if input.client.id == \"\""}, "have one value"},
		{"sample without decision", map[string]string{"a.rego": "package signet.custom.token\naccess_lifetime := -1"}, `sample input "client_credentials with a PSD2 certificate"`},
		{"data of ours", map[string]string{"a.rego": addition, "signet/data.json": `{"client": {"deny": []}}`}, "Signet's own rules"},
		{"data against rules", map[string]string{"a.rego": "package bank\nblocked := []", "data.json": `{"bank": {"blocked": []}}`}, "conflict"},
		{"data twice", map[string]string{"data.json": `{"bank": {"blocked": []}}`, "bank/data.json": `{"blocked": []}`}, "defined twice"},
		{"data no object", map[string]string{"data.json": `[]`}, "data.json"},
		{"data null", map[string]string{"data.json": `null`}, "not an object"},
		{"data with more", map[string]string{"data.json": `{} {}`}, "follows"},
		{"YAML data", map[string]string{"data.yaml": "a: 1"}, "data.json only"},
		{"bundle file", map[string]string{"bundle.tar.gz": ""}, "only .rego files"},
		{"taken name", map[string]string{"builtin:scope.rego": "package x"}, "taken"},
		{"too large", map[string]string{"a.rego": "package x\n#" + strings.Repeat("x", maxSourceSize)}, "bytes"},
	}
	for _, test := range table {
		t.Run(test.name, func(t *testing.T) {
			_, err := New(context.Background(), Options{Directory: folder(t, test.files), Clock: clock, Random: rand.Reader})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v; want %q", err, test.want)
			}
		})
	}
}

func TestDirectoryWithDataAndLibrary(t *testing.T) {
	directory := folder(t, map[string]string{
		"client.rego": `package signet.custom.client
deny contains {"rule": "bank.blocked", "error": "unauthorized_client", "text": "the client is blocked"} if {
	data.bank.lib.blocked(input.client.id)
}`,
		"lib/lib.rego": `package bank.lib
blocked(id) if id in data.bank.lists.blocked`,
		"bank/lists/data.json":       `{"blocked": ["target"]}`,
		"client_test.rego":           "this is not even Rego, and it is no part of the policy",
		"README.txt":                 "neither is this",
		".git/data.json":             "nor this",
		"..2026_01_01/client_x.rego": "nor this",
	})
	e := engine(t, directory)
	d, err := e.Decide(context.Background(), targeted())
	if err != nil || len(d.Denials) != 1 || d.Denials[0].Rule != "bank.blocked" {
		t.Errorf("%+v, %v", d, err)
	}
	if d, err := e.Decide(context.Background(), request()); err != nil || !d.Allowed() {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestLinks(t *testing.T) {
	elsewhere := folder(t, map[string]string{"a.rego": "package bank.lib\nx := 1"})
	directory := t.TempDir()
	if err := os.Symlink(filepath.Join(elsewhere, "a.rego"), filepath.Join(directory, "a.rego")); err != nil {
		t.Fatal(err)
	}
	if engine(t, directory).Revision() == engine(t, "").Revision() {
		t.Error("a linked file was not read")
	}
	if err := os.Symlink(elsewhere, filepath.Join(directory, "more")); err != nil {
		t.Fatal(err)
	}
	if _, err := readSource(directory); err == nil || !strings.Contains(err.Error(), "not followed") {
		t.Errorf("linked directory: %v", err)
	}
}

// The revision follows what decides and nothing else, wherever the directory is.
func TestRevision(t *testing.T) {
	files := map[string]string{"a.rego": "package bank.lib\nx := 1", "data.json": `{"bank": {"y": 1}}`}
	first := engine(t, folder(t, files)).Revision()
	files["a_test.rego"], files["README.md"] = "package x", "text"
	if again := engine(t, folder(t, files)).Revision(); again != first {
		t.Errorf("tests or texts change the revision: %s, %s", first, again)
	}
	files["data.json"] = `{"bank": {"y": 2}}`
	if again := engine(t, folder(t, files)).Revision(); again == first {
		t.Error("data does not change the revision")
	}
	if engine(t, "").Revision() == engine(t, folder(t, files)).Revision() {
		t.Error("the owner's files do not change the revision")
	}
}

// Several files of one package replace the built-in package together.
func TestReplacementInSeveralFiles(t *testing.T) {
	e := engine(t, folder(t, map[string]string{
		"1.rego": `package signet.grant
deny contains {"rule": "one", "error": "access_denied", "text": "x"} if input.client.auth_method == "none"`,
		"2.rego": `package signet.grant
deny contains {"rule": "two", "error": "access_denied", "text": "x"} if input.client.auth_method == "none"`,
	}))
	in := request()
	in.Client.AuthMethod, in.Request.Profile = "none", "openid"
	d, err := e.Decide(context.Background(), in)
	if err != nil || len(d.Denials) != 2 || d.Denials[0].Rule != "one" || d.Denials[1].Rule != "two" {
		t.Errorf("%+v, %v", d, err)
	}
}
