package conformance

import "time"

// RunResult is what a run came to.
type RunResult struct {
	Run
	SuiteVersion string    `json:"suite_version"`
	Commit       string    `json:"commit,omitempty"` // of the provider
	PlanID       string    `json:"plan_id"`
	PlanURL      string    `json:"plan_url"` // its page in the suite
	Started      time.Time `json:"started"`
	Seconds      float64   `json:"seconds"`
	// ProviderSeconds is the part that the suite waited for answers to its own requests.
	ProviderSeconds float64        `json:"provider_seconds"`
	Modules         []ModuleResult `json:"modules"`
	// Partial: not all of the plan's modules were asked for.
	Partial bool `json:"partial,omitempty"`
	// LogsSHA256 is the digest of the exported logs, as hexadecimal; Logs is their file's name.
	LogsSHA256 string `json:"logs_sha256,omitempty"`
	Logs       string `json:"logs,omitempty"`
	// Trouble is why the run could not be done; its modules may be incomplete then.
	Trouble string `json:"trouble,omitempty"`
}

// ModuleResult is what a module came to.
type ModuleResult struct {
	Module          string            `json:"module"`
	Variant         map[string]string `json:"variant,omitempty"`
	ID              string            `json:"id"`
	URL             string            `json:"url"` // its log in the suite
	Status          string            `json:"status"`
	Result          string            `json:"result"`
	Seconds         float64           `json:"seconds"`
	ProviderSeconds float64           `json:"provider_seconds"`
	Conditions      int               `json:"conditions"` // that succeeded
	Findings        []Finding         `json:"findings,omitempty"`
	Pictures        int               `json:"pictures,omitempty"` // that were taken and uploaded
	// Trouble is why the module was given up, e.g. for it waited for nobody.
	Trouble string `json:"trouble,omitempty"`
	// Accepted is the reason for which a REVIEW or SKIPPED is accepted.
	Accepted string `json:"accepted,omitempty"`
	// Unexpected says what is not as it should be; empty = the module is good.
	Unexpected []string `json:"unexpected,omitempty"`
}

// Good says whether the module did what it should.
func (m *ModuleResult) Good() bool { return len(m.Unexpected) == 0 }

// Good says whether the run did what it should.
func (r *RunResult) Good() bool {
	if r.Trouble != "" || len(r.Modules) == 0 {
		return false
	}
	for i := range r.Modules {
		if !r.Modules[i].Good() {
			return false
		}
	}
	return true
}

// Counts are how many modules had each result; those that were given up count as "INTERRUPTED".
func (r *RunResult) Counts() map[string]int {
	counts := map[string]int{}
	for i := range r.Modules {
		counts[r.Modules[i].Word()]++
	}
	return counts
}

// Word is the module's result in one word.
func (m *ModuleResult) Word() string {
	switch {
	case m.Status != StatusFinished && m.Result != ResultFailed:
		return StatusInterrupted
	case m.Result == "":
		return ResultUnknown
	}
	return m.Result
}

// Bad is how many modules did not do what they should.
func (r *RunResult) Bad() int {
	bad := 0
	for i := range r.Modules {
		if !r.Modules[i].Good() {
			bad++
		}
	}
	return bad
}
