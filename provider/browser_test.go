package provider_test

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"html"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

var (
	formTag  = regexp.MustCompile(`(?s)<form [^>]*\bid="([^"]+)"[^>]*action="([^"]+)"[^>]*>(.*?)</form>`)
	inputTag = regexp.MustCompile(`<input[^>]*type="hidden"[^>]*name="([^"]+)"[^>]*value="([^"]*)"`)
)

// browser walks the pages as a person without script would.
type browser struct {
	h      *house
	client *http.Client
	page   reply
	at     *url.URL // the page, or the callback once it is reached
}

func (h *house) browser() *browser {
	client := h.http(nil)
	jar, err := cookiejar.New(nil)
	must(h.t, err)
	client.Jar = jar
	return &browser{h: h, client: client}
}

// open follows redirects until a page is shown or the callback is reached; it returns the callback's
// parameters, or nil at a page.
func (b *browser) open(target string) url.Values {
	b.h.t.Helper()
	for range 10 {
		at, err := url.Parse(target)
		must(b.h.t, err)
		b.at = at
		b.page = b.h.get(b.client, target)
		next := b.page.Header.Get("Location")
		if next == "" {
			return nil
		}
		if answer := b.follow(next, &target); answer != nil {
			return answer
		}
	}
	b.h.t.Fatal("too many redirects")
	return nil
}

func (b *browser) follow(location string, target *string) url.Values {
	next, err := b.at.Parse(location)
	must(b.h.t, err)
	if strings.HasPrefix(next.String(), callback) {
		b.at = next
		return next.Query()
	}
	*target = next.String()
	return nil
}

// submit fills in the page's form by its id and sends it.
func (b *browser) submit(id string, fields ...string) url.Values {
	b.h.t.Helper()
	for _, match := range formTag.FindAllStringSubmatch(b.page.Body, -1) {
		if match[1] != id {
			continue
		}
		values := form(fields...)
		for _, hidden := range inputTag.FindAllStringSubmatch(match[3], -1) {
			values.Set(html.UnescapeString(hidden[1]), html.UnescapeString(hidden[2]))
		}
		action, err := b.at.Parse(html.UnescapeString(match[2]))
		must(b.h.t, err)
		b.at = action
		b.page = b.h.post(b.client, action.String(), values, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-origin") })
		next := b.page.Header.Get("Location")
		if next == "" {
			return nil
		}
		var target string
		if answer := b.follow(next, &target); answer != nil {
			return answer
		}
		return b.open(target)
	}
	b.h.t.Fatalf("no form %q in a page with status %d: %s", id, b.page.Status, b.page.Body)
	return nil
}

// flow is one authorization request with its PKCE verifier.
type flow struct{ query, verifier string }

func newFlow(clientID, scope string, more ...string) flow {
	verifier := rand.Text() + rand.Text()
	sum := sha256.Sum256([]byte(verifier))
	query := form("response_type", "code", "client_id", clientID, "redirect_uri", callback, "scope", scope, "state", "s1", "nonce", "n1",
		"code_challenge", base64.RawURLEncoding.EncodeToString(sum[:]), "code_challenge_method", "S256")
	for name, values := range form(more...) {
		query[name] = values
	}
	return flow{query.Encode(), verifier}
}

// login opens the flow, logs alice in and consents; it returns the callback's parameters.
func (b *browser) login(f flow) url.Values {
	b.h.t.Helper()
	if answer := b.open(b.h.issuer + "/authorize?" + f.query); answer != nil {
		return answer
	}
	if strings.Contains(b.page.Body, `id="login-form"`) {
		if answer := b.submit("login-form", "username", "alice", "password", password); answer != nil {
			return answer
		}
	}
	return b.submit("consent-form", approval(b.h.t, b.page.Body)...)
}

// approval is the name and value of the page's approving button.
func approval(t testing.TB, page string) []string {
	t.Helper()
	match := regexp.MustCompile(`id="consent-approve"[^>]*name="([^"]+)" value="([^"]+)"`).FindStringSubmatch(page)
	if match == nil {
		t.Fatalf("no approving button: %s", page)
	}
	return match[1:]
}

// code walks a whole flow and returns its authorization code.
func (h *house) code(f flow) string {
	h.t.Helper()
	answer := h.browser().login(f)
	if answer.Get("code") == "" {
		h.t.Fatalf("no code: %v", answer)
	}
	return answer.Get("code")
}

// redeem sends the code to the token endpoint.
func (f flow) redeem(code string) url.Values {
	return form("grant_type", "authorization_code", "code", code, "redirect_uri", callback, "code_verifier", f.verifier)
}
