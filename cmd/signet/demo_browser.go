package main

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// checkBrowser does what a person would: opens the printed URL, signs in as alice, agrees if asked, and
// reads the page at which it ends. The pages work without a script, so plain HTTP is enough.
func (d *demonstration) checkBrowser(ctx context.Context) (lastPage string, err error) {
	flow, err := d.callback.begin(ctx)
	if err != nil {
		return "", err
	}
	b, err := newBrowser(d.path("pki", "ca.pem"))
	if err != nil {
		return "", err
	}
	defer b.client.CloseIdleConnections()
	if err := b.open(ctx, flow.URL); err != nil {
		return b.page, err
	}
	for range 4 {
		switch b.pageName() {
		case "login":
			err = b.submit(ctx, "login-form", url.Values{"username": {"alice"}, "password": {d.password}})
		case "consent":
			err = b.submit(ctx, "consent-form", b.button("consent-approve"))
		case "callback":
			if !strings.Contains(b.page, `data-ok="true"`) {
				return b.page, errors.New("the callback's page says that it did not work")
			}
			return b.page, nil
		default:
			return b.page, fmt.Errorf("unexpected page at %s", b.at)
		}
		if err != nil {
			return b.page, err
		}
	}
	return b.page, errors.New("the pages go round in circles")
}

// browser is the least that can walk through forms: it follows redirects and keeps cookies.
type browser struct {
	client *http.Client
	at     *url.URL
	page   string
}

func newBrowser(ca string) (*browser, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	transport, err := (&clientSettings{CA: ca}).transport()
	if err != nil {
		return nil, err
	}
	return &browser{client: &http.Client{Jar: jar, Transport: transport, Timeout: 20 * time.Second}}, nil
}

func (b *browser) open(ctx context.Context, address string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	return b.do(request)
}

// submit posts a form with its hidden fields and the given ones.
func (b *browser) submit(ctx context.Context, formID string, fields url.Values) error {
	form := element("form", formID).FindString(b.page)
	if form == "" {
		return fmt.Errorf("the page has no form %s", formID)
	}
	action, err := b.at.Parse(attribute(form, "action"))
	if err != nil {
		return err
	}
	inner := b.page[strings.Index(b.page, form):]
	inner, _, _ = strings.Cut(inner, "</form>")
	for _, input := range hiddenInput.FindAllString(inner, -1) {
		fields.Set(attribute(input, "name"), attribute(input, "value"))
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, action.String(), strings.NewReader(fields.Encode()))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Origin", action.Scheme+"://"+action.Host)
	return b.do(request)
}

func (b *browser) do(request *http.Request) error {
	response, err := b.client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return err
	}
	b.at, b.page = response.Request.URL, string(raw)
	return nil
}

func (b *browser) pageName() string {
	return attribute(regexp.MustCompile(`<body[^>]*>`).FindString(b.page), "data-page")
}

// button is what pressing the button sends.
func (b *browser) button(id string) url.Values {
	tag := element("button", id).FindString(b.page)
	return url.Values{attribute(tag, "name"): {attribute(tag, "value")}}
}

var hiddenInput = regexp.MustCompile(`<input type="hidden"[^>]*>`)

func element(tag, id string) *regexp.Regexp {
	return regexp.MustCompile(`<` + tag + `[^>]* id="` + regexp.QuoteMeta(id) + `"[^>]*>`)
}

func attribute(tag, name string) string {
	match := regexp.MustCompile(` ` + name + `="([^"]*)"`).FindStringSubmatch(tag)
	if match == nil {
		return ""
	}
	return html.UnescapeString(match[1])
}
