package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// script is what a module of the fake suite does.
type script struct {
	// statuses are those that it has one after another, each until it is asked for; the last stays.
	statuses []string
	result   string
	log      string // JSON array
	// placeholder is a picture that it waits for: filled, it finishes.
	placeholder string
	needsStart  bool // stays CONFIGURED until it is started
	late        int  // how many looks it takes until its end is written down
}

// fakeSuite is the suite's REST API, as observed, with scripts instead of modules.
type fakeSuite struct {
	t       *testing.T
	server  *httptest.Server
	scripts map[string]script // by module name, in the plan's order of names
	order   []string
	refuse  string // why a plan is refused
	outage  int    // how many reading requests fail first

	mu        sync.Mutex
	instances map[string]*instance
	running   map[string]string // alias -> instance
	aliases   map[string]string // plan -> alias
	uploads   map[string]string // placeholder -> body
	cancelled []string
	started   []string
	most      int // modules without an alias that were under way at once
}

type instance struct {
	script
	alias    string
	at       int
	started  bool
	finished bool
}

func newFakeSuite(t *testing.T, order []string, scripts map[string]script) *fakeSuite {
	f := &fakeSuite{
		t: t, scripts: scripts, order: order, instances: map[string]*instance{}, running: map[string]string{},
		aliases: map[string]string{}, uploads: map[string]string{},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/server", f.answer(func(*http.Request) (int, any) { return 200, map[string]any{"version": "9.9.9"} }))
	mux.HandleFunc("POST /api/plan", f.answer(f.createPlan))
	mux.HandleFunc("POST /api/runner", f.answer(f.createModule))
	mux.HandleFunc("POST /api/runner/{id}", f.answer(f.start))
	mux.HandleFunc("GET /api/runner/{id}", f.answer(func(*http.Request) (int, any) {
		return 200, map[string]any{"browser": map[string]any{"runners": []any{}}}
	}))
	mux.HandleFunc("DELETE /api/runner/{id}", f.answer(f.cancel))
	mux.HandleFunc("GET /api/runner/{id}/wait-state", f.answer(f.wait))
	mux.HandleFunc("GET /api/info/{id}", f.answer(f.info))
	mux.HandleFunc("GET /api/log/{id}", f.answer(f.log))
	mux.HandleFunc("GET /api/log/{id}/images", f.answer(f.images))
	mux.HandleFunc("POST /api/log/{id}/images/{place}", f.answer(f.upload))
	mux.HandleFunc("GET /api/plan/export/{id}", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "logs of "+r.PathValue("id"))
	})
	f.server = httptest.NewServer(mux)
	t.Cleanup(f.server.Close)
	return f
}

func (f *fakeSuite) answer(do func(*http.Request) (int, any)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		if r.Method == http.MethodGet && f.outage > 0 {
			f.outage--
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		status, body := do(r)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body)
	}
}

func (f *fakeSuite) createPlan(r *http.Request) (int, any) {
	if f.refuse != "" {
		return http.StatusBadRequest, map[string]any{"error": f.refuse}
	}
	var config struct {
		Alias string `json:"alias"`
	}
	if err := json.NewDecoder(r.Body).Decode(&config); err != nil {
		f.t.Errorf("the plan's configuration: %v", err)
	}
	id := fmt.Sprintf("plan%d", len(f.aliases)+1)
	f.aliases[id] = config.Alias
	var modules []any
	for _, name := range f.order {
		modules = append(modules, map[string]any{"testModule": name, "variant": map[string]string{"v": "1"}})
	}
	return http.StatusCreated, map[string]any{"id": id, "modules": modules}
}

func (f *fakeSuite) createModule(r *http.Request) (int, any) {
	if body, _ := io.ReadAll(r.Body); len(body) > 0 {
		f.t.Errorf("a module of a plan was created with a body: %s", body)
	}
	if got := r.URL.Query().Get("variant"); got != `{"v":"1"}` {
		f.t.Errorf("the module's variant is %s", got)
	}
	name, alias := r.URL.Query().Get("test"), f.aliases[r.URL.Query().Get("plan")]
	if other := f.instances[f.running[alias]]; alias != "" && other != nil && !other.finished {
		f.t.Errorf("%s begins while another module holds the alias %s: the suite would stop that", name, alias)
	}
	id := fmt.Sprintf("module%d", len(f.instances)+1)
	f.instances[id] = &instance{script: f.scripts[name], alias: alias}
	f.running[alias] = id
	under := 0
	for _, i := range f.instances {
		if i.alias == "" && !i.finished {
			under++
		}
	}
	f.most = max(f.most, under)
	return http.StatusCreated, map[string]any{"id": id}
}

func (f *fakeSuite) start(r *http.Request) (int, any) {
	f.instances[r.PathValue("id")].started = true
	f.started = append(f.started, r.PathValue("id"))
	return 200, map[string]any{}
}

func (f *fakeSuite) cancel(r *http.Request) (int, any) {
	i := f.instances[r.PathValue("id")]
	i.finished = true
	i.statuses, i.at, i.result = []string{StatusInterrupted}, 0, ""
	f.cancelled = append(f.cancelled, r.PathValue("id"))
	return 200, map[string]any{}
}

// status is the module's, which goes on by being looked at.
func (i *instance) status() string {
	if i.needsStart && !i.started {
		return StatusConfigured
	}
	status := i.statuses[i.at]
	if i.at < len(i.statuses)-1 {
		i.at++
	}
	if status == StatusFinished || status == StatusInterrupted {
		i.finished = true
	}
	return status
}

func (f *fakeSuite) wait(r *http.Request) (int, any) {
	status := f.instances[r.PathValue("id")].status()
	if slices.Contains(strings.Split(r.URL.Query().Get("states"), ","), status) {
		return 200, map[string]any{"state": status}
	}
	return 200, map[string]any{"timeout": true}
}

func (f *fakeSuite) info(r *http.Request) (int, any) {
	i := f.instances[r.PathValue("id")]
	if i.status() == StatusFinished && i.late > 0 {
		i.late--
		return 200, map[string]any{"status": StatusWaiting}
	}
	return 200, map[string]any{"status": i.status(), "result": i.result}
}

func (f *fakeSuite) log(r *http.Request) (int, any) {
	i := f.instances[r.PathValue("id")]
	if i.script.log == "" {
		return 200, []any{}
	}
	return 200, json.RawMessage(i.script.log)
}

func (f *fakeSuite) images(r *http.Request) (int, any) {
	i := f.instances[r.PathValue("id")]
	if i.placeholder == "" {
		return 200, []any{}
	}
	entry := map[string]any{"msg": "Show the error page", "result": "REVIEW"}
	if f.uploads[i.placeholder] == "" {
		entry["upload"] = i.placeholder
	}
	return 200, []any{entry}
}

func (f *fakeSuite) upload(r *http.Request) (int, any) {
	body, _ := io.ReadAll(r.Body)
	f.uploads[r.PathValue("place")] = string(body)
	i := f.instances[r.PathValue("id")]
	i.statuses, i.at = []string{StatusFinished}, 0
	return 200, map[string]any{}
}

// fakeCamera photographs nothing.
type fakeCamera struct {
	mu    sync.Mutex
	pages []Page
}

func (c *fakeCamera) Shoot(_ context.Context, page Page) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pages = append(c.pages, page)
	return []byte("png"), nil
}

// quietEvents counts what it is told.
type quietEvents struct {
	mu       sync.Mutex
	started  int
	done     int
	statuses []string
}

func (e *quietEvents) RunStarted(Run, int) {}
func (e *quietEvents) ModuleStarted(Run, string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.started++
}
func (e *quietEvents) ModuleChanged(_ Run, _, status string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.statuses = append(e.statuses, status)
}
func (e *quietEvents) ModuleDone(Run, ModuleResult) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.done++
}
func (e *quietEvents) RunDone(RunResult) {}

// jumpingClock goes on by three seconds whenever it is read: what waits for time to pass waits for nothing here.
func jumpingClock() func() time.Time {
	var mu sync.Mutex
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	return func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(3 * time.Second)
		return now
	}
}

// rig is a runner with a fake suite.
type rig struct {
	*Runner
	fake   *fakeSuite
	camera *fakeCamera
	events *quietEvents
}

func newRig(t *testing.T, order []string, scripts map[string]script) *rig {
	t.Helper()
	r := &rig{fake: newFakeSuite(t, order, scripts), camera: &fakeCamera{}, events: &quietEvents{}}
	suite, err := NewSuite(r.fake.server.URL, r.fake.server.Client())
	if err != nil {
		t.Fatal(err)
	}
	r.Runner = &Runner{
		Suite: suite, Camera: r.camera, Events: r.events, Clock: jumpingClock(),
		ModuleLimit: time.Minute, Quiet: 30 * time.Second, Parallel: 3,
	}
	return r
}

func job(name string) Job {
	return Job{Run: Run{Name: name, File: "file", Plan: "a-test-plan"}, Config: []byte(`{"alias": "` + name + `"}`)}
}

// one runs a single module.
func (r *rig) one(t *testing.T) ModuleResult {
	t.Helper()
	results, err := r.Run(t.Context(), []Job{job("run")})
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != 1 || len(results[0].Modules) != 1 {
		t.Fatalf("got %+v, want one run with one module", results)
	}
	return results[0].Modules[0]
}
