package main

import (
	"net/url"
	"path/filepath"

	"signet/provider"
	"signet/provider/oauth"
)

// The members of SARIF 2.1.0 that findings about registrations need (OASIS, sections 3.13 to 3.52).
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool    sarifTool     `json:"tool"`
		Results []sarifResult `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name  string      `json:"name"`
		Rules []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID         string            `json:"id"`
		Short      sarifText         `json:"shortDescription"`
		Properties map[string]string `json:"properties,omitempty"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifResult struct {
		RuleID    string          `json:"ruleId"`
		RuleIndex int             `json:"ruleIndex"`
		Level     string          `json:"level"`
		Message   sarifText       `json:"message"`
		Locations []sarifLocation `json:"locations"`
	}
	sarifLocation struct {
		Physical *sarifPhysical `json:"physicalLocation,omitempty"`
		Logical  []sarifLogical `json:"logicalLocations"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifLogical struct {
		Name string `json:"name"`
		Full string `json:"fullyQualifiedName"`
		Kind string `json:"kind"`
	}
)

// sarifSchema is where the schema of SARIF 2.1.0 is published; nothing is fetched from there.
const sarifSchema = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

func (c *console) showSARIF(report lintReport) error { return writeJSON(c.out, report.sarif()) }

// sarif names every rule of the profiles, and the others as they occur.
func (r *lintReport) sarif() sarifLog {
	run := sarifRun{Tool: sarifTool{sarifDriver{Name: "signet client lint"}}, Results: []sarifResult{}}
	index := map[string]int{}
	rule := func(id, text, clause string) int {
		at, known := index[id]
		if !known {
			at = len(run.Tool.Driver.Rules)
			one := sarifRule{ID: id, Short: sarifText{text}}
			if clause != "" {
				one.Properties = map[string]string{"clause": clause}
			}
			index[id], run.Tool.Driver.Rules = at, append(run.Tool.Driver.Rules, one)
		}
		return at
	}
	for _, profile := range provider.ProfileNames() {
		for _, req := range provider.Requirements(oauth.ProfileName(profile)) {
			rule(req.Rule, req.Text, req.Clause)
		}
	}
	for _, client := range r.Clients {
		for _, f := range client.Findings {
			at := rule(f.Rule, "client metadata field "+f.Field, "") // its clause differs from one finding to another
			run.Results = append(run.Results, sarifResult{
				RuleID: f.Rule, RuleIndex: at, Level: string(f.Severity),
				Message: sarifText{client.ClientID + ": " + f.Error()}, Locations: []sarifLocation{client.location(f.Field)},
			})
		}
	}
	return sarifLog{Schema: sarifSchema, Version: "2.1.0", Runs: []sarifRun{run}}
}

func (c lintedClient) location(field string) sarifLocation {
	at := sarifLocation{Logical: []sarifLogical{{Name: field, Full: "client/" + c.ClientID + "/" + field, Kind: "member"}}}
	if c.File != "" && c.File != "-" {
		at.Physical = &sarifPhysical{sarifArtifact{URI: (&url.URL{Path: filepath.ToSlash(c.File)}).String()}}
	}
	return at
}
