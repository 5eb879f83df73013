package oauth

import (
	"strings"
	"testing"
)

func TestValidClientID(t *testing.T) {
	for id, want := range map[string]bool{
		"a":                                 true,
		" !~":                               true,
		"https://app.example/client.json":   true,
		strings.Repeat("a", 255):            true,
		"":                                  false,
		strings.Repeat("a", 256):            false,
		"a\x00":                             false,
		"a\n":                               false,
		"a\x7f":                             false,
		"\u00e4":                            false,
		"\xff":                              false,
		strings.Repeat("\u00e4", 100) + "x": false,
	} {
		if got := ValidClientID(id); got != want {
			t.Errorf("%q: %v", id, got)
		}
	}
}
