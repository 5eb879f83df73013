package conformance

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

// files are the plans and the expectations of this repository.
//
//go:embed plans/*.yaml expected/*.yaml
var files embed.FS

// Run is one plan of the suite with one choice of its variants.
type Run struct {
	Name    string            `json:"name"`    // the plan file's name and the labels of the variant, e.g. fapi2-security-final-pkjwt-dpop-oidc-simple
	File    string            `json:"file"`    // the plan file's name
	Plan    string            `json:"plan"`    // the suite's name of the plan
	Setup   string            `json:"setup"`   // the name of the provider's configuration
	Profile string            `json:"profile"` // the security profile that the clients are registered with
	Variant map[string]string `json:"variant"`
	// Alias is how the suite tells the run's callbacks apart. A module stops another one that holds its alias, so no
	// two runs on one suite may share it, whoever starts them. Without one the callbacks carry the modules' own ids,
	// so that several can be under way at once.
	Alias string `json:"alias,omitempty"`
}

// planFile is a file of plans/: a plan of the suite, and which of its variants run.
type planFile struct {
	Plan    string  `yaml:"plan"`
	Setup   string  `yaml:"setup"` // the provider's configuration; "" = fapi
	Profile string  `yaml:"profile"`
	Groups  []group `yaml:"groups"`
}

// defaultSetup is the provider's configuration of a plan file that names none.
const defaultSetup = "fapi"

// group is a product: each choice of one value per axis is a run.
type group struct {
	Label   string            `yaml:"label"`   // put before the axes' labels; may be empty
	Profile string            `yaml:"profile"` // instead of the file's
	Fixed   map[string]string `yaml:"fixed"`   // variants that all runs of the group have
	Axes    []axis            `yaml:"axes"`
}

// axis is a variant of the suite with its values, each under the label that names the run.
type axis struct {
	Variant string        `yaml:"variant"`
	Values  yaml.MapSlice `yaml:"values"` // label: value, in the file's order
}

// Runs are all runs of this repository's plan files, in the files' order.
func Runs() ([]Run, error) { return readRuns(files) }

// Select returns the runs that the comma-separated texts name; "" selects all. A text that is a run's name selects
// that run alone, any other the runs whose names begin so.
func Select(runs []Run, names string) ([]Run, error) {
	if names == "" {
		return runs, nil
	}
	var selected []Run
	for text := range strings.SplitSeq(names, ",") {
		named := matching(runs, strings.TrimSpace(text))
		if len(named) == 0 {
			return nil, fmt.Errorf("no plan's name begins with %q", strings.TrimSpace(text))
		}
		for _, run := range named {
			if !slices.ContainsFunc(selected, func(r Run) bool { return r.Name == run.Name }) {
				selected = append(selected, run)
			}
		}
	}
	return selected, nil
}

func matching(runs []Run, text string) (named []Run) {
	for _, run := range runs {
		if run.Name == text {
			return []Run{run}
		}
		if strings.HasPrefix(run.Name, text) {
			named = append(named, run)
		}
	}
	return named
}

func readRuns(from fs.FS) ([]Run, error) {
	names, err := fs.Glob(from, "plans/*.yaml")
	if err != nil {
		return nil, err
	}
	var runs []Run
	for _, name := range names {
		raw, err := fs.ReadFile(from, name)
		if err != nil {
			return nil, err
		}
		var file planFile
		if err := yaml.UnmarshalWithOptions(raw, &file, yaml.Strict()); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		made, err := file.runs(strings.TrimSuffix(path.Base(name), ".yaml"))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		runs = append(runs, made...)
	}
	return runs, unique(runs)
}

func unique(runs []Run) error {
	seen := map[string]bool{}
	for _, run := range runs {
		if seen[run.Name] {
			return fmt.Errorf("the plans have two runs with the name %s", run.Name)
		}
		seen[run.Name] = true
	}
	return nil
}

func (f planFile) runs(name string) ([]Run, error) {
	if f.Plan == "" || f.Profile == "" || len(f.Groups) == 0 {
		return nil, errors.New("plan, profile and groups are required")
	}
	setup := f.Setup
	if setup == "" {
		setup = defaultSetup
	}
	var runs []Run
	for _, g := range f.Groups {
		first := Run{Name: name, File: name, Plan: f.Plan, Setup: setup, Profile: f.Profile, Variant: maps.Clone(g.Fixed)}
		if g.Label != "" {
			first.Name += "-" + g.Label
		}
		if g.Profile != "" {
			first.Profile = g.Profile
		}
		product := []Run{first}
		for _, a := range g.Axes {
			next, err := a.times(product)
			if err != nil {
				return nil, err
			}
			product = next
		}
		runs = append(runs, product...)
	}
	return runs, nil
}

// times makes each run into as many as the axis has values.
func (a axis) times(runs []Run) ([]Run, error) {
	if a.Variant == "" || len(a.Values) == 0 {
		return nil, errors.New("an axis needs a variant and values")
	}
	var product []Run
	for _, run := range runs {
		for _, item := range a.Values {
			label, isText := item.Key.(string)
			value, isTextToo := item.Value.(string)
			if !isText || !isTextToo {
				return nil, fmt.Errorf("the values of %s are not texts", a.Variant)
			}
			next := run
			next.Name += "-" + label
			next.Variant = maps.Clone(run.Variant)
			if next.Variant == nil {
				next.Variant = map[string]string{}
			}
			next.Variant[a.Variant] = value
			product = append(product, next)
		}
	}
	return product, nil
}
