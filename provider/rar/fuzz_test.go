package rar

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"

	"signet/provider/oauth"
)

// Whatever a client sends: what is accepted is compact JSON of its type, narrows to itself, is accepted again and has
// words; what is refused is refused with the one code.
func FuzzCheck(f *testing.F) {
	for _, seed := range []string{
		"[" + paymentText + "]", `[{"type":"account_information"}]`, `[{"type":"account_information","accounts":[{"iban":"DE1"}],"limit":99.5e0}]`,
		`[]`, `null`, `[null]`, `{}`, ``, `[{"type":"account_information","a":1,"a":2}]`, `[{"type":"account_information","x":1e999999999}]`,
		`[{"type":"account_information","\ud800":"\udc00"}]`, `[[[[[[[[[[[[[[]]]]]]]]]]]]]]`, "[{\"type\":\"account_information\",\"x\":\"\xc3\x28\"}]",
		`[{"type":"account_information","locations":["https://rs.example/"]}] x`, `[{"type":"account_information","":{"":[{}]}}]`,
	} {
		f.Add(seed)
	}
	types := newTypes(f)
	f.Fuzz(func(t *testing.T, raw string) {
		details, fault := types.Check(app, raw)
		if fault != nil {
			if fault.Code != oauth.InvalidDetails || details != nil {
				t.Fatalf("%v, %v", details, fault)
			}
			return
		}
		text, err := json.Marshal(details)
		if err != nil {
			t.Fatal(err)
		}
		again, fault := types.Check(app, string(text))
		if fault != nil || len(again) != len(details) {
			t.Fatalf("%q: %v", text, fault)
		}
		if _, fault := types.Narrow(details, string(text)); fault != nil {
			t.Fatalf("%q is not within itself: %v", text, fault)
		}
		for i, detail := range details {
			if !bytes.Equal(detail.JSON, again[i].JSON) {
				t.Fatalf("%q became %q", detail.JSON, again[i].JSON)
			}
			view := types.Words(detail)
			for _, line := range view.Lines {
				if !utf8.ValidString(line.Label) || line.Value == "" {
					t.Fatalf("%q: line %q", detail.JSON, line)
				}
			}
		}
	})
}
