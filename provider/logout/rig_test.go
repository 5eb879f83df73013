package logout_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"signet/provider/audit"
	"signet/provider/deliver"
	"signet/provider/issue"
	"signet/provider/jose"
	"signet/provider/logout"
	"signet/provider/oauth"
	"signet/provider/session"
	"signet/provider/session/sessiontest"
	"signet/provider/web"
)

const (
	issuer      = "https://id.bank.example"
	pathEnd     = "/end_session"
	pathConfirm = "/end_session/confirm"
	out         = "https://app.example/signed-out"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// desk is the store, with the queue of deliveries.
type desk struct {
	*sessiontest.Store
	mu         sync.Mutex
	deliveries map[string]oauth.Delivery
	looked     chan struct{} // gets one for each look at the queue; may be nil
	joined     func()        // is called after each look at who takes part in a session; may be nil
}

func (d *desk) SessionParticipations(ctx context.Context, sid string) ([]oauth.Participation, error) {
	parts, err := d.Store.SessionParticipations(ctx, sid)
	if d.joined != nil {
		d.joined()
	}
	return parts, err
}

func (d *desk) ClaimDeliveries(_ context.Context, kinds []string, now time.Time, lease time.Duration, limit int) ([]oauth.Delivery, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.looked != nil {
		d.looked <- struct{}{}
	}
	var due []oauth.Delivery
	for id, one := range d.deliveries {
		if slices.Contains(kinds, one.Kind) && !one.NextAt.After(now) && len(due) < limit {
			one.NextAt = now.Add(lease)
			d.deliveries[id] = one
			due = append(due, one)
		}
	}
	return due, nil
}

func (d *desk) Commit(ctx context.Context, changes ...oauth.Change) error {
	if err := d.Store.Commit(ctx, changes...); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, change := range changes {
		switch c := change.(type) {
		case oauth.StoreDelivery:
			d.deliveries[c.Delivery.ID] = c.Delivery
		case oauth.RetryDelivery:
			one := d.deliveries[c.ID]
			one.NextAt, one.Attempts = c.NextAt, c.Attempts
			d.deliveries[c.ID] = one
		case oauth.FinishDelivery:
			delete(d.deliveries, c.ID)
		}
	}
	return nil
}

// pages answers with what it was called with.
type pages struct{}

// shown is a page.
type shown struct {
	Page     string // "ask", "out", "error"
	Client   string
	Action   string
	Fields   url.Values
	Continue string
	Frames   []string
	Error    oauth.Code
	Text     string
}

func show(w http.ResponseWriter, status int, page shown) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(page)
}

func (pages) AskLogout(w http.ResponseWriter, _ *http.Request, clientName, action string, fields url.Values) {
	show(w, http.StatusOK, shown{Page: "ask", Client: clientName, Action: action, Fields: fields})
}

func (pages) LoggedOut(w http.ResponseWriter, _ *http.Request, clientName, continueURL string, frames []string) {
	show(w, http.StatusOK, shown{Page: "out", Client: clientName, Continue: continueURL, Frames: frames})
}

func (pages) Stayed(w http.ResponseWriter, _ *http.Request) {
	show(w, http.StatusOK, shown{Page: "stayed"})
}

func (pages) WriteError(w http.ResponseWriter, _ *http.Request, err error) {
	public := web.Public(err)
	show(w, web.StatusOf(public.Code), shown{Page: "error", Error: public.Code, Text: public.Description})
}

// ring is this server's keys.
type ring struct{ set *jose.KeySet }

func (r ring) KeySet() *jose.KeySet { return r.set }
func (r ring) Algorithms() []string { return []string{"ES256"} }

// tokens makes logout tokens that can be read.
type tokens struct{ err error }

func (t *tokens) Subject(c *oauth.Client, userID string) (string, error) {
	return userID + "@" + c.ID, nil
}

// SessionID gives pairwise clients names of their own.
func (t *tokens) SessionID(c *oauth.Client, sid string) (string, error) {
	if c.SubjectType == oauth.SubjectPairwise {
		sid += "@" + c.ID
	}
	return sid, nil
}

func (t *tokens) LogoutToken(_ context.Context, c *oauth.Client, algs []string, sub, sid string, now time.Time) (string, error) {
	return fmt.Sprintf("%s for %s, %q, at %d, by %d algorithms", sub, c.ID, sid, now.Sub(noon)/time.Second, len(algs)), t.err
}

// opener decrypts by taking off two parts.
type opener struct{ err error }

func (o *opener) Decrypt(_ context.Context, compact string) ([]byte, error) {
	return []byte(compact[len("a.b."):]), o.err
}

// post is what a client was sent.
type post struct{ URL, Type, Body string }

// world answers posts by a script of statuses, the last one for ever; 0 is no answer.
type world struct {
	mu     sync.Mutex
	script []int
	got    []post
	err    error
}

func (w *world) Post(_ context.Context, address string, header http.Header, body []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.got = append(w.got, post{address, header.Get("Content-Type"), string(body)})
	status := w.script[0]
	if len(w.script) > 1 {
		w.script = w.script[1:]
	}
	if status == 0 {
		return 0, w.err
	}
	return status, nil
}

type rig struct {
	*logout.Service
	*deliver.Runner
	t        testing.TB
	store    *desk
	sessions *session.Manager
	world    *world
	tokens   *tokens
	opener   *opener
	key      *jose.PrivateKey
	now      time.Time
	browser  sessiontest.Browser
	sid      string // of the browser's session
	handler  http.Handler
}

// clients are those that take part in the sessions of these tests.
func clients() []*oauth.Client {
	return []*oauth.Client{
		{
			ID: "app", Name: "The App", PostLogoutRedirectURIs: []string{out, out + "?a=b", "com.example.app:/out"},
			FrontchannelLogoutURI: "https://app.example/front?x=y", FrontchannelLogoutSession: true,
			BackchannelLogoutURI: "https://app.example/back", BackchannelLogoutSession: true,
			InitiateLoginURI: "https://app.example/login?via=bank",
		},
		{
			ID: "shop", PostLogoutRedirectURIs: []string{"https://shop.example/bye"},
			FrontchannelLogoutURI: "https://shop.example/front", BackchannelLogoutURI: "https://shop.example/back",
		},
		{ID: "silent", Name: "Silent"},
		{
			ID: "pair", SubjectType: oauth.SubjectPairwise, PostLogoutRedirectURIs: []string{"https://pair.example/bye"},
			FrontchannelLogoutURI: "https://pair.example/front", FrontchannelLogoutSession: true,
			BackchannelLogoutURI: "https://pair.example/back", BackchannelLogoutSession: true,
		},
		{ID: "off", Disabled: true, PostLogoutRedirectURIs: []string{"https://off.example/bye"}, InitiateLoginURI: "https://off.example/login", BackchannelLogoutURI: "https://off.example/back"},
	}
}

func newKey(t testing.TB) (*jose.PrivateKey, *jose.KeySet) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := jose.NewPrivateKey("ES256", "k", private)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := jose.MarshalKeySet([]jose.PublicKey{{Kid: "k", Alg: "ES256", Public: private.Public()}})
	if err != nil {
		t.Fatal(err)
	}
	set, err := jose.ParseKeySet(raw)
	if err != nil {
		t.Fatal(err)
	}
	return key, set
}

func newRig(t testing.TB, changes ...func(*logout.Deps)) *rig {
	t.Helper()
	r := &rig{
		t: t, now: noon, world: &world{script: []int{http.StatusOK}}, tokens: &tokens{}, opener: &opener{}, browser: sessiontest.Browser{},
		store: &desk{Store: sessiontest.NewStore(clients(), nil), deliveries: map[string]oauth.Delivery{}},
	}
	clock := func() time.Time { return r.now }
	key, set := newKey(t)
	r.key = key
	var err error
	r.sessions, err = session.New(session.Deps{Store: r.store, Clock: clock, Random: rand.Reader, Lifetime: time.Hour, BrowserState: true})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	if r.Runner, err = deliver.New(deliver.Deps{Store: r.store, Clock: clock, Log: log}); err != nil {
		t.Fatal(err)
	}
	deps := logout.Deps{
		Store: r.store, Sessions: r.sessions, Pages: pages{}, Hints: issue.Hints{Issuer: issuer, Keys: ring{set}}, Decrypt: r.opener,
		Record: audit.NewRecorder(clock, rand.Reader), Audit: r.store, Floor: oauth.Profiles[oauth.ProfileOpenID], Issuer: issuer,
		Path: pathEnd, ConfirmPath: pathConfirm, Frontchannel: true, Backchannel: true, Queue: r.Runner, Tokens: r.tokens, Post: r.world,
		RetryFor: time.Hour, Clock: clock, Random: rand.Reader, Log: log,
	}
	for _, change := range changes {
		change(&deps)
	}
	if r.Service, err = logout.New(deps); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle(pathEnd, r.EndSession())
	mux.Handle(pathConfirm, r.Confirm())
	mux.Handle("/check_session", r.CheckSession())
	mux.Handle("/initiate_login", r.InitiateLogin())
	r.handler = mux
	return r
}

// login signs the user in, and notes which clients take part by which grants.
func (r *rig) login(user string, parts ...oauth.Participation) {
	r.t.Helper()
	login, err := r.sessions.Start(r.browser.Request(http.MethodGet, "/", nil), oauth.EndUser{ID: user, AuthTime: r.now})
	if err != nil {
		r.t.Fatal(err)
	}
	changes := login.Changes
	for _, p := range parts {
		p.SessionID = login.User.SessionID
		changes = append(changes, oauth.JoinSession{Participation: p})
	}
	if err := r.store.Commit(r.t.Context(), changes...); err != nil {
		r.t.Fatal(err)
	}
	r.browser.Send(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { login.Write(w) }), r.browser.Request(http.MethodGet, "/", nil))
	r.sid, r.store.Commits = login.User.SessionID, nil
}

// signedIn says whether the browser's session is alive.
func (r *rig) signedIn() bool {
	r.t.Helper()
	current, err := r.sessions.Current(r.browser.Request(http.MethodGet, "/", nil))
	if err != nil {
		r.t.Fatal(err)
	}
	return current != nil
}

// idToken is one of this server for the client about the browser's session; changes replace its claims, nil ones are
// left out.
func (r *rig) idToken(client string, changes map[string]any) string {
	r.t.Helper()
	return r.sign("JWT", r.claims(client, changes))
}

func (r *rig) claims(client string, changes map[string]any) map[string]any {
	claims := map[string]any{
		"iss": issuer, "sub": "u1", "aud": client, "iat": noon.Unix(), "exp": noon.Add(5 * time.Minute).Unix(),
		"auth_time": noon.Unix(), "sid": r.sid,
	}
	maps.Copy(claims, changes)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	return claims
}

func (r *rig) sign(typ string, claims map[string]any) string {
	r.t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		r.t.Fatal(err)
	}
	compact, err := r.key.Sign(typ, payload)
	if err != nil {
		r.t.Fatal(err)
	}
	return compact
}

// reply is an answer: a page or a redirect.
type reply struct {
	*httptest.ResponseRecorder
	shown
	To string // Location
}

func (r *rig) send(req *http.Request) reply {
	r.t.Helper()
	answer := r.browser.Send(r.handler, req)
	got := reply{ResponseRecorder: answer, To: answer.Header().Get("Location")}
	if got.To == "" {
		if err := json.Unmarshal(answer.Body.Bytes(), &got.shown); err != nil {
			r.t.Fatalf("%d %s: %v", answer.Code, answer.Body, err)
		}
	} else if answer.Code != http.StatusSeeOther {
		r.t.Errorf("redirected by %d", answer.Code)
	}
	return got
}

func (r *rig) get(values url.Values) reply {
	r.t.Helper()
	return r.send(r.browser.Request(http.MethodGet, pathEnd+"?"+values.Encode(), nil))
}

// answer submits the form of the page that asked.
func (r *rig) answer(asked reply, decision string) reply {
	r.t.Helper()
	form := maps.Clone(asked.Fields)
	form.Set(session.FieldDecision, decision)
	req := r.browser.Request(http.MethodPost, asked.Action, form)
	req.Header.Set("Origin", issuer)
	return r.send(req)
}

// entries are the audit entries, committed or queued, by event.
func (r *rig) entries(event audit.Event) []oauth.AuditEntry {
	var found []oauth.AuditEntry
	for _, commit := range r.store.Commits {
		for _, change := range commit {
			if c, ok := change.(oauth.RecordAudit); ok && c.Entry.Event == string(event) {
				found = append(found, c.Entry)
			}
		}
	}
	for _, entry := range r.store.Spooled {
		if entry.Event == string(event) {
			found = append(found, entry)
		}
	}
	return found
}
