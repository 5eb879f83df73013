package policy

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/opa/v1/ast"
	"pgregory.net/rapid"
)

// target is the client for which the policies below misbehave; sample inputs do not meet it, so that the
// bundle is accepted and the fault shows in a decision.
const target = "target"

func targeted() Input {
	in := request()
	in.Client.ID, in.Subject.ID = target, target
	return in
}

const tokenRules = `package signet.token
deny contains {"rule": "x", "error": "access_denied", "text": "x"} if input.client.id == "nobody"
default access_claims := {}
default id_claims := {}
default access_lifetime := 0
default id_lifetime := 0
default refresh_lifetime := 0
`

// Every way in which a policy can fail to answer is an error, never a decision that allows.
func TestNoDecision(t *testing.T) {
	denial := func(text string) string {
		return `package signet.custom.client
deny contains ` + text + ` if input.client.id == "target"`
	}
	claims := func(text string) string {
		return `package signet.custom.token
access_claims := ` + text + ` if input.client.id == "target"`
	}
	token := func(text string) string { return tokenRules + text + ` if input.client.id == "target"` }
	scope := func(text string) string {
		return `package signet.scope
deny contains {"rule": "x", "error": "access_denied", "text": "x"} if input.client.id == "nobody"
granted := input.grant.scope if input.client.id != "target"
granted := ` + text + ` if input.client.id == "target"`
	}
	undefined := strings.Replace(scope("[]"), `granted := [] if input.client.id == "target"`, "", 1)
	deep := strings.Repeat("[", 9) + strings.Repeat("]", 9)
	table := []struct{ name, policy, want string }{
		{"undefined", undefined, "undefined"},
		{"two values", tokenRules + "id_lifetime := 1 if input.client.id == \"target\"\nid_lifetime := 2 if input.client.id == \"target\"", "conflict"},
		{"failing built-in", denial(`{"rule": "x", "error": "access_denied", "text": sprintf("%d", [to_number(input.client.name)])}`), "to_number"},
		{"denial is text", denial(`"no"`), "object of rule, error and text"},
		{"denial lacks text", denial(`{"rule": "x", "error": "access_denied"}`), "object of rule, error and text"},
		{"denial with more", denial(`{"rule": "x", "error": "access_denied", "text": "x", "y": 1}`), "object of rule, error and text"},
		{"denial without rule", denial(`{"rule": "", "error": "access_denied", "text": "x"}`), "rule must be"},
		{"denial with bad rule", denial(`{"rule": "a b", "error": "access_denied", "text": "x"}`), "rule must be"},
		{"denial with number", denial(`{"rule": 7, "error": "access_denied", "text": "x"}`), "rule must be"},
		{"denial with unknown error", denial(`{"rule": "x", "error": "nope", "text": "x"}`), "not one that a policy may answer with"},
		{"denial that asks to retry", denial(`{"rule": "x", "error": "temporarily_unavailable", "text": "x"}`), "not one that a policy may answer with"},
		{"denial with two lines", denial(`{"rule": "x", "error": "access_denied", "text": "a\nb"}`), "one line"},
		{"denial without words", denial(`{"rule": "x", "error": "access_denied", "text": ""}`), "one line"},
		{"denial with long text", denial(`{"rule": "x", "error": "access_denied", "text": "` + strings.Repeat("a", 513) + `"}`), "one line"},
		{"too many denials", `package signet.custom.client
deny contains {"rule": sprintf("r%d", [i]), "error": "access_denied", "text": "x"} if {
	input.client.id == "target"
	some i in numbers.range(1, 65)
}`, "more than 64 denials"},
		{"scope beyond the bound", scope(`["accounts", "admin"]`), "beyond the upper bound"},
		{"more scopes than asked", scope(`["accounts", "payments", "admin"]`), "more than was asked for"},
		{"scope is text", scope(`"accounts"`), "neither an array nor a set"},
		{"scope is null", scope(`null`), "neither an array nor a set"},
		{"scope holds a number", scope(`[1]`), "not text"},
		{"scope is an object", scope(`{"accounts": true}`), "neither an array nor a set"},
		{"claims are a list", token(`access_claims := []`), "access_claims is not an object"},
		{"ID claims are a list", token(`id_claims := ["a"]`), "id_claims is not an object"},
		{"claim of both packages", tokenRules + "access_claims := {\"a\": 1} if input.client.id == \"target\"\n", ""},
		{"claim name is a number", claims(`{1: 2}`), "name that is not text"},
		{"claims too large", claims(`{"a": concat("", [x | some i in numbers.range(1, 9000); x := "a"])}`), "more than 8192 bytes"},
		{"claims too many", claims(`{k: 1 | some i in numbers.range(1, 2000); k := sprintf("k%d", [i])}`), "more than 8192 bytes"},
		{"claims too deep", claims(`{"a": ` + deep + `}`), "levels"},
		{"claim not exact", claims(`{"a": 9007199254740993}`), "2^53-1"},
		{"claim not finite", claims(`{"a": 1e400}`), "2^53-1"},
		{"may_act is text", claims(`{"may_act": "somebody"}`), "may_act must be an object"},
		{"may_act is nobody", claims(`{"may_act": {}}`), "may_act must be an object"},
		{"may_act is any of an issuer's", claims(`{"may_act": {"iss": "https://a.example"}}`), "may_act must be an object"},
		{"may_act is empty", claims(`{"may_act": {"sub": ""}}`), "may_act must be an object"},
		{"may_act is a list", claims(`{"may_act": {"sub": ["a"], "client_id": "b"}}`), "may_act must be an object"},
		{"transaction context is a list", token("default transaction_context := {}\n" + `transaction_context := []`), "transaction_context is not an object"},
		{"transaction context too large", token("default transaction_context := {}\n" + `transaction_context := {"a": concat("", [x | some i in numbers.range(1, 9000); x := "a"])}`), "more than 8192 bytes"},
		{"transaction context too deep", token("default transaction_context := {}\n" + `transaction_context := {"a": ` + deep + `}`), "levels"},
		{"transaction context not exact", token("default transaction_context := {}\n" + `transaction_context := {"a": 9007199254740993}`), "2^53-1"},
		{"lifetime is text", token(`access_lifetime := "60"`), "access_lifetime is not a number"},
		{"lifetime is negative", token(`access_lifetime := -1`), "access_lifetime must be"},
		{"lifetime is a fraction", token(`id_lifetime := 1.5`), "id_lifetime must be"},
		{"lifetime is not finite", token(`refresh_lifetime := 1e400`), "refresh_lifetime must be"},
		{"lifetime overflows", token(`refresh_lifetime := 18446744073709551617`), "refresh_lifetime must be"},
		{"access lifetime too long", token(`access_lifetime := 86401`), "access_lifetime must be"},
		{"ID lifetime too long", token(`id_lifetime := 86401`), "id_lifetime must be"},
		{"refresh lifetime too long", token(`refresh_lifetime := 63072001`), "refresh_lifetime must be"},
		{"custom lifetime too long", "package signet.custom.token\naccess_lifetime := 86401 if input.client.id == \"target\"", "access_lifetime must be"},
	}
	for _, test := range table {
		t.Run(test.name, func(t *testing.T) {
			files := map[string]string{"policy.rego": test.policy}
			if test.want == "" { // two packages set one claim to different values
				files["more.rego"] = claims(`{"a": 2}`)
				test.want = "conflict"
			}
			e := engine(t, folder(t, files))
			d, err := e.Decide(context.Background(), targeted())
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("decision %+v, error %v; want error with %q", d, err, test.want)
			}
			if diff := cmp.Diff(Decision{}, d); diff != "" || d.Allowed() {
				t.Errorf("a decision came with the error: %s", diff)
			}
			if d, err := e.Decide(context.Background(), request()); err != nil || !d.Allowed() {
				t.Errorf("another client: %+v, %v", d, err)
			}
		})
	}
}

func TestReservedClaims(t *testing.T) {
	names := strings.Fields(`iss sub aud exp iat nbf jti client_id cnf scope act auth_time acr amr nonce
		at_hash c_hash s_hash azp sid active token_type username authorization_details
		urn:openid:params:jwt:claim:auth_req_id urn:openid:params:jwt:claim:rt_hash`)
	e := engine(t, folder(t, map[string]string{"claims.rego": `package signet.custom.token
access_claims[input.client.name] := "x" if input.request.id == "access"
id_claims[input.client.name] := "x" if input.request.id == "id"`}))
	for _, name := range names {
		for _, kind := range []string{"access", "id"} {
			in := request()
			in.Request.ID, in.Client.Name = kind, name
			if d, err := e.Decide(context.Background(), in); err == nil || !Reserved(name) || d.Allowed() {
				t.Errorf("%s claim %s: %+v", kind, name, d)
			}
		}
	}
	in := request()
	in.Request.ID, in.Client.Name = "access", "https://bank.example/branch"
	d, err := e.Decide(context.Background(), in)
	if err != nil || d.AccessClaims["https://bank.example/branch"] != "x" || d.IDClaims != nil {
		t.Errorf("a free name: %+v, %v", d, err)
	}
}

// Who may act is the owner's to say, in either token; a transaction's context may have any names.
func TestMayActAndTransactionContext(t *testing.T) {
	e := engine(t, folder(t, map[string]string{"claims.rego": `package signet.custom.token
access_claims.may_act := {"sub": "clerk", "iss": "https://staff.example"}
id_claims.may_act := {"client_id": "desk"}
transaction_context.sub := "any name is free"
transaction_context.amount := 5 if input.client.id == "nobody"`}))
	d, err := e.Decide(context.Background(), request())
	if err != nil {
		t.Fatal(err)
	}
	want := []map[string]any{
		{"may_act": map[string]any{"sub": "clerk", "iss": "https://staff.example"}},
		{"may_act": map[string]any{"client_id": "desk"}}, {"sub": "any name is free"},
	}
	if diff := cmp.Diff(want, []map[string]any{d.AccessClaims, d.IDClaims, d.TransactionContext}); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// slow takes minutes when it is let.
const slow = `package signet.custom.client
deny contains {"rule": "x", "error": "access_denied", "text": "x"} if {
	input.client.id == "target"
	some a in numbers.range(1, 3000)
	some b in numbers.range(1, 3000)
	some c in numbers.range(1, 3000)
	a * b * c == -1
}`

func TestTimeLimit(t *testing.T) {
	e := engine(t, folder(t, map[string]string{"slow.rego": slow}))
	e.options.Timeout = 30 * time.Millisecond
	d, err := e.Decide(context.Background(), targeted())
	if err == nil || !strings.Contains(err.Error(), "took longer") || d.Allowed() {
		t.Errorf("time limit: %+v, %v", d, err)
	}
	e.options.Timeout = time.Minute
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer cancel()
	if d, err := e.Decide(ctx, targeted()); err == nil || d.Allowed() {
		t.Errorf("deadline of the request: %+v, %v", d, err)
	}
	if d, err := e.Decide(ctx, request()); err == nil || d.Allowed() {
		t.Errorf("request already over: %+v, %v", d, err)
	}
}

func TestClaimValues(t *testing.T) {
	e := engine(t, folder(t, map[string]string{"claims.rego": `package signet.custom.token
access_claims := {"text": "é", "yes": true, "none": null, "whole": 9007199254740991, "part": 0.5,
	"set": {"b", "a"}, "nested": {"list": [1, [2]]}, "empty": {}}`}))
	d, err := e.Decide(context.Background(), request())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"text": "é", "yes": true, "none": nil, "whole": int64(9007199254740991), "part": 0.5,
		"set": []any{"a", "b"}, "nested": map[string]any{"list": []any{int64(1), []any{int64(2)}}}, "empty": map[string]any{}}
	if diff := cmp.Diff(want, d.AccessClaims); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// genValue draws any value that Rego can produce.
func genValue(depth int) *rapid.Generator[ast.Value] {
	return rapid.Custom(func(t *rapid.T) ast.Value {
		kinds := 6
		if depth > 0 {
			kinds = 9
		}
		inner := func() []*ast.Term {
			var terms []*ast.Term
			for _, v := range rapid.SliceOfN(genValue(depth-1), 0, 4).Draw(t, "inner") {
				terms = append(terms, ast.NewTerm(v))
			}
			return terms
		}
		switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
		case 0:
			return ast.Null{}
		case 1:
			return ast.Boolean(rapid.Bool().Draw(t, "bool"))
		case 2:
			return ast.Number(rapid.SampledFrom([]string{"0", "-1", "60", "1.5", "1e3", "1e999", "86401", "99999999999999999999"}).Draw(t, "number"))
		case 3, 4, 5:
			return ast.String(rapid.SampledFrom([]string{"", "accounts", "admin", "rule", "access_denied", "sub", "a\nb", "\xff"}).Draw(t, "text"))
		case 6:
			return ast.NewArray(inner()...)
		case 7:
			return ast.NewSet(inner()...)
		}
		object := ast.NewObject()
		for _, term := range inner() {
			object.Insert(ast.NewTerm(genValue(0).Draw(t, "key")), term)
		}
		return object
	})
}

// Any document at all reads as an error, as a refusal, or as a grant within all bounds.
func TestReadDecisionProperty(t *testing.T) {
	bound := &Grant{Scope: []string{"accounts", "payments"}, Details: make([]json.RawMessage, 3)}
	object := func(t *rapid.T, usual map[*ast.Term]ast.Value) *ast.Term {
		result := ast.NewObject()
		for key, value := range usual {
			switch rapid.IntRange(0, 9).Draw(t, "fault") {
			case 0:
			case 1:
				result.Insert(key, ast.NewTerm(genValue(3).Draw(t, "value")))
			default:
				result.Insert(key, ast.NewTerm(value))
			}
		}
		return ast.NewTerm(result)
	}
	rapid.Check(t, func(t *rapid.T) {
		zero := ast.Number("0")
		deny := object(t, map[*ast.Term]ast.Value{keyClient: ast.NewSet(), keyGrant: ast.NewSet(), keyScope: ast.NewSet(), keyToken: ast.NewSet()})
		document := object(t, map[*ast.Term]ast.Value{keyDeny: deny.Value, keyGranted: ast.NewArray(ast.StringTerm("accounts")),
			keyDetails: ast.NewArray(ast.IntNumberTerm(2), ast.IntNumberTerm(0)), keyWithheldDetails: ast.NewSet(ast.IntNumberTerm(2)),
			keyAccessClaims: ast.NewObject(), keyIDClaims: ast.NewObject(), keyTxnContext: ast.NewObject(),
			keyAccessLifetime: zero, keyIDLifetime: zero, keyRefreshLifetime: zero})
		d, err := readDecision(document, bound)
		if err != nil {
			return
		}
		if len(d.Denials) > 0 {
			if d.Scope != nil || d.AccessClaims != nil || d.IDClaims != nil || d.TransactionContext != nil {
				t.Fatalf("a refusal grants: %+v", d)
			}
			return
		}
		for _, scope := range d.Scope {
			if scope != "accounts" && scope != "payments" {
				t.Fatalf("scope %q", d.Scope)
			}
		}
		for _, i := range d.Details {
			if i < 0 || i >= len(bound.Details) {
				t.Fatalf("details %v", d.Details)
			}
		}
		for _, claims := range []map[string]any{d.AccessClaims, d.IDClaims} {
			for name, value := range claims {
				if f, ok := value.(float64); Reserved(name) || ok && math.IsInf(f, 0) {
					t.Fatalf("claims %v", claims)
				}
			}
		}
		for limit, lifetime := range map[time.Duration]time.Duration{
			MaxAccessLifetime: max(d.AccessLifetime, d.IDLifetime), MaxRefreshLifetime: d.RefreshLifetime} {
			if lifetime < 0 || lifetime > limit {
				t.Fatalf("lifetime %v", lifetime)
			}
		}
	})
}

// Functions that reach outside or differ from call to call do not compile.
func TestForbiddenFunctions(t *testing.T) {
	for _, call := range []string{
		`http.send({"method": "get", "url": "https://attacker.example"})`, `net.lookup_ip_addr("attacker.example")`,
		`opa.runtime()`, `rand.intn("x", 9)`, `uuid.rfc4122("x")`, `io.jwt.encode_sign({}, {}, {})`,
		`json.match_schema({}, {"$ref": "https://attacker.example/schema"})`, `json.verify_schema({})`,
		`crypto.x509.parse_and_verify_certificates(input.client.name)`,
	} {
		directory := folder(t, map[string]string{"p.rego": fmt.Sprintf(`package signet.custom.token
access_claims := {"x": x} if x := %s`, call)})
		_, err := New(context.Background(), Options{Directory: directory, Clock: clock, Random: rand.Reader})
		if err == nil || !strings.Contains(err.Error(), "undefined function") {
			t.Errorf("%s: %v", call, err)
		}
	}
}
