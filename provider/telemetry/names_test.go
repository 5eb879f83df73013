package telemetry

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	snakeCase = regexp.MustCompile(`^signet(_[a-z0-9]+)+$`)
	dotted    = regexp.MustCompile(`^[a-z]+(\.[a-z_]+)?$`)
	plain     = []Name{HTTPUnderWay, Ready, StoreQueue, VaultBreaker, KeysPublished} // counts and states: no unit
)

func TestTableIsInForm(t *testing.T) {
	seen := map[Name]bool{}
	for _, m := range Metrics() {
		if !snakeCase.MatchString(string(m.Name)) || seen[m.Name] {
			t.Errorf("%s: not in snake case, or twice", m.Name)
		}
		seen[m.Name] = true
		if !strings.HasSuffix(m.Help, ".") {
			t.Errorf("%s: no help, or no sentence: %q", m.Name, m.Help)
		}
		unit := map[Kind][]string{Counter: {"_total"}, Histogram: {"_seconds"}, Gauge: {"_seconds", "_bytes", "_info"}}[m.Kind]
		if !slices.Contains(plain, m.Name) && !slices.ContainsFunc(unit, func(u string) bool { return strings.HasSuffix(string(m.Name), u) }) {
			t.Errorf("%s: a %s ends in one of %v", m.Name, m.Kind, unit)
		}
		series := 1
		for _, label := range m.Labels {
			if (len(label.Values) == 0) == (label.Open == "") {
				t.Errorf("%s: the values of %s are listed, or it says what bounds them", m.Name, label.Name)
			}
			if label.Open != "" && !m.Sampled {
				t.Errorf("%s: requests could make values of %s", m.Name, label.Name)
			}
			series *= max(1, len(label.Values))
		}
		if m.Kind == Histogram && series > 100 {
			t.Errorf("%s: up to %d histograms", m.Name, series)
		}
	}
	for span, what := range Spans() {
		if !dotted.MatchString(string(span)) || what == "" {
			t.Errorf("span %q: %q", span, what)
		}
	}
}

// TestDeployedNamesExist holds the alert rules and the dashboard against the table.
func TestDeployedNamesExist(t *testing.T) {
	known := map[string]Metric{}
	for _, m := range Metrics() {
		known[string(m.Name)] = m
	}
	selector := regexp.MustCompile(`(signet_[a-z0-9_]+)(?:\{([^}]*)\})?`)
	matcher := regexp.MustCompile(`([a-z_]+)(=~|!~|!=|=)\\?"`)
	deploy := filepath.Join("..", "..", "cmd", "signet", "deploy")
	for _, file := range []string{"prometheus/alerts.yml", "prometheus/alerts_test.yml", "grafana/dashboards/signet.json"} {
		text, err := os.ReadFile(filepath.Join(deploy, file))
		if err != nil {
			t.Fatal(err)
		}
		used := selector.FindAllStringSubmatch(string(text), -1)
		if len(used) == 0 {
			t.Errorf("%s names no metric", file)
		}
		for _, one := range used {
			m, ok := known[one[1]]
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				if base, cut := strings.CutSuffix(one[1], suffix); cut && !ok {
					m, ok = known[base]
					ok = ok && m.Kind == Histogram
				}
			}
			if !ok {
				t.Errorf("%s: %s is not in the table", file, one[1])
				continue
			}
			for _, label := range matcher.FindAllStringSubmatch(one[2], -1) {
				if name := label[1]; name != "instance" && name != "job" && name != "le" && !slices.Contains(m.labelNames(), name) {
					t.Errorf("%s: %s has no label %s", file, one[1], name)
				}
			}
		}
	}
}
