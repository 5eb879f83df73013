package policy

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const ownScope = "package signet.scope\n\ngranted := input.grant.scope\n\ndeny contains {} if false\n\n"

func withDetails(n int) Input {
	in := request()
	for i := range n {
		in.Grant.Details = append(in.Grant.Details, json.RawMessage(fmt.Sprintf(`{"type":"payment","amount":%d,"members":[{"a":1}]}`, i)))
	}
	return in
}

// What policy grants of three authorization details, by whose rules.
func TestDetails(t *testing.T) {
	const custom = "package signet.custom.scope\n\n"
	for name, c := range map[string]struct {
		rules string
		want  []int
		err   string
	}{
		"no rules":                {rules: "", want: nil},
		"a scope package without": {rules: ownScope, want: nil},
		"all":                     {rules: ownScope + `granted_details := "all"`, want: nil},
		"a list":                  {rules: ownScope + `granted_details := [i | some i in [2, 0]; i < count(input.grant.authorization_details)]`, want: []int{0, 2}},
		"a set":                   {rules: ownScope + `granted_details := {i | some i, d in input.grant.authorization_details; d.amount == 1}`, want: []int{1}},
		"none":                    {rules: ownScope + `granted_details := []`, want: []int{}},
		"withheld": {rules: custom + `withhold_details contains i if {
	some i, d in input.grant.authorization_details
	d.amount > 0
}`, want: []int{0}},
		"nothing withheld": {rules: custom + `withhold_details contains i if {
	some i, d in input.grant.authorization_details
	d.amount > 5
}`, want: nil},
		"something else is withheld":   {rules: custom + `withhold contains "payments"`, want: nil},
		"all are withheld":             {rules: custom + `withhold_details contains i if some i, _ in input.grant.authorization_details`, want: []int{}},
		"beyond":                       {rules: ownScope + `granted_details := [3]`, err: "a position at which there is nothing"},
		"negative":                     {rules: ownScope + `granted_details := [-1]`, err: "a position at which there is nothing"},
		"a fraction":                   {rules: ownScope + `granted_details := [0.5]`, err: "a position at which there is nothing"},
		"details instead of positions": {rules: ownScope + `granted_details := input.grant.authorization_details`, err: "a position that is not a number"},
		"another word":                 {rules: ownScope + `granted_details := "none"`, err: "neither an array nor a set"},
		"undefined for this input":     {rules: ownScope + `granted_details := [0] if input.client.id == "nobody"`, err: "undefined"},
		"withheld beyond":              {rules: custom + `withhold_details contains 7`, err: "withheld details"},
	} {
		t.Run(name, func(t *testing.T) {
			directory := ""
			if c.rules != "" {
				directory = folder(t, map[string]string{"rules.rego": c.rules})
			}
			e, err := New(context.Background(), Options{Directory: directory, Clock: clock, Random: rand.Reader})
			var got Decision
			if err == nil {
				got, err = e.Decide(context.Background(), withDetails(3))
			}
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("decided %v, %v", got.Details, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got.Details); diff != "" || !got.Allowed() {
				t.Errorf("details (-want +got):\n%s%+v", diff, got)
			}
		})
	}
}

// What is granted is within what was asked, in its order, each once, and without what is withheld.
func TestDetailsStayWithinBound(t *testing.T) {
	e := engine(t, folder(t, map[string]string{
		"scope.rego":  ownScope + "granted_details := [to_number(n) | some n in input.client.scope; n in digits]\n\ndigits := {\"0\", \"1\", \"2\", \"3\"}",
		"custom.rego": "package signet.custom.scope\n\nwithhold_details contains to_number(n) if {\n\tsome n in input.client.resources\n\tcount(n) == 1\n}",
	}))
	rapid.Check(t, func(t *rapid.T) {
		in := withDetails(4)
		digits := rapid.SliceOfN(rapid.SampledFrom([]string{"0", "1", "2", "3"}), 0, 6)
		in.Client.Scope, in.Client.Resources = digits.Draw(t, "granted"), digits.Draw(t, "withheld")
		d, err := e.Decide(context.Background(), in)
		if err != nil {
			t.Fatal(err)
		}
		want := []int{}
		for i := range 4 {
			digit := fmt.Sprint(i)
			if slices.Contains(in.Client.Scope, digit) && !slices.Contains(in.Client.Resources, digit) {
				want = append(want, i)
			}
		}
		if diff := cmp.Diff(want, d.Details); diff != "" {
			t.Fatal(diff)
		}
	})
}

// A detail that is not JSON is no decision, and no document either.
func TestDetailsThatAreNotJSON(t *testing.T) {
	in := request()
	in.Grant.Details = []json.RawMessage{[]byte(`{"type":`)}
	if d, err := engine(t, "").Decide(context.Background(), in); err == nil || d.Allowed() {
		t.Errorf("decided: %+v", d)
	}
	if raw, err := json.Marshal(in); err == nil {
		t.Errorf("written: %s", raw)
	}
}
