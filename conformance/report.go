package conformance

import (
	"bytes"
	_ "embed" // report.html
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"os"
	"path/filepath"
	"strings"
)

// reportPage is the report as a page that needs nothing else.
//
//go:embed report.html
var reportPage string

// WriteReport writes the results into dir: index.html, report.md and report.json.
func WriteReport(dir string, results []RunResult) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	page, err := HTML(results)
	if err != nil {
		return err
	}
	raw, err := json.MarshalIndent(results, "", "  ")
	if err != nil {
		return err
	}
	var errs []error
	for name, data := range map[string][]byte{"index.html": page, "report.md": []byte(Markdown(results)), "report.json": raw} {
		errs = append(errs, os.WriteFile(filepath.Join(dir, name), data, 0o600))
	}
	return errors.Join(errs...)
}

// summary is what the report says of all results together.
type summary struct {
	Runs, GoodRuns, Modules, Conditions int
	Versions, Commits                   []string // each once, in the results' order
	Plans                               []planSummary
}

// planSummary are the runs of one plan file.
type planSummary struct {
	Name, Plan string
	Runs       []*RunResult
}

func summarize(results []RunResult) summary {
	var s summary
	plans := map[string]int{}
	for i := range results {
		r := &results[i]
		s.Runs++
		if r.Good() {
			s.GoodRuns++
		}
		s.Modules += len(r.Modules)
		for j := range r.Modules {
			s.Conditions += r.Modules[j].Conditions
		}
		s.Versions, s.Commits = once(s.Versions, r.SuiteVersion), once(s.Commits, r.Commit)
		at, known := plans[r.File]
		if !known {
			at = len(s.Plans)
			plans[r.File] = at
			s.Plans = append(s.Plans, planSummary{Name: r.File, Plan: r.Plan})
		}
		s.Plans[at].Runs = append(s.Plans[at].Runs, r)
	}
	return s
}

func once(list []string, text string) []string {
	if text == "" {
		return list
	}
	for _, known := range list {
		if known == text {
			return list
		}
	}
	return append(list, text)
}

// VariantText is the run's variant as a person reads it, without what all runs of these plans have.
func (r *RunResult) VariantText() string {
	var parts []string
	for _, name := range []string{
		"client_auth_type", "sender_constrain", "fapi_auth_request_method", "fapi_request_method", "fapi_response_mode",
		"openid", "authorization_request_type", "ciba_mode", "response_type", "response_mode", "client_registration", "fapi_profile",
	} {
		if value := r.Variant[name]; value != "" && value != "plain_fapi" && value != "default" {
			parts = append(parts, value)
		}
	}
	if len(parts) == 0 {
		return r.Name
	}
	return strings.Join(parts, ", ")
}

// Verdict is good, or says what is not.
func (r *RunResult) Verdict() string {
	switch {
	case r.Trouble != "":
		return "broken"
	case !r.Good():
		return fmt.Sprintf("%d bad", r.Bad())
	case r.Partial:
		return "good (in part)"
	}
	return "good"
}

// Slowdown compares the modules' time with the suite's own, which is the same without the answers that the suite
// waited for; 0 = not known.
func (r *RunResult) Slowdown() float64 {
	var total float64
	for i := range r.Modules {
		total += r.Modules[i].Seconds
	}
	if total <= r.ProviderSeconds || r.ProviderSeconds == 0 {
		return 0
	}
	return total / (total - r.ProviderSeconds)
}

// Accepted are the deviations of the run that are accepted, with their reasons.
func (r *RunResult) Accepted() []string {
	var list []string
	for i := range r.Modules {
		m := &r.Modules[i]
		if m.Accepted != "" {
			list = append(list, fmt.Sprintf("%s is %s: %s", m.Module, m.Result, m.Accepted))
		}
		for _, f := range m.Findings {
			if f.Expected != "" {
				list = append(list, fmt.Sprintf("%s in %s (%s): %s", f.Result, m.Module, f.Condition, f.Expected))
			}
		}
	}
	return list
}

// Markdown is the report as a table.
func Markdown(results []RunResult) string {
	s := summarize(results)
	var b strings.Builder
	b.WriteString("# Conformance\n\n")
	fmt.Fprintf(&b, "%d of %d runs are good: %d modules, %d successful conditions. Suite %s, commit %s.\n",
		s.GoodRuns, s.Runs, s.Modules, s.Conditions, orNone(s.Versions), orNone(s.Commits))
	for _, plan := range s.Plans {
		fmt.Fprintf(&b, "\n## %s\n\n", plan.Plan)
		b.WriteString("| variant | modules | passed | review | skipped | warning | failed | time | x suite's | verdict | logs (SHA-256) |\n")
		b.WriteString("|---|--:|--:|--:|--:|--:|--:|--:|--:|---|---|\n")
		for _, r := range plan.Runs {
			c := r.Counts()
			fmt.Fprintf(&b, "| %s | %d | %d | %d | %d | %d | %d | %.0f s | %.2f | %s | %s |\n", r.VariantText(), len(r.Modules),
				c[ResultPassed], c[ResultReview], c[ResultSkipped], c[ResultWarning], c[ResultFailed], r.Seconds, r.Slowdown(),
				r.Verdict(), short(r.LogsSHA256))
		}
		for _, r := range plan.Runs {
			writeDeviations(&b, r)
		}
	}
	return b.String()
}

func writeDeviations(b *strings.Builder, r *RunResult) {
	if r.Good() {
		return
	}
	fmt.Fprintf(b, "\n**%s**\n\n", r.Name)
	if r.Trouble != "" {
		fmt.Fprintf(b, "- %s\n", oneLine(r.Trouble))
	}
	for i := range r.Modules {
		if m := &r.Modules[i]; !m.Good() {
			fmt.Fprintf(b, "- %s: %s\n", m.Module, oneLine(strings.Join(m.Unexpected, "; ")))
		}
	}
}

func oneLine(text string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", "\\|")
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "not known"
	}
	return strings.Join(list, ", ")
}

func short(digest string) string {
	if len(digest) > 16 {
		return digest[:16]
	}
	return digest
}

// HTML is the report as one page, without scripts and without anything from elsewhere.
func HTML(results []RunResult) ([]byte, error) {
	parsed, err := template.New("report").Funcs(template.FuncMap{
		"short": short, "lower": strings.ToLower, "list": orNone,
		"clock": func(s float64) string {
			if s < 60 {
				return fmt.Sprintf("%.1f s", s)
			}
			return fmt.Sprintf("%d:%02d min", int(s)/60, int(s)%60)
		},
		"ratio": func(f float64) string {
			if f == 0 {
				return ""
			}
			return fmt.Sprintf("%.2f", f)
		},
	}).Parse(reportPage)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = parsed.Execute(&out, summarize(results))
	return out.Bytes(), err
}
