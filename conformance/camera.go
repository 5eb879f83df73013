package conformance

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"html"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/chromedp"
)

// What a picture may cost.
const (
	shootLimit = 20 * time.Second
	maxPicture = 500 << 10 // the suite's limit
)

// switchedOff are chromedp's own, and the question to a person whether a page may use what is on this machine: the style
// sheet of a page that is shown apart from its address is.
const switchedOff = "Translate,BlinkGenPropertyTrees,LocalNetworkAccessChecks"

// Chromium takes pictures with a headless Chromium, which it starts at the first one.
type Chromium struct {
	// Program is the browser; "" = the one that is found.
	Program string

	mu     sync.Mutex
	ctx    context.Context
	cancel []context.CancelFunc
}

// start runs the browser once. It takes the development certificates of the provider: what is photographed is what
// the suite has already seen.
func (c *Chromium) start() (context.Context, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx != nil {
		return c.ctx, nil
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.WindowSize(900, 720),
		chromedp.IgnoreCertErrors, chromedp.NoSandbox, chromedp.WSURLReadTimeout(shootLimit), chromedp.Flag("disable-features", switchedOff))
	if c.Program != "" {
		options = append(options, chromedp.ExecPath(c.Program))
	}
	allocator, endAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, end := chromedp.NewContext(allocator)
	if err := chromedp.Do(ctx); err != nil {
		end()
		endAllocator()
		return nil, fmt.Errorf("starting Chromium, which takes the pictures: %w", err)
	}
	c.ctx, c.cancel = ctx, []context.CancelFunc{end, endAllocator}
	return ctx, nil
}

// Warm starts the browser ahead of the first picture.
func (c *Chromium) Warm() error {
	_, err := c.start()
	return err
}

// Close ends the browser.
func (c *Chromium) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, cancel := range c.cancel {
		cancel()
	}
	c.ctx, c.cancel = nil, nil
}

// Shoot implements [Camera]. Each picture is taken in a context without cookies. Of a page whose HTML is known, the
// picture is of that, without its scripts, with the style sheets and images that it has from its address.
func (c *Chromium) Shoot(ctx context.Context, what Page) ([]byte, error) {
	browser, err := c.start()
	if err != nil {
		return nil, err
	}
	tab, end := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	defer end()
	stop := context.AfterFunc(ctx, end)
	defer stop()
	if err := chromedp.Do(tab); err != nil { // the tab lives as long as the context that it is first used with
		return nil, fmt.Errorf("opening a tab: %w", err)
	}
	limited, cancel := context.WithTimeout(tab, shootLimit)
	defer cancel()
	err = chromedp.Do(limited, chromedp.EmulateViewport(900, 720), open(what), chromedp.WaitReady("body"))
	if err != nil {
		return nil, fmt.Errorf("opening the page: %w", err)
	}
	png, err := chromedp.Run(limited, chromedp.CaptureScreenshot())
	switch {
	case err != nil:
		return nil, fmt.Errorf("taking the picture: %w", err)
	case len(png) == 0:
		return nil, errors.New("the picture is empty")
	case len(png) > maxPicture:
		return nil, fmt.Errorf("the picture has %d bytes, more than the suite takes", len(png))
	}
	return png, nil
}

// open loads the page as the suite's browser did: for POST, with the query's parameters in the body.
func open(what Page) chromedp.Action[chromedp.Void] {
	if what.HTML != "" {
		return chromedp.Navigate("data:text/html;charset=utf-8;base64," + base64.StdEncoding.EncodeToString([]byte(still(what))))
	}
	u, err := url.Parse(what.URL)
	if err != nil || what.Method != "POST" {
		return chromedp.Navigate(what.URL)
	}
	var form strings.Builder
	target := *u
	target.RawQuery = ""
	fmt.Fprintf(&form, `<form method="post" action="%s">`, html.EscapeString(target.String()))
	for name, values := range u.Query() {
		for _, value := range values {
			fmt.Fprintf(&form, `<input type="hidden" name="%s" value="%s">`, html.EscapeString(name), html.EscapeString(value))
		}
	}
	form.WriteString(`<button id="go">go</button></form>`)
	return chromedp.Steps(
		chromedp.Navigate("data:text/html,"+url.PathEscape(form.String())),
		chromedp.Click(chromedp.ID("go")),
		chromedp.WaitNotPresent(chromedp.ID("go")),
	)
}

var (
	scripts = regexp.MustCompile(`(?is)<script\b.*?</script>`)
	head    = regexp.MustCompile(`(?i)<head\b[^>]*>`)
)

// still is the page as it can be shown apart from its address: what it refers to is looked for there, and nothing in it
// moves.
func still(what Page) string {
	page := scripts.ReplaceAllString(what.HTML, "")
	base := `<base href="` + html.EscapeString(what.URL) + `">`
	if at := head.FindStringIndex(page); at != nil {
		return page[:at[1]] + base + page[at[1]:]
	}
	return base + page
}
