package main

import (
	"bytes"
	_ "embed" // conformance*.yaml
	"text/template"
)

// The providers' configurations for conformance runs.
var (
	//go:embed conformance.yaml
	conformanceYAML string
	//go:embed conformance_openid.yaml
	conformanceOpenIDYAML string
)

// conformanceKind is a setup that plan files name.
type conformanceKind struct {
	text string // the configuration, a template
	// resourceServer: the suite calls the sample resource server with access tokens.
	resourceServer bool
	// What differs between the OpenID providers: when an authorization request needs a code challenge, and whether
	// the door that asks for certificates is the issuer's.
	pkce    string
	oneDoor bool
}

var conformanceKinds = map[string]conformanceKind{
	"fapi":          {text: conformanceYAML, resourceServer: true},
	"openid":        {text: conformanceOpenIDYAML, pkce: "public"},
	"openid-mtls":   {text: conformanceOpenIDYAML, pkce: "public", oneDoor: true},
	"openid-nopkce": {text: conformanceOpenIDYAML, pkce: "none"},
}

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
	PKCE      string
	OneDoor   bool
}

func renderConformanceConfig(kind conformanceKind, c conformanceConfig) ([]byte, error) {
	c.PKCE, c.OneDoor = kind.pkce, kind.oneDoor
	parsed, err := template.New("conformance").Parse(kind.text)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = parsed.Execute(&out, c)
	return out.Bytes(), err
}
