package provider

import (
	"fmt"
	"slices"

	"signet/provider/oauth"
)

// Severity says what a finding means for a registration.
type Severity string

// The severities.
const (
	SeverityError   Severity = "error"   // not allowed: the registration is refused, and so are the client's requests
	SeverityWarning Severity = "warning" // allowed, but says something that has no effect
)

// Finding is one thing that a client's registration should not be like.
type Finding struct {
	// Rule names the requirement, e.g. "fapi2-security/confidential"; "metadata/..." holds under every profile.
	Rule string `json:"rule"`
	// Clause is where the rule comes from, e.g. "FAPI 2.0 section 5.3.2.1 item 3"; "" = from the configuration.
	Clause string `json:"clause,omitempty"`
	// Field is the client metadata field (RFC 7591 section 2).
	Field    string   `json:"field"`
	Text     string   `json:"text"`
	Severity Severity `json:"severity"`
}

// Error makes a finding an error: the form in which it is shown to people.
func (f Finding) Error() string {
	return f.Field + ": " + f.words()
}

// words are the text with the clause that it comes from.
func (f Finding) words() string {
	if f.Clause == "" {
		return f.Text
	}
	return f.Text + " (" + f.Clause + ")"
}

// LintClient lists everything that is wrong with a registration under the configuration: first what holds for
// every client, then what the profiles ask for, the instance's floor and the client's own.
func LintClient(c *oauth.Client, cfg Config) []Finding {
	profile, ok := oauth.Profiles[cfg.Profile].For(c)
	v := &clientValidator{client: c, config: cfg, profile: profile}
	if !oauth.ValidClientID(c.ID) {
		v.fault("client_id", "RFC 6749 appendix A.1", "want 1 to 255 printable ASCII characters")
	}
	if !ok {
		v.fault("profile", "", "is not known; known: %v", ProfileNames())
		return v.findings
	}
	v.metadata()
	v.requirements()
	return v.findings
}

// ValidateClient is [LintClient] for those who take or leave a registration: its errors, without the warnings. Each
// names its client metadata field (RFC 7591 section 3.2.2).
func ValidateClient(c *oauth.Client, cfg Config) []error {
	var faults []error
	for _, f := range LintClient(c, cfg) {
		if f.Severity == SeverityError {
			faults = append(faults, f)
		}
	}
	return faults
}

type clientValidator struct {
	client   *oauth.Client
	config   Config
	profile  oauth.Profile // the floor's and the client's own at once
	findings []Finding
}

func (v *clientValidator) fault(field, clause, format string, args ...any) {
	v.find(SeverityError, field, clause, format, args...)
}

func (v *clientValidator) warn(field, clause, format string, args ...any) {
	v.find(SeverityWarning, field, clause, format, args...)
}

func (v *clientValidator) find(severity Severity, field, clause, format string, args ...any) {
	v.findings = append(v.findings, Finding{
		Rule: "metadata/" + field, Clause: clause, Field: field, Text: fmt.Sprintf(format, args...), Severity: severity,
	})
}

// requirements holds the client against the tables of its profiles, each once.
func (v *clientValidator) requirements() {
	names := []oauth.ProfileName{v.config.Profile}
	if own := v.client.Profile; own != "" && own != v.config.Profile {
		names = append(names, own)
	}
	for _, name := range names {
		for _, r := range Requirements(name) {
			for _, text := range r.check(oauth.Profiles[name], v.client) {
				v.add(Finding{Rule: r.Rule, Clause: r.Clause, Field: text.field, Text: text.text, Severity: SeverityError})
			}
		}
	}
}

// add leaves out what another profile's table has found already.
func (v *clientValidator) add(f Finding) {
	if !slices.ContainsFunc(v.findings, func(g Finding) bool { return g.Field == f.Field && g.Text == f.Text }) {
		v.findings = append(v.findings, f)
	}
}
