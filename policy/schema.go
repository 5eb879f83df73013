package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
)

// inputSchema is the JSON schema of the input document, made from the Go types. The compiler checks
// policies against it, so that a misspelt field is an error with a line instead of a rule that never fires.
func inputSchema() map[string]any {
	schema := schemaOf(reflect.TypeFor[Input]())
	request := schema["properties"].(map[string]any)["request"].(map[string]any)
	request["properties"].(map[string]any)["unix"] = map[string]any{"type": "integer"}
	return schema
}

func schemaOf(t reflect.Type) map[string]any {
	switch {
	case t == reflect.TypeFor[json.RawMessage](), t.Kind() == reflect.Map: // what it has is not Signet's to know
		return map[string]any{"type": "object"}
	case t == reflect.TypeFor[time.Time](), t.Kind() == reflect.String:
		return map[string]any{"type": "string"}
	case t.Kind() == reflect.Int64:
		return map[string]any{"type": "integer"}
	case t.Kind() == reflect.Bool:
		return map[string]any{"type": "boolean"}
	case t.Kind() == reflect.Slice:
		return map[string]any{"type": "array", "items": schemaOf(t.Elem())}
	case t.Kind() == reflect.Pointer:
		return map[string]any{"anyOf": []any{map[string]any{"type": "null"}, schemaOf(t.Elem())}}
	}
	properties := map[string]any{}
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		properties[name] = schemaOf(t.Field(i).Type)
	}
	return map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
}

// checkFields finds references to input fields that do not exist. The compiler does the same, except below
// what may be null: its types have no "object or null", so it takes everything there for possible.
func checkFields(modules map[string]*ast.Module) error {
	schema := inputSchema()
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(modules)) {
		ast.WalkRefs(modules[name], func(ref ast.Ref) bool {
			if ref.HasPrefix(ast.InputRootRef) && !fieldExists(schema, ref[1:]) {
				faults = append(faults, fmt.Errorf("%v: undefined ref: %v", ref[0].Location, ref))
			}
			return false
		})
	}
	return errors.Join(faults...)
}

func fieldExists(schema map[string]any, path ast.Ref) bool {
	for _, step := range path {
		if choice, ok := schema["anyOf"].([]any); ok {
			schema = choice[1].(map[string]any)
		}
		properties, isObject := schema["properties"].(map[string]any)
		if !isObject && schema["type"] == "object" {
			return true // any field, and whatever is in it
		}
		name, isName := step.Value.(ast.String)
		switch {
		case isObject && isName:
			if schema, _ = properties[string(name)].(map[string]any); schema == nil {
				return false
			}
		case isObject: // a variable: any field
			return true
		default:
			// The elements of a list; what is neither list nor object has no inside.
			if schema, _ = schema["items"].(map[string]any); schema == nil {
				return false
			}
		}
	}
	return true
}
