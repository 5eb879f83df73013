package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// rule is what a package may offer to data.signet.decision.
type rule struct {
	name string
	set  bool // a partial set: "deny contains ... if ..."
	// absent is the answer of a package that does not define the rule; nil = it must.
	absent ast.Value
}

// questions are the packages that answer; each must define all of its rules but those with an answer for their absence.
var questions = map[string][]rule{
	"signet.client": {{name: "deny", set: true}},
	"signet.grant":  {{name: "deny", set: true}},
	"signet.scope":  {{name: "deny", set: true}, {name: "granted"}, {name: "granted_details", absent: allDetails}},
	"signet.token": {{name: "deny", set: true}, {name: "access_claims"}, {name: "id_claims"}, {name: "transaction_context", absent: ast.InternedEmptyObjectValue},
		{name: "access_lifetime"}, {name: "id_lifetime"}, {name: "refresh_lifetime"}},
	"signet.registration": {{name: "deny", set: true}},
}

// additions are the packages that add to the answers; each must define at least one of its rules.
var additions = map[string][]rule{
	"signet.custom.client": {{name: "deny", set: true}},
	"signet.custom.grant":  {{name: "deny", set: true}, {name: "declared", set: true}},
	"signet.custom.scope":  {{name: "deny", set: true}, {name: "withhold", set: true}, {name: "withhold_details", set: true}},
	"signet.custom.token": {{name: "deny", set: true}, {name: "access_claims"}, {name: "id_claims"}, {name: "transaction_context"},
		{name: "access_lifetime"}, {name: "id_lifetime"}, {name: "refresh_lifetime"}},
	customRegistration: {{name: "deny", set: true}},
}

// customRegistration adds to the one answer that no token request asks for.
const customRegistration = "signet.custom.registration"

// checkPackage refuses names below signet that nothing would ask: most likely a slip of the pen, and a
// rule that is never asked denies nothing.
func checkPackage(name string) error {
	if name != "signet" && !strings.HasPrefix(name, "signet.") {
		return nil
	}
	if questions[name] != nil || additions[name] != nil {
		return nil
	}
	known := slices.Concat(slices.Sorted(maps.Keys(questions)), slices.Sorted(maps.Keys(additions)))
	return fmt.Errorf("package %s: below signet only %s can be written", name, strings.Join(known, ", "))
}

// checkRules refuses a package that lacks what it is asked for, or that says it in the wrong form.
func checkRules(name string, modules []*ast.Module) []error {
	wanted, every := questions[name], true
	if wanted == nil {
		wanted, every = additions[name], false
	}
	if wanted == nil || len(modules) == 0 {
		return nil
	}
	var faults []error
	found := 0
	for _, want := range wanted {
		rules := rulesNamed(modules, want.name)
		if len(rules) > 0 {
			found++
		} else if every && want.absent == nil {
			faults = append(faults, fmt.Errorf("package %s does not define %s", name, want.name))
		}
		for _, r := range rules {
			isSet := len(r.Head.Ref()) == 1 && r.Head.RuleKind() == ast.MultiValue
			if isSet != want.set {
				faults = append(faults, fmt.Errorf("%v: %s.%s must %s", r.Loc(), name, want.name, form(want)))
			}
		}
	}
	if !every && found == 0 {
		faults = append(faults, fmt.Errorf("package %s defines nothing that is asked for", name))
	}
	return faults
}

func form(r rule) string {
	if r.set {
		return fmt.Sprintf(`be a set ("%s contains ... if ...")`, r.name)
	}
	return "have one value, not be a set"
}

// parseObject reads a JSON object without turning its numbers into floats.
func parseObject(raw []byte) (map[string]any, error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var document map[string]any
	if err := decoder.Decode(&document); err != nil {
		return nil, err
	}
	if document == nil {
		return nil, errors.New("not an object")
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the object")
	}
	return document, nil
}

// merge adds from to into; two values for one place are an error.
func merge(into, from map[string]any) error {
	for key, value := range from {
		old, taken := into[key]
		if !taken {
			into[key] = value
			continue
		}
		oldObject, ok1 := old.(map[string]any)
		newObject, ok2 := value.(map[string]any)
		if !ok1 || !ok2 {
			return fmt.Errorf("%q is defined twice", key)
		}
		if err := merge(oldObject, newObject); err != nil {
			return fmt.Errorf("%q: %w", key, err)
		}
	}
	return nil
}
