package main

import (
	"bytes"
	_ "embed" // example.yaml
	"text/template"
)

// exampleConfig is a complete configuration with a comment on each part. "signet demo" writes it, "signet
// config example" prints it, and README.md walks through it.
//
//go:embed example.yaml
var exampleConfig string

// ports are what the demonstration listens on. Host is the address of both doors.
type ports struct {
	Host                                       string
	Main, MTLS, Operations, Resource, Callback int
}

func defaultPorts() ports {
	return ports{Host: "127.0.0.1", Main: 9443, MTLS: 9444, Operations: 9445, Resource: 9446, Callback: 9447}
}

func renderExample(p ports) ([]byte, error) {
	parsed, err := template.New("example.yaml").Parse(exampleConfig)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = parsed.Execute(&out, p)
	return out.Bytes(), err
}
