package authorize

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"signet/provider/binding"
	"signet/provider/issue"
	"signet/provider/oauth"
	"signet/provider/session"
	"signet/provider/session/sessiontest"
	"signet/provider/web"
)

// rig is an endpoint with a store in memory, and a browser that keeps its cookies.
type rig struct {
	*Endpoint
	t       *testing.T
	store   *sessiontest.Store
	now     time.Time
	cookies sessiontest.Browser
	asked   []oauth.Interaction // what Interact was called with
	sender  binding.Sender      // what whoever pushes has proved to hold
	failing error               // what signing returns

	frontErr  error             // what tokens in the answer are refused with
	withheld  oauth.Scope       // by policy, from tokens in the answer
	idClaims  map[string]any    // of policy
	decisions []string          // that policy has made about tokens in the answer
	documents map[string]string // what Get finds
	fetched   []string
	state     string // session_state of every answer
}

const (
	issuer   = "https://localhost:9443"
	callback = "https://app.example/cb"
	accounts = "https://localhost:9446"
	pushURL  = issuer + "/par"

	sessionLifetime = 8 * time.Hour
)

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, now: time.Unix(1_800_000_000, 0).UTC(), cookies: sessiontest.Browser{}}
	app := &oauth.Client{
		ID: "app", Name: "The App", AuthMethod: oauth.AuthPrivateKeyJWT, Scope: "openid profile accounts offline_access",
		GrantTypes: []string{oauth.GrantAuthorizationCode, oauth.GrantRefreshToken}, JWKS: keysOf(appKey),
		RedirectURIs: []string{callback, "https://app.example/cb?tenant=1"}, Resources: []string{accounts},
	}
	native := &oauth.Client{
		ID: "native", AuthMethod: oauth.AuthNone, Scope: "openid accounts", GrantTypes: []string{oauth.GrantAuthorizationCode},
		RedirectURIs: []string{"http://127.0.0.1/cb", "com.example.app:/cb"},
	}
	fapi, off, odd, machine, signing, advanced := *app, *app, *app, *app, *app, *app
	fapi.ID, fapi.Profile = "fapi", oauth.ProfileFAPI2Security
	signing.ID, signing.Profile = "signing", oauth.ProfileFAPI2MessageSigning
	advanced.ID, advanced.Profile, advanced.ResponseTypes = "advanced", oauth.ProfileFAPI1Advanced, []string{"code", "code id_token"}
	// web has every response type, single the implicit flow's alone; pairwise knows users by other names.
	web := *app
	web.ID, web.ResponseTypes, web.Scope = "web", ResponseTypes(), "openid profile email accounts offline_access"
	web.GrantTypes = append(slices.Clone(app.GrantTypes), oauth.GrantImplicit)
	single, pairwise := web, web
	single.ID, single.GrantTypes = "single", []string{oauth.GrantImplicit}
	single.ResponseTypes = []string{oauth.ResponseIDToken, oauth.ResponseIDTokenToken}
	pairwise.ID, pairwise.SubjectType = "pairwise", oauth.SubjectPairwise
	off.ID, off.Disabled = "off", true
	odd.ID, odd.Profile = "odd", "unheard-of"
	machine.ID, machine.GrantTypes = "machine", []string{oauth.GrantClientCredentials}
	r.store = sessiontest.NewStore(
		[]*oauth.Client{app, native, &fapi, &off, &odd, &machine, &signing, &advanced, &web, &single, &pairwise},
		[]oauth.User{
			{ID: "u1", Username: "anna", Claims: map[string]any{"name": "Anna", "email": "anna@bank.example", "nickname": "an"}},
			{ID: "u2", Username: "ben"},
		},
	)
	r.Endpoint = r.endpoint()
	return r
}

func (r *rig) endpoint() *Endpoint {
	clock := func() time.Time { return r.now }
	manager, err := session.New(session.Deps{Store: r.store, Clock: clock, Random: rand.Reader, Lifetime: sessionLifetime})
	if err != nil {
		r.t.Fatal(err)
	}
	issuing := issue.New(issue.Options{
		Issuer: issuer, Signer: r, Random: rand.Reader, Algs: []string{"ES256", "PS256"}, Subjects: issue.Subjects{Salt: "salt"},
	})
	endpoint, err := New(Deps{
		Store: r.store, Sessions: manager, Interact: r, Audit: r.store,
		ErrorPage: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, "PAGE "+string(web.Public(err).Code)+" "+web.Public(err).Description, http.StatusBadRequest)
		},
		FormPostPage: func(w http.ResponseWriter, _ *http.Request, name, action string, fields url.Values) {
			_, _ = w.Write([]byte("FORM " + name + " " + action + " " + fields.Encode()))
		},
		Authenticate: r.authenticator(clock), Bind: r, Details: r, Issue: issuing, Subjects: issuing,
		Hints: issue.Hints{Issuer: issuer, Keys: serverKeys{}}, Front: r.front, FrontIDToken: r.frontIDToken, Decrypt: r,
		SessionState:  func(*http.Request, *oauth.Client, string) (string, error) { return r.state, nil },
		ResponseTypes: ResponseTypes(), RequirePKCE: true,
		Issuer: issuer, ResumePath: "/authorize/resume", PushEndpoints: []string{pushURL}, Floor: oauth.Profiles[oauth.ProfileOpenID],
		ACRs: []string{"pw", "urn:bank:sca"}, GrantManagement: true,
		Scopes: []string{"openid", "profile", "email", "accounts", "payments", "offline_access"}, Resources: []string{accounts, "https://other.example"},
		CodeLifetime: time.Minute, RefreshLifetime: time.Hour, Lasts: lasts, InteractionLifetime: 15 * time.Minute,
		PushedLifetime: time.Minute, ResponseLifetime: 5 * time.Minute, IDTokenLifetime: 10 * time.Minute,
		Clock: clock, Random: rand.Reader, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return endpoint
}

// Interact implements Interactor.
func (r *rig) Interact(w http.ResponseWriter, _ *http.Request, waiting oauth.Interaction) {
	r.asked = append(r.asked, waiting)
	w.WriteHeader(http.StatusTeapot)
}

// params is a good request with changes: an empty value removes a parameter.
func params(changes ...string) url.Values {
	v := url.Values{
		"client_id": {"app"}, "redirect_uri": {callback}, "response_type": {"code"}, "scope": {"openid accounts"},
		"state": {"s&1"}, "nonce": {"n1"}, "code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"},
	}
	for pair := range slices.Chunk(changes, 2) {
		if pair[1] == "" {
			v.Del(pair[0])
		} else {
			v.Set(pair[0], pair[1])
		}
	}
	return v
}

// do sends a request with the browser's cookies, and keeps those of the answer.
func (r *rig) do(h http.Handler, method, target string, body url.Values) *http.Response {
	r.t.Helper()
	return r.send(h, r.cookies.Request(method, target, body))
}

func (r *rig) send(h http.Handler, req *http.Request) *http.Response {
	return r.cookies.Send(h, req).Result()
}

func (r *rig) get(v url.Values) *http.Response {
	r.t.Helper()
	return r.do(r.Endpoint, http.MethodGet, "/authorize?"+v.Encode(), nil)
}

// login gives the browser a session, and any parked request that user, as the login page does.
func (r *rig) login(userID string) oauth.EndUser {
	r.t.Helper()
	req := r.cookies.Request(http.MethodGet, "/", nil)
	login, err := r.deps.Sessions.Start(req, oauth.EndUser{ID: userID, AuthTime: r.now, ACR: "pw"})
	if err != nil {
		r.t.Fatal(err)
	}
	for _, waiting := range r.store.Waiting {
		waiting.User = &login.User
		login.Changes = append(login.Changes, oauth.UpdateInteraction{Interaction: waiting})
	}
	if err := r.store.Commit(context.Background(), login.Changes...); err != nil {
		r.t.Fatal(err)
	}
	r.store.Commits = nil
	r.send(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { login.Write(w) }), req)
	return login.User
}

func (r *rig) consent(userID string, scope oauth.Scope) {
	r.consentTo("app", userID, scope)
}

func (r *rig) consentTo(clientID, userID string, scope oauth.Scope) {
	r.store.Consents[[2]string{userID, clientID}] = oauth.Consent{
		UserID: userID, ClientID: clientID, Agreed: oauth.Agreement(scope, []string{accounts}, r.now.Add(lasts(nil, nil))),
	}
}

func lasts(*oauth.Client, oauth.Scope) time.Duration { return 30 * 24 * time.Hour }

// resumeURL is where the only parked request goes on.
func (r *rig) resumeURL() string {
	r.t.Helper()
	if len(r.store.Waiting) != 1 {
		r.t.Fatalf("%d requests are waiting, want 1", len(r.store.Waiting))
	}
	for digest := range r.store.Waiting {
		return session.PageURL("/authorize/resume", digest)
	}
	return ""
}

// codes are those committed.
func (r *rig) codes() (codes []oauth.AuthorizationCode) {
	for _, changes := range r.store.Commits {
		for _, change := range changes {
			if c, ok := change.(oauth.StoreCode); ok {
				codes = append(codes, c.Code)
			}
		}
	}
	return codes
}

// answerOf returns the parameters that a redirect carries in its query or fragment, after checking that it goes to
// uri and has what every answer has.
func (r *rig) answerOf(res *http.Response, uri string) url.Values {
	r.t.Helper()
	answer := r.carried(res, uri)
	if answer.Get("iss") != issuer {
		r.t.Errorf("iss = %q", answer.Get("iss"))
	}
	return answer
}

// carried is answerOf for an answer that may be a JWT.
func (r *rig) carried(res *http.Response, uri string) url.Values {
	r.t.Helper()
	rest, ok := strings.CutPrefix(res.Header.Get("Location"), uri)
	if res.StatusCode != http.StatusSeeOther || !ok || len(rest) < 2 || !strings.Contains("?#&", rest[:1]) {
		r.t.Fatalf("status %d, location %q", res.StatusCode, res.Header.Get("Location"))
	}
	if res.Header.Get("Cache-Control") != "no-store" || res.Header.Get("Referrer-Policy") != "no-referrer" {
		r.t.Errorf("headers: %v", res.Header)
	}
	answer, err := url.ParseQuery(rest[1:])
	if err != nil {
		r.t.Fatal(err)
	}
	return answer
}

func page(t *testing.T, res *http.Response) string {
	t.Helper()
	if location := res.Header.Get("Location"); location != "" {
		t.Fatalf("redirected to %q instead of showing a page", location)
	}
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var errDisk = errors.New("disk on fire")
