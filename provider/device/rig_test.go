package device

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"signet/provider/audit"
	"signet/provider/binding"
	"signet/provider/oauth"
	"signet/provider/web"
)

const page = "https://id.bank.example/device"

var (
	noon    = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	errDisk = errors.New("disk on fire")
)

// desk is the store in memory; it keeps the contract of the changes that this package makes.
type desk struct {
	mu       sync.Mutex
	clients  map[string]*oauth.Client
	requests map[oauth.Digest]oauth.DeviceRequest // by user code
	grants   map[string]oauth.Grant
	entries  []oauth.AuditEntry
	proofs   []oauth.Change
	taken    int // how many of the next user codes are another request's
	commits  int
	failure  error
}

func (d *desk) Client(_ context.Context, id string) (*oauth.Client, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	client, ok := d.clients[id]
	if d.failure == nil && !ok {
		return nil, fmt.Errorf("wrapped: %w", oauth.ErrNotFound)
	}
	return client, d.failure
}

func (d *desk) DeviceRequestByUserCode(_ context.Context, userCode oauth.Digest) (oauth.DeviceRequest, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	request, ok := d.requests[userCode]
	if d.failure == nil && !ok {
		return request, fmt.Errorf("wrapped: %w", oauth.ErrNotFound)
	}
	return request, d.failure
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
		case oauth.UseProof:
			lost = slices.Contains(d.proofs, change)
		case oauth.StoreDevice:
			if lost = d.taken > 0; lost {
				d.taken--
			}
		case oauth.AnswerDevice:
			lost = d.requests[c.Request.UserCode].Status != oauth.DevicePending
		}
		if lost {
			return &oauth.Conflict{Change: change}
		}
	}
	d.commits++
	for _, change := range changes {
		switch c := change.(type) {
		case oauth.UseProof:
			d.proofs = append(d.proofs, change)
		case oauth.StoreDevice:
			d.requests[c.Request.UserCode] = c.Request
		case oauth.AnswerDevice:
			d.requests[c.Request.UserCode] = c.Request
		case oauth.StoreGrant:
			d.grants[c.Grant.ID] = c.Grant
		case oauth.RecordAudit:
			d.entries = append(d.entries, c.Entry)
		}
	}
	return nil
}

// gate authenticates whoever names itself.
type gate struct{ *desk }

func (g gate) Authenticate(ctx context.Context, _ *http.Request, params oauth.Params, _ []string) (oauth.ClientAuthentication, error) {
	client, err := g.Client(ctx, params.Get("client_id"))
	if err != nil {
		return oauth.ClientAuthentication{}, oauth.Errorf(oauth.InvalidClient, "client authentication failed")
	}
	profile, _ := oauth.Profiles[oauth.ProfileOpenID].For(client)
	return oauth.ClientAuthentication{Client: client, Profile: profile, Method: client.AuthMethod}, nil
}

// binder believes the header.
type binder struct{}

func (binder) From(_ http.ResponseWriter, r *http.Request, _ *x509.Certificate, urls, _ []string, access oauth.Secret) (binding.Sender, error) {
	proof := r.Header.Get("DPoP")
	switch {
	case proof == "":
		return binding.Sender{}, nil
	case proof == "bad" || access != "" || !slices.Contains(urls, "https://id.bank.example/device_authorization"):
		return binding.Sender{}, oauth.Errorf(oauth.InvalidDPoPProof, "no")
	}
	return binding.Sender{
		Confirmation: oauth.Confirmation{JKT: proof},
		Changes:      []oauth.Change{oauth.UseProof{Digest: oauth.Secret(proof).Digest(), Until: noon}},
	}, nil
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

type rig struct {
	*Service
	t     testing.TB
	store *desk
	now   time.Time
}

func newRig(t testing.TB, changes ...func(*Deps)) *rig {
	t.Helper()
	r := &rig{t: t, now: noon, store: &desk{
		clients: map[string]*oauth.Client{}, requests: map[oauth.Digest]oauth.DeviceRequest{}, grants: map[string]oauth.Grant{},
	}}
	for id, method := range map[string]oauth.AuthMethod{"tv": oauth.AuthNone, "box": oauth.AuthPrivateKeyJWT, "web": oauth.AuthPrivateKeyJWT} {
		r.store.clients[id] = &oauth.Client{
			ID: id, AuthMethod: method, GrantTypes: []string{oauth.GrantDevice, oauth.GrantRefreshToken},
			Scope: "openid accounts offline_access", Resources: []string{"https://rs.example"},
		}
	}
	r.store.clients["web"].GrantTypes = []string{oauth.GrantAuthorizationCode}
	clock := func() time.Time { return r.now }
	deps := Deps{
		Authenticate: gate{r.store}, Bind: binder{}, Endpoints: []string{"https://id.bank.example/device_authorization"},
		Store: r.store, Details: details{}, Record: audit.NewRecorder(clock, rand.Reader), VerificationURI: page,
		Scopes: oauth.Scope{"openid", "offline_access", "accounts", "payments"}, Resources: []string{"https://rs.example", "https://other.example"},
		ACRs: []string{"gold"}, Expiry: 10 * time.Minute, Interval: 5 * time.Second, RefreshLifetime: time.Hour, PendingOfClient: 100,
		Clock: clock, Random: rand.Reader, Log: slog.New(slog.DiscardHandler),
	}
	for _, change := range changes {
		change(&deps)
	}
	var err error
	if r.Service, err = New(deps); err != nil {
		t.Fatal(err)
	}
	return r
}

// reply is an answer of the endpoint.
type reply struct {
	Status int        `json:"-"`
	Error  oauth.Code `json:"error"`
	response
	body string
}

// post sends a request of the client; further pairs replace, an empty value removes. A pair named DPoP is a header.
func (r *rig) post(client string, pairs ...string) reply {
	r.t.Helper()
	form := url.Values{"client_id": {client}, "scope": {"openid accounts"}}
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i] == "DPoP" {
			header.Set("DPoP", pairs[i+1])
			continue
		}
		form.Set(pairs[i], pairs[i+1])
	}
	req := httptest.NewRequest(http.MethodPost, "/device_authorization", strings.NewReader(form.Encode()))
	req = req.WithContext(web.WithRequest(req.Context(), "request-1", web.DoorMain))
	req.Header = header
	w := httptest.NewRecorder()
	r.ServeHTTP(w, req)
	body, err := io.ReadAll(w.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	got := reply{Status: w.Code, body: string(body)}
	if err := json.Unmarshal(body, &got); err != nil {
		r.t.Fatalf("%s: %v", body, err)
	}
	if w.Header().Get("Cache-Control") != "no-store" {
		r.t.Error("the answer may be cached")
	}
	return got
}

// ask makes a request and returns it as it is kept.
func (r *rig) ask(pairs ...string) (reply, oauth.DeviceRequest) {
	r.t.Helper()
	got := r.post("tv", pairs...)
	if got.Status != http.StatusOK {
		r.t.Fatalf("%d %s", got.Status, got.body)
	}
	code, _ := ParseUserCode(got.UserCode)
	return got, r.store.requests[code.digest()]
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
