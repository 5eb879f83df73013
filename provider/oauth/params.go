package oauth

import (
	"log/slog"
	"slices"
)

// Params are a request's parameters after lossless parsing: each has one value, except those whose
// specification lets them repeat. Empty values count as omitted (RFC 6749 section 3.1).
type Params struct{ values map[string][]string }

// NewParams wraps parsed values. Only web and tests call it: web refuses repeated parameters first.
func NewParams(values map[string][]string) Params { return Params{values} }

// Get returns the parameter's value, or "" when it was not sent.
func (p Params) Get(name string) string {
	if v := p.values[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// Secret returns a value that must not be printed.
func (p Params) Secret(name string) Secret { return Secret(p.Get(name)) }

// Has says whether the parameter was sent with a value.
func (p Params) Has(name string) bool { return p.Get(name) != "" }

// All returns every value of a parameter that may repeat ("resource", RFC 8707 section 2).
func (p Params) All(name string) []string { return slices.Clone(p.values[name]) }

// Names returns the sent parameters' names, sorted.
func (p Params) Names() []string {
	names := make([]string, 0, len(p.values))
	for name := range p.values {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// String keeps values, which may be secrets, out of logs.
func (p Params) String() string { return redacted }

// GoString implements fmt.GoStringer.
func (p Params) GoString() string { return redacted }

// LogValue implements slog.LogValuer.
func (p Params) LogValue() slog.Value { return slog.StringValue(redacted) }
