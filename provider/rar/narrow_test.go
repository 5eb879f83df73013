package rar

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"signet/provider/oauth"
)

func TestNarrow(t *testing.T) {
	types := newTypes(t)
	account := `{"type":"account_information","actions":["read","list"],"accounts":[{"iban":"I1"},{"iban":"I2"}],"limit":10}`
	granted := checked(t, types, "["+paymentText+","+account+"]")
	less := func(old, replacement string) string { return "[" + strings.Replace(account, old, replacement, 1) + "]" }
	for name, c := range map[string]struct{ raw, want string }{
		"the same":                {"[" + paymentText + "," + account + "]", ""},
		"in another order":        {"[" + account + "," + paymentText + "]", ""},
		"one of two":              {"[" + account + "]", ""},
		"fewer actions":           {less(`["read","list"]`, `["list"]`), ""},
		"fewer of its own list":   {less(`[{"iban":"I1"},{"iban":"I2"}]`, `[{"iban":"I2"}]`), ""},
		"a list in another order": {less(`["read","list"]`, `["list","read"]`), ""},
		"an action more":          {less(`["read","list"]`, `["read","write"]`), "not within"},
		"an action twice":         {less(`["read","list"]`, `["read","read"]`), "not within"},
		"no actions":              {less(`["read","list"]`, `[]`), "not within"},
		"another account":         {less(`"I2"`, `"I3"`), "not within"},
		"a changed value":         {less(`"limit":10`, `"limit":9`), "not within"},
		"a number in other words": {less(`"limit":10`, `"limit":1e1`), "not within"},
		"a member left out":       {less(`,"limit":10`, ``), "not within"},
		"a list left out":         {less(`"actions":["read","list"],`, ``), "not within"},
		"a member more":           {less(`"limit":10`, `"limit":10,"x":1`), "not within"},
		"twice":                   {"[" + account + "," + account + "]", "element 2: it is not within"},
		"more than granted":       {"[" + account + "," + account + "," + account + "]", "more elements"},
		"another amount":          {strings.Replace("["+paymentText+"]", "123.50", "123.5", 1), "not within"},
		"not JSON":                {"[", "not a JSON array"},
		"not its schema":          {less(`"limit":10`, `"limit":1000`), "schema"},
	} {
		details, fault := types.Narrow(granted, c.raw)
		switch {
		case c.want == "" && (fault != nil || len(details) == 0):
			t.Errorf("%s: %v", name, fault)
		case c.want != "" && (fault == nil || fault.Code != oauth.InvalidDetails || !strings.Contains(fault.Description, c.want)):
			t.Errorf("%s: %v", name, fault)
		}
	}
	if _, fault := types.Narrow(nil, "["+account+"]"); fault == nil {
		t.Error("narrowed nothing to something")
	}
}

// Both can have a granted element of their own, though the first that comes would take the other's.
func TestNarrowFindsAMatching(t *testing.T) {
	types := newTypes(t)
	granted := checked(t, types, `[{"type":"account_information","actions":["a","b"]},{"type":"account_information","actions":["a"]}]`)
	if _, fault := types.Narrow(granted, `[{"type":"account_information","actions":["a"]},{"type":"account_information","actions":["b"]}]`); fault != nil {
		t.Error(fault)
	}
}

func genValue(depth int) *rapid.Generator[any] {
	leaf := rapid.SampledFrom([]any{"a", "b", json.Number("1"), true, nil})
	if depth == 0 {
		return leaf
	}
	return rapid.OneOf(leaf,
		rapid.Map(rapid.SliceOfN(genValue(depth-1), 0, 3), func(list []any) any { return list }),
		rapid.Map(rapid.MapOfN(rapid.SampledFrom([]string{"x", "y"}), genValue(depth-1), 0, 2), func(m map[string]any) any { return m }))
}

func genElement() *rapid.Generator[map[string]any] {
	return rapid.Custom(func(t *rapid.T) map[string]any {
		element := rapid.MapOfN(rapid.SampledFrom([]string{"actions", "accounts", "x", "y"}), genValue(2), 0, 4).Draw(t, "members")
		element["type"] = "account_information"
		return element
	})
}

// Whatever is asked for within whatever was granted: each element that is let through allows no more than one granted
// element, and no granted element serves two.
func TestNarrowNeverWidens(t *testing.T) {
	types := newTypes(t)
	rapid.Check(t, func(t *rapid.T) {
		granted := rapid.SliceOfN(genElement(), 1, 3).Draw(t, "granted")
		wanted := rapid.SliceOfN(rapid.OneOf(genElement(), rapid.Custom(func(t *rapid.T) map[string]any {
			return thinned(t, rapid.SampledFrom(granted).Draw(t, "one"))
		})), 1, 3).Draw(t, "wanted")
		raw, err := json.Marshal(wanted)
		if err != nil {
			t.Fatal(err)
		}
		details, fault := types.Narrow(detailsOf(t, granted), string(raw))
		if fault != nil {
			return
		}
		if len(details) != len(wanted) || !covered(wanted, granted) {
			t.Fatalf("%s from %v", raw, granted)
		}
	})
}

func detailsOf(t *rapid.T, elements []map[string]any) oauth.Details {
	var details oauth.Details
	for _, element := range elements {
		text, err := json.Marshal(element)
		if err != nil {
			t.Fatal(err)
		}
		details = append(details, oauth.Detail{Type: "account_information", JSON: text})
	}
	return details
}

// thinned leaves some elements of lists out.
func thinned(t *rapid.T, element map[string]any) map[string]any {
	less := map[string]any{}
	for name, value := range element {
		if list, ok := value.([]any); ok && len(list) > 0 {
			value = list[:rapid.IntRange(0, len(list)).Draw(t, "kept")]
		}
		less[name] = value
	}
	return less
}

// covered tries every assignment of wanted elements to granted ones.
func covered(wanted, granted []map[string]any) bool {
	if len(wanted) == 0 {
		return true
	}
	for i, bound := range granted {
		rest := append(append([]map[string]any{}, granted[:i]...), granted[i+1:]...)
		if allowsNoMore(wanted[0], bound) && covered(wanted[1:], rest) {
			return true
		}
	}
	return false
}

func allowsNoMore(wanted, bound map[string]any) bool {
	if len(wanted) != len(bound) {
		return false
	}
	for name, value := range wanted {
		if reflect.DeepEqual(value, bound[name]) {
			continue
		}
		some, ok1 := value.([]any)
		all, ok2 := bound[name].([]any)
		if name != "actions" && name != "accounts" || !ok1 || !ok2 || len(some) == 0 {
			return false
		}
		for _, item := range some {
			if count(some, item) > count(all, item) {
				return false
			}
		}
	}
	return true
}

func count(list []any, item any) (n int) {
	for _, other := range list {
		if reflect.DeepEqual(item, other) {
			n++
		}
	}
	return n
}
