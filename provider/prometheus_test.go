package provider_test

import (
	"context"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"signet/certs"
)

// prometheus is a real Prometheus with the configuration and rules that we ship, pointed at a site's processes.
type prometheus struct {
	*running
	t   testing.TB
	url string
}

// watched starts Prometheus on the site's processes, which must be operated. It scrapes each second, where the
// shipped configuration does every 15.
func (s *site) watched() *prometheus {
	s.t.Helper()
	own := s.leaf(certs.Request{Subject: pkix.Name{CommonName: "prometheus"}})
	for name, text := range map[string][]byte{"ca.pem": s.ca.CertPEM, "prometheus.pem": own.CertPEM, "prometheus-key.pem": own.KeyPEM} {
		s.write("prometheus/pki/"+name, string(text))
	}
	rules, err := os.ReadFile(filepath.Join(deploy, "prometheus", "alerts.yml"))
	must(s.t, err)
	s.write("prometheus/alerts.yml", string(rules))
	var targets []string
	for _, p := range s.processes {
		ready, err := url.Parse(p.ready)
		must(s.t, err)
		targets = append(targets, "localhost:"+ready.Port())
	}
	config := s.write("prometheus/prometheus.yml", prometheusConfig(s.t, targets))
	port := freePort(s.t)
	p := &prometheus{t: s.t, url: "http://" + loopback(port)}
	p.running = launch(s.t, "Prometheus", filepath.Join(s.dir, "prometheus.log"), exec.Command(tool(s.t, "prometheus"),
		"--config.file="+config, "--storage.tsdb.path="+filepath.Join(s.dir, "prometheus", "data"), "--web.listen-address="+loopback(port)))
	p.await(s.t, func(ctx context.Context) error { return p.get(ctx, "/api/v1/status/config", nil, nil) })
	return p
}

// prometheusConfig is the shipped configuration with other targets and times.
func prometheusConfig(t testing.TB, targets []string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(deploy, "prometheus", "prometheus.yml"))
	must(t, err)
	var config map[string]any
	must(t, yaml.Unmarshal(text, &config))
	config["global"] = map[string]any{"scrape_interval": "1s", "evaluation_interval": "1s"}
	jobs := config["scrape_configs"].([]any)
	if len(jobs) != 1 {
		t.Fatalf("%d jobs, want signet alone", len(jobs))
	}
	jobs[0].(map[string]any)["static_configs"] = []any{map[string]any{"targets": targets}}
	out, err := yaml.Marshal(config)
	must(t, err)
	return string(out)
}

// get asks the HTTP API and decodes the answer's data.
func (p *prometheus) get(ctx context.Context, path string, query url.Values, data any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+path+"?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	answer := struct {
		Status, Error string
		Data          any
	}{Data: data}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return fmt.Errorf("%d: %w", response.StatusCode, err)
	}
	if answer.Status != "success" {
		return errors.New(answer.Error)
	}
	return nil
}

// series is one result of a query.
type series struct {
	Metric map[string]string
	Value  [2]any // time, value as text
}

func (s series) value() float64 {
	text, _ := s.Value[1].(string)
	value, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return math.NaN()
	}
	return value
}

// query evaluates an expression now; series without a number are left out.
func (p *prometheus) query(ctx context.Context, expr string) ([]series, error) {
	var data struct{ Result []series }
	err := p.get(ctx, "/api/v1/query", url.Values{"query": {expr}}, &data)
	return slices.DeleteFunc(data.Result, func(s series) bool { return math.IsNaN(s.value()) }), err
}

// awaitData asks each query until it has had data once; traffic is called before each round of asking.
func (p *prometheus) awaitData(queries []panelQuery, traffic func()) {
	p.t.Helper()
	p.await(p.t, func(ctx context.Context) error {
		traffic()
		var missing []error
		queries = slices.DeleteFunc(queries, func(q panelQuery) bool {
			found, err := p.query(ctx, q.expr)
			if err == nil && len(found) == 0 {
				err = errors.New("no data")
			}
			if err != nil {
				missing = append(missing, fmt.Errorf("%s / %s: %s: %w", q.row, q.panel, q.expr, err))
			}
			return err == nil
		})
		return errors.Join(missing...)
	})
}

// panelQuery is one query of the dashboard, ready for Prometheus.
type panelQuery struct{ row, panel, expr string }

// panel is what matters here of a Grafana panel.
type panel struct {
	ID         int
	Type       string
	Title      string
	Datasource struct{ Type, UID string }
	GridPos    struct{ X, Y, W, H int }
	Targets    []struct{ RefID, Expr string }
}

func dashboardPanels(t testing.TB) []panel {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(deploy, "grafana", "dashboards", "signet.json"))
	must(t, err)
	var dashboard struct{ Panels []panel }
	must(t, json.Unmarshal(text, &dashboard))
	return dashboard.Panels
}

// dashboardQueries returns the queries of the dashboard, the template's variables filled in as Grafana does for all
// replicas, with an interval for scraping each second.
func dashboardQueries(t testing.TB) []panelQuery {
	t.Helper()
	fill := strings.NewReplacer("$__rate_interval", "15s", "$instance", ".*")
	var queries []panelQuery
	row := ""
	for _, p := range dashboardPanels(t) {
		if p.Type == "row" {
			row = p.Title
		}
		for _, target := range p.Targets {
			queries = append(queries, panelQuery{row, p.Title, fill.Replace(target.Expr)})
		}
	}
	if len(queries) == 0 {
		t.Fatal("the dashboard has no queries")
	}
	return queries
}
