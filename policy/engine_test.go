package policy

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/opa/v1/ast"
	"pgregory.net/rapid"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return noon }

func request() Input { return samples(noon)[0].input }

// engine opens a directory with a time limit that a loaded machine can hold.
func engine(t *testing.T, directory string) *Engine {
	t.Helper()
	e, err := New(context.Background(), Options{Directory: directory, Clock: clock, Random: rand.Reader, Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// folder writes files into a fresh directory.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	directory := t.TempDir()
	for name, text := range files {
		write(t, directory, name, text)
	}
	return directory
}

func write(t *testing.T, directory, name, text string) {
	t.Helper()
	name = filepath.Join(directory, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestDefaultBundle(t *testing.T) {
	e := engine(t, "")
	table := []struct {
		name   string
		change func(*Input)
		want   Decision
	}{
		{"client with a certificate", func(*Input) {}, Decision{Scope: []string{"accounts", "payments"}}},
		{"order of the bound is kept", func(in *Input) { in.Grant.Scope = []string{"payments", "openid", "accounts"} },
			Decision{Scope: []string{"payments", "accounts"}}},
		{"user", func(in *Input) {
			in.Grant = Grant{Type: "authorization_code", Scope: []string{"openid", "accounts"}}
			in.Subject = Subject{Kind: SubjectUser, ID: "alice"}
		}, Decision{Scope: []string{"openid", "accounts"}}},
		{"unbound for long", func(in *Input) {
			in.Request.Profile, in.Certificate, in.Client.AuthMethod, in.Token.Lifetime = "openid", nil, "client_secret_basic", 7200
			in.Sender = Sender{}
		}, Decision{Scope: []string{"accounts", "payments"}, AccessLifetime: time.Hour}},
		{"public client", func(in *Input) { in.Client.AuthMethod, in.Request.Profile = "none", "openid" },
			Decision{Denials: []Denial{{"grant", "grant.public_client", "unauthorized_client", "a public client cannot use client_credentials"}}}},
		{"several denials in order", func(in *Input) {
			in.Certificate, in.Sender, in.Client.AuthMethod = nil, Sender{}, "none"
		},
			Decision{Denials: []Denial{
				{"client", "client.method_too_weak", "invalid_client", "the security profile requires private_key_jwt or mutual TLS"},
				{"grant", "grant.public_client", "unauthorized_client", "a public client cannot use client_credentials"},
				{"token", "token.not_bound", "invalid_request", "the security profile requires a TLS client certificate or a DPoP proof to bind the access token to"},
			}}},
		{"a DPoP key will do for FAPI 2.0", func(in *Input) { in.Sender.Method = SenderDPoP }, Decision{Scope: []string{"accounts", "payments"}}},
		{"a DPoP key will not do for FAPI 1.0", func(in *Input) { in.Sender.Method, in.Request.Profile = SenderDPoP, "fapi1-advanced" },
			Decision{Denials: []Denial{{"token", "token.not_bound_to_certificate", "invalid_request",
				"the security profile requires a TLS client certificate to bind the access token to"}}}},
		{"a declared grant that no rule allows", func(in *Input) { in.Grant.Type = "urn:example:legacy" },
			Decision{Denials: []Denial{{"grant", "grant.declared", "unauthorized_client", "a declared grant needs a rule of the owner's that allows it"}}}},
		{"a token that was given to another client", func(in *Input) {
			in.Grant.Type, in.Grant.Exchange = "urn:ietf:params:oauth:grant-type:token-exchange", &Exchange{SubjectClaims: []byte(`{"client_id":"other"}`)}
		}, Decision{Denials: []Denial{{"grant", "grant.impersonation", "invalid_request",
			"an exchange without an actor token is for the subject token's own client and the resource servers of its audience"}}}},
		{"nothing left of what was asked", func(in *Input) { in.Grant.Scope = []string{"openid"} },
			Decision{Denials: []Denial{{"scope", "scope.nothing_granted", "invalid_scope", "none of the requested scopes can be granted"}}}},
	}
	for _, test := range table {
		t.Run(test.name, func(t *testing.T) {
			in := request()
			test.change(&in)
			got, err := e.Decide(context.Background(), in)
			if err != nil {
				t.Fatal(err)
			}
			if len(got.ID) != 22 || got.Revision != e.Revision() || got.Allowed() != (len(test.want.Denials) == 0) {
				t.Errorf("id %q, revision %q, allowed %v", got.ID, got.Revision, got.Allowed())
			}
			got.ID, got.Revision = "", ""
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("decision (-want +got):\n%s", diff)
			}
		})
	}
}

// Additions to the same question that say nothing about declared grants allow none.
func TestDeclaredNeedsItsRule(t *testing.T) {
	const deny = `deny contains {"rule": "x", "error": "access_denied", "text": "x"} if input.client.id == "nobody"`
	for rules, want := range map[string]bool{
		"package signet.custom.grant\n" + deny:                                       false,
		"package signet.custom.grant\ndeclared contains \"urn:example:legacy\"":      true,
		"package signet.custom.grant\ndeclared contains \"urn:example:other\"":       false,
		"package signet.grant\n" + deny + "\n# replaced: decides about them as well": true,
	} {
		in := request()
		in.Grant.Type = "urn:example:legacy"
		d, err := engine(t, folder(t, map[string]string{"rules.rego": rules})).Decide(context.Background(), in)
		if err != nil || d.Allowed() != want {
			t.Errorf("%s: %+v, %v", rules, d.Denials, err)
		}
	}
}

func TestDecisionIDsDiffer(t *testing.T) {
	e := engine(t, "")
	seen := map[string]bool{}
	for range 100 {
		d, err := e.Decide(context.Background(), request())
		if err != nil || seen[d.ID] {
			t.Fatalf("id %q again, or %v", d.ID, err)
		}
		seen[d.ID] = true
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("no entropy") }

func TestNewAndRandomness(t *testing.T) {
	for name, options := range map[string]Options{
		"no clock":         {Random: rand.Reader},
		"no randomness":    {Clock: clock},
		"negative timeout": {Clock: clock, Random: rand.Reader, Timeout: -1},
		"no directory":     {Clock: clock, Random: rand.Reader, Directory: filepath.Join(t.TempDir(), "missing")},
	} {
		if _, err := New(context.Background(), options); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	e := engine(t, "")
	e.options.Random = brokenReader{}
	if d, err := e.Decide(context.Background(), request()); err == nil || d.Allowed() {
		t.Errorf("decided %+v without randomness", d)
	}
}

// The evaluation's time is the input's, or the clock's when the input has none.
func TestTime(t *testing.T) {
	e := engine(t, folder(t, map[string]string{"t.rego": `package signet.custom.token
access_claims := {"now": time.now_ns() / 1000000000, "time": input.request.time, "unix": input.request.unix}`}))
	for want, at := range map[string]time.Time{
		"2026-03-04T12:00:00Z": {},
		"2025-01-02T03:04:05Z": time.Date(2025, 1, 2, 4, 4, 5, 0, time.FixedZone("", 3600)),
	} {
		in := request()
		in.Request.Time = at
		d, err := e.Decide(context.Background(), in)
		if err != nil {
			t.Fatal(err)
		}
		stamp, err := time.Parse(time.RFC3339, want)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]any{"now": stamp.Unix(), "time": want, "unix": stamp.Unix()}, d.AccessClaims); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// genInput draws any Input.
func genInput() *rapid.Generator[Input] {
	text := rapid.OneOf(rapid.SampledFrom([]string{"", "accounts", "client_credentials", "user", "é\"\\\u2028"}), rapid.StringN(0, 12, -1))
	texts := rapid.SliceOfN(text, 0, 5)
	return rapid.Custom(func(t *rapid.T) Input {
		s := func() string { return text.Draw(t, "text") }
		l := func() []string { return texts.Draw(t, "list") }
		n := func() int64 { return rapid.Int64Range(0, 1<<40).Draw(t, "number") }
		in := Input{
			Request: Request{s(), s(), time.Unix(n(), 0).UTC(), s()},
			Client:  Client{s(), s(), s(), l(), l(), l(), l(), l()},
			Sender:  Sender{rapid.SampledFrom([]string{SenderNone, SenderMTLS, SenderDPoP}).Draw(t, "sender"), s()},
			Subject: Subject{s(), s(), s(), l(), n()},
			Grant:   Grant{Type: s(), Scope: l(), Requested: rapid.Bool().Draw(t, "requested"), Resources: l()},
			Token:   Token{s(), n()},
		}
		for _, text := range l() {
			detail, _ := json.Marshal(map[string]any{"type": "t", "text": text, "amount": json.Number("1.50"), "list": []any{nil, true}})
			in.Grant.Details = append(in.Grant.Details, detail)
		}
		if rapid.Bool().Draw(t, "certificate") {
			in.Certificate = &Certificate{s(), s(), s(), rapid.Bool().Draw(t, "trusted"), s(), nil}
			if rapid.Bool().Draw(t, "psd2") {
				in.Certificate.PSD2 = &PSD2{l(), s(), s()}
			}
		}
		facts, _ := json.Marshal(map[string]any{"sub": s(), "aud": l(), "exp": n()})
		if rapid.Bool().Draw(t, "exchange") {
			in.Grant.Exchange = &Exchange{s(), s(), facts, s(), []Actor{{s(), s(), s()}, {s(), s(), s()}}[:rapid.IntRange(0, 2).Draw(t, "actors")], s()}
		}
		if rapid.Bool().Draw(t, "transaction") {
			in.Grant.Transaction = &Transaction{s(), facts, nil, rapid.Bool().Draw(t, "replaces")}
		}
		if rapid.Bool().Draw(t, "assertion") {
			in.Grant.Assertion = &Assertion{s(), facts}
		}
		if rapid.Bool().Draw(t, "parameters") {
			in.Grant.Parameters = map[string]string{s(): s(), s(): s()}
		}
		if rapid.Bool().Draw(t, "registration") {
			metadata, _ := json.Marshal(map[string]any{"client_name": s(), "default_max_age": n(), "contacts": l()})
			in.Registration = &Registration{s(), s(), metadata, nil}
			if rapid.Bool().Draw(t, "statement") {
				in.Registration.SoftwareStatement = &SoftwareStatement{s(), []byte(`{"a":[1.50,null]}`)}
			}
		}
		return in
	})
}

// The JSON form reads back as the same Input, and Rego sees the same whether it is built directly or
// from that JSON.
func TestInputJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := genInput().Draw(t, "input")
		if year := in.Request.Time.Year(); year > 9999 {
			in.Request.Time = noon
		}
		raw, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		fromJSON, err := ast.ValueFromReader(strings.NewReader(string(raw)))
		if err != nil {
			t.Fatal(err)
		}
		if valueFrom(t, in).Compare(fromJSON) != 0 {
			t.Fatalf("document %v\nfrom JSON %v", valueFrom(t, in), fromJSON)
		}
		var back Input
		if err := json.Unmarshal(raw, &back); err != nil {
			t.Fatal(err)
		}
		if valueFrom(t, back).Compare(valueFrom(t, in)) != 0 {
			t.Fatalf("read back %v\nfrom %v", valueFrom(t, back), valueFrom(t, in))
		}
	})
}

func valueFrom(t interface{ Fatal(...any) }, in Input) ast.Value {
	value, err := in.value()
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// Whatever comes in, the default bundle either refuses or stays within the bound.
func TestDecisionsStayWithinBound(t *testing.T) {
	for _, directory := range []string{"", "examples/psd2"} {
		e := engine(t, directory)
		rapid.Check(t, func(t *rapid.T) {
			in := genInput().Draw(t, "input")
			in.Subject.Kind = rapid.SampledFrom([]string{SubjectClient, SubjectUser, "robot"}).Draw(t, "kind")
			in.Registration = nil
			d, err := e.Decide(context.Background(), in)
			if err != nil || !d.Allowed() {
				if d.Scope != nil || d.AccessClaims != nil {
					t.Fatalf("a refusal grants: %+v", d)
				}
				return
			}
			if in.Subject.Kind == "robot" {
				t.Fatal("decided about an unknown kind of subject")
			}
			bound := map[string]bool{}
			for _, scope := range in.Grant.Scope {
				bound[scope] = true
			}
			for _, scope := range d.Scope {
				if !bound[scope] {
					t.Fatalf("%q of %q granted", scope, in.Grant.Scope)
				}
			}
		})
	}
}

// The schema that policies are checked against and the document that they see have the same fields.
func TestSchemaMatchesDocument(t *testing.T) {
	var walk func(path string, schema map[string]any, value any)
	walk = func(path string, schema map[string]any, value any) {
		if choice, ok := schema["anyOf"].([]any); ok {
			schema = choice[1].(map[string]any)
		}
		object, ok := value.(map[string]any)
		properties, known := schema["properties"].(map[string]any)
		if !ok || !known { // an object that is not Signet's has any members
			return
		}
		want, got := map[string]bool{}, map[string]bool{}
		for name := range maps.Keys(properties) {
			want[name] = true
		}
		for name, inner := range object {
			got[name] = true
			if want[name] {
				walk(path+"."+name, properties[name].(map[string]any), inner)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-schema +document):\n%s", path, diff)
		}
	}
	in := request()
	in.Registration = registration().Registration
	in.Grant.Exchange, in.Grant.Transaction, in.Grant.Assertion = &Exchange{}, &Transaction{}, &Assertion{}
	document, err := ast.JSON(valueFrom(t, in))
	if err != nil {
		t.Fatal(err)
	}
	walk("input", inputSchema(), document)
}
