package ciba

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"signet/provider/audit"
	"signet/provider/clientauth"
	"signet/provider/deliver"
	"signet/provider/jose"
	"signet/provider/keys/keystest"
	"signet/provider/oauth"
)

const issuer = "https://id.bank.example"

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// desk is the store in memory; it keeps the contract of the changes that this package makes.
type desk struct {
	mu         sync.Mutex
	clients    map[string]*oauth.Client
	users      map[string]oauth.User
	requests   map[oauth.Digest]oauth.Backchannel
	deliveries map[string]oauth.Delivery
	used       map[oauth.UseAssertion]bool
	grants     map[string]oauth.Grant
	entries    []oauth.AuditEntry
	commits    int
	failure    error
}

func find[K comparable, V any](d *desk, m map[K]V, key K) (V, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	v, ok := m[key]
	if d.failure != nil {
		return v, d.failure
	}
	if !ok {
		return v, fmt.Errorf("wrapped: %w", oauth.ErrNotFound)
	}
	return v, nil
}

func (d *desk) Client(_ context.Context, id string) (*oauth.Client, error) {
	return find(d, d.clients, id)
}
func (d *desk) User(_ context.Context, id string) (oauth.User, error) { return find(d, d.users, id) }
func (d *desk) UserByName(ctx context.Context, name string) (oauth.User, error) {
	for id, user := range d.users {
		if user.Username == name {
			return d.User(ctx, id)
		}
	}
	return d.User(ctx, "")
}

func (d *desk) Backchannel(_ context.Context, digest oauth.Digest) (oauth.Backchannel, error) {
	return find(d, d.requests, digest)
}

func (d *desk) BackchannelByID(ctx context.Context, id string) (oauth.Backchannel, error) {
	var digest oauth.Digest
	d.mu.Lock()
	for key, b := range d.requests {
		if b.ID == id {
			digest = key
		}
	}
	d.mu.Unlock()
	return d.Backchannel(ctx, digest)
}

func (d *desk) PendingBackchannels(_ context.Context, userID string, now time.Time) ([]oauth.Backchannel, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var waiting []oauth.Backchannel
	for _, b := range d.requests {
		if b.UserID == userID && b.Status == oauth.BackchannelPending && now.Before(b.ExpiresAt) {
			waiting = append(waiting, b)
		}
	}
	return waiting, d.failure
}

func (d *desk) ClaimDeliveries(_ context.Context, kinds []string, now time.Time, lease time.Duration, limit int) ([]oauth.Delivery, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var due []oauth.Delivery
	for id, one := range d.deliveries {
		if slices.Contains(kinds, one.Kind) && !one.NextAt.After(now) && len(due) < limit {
			due = append(due, one)
			one.NextAt = now.Add(lease)
			d.deliveries[id] = one
		}
	}
	return due, d.failure
}

func (d *desk) Grant(_ context.Context, id string) (oauth.Grant, error) {
	return find(d, d.grants, id)
}

func (d *desk) Commit(_ context.Context, changes ...oauth.Change) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.failure != nil {
		return d.failure
	}
	for _, change := range changes {
		lost := false
		switch c := change.(type) {
		case oauth.UseAssertion:
			lost = d.used[oauth.UseAssertion{ClientID: c.ClientID, JTI: c.JTI}]
		case oauth.AnswerBackchannel:
			lost = d.requests[c.Request.Digest].Status != oauth.BackchannelPending
		}
		if lost {
			return &oauth.Conflict{Change: change}
		}
	}
	d.commits++
	for _, change := range changes {
		d.apply(change)
	}
	return nil
}

func (d *desk) apply(change oauth.Change) {
	switch c := change.(type) {
	case oauth.UseAssertion:
		d.used[oauth.UseAssertion{ClientID: c.ClientID, JTI: c.JTI}] = true
	case oauth.StoreBackchannel:
		d.requests[c.Request.Digest] = c.Request
	case oauth.AnswerBackchannel:
		d.requests[c.Request.Digest] = c.Request
	case oauth.StoreGrant:
		d.grants[c.Grant.ID] = c.Grant
	case oauth.RevokeGrant:
		grant := d.grants[c.GrantID]
		grant.Revoked = true
		d.grants[c.GrantID] = grant
	case oauth.StoreDelivery:
		d.deliveries[c.Delivery.ID] = c.Delivery
	case oauth.RetryDelivery:
		one := d.deliveries[c.ID]
		one.NextAt, one.Attempts = c.NextAt, c.Attempts
		d.deliveries[c.ID] = one
	case oauth.FinishDelivery:
		delete(d.deliveries, c.ID)
	case oauth.RecordAudit:
		d.entries = append(d.entries, c.Entry)
	}
}

// gate authenticates whoever names itself, and checks signatures as clientauth does.
type gate struct{ *desk }

func (g gate) Authenticate(ctx context.Context, _ *http.Request, params oauth.Params, _ []string) (oauth.ClientAuthentication, error) {
	client, err := g.Client(ctx, params.Get("client_id"))
	if err != nil {
		return oauth.ClientAuthentication{}, oauth.Errorf(oauth.InvalidClient, "client authentication failed")
	}
	profile, _ := oauth.Profiles[oauth.ProfileOpenID].For(client)
	return oauth.ClientAuthentication{Client: client, Profile: profile, Method: client.AuthMethod}, nil
}

func (g gate) VerifySigned(_ context.Context, c *oauth.Client, compact string, algs []string) (jose.Verified, error) {
	if string(c.JWKS) == "down" {
		return jose.Verified{}, errors.New("no keys at present")
	}
	set, err := jose.ParseKeySet(c.JWKS)
	if err != nil {
		return jose.Verified{}, err
	}
	verified, err := jose.Verify(compact, set, algs)
	if err != nil {
		return jose.Verified{}, fmt.Errorf("%w: %w", clientauth.ErrSignature, err)
	}
	return verified, nil
}

// notice is what the outside world has been told.
type notice struct{ url, authorization, body string }

// world answers posts by a script of statuses, the last one for ever; 0 is no answer.
type world struct {
	mu     sync.Mutex
	script []int
	got    []notice
	err    error
}

func (w *world) Post(_ context.Context, address string, header http.Header, body []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.got = append(w.got, notice{address, header.Get("Authorization"), string(body)})
	status := w.script[0]
	if len(w.script) > 1 {
		w.script = w.script[1:]
	}
	if status == 0 {
		return 0, w.err
	}
	return status, nil
}

// ring is this server's keys.
type ring struct {
	key *jose.PrivateKey
	set *jose.KeySet
}

func (r ring) KeySet() *jose.KeySet { return r.set }
func (r ring) Algorithms() []string { return []string{"ES256"} }

// codes are judged without hashing: the hash is the code.
type codes struct{}

func (codes) Check(_ context.Context, _ string, user oauth.User, code oauth.Secret) (bool, error) {
	return user.UserCodeHash == code.Reveal(), nil
}

// details know one type.
type details struct{}

func (details) Check(_ *oauth.Client, raw string) (oauth.Details, *oauth.Error) {
	var all oauth.Details
	if json.Unmarshal([]byte(raw), &all) != nil || len(all) == 0 || all[0].Type != "payment" {
		return nil, oauth.Errorf(oauth.InvalidDetails, "no")
	}
	return all, nil
}

// tokens makes pushes.
type tokens struct{ err error }

func (p tokens) Tokens(_ context.Context, client *oauth.Client, _ oauth.Profile, request oauth.Backchannel, authReqID oauth.Secret) ([]byte, []oauth.Change, error) {
	entry := oauth.RecordAudit{Entry: oauth.AuditEntry{Event: string(audit.TokenIssued), ClientID: client.ID, GrantID: request.GrantID}}
	return []byte(`{"auth_req_id":"` + authReqID.Reveal() + `","access_token":"at"}`), []oauth.Change{entry}, p.err
}

type rig struct {
	*Service
	*deliver.Runner
	t     testing.TB
	store *desk
	world *world
	now   time.Time
	own   ring             // this server's keys
	key   *jose.PrivateKey // the clients' key
	hint  *jose.PrivateKey // the hint issuer's
}

func newKey(t testing.TB, kid string) (*jose.PrivateKey, json.RawMessage, *jose.KeySet) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := jose.NewPrivateKey("ES256", kid, private)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := jose.MarshalKeySet([]jose.PublicKey{{Kid: kid, Alg: "ES256", Public: private.Public()}})
	if err != nil {
		t.Fatal(err)
	}
	set, err := jose.ParseKeySet(raw)
	if err != nil {
		t.Fatal(err)
	}
	return key, raw, set
}

const pendingOfClient = 5

func newRig(t testing.TB, changes ...func(*Deps)) *rig {
	t.Helper()
	r := &rig{t: t, now: noon, world: &world{script: []int{http.StatusNoContent}}}
	var jwks json.RawMessage
	r.key, jwks, _ = newKey(t, "c")
	r.own.key, _, r.own.set = newKey(t, "own")
	hint, _, hintKeys := newKey(t, "hint")
	r.hint = hint
	client := func(id, mode string, profile oauth.ProfileName) *oauth.Client {
		return &oauth.Client{
			ID: id, Name: "The App", AuthMethod: oauth.AuthPrivateKeyJWT, Profile: profile, JWKS: jwks,
			GrantTypes: []string{oauth.GrantCIBA, oauth.GrantRefreshToken}, Scope: "openid accounts offline_access",
			Resources: []string{"https://rs.example"}, BackchannelMode: mode, BackchannelEndpoint: "https://app.example/ciba",
		}
	}
	r.store = &desk{
		clients: map[string]*oauth.Client{}, requests: map[oauth.Digest]oauth.Backchannel{}, deliveries: map[string]oauth.Delivery{},
		used: map[oauth.UseAssertion]bool{}, grants: map[string]oauth.Grant{},
		users: map[string]oauth.User{
			"u1": {ID: "u1", Username: "anna"}, "u2": {ID: "u2", Username: "ben", Disabled: true}, "u3": {ID: "u3", Username: "carl", UserCodeHash: "4711"},
		},
	}
	for _, c := range []*oauth.Client{
		client("poll", oauth.BackchannelPoll, ""), client("ping", oauth.BackchannelPing, ""), client("push", oauth.BackchannelPush, ""),
		client("fapi", oauth.BackchannelPoll, oauth.ProfileFAPICIBA), client("fapi-push", oauth.BackchannelPush, oauth.ProfileFAPICIBA),
		client("none", "", ""), client("sms", "sms", ""),
	} {
		r.store.clients[c.ID] = c
	}
	r.store.clients["poll"].BackchannelUserCode = true
	deps := Deps{
		Authenticate: gate{r.store}, Endpoints: []string{issuer + "/bc-authorize"}, Store: r.store, Sealer: keystest.NewMemory(),
		Keys: r.own, Details: details{}, UserCodes: codes{}, Post: r.world, Push: tokens{}, Floor: oauth.Profiles[oauth.ProfileOpenID],
		Record: audit.NewRecorder(func() time.Time { return r.now }, rand.Reader),
		Issuer: issuer, ApprovalURL: issuer + "/interaction/approvals",
		HintIssuers: []HintIssuer{{Issuer: "https://hints.example", Algs: []string{"ES256"}, Keys: func(context.Context) (*jose.KeySet, error) { return hintKeys, nil }}},
		Scopes:      oauth.Scope{"openid", "offline_access", "accounts", "payments"}, Resources: []string{"https://rs.example", "https://other.example"},
		ACRs: []string{"gold"}, Expiry: 2 * time.Minute, MaxExpiry: 10 * time.Minute, Interval: 5 * time.Second, RefreshLifetime: time.Hour, PendingOfClient: pendingOfClient,
		Clock: func() time.Time { return r.now }, Random: rand.Reader, Log: slog.New(slog.DiscardHandler),
	}
	for _, change := range changes {
		change(&deps)
	}
	var err error
	queue := deps.Store.(deliver.Store) //nolint:forcetypeassert // every store of these tests is one
	if deps.Queue, err = deliver.New(deliver.Deps{Store: queue, Clock: deps.Clock, Log: deps.Log}); err != nil {
		t.Fatal(err)
	}
	r.Runner = deps.Queue
	if r.Service, err = New(deps); err != nil {
		t.Fatal(err)
	}
	return r
}

// reply is an answer of the endpoint.
type reply struct {
	Status    int        `json:"-"`
	Error     oauth.Code `json:"error"`
	AuthReqID string     `json:"auth_req_id"`
	ExpiresIn int64      `json:"expires_in"`
	Interval  int        `json:"interval"`
	body      string
}

func (r *rig) post(form url.Values) reply {
	r.t.Helper()
	req := httptest.NewRequest(http.MethodPost, "/bc-authorize", strings.NewReader(form.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r.serve(r.Service, req)
}

func (r *rig) serve(h http.Handler, req *http.Request) reply {
	r.t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	body, err := io.ReadAll(w.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	got := reply{Status: w.Code, body: string(body)}
	if err := json.Unmarshal(body, &got); err != nil {
		r.t.Fatalf("%s: %v", body, err)
	}
	return got
}

// form is a good request of the client; further pairs replace, an empty value removes.
func form(client string, pairs ...string) url.Values {
	f := url.Values{"client_id": {client}, "scope": {"openid accounts"}, "login_hint": {"anna"}, "binding_message": {"1234"}}
	if client == "ping" || client == "push" {
		f.Set("client_notification_token", "token-of-the-client")
	}
	for i := 0; i < len(pairs); i += 2 {
		f.Set(pairs[i], pairs[i+1])
	}
	return f
}

// claims are those of a good request object of "fapi".
func (r *rig) claims(changes map[string]any) map[string]any {
	c := map[string]any{
		"iss": "fapi", "aud": issuer, "iat": r.now.Unix(), "nbf": r.now.Unix(), "exp": r.now.Add(5 * time.Minute).Unix(), "jti": rand.Text(),
		"scope": "openid accounts", "login_hint": "anna", "binding_message": "1234",
	}
	maps.Copy(c, changes)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

func (r *rig) sign(key *jose.PrivateKey, typ string, claims map[string]any) string {
	r.t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		r.t.Fatal(err)
	}
	compact, err := key.Sign(typ, payload)
	if err != nil {
		r.t.Fatal(err)
	}
	return compact
}

// ask makes a request and returns it as it is kept.
func (r *rig) ask(client string, pairs ...string) (oauth.Secret, oauth.Backchannel) {
	r.t.Helper()
	got := r.post(form(client, pairs...))
	if got.Status != http.StatusOK {
		r.t.Fatalf("%d %s", got.Status, got.body)
	}
	secret := oauth.Secret(got.AuthReqID)
	return secret, r.store.requests[secret.Digest()]
}

func (r *rig) events() []string {
	var events []string
	for _, entry := range r.store.entries {
		events = append(events, entry.Event)
	}
	slices.Sort(events)
	return events
}

func codeOf(err error) oauth.Code {
	var fault *oauth.Error
	var lost *oauth.Conflict
	switch {
	case errors.As(err, &fault):
		return fault.Code
	case errors.As(err, &lost):
		return "conflict"
	case err != nil:
		return oauth.ServerError
	}
	return ""
}
