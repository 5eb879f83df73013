package conformance

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/fstest"
)

// TestRuns holds the plan files against what the certifications ask for.
func TestRuns(t *testing.T) {
	runs, err := Runs()
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for _, run := range runs {
		counts[run.File]++
		if run.Profile == "" || run.Setup == "" || !run.Connect() && len(run.Variant) < 3 || strings.ContainsFunc(run.Name, func(c rune) bool {
			return c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z')
		}) {
			t.Errorf("run %+v: its name is part of addresses, and it needs a profile, a setup and variants", run)
		}
	}
	wants := map[string]int{
		"fapi1-advanced-final": 8, "fapi2-security-final": 16 + 4, "fapi2-signing-final": 8 + 3,
		"fapi2-security-id2": 2, "fapi2-signing-id1": 2, "fapi-ciba-id1": 4 + 4,
		"oidcc-config": 1, "oidcc-basic": 2, "oidcc-implicit": 2, "oidcc-hybrid": 2,
		"oidcc-formpost-basic": 2, "oidcc-formpost-implicit": 2, "oidcc-formpost-hybrid": 2,
		"oidcc-dynamic": 6, "oidcc-3rdparty": 6, "oidcc-rp-logout": 4, "oidcc-session": 4,
		"oidcc-frontchannel": 4, "oidcc-backchannel": 4, "oidcc-test": 8 + 5, "oidcc-test-none": 2, "oidcc-test-mtls": 1,
	}
	for file, count := range counts {
		if count != wants[file] {
			t.Errorf("%s has %d runs, want %d", file, count, wants[file])
		}
	}
	if len(counts) != len(wants) {
		t.Errorf("%d plan files have runs, want %d", len(counts), len(wants))
	}
}

func TestSelect(t *testing.T) {
	runs := []Run{{Name: "a-one"}, {Name: "a-two"}, {Name: "b"}, {Name: "b-c"}}
	for _, test := range []struct {
		prefixes string
		want     string
	}{
		{"", "a-one a-two b b-c"}, {"a", "a-one a-two"}, {"a-one", "a-one"}, {"b, a-t", "b a-two"}, {"a,a-one", "a-one a-two"},
		{"b-", "b-c"}, {"b-c,b", "b-c b"},
	} {
		got, err := Select(runs, test.prefixes)
		var names []string
		for _, run := range got {
			names = append(names, run.Name)
		}
		if err != nil || strings.Join(names, " ") != test.want {
			t.Errorf("%q: got %q, %v; want %q", test.prefixes, names, err, test.want)
		}
	}
	if _, err := Select(runs, "a,c"); err == nil {
		t.Error("a prefix that selects nothing is accepted")
	}
}

func TestPlanFileFaults(t *testing.T) {
	for name, text := range map[string]string{
		"unknown key":    "plan: p\nprofile: q\ngroups: [{fixed: {a: b}}]\nmore: 1\n",
		"no profile":     "plan: p\ngroups: [{fixed: {a: b}}]\n",
		"no groups":      "plan: p\nprofile: q\n",
		"empty axis":     "plan: p\nprofile: q\ngroups: [{axes: [{variant: v}]}]\n",
		"value no text":  "plan: p\nprofile: q\ngroups: [{axes: [{variant: v, values: {a: 1}}]}]\n",
		"same run twice": "plan: p\nprofile: q\ngroups: [{fixed: {a: b}}, {fixed: {a: c}}]\n",
	} {
		if _, err := readRuns(fstest.MapFS{"plans/x.yaml": {Data: []byte(text)}}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestExpectations(t *testing.T) {
	runs, err := Runs()
	if err != nil {
		t.Fatal(err)
	}
	expected, err := Expectations()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range expected {
		covered := false
		for _, run := range runs {
			covered = covered || matches(e.Run, run.Name)
		}
		if !covered {
			t.Errorf("there is no run %s for which %s is expected of %s", e.Run, e.Result, e.Module)
		}
	}
	for name, text := range map[string]string{
		"no reason":            "- {run: a, module: m, result: SKIPPED}",
		"blank reason":         "- {run: a, module: m, result: SKIPPED, reason: ' '}",
		"a failure":            "- {run: a, module: m, result: FAILED, reason: r}",
		"warning of what":      "- {run: a, module: m, result: WARNING, reason: r}",
		"review of condition":  "- {run: a, module: m, result: REVIEW, condition: c, reason: r}",
		"no run":               "- {module: m, result: SKIPPED, reason: r}",
		"malformed pattern":    "- {run: '[', module: m, result: SKIPPED, reason: r}",
		"unknown member":       "- {run: a, module: m, result: SKIPPED, reason: r, also: x}",
		"a mapping, no longer": "run: a",
	} {
		if _, err := readExpectations(fstest.MapFS{"expected/x.yaml": {Data: []byte(text)}}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestConfig looks at the suite's configuration of some runs.
func TestConfig(t *testing.T) {
	suite, err := NewSuite("https://suite.test:8443", http.DefaultClient)
	if err != nil {
		t.Fatal(err)
	}
	setup := Setup{
		Suite: suite, Issuer: "https://op.test", ResourceURL: "https://api.test/accounts", Username: "alice", Password: "secret",
		Details: json.RawMessage(`[{"type":"x"}]`), ApprovalURL: "https://op.test/approve/{auth_req_id}/{action}", InitialToken: "token-1",
		Clients: [2]Client{{ID: "c1", Scope: "openid", JWKS: json.RawMessage(`{}`), Certificate: "C1"}, {ID: "c2", JWKS: json.RawMessage(`{}`)}},
	}
	for _, test := range []struct {
		name    string
		variant map[string]string
		has     []string
		lacks   []string
	}{
		{"keys and DPoP", map[string]string{"client_auth_type": "private_key_jwt", "sender_constrain": "dpop"},
			[]string{"dpop_signing_alg", "discoveryUrl", "login-button", "cancel-button"}, []string{"mtls", "richAuth", "approve/"}},
		{"certificates and DPoP", map[string]string{"client_auth_type": "mtls", "sender_constrain": "dpop"}, []string{`"mtls2"`, "C1"}, nil},
		{"keys and certificates", map[string]string{"client_auth_type": "private_key_jwt", "sender_constrain": "mtls"}, []string{`"mtls"`}, []string{"dpop"}},
		{"rich", map[string]string{"authorization_request_type": "rar"}, []string{"richAuthorizationRequest"}, nil},
		{"CIBA", map[string]string{"ciba_mode": "ping"}, []string{"automated_ciba_approval_url", "login_hint"}, nil},
		{"registers", map[string]string{"ciba_mode": "poll", "client_registration": "dynamic_client"},
			[]string{"initial_access_token", "token-1", "login_hint", `"client_name": "c1"`}, []string{"jwks", "client_id", "mtls"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			raw, err := Run{Name: "run", Alias: "run-1", Plan: "p-test-plan", Variant: test.variant}.Config(setup)
			if err != nil || !json.Valid(raw) {
				t.Fatalf("%s, %v", raw, err)
			}
			for _, want := range test.has {
				if !strings.Contains(string(raw), want) {
					t.Errorf("lacks %s: %s", want, raw)
				}
			}
			for _, bad := range test.lacks {
				if strings.Contains(string(raw), bad) {
					t.Errorf("has %s: %s", bad, raw)
				}
			}
		})
	}
	setup.Details = nil
	if _, err := (Run{Plan: "oidcc-dynamic-certification-test-plan", Alias: "a"}).Config(setup); err == nil {
		t.Error("a run whose modules go at once is configured with an alias: they would stop each other")
	}
	if _, err := (Run{Alias: "a", Variant: map[string]string{"authorization_request_type": "rar"}}).Config(setup); err == nil {
		t.Error("a rich run without details is configured")
	}
	if _, err := (Run{Name: "r"}).Config(setup); err == nil {
		t.Error("a run without an alias is configured: another one's modules could stop its own")
	}
	if got := (Run{Name: "n", Alias: "r"}).RedirectURI(suite, 1); got != "https://suite.test:8443/test/a/r/callback?dummy1=lorem&dummy2=ipsum" {
		t.Errorf("redirect URI %s", got)
	}
}

func FuzzEntry(f *testing.F) {
	f.Add([]byte(failureLog))
	f.Add([]byte(pageLog))
	f.Add([]byte(`[{"src":1,"requirements":"x","time":"y","startBlock":null}]`))
	f.Fuzz(func(_ *testing.T, raw []byte) {
		var entries []Entry
		if json.Unmarshal(raw, &entries) != nil {
			return
		}
		_ = findings(entries)
		_ = providerTime(entries)
		_, _ = lastVisit(entries)
	})
}

// TestControls holds the controls against the runs; "make controls" tries them.
func TestControls(t *testing.T) {
	controls, err := Controls()
	if err != nil || len(controls) != 3 {
		t.Fatalf("got %v, %v, want three", controls, err)
	}
	runs, err := Runs()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range controls {
		if chosen, err := Select(runs, c.Run); err != nil || len(chosen) != 1 || chosen[0].Name != c.Run {
			t.Errorf("control %s: %v, %v; want the one run %s", c.Name, chosen, err, c.Run)
		}
	}
	c := controls[0]
	failed := RunResult{Run: Run{Name: c.Run}, Modules: []ModuleResult{{
		Module: c.Module, Result: ResultFailed, Findings: []Finding{{Result: "FAILURE", Condition: c.Condition}},
	}}}
	if !c.Failed([]RunResult{failed}) {
		t.Error("the failure that the control wants is not seen")
	}
	failed.Modules[0].Findings[0].Condition = "Another"
	if c.Failed([]RunResult{failed}) {
		t.Error("a failure for another reason counts")
	}
	failed.Modules[0] = ModuleResult{Module: c.Module, Result: ResultFailed, Trouble: "stuck"}
	if c.Failed([]RunResult{failed}) {
		t.Error("a module that was given up counts")
	}
}
