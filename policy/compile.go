package policy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
)

// The queries about a token request and about a registration: which of the two depends on what the owner has written.
const (
	entryDecision = "data.signet.decision"
	entryExtended = "data.signet.extended"

	entryRegistration         = "data.signet.registration_decision"
	entryExtendedRegistration = "data.signet.extended_registration"
)

// rules is a compiled bundle. It never changes; a reload makes a new one.
type rules struct {
	revision string
	query    rego.PreparedEvalQuery // about token requests
	options  []rego.EvalOption      // the same for every evaluation

	registration rego.PreparedEvalQuery
}

// build compiles a source and tries it on the sample inputs.
func (e *Engine) build(ctx context.Context, s *source) (r *rules, err error) {
	// A fault in the compiler must not end a server whose rules in force are fine.
	defer func() {
		if p := recover(); p != nil {
			r, err = nil, fmt.Errorf("the compiler failed: %v", p)
		}
	}()
	modules, asked, err := s.modules()
	if err != nil {
		return nil, err
	}
	data, err := s.data()
	if err != nil {
		return nil, err
	}
	store := inmem.NewFromObjectWithOpts(data, inmem.OptReturnASTValuesOnRead(true), inmem.OptRoundTripOnWrite(false))
	txn, err := store.NewTransaction(ctx) // nothing ever writes: all evaluations share it
	if err != nil {
		return nil, err
	}
	compiler := newCompiler().WithPathConflictsCheck(storage.NonEmpty(ctx, store, txn))
	if compiler.Compile(modules); compiler.Failed() {
		return nil, compiler.Errors
	}
	if err := checkFields(compiler.Modules); err != nil {
		return nil, err
	}
	prepare := func(entry string) (rego.PreparedEvalQuery, error) {
		return rego.New(
			rego.Query(entry),
			rego.Compiler(compiler),
			rego.Store(store),
			rego.Transaction(txn),
			rego.StrictBuiltinErrors(true),
		).PrepareForEval(ctx)
	}
	query, err := prepare(asked.token)
	if err != nil {
		return nil, err
	}
	registration, err := prepare(asked.registration)
	if err != nil {
		return nil, err
	}
	r = &rules{revision: s.revision, query: query, registration: registration, options: []rego.EvalOption{
		rego.EvalTransaction(txn),
		rego.EvalMetrics(metrics.NoOp()),
		rego.EvalRuleIndexing(true),
		rego.EvalEarlyExit(true),
		rego.EvalGenerateJSON(func(term *ast.Term, _ *rego.EvalContext) (any, error) { return term, nil }),
	}}
	return r, r.try(ctx, e.options)
}

func newCompiler() *ast.Compiler {
	schemas := ast.NewSchemaSet()
	schemas.Put(ast.SchemaRootRef, inputSchema())
	return ast.NewCompiler().
		WithCapabilities(capabilities()).
		WithDefaultRegoVersion(ast.RegoV1).
		WithSchemas(schemas).
		WithUseTypeCheckAnnotations(true).
		WithStrict(true)
}

// capabilities is OPA's list of built-in functions without those whose result is not a function of the
// input and the bundle: a policy that uses one does not compile. time.now_ns stays, because it returns
// the input's time.
func capabilities() *ast.Capabilities {
	c := ast.CapabilitiesForThisVersion()
	c.AllowNet = []string{}
	c.Builtins = slices.DeleteFunc(c.Builtins, func(b *ast.Builtin) bool {
		switch b.Name {
		case "time.now_ns":
			return false
		case "json.match_schema", "json.verify_schema", // may fetch remote schemas
			"crypto.x509.parse_and_verify_certificates", // judge by the machine's time and roots
			"crypto.x509.parse_and_verify_certificates_with_options":
			return true
		}
		return b.Nondeterministic
	})
	return c
}

// entries are the documents to ask for.
type entries struct{ token, registration string }

// modules parses the Rego files, settles which packages are in force (an owner's file of one that answers
// replaces the built-in package as a whole) and returns what to ask for.
func (s *source) modules() (modules map[string]*ast.Module, asked entries, err error) {
	modules = make(map[string]*ast.Module, len(s.files))
	packages := map[string][]*ast.Module{}
	owned := map[string]bool{}
	parser := ast.ParserOptions{RegoVersion: ast.RegoV1, Capabilities: capabilities(), ProcessAnnotation: true}
	var faults []error
	for _, f := range slices.Backward(s.files) { // the owner's files come first this way
		if !strings.HasSuffix(f.name, ".rego") {
			continue
		}
		module, err := ast.ParseModuleWithOpts(f.label(), string(f.raw), parser)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		name := packageName(module)
		if !f.owner && owned[name] {
			continue // replaced
		}
		if err := checkPackage(name); f.owner && err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", f.label(), err))
			continue
		}
		modules[f.label()] = module
		packages[name] = append(packages[name], module)
		owned[name] = f.owner
	}
	for _, name := range slices.Sorted(maps.Keys(packages)) {
		faults = append(faults, checkRules(name, packages[name])...)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, asked, err
	}
	asked = entries{entryDecision, entryRegistration}
	if extends(packages) {
		asked.token = entryExtended
	}
	if len(packages[customRegistration]) > 0 {
		asked.registration = entryExtendedRegistration
	}
	prune(modules[builtinPrefix+"extended.rego"], packages)
	return modules, asked, fold(modules[builtinPrefix+"decision.rego"], packages)
}

func packageName(module *ast.Module) string {
	return strings.TrimPrefix(module.Package.Path.String(), "data.")
}

// data merges the owner's data.json files; each belongs under its folders' names.
func (s *source) data() (map[string]any, error) {
	merged := map[string]any{}
	for _, f := range s.files {
		if path.Base(f.name) != "data.json" {
			continue
		}
		document, err := parseObject(f.raw)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.label(), err)
		}
		parts, err := f.dataPath()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.label(), err)
		}
		for _, part := range slices.Backward(parts) {
			document = map[string]any{part: document}
		}
		if err := merge(merged, document); err != nil {
			return nil, fmt.Errorf("%s: %w", f.label(), err)
		}
	}
	if _, taken := merged["signet"]; taken {
		return nil, errors.New(`data.json: "signet" is the name of Signet's own rules`)
	}
	return merged, nil
}
