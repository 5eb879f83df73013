package interaction

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"

	"signet/provider/oauth"
	"signet/provider/web"
)

// patience is how long the browser may take. It only ends what would never end.
const patience = 2 * time.Minute

// scenes are the pages at their fullest, in one language.
func scenes(t *testing.T, tag string) map[string]*httptest.ResponseRecorder {
	t.Helper()
	devices := &shop{waiting: map[string]oauth.DeviceRequest{}}
	r, d := newDesk(t, func(deps *Deps) { deps.Devices = devices })
	r.deps.Details = paymentTypes(t)
	r.deps.Brand = Brand{Name: "Nordbank", Links: []Link{{"Help", "https://bank.example/help"}, {"Imprint", "https://bank.example/imprint"}}}
	r.deps.Floor = oauth.Profiles[oauth.ProfileFAPI2Security]
	r.described(func(c *oauth.Client) { c.Name, c.AuthMethod = "Budget Planner", oauth.AuthPrivateKeyJWT })
	d.waiting[0].BindingMessage, d.waiting[0].Details = "Kiosk 7 K4-X42", oauth.Details{payment}
	change := func(f func(*oauth.Interaction)) {
		waiting := r.store.Waiting[r.ticket.Digest]
		f(&waiting)
		r.store.Waiting[r.ticket.Digest] = waiting
	}
	change(func(i *oauth.Interaction) { i.Request.UILocales = []string{tag} })
	taken := map[string]*httptest.ResponseRecorder{}
	take := func(name string, h http.HandlerFunc, req *http.Request) {
		req.Header.Set("Accept-Language", tag)
		answer := httptest.NewRecorder()
		h(answer, req.WithContext(web.WithRequest(req.Context(), "8f14e45fceea167a5a36dedd4bea2543", web.DoorMain)))
		taken[name] = answer
	}
	page := func(name, path string) { take(name, r.Handler().ServeHTTP, r.request(http.MethodGet, path, nil)) }
	page("login", "/interaction/login")
	take("login-wrong", r.Handler().ServeHTTP, r.request(http.MethodPost, "/interaction/login", url.Values{"username": {"anna"}, "password": {"x"}}))
	for _, display := range []string{"popup", "touch"} {
		change(func(i *oauth.Interaction) { i.Request.Display = display })
		page("login-"+display, "/interaction/login")
	}
	change(func(i *oauth.Interaction) { i.Request.Display = "" })
	r.tryLogin("anna", "correct horse")
	change(func(i *oauth.Interaction) { i.Request.Prompt = []string{"select_account"} })
	page("login-select", "/interaction/login")
	change(func(i *oauth.Interaction) {
		i.Request.Scope = slices.Concat(oauth.StandardScopes, oauth.Scope{"accounts"})
	})
	page("consent", "/interaction/consent")
	change(func(i *oauth.Interaction) {
		i.Request.Details, i.Request.GrantAction = oauth.Details{payment}, oauth.GrantReplace
	})
	page("consent-details", "/interaction/consent")
	d.waiting[0].CreatedAt = r.now.Add(time.Second)
	page("approvals", "/interaction/approvals")
	d.waiting = nil
	page("approvals-done", "https://id.bank.example/interaction/approvals?done=deny")
	at := func(path string) *http.Request { return r.request(http.MethodGet, path, nil) }
	devices.waiting["WDJB-MJHT"] = oauth.DeviceRequest{
		ClientID: "app", Scope: slices.Concat(oauth.StandardScopes, oauth.Scope{"accounts"}), Resources: []string{"https://rs.example"},
		Details: oauth.Details{payment}, CreatedAt: r.now.Add(-20 * time.Second), ExpiresAt: r.now.Add(9 * time.Minute),
	}
	for name, query := range map[string]string{
		"device": "", "device-wrong": "?user_code=BBBB-BBBB", "device-request": "?user_code=WDJB-MJHT", "device-done": "?done=approve",
	} {
		take(name, r.Device().ServeHTTP, at("/device"+query))
	}
	devices.waiting["WDJB-MJHT"] = oauth.DeviceRequest{
		ClientID: "app", Scope: oauth.Scope{"openid", "accounts"}, CreatedAt: r.now.Add(-20 * time.Second), ExpiresAt: r.now.Add(9 * time.Minute),
	}
	take("device-plain", r.Device().ServeHTTP, at("/device?user_code=WDJB-MJHT"))
	for name, err := range map[string]error{
		"refused": oauth.Errorf(oauth.InvalidRequest, "redirect_uri is not registered for this client"), "expired": gone,
		"failed": errDisk, "busy": oauth.ErrUnavailable, "answered": &oauth.Conflict{}, "missing": oauth.Errorf(oauth.NotFound, "there is no such page"),
	} {
		take("error-"+name, func(w http.ResponseWriter, req *http.Request) { r.WriteError(w, req, err) }, at("/"))
	}
	take("forward", func(w http.ResponseWriter, req *http.Request) {
		r.WriteForm(w, req, "Budget Planner", "https://budget-planner.example/callback", url.Values{"code": {"c"}})
	}, at("/"))
	take("logout", func(w http.ResponseWriter, req *http.Request) {
		r.AskLogout(w, req, "Budget Planner", "/logout", url.Values{"state": {"s"}})
	}, at("/"))
	take("logged-out", func(w http.ResponseWriter, req *http.Request) {
		r.LoggedOut(w, req, "Budget Planner", "https://budget-planner.example/out", nil)
	}, at("/"))
	take("stayed", r.Stayed, at("/"))
	return taken
}

// screenshots is the environment variable that names a folder for pictures of all pages, narrow and wide.
const screenshots = "SIGNET_SCREENSHOTS"

// TestPagesFit lays out each page in each language on a narrow screen: nothing sticks out, each button can be hit, and
// each field has its label.
func TestPagesFit(t *testing.T) {
	r := newRig(t)
	pages := map[string]*httptest.ResponseRecorder{}
	tags, err := languagesOf(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tag := range tags {
		for name, answer := range scenes(t, tag) {
			pages["/"+name+"/"+tag] = answer
		}
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		page := pages[req.URL.Path]
		if page == nil {
			r.Handler().ServeHTTP(w, req) // the assets
			return
		}
		maps.Copy(w.Header(), page.Header())
		_, _ = w.Write(bytes.ReplaceAll(page.Body.Bytes(), []byte("https://cdn.app.example:8443/logo.png"), []byte(r.assets.icon)))
	}))
	defer server.Close()
	tab := newTab(t)
	if _, err := chromedp.Call(tab.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		t.Fatal(err)
	}
	widths := []int64{360}
	if os.Getenv(screenshots) != "" {
		widths = append(widths, 1280)
	}
	for _, width := range widths {
		tab.run(chromedp.EmulateViewport(width, 800))
		for _, path := range slices.Sorted(maps.Keys(pages)) {
			tab.run(chromedp.Navigate(server.URL + path))
			tab.look(path, width)
		}
	}
}

// tab is a page of a browser of its own.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu    sync.Mutex
	noise []string
}

func newTab(t *testing.T) *tab {
	t.Helper()
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil && program == "" {
			program = path
		}
	}
	if program == "" {
		t.Fatal(`chromium is missing; "make tools" installs it (.ci/need)`)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.WSURLReadTimeout(patience))
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, closeTab := chromedp.NewContext(allocator)
	t.Cleanup(closeTab)
	b := &tab{t: t}
	if err := chromedp.Do(ctx); err != nil { // the tab lives as long as the context that it is first used with
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	t.Cleanup(cancel)
	b.ctx = ctx
	if err := chromedp.Listen(ctx, func(event any) {
		if e, ok := event.(*log.EventEntryAdded); ok { // errors, and what the content security policy stopped
			b.mu.Lock()
			defer b.mu.Unlock()
			b.noise = append(b.noise, e.Entry.Text)
		}
	}); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *tab) run(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatalf("%v; the console: %q", err, b.console())
	}
}

func (b *tab) console() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.noise)
}

// look checks what a program can see of a page's quality.
func (b *tab) look(path string, width int64) {
	b.t.Helper()
	type sight struct {
		Scroll, Lowest       int64
		Lang                 string
		Headings, Unlabelled int
		Styled               bool
		Out                  []string
	}
	seen, err := chromedp.Run(b.ctx, chromedp.Evaluate[sight](`(() => {
		const heights = [...document.querySelectorAll("button, .button")].map(b => b.getBoundingClientRect().height)
		const inputs = [...document.querySelectorAll("input:not([type=hidden])")]
		const sheet = document.querySelector(".sheet").getBoundingClientRect()
		const out = [...document.querySelectorAll(".sheet *")].filter(e => e.getBoundingClientRect().right > sheet.right + .5 || e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 0)
		return {
			Scroll: document.documentElement.scrollWidth, Lowest: Math.floor(Math.min(999, ...heights)), Lang: document.documentElement.lang,
			Headings: document.querySelectorAll("h1").length, Unlabelled: inputs.filter(i => i.labels.length !== 1).length,
			Styled: document.styleSheets.length === 1 && document.styleSheets[0].cssRules.length > 0, Out: out.map(e => e.outerHTML.slice(0, 80)),
		}
	})()`))
	if err != nil {
		b.t.Fatalf("%s: %v", path, err)
	}
	if seen.Scroll > width || len(seen.Out) > 0 {
		b.t.Errorf("%s, %d px: the page is %d px wide, and these stick out: %q", path, width, seen.Scroll, seen.Out)
	}
	if seen.Headings != 1 || seen.Unlabelled != 0 || !seen.Styled || !strings.HasSuffix(path, "/"+seen.Lang) {
		b.t.Errorf("%s: %+v: want the language, one heading, a label for each field, and the style sheet", path, seen)
	}
	if seen.Lowest < 44 { // WCAG 2.5.5: what a finger can hit
		b.t.Errorf("%s, %d px: a button is %d px high", path, width, seen.Lowest)
	}
	if folder := os.Getenv(screenshots); folder != "" {
		b.picture(filepath.Join(folder, fmt.Sprintf("%s-%d.png", strings.ReplaceAll(path[1:], "/", "-"), width)))
	}
}

func (b *tab) picture(file string) {
	b.t.Helper()
	picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.WriteFile(file, picture, 0o600)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// client is a site that pages lead to: it notes the requests that it gets.
func client(t *testing.T) (base string, requests func() []string) {
	t.Helper()
	var mu sync.Mutex
	var seen []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/favicon.ico" {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		_ = req.ParseForm()
		mu.Lock()
		seen = append(seen, req.Method+" "+req.URL.Path+" "+req.Form.Encode()+" "+req.Referer())
		mu.Unlock()
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(`<!doctype html><title>Client</title><p id="arrived">Welcome back.</p>`))
	}))
	t.Cleanup(server.Close)
	return server.URL, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(seen)
	}
}

// TestPagesGoOn has a browser hold the two scripts against their policy: the answer is posted, and the frames are
// loaded before the browser goes back to the client.
func TestPagesGoOn(t *testing.T) {
	base, requests := client(t)
	other, told := client(t)
	over := make(chan struct{})
	hung := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-over }))
	defer hung.Close()
	defer close(over)
	r := newRig(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch req.URL.Path {
		case "/forward":
			r.WriteForm(w, req, "App", base+"/callback", url.Values{"code": {"c"}, "state": {`"><x`}})
		case "/logged-out":
			r.LoggedOut(w, req, "App", base+"/out?state=s", []string{base + "/fc?sid=1", other + "/fc?sid=2"})
		case "/hung":
			r.LoggedOut(w, req, "App", base+"/out?state=s", []string{hung.URL + "/fc"})
		default:
			r.Handler().ServeHTTP(w, req)
		}
	}))
	defer server.Close()
	tab := newTab(t)
	tab.run(chromedp.Navigate(server.URL+"/forward"), chromedp.WaitVisible(chromedp.ID("arrived")))
	if diff := cmp.Diff([]string{`POST /callback code=c&state=%22%3E%3Cx `}, requests()); diff != "" {
		t.Error(diff)
	}
	tab.run(chromedp.Navigate(server.URL+"/logged-out"), chromedp.WaitVisible(chromedp.ID("arrived")))
	got := slices.Sorted(slices.Values(requests()[1:]))
	if diff := cmp.Diff([]string{"GET /fc sid=1 ", "GET /out state=s "}, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"GET /fc sid=2 "}, told()); diff != "" {
		t.Error(diff)
	}
	// A client that does not answer holds nobody up.
	before := len(requests())
	tab.run(chromedp.Navigate(server.URL+"/hung"), chromedp.WaitVisible(chromedp.ID("arrived")))
	if diff := cmp.Diff([]string{"GET /out state=s "}, requests()[before:]); diff != "" {
		t.Error(diff)
	}
	if noise := tab.console(); len(noise) > 0 {
		t.Errorf("the console is not empty: %q", noise)
	}
}
