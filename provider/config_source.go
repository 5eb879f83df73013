package provider

import _ "embed" // config.go

// ConfigSource is the source of [Config]: "signet config explain" prints its comments, so that they are
// the only reference of the configuration.
//
//go:embed config.go
var ConfigSource string
