package rar

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"signet/provider/oauth"
)

// View is one detail in words.
type View struct {
	Title string
	Lines []Line
}

// Line is one labelled fact of it.
type Line struct{ Label, Value string }

// Words says what a detail allows: first the lines that its type shows, then everything else that it says. Of a type
// that is not configured, or what cannot be read, it shows the text as it is.
func (t *Types) Words(detail oauth.Detail) View {
	k := t.byName[detail.Type]
	object, err := readObject(detail.JSON)
	if k == nil || err != nil {
		return View{Title: clean(detail.Type), Lines: []Line{{"Details", clean(string(detail.JSON))}}}
	}
	view := View{Title: k.Description}
	if view.Title == "" {
		view.Title = k.Name
	}
	delete(object, memberType)
	for i, steps := range k.show {
		if found := steps.find(object); len(found) > 0 {
			view.Lines = append(view.Lines, Line{k.Show[i].Label, join(found)})
		}
	}
	var rest any = object
	for _, steps := range k.show {
		rest, _ = steps.without(rest)
	}
	left, _ := rest.(map[string]any)
	for _, name := range order(left) {
		view.Lines = append(view.Lines, Line{labelOf(name), inWords(left[name])})
	}
	return view
}

// empty stands for what is there and says nothing.
const empty = "(empty)"

// find returns what the path leads to: several values when it goes through arrays.
func (p path) find(value any) []any {
	if list, ok := value.([]any); ok && len(p) > 0 {
		var found []any
		for _, item := range list {
			found = append(found, p.find(item)...)
		}
		return found
	}
	if len(p) == 0 {
		return []any{value}
	}
	object, _ := value.(map[string]any)
	inner, there := object[p[0]]
	if !there {
		return nil
	}
	return p[1:].find(inner)
}

// without takes out what find would return, and what is empty then. gone says that nothing is left of the value.
func (p path) without(value any) (rest any, gone bool) {
	if len(p) == 0 {
		return nil, true
	}
	switch v := value.(type) {
	case []any:
		var left []any
		for _, item := range v {
			if rest, gone := p.without(item); !gone {
				left = append(left, rest)
			}
		}
		return left, len(v) > 0 && len(left) == 0
	case map[string]any:
		inner, there := v[p[0]]
		if !there {
			return v, false
		}
		left := maps.Clone(v)
		if rest, gone := p[1:].without(inner); gone {
			delete(left, p[0])
		} else {
			left[p[0]] = rest
		}
		return left, len(left) == 0
	}
	return value, false
}

// inWords renders any value. An object of an amount and a currency reads as people write it.
func inWords(value any) string {
	switch v := value.(type) {
	case nil:
		return "none"
	case bool:
		if v {
			return "yes"
		}
		return "no"
	case string:
		if v == "" {
			return empty
		}
		return clean(v)
	case json.Number:
		return v.String()
	case []any:
		return join(v)
	case map[string]any:
		return objectInWords(v)
	}
	return ""
}

func objectInWords(object map[string]any) string {
	if len(object) == 0 {
		return empty
	}
	amount, currency := inWords(object["amount"]), inWords(object["currency"])
	_, hasAmount := object["amount"]
	_, hasCurrency := object["currency"]
	if len(object) == 2 && hasAmount && hasCurrency {
		return amount + " " + currency
	}
	var parts []string
	for _, name := range order(object) {
		parts = append(parts, labelOf(name)+": "+inWords(object[name]))
	}
	return strings.Join(parts, ", ")
}

func join(values []any) string {
	if len(values) == 0 {
		return empty
	}
	texts := make([]string, 0, len(values))
	for _, value := range values {
		texts = append(texts, inWords(value))
	}
	return strings.Join(texts, "; ")
}

// order puts the common members (RFC 9396 section 2.2) last, the rest by name.
func order(object map[string]any) []string {
	names := make([]string, 0, len(object))
	for name := range object {
		names = append(names, name)
	}
	rank := func(name string) int {
		return slices.Index([]string{memberIdentifier, memberActions, memberDatatypes, memberPrivileges, memberLocations}, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		if d := rank(a) - rank(b); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	return names
}

// labelOf makes a member's name legible: "creditorName" and "creditor_name" become "Creditor name".
func labelOf(name string) string {
	var label strings.Builder
	previous := ' '
	for _, c := range clean(name) {
		switch {
		case c == '_' || c == '-':
			c = ' '
		case unicode.IsUpper(c) && unicode.IsLower(previous):
			label.WriteByte(' ')
			c = unicode.ToLower(c)
		}
		label.WriteRune(c)
		previous = c
	}
	text := label.String()
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + text[size:]
}

// clean replaces what could make a text look like another one: control characters and those that turn the direction
// of writing or take no room.
func clean(text string) string {
	return strings.Map(func(c rune) rune {
		if unicode.In(c, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co) {
			return unicode.ReplacementChar
		}
		return c
	}, text)
}
