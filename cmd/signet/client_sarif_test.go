package main

import (
	"encoding/json"
	"testing"

	"signet/provider"
)

// TestSARIF checks the members that the schema of SARIF 2.1.0 requires, and what refers to what.
func TestSARIF(t *testing.T) {
	report := lintReport{Clients: []lintedClient{
		{ClientID: "good"},
		{ClientID: "tpp", File: "clients/a b.json", Findings: []provider.Finding{
			{Rule: "fapi2-security/confidential", Clause: "FAPI 2.0 section 5.3.2.1 item 3", Field: "token_endpoint_auth_method", Text: "no", Severity: provider.SeverityError},
			{Rule: "metadata/default_acr_values", Field: "default_acr_values", Text: "odd", Severity: provider.SeverityWarning},
			{Rule: "metadata/default_acr_values", Field: "default_acr_values", Text: "odd, too", Severity: provider.SeverityWarning},
		}},
	}}
	raw, err := json.Marshal(report.sarif())
	if err != nil {
		t.Fatal(err)
	}
	var log struct {
		Version string
		Runs    []struct {
			Tool struct {
				Driver struct {
					Name  string
					Rules []struct {
						ID               string
						ShortDescription struct{ Text string }
					}
				}
			}
			Results []struct {
				RuleID    string
				RuleIndex int
				Level     string
				Message   struct{ Text string }
				Locations []struct {
					PhysicalLocation struct{ ArtifactLocation struct{ URI string } }
					LogicalLocations []struct{ FullyQualifiedName string }
				}
			}
		}
	}
	if err := json.Unmarshal(raw, &log); err != nil {
		t.Fatal(err)
	}
	if log.Version != "2.1.0" || len(log.Runs) != 1 || log.Runs[0].Tool.Driver.Name == "" || len(log.Runs[0].Results) != 3 {
		t.Fatalf("%s", raw)
	}
	rules := log.Runs[0].Tool.Driver.Rules
	seen := map[string]bool{}
	for _, r := range rules {
		if r.ID == "" || r.ShortDescription.Text == "" || seen[r.ID] {
			t.Errorf("rule %+v", r)
		}
		seen[r.ID] = true
	}
	for i, r := range log.Runs[0].Results {
		if rules[r.RuleIndex].ID != r.RuleID || r.Message.Text == "" || r.Level != []string{"error", "warning", "warning"}[i] {
			t.Errorf("result %+v", r)
		}
		if at := r.Locations[0]; at.PhysicalLocation.ArtifactLocation.URI != "clients/a%20b.json" || at.LogicalLocations[0].FullyQualifiedName == "" {
			t.Errorf("location %+v", at)
		}
	}
	empty, err := json.Marshal((&lintReport{}).sarif())
	if err != nil || !json.Valid(empty) {
		t.Errorf("%s, %v", empty, err)
	}
}
