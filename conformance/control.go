package conformance

import (
	_ "embed" // controls.yaml
	"fmt"

	"github.com/goccy/go-yaml"
)

//go:embed controls.yaml
var controlsFile []byte

// Control is a module that must be FAILED when the provider is set up wrongly on purpose.
type Control struct {
	Name   string `yaml:"name"` // of the wrong setup
	Run    string `yaml:"run"`
	Module string `yaml:"module"`
	// Condition is the one that must fail; * stands for any text.
	Condition string `yaml:"condition"`
}

// Controls are this repository's negative controls.
func Controls() ([]Control, error) {
	var list []Control
	if err := yaml.UnmarshalWithOptions(controlsFile, &list, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("controls.yaml: %w", err)
	}
	for _, c := range list {
		if c.Name == "" || c.Run == "" || c.Module == "" || c.Condition == "" {
			return nil, fmt.Errorf("controls.yaml: %q lacks a member", c.Name)
		}
	}
	return list, nil
}

// Failed says whether the suite reported what the control wants, and for the right reason.
func (c Control) Failed(results []RunResult) bool {
	for _, result := range results {
		for _, m := range result.Modules {
			if result.Name != c.Run || m.Module != c.Module || m.Trouble != "" || m.Result != ResultFailed {
				continue
			}
			for _, f := range m.Findings {
				if f.Result == "FAILURE" && matches(c.Condition, f.Condition) {
					return true
				}
			}
		}
	}
	return false
}
