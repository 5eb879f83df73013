package conformance

import (
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/goccy/go-yaml"
)

// Expectation is a deviation that is accepted, with its reason. Names may have * for any text.
type Expectation struct {
	Run    string `yaml:"run" json:"run"`       // the run's name
	Module string `yaml:"module" json:"module"` // the module's name
	// Result is WARNING, SKIPPED or REVIEW. No failure is ever expected.
	Result string `yaml:"result" json:"result"`
	// Condition is the one that warns; required for WARNING, and for it alone.
	Condition string `yaml:"condition" json:"condition,omitempty"`
	Reason    string `yaml:"reason" json:"reason"`
}

// Expectations are all of this repository's, from expected/.
func Expectations() ([]Expectation, error) { return readExpectations(files) }

func readExpectations(from fs.FS) ([]Expectation, error) {
	names, err := fs.Glob(from, "expected/*.yaml")
	if err != nil {
		return nil, err
	}
	var all []Expectation
	for _, name := range names {
		raw, err := fs.ReadFile(from, name)
		if err != nil {
			return nil, err
		}
		var list []Expectation
		if err := yaml.UnmarshalWithOptions(raw, &list, yaml.Strict()); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		for i, e := range list {
			if err := e.validate(); err != nil {
				return nil, fmt.Errorf("%s, entry %d: %w", name, i+1, err)
			}
		}
		all = append(all, list...)
	}
	return all, nil
}

func (e Expectation) validate() error {
	switch {
	case e.Run == "" || e.Module == "":
		return fmt.Errorf("run and module are required")
	case strings.TrimSpace(e.Reason) == "":
		return fmt.Errorf("%s is expected without a reason", e.Module)
	case e.Result != ResultWarning && e.Result != ResultSkipped && e.Result != ResultReview:
		return fmt.Errorf("result %q cannot be expected, only WARNING, SKIPPED and REVIEW", e.Result)
	case (e.Result == ResultWarning) != (e.Condition != ""):
		return fmt.Errorf("a condition is required for WARNING, and for it alone")
	}
	for _, pattern := range []string{e.Run, e.Module, e.Condition} {
		if _, err := path.Match(pattern, ""); err != nil {
			return fmt.Errorf("%q: %w", pattern, err)
		}
	}
	return nil
}

func (e Expectation) covers(run, module string) bool {
	return matches(e.Run, run) && matches(e.Module, module)
}

func matches(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	return err == nil && ok
}

// judge compares what a module came to with what is expected of it: it fills in the module's verdict, its reasons
// and those of its findings.
func (m *ModuleResult) judge(run string, expected []Expectation) {
	used := map[int]bool{}
	reason := func(result, condition string) string {
		for i, e := range expected {
			if e.covers(run, m.Module) && e.Result == result && (condition == "" || matches(e.Condition, condition)) {
				used[i] = true
				return e.Reason
			}
		}
		return ""
	}
	warned := false
	for i := range m.Findings {
		f := &m.Findings[i]
		if f.Result == ResultWarning {
			f.Expected = reason(ResultWarning, f.Condition)
			warned = true
		}
		if f.Expected == "" {
			m.wrong("%s of %s", f.Result, f.Condition)
		}
	}
	switch {
	case m.Trouble != "":
		m.wrong("%s", m.Trouble)
	case m.Status != StatusFinished:
		m.wrong("ended as %s", m.Status)
	case m.Result == ResultPassed, m.Result == ResultWarning && warned:
	case m.Result == ResultReview || m.Result == ResultSkipped:
		if m.Accepted = reason(m.Result, ""); m.Accepted == "" {
			m.wrong("%s is not expected", m.Result)
		}
	default:
		m.wrong("the result is %s", m.Result)
	}
	for i, e := range expected {
		if e.covers(run, m.Module) && !used[i] && m.Trouble == "" {
			m.wrong("the expected %s did not come%s", e.Result, prefixed(" from ", e.Condition))
		}
	}
}

func (m *ModuleResult) wrong(format string, args ...any) {
	m.Unexpected = append(m.Unexpected, fmt.Sprintf(format, args...))
}

func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}
