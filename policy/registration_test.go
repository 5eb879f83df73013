package policy

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// registration is a client's registration with a software statement.
func registration() Input {
	for _, s := range samples(noon) {
		if s.input.Registration != nil && s.input.Registration.SoftwareStatement != nil {
			return s.input
		}
	}
	panic("no sample is a registration")
}

// TestRegistrations: what is denied by whose rules, and that an answer about a registration grants nothing.
func TestRegistrations(t *testing.T) {
	const custom = "package signet.custom.registration\n\n"
	only := func(condition string) string {
		return custom + `deny contains {"rule": "bank.no", "error": "unapproved_software_statement", "text": "no"} if {` + condition + "}"
	}
	for name, c := range map[string]struct {
		rules  string
		change func(*Input)
		want   []string
		err    string
	}{
		"built in": {},
		"a weak method under FAPI": {change: func(in *Input) { in.Client.AuthMethod = "client_secret_basic" },
			want: []string{"registration registration.method_too_weak invalid_client_metadata"}},
		"implicit under FAPI": {change: func(in *Input) { in.Client.GrantTypes = []string{"authorization_code", "implicit"} },
			want: []string{"registration registration.implicit invalid_client_metadata"}},
		"by metadata": {rules: only(`some uri in input.registration.metadata.redirect_uris; contains(uri, "tpp.example")`),
			want: []string{"registration bank.no unapproved_software_statement"}},
		"by the statement":    {rules: only(`input.registration.software_statement.claims.software_id == "sample"`), want: []string{"registration bank.no unapproved_software_statement"}},
		"by its issuer":       {rules: only(`input.registration.software_statement.issuer != "https://directory.example"`)},
		"by the certificate":  {rules: only(`"PSP_AI" in input.certificate.psd2.roles`), want: []string{"registration bank.no unapproved_software_statement"}},
		"by action and leave": {rules: only(`input.registration.action == "new"; input.registration.admitted_by == "open"`)},
		"built in, besides": {rules: only(`true`), change: func(in *Input) { in.Client.AuthMethod = "none" },
			want: []string{"registration bank.no unapproved_software_statement", "registration registration.method_too_weak invalid_client_metadata"}},
		"replaced":              {rules: "package signet.registration\n\ndeny contains {} if false", change: func(in *Input) { in.Client.AuthMethod = "none" }},
		"rules about tokens":    {rules: "package signet.custom.token\n\ndeny contains {\"rule\": \"x\", \"error\": \"access_denied\", \"text\": \"x\"}"},
		"an error of tokens":    {rules: custom + `deny contains {"rule": "x", "error": "invalid_grant", "text": "x"} if input.client.id == "sample-tpp"`, err: "not one that a policy may answer with"},
		"a misspelt field":      {rules: only(`input.registration.by == "open"`), err: "undefined ref"},
		"too deep in nothing":   {rules: only(`input.registration.software_statement.iss == "x"`), err: "undefined ref"},
		"a deny that is no set": {rules: custom + `deny := []`, err: "must be a set"},
	} {
		t.Run(name, func(t *testing.T) {
			directory := ""
			if c.rules != "" {
				directory = folder(t, map[string]string{"rules.rego": c.rules})
			}
			in := registration()
			if c.change != nil {
				c.change(&in)
			}
			e, err := New(context.Background(), Options{Directory: directory, Clock: clock, Random: rand.Reader})
			var d Decision
			if err == nil {
				d, err = e.Decide(context.Background(), in)
			}
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("decided %+v, %v", d, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, denial := range d.Denials {
				got = append(got, denial.Decision+" "+denial.Rule+" "+denial.Error)
			}
			if diff := cmp.Diff(c.want, got); diff != "" || d.Allowed() != (len(c.want) == 0) || d.Scope != nil || d.AccessClaims != nil || len(d.ID) != 22 {
				t.Errorf("denials (-want +got):\n%s%+v", diff, d)
			}
		})
	}
}

// What is not JSON is nothing to decide about.
func TestRegistrationThatIsNotJSON(t *testing.T) {
	e := engine(t, "")
	for name, change := range map[string]func(*Registration){
		"metadata": func(r *Registration) { r.Metadata = json.RawMessage("{") },
		"claims":   func(r *Registration) { r.SoftwareStatement.Claims = nil },
	} {
		in := registration()
		change(in.Registration)
		if d, err := e.Decide(context.Background(), in); err == nil || d.Allowed() {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

// Rules about registrations do not make decisions about tokens dearer, and the other way round.
func TestEntries(t *testing.T) {
	for rules, want := range map[string]entries{
		"package signet.custom.registration\n\ndeny contains {} if false": {entryDecision, entryExtendedRegistration},
		"package signet.custom.grant\n\ndeny contains {} if false":        {entryExtended, entryRegistration},
		"package bank\n\nx := 1": {entryDecision, entryRegistration},
	} {
		source, err := readSource(folder(t, map[string]string{"rules.rego": rules}))
		if err != nil {
			t.Fatal(err)
		}
		if _, asked, err := source.modules(); err != nil || asked != want {
			t.Errorf("%s: %+v, %v", rules, asked, err)
		}
	}
}
