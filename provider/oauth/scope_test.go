package oauth

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseScope(t *testing.T) {
	for text, want := range map[string]struct {
		scope Scope
		ok    bool
	}{
		"":                      {nil, true},
		"a":                     {Scope{"a"}, true},
		"b a b":                 {Scope{"b", "a"}, true},
		"https://x/y:z!#[]~":    {Scope{"https://x/y:z!#[]~"}, true},
		" a":                    {nil, false},
		"a  b":                  {nil, false},
		"a ":                    {nil, false},
		"a\tb":                  {nil, false},
		`a"b`:                   {nil, false},
		`a\b`:                   {nil, false},
		"\u00e4":                {nil, false},
		"a\x00":                 {nil, false},
		"openid offline_access": {Scope{"openid", "offline_access"}, true},
	} {
		got, ok := ParseScope(text)
		if !ok {
			got = nil
		}
		if diff := cmp.Diff(want.scope, got); diff != "" || ok != want.ok {
			t.Errorf("ParseScope(%q): ok %v, %s", text, ok, diff)
		}
	}
}

func TestScopeSets(t *testing.T) {
	ab, bc := Scope{"a", "b"}, Scope{"b", "c"}
	if !(Scope{"b"}).Within(ab) || ab.Within(bc) || !(Scope)(nil).Within(nil) {
		t.Error("Within")
	}
	if diff := cmp.Diff(Scope{"b"}, ab.Intersect(bc)); diff != "" {
		t.Error(diff)
	}
	if ab.String() != "a b" {
		t.Error(ab.String())
	}
}

func TestHeldBy(t *testing.T) {
	cert, key := Confirmation{X5TS256: "c"}, Confirmation{JKT: "k"}
	both := Confirmation{X5TS256: "c", JKT: "k"}
	for name, c := range map[string]struct {
		bound, sender Confirmation
		want          bool
	}{
		"bound to nothing":        {Confirmation{}, cert, true},
		"nothing proved":          {cert, Confirmation{}, false},
		"the same certificate":    {cert, cert, true},
		"more proved than needed": {cert, both, true},
		"another kind of proof":   {cert, key, false},
		"only one of two proved":  {both, cert, false},
		"both proved":             {both, both, true},
		"another certificate":     {cert, Confirmation{X5TS256: "d"}, false},
	} {
		if got := c.bound.HeldBy(c.sender); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
