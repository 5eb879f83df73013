package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"signet/conformance"
	"signet/provider/oauth"
)

// showConformance prints the table of the results; what is not as expected is an error.
func (c *console) showConformance(o conformanceOptions, results []conformance.RunResult) error {
	good := true
	var rows []table.Row
	for i := range results {
		r := &results[i]
		if r.Name == "" {
			continue // stopped before it began
		}
		good = good && r.Good()
		counts := r.Counts()
		rows = append(rows, table.Row{
			r.Name, len(r.Modules), counts[conformance.ResultPassed], blank(counts[conformance.ResultReview]),
			blank(counts[conformance.ResultSkipped]), blank(counts[conformance.ResultWarning]), blank(counts[conformance.ResultFailed]),
			blank(len(r.Modules) - counts[conformance.ResultPassed] - counts[conformance.ResultReview] - counts[conformance.ResultSkipped] -
				counts[conformance.ResultWarning] - counts[conformance.ResultFailed]),
			elapsed(r.Seconds), slowdown(r), r.Verdict(),
		})
	}
	if o.module != "" || o.verbose {
		c.showModules(o, results)
	}
	if err := c.show(results, table.Row{"run", "modules", "passed", "review", "skipped", "warning", "failed", "broken", "time", "x suite's", "verdict"}, rows); err != nil {
		return err
	}
	for i := range results {
		if r := &results[i]; !c.json && r.Trouble != "" {
			c.note("%s: %s", r.Name, r.Trouble)
		}
	}
	if !good {
		return errReported
	}
	return nil
}

// showModules prints what each module that is not good came to; with --verbose also the accepted deviations.
func (c *console) showModules(o conformanceOptions, results []conformance.RunResult) {
	if c.json {
		return
	}
	for i := range results {
		for j := range results[i].Modules {
			m := &results[i].Modules[j]
			if m.Good() && len(m.Findings) == 0 && m.Accepted == "" && o.module == "" {
				continue
			}
			_, _ = fmt.Fprintf(c.out, "%s  %s\n", results[i].Name, moduleLine(m))
			writeModule(c.out, m, o.verbose)
		}
	}
}

func moduleLine(m *conformance.ModuleResult) string {
	mark := "ok "
	if !m.Good() {
		mark = "BAD"
	}
	return fmt.Sprintf("%s %-11s %6s  %s", mark, m.Word(), elapsed(m.Seconds), m.Module)
}

// briefFindings is how many findings of a module are printed without --verbose: the first is the cause.
const briefFindings = 3

// writeModule prints why the module is not good, the cause first.
func writeModule(w io.Writer, m *conformance.ModuleResult, verbose bool) {
	if m.Accepted != "" && verbose {
		_, _ = fmt.Fprintf(w, "      accepted: %s\n", m.Accepted)
	}
	shown, more := 0, 0
	for _, f := range m.Findings {
		switch {
		case verbose || f.Expected == "" && shown < briefFindings:
			writeFinding(w, f, verbose)
			shown++
		case f.Expected == "":
			more++
		}
	}
	if more > 0 {
		_, _ = fmt.Fprintf(w, "      and %d more\n", more)
	}
	for _, text := range m.Unexpected {
		if !strings.HasPrefix(text, "FAILURE of ") && !strings.HasPrefix(text, "WARNING of ") { // those are above
			_, _ = fmt.Fprintf(w, "      unexpected: %s\n", text)
		}
	}
	if !m.Good() && m.URL != "" {
		_, _ = fmt.Fprintf(w, "      log: %s\n", m.URL)
	}
}

func writeFinding(w io.Writer, f conformance.Finding, verbose bool) {
	requirements := ""
	if len(f.Requirements) > 0 {
		requirements = " [" + strings.Join(f.Requirements, ", ") + "]"
	}
	_, _ = fmt.Fprintf(w, "      %s %s%s\n        says: %s\n", f.Result, f.Condition, requirements, f.Message)
	line := func(name, text string, limit int) {
		text = strings.Join(strings.Fields(text), " ")
		if !verbose && len(text) > limit {
			text = strings.ToValidUTF8(text[:limit], "") + "..."
		}
		if text != "" {
			_, _ = fmt.Fprintf(w, "        %s: %s\n", name, text)
		}
	}
	line("in", f.Block, 200)
	line("http", f.Exchange, 300)
	line("accepted", f.Expected, 300)
	for _, name := range slices.Sorted(maps.Keys(f.Details)) {
		line(name, f.Details[name], 120)
	}
}

func blank(n int) any {
	if n == 0 {
		return ""
	}
	return n
}

func elapsed(s float64) string {
	if s < 60 {
		return fmt.Sprintf("%.1f s", s)
	}
	return fmt.Sprintf("%d:%02d", int(s)/60, int(s)%60)
}

// slowdown is the run's time against the suite's own.
func slowdown(r *conformance.RunResult) string {
	if factor := r.Slowdown(); factor > 0 {
		return fmt.Sprintf("%.2f", factor)
	}
	return ""
}

// conformanceProgress tells a person what goes on: a line per module that has ended, and on a terminal below them a
// line per run that is under way.
type conformanceProgress struct {
	out      io.Writer
	clock    oauth.Clock
	terminal bool
	verbose  bool
	runs     int

	mu      sync.Mutex
	current map[string]*runProgress
	order   []string
	done    int
	drawn   int // lines that are on the screen below the rest
	stop    chan struct{}
	stopped sync.WaitGroup
}

type runProgress struct {
	modules, done, bad int
	module, status     string
	since              time.Time
}

func newConformanceProgress(out io.Writer, clock oauth.Clock, verbose bool, runs int) *conformanceProgress {
	p := &conformanceProgress{
		out: out, clock: clock, terminal: isScreen(out), verbose: verbose, runs: runs,
		current: map[string]*runProgress{}, stop: make(chan struct{}),
	}
	if p.terminal {
		p.stopped.Go(p.tick)
	}
	return p
}

// isScreen says whether lines on w can be redrawn.
func isScreen(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && isTerminal(file) && os.Getenv("TERM") != "dumb"
}

// tick keeps the elapsed times moving.
func (p *conformanceProgress) tick() {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-p.stop:
			return
		case <-ticker.C:
			p.change(func() {}, "")
		}
	}
}

func (p *conformanceProgress) close() {
	close(p.stop)
	p.stopped.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
}

// change applies do, prints text above the live lines and draws these again.
func (p *conformanceProgress) change(do func(), text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	do()
	p.erase()
	_, _ = io.WriteString(p.out, text)
	p.draw()
}

func (p *conformanceProgress) erase() {
	if p.drawn > 0 {
		_, _ = fmt.Fprintf(p.out, "\x1b[%dA\x1b[J", p.drawn)
		p.drawn = 0
	}
}

func (p *conformanceProgress) draw() {
	if !p.terminal {
		return
	}
	now := p.clock()
	for _, name := range p.order {
		r := p.current[name]
		bad := ""
		if r.bad > 0 {
			bad = fmt.Sprintf(", %d bad", r.bad)
		}
		line := fmt.Sprintf("> %s  %d/%d%s  %s %s %.0f s", name, r.done, r.modules, bad, r.module, r.status, now.Sub(r.since).Seconds())
		_, _ = fmt.Fprintf(p.out, "%.158s\n", line)
		p.drawn++
	}
	_, _ = fmt.Fprintf(p.out, "  runs: %d of %d done\n", p.done, p.runs)
	p.drawn++
}

// RunStarted implements conformance.Events.
func (p *conformanceProgress) RunStarted(run conformance.Run, modules int) {
	p.change(func() {
		p.current[run.Name] = &runProgress{modules: modules, since: p.clock()}
		p.order = append(p.order, run.Name)
	}, fmt.Sprintf("%s: %d modules\n", run.Name, modules))
}

// ModuleStarted implements conformance.Events.
func (p *conformanceProgress) ModuleStarted(run conformance.Run, module string) {
	p.change(func() {
		r := p.current[run.Name]
		r.module, r.status, r.since = module, "", p.clock()
	}, "")
}

// ModuleChanged implements conformance.Events.
func (p *conformanceProgress) ModuleChanged(run conformance.Run, _, status string) {
	p.change(func() { p.current[run.Name].status = status }, "")
}

// ModuleDone implements conformance.Events.
func (p *conformanceProgress) ModuleDone(run conformance.Run, m conformance.ModuleResult) {
	var text strings.Builder
	p.mu.Lock()
	r := p.current[run.Name]
	r.done++
	if !m.Good() {
		r.bad++
	}
	fmt.Fprintf(&text, "%s %d/%d  %s\n", run.Name, r.done, r.modules, moduleLine(&m))
	p.mu.Unlock()
	writeModule(&text, &m, p.verbose)
	p.change(func() {}, text.String())
}

// RunDone implements conformance.Events.
func (p *conformanceProgress) RunDone(result conformance.RunResult) {
	p.change(func() {
		delete(p.current, result.Name)
		p.order = slices.DeleteFunc(p.order, func(name string) bool { return name == result.Name })
		p.done++
	}, fmt.Sprintf("%s: %s in %s  %s\n", result.Name, result.Verdict(), elapsed(result.Seconds), result.PlanURL))
}
