package conformance

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// wireConfig is what the suite reads of a run's configuration.
type wireConfig struct {
	Alias            *string           `json:"alias"`
	Server           map[string]any    `json:"server"`
	Client           map[string]any    `json:"client"`
	Client2          map[string]any    `json:"client2"`
	ClientSecretPost map[string]string `json:"client_secret_post"`
	MTLS             map[string]string `json:"mtls"`
	Resource         map[string]any    `json:"resource"`
	Browser          []wireVisit       `json:"browser"`
	Override         map[string]struct {
		Browser []wireVisit `json:"browser"`
		Verbose bool        `json:"browser_verbose"`
	} `json:"override"`
}

type wireVisit struct {
	Match string `json:"match"`
	Tasks []struct {
		Task     string  `json:"task"`
		Match    string  `json:"match"`
		Optional bool    `json:"optional"`
		Commands [][]any `json:"commands"`
	} `json:"tasks"`
}

// tasks are the names of what is done at an address.
func (c wireConfig) tasks(visits []wireVisit, address string) (names []string) {
	for _, v := range visits {
		prefix, suffix, _ := strings.Cut(v.Match, "*")
		if strings.HasPrefix(address, prefix) && strings.HasSuffix(address, suffix) {
			for _, t := range v.Tasks {
				names = append(names, t.Task)
			}
			return names
		}
	}
	return nil
}

func connectConfig(t *testing.T, run Run) wireConfig {
	t.Helper()
	suite, err := NewSuite("https://suite.test:8443", http.DefaultClient)
	if err != nil {
		t.Fatal(err)
	}
	if !run.WithoutAlias() {
		run.Alias = run.Name + "-1"
	}
	raw, err := run.Config(Setup{
		Suite: suite, Issuer: "https://op.test", Username: "alice", Password: "secret", InitialToken: "token-1",
		Clients: [2]Client{
			{ID: "c1", Secret: "s1", JWKS: json.RawMessage(`{"keys":[1]}`), Certificate: "C1"},
			{ID: "c2", Secret: "s2", JWKS: json.RawMessage(`{"keys":[2]}`), Certificate: "C2"},
		},
		PostClient: Client{ID: "c3", Secret: "s3"},
	})
	if err != nil {
		t.Fatal(err)
	}
	var config wireConfig
	if err := json.Unmarshal(raw, &config); err != nil {
		t.Fatal(err)
	}
	return config
}

// TestConnectConfig looks at the suite's configuration of each run of OpenID Connect's own plans.
func TestConnectConfig(t *testing.T) {
	runs, err := Runs()
	if err != nil {
		t.Fatal(err)
	}
	for _, run := range runs {
		if !run.Connect() {
			continue
		}
		c := connectConfig(t, run)
		if c.Server["login_hint"] != "alice" || c.Resource != nil {
			t.Errorf("%s: server %v, resource %v", run.Name, c.Server, c.Resource)
		}
		if registers := run.Registers(); registers != (c.Alias == nil) || registers != (c.Client["initial_access_token"] == "token-1") ||
			registers == (c.Client["client_id"] == "c1" && c.Client2["client_id"] == "c2" && c.ClientSecretPost["client_secret"] == "s3") {
			t.Errorf("%s: alias %v, clients %v, %v, %v", run.Name, c.Alias, c.Client, c.Client2, c.ClientSecretPost)
		}
		if at := c.tasks(c.Browser, "https://op.test/authorize?x"); run.Posts() != slices.Contains(at, "go on") || !slices.Contains(at, "sign in") {
			t.Errorf("%s: the login is %v", run.Name, at)
		}
	}
}

func TestConnectCredentials(t *testing.T) {
	for method, want := range map[string]string{
		"none": "client_id", "client_secret_basic": "client_id client_secret", "client_secret_jwt": "client_id client_secret",
		"private_key_jwt": "client_id jwks", "mtls": "client_id",
	} {
		c := connectConfig(t, Run{Name: "r", Plan: "oidcc-test-plan", Variant: map[string]string{
			"client_auth_type": method, "client_registration": "static_client",
		}})
		var got []string
		for name := range c.Client {
			if name != "scope" {
				got = append(got, name)
			}
		}
		slices.Sort(got)
		if strings.Join(got, " ") != want || (c.MTLS["cert"] == "C1") != (method == "mtls") {
			t.Errorf("%s: %v, certificate %q; want %s", method, got, c.MTLS["cert"], want)
		}
	}
}

// TestConnectBrowser: where the user looks only, where the user signs out, and who waits for a page's script.
func TestConnectBrowser(t *testing.T) {
	c := connectConfig(t, Run{Name: "r", Plan: "oidcc-rp-initiated-logout-certification-test-plan"})
	const login, logout, check = "https://op.test/authorize?x", "https://op.test/end_session?x", "https://suite.test:8443/test/a/r-1/second_session_verify"
	for _, test := range []struct {
		module, address string
		want            string
	}{
		{"", login, "sign in, consent, back at the suite"},
		{"", logout, "sign out, back at the suite"},
		{"", check, "back at the suite"},
		{"oidcc-registration-logo-uri", login, "see the login page"},
		{"oidcc-rp-initiated-logout-bad-id-token-hint", login, "sign in, consent, back at the suite"},
		{"oidcc-rp-initiated-logout-bad-id-token-hint", logout, "see the page"},
		{"oidcc-rp-initiated-logout-no-params", logout, "sign out, see the page"},
	} {
		visits := c.Browser
		if test.module != "" {
			override, ok := c.Override[test.module]
			if !ok {
				t.Errorf("%s is as all others", test.module)
			}
			visits = override.Browser
			if override.Verbose != ofSession(test.module) {
				t.Errorf("%s: verbose %v", test.module, override.Verbose)
			}
		}
		if got := strings.Join(c.tasks(visits, test.address), ", "); got != test.want {
			t.Errorf("%s at %s: %q, want %q", test.module, test.address, got, test.want)
		}
	}
	for _, v := range c.Browser[1:] {
		last := v.Tasks[len(v.Tasks)-1]
		if last.Optional || last.Match != "" || last.Commands[0][0] != "wait" {
			t.Errorf("at %s nobody waits: %+v", v.Match, last)
		}
	}
	if !strings.HasPrefix(c.Browser[1].Tasks[1].Commands[0][2].(string), `^https://suite\.test:8443/test/`) {
		t.Errorf("the address to wait for is %v: that of the logout has it in its query", c.Browser[1].Tasks[1].Commands[0])
	}
	for _, module := range loggingInAgain {
		if _, ok := c.Override[module]; ok || !ofSession(module) {
			t.Errorf("%s: nobody signs in again", module)
		}
	}
}

func TestConnectAddresses(t *testing.T) {
	suite, err := NewSuite("https://suite.test:8443", http.DefaultClient)
	if err != nil {
		t.Fatal(err)
	}
	run := Run{Plan: "oidcc-basic-certification-test-plan", Alias: "r"}
	if first, second := run.RedirectURI(suite, 0), run.RedirectURI(suite, 1); first != second || first != "https://suite.test:8443/test/a/r/callback" {
		t.Errorf("%s, %s", first, second)
	}
	if got := run.Address(suite, "post_logout_redirect"); got != "https://suite.test:8443/test/a/r/post_logout_redirect" {
		t.Error(got)
	}
	if run.AuthMethod() != "client_secret_basic" || (Run{Plan: "fapi"}).AuthMethod() != "" {
		t.Error("the certifications' own method is client_secret_basic")
	}
}

// TestModulesAtOnce: without an alias nothing stops a module that begins while another runs.
func TestModulesAtOnce(t *testing.T) {
	slow := script{statuses: []string{"RUNNING", "RUNNING", "RUNNING", StatusFinished}, result: ResultPassed, log: passedLog}
	names := []string{"a", "b", "c", "d", "e", "f", "g"}
	scripts := map[string]script{}
	for _, name := range names {
		scripts[name] = slow
	}
	r := newRig(t, names, scripts)
	dynamic := Job{Run: Run{Name: "run", Plan: "oidcc-dynamic-certification-test-plan"}, Config: []byte(`{}`)}
	results, err := r.Run(t.Context(), []Job{dynamic})
	if err != nil || !results[0].Good() {
		t.Fatalf("got %+v, %v", results, err)
	}
	for i, m := range results[0].Modules {
		if m.Module != names[i] {
			t.Errorf("module %d is %s, want %s", i, m.Module, names[i])
		}
	}
	if r.fake.most > 3 || r.fake.most < 1 || dynamic.AtOnce() != 3 {
		t.Errorf("%d modules at once, want at most 3", r.fake.most)
	}
	dynamic.Alias = "a"
	if dynamic.AtOnce() != 1 {
		t.Error("modules that share an alias go at once")
	}
}
