package conformance

import (
	"regexp"
	"slices"
	"strings"
)

// Modules of OpenID Connect's own plans that ask something of a person that the others do not.
var (
	// lookingAtLogin want a picture of the login page, and nobody who logs in.
	lookingAtLogin = []string{"oidcc-registration-logo-uri", "oidcc-registration-policy-uri", "oidcc-registration-tos-uri"}
	// loggingInAgain want a picture of the login page that somebody gets who is signed in, and go on from it.
	loggingInAgain = []string{"oidcc-prompt-login", "oidcc-max-age-1"}
	// stoppedAtLogout want a picture of the page that asks before it signs anybody out, or that refuses to.
	stoppedAtLogout = []string{
		"oidcc-rp-initiated-logout-bad-id-token-hint", "oidcc-rp-initiated-logout-bad-post-logout-redirect-uri",
		"oidcc-rp-initiated-logout-modified-id-token-hint", "oidcc-rp-initiated-logout-no-id-token-hint",
		"oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri",
	}
	// loggedOut want a picture of the page that says that somebody has been signed out.
	loggedOut = []string{
		"oidcc-rp-initiated-logout-no-params", "oidcc-rp-initiated-logout-no-post-logout-redirect-uri",
		"oidcc-rp-initiated-logout-only-state",
	}
)

// What single modules of FAPI's plans ask of a person that the others do not.
const (
	// rejecting modules have the user refuse.
	rejecting = "-user-rejects-authentication"
	// returning modules open the login page once without logging in, and log in at the second visit.
	returning = "-par-ensure-reused-request-uri-prior-to-auth-completion-succeeds"
)

// families are the beginnings of the modules' names. Those of Message Signing have the Security Profile's.
var families = []string{"fapi1-advanced-final", "fapi2-security-profile-final", "fapi2-security-profile-id2"}

// ofSession says whether the page that the module wants a picture of is one that only a session leads to. Such a page
// cannot be opened again: its picture is made from what the suite's browser has got.
func ofSession(module string) bool {
	return slices.Contains(loggingInAgain, module) || slices.Contains(stoppedAtLogout, module) || slices.Contains(loggedOut, module)
}

// overrides are what single modules have instead.
func (r Run) overrides(s Setup) map[string]any {
	overrides := map[string]any{}
	if r.Connect() {
		r.overrideConnect(s, overrides)
		return overrides
	}
	for _, family := range families {
		overrides[family+rejecting] = map[string]any{"browser": []any{s.authorize(s.refuse(), s.back())}}
		look := s.authorize(s.lookAtLogin())
		look["match-limit"] = 1
		overrides[family+returning] = map[string]any{"browser": append([]any{look}, r.browser(s)...)}
	}
	return overrides
}

func (r Run) overrideConnect(s Setup, overrides map[string]any) {
	for _, module := range lookingAtLogin {
		overrides[module] = map[string]any{"browser": []any{s.authorize(s.lookAtLogin())}}
	}
	signIn := s.authorize(r.signingIn(s)...)
	// Verbose, so that the log has all pages: the pictures are made from it.
	for _, module := range stoppedAtLogout {
		overrides[module] = map[string]any{"browser": []any{signIn, s.endSession(s.look("end_session"))}, "browser_verbose": true}
	}
	for _, module := range loggedOut {
		overrides[module] = map[string]any{"browser": []any{signIn, s.endSession(s.signOut(), s.look(""))}, "browser_verbose": true}
	}
}

// browser tells the suite's scripted browser what to do at our pages, which have stable ids.
func (r Run) browser(s Setup) []any {
	visits := []any{s.authorize(r.signingIn(s)...)}
	if r.Connect() {
		visits = append(visits, s.endSession(s.signOut(), s.land("/post_logout_redirect")),
			// The suite's own page, which asks the provider's iframe how the session is.
			visit(s.Suite.URL()+"/test/*session_verify", s.land("/(second_)?session_result")))
	}
	return visits
}

func (r Run) signingIn(s Setup) []map[string]any {
	tasks := []map[string]any{s.signIn(), s.consent()}
	if r.Posts() {
		tasks = append(tasks, s.forward())
	}
	return append(tasks, s.back())
}

// visit is what to do when the suite opens an address.
func visit(match string, tasks ...map[string]any) map[string]any {
	return map[string]any{"match": match, "tasks": tasks}
}

func (s Setup) authorize(tasks ...map[string]any) map[string]any {
	return visit(s.address("authorize"), tasks...)
}

func (s Setup) endSession(tasks ...map[string]any) map[string]any {
	return visit(s.address("end_session"), tasks...)
}

// task is done when the browser is at an address that matches. It is optional: whether a page is shown at all is the
// provider's affair, and what came of it the suite's.
func task(name, match string, commands ...[]any) map[string]any {
	return map[string]any{"task": name, "match": match, "optional": true, "commands": commands}
}

// address matches the provider's addresses that begin so.
func (s Setup) address(path string) string {
	return strings.TrimSuffix(s.Issuer, "/") + "/" + path + "*"
}

// page matches the addresses of one of our pages.
func (s Setup) page(name string) string { return s.address("interaction/" + name) }

func (s Setup) signIn() map[string]any {
	return task("sign in", s.page("login"),
		[]any{"text", "id", "username", s.Username}, []any{"text", "id", "password", s.Password}, []any{"click", "id", "login-button"})
}

func (s Setup) refuse() map[string]any {
	return task("refuse", s.page("login"), []any{"click", "id", "cancel-button"})
}

func (s Setup) consent() map[string]any {
	return task("consent", s.page("consent"), []any{"click", "id", "consent-approve"})
}

// forward presses the button of the page that posts the answer, if the page's script has not done so.
func (s Setup) forward() map[string]any {
	return task("go on", s.address(""), []any{"click", "id", "forward-button", "optional"})
}

func (s Setup) back() map[string]any {
	return task("back at the suite", s.Suite.URL()+"/test/*", []any{"wait", "id", "submission_complete", 10})
}

func (s Setup) lookAtLogin() map[string]any {
	return task("see the login page", s.page("login"), []any{"wait", "id", "login-form", 10})
}

// look waits for the provider's page without doing anything there.
func (s Setup) look(path string) map[string]any {
	return task("see the page", s.address(path), []any{"wait", "id", "main", 10})
}

// signOut confirms that somebody wants to be signed out, if that is asked.
func (s Setup) signOut() map[string]any {
	return task("sign out", s.address("end_session"), []any{"click", "id", "logout-approve", "optional"})
}

// land waits until a page's script has led to the suite's address. That is not optional: who waits for nothing takes the
// page, and its script with it, away.
func (s Setup) land(path string) map[string]any {
	return map[string]any{"task": "back at the suite", "commands": [][]any{
		{"wait", "match", "^" + regexp.QuoteMeta(s.Suite.URL()) + "/test/[^?]*" + path, 20},
	}}
}
