package provider

import _ "embed" // config.go, config_fapi.go, config_openid.go

var (
	//go:embed config.go
	configSource string
	//go:embed config_fapi.go
	configFAPISource string
	//go:embed config_openid.go
	configOpenIDSource string
)

// ConfigSource is the source of [Config], file by file: "signet config explain" prints its comments, so that they
// are the only reference of the configuration.
func ConfigSource() []string {
	return []string{configSource, configFAPISource, configOpenIDSource}
}
