package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	failureLog = `[
	 {"src":"-START-BLOCK-","startBlock":true,"blockId":"b1","msg":"Call token endpoint","time":1000},
	 {"src":"Call","result":"INFO","http":"request","blockId":"b1","request_method":"POST","request_uri":"https://op.test/token?x=1","time":1000},
	 {"src":"Call","http":"response","blockId":"b1","response_status_code":"400 BAD_REQUEST","response_body":"{\"error\":\"invalid_grant\"}","time":1250},
	 {"src":"CheckA","result":"SUCCESS","msg":"fine","time":1251},
	 {"src":"CheckB","result":"FAILURE","msg":"Invalid http status","blockId":"b1","requirements":["RFC6749-5.1"],"expected":200,"actual":"400","time":1252,"stacktrace":["x"]}]`
	warningLog = `[{"src":"CheckC","result":"WARNING","msg":"should","time":1}]`
	passedLog  = `[{"src":"CheckA","result":"SUCCESS","msg":"fine","time":1}]`
	pageLog    = `[
	 {"src":"WebRunner","http":"request","request_uri":"https://op.test/authorize?a=b","request_method":"GET","time":1},
	 {"src":"WebRunner","http":"response","response_content":"<html><head><title>t</title></head><body><main><h1>No</h1> <p>It was used &amp; gone</p></main></body></html>","time":2},
	 {"src":"WebRunner","msg":"Skipping optional task due to URL mismatch","url":"https://op.test/authorize?a=b","time":3}]`
)

func finishes(result, log string) script {
	return script{statuses: []string{"RUNNING", StatusWaiting, StatusFinished}, result: result, log: log}
}

// TestModuleOutcomes says which ends of a module are good.
func TestModuleOutcomes(t *testing.T) {
	expectC := Expectation{Run: "*", Module: "m", Result: ResultWarning, Condition: "CheckC", Reason: "because"}
	expect := func(result string) []Expectation {
		return []Expectation{{Run: "run", Module: "m*", Result: result, Reason: "because"}}
	}
	for _, test := range []struct {
		name     string
		script   script
		expected []Expectation
		want     []string // what is unexpected
		accepted string
	}{
		{"passed", finishes(ResultPassed, passedLog), nil, nil, ""},
		{"passed, and written down late", script{statuses: []string{"RUNNING", StatusFinished}, result: ResultPassed, log: passedLog, late: 2}, nil, nil, ""},
		{"failed", finishes(ResultFailed, failureLog), nil, []string{"FAILURE of CheckB", "the result is FAILED"}, ""},
		{"failed and no condition says so", finishes(ResultFailed, passedLog), nil, []string{"the result is FAILED"}, ""},
		{"a failure in a module that passed", finishes(ResultPassed, failureLog), nil, []string{"FAILURE of CheckB"}, ""},
		{"warning", finishes(ResultWarning, warningLog), nil, []string{"WARNING of CheckC"}, ""},
		{"expected warning", finishes(ResultWarning, warningLog), []Expectation{expectC}, nil, ""},
		{"warning of which the log knows nothing", finishes(ResultWarning, passedLog), nil, []string{"the result is WARNING"}, ""},
		{"expected warning that did not come", finishes(ResultPassed, passedLog), []Expectation{expectC}, []string{"the expected WARNING did not come from CheckC"}, ""},
		{"skipped", finishes(ResultSkipped, passedLog), nil, []string{"SKIPPED is not expected"}, ""},
		{"expected skip", finishes(ResultSkipped, passedLog), expect(ResultSkipped), nil, "because"},
		{"skip instead of the expected review", finishes(ResultSkipped, passedLog), expect(ResultReview),
			[]string{"SKIPPED is not expected", "the expected REVIEW did not come"}, ""},
		{"unknown", finishes(ResultUnknown, passedLog), nil, []string{"the result is UNKNOWN"}, ""},
		{"interrupted", script{statuses: []string{"RUNNING", StatusInterrupted}, result: ResultFailed, log: failureLog}, nil,
			[]string{"FAILURE of CheckB", "ended as INTERRUPTED"}, ""},
		{"an expectation for another run", finishes(ResultPassed, passedLog),
			[]Expectation{{Run: "other", Module: "m", Result: ResultSkipped, Reason: "because"}}, nil, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t, []string{"m"}, map[string]script{"m": test.script})
			r.Expected = test.expected
			got := r.one(t)
			if !slices.Equal(got.Unexpected, test.want) || got.Accepted != test.accepted {
				t.Errorf("unexpected %q, accepted %q; want %q, %q", got.Unexpected, got.Accepted, test.want, test.accepted)
			}
			if r.events.started != 1 || r.events.done != 1 {
				t.Errorf("%d started, %d done", r.events.started, r.events.done)
			}
		})
	}
}

func TestFindings(t *testing.T) {
	r := newRig(t, []string{"m"}, map[string]script{"m": finishes(ResultFailed, failureLog)})
	m := r.one(t)
	if len(m.Findings) != 1 {
		t.Fatalf("got %+v, want one finding", m.Findings)
	}
	f := m.Findings[0]
	if f.Condition != "CheckB" || f.Block != "Call token endpoint" || f.Requirements[0] != "RFC6749-5.1" {
		t.Errorf("got %+v", f)
	}
	if f.Details["expected"] != "200" || f.Details["actual"] != "400" || len(f.Details) != 2 {
		t.Errorf("details %v", f.Details)
	}
	if want := `POST https://op.test/token -> 400 BAD_REQUEST {"error":"invalid_grant"}`; f.Exchange != want {
		t.Errorf("exchange %q, want %q", f.Exchange, want)
	}
	if m.ProviderSeconds != 0.25 || m.Conditions != 1 {
		t.Errorf("%v s at the provider, %d conditions", m.ProviderSeconds, m.Conditions)
	}
}

// TestPicture takes the picture that a module waits for, of the page at which the suite's browser is.
func TestPicture(t *testing.T) {
	r := newRig(t, []string{"m"}, map[string]script{"m": {
		statuses: []string{"RUNNING", StatusWaiting}, result: ResultReview, log: pageLog, placeholder: "place",
	}})
	r.Expected = []Expectation{{Run: "*", Module: "m", Result: ResultReview, Reason: "a picture"}}
	m := r.one(t)
	if !m.Good() || m.Pictures != 1 {
		t.Errorf("got %+v, want a good module with one picture", m)
	}
	if want := (Page{URL: "https://op.test/authorize?a=b", Method: "GET"}); len(r.camera.pages) != 1 || r.camera.pages[0] != want {
		t.Errorf("photographed %v, want once %v", r.camera.pages, want)
	}
	if got := r.fake.uploads["place"]; got != "data:image/png;base64,cG5n" {
		t.Errorf("uploaded %q", got)
	}
}

// TestNeverHangs gives up what waits for nobody, says why, and frees the alias for the next module.
func TestNeverHangs(t *testing.T) {
	forever := []string{"RUNNING", StatusWaiting}
	t.Run("at a page", func(t *testing.T) {
		r := newRig(t, []string{"m"}, map[string]script{"m": {statuses: forever, log: pageLog}})
		m := r.one(t)
		want := "the browser was left at https://op.test/authorize?a=b, which says: No It was used & gone"
		if m.Good() || m.Trouble != want || m.Word() != StatusInterrupted {
			t.Errorf("got %q as %s, want %q", m.Trouble, m.Word(), want)
		}
	})
	t.Run("for nothing", func(t *testing.T) {
		r := newRig(t, []string{"stuck", "next"}, map[string]script{
			"stuck": {statuses: forever, log: passedLog}, "next": finishes(ResultPassed, passedLog),
		})
		results, err := r.Run(t.Context(), []Job{job("run")})
		if err != nil || len(results[0].Modules) != 2 {
			t.Fatalf("got %+v, %v", results, err)
		}
		stuck, next := results[0].Modules[0], results[0].Modules[1]
		if stuck.Good() || !strings.Contains(stuck.Trouble, "with nothing in its log") || !next.Good() {
			t.Errorf("got %+v and %+v", stuck, next)
		}
		if !slices.Equal(r.fake.cancelled, []string{"module1"}) {
			t.Errorf("cancelled %v", r.fake.cancelled)
		}
	})
	t.Run("running for too long", func(t *testing.T) {
		r := newRig(t, []string{"m"}, map[string]script{"m": {statuses: []string{"RUNNING"}, log: passedLog}})
		r.ModuleLimit = time.Millisecond
		m := r.one(t)
		if m.Good() || m.Trouble != "it took longer than 1ms" || len(r.fake.cancelled) != 1 {
			t.Errorf("got %q, cancelled %v", m.Trouble, r.fake.cancelled)
		}
	})
	t.Run("stopped", func(t *testing.T) {
		r := newRig(t, []string{"m", "n"}, map[string]script{"m": {statuses: []string{"RUNNING"}, log: passedLog}})
		ctx, cancel := context.WithCancel(t.Context())
		r.Events = stopper{cancel}
		results, err := r.Run(ctx, []Job{job("run")})
		if !errors.Is(err, context.Canceled) || len(results[0].Modules) != 1 || len(r.fake.cancelled) != 1 {
			t.Errorf("got %+v, %v, cancelled %v", results, err, r.fake.cancelled)
		}
		if results[0].Good() || results[0].Trouble == "" {
			t.Error("a run that was stopped is good")
		}
	})
}

// stopper ends the run as soon as a module has begun.
type stopper struct{ stop func() }

func (stopper) RunStarted(Run, int)               {}
func (s stopper) ModuleStarted(Run, string)       { s.stop() }
func (stopper) ModuleChanged(Run, string, string) {}
func (stopper) ModuleDone(Run, ModuleResult)      {}
func (stopper) RunDone(RunResult)                 {}

// TestStart starts the module that does not do so by itself, and no other.
func TestStart(t *testing.T) {
	lazy := finishes(ResultPassed, passedLog)
	lazy.needsStart = true
	r := newRig(t, []string{"a", "lazy"}, map[string]script{"a": finishes(ResultPassed, passedLog), "lazy": lazy})
	results, err := r.Run(t.Context(), []Job{job("run")})
	if err != nil || !results[0].Good() {
		t.Fatalf("got %+v, %v", results, err)
	}
	if !slices.Equal(r.fake.started, []string{"module2"}) {
		t.Errorf("started %v", r.fake.started)
	}
}

// TestParallelRuns runs several plans at once; the fake fails when two modules hold one alias.
func TestParallelRuns(t *testing.T) {
	ok := finishes(ResultPassed, passedLog)
	r := newRig(t, []string{"a", "b", "c"}, map[string]script{"a": ok, "b": ok, "c": ok})
	jobs := []Job{job("one"), job("two"), job("three"), job("four")}
	results, err := r.Run(t.Context(), jobs)
	if err != nil {
		t.Fatal(err)
	}
	for i, result := range results {
		if result.Name != jobs[i].Name || len(result.Modules) != 3 || !result.Good() || result.SuiteVersion != "9.9.9" {
			t.Errorf("run %d: %+v", i, result)
		}
	}
}

func TestPlanRefused(t *testing.T) {
	r := newRig(t, nil, nil)
	r.fake.refuse = `Illegal value for variant parameter`
	results, err := r.Run(t.Context(), []Job{job("run")})
	if err != nil || results[0].Good() || !strings.Contains(results[0].Trouble, r.fake.refuse) {
		t.Errorf("got %+v, %v", results, err)
	}
}

func TestChosenModules(t *testing.T) {
	ok := finishes(ResultPassed, passedLog)
	r := newRig(t, []string{"x-happy-flow", "x-other"}, map[string]script{"x-happy-flow": ok, "x-other": ok})
	chosen := job("run")
	chosen.Modules = "*happy*"
	results, err := r.Run(t.Context(), []Job{chosen})
	if err != nil || len(results[0].Modules) != 1 || !results[0].Partial || !results[0].Good() {
		t.Errorf("got %+v, %v", results, err)
	}
	chosen.Modules = "nothing"
	if results, _ = r.Run(t.Context(), []Job{chosen}); results[0].Good() {
		t.Error("a run without a module is good")
	}
}

// TestOutage repeats what only reads while the suite is out of reach.
func TestOutage(t *testing.T) {
	r := newRig(t, []string{"m"}, map[string]script{"m": finishes(ResultPassed, passedLog)})
	r.fake.outage = 1
	if m := r.one(t); !m.Good() {
		t.Errorf("got %+v", m)
	}
}

func TestKeep(t *testing.T) {
	r := newRig(t, []string{"m"}, map[string]script{"m": finishes(ResultFailed, failureLog)})
	dir := t.TempDir()
	r.Done = func(ctx context.Context, result *RunResult) error {
		if err := KeepLogs(ctx, r.Suite, dir, result); err != nil {
			return err
		}
		return WriteResult(dir, *result)
	}
	if m := r.one(t); m.Good() {
		t.Fatal("the module is good")
	}
	results, err := ReadResults(dir)
	if err != nil || len(results) != 1 {
		t.Fatalf("got %+v, %v", results, err)
	}
	// The digest of "logs of plan1".
	if got, err := os.ReadFile(filepath.Join(dir, results[0].Logs)); err != nil || string(got) != "logs of plan1" || len(results[0].LogsSHA256) != 64 {
		t.Errorf("kept %q, %q, %v", got, results[0].LogsSHA256, err)
	}
	if len(SelectResults(results, "ru,x")) != 1 || len(SelectResults(results, "x")) != 0 || len(SelectResults(results, "")) != 1 {
		t.Error("results are not selected by prefix")
	}
	report := filepath.Join(dir, "report")
	if err := WriteReport(report, results); err != nil {
		t.Fatal(err)
	}
	for name, wants := range map[string][]string{
		"report.md":   {"0 of 1 runs are good", "FAILURE of CheckB", results[0].LogsSHA256[:16]},
		"index.html":  {"0 of 1", "CheckB", "Invalid http status", "RFC6749-5.1", "1 bad"},
		"report.json": {`"condition": "CheckB"`},
	} {
		text, err := os.ReadFile(filepath.Join(report, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range wants {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s lacks %q", name, want)
			}
		}
	}
}

// TestLastVisitOutlivesTheEndOfAnEarlierOne: the suite may tell late that its browser has done with a page.
func TestLastVisitOutlivesTheEndOfAnEarlierOne(t *testing.T) {
	var entries []Entry
	late := strings.TrimSuffix(pageLog, "]") + `,{"src":"WebRunner","msg":"Completed processing of webpage","url":"https://suite.test/callback","time":4}]`
	if err := json.Unmarshal([]byte(late), &entries); err != nil {
		t.Fatal(err)
	}
	if v, ok := lastVisit(entries); !ok || v.at != "https://op.test/authorize?a=b" {
		t.Errorf("%+v, %v", v, ok)
	}
}
