package logout_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/provider/audit"
	"signet/provider/jose"
	"signet/provider/logout"
	"signet/provider/oauth"
	"signet/provider/session"
)

func TestNewListsAllThatIsMissing(t *testing.T) {
	_, err := logout.New(logout.Deps{Backchannel: true, Path: "/x", ConfirmPath: "/x"})
	for _, want := range []string{"Store", "Hints", "Audit", "Floor", "ConfirmPath", "Queue", "Clock"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not missed: %v", want, err)
		}
	}
}

// TestEndSession is what becomes of a request, by who sends it about what.
func TestEndSession(t *testing.T) {
	other, _ := newKey(t)
	none := func(*rig) string { return "" }
	own := func(r *rig) string { return r.idToken("app", nil) }
	with := func(changes map[string]any) func(*rig) string {
		return func(r *rig) string { return r.idToken("app", changes) }
	}
	for name, c := range map[string]struct {
		away    bool // nobody is signed in
		hint    func(*rig) string
		params  []string
		to      string // where the browser goes
		page    string // what it is shown instead
		text    string // of the error
		stays   bool   // the session does
		later   time.Duration
		decrypt error
	}{
		"this very session":                    {hint: own, page: "out"},
		"this very session, to be redirected":  {hint: own, params: []string{"post_logout_redirect_uri", out}, to: out},
		"with a state":                         {hint: own, params: []string{"post_logout_redirect_uri", out, "state", "a b&c+d#e"}, to: out + "?state=a%20b%26c%2Bd%23e"},
		"with a state, to a URI with a query":  {hint: own, params: []string{"post_logout_redirect_uri", out + "?a=b", "state", "s"}, to: out + "?a=b&state=s"},
		"to an app":                            {hint: own, params: []string{"post_logout_redirect_uri", "com.example.app:/out", "state", "s"}, to: "com.example.app:/out?state=s"},
		"a state leads nowhere":                {hint: own, params: []string{"state", "s"}, page: "out"},
		"expired meanwhile":                    {hint: own, later: 30 * time.Minute, params: []string{"post_logout_redirect_uri", out}, to: out},
		"the right client_id beside it":        {hint: own, params: []string{"client_id", "app", "post_logout_redirect_uri", out}, to: out},
		"hints for people change nothing":      {hint: own, params: []string{"logout_hint", "anna", "ui_locales", "fi de"}, page: "out"},
		"parameters nobody knows":              {hint: own, params: []string{"redirect_uri", "https://evil.example", "post_logout_redirect_uri", out}, to: out},
		"encrypted to this server":             {hint: func(r *rig) string { return "a.b." + own(r) }, params: []string{"post_logout_redirect_uri", out}, to: out},
		"no session any more":                  {hint: own, away: true, params: []string{"post_logout_redirect_uri", out, "state", "s"}, to: out + "?state=s"},
		"no session, nowhere to go":            {hint: own, away: true, page: "out"},
		"no session, no parameters":            {hint: none, away: true, page: "out"},
		"no session, a client_id alone":        {hint: none, away: true, params: []string{"client_id", "app", "post_logout_redirect_uri", out}, to: out},
		"no parameters":                        {hint: none, page: "ask", stays: true},
		"only a state":                         {hint: none, params: []string{"state", "s"}, page: "ask", stays: true},
		"a client_id alone":                    {hint: none, params: []string{"client_id", "app", "post_logout_redirect_uri", out}, page: "ask", stays: true},
		"another session of the user":          {hint: with(map[string]any{"sid": "another"}), params: []string{"post_logout_redirect_uri", out}, page: "ask", stays: true},
		"a token of no session":                {hint: with(map[string]any{"sid": nil}), page: "ask", stays: true},
		"another user's session":               {hint: with(map[string]any{"sid": "another", "sub": "u2"}), page: "ask", stays: true},
		"a URI that is not registered":         {hint: own, params: []string{"post_logout_redirect_uri", out + "/evil"}, page: "error", text: "not one that the client has registered", stays: true},
		"a query was added":                    {hint: own, params: []string{"post_logout_redirect_uri", out + "?foo=bar"}, page: "error", text: "not one that the client has registered", stays: true},
		"another client's URI":                 {hint: own, params: []string{"post_logout_redirect_uri", "https://shop.example/bye"}, page: "error", text: "not one that", stays: true},
		"a URI that differs in case":           {hint: own, params: []string{"post_logout_redirect_uri", strings.ToUpper(out)}, page: "error", text: "not one that", stays: true},
		"nobody stands behind the URI":         {hint: none, params: []string{"post_logout_redirect_uri", out}, page: "error", text: "needs an id_token_hint or a client_id", stays: true},
		"nobody does, and nobody is signed in": {hint: none, away: true, params: []string{"post_logout_redirect_uri", out}, page: "error", text: "needs an id_token_hint"},
		"another client_id":                    {hint: own, params: []string{"client_id", "shop"}, page: "error", text: "another client than client_id", stays: true},
		"a client that does not exist":         {hint: none, params: []string{"client_id", "nobody"}, page: "error", text: "unknown or disabled", stays: true},
		"a disabled client":                    {hint: none, params: []string{"client_id", "off", "post_logout_redirect_uri", "https://off.example/bye"}, page: "error", text: "unknown or disabled", stays: true},
		"a disabled client's token":            {hint: func(r *rig) string { return r.idToken("off", nil) }, page: "error", text: "unknown or disabled", stays: true},
		"for two clients":                      {hint: with(map[string]any{"aud": []string{"app", "shop"}}), page: "error", text: "more than one client", stays: true},
		"another issuer's":                     {hint: with(map[string]any{"iss": "https://other.example"}), page: "error", text: "no ID token of this server", stays: true},
		"no login in it":                       {hint: with(map[string]any{"auth_time": nil}), page: "error", text: "no ID token of this server", stays: true},
		"a sid of the wrong type":              {hint: with(map[string]any{"sid": 7}), page: "error", text: "malformed", stays: true},
		"too old":                              {hint: with(map[string]any{"iat": noon.Add(-91 * 24 * time.Hour).Unix()}), page: "error", text: "too long ago", stays: true},
		"an access token":                      {hint: func(r *rig) string { return r.sign("at+jwt", r.claims("app", nil)) }, page: "error", text: "no ID token of this server", stays: true},
		"a logout token":                       {hint: func(r *rig) string { return r.sign("logout+jwt", r.claims("app", nil)) }, page: "error", text: "no ID token of this server", stays: true},
		"signed by somebody else": {
			hint: func(r *rig) string { r.key = other; return own(r) }, params: []string{"post_logout_redirect_uri", out},
			page: "error", text: "was not signed by this server", stays: true,
		},
		"without a signature": {
			hint: func(r *rig) string {
				_, rest, _ := strings.Cut(own(r), ".")
				payload, _, _ := strings.Cut(rest, ".")
				return "eyJhbGciOiJub25lIn0." + payload + "."
			},
			params: []string{"post_logout_redirect_uri", out}, page: "error", text: "was not signed by this server", stays: true,
		},
		"nonsense":              {hint: func(*rig) string { return "nonsense" }, page: "error", text: "was not signed by this server", stays: true},
		"not encrypted to us":   {hint: func(r *rig) string { return "a.b." + own(r) }, decrypt: fmt.Errorf("%w: no", jose.ErrDecryption), page: "error", text: "not so that this server can read it", stays: true},
		"the key cannot be had": {hint: func(r *rig) string { return "a.b." + own(r) }, decrypt: oauth.ErrUnavailable, page: "error", text: "cannot be completed at present", stays: true},
		"a parameter twice":     {hint: own, params: []string{"state", "a", "state", "b"}, page: "error", text: "more than once", stays: true},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.login("u1")
			values := url.Values{}
			if hint := c.hint(r); hint != "" {
				values.Set("id_token_hint", hint)
			}
			for i := 0; i < len(c.params); i += 2 {
				values.Add(c.params[i], c.params[i+1])
			}
			if c.away {
				clear(r.browser)
			}
			r.now, r.opener.err = r.now.Add(c.later), c.decrypt
			got := r.get(values)
			if got.To != c.to || got.Page != c.page || !strings.Contains(got.Text, c.text) || got.Text != "" && c.text == "" {
				t.Errorf("%d, to %q, %+v", got.Code, got.To, got.shown)
			}
			if r.signedIn() != c.stays {
				t.Errorf("signed in: %v", r.signedIn())
			}
			if ended := len(r.entries(audit.LogoutCompleted)); (ended == 1) != (!c.stays && !c.away) || ended > 1 {
				t.Errorf("%d entries say that the user was logged out", ended)
			}
			if _, state := r.browser[session.StateCookie]; state != c.stays {
				t.Errorf("there is a browser state: %v", state)
			}
		})
	}
}

// What a browser holds is dropped only when it has sent the session's cookie: no other site can have it dropped.
func TestStaleCookies(t *testing.T) {
	r := newRig(t)
	r.login("u1")
	held := maps.Clone(r.browser)
	clear(r.browser)
	if got := r.get(nil); got.Page != "out" || len(got.Result().Cookies()) != 0 {
		t.Errorf("%+v, %v", got.shown, got.Header())
	}
	maps.Copy(r.browser, held)
	r.now = r.now.Add(time.Hour) // the session is over
	if got := r.get(nil); got.Page != "out" || len(r.browser) != 0 {
		t.Errorf("%+v, %v", got.shown, r.browser)
	}
}

// A POST comes without our cookies: it goes on as a GET of our own.
func TestEndSessionByPost(t *testing.T) {
	r := newRig(t)
	r.login("u1")
	form := url.Values{"id_token_hint": {r.idToken("app", nil)}, "post_logout_redirect_uri": {out}, "state": {"s p"}, "client_id": {"app"}, "logout_hint": {"anna"}, "ui_locales": {"fi"}, "other": {"x"}}
	kept := r.browser
	r.browser = map[string]string{}
	first := r.send(r.browser.Request(http.MethodPost, pathEnd, form))
	r.browser = kept
	path, query, _ := strings.Cut(first.To, "?")
	got, err := url.ParseQuery(query)
	delete(form, "other")
	if diff := cmp.Diff(form, got); diff != "" || path != pathEnd || err != nil || first.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%s: %s, %v", path, diff, err)
	}
	if second := r.send(r.browser.Request(http.MethodGet, first.To, nil)); second.To != out+"?state=s%20p" || r.signedIn() {
		t.Errorf("to %q, signed in: %v", second.To, r.signedIn())
	}
	if got := r.send(r.browser.Request(http.MethodPost, pathEnd, url.Values{})); got.To != pathEnd {
		t.Errorf("without parameters: to %q", got.To)
	}
	twice := r.browser.Request(http.MethodPost, pathEnd, url.Values{"state": {"a", "b"}})
	if got := r.send(twice); got.Page != "error" {
		t.Errorf("a parameter twice: %+v", got.shown)
	}
}

func TestAsked(t *testing.T) {
	r := newRig(t)
	r.login("u1")
	params := url.Values{"client_id": {"app"}, "post_logout_redirect_uri": {out}, "state": {"s"}, "ui_locales": {"de"}, "other": {"x"}}
	asked := r.get(params)
	params.Del("other")
	params.Set(session.FieldSession, r.sid)
	if diff := cmp.Diff(shown{Page: "ask", Client: "The App", Action: pathConfirm, Fields: params}, asked.shown); diff != "" {
		t.Error(diff)
	}
	if got := r.get(url.Values{"client_id": {"shop"}}); got.Client != "shop" {
		t.Errorf("a client without a name: %+v", got.shown)
	}
	if got := r.get(nil); got.Client != "" {
		t.Errorf("nobody asks: %+v", got.shown)
	}
}

// TestConfirm is what becomes of the user's answer. What the form says besides is not believed.
func TestConfirm(t *testing.T) {
	hinted := func(r *rig) url.Values {
		return url.Values{"id_token_hint": {r.idToken("app", map[string]any{"sid": "another"})}, "post_logout_redirect_uri": {out}, "state": {"s"}}
	}
	nothing := func(*rig) url.Values { return nil }
	for name, c := range map[string]struct {
		request  func(*rig) url.Values
		decision string
		tamper   func(*rig, url.Values, *http.Header)
		to, page string
		text     string
		stays    bool
		refused  int // entries that say why
	}{
		"yes":                {request: hinted, decision: "approve", to: out + "?state=s"},
		"yes, by client_id":  {request: func(*rig) url.Values { return url.Values{"client_id": {"app"}, "post_logout_redirect_uri": {out}} }, decision: "approve", to: out},
		"yes, to nowhere":    {request: nothing, decision: "approve", page: "out"},
		"no":                 {request: hinted, decision: "deny", to: out + "?state=s", stays: true, refused: 1},
		"no, to nowhere":     {request: nothing, decision: "deny", page: "stayed", stays: true, refused: 1},
		"neither":            {request: hinted, decision: "perhaps", page: "error", text: "no answer", stays: true},
		"no answer":          {request: hinted, page: "error", text: "no answer", stays: true},
		"from another site":  {request: hinted, decision: "approve", tamper: func(_ *rig, _ url.Values, h *http.Header) { h.Set("Origin", "https://evil.example") }, page: "error", text: "another site", stays: true},
		"says the browser":   {request: hinted, decision: "approve", tamper: func(_ *rig, _ url.Values, h *http.Header) { h.Del("Origin"); h.Set("Sec-Fetch-Site", "cross-site") }, page: "error", text: "another site", stays: true},
		"to somewhere else":  {request: hinted, decision: "approve", tamper: func(_ *rig, f url.Values, _ *http.Header) { f.Set("post_logout_redirect_uri", "https://evil.example") }, page: "error", text: "not one that", stays: true, refused: 1},
		"without its client": {request: hinted, decision: "approve", tamper: func(_ *rig, f url.Values, _ *http.Header) { f.Del("id_token_hint") }, page: "error", text: "needs an id_token_hint", stays: true},
		"no means nowhere else, too": {
			request: hinted, decision: "deny", tamper: func(_ *rig, f url.Values, _ *http.Header) { f.Set("post_logout_redirect_uri", "https://evil.example") },
			page: "error", text: "not one that", stays: true, refused: 1,
		},
		"about another session":    {request: nothing, decision: "approve", tamper: func(_ *rig, f url.Values, _ *http.Header) { f.Set("session", "another") }, to: pathEnd, stays: true},
		"about no session":         {request: nothing, decision: "approve", tamper: func(_ *rig, f url.Values, _ *http.Header) { f.Del("session") }, to: pathEnd, stays: true},
		"signed out meanwhile":     {request: nothing, decision: "approve", tamper: func(r *rig, _ url.Values, _ *http.Header) { clear(r.browser) }, to: pathEnd},
		"somebody else signed in":  {request: nothing, decision: "approve", tamper: func(r *rig, _ url.Values, _ *http.Header) { r.login("u2") }, to: pathEnd, stays: true},
		"the same signed in again": {request: nothing, decision: "approve", tamper: func(r *rig, _ url.Values, _ *http.Header) { r.login("u1") }, page: "out"},
		"not a form":               {request: nothing, decision: "approve", tamper: func(_ *rig, _ url.Values, h *http.Header) { h.Set("Content-Type", "text/plain") }, page: "error", text: "content type", stays: true},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.login("u1")
			asked := r.get(c.request(r))
			if asked.Page != "ask" {
				t.Fatalf("not asked: %+v", asked.shown)
			}
			form, header := asked.Fields, http.Header{"Origin": {issuer}}
			if c.decision != "" {
				form.Set(session.FieldDecision, c.decision)
			}
			if c.tamper != nil {
				c.tamper(r, form, &header)
			}
			req := r.browser.Request(http.MethodPost, pathConfirm, form)
			for name, values := range header {
				req.Header[name] = values
			}
			got := r.send(req)
			if got.To != c.to || got.Page != c.page || !strings.Contains(got.Text, c.text) || got.Text != "" && c.text == "" {
				t.Errorf("%d, to %q, %+v", got.Code, got.To, got.shown)
			}
			if r.signedIn() != c.stays {
				t.Errorf("signed in: %v", r.signedIn())
			}
			if refused := r.entries(audit.LogoutRefused); len(refused) != c.refused {
				t.Errorf("refusals: %v", refused)
			}
		})
	}
	r := newRig(t)
	if got := r.send(r.browser.Request(http.MethodGet, pathConfirm, nil)); got.Code != http.StatusMethodNotAllowed {
		t.Errorf("by GET: %d", got.Code)
	}
}

// When something cannot be read or kept, nobody is logged out and nobody is told so.
func TestFailsClosed(t *testing.T) {
	fire := errors.New("disk on fire")
	for name, fail := range map[string]func(*rig){
		"nothing can be read": func(r *rig) { r.store.FailRead = fire },
		"nothing can be kept": func(r *rig) { r.store.FailWrite = fire },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.login("u1", oauth.Participation{ClientID: "app", GrantID: "g1"})
			before := len(r.browser)
			fail(r)
			got := r.get(url.Values{"id_token_hint": {r.idToken("app", nil)}, "post_logout_redirect_uri": {out}})
			if got.Page != "error" || got.Code != http.StatusInternalServerError || strings.Contains(got.Body.String(), "fire") {
				t.Errorf("%d %s", got.Code, got.Body)
			}
			r.store.Fail(nil)
			if !r.signedIn() || len(r.browser) != before || len(r.store.deliveries) != 0 {
				t.Errorf("signed in: %v, %d cookies, %d deliveries", r.signedIn(), len(r.browser), len(r.store.deliveries))
			}
		})
	}
	// The refusal stands although the audit queue is full.
	r := newRig(t)
	r.login("u1")
	r.store.FailWrite = fire
	if got := r.get(url.Values{"client_id": {"app"}, "post_logout_redirect_uri": {"https://evil.example"}}); got.Error != oauth.InvalidRequest {
		t.Errorf("%d %s", got.Code, got.Body)
	}
	// So does one at a browser of which nobody knows whose it is.
	r.store.FailRead = fire
	if got := r.get(url.Values{"id_token_hint": {"nonsense"}}); got.Error != oauth.InvalidRequest || strings.Contains(got.Body.String(), "fire") {
		t.Errorf("%d %s", got.Code, got.Body)
	}
}

// What is refused to somebody who is signed in is audited. Nobody else can fill the log.
func TestRefusalsAreAudited(t *testing.T) {
	r := newRig(t)
	r.login("u1")
	evil := url.Values{"client_id": {"app"}, "post_logout_redirect_uri": {"https://evil.example"}}
	r.get(evil)
	r.get(url.Values{"client_id": {"nobody"}})
	r.get(url.Values{"id_token_hint": {"nonsense"}})
	entries := r.entries(audit.LogoutRefused)
	if len(entries) != 1 || entries[0].ClientID != "app" || entries[0].Subject != "u1" || entries[0].RequestID != "request-1" ||
		entries[0].Detail["reason"] != "invalid_request: the post_logout_redirect_uri is not one that the client has registered" {
		t.Errorf("%+v", entries)
	}
	confirm := reply{shown: shown{Action: pathConfirm, Fields: evil}}
	if got := r.answer(confirm, session.DecisionApprove); got.Page != "error" || len(r.entries(audit.LogoutRefused)) != 2 {
		t.Errorf("%+v, %+v", got.shown, r.entries(audit.LogoutRefused))
	}
	r.now = r.now.Add(time.Hour) // the session is over
	for _, away := range []func(){func() {}, func() { clear(r.browser) }} {
		away()
		first, second := r.get(evil), r.answer(confirm, session.DecisionApprove)
		if first.Page != "error" || second.Page != "error" || len(r.entries(audit.LogoutRefused)) != 2 {
			t.Errorf("%+v, %+v, %+v", first.shown, second.shown, r.entries(audit.LogoutRefused))
		}
	}
}
