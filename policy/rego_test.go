package policy

import (
	"context"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/tester"
)

// runRego runs the Rego tests among the given files against modules and fails on any that does not pass.
func runRego(t *testing.T, modules map[string]*ast.Module, tests map[string]string) {
	t.Helper()
	for name, text := range tests {
		module, err := ast.ParseModuleWithOpts(name, text, ast.ParserOptions{RegoVersion: ast.RegoV1})
		if err != nil {
			t.Fatal(err)
		}
		modules[name] = module
	}
	store := inmem.NewFromObject(map[string]any{})
	txn, err := store.NewTransaction(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	results, err := tester.NewRunner().
		SetCompiler(ast.NewCompiler().WithCapabilities(capabilities()).WithStrict(true).WithEnablePrintStatements(true)).
		SetStore(store).CapturePrintOutput(true).RaiseBuiltinErrors(true).SetModules(modules).
		RunTests(t.Context(), txn)
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for result := range results {
		ran++
		if !result.Pass() {
			t.Errorf("%v\n%s", result, result.Output)
		}
	}
	if ran == 0 {
		t.Error("no Rego test ran")
	}
}

func regoTests(t *testing.T, root fs.FS, pattern string) map[string]string {
	t.Helper()
	names, err := fs.Glob(root, pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("no tests match %s: %v", pattern, err)
	}
	tests := map[string]string{}
	for _, name := range names {
		raw, err := fs.ReadFile(root, name)
		if err != nil {
			t.Fatal(err)
		}
		tests[name] = string(raw)
	}
	return tests
}

func TestBundleRego(t *testing.T) {
	modules := map[string]*ast.Module{}
	source, err := readSource("")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range source.files { // as written: neither folded nor pruned
		if modules[f.name], err = ast.ParseModule(f.name, string(f.raw)); err != nil {
			t.Fatal(err)
		}
	}
	runRego(t, modules, regoTests(t, builtin, "bundle/*_test.rego"))
}

func TestPSD2Rego(t *testing.T) {
	source, err := readSource("examples/psd2")
	if err != nil {
		t.Fatal(err)
	}
	modules, asked, err := source.modules()
	if err != nil {
		t.Fatal(err)
	}
	if asked != (entries{entryExtended, entryRegistration}) {
		t.Errorf("asks %+v", asked)
	}
	runRego(t, modules, regoTests(t, os.DirFS("examples/psd2"), "*_test.rego"))
}

// The example through the engine, as a token request meets it.
func TestPSD2Decisions(t *testing.T) {
	e := engine(t, "examples/psd2")
	table := []struct {
		name      string
		roles     []string
		bound     []string
		requested bool
		want      []string
		denied    []string
	}{
		{"AISP asks accounts", []string{"PSP_AI"}, []string{"accounts"}, true, []string{"accounts"}, nil},
		{"AISP asks payments", []string{"PSP_AI"}, []string{"payments"}, true, nil,
			[]string{"psd2.nothing_allowed", "psd2.payments_need_psp_pi"}},
		{"PISP asks payments", []string{"PSP_PI"}, []string{"payments"}, true, []string{"payments"}, nil},
		{"PISP asks accounts", []string{"PSP_PI"}, []string{"accounts"}, true, nil,
			[]string{"psd2.accounts_need_psp_ai", "psd2.nothing_allowed"}},
		{"PISP asks nothing by name", []string{"PSP_PI"}, []string{"accounts", "payments"}, false, []string{"payments"}, nil},
		{"both", []string{"PSP_PI", "PSP_AI"}, []string{"payments", "accounts"}, true, []string{"payments", "accounts"}, nil},
	}
	for _, test := range table {
		t.Run(test.name, func(t *testing.T) {
			in := request()
			in.Certificate.PSD2.Roles = test.roles
			in.Grant.Scope, in.Grant.Requested = test.bound, test.requested
			d, err := e.Decide(context.Background(), in)
			if err != nil {
				t.Fatal(err)
			}
			var denied []string
			for _, denial := range d.Denials {
				denied = append(denied, denial.Rule)
				if denial.Decision != DecisionScope || denial.Error != "invalid_scope" || !strings.Contains(denial.Text, "PSD2") {
					t.Errorf("denial %+v", denial)
				}
			}
			if diff := cmp.Diff(test.denied, denied); diff != "" {
				t.Errorf("denials (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.want, d.Scope); diff != "" {
				t.Errorf("scope (-want +got):\n%s", diff)
			}
			if d.Allowed() && d.AccessClaims["psd2_organization"] != "PSDDE-BAFIN-123456" {
				t.Errorf("claims %v", d.AccessClaims)
			}
		})
	}
}
