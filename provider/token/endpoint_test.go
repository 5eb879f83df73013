package token

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/policy"
	"signet/provider/audit"
	"signet/provider/binding"
	"signet/provider/issue"
	"signet/provider/oauth"
)

// bench is everything that an endpoint works with, except the endpoint.
type bench struct {
	client  *oauth.Client
	profile oauth.Profile
	sender  binding.Sender
	fault   error // of the sender
	code    oauth.AuthorizationCode

	deps      func(*Deps)     // changes what the endpoint works with; nil = nothing
	decision  policy.Decision // what policy says besides id, scope and details
	narrowed  oauth.Scope     // what policy leaves of the scope; nil = all
	chosen    []int           // by policy, of the details
	asked     policy.Input
	committed []string
	changes   []oauth.Change // those that were committed
	audited   *oauth.AuditEntry
	signed    map[string]any // claims of the access token
	others    map[string]any // claims of the last JWT that was none
}

const theCode = oauth.Secret("the-code")

func newBench() *bench {
	return &bench{
		client:  client(func(c *oauth.Client) { c.RedirectURIs = []string{"https://app/cb"} }),
		profile: oauth.Profiles[oauth.ProfileOpenID],
		code: oauth.AuthorizationCode{
			Digest: theCode.Digest(), ClientID: "c1", GrantID: "g1", User: oauth.EndUser{ID: "u1"}, Scope: oauth.Scope{"accounts"},
			Request: oauth.AuthorizationRequest{RedirectURI: "https://app/cb", CodeChallenge: challenge()}, ExpiresAt: noon.Add(time.Minute),
		},
	}
}

func (b *bench) Authenticate(context.Context, *http.Request, oauth.Params, []string) (oauth.ClientAuthentication, error) {
	return oauth.ClientAuthentication{
		Client: b.client, Profile: b.profile, Method: b.client.AuthMethod, Changes: []oauth.Change{oauth.UseAssertion{ClientID: "c1", JTI: "1"}},
	}, nil
}

func (b *bench) From(http.ResponseWriter, *http.Request, *x509.Certificate, []string, []string, oauth.Secret) (binding.Sender, error) {
	return b.sender, b.fault
}

func (b *bench) Decide(_ context.Context, in policy.Input) (policy.Decision, error) {
	b.asked = in
	d := b.decision
	d.ID, d.Scope, d.Details = "d1", in.Grant.Scope, b.chosen
	if b.narrowed != nil {
		d.Scope = b.narrowed
	}
	return d, nil
}

func (b *bench) Commit(_ context.Context, changes ...oauth.Change) error {
	b.changes = changes
	for _, c := range changes {
		b.committed = append(b.committed, strings.TrimPrefix(fmt.Sprintf("%T", c), "oauth."))
		if record, ok := c.(oauth.RecordAudit); ok {
			b.audited = &record.Entry
		}
	}
	return nil
}

func (b *bench) Add(_ context.Context, entry oauth.AuditEntry) error {
	b.audited = &entry
	return nil
}

func (b *bench) Sign(_ context.Context, _, typ string, payload []byte) (string, error) {
	if typ == issue.TypeAccessToken {
		b.signed = nil
		return "access", json.Unmarshal(payload, &b.signed)
	}
	b.others = nil
	return "id", json.Unmarshal(payload, &b.others)
}

// Details of the tests: one counts at the resource that "at" names.
func (b *bench) Check(_ *oauth.Client, raw string) (oauth.Details, *oauth.Error) {
	var details oauth.Details
	if json.Unmarshal([]byte(raw), &details) != nil {
		return nil, oauth.Errorf(oauth.InvalidDetails, "malformed")
	}
	return details, nil
}

func (b *bench) Narrow(granted oauth.Details, raw string) (oauth.Details, *oauth.Error) {
	details, fault := b.Check(nil, raw)
	if fault == nil && len(within(details, granted)) != len(details) {
		fault = oauth.Errorf(oauth.InvalidDetails, "more than was granted")
	}
	return details, fault
}

func (b *bench) For(client *oauth.Client, details oauth.Details, audience []string) oauth.Details {
	return slices.DeleteFunc(slices.Clone(details), func(d oauth.Detail) bool {
		var at struct{ At string }
		return slices.Contains(client.DetailsTypes, "not "+d.Type) || json.Unmarshal(d.JSON, &at) != nil || !slices.Contains(audience, at.At)
	})
}

// ask posts a form and returns status, body and the answer.
func (b *bench) ask(t *testing.T, form url.Values) (int, string, map[string]any) {
	t.Helper()
	at := rest{codes: map[oauth.Digest]oauth.AuthorizationCode{b.code.Digest: b.code}, users: map[string]oauth.User{"u1": {}}}
	clock := func() time.Time { return noon }
	deps := Deps{
		Authenticate: b, Endpoints: []string{"https://as/token"}, Bind: b, Details: b, Policy: b, Store: b, Audit: b,
		Grants:    []oauth.GrantHandler{AuthorizationCode{Store: at, Users: at}, ClientCredentials{Details: b}},
		Issue:     issue.New(issue.Options{Issuer: "https://as", Signer: b, Random: rand.Reader, Algs: []string{"ES256"}, Subjects: issue.Subjects{Salt: "salt"}}),
		Record:    audit.NewRecorder(clock, rand.Reader),
		Catalog:   NewCatalog([]Resource{{ID: "https://api", Scopes: oauth.Scope{"accounts", "payments"}, Alg: "ES256", Lifetime: time.Minute}}),
		Lifetimes: Lifetimes{IDToken: time.Minute, RefreshToken: time.Hour, Most: time.Hour}, Clock: clock, Log: slog.New(slog.DiscardHandler),
	}
	if b.deps != nil {
		b.deps(&deps)
	}
	e := New(deps)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)
	var answer map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	return w.Code, w.Body.String(), answer
}

func credentials() url.Values { return url.Values{"grant_type": {oauth.GrantClientCredentials}} }

func redemption() url.Values {
	return url.Values{
		"grant_type": {oauth.GrantAuthorizationCode}, "code": {theCode.Reveal()}, "redirect_uri": {"https://app/cb"}, "code_verifier": {verifier},
	}
}

// Who proves what gets tokens that are bound to it, or none.
func TestSenderConstraint(t *testing.T) {
	use := oauth.UseProof{Until: noon}
	nothing := binding.Sender{}
	cert := binding.Sender{Confirmation: oauth.Confirmation{X5TS256: "C"}}
	key := binding.Sender{Confirmation: oauth.Confirmation{JKT: "K"}, Changes: []oauth.Change{use}}
	both := binding.Sender{Confirmation: oauth.Confirmation{X5TS256: "C", JKT: "K"}, Changes: []oauth.Change{use}}
	bearer, toCert := map[string]any(nil), map[string]any{"x5t#S256": "C"}
	toKey, toBoth := map[string]any{"jkt": "K"}, map[string]any{"x5t#S256": "C", "jkt": "K"}
	certBound := func(c *oauth.Client) { c.BoundAccessTokens = true }
	keyBound := func(c *oauth.Client) { c.DPoPBound = true }
	for name, c := range map[string]struct {
		profile oauth.ProfileName
		client  func(*oauth.Client)
		sender  binding.Sender
		want    map[string]any // cnf
		code    oauth.Code
		method  string // as policy sees it
	}{
		"openid, nothing":         {sender: nothing, want: bearer, method: policy.SenderNone},
		"openid, certificate":     {sender: cert, want: toCert, method: policy.SenderMTLS},
		"openid, key":             {sender: key, want: toKey, method: policy.SenderDPoP},
		"openid, both":            {sender: both, want: toKey, method: policy.SenderDPoP},
		"key-bound, nothing":      {client: keyBound, sender: nothing, code: oauth.InvalidRequest},
		"key-bound, certificate":  {client: keyBound, sender: cert, code: oauth.InvalidRequest},
		"key-bound, both":         {client: keyBound, sender: both, want: toKey, method: policy.SenderDPoP},
		"cert-bound, nothing":     {client: certBound, sender: nothing, code: oauth.InvalidRequest},
		"cert-bound, key":         {client: certBound, sender: key, code: oauth.InvalidRequest},
		"cert-bound, both":        {client: certBound, sender: both, want: toBoth, method: policy.SenderDPoP},
		"FAPI 2.0, nothing":       {profile: oauth.ProfileFAPI2Security, sender: nothing, code: oauth.InvalidRequest},
		"FAPI 2.0, certificate":   {profile: oauth.ProfileFAPI2Security, sender: cert, want: toCert, method: policy.SenderMTLS},
		"FAPI 2.0, key":           {profile: oauth.ProfileFAPI2Security, sender: key, want: toKey, method: policy.SenderDPoP},
		"FAPI 2.0, both":          {profile: oauth.ProfileFAPI2Security, sender: both, want: toKey, method: policy.SenderDPoP},
		"FAPI 1.0, certificate":   {profile: oauth.ProfileFAPI1Advanced, sender: cert, want: toCert, method: policy.SenderMTLS},
		"FAPI 1.0, key":           {profile: oauth.ProfileFAPI1Advanced, sender: key, code: oauth.InvalidRequest},
		"FAPI 1.0, both":          {profile: oauth.ProfileFAPI1Advanced, sender: both, code: oauth.InvalidRequest},
		"FAPI 1.0, nothing":       {profile: oauth.ProfileFAPI1Advanced, sender: nothing, code: oauth.InvalidRequest},
		"FAPI-CIBA, key":          {profile: oauth.ProfileFAPICIBA, sender: key, code: oauth.InvalidRequest},
		"FAPI-CIBA, certificate":  {profile: oauth.ProfileFAPICIBA, sender: cert, want: toCert, method: policy.SenderMTLS},
		"message signing, key":    {profile: oauth.ProfileFAPI2MessageSigning, sender: key, want: toKey, method: policy.SenderDPoP},
		"message signing, no key": {profile: oauth.ProfileFAPI2MessageSigning, sender: nothing, code: oauth.InvalidRequest},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench()
			b.sender = c.sender
			if c.profile != "" {
				b.profile = oauth.Profiles[c.profile]
			}
			if c.client != nil {
				c.client(b.client)
			}
			status, body, answer := b.ask(t, credentials())
			if c.code != "" {
				if status != http.StatusBadRequest || answer["error"] != string(c.code) || b.committed != nil {
					t.Errorf("%d %s, committed %v", status, body, b.committed)
				}
				return
			}
			if status != http.StatusOK {
				t.Fatalf("%d %s", status, body)
			}
			cnf, _ := b.signed["cnf"].(map[string]any)
			if diff := cmp.Diff(c.want, cnf); diff != "" {
				t.Error(diff)
			}
			changes, kind := []string{"UseAssertion", "RecordAudit"}, "Bearer"
			if len(c.sender.Changes) > 0 {
				changes = []string{"UseAssertion", "UseProof", "RecordAudit"}
			}
			if c.want["jkt"] != nil {
				kind = "DPoP"
			}
			if diff := cmp.Diff(changes, b.committed); diff != "" || answer["token_type"] != kind || b.asked.Sender.Method != c.method {
				t.Errorf("token_type %v, policy saw %+v, %s", answer["token_type"], b.asked.Sender, diff)
			}
			if b.audited.Detail["jkt"] == nil && c.want["jkt"] != nil {
				t.Errorf("the audit entry does not name the key: %v", b.audited.Detail)
			}
		})
	}
}

// A proof that cannot be accepted refuses the request before anything else is looked at.
func TestBadProofsRefuse(t *testing.T) {
	for _, code := range []oauth.Code{oauth.InvalidDPoPProof, oauth.UseDPoPNonce} {
		b := newBench()
		b.fault = oauth.Errorf(code, "no")
		if status, body, answer := b.ask(t, redemption()); status != http.StatusBadRequest || answer["error"] != string(code) || b.committed != nil {
			t.Errorf("%d %s, committed %v", status, body, b.committed)
		}
	}
}

// When the client's own mistake burns its code, its proofs are used up with it.
func TestRefusalsUseProofsUp(t *testing.T) {
	b := newBench()
	b.sender = binding.Sender{Confirmation: oauth.Confirmation{JKT: "K"}, Changes: []oauth.Change{oauth.UseProof{}}}
	b.code.Request.DPoPJKT = "another"
	status, body, answer := b.ask(t, redemption())
	if status != http.StatusBadRequest || answer["error"] != string(oauth.InvalidGrant) {
		t.Errorf("%d %s", status, body)
	}
	if diff := cmp.Diff([]string{"UseAssertion", "UseProof", "BurnCode", "RecordAudit"}, b.committed); diff != "" {
		t.Error(diff)
	}
}

func detail(text string) oauth.Detail {
	var d oauth.Detail
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		panic(err)
	}
	return d
}

func TestDetails(t *testing.T) {
	const one, two, elsewhere = `{"type":"pay","at":"https://api","n":1}`, `{"type":"pay","at":"https://api","n":2}`, `{"type":"pay","at":"https://x"}`
	list := func(texts ...string) string { return "[" + strings.Join(texts, ",") + "]" }
	for name, c := range map[string]struct {
		form    url.Values
		granted []string
		asked   string
		chosen  []int
		taken   string // type that the client has lost
		want    string // "" = none at all
		code    oauth.Code
	}{
		"none":                        {form: redemption()},
		"all of the audience's":       {form: redemption(), granted: []string{one, elsewhere, two}, want: list(one, two)},
		"none of the audience's":      {form: redemption(), granted: []string{elsewhere}, code: oauth.InvalidDetails},
		"none of the client's":        {form: redemption(), granted: []string{one}, taken: "pay", code: oauth.InvalidDetails},
		"narrowed by the request":     {form: redemption(), granted: []string{one, two}, asked: list(two), want: list(two)},
		"narrowed by policy":          {form: redemption(), granted: []string{one, elsewhere, two}, chosen: []int{1}, want: list(two)},
		"nothing to withhold":         {form: redemption(), chosen: []int{}},
		"more than granted":           {form: redemption(), granted: []string{one}, asked: list(two), code: oauth.InvalidDetails},
		"granted none":                {form: redemption(), asked: list(one), code: oauth.InvalidDetails},
		"narrowed to another's":       {form: redemption(), granted: []string{one, elsewhere}, asked: list(elsewhere), code: oauth.InvalidDetails},
		"client_credentials":          {form: credentials(), asked: list(one), want: list(one)},
		"client_credentials, nowhere": {form: credentials(), asked: list(elsewhere), code: oauth.InvalidDetails},
		"client_credentials, faulty":  {form: credentials(), asked: "[", code: oauth.InvalidDetails},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench()
			b.chosen = c.chosen
			b.client.DetailsTypes = []string{"not " + c.taken}
			for _, text := range c.granted {
				b.code.Request.Details = append(b.code.Request.Details, detail(text))
			}
			if c.asked != "" {
				c.form.Set("authorization_details", c.asked)
			}
			status, body, answer := b.ask(t, c.form)
			if c.code != "" {
				if status != http.StatusBadRequest || answer["error"] != string(c.code) || b.committed != nil {
					t.Errorf("%d %s, committed %v", status, body, b.committed)
				}
				return
			}
			var want any
			if c.want != "" {
				if err := json.Unmarshal([]byte(c.want), &want); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(want, answer["authorization_details"]); diff != "" || status != http.StatusOK {
				t.Errorf("answer: %d %s", status, diff)
			}
			if diff := cmp.Diff(want, b.signed["authorization_details"]); diff != "" {
				t.Errorf("access token: %s", diff)
			}
		})
	}
}

// Policy may withhold details, but not so that a token is left that they no longer bound.
func TestPolicyCannotWithholdTheBounds(t *testing.T) {
	for name, c := range map[string]struct {
		form  url.Values
		burnt []string
	}{
		"code":               {redemption(), []string{"UseAssertion", "RecordAudit"}},
		"client_credentials": {credentials(), []string{"UseAssertion", "RecordAudit"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench()
			b.chosen = []int{}
			b.code.Request.Details = oauth.Details{detail(`{"type":"pay","at":"https://api"}`)}
			if name == "client_credentials" {
				c.form.Set("authorization_details", `[{"type":"pay","at":"https://api"}]`)
			}
			status, body, answer := b.ask(t, c.form)
			if status != http.StatusBadRequest || answer["error"] != string(oauth.AccessDenied) || b.signed != nil {
				t.Errorf("%d %s, signed %v", status, body, b.signed)
			}
			if diff := cmp.Diff(c.burnt, b.committed); diff != "" {
				t.Error(diff)
			}
			if b.audited == nil || b.audited.Event != string(audit.TokenRefused) || b.audited.DecisionID != "d1" {
				t.Errorf("audited %+v", b.audited)
			}
		})
	}
}

// What the audit log says of the sender is what the tokens are bound to.
func TestIssuedEntryNamesTheBinding(t *testing.T) {
	b := newBench()
	b.sender = binding.Sender{Confirmation: oauth.Confirmation{X5TS256: "C", JKT: "K"}}
	if status, body, _ := b.ask(t, credentials()); status != http.StatusOK || b.audited.Detail["jkt"] != "K" || b.audited.Detail["x5t#S256"] != nil {
		t.Errorf("%d %s, %v", status, body, b.audited.Detail)
	}
	b.client.BoundAccessTokens = true
	if status, body, _ := b.ask(t, credentials()); status != http.StatusOK || b.audited.Detail["jkt"] != "K" || b.audited.Detail["x5t#S256"] != "C" {
		t.Errorf("%d %s, %v", status, body, b.audited.Detail)
	}
}

// The code of a changed grant is good for that grant only, and its refresh token takes the place of the one before.
func TestManagedGrantsAreRedeemedAsTheyWere(t *testing.T) {
	seen := noon.Add(-time.Second)
	for name, c := range map[string]struct {
		code func(*oauth.AuthorizationCode)
		want []string
	}{
		"not managed": {func(*oauth.AuthorizationCode) {}, []string{"RedeemCode", "StoreRefresh"}},
		"created": {func(c *oauth.AuthorizationCode) {
			c.Request.GrantAction, c.GrantSeen = oauth.GrantCreate, &time.Time{}
		}, []string{"CheckGrant", "RedeemCode", "StoreRefresh"}},
		"merged": {func(c *oauth.AuthorizationCode) {
			c.Request.GrantAction, c.Request.GrantID, c.GrantSeen = oauth.GrantMerge, "g1", &seen
		}, []string{"CheckGrant", "RedeemCode", "SupersedeRefresh"}},
		"merged by the program before": {func(c *oauth.AuthorizationCode) {
			c.Request.GrantAction, c.Request.GrantID = oauth.GrantMerge, "g1"
		}, []string{"RedeemCode", "SupersedeRefresh"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench()
			c.code(&b.code)
			b.client.GrantTypes = append(b.client.GrantTypes, oauth.GrantRefreshToken)
			if status, body, answer := b.ask(t, redemption()); status != http.StatusOK || answer["refresh_token"] == nil {
				t.Fatalf("%d %s", status, body)
			}
			want := append(append([]string{"UseAssertion"}, c.want...), "ExtendGrant", "RecordAudit")
			if diff := cmp.Diff(want, b.committed); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A client that manages its grants is told the id, and only then.
func TestGrantIDIsTold(t *testing.T) {
	b := newBench()
	if _, body, answer := b.ask(t, redemption()); answer["grant_id"] != nil || answer["access_token"] == nil {
		t.Error(body)
	}
	b.code.Request.GrantAction = oauth.GrantCreate
	if _, body, answer := b.ask(t, redemption()); answer["grant_id"] != "g1" {
		t.Error(body)
	}
}
