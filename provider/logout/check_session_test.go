package logout_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"signet/provider/session"
)

// checkSession returns the page and its script.
func checkSession(t *testing.T) (page *httptest.ResponseRecorder, script string) {
	t.Helper()
	page = httptest.NewRecorder()
	page.Header().Set("X-Frame-Options", "DENY") // as every answer has
	newRig(t).CheckSession().ServeHTTP(page, httptest.NewRequest(http.MethodGet, "/check_session", nil))
	_, rest, _ := strings.Cut(page.Body.String(), "<script>")
	script, _, found := strings.Cut(rest, "</script>")
	if !found || page.Code != http.StatusOK {
		t.Fatalf("%d %s", page.Code, page.Body)
	}
	return page, script
}

// The page may be framed by anybody, and runs its own script only.
func TestCheckSessionPage(t *testing.T) {
	page, script := checkSession(t)
	sum := sha256.Sum256([]byte(script))
	want := "default-src 'none'; script-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'; frame-ancestors *"
	if got := page.Header().Get("Content-Security-Policy"); got != want {
		t.Errorf("policy %s, want %s", got, want)
	}
	if got := page.Header().Values("X-Frame-Options"); len(got) != 0 {
		t.Errorf("X-Frame-Options: %v", got)
	}
	if !strings.Contains(script, `"`+session.StateCookie+`="`) {
		t.Error("the script reads another cookie")
	}
}

// message is what a client's page sends, and what it gets.
type message struct {
	Cookies string  `json:"cookies"` // that the script sees
	Blocked bool    `json:"blocked"` // the browser keeps cookies from frames
	Around  *string `json:"around"`  // the origin of the page around the frame; nil = the browser does not say
	Origin  string  `json:"origin"`  // of the sender
	Data    any     `json:"data"`
	want    string  // the answer; "" = none
}

// driver runs the script in a window of its own for each message, and prints the answers.
const driver = `
const vm = require("vm"), fs = require("fs");
const script = fs.readFileSync(process.argv[2], "utf8"), messages = JSON.parse(fs.readFileSync(process.argv[3], "utf8"));
console.log(JSON.stringify(messages.map((m) => {
  let listener, answer = "";
  const location = m.around === null ? {} : { ancestorOrigins: [m.around] };
  vm.runInNewContext(script, {
    document: { cookie: m.cookies }, navigator: { cookieEnabled: !m.blocked }, location, btoa,
    window: { addEventListener: (name, f) => { if (name === "message") listener = f; } },
  });
  const source = { postMessage: (data, origin) => { answer += data + (origin === m.origin ? "" : " to " + origin); } };
  listener({ data: m.data, origin: m.origin, source });
  return answer;
})));
`

// TestCheckSessionScript runs the page's script, and holds its answers against [session.SessionState].
func TestCheckSessionScript(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatal(`node is missing; "make tools" installs it (.ci/need)`)
	}
	state, before := strings.Repeat("Ab-_9", 9)[:43], strings.Repeat("Zy", 22)[:43]
	signedIn := "x=y; " + session.StateCookie + "=" + state + "; z=__Host-signet-state=q"
	const app, origin = "app", "https://app.example"
	of := func(client, origin, state string) string {
		return client + " " + session.SessionState(client, origin, state, "salt")
	}
	around := func(origin string) *string { return &origin }
	good := of(app, origin, state)
	messages := []message{
		{Cookies: signedIn, Origin: origin, Data: good, want: "unchanged"},
		{Cookies: signedIn, Origin: origin, Around: around(origin), Data: good, want: "unchanged"},
		{Cookies: session.StateCookie + "=" + state, Origin: origin, Data: good, want: "unchanged"},
		{Cookies: signedIn, Origin: origin, Data: of("a client with spaces", origin, state), want: "unchanged"},
		{Cookies: "", Origin: origin, Data: of(app, origin, ""), want: "unchanged"},
		{Cookies: "", Origin: origin, Data: good, want: "changed"},
		{Cookies: signedIn, Origin: origin, Data: of(app, origin, ""), want: "changed"},
		{Cookies: signedIn, Origin: origin, Data: of(app, origin, before), want: "changed"},
		{Cookies: signedIn, Origin: "https://evil.example", Data: good, want: "changed"},
		{Cookies: signedIn, Origin: origin, Data: "other" + good[len(app):], want: "changed"},
		{Cookies: signedIn, Origin: origin, Data: good + "x", want: "changed"},
		{Cookies: signedIn + "; " + session.StateCookie + "=" + before, Origin: origin, Data: good, want: "changed"},
		{Cookies: session.StateCookie + "=short", Origin: origin, Data: of(app, origin, ""), want: "unchanged"},
		{Cookies: "", Blocked: true, Origin: origin, Data: good, want: "error"},
		{Cookies: signedIn, Origin: origin, Around: around("https://evil.example"), Data: good, want: ""},
		{Cookies: signedIn, Origin: "null", Data: good, want: ""},
	}
	for _, data := range []any{
		"", " ", app, app + " ", app + " hash", app + " hash.", app + " .salt", " hash.salt", good + " ", good + "\n", good + "ä", strings.Repeat("a", 5000) + good,
		7, nil, map[string]string{"data": good}, []string{good},
	} {
		messages = append(messages, message{Cookies: signedIn, Origin: origin, Data: data, want: "error"})
	}
	for length := range 130 { // past the ends of two blocks of the hash
		client := strings.Repeat("c", length+1)
		messages = append(messages, message{Cookies: signedIn, Origin: origin, Data: of(client, origin, state), want: "unchanged"})
	}
	_, script := checkSession(t)
	raw, err := json.Marshal(messages)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	files := []string{filepath.Join(dir, "driver.js"), filepath.Join(dir, "page.js"), filepath.Join(dir, "messages.json")}
	for i, content := range [][]byte{[]byte(driver), []byte(script), raw} {
		if err := os.WriteFile(files[i], content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	printed, err := exec.CommandContext(t.Context(), node, files...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, printed)
	}
	var answers []string
	if err := json.Unmarshal(printed, &answers); err != nil || len(answers) != len(messages) {
		t.Fatalf("%v: %s", err, printed)
	}
	for i, m := range messages {
		if diff := cmp.Diff(m.want, answers[i]); diff != "" {
			t.Errorf("%+v: %q, want %q", m, answers[i], m.want)
		}
	}
}
