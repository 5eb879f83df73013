package rar

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Type is a configured authorization details type.
type Type struct {
	Name        string // value of the member "type" (RFC 9396 section 2)
	Description string // for people: what an element of this type allows, e.g. "Make a payment"; "" = Name
	// Schema is a JSON Schema (draft 2020-12 unless it says otherwise) for a whole element, its "type" included.
	// Formats are checked. It is complete in itself: a reference to another document is refused.
	Schema []byte
	// Show names and orders what an element says for people. Members that it leaves out follow under their own names.
	Show []Field
	// Lists are top-level members, besides actions, datatypes, locations and privileges, that list what is allowed,
	// so that part of such a list allows less (see [Types.Narrow]).
	Lists []string
	// Resources are the resource servers at which the type means something; empty = all.
	Resources []string
}

// Field is one labelled line. Path is member names from the top, separated by dots, e.g. "instructedAmount.amount"; it
// goes through the elements of arrays.
type Field struct{ Label, Path string }

// Types are the configured types.
type Types struct {
	names  []string
	byName map[string]*kind
}

// kind is a Type ready for use.
type kind struct {
	Type
	schema *jsonschema.Schema
	show   []path
}

type path []string

// The members that RFC 9396 section 2.2 defines as lists of what is allowed.
const (
	memberType       = "type"
	memberLocations  = "locations"
	memberActions    = "actions"
	memberDatatypes  = "datatypes"
	memberPrivileges = "privileges"
	memberIdentifier = "identifier"
)

// New compiles the types. The error names every one that is wrong, by its name.
func New(types []Type) (*Types, error) {
	t := &Types{byName: make(map[string]*kind, len(types))}
	var faults []error
	for _, configured := range types {
		k, err := compile(configured)
		if err == nil && t.byName[configured.Name] != nil {
			err = errors.New("is there twice")
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("authorization details type %q: %w", configured.Name, err))
			continue
		}
		t.names = append(t.names, configured.Name)
		t.byName[configured.Name] = k
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return t, nil
}

// Names lists the types in their configured order (RFC 9396 section 10: authorization_details_types_supported).
func (t *Types) Names() []string { return slices.Clone(t.names) }

func compile(configured Type) (*kind, error) {
	if configured.Name == "" {
		return nil, errors.New("has no name")
	}
	k := &kind{Type: configured}
	for _, field := range configured.Show {
		steps := path(strings.Split(field.Path, "."))
		if field.Label == "" || slices.Contains(steps, "") {
			return nil, errors.New("a line to show needs a label and a path of member names separated by dots")
		}
		k.show = append(k.show, steps)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(configured.Schema))
	if err != nil {
		return nil, fmt.Errorf("its schema is not JSON: %w", err)
	}
	if _, ok := document.(map[string]any); !ok {
		return nil, errors.New("its schema is not an object")
	}
	const location = "urn:signet:authorization-details"
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	compiler.AssertFormat()
	compiler.UseLoader(noLoader{})
	if err := compiler.AddResource(location, document); err != nil {
		return nil, fmt.Errorf("its schema: %w", err)
	}
	if k.schema, err = compiler.Compile(location); err != nil {
		return nil, fmt.Errorf("its schema: %w", err)
	}
	return k, nil
}

// noLoader keeps schemas from reading anything from elsewhere.
type noLoader struct{}

// Load implements jsonschema.URLLoader.
func (noLoader) Load(string) (any, error) {
	return nil, errors.New("a schema cannot refer to another document")
}
