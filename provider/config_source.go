package provider

import "embed"

// configSources are all files with structs of [Config].
//
//go:embed config.go config_endpoints.go config_fapi.go config_grants.go config_openid.go config_tokens.go
var configSources embed.FS

// ConfigSource is the source of [Config], file by file: "signet config explain" prints its comments, so that they
// are the only reference of the configuration.
func ConfigSource() []string {
	files, err := configSources.ReadDir(".")
	if err != nil {
		panic("provider: the embedded sources cannot be listed: " + err.Error())
	}
	var sources []string
	for _, f := range files {
		source, err := configSources.ReadFile(f.Name())
		if err != nil {
			panic("provider: an embedded source cannot be read: " + err.Error())
		}
		sources = append(sources, string(source))
	}
	return sources
}
