package provider

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Fault is one thing wrong with a configuration file.
type Fault struct {
	Line int    // 1-based; 0 = the file as a whole
	Path string // e.g. resources[0].id
	Text string
}

// String is the form that "signet config check" prints after the file's name.
func (f Fault) String() string {
	text := f.Text
	if f.Path != "" {
		text = f.Path + ": " + text
	}
	if f.Line == 0 {
		return text
	}
	return fmt.Sprintf("line %d: %s", f.Line, text)
}

// ConfigError is every fault of one file.
type ConfigError struct {
	File   string
	Faults []Fault
}

// Error implements error: one line per fault.
func (e *ConfigError) Error() string {
	lines := make([]string, 0, len(e.Faults))
	for _, f := range e.Faults {
		lines = append(lines, e.File+": "+f.String())
	}
	return strings.Join(lines, "\n")
}

// LoadConfig reads, defaults and validates a file. The error is a [*ConfigError] that lists all faults,
// unless the file cannot be read at all.
func LoadConfig(file string) (Config, error) {
	raw, err := os.ReadFile(file) //nolint:gosec // the operator names the file
	if err != nil {
		return Config{}, fmt.Errorf("reading the configuration: %w", err)
	}
	config, faults := ParseConfig(raw, filepath.Dir(file))
	if len(faults) > 0 {
		return Config{}, &ConfigError{File: file, Faults: faults}
	}
	return config, nil
}

// ParseConfig is LoadConfig for bytes; relative paths become relative to dir.
func ParseConfig(raw []byte, dir string) (Config, []Fault) {
	file, err := parser.ParseBytes(raw, 0)
	if err != nil {
		return Config{}, []Fault{{Text: "not YAML: " + firstLine(err)}}
	}
	if len(file.Docs) != 1 || file.Docs[0].Body == nil {
		return Config{}, []Fault{{Text: "want exactly one YAML document that is not empty"}}
	}
	c := checker{lines: map[string]int{}}
	c.check("", file.Docs[0].Body, reflect.TypeFor[Config]())
	if len(c.faults) > 0 {
		// Values that did not fit their type would make the later faults misleading.
		return Config{}, c.sorted()
	}
	var config Config
	if err := yaml.Unmarshal(raw, &config); err != nil {
		return Config{}, []Fault{{Text: firstLine(err)}}
	}
	config = config.withDefaults()
	config.resolve(dir)
	for _, f := range config.Validate() {
		f.Line = c.lineOf(f.Path)
		c.faults = append(c.faults, f)
	}
	return config, c.sorted()
}

func firstLine(err error) string {
	text, _, _ := strings.Cut(strings.TrimSpace(err.Error()), "\n")
	return text
}

// checker walks the syntax tree beside the Go type, because the library's strict mode stops at the first
// unknown key.
type checker struct {
	lines  map[string]int
	faults []Fault
}

func (c *checker) fault(path string, node ast.Node, format string, args ...any) {
	c.faults = append(c.faults, Fault{Line: node.GetToken().Position.Line, Path: path, Text: fmt.Sprintf(format, args...)})
}

func (c *checker) check(path string, node ast.Node, want reflect.Type) {
	c.lines[path] = node.GetToken().Position.Line
	if want.Kind() == reflect.Pointer {
		want = want.Elem()
	}
	switch want.Kind() {
	case reflect.Struct:
		c.checkStruct(path, node, want)
	case reflect.Slice:
		list, ok := node.(*ast.SequenceNode)
		if !ok {
			c.fault(path, node, "want a list")
			return
		}
		for i, item := range list.Values {
			c.check(fmt.Sprintf("%s[%d]", path, i), item, want.Elem())
		}
	default:
		c.checkScalar(path, node, want)
	}
}

func (c *checker) checkStruct(path string, node ast.Node, want reflect.Type) {
	mapping, ok := node.(*ast.MappingNode)
	if !ok {
		c.fault(path, node, "want a mapping of keys to values")
		return
	}
	seen := map[string]bool{}
	for _, pair := range mapping.Values {
		key := pair.Key.GetToken().Value
		at := key
		if path != "" {
			at = path + "." + key
		}
		field, known := fieldByKey(want, key)
		switch {
		case !known:
			c.fault(at, pair.Key, "unknown key; known here: %s", strings.Join(keysOf(want), ", "))
		case seen[key]:
			c.fault(at, pair.Key, "given twice")
		default:
			seen[key] = true
			c.check(at, pair.Value, field.Type)
			c.lines[at] = pair.Key.GetToken().Position.Line
		}
	}
}

func (c *checker) checkScalar(path string, node ast.Node, want reflect.Type) {
	if _, isNull := node.(*ast.NullNode); isNull {
		c.fault(path, node, "has no value")
		return
	}
	scalar, ok := node.(ast.ScalarNode)
	if !ok {
		c.fault(path, node, "want a single value")
		return
	}
	switch text, isText := scalar.GetValue().(string); {
	case want == reflect.TypeFor[time.Duration]():
		d, err := time.ParseDuration(fmt.Sprint(scalar.GetValue()))
		if err != nil {
			c.fault(path, node, `want a duration with its unit, like "90s", "5m" or "720h"`)
		} else if d < 0 {
			c.fault(path, node, "must not be negative")
		}
	case want.Kind() == reflect.String:
		if !isText || text == "" {
			c.fault(path, node, "want a text that is not empty")
		}
	case want.Kind() == reflect.Bool:
		if _, isBool := scalar.GetValue().(bool); !isBool {
			c.fault(path, node, "want true or false")
		}
	case want.Kind() == reflect.Float64:
		switch scalar.GetValue().(type) {
		case uint64, float64:
		default:
			c.fault(path, node, "want a number")
		}
	default: // the remaining kind is int64
		if _, isInt := scalar.GetValue().(uint64); !isInt {
			c.fault(path, node, "want a whole number")
		}
	}
}

func (c *checker) lineOf(path string) int {
	for path != "" {
		if line, ok := c.lines[path]; ok {
			return line
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return 0
}

func (c *checker) sorted() []Fault {
	slices.SortStableFunc(c.faults, func(a, b Fault) int { return a.Line - b.Line })
	return c.faults
}

func fieldByKey(t reflect.Type, key string) (reflect.StructField, bool) {
	for i := range t.NumField() {
		if t.Field(i).Tag.Get("yaml") == key {
			return t.Field(i), true
		}
	}
	return reflect.StructField{}, false
}

func keysOf(t reflect.Type) []string {
	keys := make([]string, 0, t.NumField())
	for i := range t.NumField() {
		keys = append(keys, t.Field(i).Tag.Get("yaml"))
	}
	return keys
}

// resolve makes every path of the file absolute, or relative to the process's folder.
func (c *Config) resolve(dir string) {
	paths := []*string{&c.Main.Certificate, &c.Main.Key, &c.MTLS.Certificate, &c.MTLS.Key,
		&c.Operations.Certificate, &c.Operations.Key, &c.Operations.ClientCA,
		&c.Keys.Directory, &c.Keys.PassphraseFile, &c.Keys.Vault.CAFile, &c.Telemetry.Traces.CAFile,
		&c.Policy.Directory, &c.Audit.Spool, &c.Brand.Logo}
	paths = slices.Concat(paths, c.fapiPaths(), c.openIDPaths(), c.grantPaths())
	for _, auth := range []*VaultAuth{&c.Keys.Vault.Auth, &c.Keys.Vault.Keeper} {
		paths = append(paths, &auth.RoleIDFile, &auth.SecretIDFile, &auth.Certificate, &auth.Key, &auth.TokenFile, &auth.JWTFile)
	}
	for _, list := range [][]string{c.ClientCertificates.TrustAnchors, c.ClientCertificates.CRLs, c.Outbound.CAFiles} {
		for i := range list {
			paths = append(paths, &list[i])
		}
	}
	for _, path := range paths {
		if *path != "" && !filepath.IsAbs(*path) {
			*path = filepath.Join(dir, *path)
		}
	}
	c.Store.DSN = resolveDSN(c.Store.DSN, dir)
}

// resolveDSN makes the files that a DSN names relative to the configuration's folder, too. A DSN that cannot be
// read is left alone: the store says what is wrong with it.
func resolveDSN(dsn, dir string) string {
	if file, ok := strings.CutPrefix(dsn, "sqlite:"); ok && file != "" && !filepath.IsAbs(file) {
		return "sqlite:" + filepath.Join(dir, file)
	}
	base, query, ok := strings.Cut(dsn, "?")
	if !ok || !strings.HasPrefix(dsn, "mysql:") {
		return dsn
	}
	params, err := url.ParseQuery(query)
	if err != nil {
		return dsn
	}
	for _, name := range []string{"password_file", "ca", "cert", "key"} {
		if file := params.Get(name); file != "" && !filepath.IsAbs(file) {
			params.Set(name, filepath.Join(dir, file))
		}
	}
	return base + "?" + params.Encode()
}
