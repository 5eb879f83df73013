package rar

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"signet/provider/oauth"
)

const (
	paymentSchema = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "required": ["type", "instructedAmount", "creditorName"],
  "properties": {
    "type": {"const": "payment_initiation"},
    "actions": {"type": "array", "items": {"enum": ["initiate", "status", "cancel"]}},
    "locations": {"type": "array", "items": {"type": "string", "format": "uri"}},
    "instructedAmount": {"$ref": "#/$defs/amount"},
    "creditorName": {"type": "string", "minLength": 1, "maxLength": 70},
    "creditorAccount": {"type": "object", "properties": {"iban": {"type": "string", "pattern": "^[A-Z]{2}[0-9]{2}[A-Z0-9]{1,30}$"}}},
    "requestedExecutionDate": {"type": "string", "format": "date"}
  },
  "additionalProperties": false,
  "$defs": {"amount": {
    "type": "object", "required": ["amount", "currency"], "additionalProperties": false,
    "properties": {"amount": {"type": "string", "pattern": "^[0-9]{1,12}(\\.[0-9]{1,3})?$"}, "currency": {"type": "string", "pattern": "^[A-Z]{3}$"}}
  }}
}`
	accountSchema = `{"type": "object", "properties": {"type": {"const": "account_information"}, "limit": {"type": "number", "maximum": 100}}}`

	paymentText = `{"type":"payment_initiation","actions":["initiate","status"],"instructedAmount":{"amount":"123.50","currency":"EUR"},` +
		`"creditorName":"Merchant A","creditorAccount":{"iban":"DE02100100109307118603"}}`
)

var app = &oauth.Client{DetailsTypes: []string{"payment_initiation", "account_information"}, Resources: []string{"https://rs.example", "https://other.example"}}

func newTypes(t testing.TB) *Types {
	t.Helper()
	types, err := New([]Type{
		{
			Name: "payment_initiation", Description: "Make this payment", Schema: []byte(paymentSchema), Resources: []string{"https://rs.example"},
			Show: []Field{{"Amount", "instructedAmount"}, {"To", "creditorName"}, {"Account", "creditorAccount.iban"}},
		},
		{
			Name: "account_information", Schema: []byte(accountSchema), Lists: []string{"accounts"},
			Show: []Field{{"Accounts", "accounts.iban"}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return types
}

func checked(t testing.TB, types *Types, raw string) oauth.Details {
	t.Helper()
	details, fault := types.Check(app, raw)
	if fault != nil {
		t.Fatalf("%s: %v", raw, fault)
	}
	return details
}

func TestNames(t *testing.T) {
	if diff := cmp.Diff([]string{"payment_initiation", "account_information"}, newTypes(t).Names()); diff != "" {
		t.Error(diff)
	}
	none, err := New(nil)
	if err != nil || len(none.Names()) != 0 {
		t.Errorf("%v, %v", none.Names(), err)
	}
}

func TestCheck(t *testing.T) {
	types := newTypes(t)
	spaced := strings.ReplaceAll(paymentText, ",", " ,\n ")
	for name, c := range map[string]struct{ raw, want string }{ // want: part of the description; "" = good
		"good":               {"[" + paymentText + "]", ""},
		"spaces":             {" [\t" + spaced + " ] ", ""},
		"two":                {"[" + paymentText + `,{"type":"account_information","accounts":[{"iban":"DE1"}]}]`, ""},
		"location":           {`[{"type":"account_information","locations":["https://other.example/accounts"]}]`, ""},
		"number":             {`[{"type":"account_information","limit":1e2}]`, ""},
		"empty":              {"", "not a JSON array"},
		"null":               {"null", "1 to 16 elements"},
		"an object":          {paymentText, "not a JSON array"},
		"no elements":        {"[]", "1 to 16 elements"},
		"too many":           {"[" + strings.Repeat(`{"type":"account_information"},`, 16) + `{"type":"account_information"}]`, "1 to 16 elements"},
		"texts":              {`["payment_initiation"]`, "not a JSON array of objects"},
		"null inside":        {`[null]`, "not a JSON array of objects"},
		"something follows":  {"[" + paymentText + "] []", "not a JSON array"},
		"cut":                {"[" + paymentText, "not a JSON array"},
		"too long":           {`[{"type":"account_information","x":"` + strings.Repeat("x", MaxSize) + `"}]`, "longer than 16384 bytes"},
		"too deep":           {`[{"type":"account_information","x":` + strings.Repeat("[", 9) + strings.Repeat("]", 9) + `}]`, "nested too deeply"},
		"no type":            {`[{"actions":["initiate"]}]`, "element 1: it has no type"},
		"type is no text":    {`[{"type":["payment_initiation"]}]`, "element 1: it has no type"},
		"unknown type":       {"[" + paymentText + `,{"type":"canary"}]`, "element 2: its type is not supported"},
		"a member twice":     {`[{"type":"account_information","a":1,"a":2}]`, "a member is there twice"},
		"twice by an escape": {`[{"type":"account_information","a":1,"\u0061":2}]`, "a member is there twice"},
		"deep inside twice":  {`[{"type":"account_information","x":[{"a":1,"a":1}]}]`, "a member is there twice"},
		"not UTF-8":          {"[{\"type\":\"account_information\",\"x\":\"\xff\"}]", "not UTF-8"},
		"half a surrogate":   {`[{"type":"account_information","x":"\ud800"}]`, "not Unicode"},
		"half of a name":     {`[{"type":"account_information","\ud800":1}]`, "not Unicode"},
		"huge number":        {`[{"type":"account_information","limit":1e999999999}]`, "a number is too long or too large"},
		"long number":        {`[{"type":"account_information","limit":` + strings.Repeat("1", 41) + `}]`, "a number is too long or too large"},
		"schema: missing":    {`[{"type":"payment_initiation","creditorName":"x"}]`, "schema at /required"},
		"schema: additional": {strings.Replace("["+paymentText+"]", `"creditorName"`, `"canary":1,"creditorName"`, 1), "schema at /additionalProperties"},
		"schema: pattern":    {strings.Replace("["+paymentText+"]", "EUR", "canary", 1), "schema at /$defs/amount/properties/currency/pattern"},
		"schema: format":     {strings.Replace("["+paymentText+"]", `"creditorName"`, `"requestedExecutionDate":"2026-02-30","creditorName"`, 1), "/format"},
		"schema: number":     {`[{"type":"account_information","limit":100.5}]`, "schema at /properties/limit/maximum"},
		"elsewhere":          {strings.Replace("["+paymentText+"]", `"creditorName"`, `"locations":["https://other.example"],"creditorName"`, 1), "one of its locations"},
		"near a resource":    {`[{"type":"account_information","locations":["https://rs.example.attacker.example"]}]`, "one of its locations"},
		"one of two":         {`[{"type":"account_information","locations":["https://rs.example","https://attacker.example"]}]`, "one of its locations"},
		"no location":        {`[{"type":"account_information","locations":[]}]`, "one of its locations"},
		"odd locations":      {`[{"type":"account_information","locations":"https://rs.example"}]`, "one of its locations"},
	} {
		details, fault := types.Check(app, c.raw)
		switch {
		case c.want == "" && fault != nil:
			t.Errorf("%s: %v", name, fault)
		case c.want == "":
			var compact []json.RawMessage
			if err := json.Unmarshal([]byte(c.raw), &compact); err != nil || len(compact) != len(details) {
				t.Errorf("%s: %d details of %d", name, len(details), len(compact))
			}
		case fault == nil:
			t.Errorf("%s: accepted", name)
		case fault.Code != oauth.InvalidDetails || !strings.Contains(fault.Description, c.want) || strings.Contains(fault.Description, "canary") || details != nil:
			t.Errorf("%s: %s %q", name, fault.Code, fault.Description)
		}
	}
	if got := checked(t, types, " [\t"+spaced+" ] "); string(got[0].JSON) != paymentText || got[0].Type != "payment_initiation" {
		t.Errorf("not compact: %s", got[0].JSON)
	}
}

// A type counts for who is registered for it only.
func TestCheckRegistration(t *testing.T) {
	types := newTypes(t)
	for _, registered := range [][]string{nil, {"account_information"}} {
		_, fault := types.Check(&oauth.Client{DetailsTypes: registered}, "["+paymentText+"]")
		if fault == nil || !strings.Contains(fault.Description, "element 1: the client is not registered for its type") {
			t.Errorf("%v: %v", registered, fault)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	good := Type{Name: "a", Schema: []byte(`{}`)}
	for name, c := range map[string]struct {
		types []Type
		want  string
	}{
		"no name":          {[]Type{{Schema: []byte(`{}`)}}, "has no name"},
		"twice":            {[]Type{good, good}, `"a": is there twice`},
		"no schema":        {[]Type{{Name: "a"}}, "not JSON"},
		"not JSON":         {[]Type{{Name: "a", Schema: []byte(`{`)}}, "not JSON"},
		"true":             {[]Type{{Name: "a", Schema: []byte(`true`)}}, "not an object"},
		"not a schema":     {[]Type{{Name: "a", Schema: []byte(`{"type":"car"}`)}}, "its schema"},
		"bad pattern":      {[]Type{{Name: "a", Schema: []byte(`{"pattern":"("}`)}}, "its schema"},
		"remote":           {[]Type{{Name: "a", Schema: []byte(`{"$ref":"https://attacker.example/schema.json"}`)}}, "another document"},
		"file":             {[]Type{{Name: "a", Schema: []byte(`{"$ref":"file:///etc/hostname"}`)}}, "another document"},
		"another language": {[]Type{{Name: "a", Schema: []byte(`{"$schema":"https://attacker.example/meta"}`)}}, "another document"},
		"no label":         {[]Type{{Name: "a", Schema: []byte(`{}`), Show: []Field{{"", "x"}}}}, "needs a label"},
		"no path":          {[]Type{{Name: "a", Schema: []byte(`{}`), Show: []Field{{"X", ""}}}}, "needs a label"},
		"gap in a path":    {[]Type{{Name: "a", Schema: []byte(`{}`), Show: []Field{{"X", "a..b"}}}}, "needs a label"},
		"all are named":    {[]Type{{Name: "a"}, {Name: "b"}}, `type "b"`},
	} {
		if _, err := New(c.types); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFor(t *testing.T) {
	types := newTypes(t)
	details := append(checked(t, types, "["+paymentText+`,{"type":"account_information"},{"type":"account_information","locations":["https://other.example/v1"]}]`),
		oauth.Detail{Type: "gone", JSON: []byte(`{"type":"gone"}`)})
	both := []string{"https://other.example", "https://rs.example"}
	client := &oauth.Client{DetailsTypes: []string{"gone", "account_information"}}
	if diff := cmp.Diff(details[1:3], types.For(client, details, both)); diff != "" {
		t.Errorf("a type that was taken from the client: %s", diff)
	}
	client.DetailsTypes = append(client.DetailsTypes, "payment_initiation")
	for name, c := range map[string]struct {
		audience []string
		want     []int
	}{
		"all but the other": {[]string{"https://rs.example"}, []int{0, 1}},
		"the other":         {[]string{"https://other.example"}, []int{1, 2}},
		"both":              {both, []int{0, 1, 2}},
		"a path below":      {[]string{"https://other.example/v1"}, []int{1, 2}},
		"a third":           {[]string{"https://third.example"}, []int{1}},
		"nowhere":           {nil, nil},
	} {
		var want oauth.Details
		for _, i := range c.want {
			want = append(want, details[i])
		}
		if diff := cmp.Diff(want, types.For(client, details, c.audience)); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
}

func TestWords(t *testing.T) {
	types := newTypes(t)
	for text, want := range map[string]View{
		paymentText: {"Make this payment", []Line{{"Amount", "123.50 EUR"}, {"To", "Merchant A"}, {"Account", "DE02100100109307118603"}, {"Actions", "initiate; status"}}},
		`{"type":"payment_initiation","instructedAmount":{"amount":"1","currency":"EUR","purpose":"x"},"creditorAccount":{"iban":"I","bicCode":"B"}}`: {"Make this payment",
			[]Line{{"Amount", "Amount: 1, Currency: EUR, Purpose: x"}, {"Account", "I"}, {"Creditor account", "Bic code: B"}}},
		`{"type":"account_information","accounts":[{"iban":"I1"},{"iban":"I2","use":"all"},{"other":1}],"active":true,"recurring_until":null,"from":"","list":[],"object":{}}`: {"account_information",
			[]Line{{"Accounts", "I1; I2"}, {"Accounts", "Use: all; Other: 1"}, {"Active", "yes"}, {"From", "(empty)"}, {"List", "(empty)"}, {"Object", "(empty)"}, {"Recurring until", "none"}}},
		`{"type":"account_information","accounts":"all","locations":["https://rs.example"],"actions":["read"],"zone":false}`: {"account_information",
			[]Line{{"Accounts", "all"}, {"Zone", "no"}, {"Actions", "read"}, {"Locations", "https://rs.example"}}},
		`{"type":"account_information","note":"a` + "\u202e" + `b\nc` + "\u200b" + `"}`: {"account_information", []Line{{"Note", "a\ufffdb\ufffdc\ufffd"}}},
	} {
		var detail oauth.Detail
		if err := json.Unmarshal([]byte(text), &detail); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, types.Words(detail)); diff != "" {
			t.Errorf("%s:\n%s", text, diff)
		}
	}
	if diff := cmp.Diff(View{"gone", []Line{{"Details", `{"type":"gone"}`}}}, types.Words(oauth.Detail{Type: "gone", JSON: []byte(`{"type":"gone"}`)})); diff != "" {
		t.Error(diff)
	}
}
