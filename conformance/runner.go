package conformance

import (
	"context"
	"errors"
	"fmt"
	"path"
	"time"

	"golang.org/x/sync/errgroup"
)

// Job is a run with its configuration for the suite.
type Job struct {
	Run
	Config []byte // JSON
	// Modules selects modules by name, with * for any text; "" = all.
	Modules string
}

// Camera takes pictures of the provider's pages.
type Camera interface {
	// Shoot opens the page in a browser of its own, and returns a PNG of at most 500 KiB.
	Shoot(ctx context.Context, page Page) ([]byte, error)
}

// Events is told what happens, from several goroutines at once.
type Events interface {
	RunStarted(run Run, modules int)
	ModuleStarted(run Run, module string)
	// ModuleChanged tells a new status of the module that is under way.
	ModuleChanged(run Run, module, status string)
	ModuleDone(run Run, result ModuleResult)
	RunDone(result RunResult)
}

// Preparation is what has to be done for a module between its making and its start.
type Preparation struct {
	Do func(ctx context.Context, run Run) error
	// Limit is how long that may take, besides the module's own limit.
	Limit time.Duration
}

// Runner runs plans.
type Runner struct {
	Suite  *Suite
	Camera Camera
	Events Events
	Clock  func() time.Time
	// Expected are the accepted deviations.
	Expected []Expectation
	// Parallel is how many runs are under way at once; at least 1. [Run.AtOnce] says how many of a run's modules are.
	Parallel int
	// Prepare says what has to be done before a module, by its name, is told to start: for those that do not start by
	// themselves because they wait for a person. Optional.
	Prepare map[string]Preparation
	// ModuleLimit bounds a module's time; Quiet, for how long a module may wait for something while its log stays as
	// it is: then nobody will come.
	ModuleLimit, Quiet time.Duration
	// Done is given each result as soon as it is there, to keep it. It may change it. Optional.
	Done func(ctx context.Context, result *RunResult) error
}

// Run runs the jobs and returns their results in the jobs' order. Its error is of the harness or the suite; what the
// provider does wrong is in the results. When ctx ends, the modules under way are cancelled.
func (r *Runner) Run(ctx context.Context, jobs []Job) ([]RunResult, error) {
	version, err := r.Suite.Version(ctx)
	if err != nil {
		return nil, fmt.Errorf("the suite at %s: %w", r.Suite.URL(), err)
	}
	results := make([]RunResult, len(jobs))
	var g errgroup.Group
	g.SetLimit(max(1, r.Parallel))
	for i, job := range jobs {
		g.Go(func() error {
			results[i] = r.plan(ctx, job)
			results[i].SuiteVersion = version
			var err error
			if r.Done != nil {
				err = r.Done(context.WithoutCancel(ctx), &results[i])
			}
			r.Events.RunDone(results[i])
			return err
		})
	}
	err = g.Wait()
	return results, errors.Join(err, ctx.Err())
}

// plan runs one plan's modules, as many at once as the run allows.
func (r *Runner) plan(ctx context.Context, job Job) RunResult {
	begin := r.Clock()
	result := RunResult{Run: job.Run, Started: begin.UTC()}
	id, modules, err := r.Suite.CreatePlan(ctx, job.Plan, job.Variant, job.Config)
	if err != nil {
		result.Trouble = err.Error()
		return result
	}
	result.PlanID, result.PlanURL = id, r.Suite.URL()+"/plan-detail.html?plan="+id
	chosen, err := chooseModules(modules, job.Modules)
	if err != nil {
		result.Trouble = err.Error()
		return result
	}
	result.Partial = len(chosen) < len(modules)
	r.Events.RunStarted(job.Run, len(chosen))
	result.Modules = r.modules(ctx, job.Run, id, chosen)
	if len(result.Modules) < len(chosen) {
		result.Trouble = "stopped: " + context.Cause(ctx).Error()
	}
	for i := range result.Modules {
		result.ProviderSeconds += result.Modules[i].ProviderSeconds
	}
	result.Seconds = r.Clock().Sub(begin).Seconds()
	return result
}

// modules runs the modules and returns their results in the modules' order. When ctx ends, those that have not begun
// are left out.
func (r *Runner) modules(ctx context.Context, run Run, planID string, chosen []Module) []ModuleResult {
	done := make([]*ModuleResult, len(chosen))
	var g errgroup.Group
	g.SetLimit(run.AtOnce())
	for i, module := range chosen {
		g.Go(func() error {
			if ctx.Err() != nil {
				return nil
			}
			r.Events.ModuleStarted(run, module.Name)
			result := r.module(ctx, run, planID, module)
			result.judge(run.Name, r.Expected)
			done[i] = &result
			r.Events.ModuleDone(run, result)
			return nil
		})
	}
	_ = g.Wait() // no module's result is an error of the harness
	results := make([]ModuleResult, 0, len(chosen))
	for _, result := range done {
		if result != nil {
			results = append(results, *result)
		}
	}
	return results
}

func chooseModules(modules []Module, pattern string) ([]Module, error) {
	if pattern == "" {
		return modules, nil
	}
	var chosen []Module
	for _, module := range modules {
		ok, err := path.Match(pattern, module.Name)
		if err != nil {
			return nil, fmt.Errorf("module %q: %w", pattern, err)
		}
		if ok {
			chosen = append(chosen, module)
		}
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("the plan has no module %s", pattern)
	}
	return chosen, nil
}

// module runs one module to its end, and reads what came of it.
func (r *Runner) module(ctx context.Context, run Run, planID string, module Module) ModuleResult {
	begin := r.Clock()
	result := ModuleResult{Module: module.Name, Variant: module.Variant}
	defer func() { result.Seconds = r.Clock().Sub(begin).Seconds() }()
	// Not by ctx: a module that has been made while its id is not known would hold the alias.
	id, err := r.create(context.WithoutCancel(ctx), planID, module)
	if err != nil {
		result.Trouble = err.Error()
		return result
	}
	result.ID, result.URL = id, r.Suite.URL()+"/log-detail.html?log="+id
	limit := r.ModuleLimit + r.Prepare[module.Name].Limit
	limited, cancel := context.WithTimeout(ctx, limit)
	w := &watch{runner: r, run: run, module: module.Name, id: id}
	err = w.untilItEnds(limited)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		err = fmt.Errorf("it took longer than %s", limit)
	}
	cancel()
	result.Pictures = w.taken
	// What follows is done even when the run is being stopped: a module that goes on would hold the alias.
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	if err != nil {
		result.Trouble = err.Error()
		if err := r.Suite.Cancel(after, id); err != nil {
			result.Trouble += "; and it was not cancelled: " + err.Error()
		}
	}
	result.read(after, r.Suite)
	result.Seconds = r.Clock().Sub(begin).Seconds()
	return result
}

func (r *Runner) create(ctx context.Context, planID string, module Module) (id string, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return r.Suite.CreateModule(ctx, planID, module)
}

// read fills in how the module ended and what its log says.
func (m *ModuleResult) read(ctx context.Context, suite *Suite) {
	outcome, err := settled(ctx, suite, m.ID)
	if err != nil {
		m.trouble(err)
	}
	m.Status, m.Result = outcome.Status, outcome.Result
	entries, err := suite.Log(ctx, m.ID)
	if err != nil {
		m.trouble(err)
	}
	for _, e := range entries {
		if e.Result == "SUCCESS" {
			m.Conditions++
		}
	}
	m.Findings = findings(entries)
	m.ProviderSeconds = providerTime(entries).Seconds()
}

// How long the suite may take to write down the end of a module, which it tells before.
const (
	writingDown = 10 * time.Second
	lookAgain   = 100 * time.Millisecond
)

// settled returns how a module ended, once the suite has written that down.
func settled(ctx context.Context, suite *Suite, id string) (Outcome, error) {
	for range writingDown / lookAgain {
		outcome, err := suite.Outcome(ctx, id)
		if err != nil || outcome.Status == StatusFinished || outcome.Status == StatusInterrupted {
			return outcome, err
		}
		select {
		case <-ctx.Done():
			return outcome, ctx.Err()
		case <-time.After(lookAgain):
		}
	}
	return suite.Outcome(ctx, id)
}

func (m *ModuleResult) trouble(err error) {
	if m.Trouble == "" {
		m.Trouble = err.Error()
	}
}
