package registration

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"signet/policy"
	"signet/provider/audit"
	"signet/provider/clientauth"
	"signet/provider/oauth"
	"signet/provider/web"
)

const (
	initial = "an-initial-access-token"
	own     = "a-registration-access-token"
)

var now = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// house is everything that the endpoint works with.
type house struct {
	clients   map[string]oauth.Client
	initial   oauth.Secret
	faults    []Fault
	failure   error // of the store's commits
	committed []oauth.Change

	open       bool
	most       int    // registrations of strangers in an hour
	address    string // of the one who asks
	now        time.Time
	bounds     Bounds
	statements Statements
	documents  map[string]string // by URL
	fetched    []string
	asked      []policy.Input
	denials    []policy.Denial
	policyErr  error
	listening  *endpoint
}

func newHouse() *house {
	hash, err := clientauth.HashSecret(oauth.Secret(strings.Repeat("s", 43)), rand.Reader)
	if err != nil {
		panic(err)
	}
	return &house{initial: initial, now: now, address: "192.0.2.1:1234", bounds: bounds(), clients: map[string]oauth.Client{
		"app": {
			ID: "app", Name: "App", AuthMethod: oauth.AuthSecretBasic, SecretHash: hash, Scope: "openid", Resources: []string{"https://rs.example"},
			GrantTypes: []string{oauth.GrantAuthorizationCode}, RedirectURIs: []string{"https://app.example/cb"}, DefaultACR: []string{"urn:a"},
			Introspects: []string{"https://rs.example"}, Profile: oauth.ProfileFAPI2Security, CreatedAt: now.Add(-time.Hour),
			RegistrationToken: oauth.Secret(own).Digest().String(),
		},
		"operators": {ID: "operators"},
	}}
}

func (h *house) Client(_ context.Context, id string) (*oauth.Client, error) {
	c, ok := h.clients[id]
	if !ok {
		return nil, fmt.Errorf("client: %w", oauth.ErrNotFound)
	}
	return &c, nil
}

func (h *house) Commit(_ context.Context, changes ...oauth.Change) error {
	if h.failure == nil {
		h.committed = append(h.committed, changes...)
	}
	return h.failure
}

func (*house) Seal(_ context.Context, plain, context []byte) ([]byte, error) {
	return slices.Concat(context, []byte{0}, plain), nil
}

func (*house) Open(_ context.Context, sealed, context []byte) ([]byte, error) {
	plain, ok := bytes.CutPrefix(sealed, append(slices.Clone(context), 0))
	if !ok {
		return nil, errors.New("another context")
	}
	return slices.Clone(plain), nil
}

func (h *house) Cached(_ context.Context, url, _ string, maxAge time.Duration) ([]byte, error) {
	h.fetched = append(h.fetched, url)
	if document, ok := h.documents[url]; ok && maxAge == 0 {
		return []byte(document), nil
	}
	return nil, errors.New("nobody is there")
}

func (h *house) Decide(_ context.Context, in policy.Input) (policy.Decision, error) {
	h.asked = append(h.asked, in)
	if h.policyErr != nil {
		return policy.Decision{}, h.policyErr
	}
	return policy.Decision{ID: "decision", Revision: "revision", Denials: h.denials}, nil
}

// bounds allow all that there is.
func bounds() Bounds {
	return Bounds{
		Profile: oauth.ProfileFAPICIBA, InForce: oauth.ProfileFAPICIBA, Scopes: oauth.Scope{"openid", "accounts"}, Resources: []string{"https://rs.example"},
		GrantTypes: oauth.GrantTypes, ResponseTypes: oauth.Profiles[oauth.ProfileOpenID].ResponseTypes, IDTokenAlg: "RS256",
		AuthMethods: []string{"none", "client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth"},
	}
}

// endpoint is made when it is first needed.
func (h *house) endpoint() *endpoint {
	if h.listening != nil {
		return h.listening
	}
	clock := func() time.Time { return h.now }
	h.listening = newEndpoint(Deps{
		Path: "/register", BaseURL: "https://id.example", Open: h.open, MostPerHour: h.most, InitialToken: func() (oauth.Secret, error) {
			if h.initial == "" {
				return "", oauth.ErrUnavailable
			}
			return h.initial, nil
		},
		Bounds: h.bounds, Statements: h.statements, Validate: func(*oauth.Client) []Fault { return h.faults },
		Policy: h, Fetch: h, Address: func(*http.Request) string { return h.address },
		Certificate: func(r *http.Request) (*policy.Certificate, error) {
			if r.Header.Get("X-Certificate") == "" {
				return nil, nil
			}
			return &policy.Certificate{Subject: r.Header.Get("X-Certificate")}, nil
		},
		Store: h, Sealer: h, Record: audit.NewRecorder(clock, rand.Reader), Clock: clock, Random: rand.Reader, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	return h.listening
}

// send sends JSON with a bearer token.
func (h *house) send(method, path, token, body string, edit ...func(*http.Request)) reply {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for _, e := range edit {
		e(r)
	}
	w := httptest.NewRecorder()
	e := h.endpoint()
	web.Wrap(e, web.Options{Random: rand.Reader, Log: e.Log, Door: web.DoorMain, Clock: e.Clock}).ServeHTTP(w, r)
	answered := reply{ResponseRecorder: w}
	_ = json.Unmarshal(w.Body.Bytes(), &answered.json)
	return answered
}

type reply struct {
	*httptest.ResponseRecorder
	json map[string]any
}

func TestRegister(t *testing.T) {
	h := newHouse()
	r := h.send(http.MethodPost, "/register", initial, `{
		"client_name": "A bank's app", "token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": []},
		"grant_types": ["urn:openid:params:grant-type:ciba"], "response_types": [], "logo_uri": "https://x/", "contacts": null, "unknown": 1, "software_statement": "from nobody",
		"client_id": "mine", "profile": "openid", "introspects": ["https://rs.example"], "disabled": true, "removed": true,
		"client_secret_hash": "x", "registration_access_token_digest": "x", "CLIENT_NAME": "shouted", "scope": null,
		"trusted_for": ["urn:ietf:params:oauth:grant-type:jwt-bearer"], "transaction_token_audiences": ["bank"], "access_token_lifetime": 5,
		"access_token_format": "opaque", "rotate_refresh_tokens": false, "former_client_secret": {"hash": "x", "until": "2099-01-01T00:00:00Z"},
		"backchannel_token_delivery_mode": "poll", "tls_client_certificate_bound_access_tokens": true}`)
	if r.Code != http.StatusCreated || r.Header().Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %v %s", r.Code, r.Header(), r.Body)
	}
	stored, is := h.committed[0].(oauth.StoreClient)
	token, _ := r.json["registration_access_token"].(string)
	want := oauth.Client{
		ID: stored.Client.ID, Name: "A bank's app", AuthMethod: oauth.AuthPrivateKeyJWT, JWKS: json.RawMessage(`{"keys": []}`), Profile: oauth.ProfileFAPICIBA,
		GrantTypes: []string{oauth.GrantCIBA}, ResponseTypes: []string{}, Scope: "openid accounts", Resources: []string{"https://rs.example"},
		ApplicationType: "web", LogoURI: "https://x/", IDTokenAlg: "RS256",
		BackchannelMode: "poll", BoundAccessTokens: true, CreatedAt: now, RegistrationToken: oauth.Secret(token).Digest().String(),
	}
	if diff := cmp.Diff(want, stored.Client); diff != "" || !is || !stored.New || !isID(stored.Client.ID) {
		t.Error(diff)
	}
	if diff := cmp.Diff(oauth.AuditEntry{At: now, Event: "client.registered", ClientID: want.ID, Detail: map[string]any{
		"by": "client", "admitted_by": "initial_access_token", "decision": "decision", "policy": "revision",
	}},
		h.committed[1].(oauth.RecordAudit).Entry, cmpopts.IgnoreFields(oauth.AuditEntry{}, "ID", "RequestID")); diff != "" || len(h.committed) != 2 {
		t.Error(diff)
	}
	answer := map[string]any{
		"client_id": want.ID, "client_id_issued_at": float64(now.Unix()), "client_name": want.Name, "token_endpoint_auth_method": "private_key_jwt",
		"jwks": map[string]any{"keys": []any{}}, "grant_types": []any{oauth.GrantCIBA}, "response_types": []any{}, "scope": "openid accounts",
		"application_type": "web", "logo_uri": "https://x/", "id_token_signed_response_alg": "RS256",
		"resources": []any{"https://rs.example"}, "backchannel_token_delivery_mode": "poll", "tls_client_certificate_bound_access_tokens": true,
		"registration_access_token": token, "registration_client_uri": "https://id.example/register/" + want.ID,
	}
	if diff := cmp.Diff(answer, r.json); diff != "" {
		t.Error(diff)
	}
}

// What RFC 7591 section 2 says about members that are left out; and a secret is shown once, and kept as such.
func TestRegisterDefaultsAndSecrets(t *testing.T) {
	for body, method := range map[string]oauth.AuthMethod{
		`{}`: oauth.AuthSecretBasic,
		`{"token_endpoint_auth_method":"client_secret_jwt"}`: oauth.AuthSecretJWT,
	} {
		h := newHouse()
		r := h.send(http.MethodPost, "/register", initial, body)
		if r.Code != http.StatusCreated {
			t.Fatalf("%d %s", r.Code, r.Body)
		}
		c := h.committed[0].(oauth.StoreClient).Client
		secret, _ := r.json["client_secret"].(string)
		if ok, err := clientauth.IsSecret(t.Context(), h, &c, oauth.Secret(secret)); err != nil || !ok || r.json["client_secret_expires_at"] != 0.0 {
			t.Errorf("%s: the secret is not kept: %v %v", body, err, r.json)
		}
		if c.AuthMethod != method || c.ApplicationType != "web" || !slices.Equal(c.ResponseTypes, []string{"code"}) || !slices.Equal(c.GrantTypes, []string{oauth.GrantAuthorizationCode}) || !cmp.Equal(r.json["response_types"], []any{"code"}) {
			t.Errorf("%s: %+v %v", body, c, r.json)
		}
		h.clients[c.ID] = c
		if got := h.send(http.MethodGet, "/register/"+c.ID, r.json["registration_access_token"].(string), ""); got.Code != 200 || strings.Contains(got.Body.String(), "secret\"") {
			t.Errorf("%d %s", got.Code, got.Body)
		}
	}
}

func TestRegisterRefuses(t *testing.T) {
	big := strings.Repeat("x", web.MaxFormBytes)
	header := func(name string, values ...string) func(*http.Request) {
		return func(r *http.Request) { r.Header[http.CanonicalHeaderKey(name)] = values }
	}
	for name, c := range map[string]struct {
		house  func(*house)
		token  string
		body   string
		edit   func(*http.Request)
		status int
		want   string
	}{
		"no token":             {token: "", body: `{}`, status: 401},
		"another token":        {token: own, body: `{}`, status: 401, want: "invalid_token"},
		"DPoP":                 {token: initial, body: `{}`, edit: header("Authorization", "DPoP "+initial), status: 401, want: "invalid_token"},
		"two tokens":           {token: initial, body: `{}`, edit: header("Authorization", "Bearer "+initial, "Bearer x"), status: 400, want: "invalid_request"},
		"no token is kept":     {house: func(h *house) { h.initial = "" }, token: initial, body: `{}`, status: 503},
		"form":                 {token: initial, body: `{}`, edit: header("Content-Type", "application/x-www-form-urlencoded"), status: 400, want: "content type must be application/json"},
		"other charset":        {token: initial, body: `{}`, edit: header("Content-Type", "application/json; charset=latin1"), status: 400, want: "UTF-8"},
		"compressed":           {token: initial, body: `{}`, edit: header("Content-Encoding", "gzip"), status: 400, want: "encoding"},
		"large":                {token: initial, body: `{"client_name":"` + big + `"}`, status: 413},
		"empty":                {token: initial, edit: header("Content-Type", "application/json"), status: 400, want: "invalid_client_metadata"},
		"array":                {token: initial, body: `[]`, status: 400, want: "not a JSON object"},
		"cut":                  {token: initial, body: `{"client_name":"a"`, status: 400, want: "not a JSON object"},
		"more":                 {token: initial, body: `{}{}`, status: 400, want: "not a JSON object"},
		"twice":                {token: initial, body: `{"scope":"openid","scope":"accounts"}`, status: 400, want: "twice"},
		"not UTF-8":            {token: initial, body: "{\"client_name\":\"\xff\"}", status: 400, want: "UTF-8"},
		"types, each named":    {token: initial, body: `{"client_name":1,"redirect_uris":"x","grant_types":{}}`, status: 400, want: `client_name: is of the wrong type; redirect_uris: is of the wrong type; grant_types: is of the wrong type`},
		"name with a trick":    {token: initial, body: "{\"client_name\":\"a\u202eb\"}", status: 400, want: "client_name: want at most 100 visible"},
		"beyond the bounds":    {token: initial, body: `{"scope":"openid payments","resources":["https://moon.example"],"authorization_details_types":["p"]}`, status: 400, want: `scope: 'payments' is not for registered clients; resources: 'https://moon.example' is not for registered clients; authorization_details_types: 'p' is not`},
		"invalid":              {house: faults("scope", "redirect_uris"), token: initial, body: `{}`, status: 400, want: `"invalid_client_metadata","error_description":"scope: bad; redirect_uris: bad"`},
		"redirect URIs":        {house: faults("redirect_uris", "redirect_uris"), token: initial, body: `{}`, status: 400, want: `"invalid_redirect_uri"`},
		"more than fits":       {house: faults(slices.Repeat([]string{"scope"}, 300)...), token: initial, body: `{}`, status: 400, want: ` more"`},
		"database is away":     {house: func(h *house) { h.failure = oauth.ErrUnavailable }, token: initial, body: `{}`, status: 503},
		"something else fails": {house: func(h *house) { h.failure = errors.New("disk") }, token: initial, body: `{}`, status: 500},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse()
			if c.house != nil {
				c.house(h)
			}
			edits := []func(*http.Request){}
			if c.edit != nil {
				edits = append(edits, c.edit)
			}
			r := h.send(http.MethodPost, "/register", c.token, c.body, edits...)
			if r.Code != c.status || !strings.Contains(r.Body.String(), c.want) || len(h.committed) > 0 || strings.Contains(r.Body.String(), "client_secret\"") {
				t.Errorf("%d %s, %v", r.Code, r.Body, h.committed)
			}
		})
	}
}

func faults(fields ...string) func(*house) {
	return func(h *house) {
		for _, f := range fields {
			h.faults = append(h.faults, Fault{f, "bad"})
		}
	}
}

func TestRead(t *testing.T) {
	h := newHouse()
	r := h.send(http.MethodGet, "/register/app", own, "")
	want := map[string]any{
		"client_id": "app", "client_id_issued_at": float64(now.Add(-time.Hour).Unix()), "client_name": "App", "token_endpoint_auth_method": "client_secret_basic",
		"scope": "openid", "resources": []any{"https://rs.example"}, "grant_types": []any{"authorization_code"}, "response_types": []any{"code"},
		"redirect_uris": []any{"https://app.example/cb"}, "default_acr_values": []any{"urn:a"},
		"registration_access_token": own, "registration_client_uri": "https://id.example/register/app",
	}
	if diff := cmp.Diff(want, r.json); diff != "" || r.Code != http.StatusOK || len(h.committed) > 0 {
		t.Errorf("%d %s %v", r.Code, diff, h.committed)
	}
}

// An update replaces all metadata and nothing else: not the secret, not what only an operator sets.
func TestUpdate(t *testing.T) {
	h := newHouse()
	seen := h.clients["app"]
	seen.TrustedFor, seen.TrustDomains, seen.AccessTokenLifetime = []string{"urn:bank:batch"}, []string{"bank"}, 60 // an operator's to say, and kept
	h.clients["app"] = seen
	r := h.send(http.MethodPut, "/register/app", own, `{"client_id":"app","trusted_for":["password"],"access_token_lifetime":3600,"client_name":"New","redirect_uris":["https://new.example/cb"],"client_secret":"`+strings.Repeat("s", 43)+`"}`)
	if r.Code != http.StatusOK || r.json["client_secret"] != nil || r.json["registration_access_token"] != own {
		t.Fatalf("%d %s", r.Code, r.Body)
	}
	want := seen
	want.ApplicationType, want.IDTokenAlg, want.ResponseTypes = "web", "RS256", []string{"code"}
	want.Name, want.RedirectURIs, want.DefaultACR, want.Scope, want.Profile = "New", []string{"https://new.example/cb"}, nil, "openid accounts", oauth.ProfileFAPICIBA
	if diff := cmp.Diff(oauth.ReplaceClient{Client: want, Seen: seen}, h.committed[0]); diff != "" {
		t.Error(diff)
	}
	if e := h.committed[1].(oauth.RecordAudit).Entry; e.Event != "client.updated" || e.ClientID != "app" {
		t.Errorf("%+v", e)
	}
	if told := h.asked[0].Client; !slices.Equal(told.TrustedFor, seen.TrustedFor) || !slices.Equal(told.Introspects, seen.Introspects) {
		t.Errorf("policy was told %+v", told)
	}
}

// A method that keeps its secret otherwise needs a new one, and one without a secret keeps none.
func TestUpdateOfTheMethod(t *testing.T) {
	for method, c := range map[oauth.AuthMethod]struct{ shown, hash, sealed bool }{
		oauth.AuthSecretBasic:   {false, true, false},
		oauth.AuthSecretPost:    {false, true, false},
		oauth.AuthSecretJWT:     {true, false, true},
		oauth.AuthPrivateKeyJWT: {false, false, false},
	} {
		h := newHouse()
		r := h.send(http.MethodPut, "/register/app", own, `{"client_id":"app","token_endpoint_auth_method":"`+string(method)+`"}`)
		got := h.committed[0].(oauth.ReplaceClient).Client
		if _, shown := r.json["client_secret"]; shown != c.shown || (got.SecretHash != "") != c.hash || (got.SecretSealed != nil) != c.sealed {
			t.Errorf("%s: %s %+v", method, r.Body, got)
		}
	}
}

func TestUpdateRefuses(t *testing.T) {
	for name, c := range map[string]struct{ body, want string }{
		"no client_id":    {`{}`, "client_id: must be this client's"},
		"another":         {`{"client_id":"other"}`, "client_id: must be this client's"},
		"a number":        {`{"client_id":1}`, "client_id: must be this client's"},
		"ours":            {`{"client_id":"app","registration_access_token":"x","client_id_issued_at":1}`, "registration_access_token: must not be in an update; client_id_issued_at: must not"},
		"another secret":  {`{"client_id":"app","client_secret":"` + strings.Repeat("t", 43) + `"}`, "client_secret: must be the current one"},
		"no secret":       {`{"client_id":"app","client_secret":""}`, "client_secret: must be the current one"},
		"invalid":         {`{"client_id":"app","scope":"payments"}`, "scope: 'payments'"},
		"not JSON":        {`client_id=app`, "not a JSON object"},
		"wrong type, all": {`{"client_id":"app","scope":1,"jwks_uri":[]}`, "jwks_uri: is of the wrong type; scope: is of the wrong type"},
	} {
		h := newHouse()
		if r := h.send(http.MethodPut, "/register/app", own, c.body); r.Code != 400 || !strings.Contains(r.Body.String(), c.want) || r.json["error"] != "invalid_client_metadata" || len(h.committed) > 0 {
			t.Errorf("%s: %d %s", name, r.Code, r.Body)
		}
	}
	h := newHouse()
	h.failure = &oauth.Conflict{Change: oauth.ReplaceClient{}}
	if r := h.send(http.MethodPut, "/register/app", own, `{"client_id":"app"}`); r.Code != 503 || r.Header().Get("Retry-After") == "" {
		t.Errorf("a lost race: %d %s", r.Code, r.Body)
	}
}

func TestRemove(t *testing.T) {
	h := newHouse()
	seen := h.clients["app"]
	seen.Former = &oauth.FormerSecret{Hash: "sha256$x", Until: now.Add(time.Hour)}
	h.clients["app"] = seen
	if r := h.send(http.MethodDelete, "/register/app", own, ""); r.Code != http.StatusNoContent || r.Body.Len() > 0 {
		t.Fatalf("%d %s", r.Code, r.Body)
	}
	want := seen
	want.Disabled, want.Removed, want.RegistrationToken, want.SecretHash, want.Former = true, true, "", "", nil
	if diff := cmp.Diff(oauth.ReplaceClient{Client: want, Seen: seen}, h.committed[0]); diff != "" {
		t.Error(diff)
	}
	if e := h.committed[1].(oauth.RecordAudit).Entry; e.Event != "client.removed" || e.ClientID != "app" {
		t.Errorf("%+v", e)
	}
	h.clients["app"] = want
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
		if r := h.send(method, "/register/app", own, ""); r.Code != http.StatusUnauthorized {
			t.Errorf("%s: %d %s", method, r.Code, r.Body)
		}
	}
}

// Whoever may not is told the same about clients that exist and others.
func TestManagementRefuses(t *testing.T) {
	for name, c := range map[string]struct{ path, token string }{
		"no token":         {"/register/app", ""},
		"another's token":  {"/register/app", "x"},
		"initial token":    {"/register/app", initial},
		"the digest":       {"/register/app", oauth.Secret(own).Digest().String()},
		"nobody":           {"/register/nobody", own},
		"an operator's":    {"/register/operators", own},
		"disabled":         {"/register/off", own},
		"no id":            {"/register/", own},
		"no id of ours":    {"/register/a%00", own},
		"something deeper": {"/register/app/x", own},
	} {
		for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
			h := newHouse()
			off := h.clients["app"]
			off.ID, off.Disabled = "off", true
			h.clients["off"] = off
			r := h.send(method, c.path, c.token, `{}`)
			if r.Code != http.StatusUnauthorized || len(h.committed) > 0 || c.token != "" && r.json["error"] != "invalid_token" {
				t.Errorf("%s %s: %d %s", method, name, r.Code, r.Body)
			}
		}
	}
}

func TestMethods(t *testing.T) {
	for path, allow := range map[string]string{"/register": "POST", "/register/app": "GET, PUT, DELETE"} {
		for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodPatch, http.MethodPost, http.MethodOptions} {
			if strings.Contains(allow, method) {
				continue
			}
			if r := newHouse().send(method, path, own, ""); r.Code != http.StatusMethodNotAllowed || r.Header().Get("Allow") != allow {
				t.Errorf("%s %s: %d %v", method, path, r.Code, r.Header())
			}
		}
	}
}

// Each member of oauth.Client is either the client's to say or, here, known not to be.
func TestEveryMemberIsDecided(t *testing.T) {
	notTheirs := []string{
		"client_id", "disabled", "profile", "client_secret_hash", "client_secret_sealed", "introspects", "created_at", "registration_access_token_digest", "removed",
		"former_client_secret", "trusted_for", "transaction_token_audiences", "access_token_format", "access_token_signing_alg",
		"access_token_lifetime", "id_token_lifetime", "refresh_token_lifetime", "require_offline_access", "rotate_refresh_tokens",
	}
	var have []string
	for field := range reflect.TypeFor[oauth.Client]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		have = append(have, name)
	}
	want := append(slices.Clone(metadata), notTheirs...)
	slices.Sort(want)
	slices.Sort(have)
	if diff := cmp.Diff(want, have); diff != "" {
		t.Error(diff)
	}
}

// Whatever is sent: what an operator alone sets is not set, and what is accepted can be read back and updated with.
func FuzzRegister(f *testing.F) {
	for _, seed := range []string{
		`{}`, `null`, `[{}]`, `{"client_name":"a","client_name":"b"}`, `{"jwks":{"keys":[]},"jwks_uri":"https://x/"}`, `{"scope":"openid","a":{"b":[1,2.5e3,null]}}`,
		`{"client_id":"x","profile":"openid","disabled":true,"client_secret_hash":"y"}`, `{"redirect_uris":[null],"grant_types":[]}`, "{\"\xff\":1}", `{"PROFILE":"openid"}`,
		`{"token_endpoint_auth_method":"client_secret_jwt","default_acr_values":["\u0000"]}`,
		`{"application_type":"native","response_types":["token id_token"],"grant_types":["implicit"],"default_max_age":-1,"id_token_encrypted_response_alg":"RSA-OAEP"}`,
		`{"sector_identifier_uri":"https://app.example/s","subject_type":"pairwise","request_uris":["https://x/#a"],"software_statement":"a.b.c"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		h := newHouse()
		r := h.send(http.MethodPost, "/register", initial, string(body), func(r *http.Request) { r.Header.Set("Content-Type", "application/json") })
		if r.Code != http.StatusCreated {
			if len(h.committed) > 0 || r.Code >= 500 {
				t.Fatalf("%d %s %v", r.Code, r.Body, h.committed)
			}
			return
		}
		c := h.committed[0].(oauth.StoreClient).Client
		if c.Disabled || c.Removed || c.Introspects != nil || c.Profile != oauth.ProfileFAPICIBA || !isID(c.ID) || !c.CreatedAt.Equal(now) {
			t.Fatalf("%+v", c)
		}
		h.clients[c.ID] = c
		token := r.json["registration_access_token"].(string)
		for _, name := range ours {
			delete(r.json, name)
		}
		again, err := json.Marshal(r.json)
		if err != nil {
			t.Fatal(err)
		}
		if r := h.send(http.MethodPut, "/register/"+c.ID, token, string(again)); r.Code != http.StatusOK {
			t.Fatalf("%d %s after %s", r.Code, r.Body, again)
		}
	})
}
