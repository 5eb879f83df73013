package policy

import (
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// fold writes constants into the module of data.signet.decision: where it asks a package for a rule that
// is one unconditional constant ("id_lifetime := 0") or may be absent and is, it gets the constant. That cannot change a decision,
// and each rule that need not be asked makes one cheaper by about a twentieth.
func fold(decision *ast.Module, packages map[string][]*ast.Module) error {
	constants := map[string]ast.Value{}
	for name, rules := range questions {
		for _, r := range rules {
			value := constant(packages[name], r.name)
			if len(rulesNamed(packages[name], r.name)) == 0 {
				value = r.absent
			}
			if value != nil {
				constants["data."+name+"."+r.name] = value
			}
		}
	}
	_, err := ast.TransformRefs(decision, func(ref ast.Ref) (ast.Value, error) {
		if value, ok := constants[ref.String()]; ok {
			return value, nil
		}
		return ref, nil
	})
	return err
}

// constant returns the value of a rule that is always and everywhere the same, else nil.
func constant(modules []*ast.Module, name string) ast.Value {
	found := rulesNamed(modules, name)
	if len(found) != 1 {
		return nil
	}
	r := found[0]
	if len(r.Head.Ref()) != 1 || r.Head.RuleKind() != ast.SingleValue || len(r.Head.Args) > 0 || r.Else != nil ||
		!r.Body.Equal(ast.NewBody(ast.NewExpr(ast.BooleanTerm(true)))) || !ast.IsConstant(r.Head.Value.Value) {
		return nil
	}
	return r.Head.Value.Value
}

// prune takes out of the module of data.signet.extended what asks for rules that the owner has not
// written: such a body is undefined, so the rule never holds and its else, if any, always does.
func prune(extended *ast.Module, packages map[string][]*ast.Module) {
	absent := map[string]bool{}
	for name, rules := range additions {
		for _, r := range rules {
			absent["data."+name+"."+r.name] = len(rulesNamed(packages[name], r.name)) == 0
		}
	}
	asks := func(body ast.Body) (found bool) {
		ast.WalkRefs(body, func(ref ast.Ref) bool {
			found = found || absent[ref.String()]
			return found
		})
		return found
	}
	for i, r := range extended.Rules {
		for r != nil && asks(r.Body) {
			r = r.Else
		}
		extended.Rules[i] = r
	}
	extended.Rules = slices.DeleteFunc(extended.Rules, func(r *ast.Rule) bool { return r == nil })
}

// rulesNamed returns a package's rules of that name, those that define only a part of it included.
func rulesNamed(modules []*ast.Module, name string) []*ast.Rule {
	var found []*ast.Rule
	for _, module := range modules {
		for _, r := range module.Rules {
			if r.Head.Ref()[0].Value.Compare(ast.Var(name)) == 0 {
				found = append(found, r)
			}
		}
	}
	return found
}

// extends says whether the owner adds to the decisions about token requests.
func extends(packages map[string][]*ast.Module) bool {
	for name := range packages {
		if strings.HasPrefix(name, "signet.custom.") && name != customRegistration {
			return true
		}
	}
	return false
}
