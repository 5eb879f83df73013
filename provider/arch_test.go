package provider_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const root = ".." // the module's root, from this package

// layers are the house's directions: a package may import ours only from a layer further down, or what
// beside lists.
var layers = map[string]int{
	"cmd/signet": 0, "cmd/resource-server": 0,
	"provider":                1,
	"provider/token":          2,
	"provider/authorize":      2,
	"provider/interaction":    2,
	"provider/userinfo":       2,
	"provider/introspection":  2,
	"provider/revocation":     2,
	"provider/ciba":           2,
	"provider/logout":         2,
	"provider/deliver":        3,
	"provider/grantmgmt":      2,
	"provider/registration":   2,
	"provider/discovery":      2,
	"provider/issue":          3,
	"provider/clientauth":     3,
	"provider/assertion":      3,
	"provider/assertion/saml": 4,
	"provider/device":         2,
	"provider/resource":       3,
	"provider/binding":        3,
	"provider/session":        3,
	"provider/web":            3,
	"provider/fetch":          3,
	"provider/audit":          3,
	"provider/store":          3,
	"provider/keys":           3,
	"provider/keys/file":      3,
	"provider/keys/sealed":    3,
	"provider/keys/vault":     3,
	"provider/keys/transit":   3,
	"provider/keys/vaultkv":   3,
	"provider/telemetry":      3,
	"provider/jose":           4,
	"provider/pkce":           4,
	"provider/dpop":           4,
	"provider/rar":            4,
	"provider/jar":            4,
	"provider/oauth":          5,
	"mtls":                    4,
	"policy":                  4,
	"certs":                   3,
	"conformance":             3,
}

// beside are the imports within one layer that are part of the design.
var beside = map[string][]string{
	"provider/issue":        {"provider/binding", "provider/keys", "provider/resource"},
	"provider/dpop":         {"provider/jose"},
	"provider/jar":          {"provider/jose"},
	"provider/resource":     {"provider/binding", "provider/web"},
	"provider/keys/file":    {"provider/keys", "provider/keys/sealed"},
	"provider/keys/sealed":  {"provider/keys"},
	"provider/keys/transit": {"provider/keys", "provider/keys/vault"},
	"provider/keys/vaultkv": {"provider/keys", "provider/keys/sealed", "provider/keys/vault"},
}

// nothingOfOurs are libraries in themselves.
var nothingOfOurs = []string{"mtls", "policy", "provider/oauth", "conformance"}

// concrete are the backends that only cmd may choose.
var concrete = []string{"provider/store", "provider/keys/file", "provider/keys/transit", "provider/keys/vaultkv"}

// homes gives each third-party library the packages that may import it.
var homes = map[string][]string{
	"github.com/gorilla/mux":              {"provider"},
	"github.com/lestrrat-go/jwx":          {"provider/jose", "provider/keys", "provider/keys/file"},
	"github.com/open-policy-agent/opa":    {"policy"},
	"modernc.org/sqlite":                  {"provider/store"},
	"github.com/go-sql-driver/mysql":      {"provider/store"},
	"github.com/hashicorp/vault":          {"provider/keys/vault", "provider/keys/transit", "provider/keys/vaultkv"},
	"github.com/sony/gobreaker":           {"provider/keys/vault"},
	"github.com/pires/go-proxyproto":      {"cmd/signet"},
	"github.com/prometheus":               {"provider/telemetry"},
	"go.opentelemetry.io":                 {"provider/telemetry"},
	"github.com/pressly/goose":            {"provider/store"},
	"github.com/goccy/go-yaml":            {"provider", "provider/interaction", "conformance"},
	"github.com/spf13/cobra":              {"cmd/signet", "cmd/resource-server"},
	"github.com/russellhaering/goxmldsig": {"provider/assertion/saml"},
	"github.com/beevik/etree":             {"provider/assertion/saml"},
	"rsc.io/qr":                           {"provider/device"},
	"github.com/alexedwards/argon2id":     {"provider/interaction", "provider/clientauth"},
	"database/sql":                        {"provider/store"},
	"github.com/jedib0t/go-pretty":        {"cmd/signet"},
	"github.com/santhosh-tekuri":          {"provider/rar"},
	"github.com/yaronf/httpsign":          {"cmd/resource-server"},
	"github.com/chromedp":                 {"conformance"},
}

type source struct {
	file, pkg string // pkg is the folder relative to the root
	imports   []string
	text      string
}

// TestImportDirection holds the code against the design: imports point rightwards only.
func TestImportDirection(t *testing.T) {
	for _, s := range sources(t) {
		layer, known := layers[s.pkg]
		if !known {
			t.Errorf("%s: package %s has no place in the house; give it one in layers", s.file, s.pkg)
			continue
		}
		for _, path := range s.imports {
			own, ours := strings.CutPrefix(path, "signet/")
			if !ours {
				checkHome(t, s, path)
				continue
			}
			switch {
			case slices.Contains(nothingOfOurs, s.pkg):
				t.Errorf("%s imports %s, but %s imports nothing of ours", s.file, own, s.pkg)
			case slices.Contains(concrete, own) && !strings.HasPrefix(s.pkg, "cmd/") && !strings.HasPrefix(own, s.pkg):
				t.Errorf("%s imports the concrete backend %s: only cmd may", s.file, own)
			case layers[own] > layer, slices.Contains(beside[s.pkg], own), layers[s.pkg] == 0:
			default:
				t.Errorf("%s imports %s: that is not rightwards", s.file, own)
			}
		}
	}
}

func checkHome(t *testing.T, s source, path string) {
	for library, home := range homes {
		if strings.HasPrefix(path, library) && !slices.Contains(home, s.pkg) {
			t.Errorf("%s imports %s, whose home is %v", s.file, path, home)
		}
	}
}

// TestRoutesAloneKnowTheRouter keeps gorilla/mux in one file.
func TestRoutesAloneKnowTheRouter(t *testing.T) {
	for _, s := range sources(t) {
		if slices.Contains(s.imports, "github.com/gorilla/mux") && filepath.Base(s.file) != "routes.go" {
			t.Errorf("%s imports mux; only provider/routes.go may", s.file)
		}
	}
}

// TestClockAndRandomnessAreInjected allows the real ones only in cmd.
func TestClockAndRandomnessAreInjected(t *testing.T) {
	for _, s := range sources(t) {
		if strings.HasPrefix(s.pkg, "cmd/") {
			continue
		}
		for _, forbidden := range []string{"time.Now(", "time.Since(", "time.Until(", "rand.Reader", "rand.Read(", "rand.Text("} {
			if strings.Contains(s.text, forbidden) {
				t.Errorf("%s uses %s; inject it", s.file, strings.TrimSuffix(forbidden, "("))
			}
		}
	}
}

// TestPackagesStateTheirPurpose wants a package comment, with an invariant, everywhere.
func TestPackagesStateTheirPurpose(t *testing.T) {
	stated := map[string]bool{}
	for _, s := range sources(t) {
		before, _, _ := strings.Cut(s.text, "\npackage ")
		if strings.Contains(before, "// Package ") && strings.Contains(before, "Invariant:") || strings.Contains(before, "// Command ") {
			stated[s.pkg] = true
		}
	}
	for pkg := range layers {
		if !stated[pkg] {
			t.Errorf("package %s does not state its purpose and its invariant", pkg)
		}
	}
}

// sources parses every Go file of the project that is not a test or test support.
func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() {
			if name != ".." && strings.HasPrefix(name, ".") || name == "node_modules" || name == "testdata" || name == "bin" ||
				strings.HasSuffix(name, "test") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		s, err := parse(file)
		all = append(all, s)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatal("no sources found")
	}
	return all
}

func parse(file string) (source, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return source{}, err
	}
	syntax, err := parser.ParseFile(token.NewFileSet(), file, text, parser.ImportsOnly)
	if err != nil {
		return source{}, err
	}
	pkg, err := filepath.Rel(root, filepath.Dir(file))
	s := source{file: strings.TrimPrefix(file, "../"), pkg: filepath.ToSlash(pkg), text: string(text)}
	for _, spec := range syntax.Imports {
		path, _ := strconv.Unquote(spec.Path.Value)
		s.imports = append(s.imports, path)
	}
	return s, err
}
