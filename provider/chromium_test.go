package provider_test

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"signet/certs"
	"signet/provider/oauth"
)

// TestChromium logs in and consents in a real browser, on a narrow and on a wide screen, with and without
// script, and lands at the client's callback. The pages' pictures go to .cache/screenshots.
func TestChromium(t *testing.T) {
	s := newSite(t, 1, "")
	s.user("alice")
	app := s.newClientSite()
	chromium := s.newChromium()
	leaf := s.leaf(certs.Request{})
	for _, c := range []struct {
		name   string
		width  int64
		script bool
	}{{"360", 360, true}, {"1280", 1280, true}, {"360-without-script", 360, false}} {
		t.Run(c.name, func(t *testing.T) {
			s := s.with(t)
			s.register("app-"+c.name, func(client *oauth.Client) {
				client.Name, client.RedirectURIs = "Budget Planner", []string{app.url}
				client.BoundAccessTokens = true // the consent page says so
			})
			tab := s.newTab(chromium, c.name, c.width)
			if !c.script {
				_, err := chromedp.Call(tab.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
				must(t, err)
			}
			f := newFlow("app-"+c.name, "openid profile offline_access accounts", "redirect_uri", app.url)
			tab.run(chromedp.Navigate(s.issuer+"/authorize?"+f.query), chromedp.WaitVisible(chromedp.ID("login-form")))
			tab.look("login")
			tab.run(
				chromedp.SendKeys(chromedp.ID("username"), "alice"), chromedp.SendKeys(chromedp.ID("password"), password),
				chromedp.Click(chromedp.ID("login-button")), chromedp.WaitVisible(chromedp.ID("consent-approve")), chromedp.WaitVisible(chromedp.ID("consent-bound")),
			)
			tab.look("consent")
			tab.run(chromedp.Click(chromedp.ID("consent-approve")), chromedp.WaitVisible(chromedp.ID("arrived")))
			tab.assertQuiet()

			answer := app.last()
			if answer.Get("state") != "s1" || answer.Get("iss") != s.issuer {
				t.Errorf("callback: %v", answer)
			}
			redemption := f.redeem(answer.Get("code"))
			redemption.Set("redirect_uri", app.url)
			if got := s.post(s.http(leaf), s.mtls+"/token", redemption, basic("app-"+c.name)); got.Status != http.StatusOK || got.text("id_token") == "" {
				t.Errorf("%d %s", got.Status, got.Body)
			}
		})
	}
}

// clientSite is the client's own web site: its callback, which remembers what it was given.
type clientSite struct {
	url string

	mu    sync.Mutex
	query url.Values
}

func (s *site) newClientSite() *clientSite {
	c := &clientSite{}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("GET /callback", func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		c.query = r.URL.Query()
		c.mu.Unlock()
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(`<!doctype html><title>Budget Planner</title><p id="arrived">Welcome back.</p>`))
	})
	server := httptest.NewServer(mux)
	s.t.Cleanup(server.Close)
	c.url = server.URL + "/callback"
	return c
}

func (c *clientSite) last() url.Values {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.query
}

// newChromium starts a browser with a profile of its own that trusts the site's certificate and no other
// invalid one.
func (s *site) newChromium() context.Context {
	s.t.Helper()
	profile, err := os.MkdirTemp("", "signet-chromium-")
	must(s.t, err)
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(tool(s.t, "chromium", "chromium-browser", "google-chrome")), chromedp.UserDataDir(profile),
		chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
		chromedp.WSURLReadTimeout(patience),
		chromedp.Flag("ignore-certificate-errors-spki-list", s.publicKeyDigest()),
	}
	for _, flag := range []string{"disable-quic", "disable-background-networking", "disable-component-update", "disable-sync", "disable-dev-shm-usage"} {
		options = append(options, chromedp.Flag(flag, true))
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	browser, closeBrowser := chromedp.NewContext(allocator)
	s.t.Cleanup(func() {
		closeBrowser()
		stop()                    // waits for the browser's end
		_ = os.RemoveAll(profile) // a helper of the browser may still write there: nothing depends on it
	})
	must(s.t, chromedp.Do(browser))
	return browser
}

// publicKeyDigest is the server certificate's SPKI digest, as Chromium wants it.
func (s *site) publicKeyDigest() string {
	raw, err := os.ReadFile(filepath.Join(s.dir, "pki", "server.pem"))
	must(s.t, err)
	block, _ := pem.Decode(raw)
	certificate, err := x509.ParseCertificate(block.Bytes)
	must(s.t, err)
	sum := sha256.Sum256(certificate.RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// tab is a page of the browser with cookies of its own.
type tab struct {
	t     testing.TB
	ctx   context.Context
	name  string
	width int64

	mu    sync.Mutex
	noise []string
}

func (s *site) newTab(browser context.Context, name string, width int64) *tab {
	s.t.Helper()
	ctx, closeTab := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	s.t.Cleanup(closeTab)
	ctx, cancel := context.WithTimeout(ctx, patience)
	s.t.Cleanup(cancel)
	b := &tab{t: s.t, ctx: ctx, name: name, width: width}
	must(s.t, chromedp.Listen(ctx, b.listen))
	b.run(chromedp.EmulateViewport(width, 800))
	return b
}

// listen collects what the console shows: errors of the page, and what the content security policy stopped.
func (b *tab) listen(event any) {
	var line string
	switch e := event.(type) {
	case *log.EventEntryAdded:
		line = fmt.Sprintf("%s %s: %s %s", e.Entry.Level, e.Entry.Source, e.Entry.Text, e.Entry.URL)
	case *runtime.EventExceptionThrown:
		line = "exception: " + e.ExceptionDetails.Text
	case *runtime.EventConsoleAPICalled:
		line = fmt.Sprintf("console.%s", e.Type)
	default:
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.noise = append(b.noise, line)
}

func (b *tab) assertQuiet() {
	b.t.Helper()
	if noise := b.console(); len(noise) > 0 {
		b.t.Errorf("the console is not empty: %q", noise)
	}
}

func (b *tab) console() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.noise)
}

func (b *tab) run(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatalf("%v; the console: %q", err, b.console())
	}
}

// look takes a picture of the whole page and checks what a program can see of its quality.
func (b *tab) look(page string) {
	b.t.Helper()
	type sight struct {
		Inner, Scroll, Narrowest int64
		Page, Lang               string
		Headings, Unlabelled     int
		Styled                   bool
	}
	picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	must(b.t, err)
	seen, err := chromedp.Run(b.ctx, chromedp.Evaluate[sight](`(() => {
		const buttons = [...document.querySelectorAll("button")].map(b => b.getBoundingClientRect().height)
		const inputs = [...document.querySelectorAll("input:not([type=hidden])")]
		return {
			Inner: innerWidth, Scroll: document.documentElement.scrollWidth, Narrowest: Math.floor(Math.min(999, ...buttons)),
			Page: document.body.dataset.page, Lang: document.documentElement.lang,
			Headings: document.querySelectorAll("h1").length, Unlabelled: inputs.filter(i => i.labels.length !== 1).length,
			Styled: document.styleSheets.length === 1 && document.styleSheets[0].cssRules.length > 0,
		}
	})()`))
	must(b.t, err)
	folder := filepath.Join(root, ".cache", "screenshots")
	must(b.t, os.MkdirAll(folder, 0o750))
	must(b.t, os.WriteFile(filepath.Join(folder, page+"-"+b.name+".png"), picture, 0o600))
	if seen.Page != page || seen.Inner != b.width || seen.Scroll > seen.Inner {
		b.t.Errorf("%s: page %q is %d px wide in a window of %d px", page, seen.Page, seen.Scroll, seen.Inner)
	}
	if seen.Lang == "" || seen.Headings != 1 || seen.Unlabelled != 0 || !seen.Styled {
		b.t.Errorf("%s: %+v: want a language, one heading, a label for each field, and the style sheet", page, seen)
	}
	if seen.Narrowest < 44 { // WCAG 2.5.5: what a finger can hit
		b.t.Errorf("%s: a button is %d px high", page, seen.Narrowest)
	}
}
