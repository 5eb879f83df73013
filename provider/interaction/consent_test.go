package interaction

import (
	"net/http"
	"strings"
	"testing"

	"signet/provider/oauth"
	"signet/provider/rar"
)

const paymentSchema = `{
  "type": "object",
  "required": ["type", "instructedAmount"],
  "properties": {
    "type": {"const": "payment_initiation"},
    "instructedAmount": {"type": "object", "properties": {"amount": {"type": "string"}, "currency": {"type": "string"}}},
    "creditorName": {"type": "string"}
  }
}`

func paymentTypes(t *testing.T) *rar.Types {
	t.Helper()
	types, err := rar.New([]rar.Type{{
		Name: "payment_initiation", Description: "Make this payment", Schema: []byte(paymentSchema), Resources: []string{"https://rs.example"},
		Show: []rar.Field{{Label: "Amount", Path: "instructedAmount"}, {Label: "To", Path: "creditorName"}},
	}, {Name: "account_information", Description: "See these accounts", Schema: []byte(`{}`), Show: []rar.Field{{Label: "Accounts", Path: "accounts.iban"}}}})
	if err != nil {
		t.Fatal(err)
	}
	return types
}

func (r *rig) ask(change func(*oauth.AuthorizationRequest)) string {
	r.t.Helper()
	waiting := r.store.Waiting[r.ticket.Digest]
	change(&waiting.Request)
	r.store.Waiting[r.ticket.Digest] = waiting
	r.tryLogin("anna", "correct horse")
	_, body := r.get("/interaction/consent")
	return body
}

var payment = oauth.Detail{Type: "payment_initiation", JSON: []byte(`{"type":"payment_initiation","instructedAmount":{"amount":"123.50","currency":"EUR"},` +
	`"creditorName":"Merchant <i>A</i>","creditorAccount":{"iban":"DE02100100109307118603"},"remittanceInformationUnstructured":"Ref Number Merchant"}`)}

// Each authorization detail is on the page in words, whole, and nothing of it is markup.
func TestConsentShowsDetails(t *testing.T) {
	r := newRig(t, func(d *Deps) { d.Details = paymentTypes(t) })
	body := r.ask(func(req *oauth.AuthorizationRequest) {
		req.Details = oauth.Details{payment, {Type: "gone", JSON: []byte(`{"type":"gone","x":1}`)}}
	})
	for _, want := range []string{
		`id="consent-details"`, `id="detail-0"`, `id="detail-1"`, "<h2>Make this payment</h2>",
		"<dt>Amount</dt><dd>123.50 EUR</dd>", "<dt>To</dt><dd>Merchant &lt;i&gt;A&lt;/i&gt;</dd>",
		"<dt>Creditor account</dt><dd>Iban: DE02100100109307118603</dd>", "<dd>Ref Number Merchant</dd>",
		"<h2>gone</h2>", "{&#34;type&#34;:&#34;gone&#34;,&#34;x&#34;:1}", "could do besides",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in\n%s", want, body)
		}
	}
}

// Without scopes the page is about the details alone.
func TestConsentWithoutScopes(t *testing.T) {
	r := newRig(t, func(d *Deps) { d.Details = paymentTypes(t) })
	body := r.ask(func(req *oauth.AuthorizationRequest) { req.Details, req.Scope = oauth.Details{payment}, nil })
	if strings.Contains(body, "consent-scopes") || !strings.Contains(body, "consent-approve") {
		t.Error(body)
	}
}

// What becomes of an earlier permission is said before it is done.
func TestConsentSaysWhatBecomesOfTheGrant(t *testing.T) {
	for action, want := range map[oauth.GrantAction]string{
		"": "", oauth.GrantCreate: "", oauth.GrantMerge: "What you allowed before is listed here too", oauth.GrantReplace: "This takes the place of what you allowed before",
	} {
		r := newRig(t)
		body := r.ask(func(req *oauth.AuthorizationRequest) { req.GrantAction = action })
		if strings.Contains(body, "consent-before") != (want != "") || !strings.Contains(body, want) {
			t.Errorf("%q: %s", action, body)
		}
	}
}

// A change of a grant shows all that the grant would have, whatever of it the request names.
func TestConsentShowsTheWholeOutcome(t *testing.T) {
	r := newRig(t, func(d *Deps) { d.Details = paymentTypes(t) })
	waiting := r.store.Waiting[r.ticket.Digest]
	waiting.Request.GrantAction, waiting.Request.GrantID = oauth.GrantMerge, "g1"
	r.store.Waiting[r.ticket.Digest] = waiting
	r.tryLogin("anna", "correct horse")
	waiting = r.store.Waiting[r.ticket.Digest]
	for name, outcome := range map[string]*oauth.Grant{"not known yet": nil, "somebody else's": {UserID: "u3"}} {
		waiting.Outcome = outcome
		r.store.Waiting[r.ticket.Digest] = waiting
		if res, _ := r.get("/interaction/consent"); res.StatusCode != http.StatusSeeOther || !strings.HasPrefix(res.Header.Get("Location"), "/authorize/resume") {
			t.Errorf("%s: %d %v", name, res.StatusCode, res.Header)
		}
	}
	waiting.Outcome = &oauth.Grant{UserID: "u1", Scope: oauth.Scope{"openid", "accounts", "x-before"}, Resources: []string{"https://rs.example", "https://before.example"}, Details: oauth.Details{payment}}
	r.store.Waiting[r.ticket.Digest] = waiting
	_, body := r.get("/interaction/consent")
	for _, want := range []string{`id="scope-accounts"`, `id="scope-x-before"`, "https://before.example", "123.50 EUR", `id="consent-before"`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in\n%s", want, body)
		}
	}
}

// The page says what the access is bound to.
func TestConsentBoundTo(t *testing.T) {
	fapi1, fapi2, plain := oauth.Profiles[oauth.ProfileFAPI1Advanced], oauth.Profiles[oauth.ProfileFAPI2Security], oauth.Profiles[oauth.ProfileOpenID]
	for name, c := range map[string]struct {
		client  oauth.Client
		profile oauth.Profile
		jkt     string
		want    string
	}{
		"nothing":                        {oauth.Client{}, plain, "", ""},
		"a proof was pushed":             {oauth.Client{AuthMethod: oauth.AuthTLS}, plain, "jkt", boundToKey},
		"the client is bound to keys":    {oauth.Client{DPoPBound: true}, fapi2, "", boundToKey},
		"either":                         {oauth.Client{AuthMethod: oauth.AuthPrivateKeyJWT}, fapi2, "", boundToEither},
		"the profile wants certificates": {oauth.Client{AuthMethod: oauth.AuthPrivateKeyJWT}, fapi1, "", boundToCertificate},
		"the client wants certificates":  {oauth.Client{BoundAccessTokens: true}, plain, "", boundToCertificate},
	} {
		if got := boundTo(&c.client, c.profile, oauth.AuthorizationRequest{DPoPJKT: c.jkt}); got != c.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}
