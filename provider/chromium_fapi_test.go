package provider_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"signet/provider/oauth"
)

// longPayment is as much as the pages have to hold: a name without a space in it, and a list.
const longPayment = `[{"type":"payment","creditorName":"Donaudampfschifffahrtsgesellschaftskapitänswitwenversicherung & Co KG",` +
	`"instructedAmount":{"currency":"EUR","amount":"1234567.89"},"actions":["initiate","status","cancel"]}]`

// TestChromiumFAPI agrees to a payment, and answers requests of the backchannel, in a real browser and by keyboard
// alone, on a narrow and on a wide screen. The pages' pictures go to .cache/screenshots.
func TestChromiumFAPI(t *testing.T) {
	s := newSite(t, 1, fapiConfig(t, ""))
	s.user("alice")
	app := s.newClientSite()
	chromium := s.newChromium()
	for _, width := range []int64{360, 1280} {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			s := s.with(t)
			client := fmt.Sprintf("app-%d", width)
			s.register(client, func(c *oauth.Client) {
				c.Name, c.RedirectURIs, c.DetailsTypes = "Budget Planner", []string{app.url}, []string{"payment"}
				c.GrantTypes, c.BackchannelMode = append(c.GrantTypes, oauth.GrantCIBA), oauth.BackchannelPoll
			})
			tab := s.newTab(chromium, fmt.Sprintf("fapi-%d", width), width)

			f := newFlow(client, "openid profile offline_access accounts", "redirect_uri", app.url, "authorization_details", longPayment)
			tab.run(chromedp.Navigate(s.issuer+"/authorize?"+f.query), chromedp.WaitVisible(chromedp.ID("login-form")))
			tab.signIn()
			tab.run(chromedp.WaitVisible(chromedp.ID("consent-details")))
			tab.look("consent")
			tab.shows("detail-0", "Make this payment", "Donaudampfschifffahrtsgesellschaftskapitänswitwenversicherung & Co KG", "1234567.89", "EUR", "cancel")
			tab.tabTo("consent-approve")
			tab.run(chromedp.KeyEvent("\r"), chromedp.WaitVisible(chromedp.ID("arrived")))
			if answer := app.last(); answer.Get("code") == "" {
				t.Errorf("callback: %v", answer)
			}
			s.answerByKeyboard(tab, client)
			tab.assertQuiet()
		})
	}
}

// answerByKeyboard approves one request and declines another.
func (s *site) answerByKeyboard(tab *tab, client string) {
	t := s.t
	t.Helper()
	plain := s.http(nil)
	ask := func(message string, more ...string) (authReqID string) {
		r := s.post(plain, s.issuer+"/bc-authorize", form(append(more, "scope", "openid accounts", "login_hint", "alice", "binding_message", message)...), basic(client))
		if r.Status != http.StatusOK {
			t.Fatalf("%d %s", r.Status, r.Body)
		}
		return r.text("auth_req_id")
	}
	approved, declined := ask("Table 7: Espresso", "authorization_details", longPayment), ask("WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW")
	tab.run(chromedp.Navigate(s.issuer+"/interaction/approvals"), chromedp.WaitVisible(chromedp.ID("approvals-user")))
	tab.look("approvals")
	ids, err := chromedp.Run(tab.ctx, chromedp.Evaluate[[]string](`[...document.querySelectorAll("form.request")].map(f => f.id.replace("approval-", ""))`))
	must(t, err)
	if len(ids) != 2 { // the newest first
		t.Fatalf("%d requests on the page", len(ids))
	}
	tab.shows("approval-"+ids[1], "Budget Planner", "Table 7: Espresso", "Make this payment", "1234567.89", "See your accounts")
	approve := func() {
		tab.tabTo("approve-" + ids[1])
		tab.run(chromedp.KeyEvent("\r"), chromedp.WaitVisible(chromedp.CSS("#approvals-done, #login-form")))
	}
	approve()
	if tab.has("login-form") { // the login is from before the payment was asked for, unless all was within one second
		tab.signIn()
		tab.run(chromedp.WaitVisible(chromedp.ID("approvals-user")))
		approve()
	}
	tab.run(chromedp.WaitNotPresent(chromedp.ID("approval-" + ids[1])))
	tab.shows("approvals-done", "approved")
	tab.tabTo("deny-" + ids[0])
	tab.run(chromedp.KeyEvent(" "), chromedp.WaitVisible(chromedp.ID("approvals-none")))
	tab.shows("approvals-done", "declined")
	tab.name += "-none"
	tab.look("approvals")

	poll := func(authReqID string) reply {
		return s.post(plain, s.issuer+"/token", form("grant_type", oauth.GrantCIBA, "auth_req_id", authReqID), basic(client))
	}
	if r := poll(approved); r.Status != http.StatusOK || r.JSON["authorization_details"] == nil {
		t.Errorf("approved: %d %s", r.Status, r.Body)
	}
	if r := poll(declined); r.text("error") != "access_denied" {
		t.Errorf("declined: %d %s", r.Status, r.Body)
	}
}

// signIn fills in the login form.
func (b *tab) signIn() {
	b.t.Helper()
	b.tabTo("username")
	b.run(chromedp.KeyEvent("alice"))
	b.tabTo("password")
	b.run(chromedp.KeyEvent(password + "\r"))
}

// has says whether the element is there.
func (b *tab) has(id string) bool {
	b.t.Helper()
	there, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](fmt.Sprintf(`document.getElementById(%q) !== null`, id)))
	must(b.t, err)
	return there
}

// tabTo presses the tabulator until the element has the focus, and can be seen to have it.
func (b *tab) tabTo(id string) {
	b.t.Helper()
	type focus struct {
		ID   string
		Seen bool
	}
	const where = `(() => {
		const e = document.activeElement, style = getComputedStyle(e)
		return {ID: e.id, Seen: style.outlineStyle !== "none" || style.boxShadow !== "none"}
	})()`
	for range 40 {
		at, err := chromedp.Run(b.ctx, chromedp.Evaluate[focus](where))
		must(b.t, err)
		if at.ID == id {
			if !at.Seen {
				b.t.Errorf("%s has the focus, and nobody can see that", id)
			}
			return
		}
		b.run(chromedp.KeyEvent("\t"))
	}
	b.t.Fatalf("the tabulator does not reach %s", id)
}

// shows says that all the texts are in the element, in words that a person sees.
func (b *tab) shows(id string, texts ...string) {
	b.t.Helper()
	seen, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](fmt.Sprintf(`document.getElementById(%q).innerText`, id)))
	must(b.t, err)
	for _, text := range texts {
		if !strings.Contains(seen, text) {
			b.t.Errorf("%s does not show %q: %s", id, text, seen)
		}
	}
}
