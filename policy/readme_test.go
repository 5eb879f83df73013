package policy

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/opa/v1/ast"
)

func readme(t *testing.T) string {
	t.Helper()
	raw, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// snippets returns the README's fenced blocks of a language.
func snippets(t *testing.T, language string) []string {
	t.Helper()
	var found []string
	for _, match := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(readme(t), -1) {
		found = append(found, match[1])
	}
	if len(found) == 0 {
		t.Fatalf("the README has no %s snippet", language)
	}
	return found
}

// answer is a decision in short: the rules that denied, else what was granted.
type answer struct {
	Rules    []string
	Scope    []string
	Details  []int
	Claims   map[string]any
	Context  map[string]any
	Lifetime time.Duration
}

func ask(t *testing.T, e *Engine, change func(*Input)) answer {
	t.Helper()
	in := request()
	change(&in)
	d, err := e.Decide(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{Scope: d.Scope, Details: d.Details, Claims: d.AccessClaims, Context: d.TransactionContext, Lifetime: d.AccessLifetime}
	for _, denial := range d.Denials {
		a.Rules = append(a.Rules, denial.Rule)
	}
	return a
}

func as(client, method string) func(*Input) {
	return func(in *Input) { in.Client.ID, in.Subject.ID, in.Client.AuthMethod = client, client, method }
}

func at(hour int) func(*Input) {
	return func(in *Input) { in.Request.Time = time.Date(2026, 3, 4, hour, 30, 0, 0, time.UTC) }
}

func paying(client, amount string) func(*Input) {
	return func(in *Input) {
		in.Client.ID, in.Subject.ID = client, client
		in.Grant.Details = []json.RawMessage{
			[]byte(`{"type":"payment_initiation","instructedAmount":{"currency":"EUR","amount":"` + amount + `"}}`), []byte(`{"type":"account_information"}`),
		}
	}
}

// transacting asks for a transaction token about the order.
func transacting(order string) func(*Input) {
	return func(in *Input) {
		in.Grant.Transaction = &Transaction{Audience: "https://trust-domain.example", RequestDetails: []byte(`{"order":"` + order + `"}`)}
	}
}

func declared(client, grantType, branch string) func(*Input) {
	return func(in *Input) {
		in.Client.ID, in.Subject.ID, in.Grant.Type = client, client, grantType
		in.Grant.Parameters = map[string]string{"branch": branch}
	}
}

// registering registers a client of https://app.example, whose directory names the origin.
func registering(origin string) func(*Input) {
	return func(in *Input) {
		in.Registration = &Registration{
			Action: RegistrationNew, AdmittedBy: "open", Metadata: []byte(`{"redirect_uris":["https://app.example/cb"]}`),
			SoftwareStatement: &SoftwareStatement{Issuer: "https://directory.example", Claims: []byte(`{"origin":"` + origin + `"}`)},
		}
	}
}

// Each Rego snippet works as the only rule of an owner's directory and does what the text around it says.
func TestReadmeRego(t *testing.T) {
	both := []string{"accounts", "payments"}
	type check struct {
		change func(*Input)
		want   answer
	}
	checks := map[string][]check{ // by a word that only that snippet has
		"bank.certificate_only": {
			{as("tpp-4711", "private_key_jwt"), answer{Rules: []string{"bank.certificate_only"}}},
			{as("tpp-4711", "tls_client_auth"), answer{Scope: both}},
			{as("tpp-4712", "private_key_jwt"), answer{Scope: both}},
		},
		"withhold contains": {
			{at(5), answer{Scope: []string{"accounts"}}}, {at(6), answer{Scope: both}},
			{at(20), answer{Scope: both}}, {at(21), answer{Scope: []string{"accounts"}}},
		},
		"withhold_details contains": {
			{paying("tpp-4711", "1000.01"), answer{Scope: both, Details: []int{1}}},
			{paying("tpp-4711", "1000"), answer{Scope: both}},
			{paying("tpp-4712", "1000.01"), answer{Scope: both}},
		},
		"access_claims.branch": {
			{as("tpp-4711", "tls_client_auth"), answer{Scope: both, Claims: map[string]any{"branch": "Frankfurt"}, Lifetime: time.Minute}},
			{func(in *Input) { in.Grant.Scope = []string{"accounts"} }, answer{Scope: []string{"accounts"}}},
			{func(in *Input) { in.Subject.AMR = []string{"hwk"} }, answer{Scope: both, Claims: map[string]any{"strong": true}, Lifetime: time.Minute}},
		},
		"transaction_context.order": {
			{as("tpp-4711", "tls_client_auth"), answer{Scope: both, Claims: map[string]any{"may_act": map[string]any{"sub": "clerk"}}, Context: map[string]any{"channel": "branch"}}},
			{transacting("4711"), answer{Scope: both, Context: map[string]any{"order": "4711"}}},
			{func(*Input) {}, answer{Scope: both}},
		},
		"declared contains": {
			{declared("tpp-4711", "urn:example:legacy", "Frankfurt West"), answer{Scope: both}},
			{declared("tpp-4712", "urn:example:legacy", "Frankfurt West"), answer{Rules: []string{"grant.declared"}}},
			{declared("tpp-4711", "urn:example:legacy", "Berlin"), answer{Rules: []string{"grant.declared"}}},
			{declared("tpp-4711", "urn:example:other", "Frankfurt West"), answer{Rules: []string{"grant.declared"}}},
			{func(*Input) {}, answer{Scope: both}},
		},
		"bank.nothing_granted": {
			{func(*Input) {}, answer{Scope: []string{"accounts"}}},
			{func(in *Input) { in.Grant.Scope = []string{"payments"} }, answer{Rules: []string{"bank.nothing_granted"}}},
		},
		"bank.no_psd2_role": {
			{registering("https://app.example"), answer{}},
			{registering("https://elsewhere.example"), answer{Rules: []string{"bank.redirects_elsewhere"}}},
			{func(in *Input) { registering("https://app.example")(in); in.Certificate = nil }, answer{Rules: []string{"bank.no_psd2_role"}}},
			{func(*Input) {}, answer{Scope: both}},
		},
		"bank.suspended": {
			{as("tpp-0815", "tls_client_auth"), answer{Rules: []string{"bank.suspended"}}},
			{as("tpp-0816", "tls_client_auth"), answer{Scope: both}},
		},
	}
	rules := slices.DeleteFunc(snippets(t, "rego"), func(text string) bool { return strings.Contains(text, "_test\n") })
	if len(rules) != len(checks) {
		t.Errorf("%d snippets, %d of them checked", len(rules), len(checks))
	}
	for word, list := range checks {
		t.Run(word, func(t *testing.T) {
			i := slices.IndexFunc(rules, func(text string) bool { return strings.Contains(text, word) })
			if i < 0 {
				t.Fatal("no such snippet")
			}
			e := engine(t, folder(t, map[string]string{"rules.rego": rules[i], "data.json": snippets(t, "json")[0]}))
			for n, c := range list {
				if diff := cmp.Diff(c.want, ask(t, e, c.change)); diff != "" {
					t.Errorf("check %d (-want +got):\n%s", n, diff)
				}
			}
		})
	}
}

// The Rego test of the README passes on the rules of its first snippet.
func TestReadmeRegoTest(t *testing.T) {
	all := snippets(t, "rego")
	i := slices.IndexFunc(all, func(text string) bool { return strings.Contains(text, "_test\n") })
	module, err := ast.ParseModule("client.rego", all[0])
	if err != nil || i < 0 {
		t.Fatalf("snippet %d: %v", i, err)
	}
	runRego(t, map[string]*ast.Module{"client.rego": module}, map[string]string{"client_test.rego": all[i]})
}

// The README and the package comment explain every field of the input, and no other.
func TestEveryFieldIsDocumented(t *testing.T) {
	want := fields("input", inputSchema())
	comment, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	for name, list := range map[string][][]string{
		"README.md": regexp.MustCompile("(?m)^\\| `(input[a-z0-9_.]+)` \\|").FindAllStringSubmatch(readme(t), -1),
		"doc.go":    regexp.MustCompile(`(?m)^//\t(input[a-z0-9_.]+) `).FindAllStringSubmatch(string(comment), -1),
	} {
		var got []string
		for _, match := range list {
			got = append(got, match[1])
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-fields +documented):\n%s", name, diff)
		}
	}
}

// fields lists the paths below a schema, without the objects that are always there.
func fields(path string, schema map[string]any) []string {
	var list []string
	if choice, ok := schema["anyOf"].([]any); ok {
		list, schema = append(list, path), choice[1].(map[string]any)
	}
	properties, ok := schema["properties"].(map[string]any)
	if !ok {
		return append(list, path)
	}
	for name := range maps.Keys(properties) {
		list = append(list, fields(path+"."+name, properties[name].(map[string]any))...)
	}
	slices.Sort(list)
	return list
}

// The numbers and names that the README gives are those of the code.
func TestReadmeFacts(t *testing.T) {
	text := readme(t)
	for _, name := range []string{"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "invalid_scope",
		"invalid_target", "invalid_authorization_details", "access_denied", "login_required", "consent_required", "interaction_required"} {
		if !isErrorCode(DecisionToken, name) || !strings.Contains(text, "`"+name+"`") {
			t.Errorf("error code %s", name)
		}
	}
	for _, name := range []string{"invalid_redirect_uri", "invalid_client_metadata", "invalid_software_statement", "unapproved_software_statement", "access_denied"} {
		if !isErrorCode(DecisionRegistration, name) || !strings.Contains(text, "`"+name+"`") {
			t.Errorf("error code %s", name)
		}
	}
	allowed := map[string]bool{}
	for _, b := range capabilities().Builtins {
		allowed[b.Name] = true
	}
	for _, b := range ast.CapabilitiesForThisVersion().Builtins {
		if forbidden := !allowed[b.Name]; forbidden != strings.Contains(text, "`"+b.Name+"`") {
			t.Errorf("function %s: forbidden %v", b.Name, forbidden)
		}
	}
	if MaxAccessLifetime.Seconds() != 86400 || MaxIDLifetime.Seconds() != 86400 || MaxRefreshLifetime.Seconds() != 63072000 ||
		MaxDenials != 64 || MaxClaimsSize != 8192 || MaxClaimsDepth != 8 || DefaultTimeout != time.Second {
		t.Error("the README gives other limits")
	}
	for name, rules := range questions {
		row := regexp.MustCompile("(?m)^\\| `" + regexp.QuoteMeta(name) + "` \\|[^|]*\\|(.*)\\|$").FindStringSubmatch(text)
		if row == nil {
			t.Errorf("no row for %s", name)
			continue
		}
		var want []string
		for _, r := range rules {
			want = append(want, "`"+r.name+"`")
		}
		if got := strings.Split(strings.TrimSpace(row[1]), ", "); !reflect.DeepEqual(got, want) {
			t.Errorf("%s defines %v, the README says %v", name, want, got)
		}
	}
}
