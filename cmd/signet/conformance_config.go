package main

import (
	"bytes"
	_ "embed" // conformance.yaml
	"text/template"
)

// conformanceYAML is the provider's configuration for conformance runs.
//
//go:embed conformance.yaml
var conformanceYAML string

// accountInformationSchema describes the one authorization_details type of the runs.
const accountInformationSchema = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "required": ["type"],
  "properties": {
    "type": {"const": "account_information"},
    "actions": {"type": "array", "items": {"enum": ["list_accounts", "read_balances", "read_transactions"]}},
    "locations": {"type": "array", "items": {"type": "string", "format": "uri"}}
  },
  "additionalProperties": false
}
`

// conformanceConfig is what differs from run to run.
type conformanceConfig struct {
	ports
	SuiteHost string // host and port, as the provider reaches the suite
	SuiteCA   string // PEM file; "" = the system's CAs
}

func renderConformanceConfig(c conformanceConfig) ([]byte, error) {
	parsed, err := template.New("conformance.yaml").Parse(conformanceYAML)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = parsed.Execute(&out, c)
	return out.Bytes(), err
}
