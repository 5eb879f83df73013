package token

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"signet/provider/audit"
	"signet/provider/issue"
	"signet/provider/keys/keystest"
	"signet/provider/oauth"
)

// knobDesk is an endpoint with a store that does what it is told, so that what one request was given the next can use.
type knobDesk struct {
	*bench
	at       rest
	now      time.Time
	refresh  RefreshOptions
	idTokens IDTokenOptions
	users    map[string]oauth.User
	changes  []oauth.Change // of the last commit
	before   func()         // is called before each commit; may be nil
	idToken  map[string]any // claims of the last one
}

// newDesk has a user and a code for these scopes, of a client that may have refresh tokens.
func newDesk(scope string) *knobDesk {
	d := &knobDesk{bench: newBench(), now: noon}
	d.client.Scope = "openid profile email offline_access accounts payments"
	d.code.Scope, _ = oauth.ParseScope(scope)
	d.code.User.AuthTime = noon
	d.code.Request.Scope = d.code.Scope
	d.users = map[string]oauth.User{"u1": {ID: "u1", Claims: map[string]any{"name": "Anna", "email": "anna@bank.example"}}}
	d.at = rest{
		codes: map[oauth.Digest]oauth.AuthorizationCode{d.code.Digest: d.code}, refresh: map[oauth.Digest]oauth.RefreshToken{},
		grants: map[string]oauth.Grant{"g1": {ID: "g1", ClientID: "c1", UserID: "u1", Scope: d.code.Scope, ExpiresAt: noon.Add(2 * time.Hour)}}, users: d.users,
	}
	return d
}

// sealed gives the desk a key to seal refresh tokens with, and leaves them unstored and unrotated.
func (d *knobDesk) sealed() *knobDesk {
	d.refresh = RefreshOptions{Seal: &issue.RefreshSeal{Sealer: keystest.NewMemory()}, Unstored: true, NoRotation: true}
	return d
}

func (d *knobDesk) Sign(_ context.Context, _, typ string, payload []byte) (string, error) {
	if typ == issue.TypeAccessToken {
		d.signed = nil
		return "access", json.Unmarshal(payload, &d.signed)
	}
	d.idToken = nil
	return "id", json.Unmarshal(payload, &d.idToken)
}

// RefreshToken and Grant implement RefreshStore.
func (d *knobDesk) RefreshToken(ctx context.Context, digest oauth.Digest) (oauth.RefreshToken, error) {
	token, err := d.at.RefreshToken(ctx, digest)
	token.Revoked = d.at.grants[token.GrantID].Revoked
	return token, err
}

func (d *knobDesk) Grant(ctx context.Context, id string) (oauth.Grant, error) {
	return d.at.Grant(ctx, id)
}

// Commit applies what concerns refresh tokens and grants.
func (d *knobDesk) Commit(_ context.Context, changes ...oauth.Change) error {
	if d.before != nil {
		d.before()
	}
	for _, change := range changes {
		if c, ok := change.(oauth.UseGrant); ok && d.at.grants[c.GrantID].Revoked {
			return &oauth.Conflict{Change: change}
		}
	}
	d.changes = changes
	for _, change := range changes {
		switch c := change.(type) {
		case oauth.StoreRefresh:
			d.at.refresh[c.Token.Digest] = c.Token
		case oauth.SupersedeRefresh:
			d.at.refresh[c.Token.Digest] = c.Token
		case oauth.ReplaceRefresh:
			old := d.at.refresh[c.Old]
			old.RotatedAt, old.Successor = c.At, c.New.Digest
			d.at.refresh[c.Old], d.at.refresh[c.New.Digest] = old, c.New
		case oauth.RevokeGrant:
			grant := d.at.grants[c.GrantID]
			grant.Revoked = true
			d.at.grants[c.GrantID] = grant
		case oauth.ExtendGrant:
			grant := d.at.grants[c.GrantID]
			grant.ExpiresAt = c.ExpiresAt
			d.at.grants[c.GrantID] = grant
		case oauth.RecordAudit:
			d.audited = &c.Entry
		}
	}
	return nil
}

// post sends a form and returns status and answer.
func (d *knobDesk) post(t *testing.T, form url.Values) (int, map[string]any) {
	t.Helper()
	clock := func() time.Time { return d.now }
	e := New(Deps{
		Authenticate: d, Endpoints: []string{"https://as/token"}, Bind: d, Details: d, Policy: d, Store: d, Audit: d,
		Grants: []oauth.GrantHandler{
			AuthorizationCode{Store: d.at, Users: d.at, IDClaims: d.idTokens.Claims}, RefreshToken{Store: d, Users: d.at, Options: d.refresh, IDClaims: d.idTokens.Claims},
		},
		Issue:     issue.New(issue.Options{Issuer: "https://as", Signer: d, Random: rand.Reader, Algs: []string{"ES256"}, Subjects: issue.Subjects{Salt: "salt"}}),
		Record:    audit.NewRecorder(clock, rand.Reader),
		Catalog:   NewCatalog([]Resource{{ID: "https://api", Scopes: oauth.Scope{"accounts", "payments"}, Alg: "ES256", Lifetime: time.Minute}}),
		Lifetimes: Lifetimes{IDToken: time.Minute, RefreshToken: time.Hour, Most: time.Hour}, Clock: clock, Log: slog.New(slog.DiscardHandler),
		TellRefreshLifetime: true, Refresh: d.refresh, IDTokens: d.idTokens,
	})
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)
	var answer map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	return w.Code, answer
}

// redeem redeems the code and returns the answer, which must be a good one.
func (d *knobDesk) redeem(t *testing.T) map[string]any {
	t.Helper()
	status, answer := d.post(t, redemption())
	if status != http.StatusOK {
		t.Fatalf("%d %v", status, answer)
	}
	return answer
}

// use presents a refresh token.
func (d *knobDesk) use(t *testing.T, token any, more ...string) (int, map[string]any) {
	t.Helper()
	text, _ := token.(string)
	form := url.Values{"grant_type": {oauth.GrantRefreshToken}, "refresh_token": {text}}
	if len(more) > 0 {
		form.Set(more[0], more[1])
	}
	return d.post(t, form)
}
