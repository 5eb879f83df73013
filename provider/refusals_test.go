package provider

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// refusals.md names tests; each must be there, in the package that is named.
func TestRefusalsAreTested(t *testing.T) {
	text, err := os.ReadFile("refusals.md")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`([a-z]+)\\.((?:Test|Fuzz)\\w+)`").FindAllStringSubmatch(string(text), -1)
	if len(named) < 100 {
		t.Fatalf("only %d tests are named", len(named))
	}
	sources := map[string]string{}
	for _, name := range named {
		pkg, test := name[1], name[2]
		if _, read := sources[pkg]; !read {
			sources[pkg] = testsOf(t, pkg)
		}
		if !strings.Contains(sources[pkg], "\nfunc "+test+"(") {
			t.Errorf("%s.%s is named, but not there", pkg, test)
		}
	}
}

// testsOf is the text of all tests of a package below provider/, or of provider itself.
func testsOf(t *testing.T, pkg string) string {
	t.Helper()
	folder := pkg
	switch pkg {
	case "provider":
		folder = "."
	case "saml":
		folder = "assertion/saml"
	}
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}
