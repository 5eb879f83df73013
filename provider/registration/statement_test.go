package registration

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/provider/jose"
	"signet/provider/oauth"
)

const directory = "https://directory.example"

// signer makes software statements.
type signer struct {
	key *jose.PrivateKey
	set *jose.KeySet
}

func newSigner(t *testing.T, kid string) signer {
	t.Helper()
	private, err := jose.Generate("ES256", 0, rand.Reader)
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
	return signer{key, set}
}

func (s signer) sign(t *testing.T, typ string, claims map[string]any) string {
	t.Helper()
	raw, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	compact, err := s.key.Sign(typ, raw)
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

func (s signer) issuer(name string) StatementIssuer {
	return StatementIssuer{Issuer: name, Algs: []string{"ES256"}, Keys: func(context.Context) (*jose.KeySet, error) { return s.set, nil }}
}

// What a statement says counts more than what the client says; the statement itself is told back as it came.
func TestSoftwareStatement(t *testing.T) {
	s, h := newSigner(t, "k"), newHouse()
	h.statements = Statements{Issuers: []StatementIssuer{s.issuer("https://other.example"), s.issuer(directory)}, Audience: "https://id.example"}
	statement := s.sign(t, "JWT", map[string]any{
		"iss": directory, "aud": "https://id.example", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "client_name": "Said by the directory",
		"software_id": "app-1", "redirect_uris": []string{"https://app.example/cb"}, "software_statement": "x", "tos_uri": nil, "profile": "openid", "disabled": true,
	})
	r := h.send(http.MethodPost, "/register", initial, `{"client_name":"Said by itself","tos_uri":"https://app.example/tos","software_statement":"`+statement+`"}`)
	if r.Code != http.StatusCreated {
		t.Fatalf("%d %s", r.Code, r.Body)
	}
	c := h.committed[0].(oauth.StoreClient).Client
	got := []any{c.Name, c.SoftwareID, c.RedirectURIs, c.SoftwareStatement, c.TermsURI, c.Profile, c.Disabled, r.json["software_statement"], r.json["client_name"]}
	want := []any{"Said by the directory", "app-1", []string{"https://app.example/cb"}, statement, "https://app.example/tos", oauth.ProfileFAPICIBA, false, statement, "Said by the directory"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	told := h.asked[0].Registration.SoftwareStatement
	if told == nil || told.Issuer != directory || !strings.Contains(string(told.Claims), `"app-1"`) {
		t.Errorf("policy is told %+v", told)
	}
	if detail := h.committed[1].(oauth.RecordAudit).Entry.Detail; detail["software_statement"] != directory {
		t.Errorf("%v", detail)
	}
}

func TestSoftwareStatementsAreRefused(t *testing.T) {
	s, stranger := newSigner(t, "k"), newSigner(t, "k")
	next := newSigner(t, "next")
	claims := func(edit func(map[string]any)) map[string]any {
		c := map[string]any{"iss": directory, "client_name": "A"}
		if edit != nil {
			edit(c)
		}
		return c
	}
	for name, c := range map[string]struct {
		statement string // as JSON
		house     func(*house)
		status    int
		want      string
	}{
		"good":               {statement: s.sign(t, "", claims(nil)), status: 201},
		"none":               {status: 201},
		"none, but required": {house: func(h *house) { h.statements.Required = true }, status: 400, want: "software_statement: is required"},
		"ignored":            {statement: "nonsense", house: func(h *house) { h.statements = Statements{} }, status: 201},
		"not text":           {statement: "1", status: 400, want: "software_statement: is of the wrong type"},
		"nonsense":           {statement: "nonsense", status: 400, want: "unapproved_software_statement"},
		"too large":          {statement: "a." + strings.Repeat("x", jose.MaxTokenSize) + ".b", status: 400, want: "unapproved_software_statement"},
		"another issuer":     {statement: s.sign(t, "", claims(func(c map[string]any) { c["iss"] = "https://moon.example" })), status: 400, want: "unapproved_software_statement"},
		"no issuer":          {statement: s.sign(t, "", claims(func(c map[string]any) { delete(c, "iss") })), status: 400, want: "unapproved_software_statement"},
		"another's key":      {statement: stranger.sign(t, "", claims(nil)), status: 400, want: "invalid_software_statement"},
		"a new key":          {statement: next.sign(t, "", claims(nil)), house: fresh(next.set, nil), status: 201},
		"a key of nobody":    {statement: next.sign(t, "", claims(nil)), house: fresh(s.set, nil), status: 400, want: "invalid_software_statement"},
		"no new keys":        {statement: next.sign(t, "", claims(nil)), house: fresh(nil, errors.New("away")), status: 503, want: "temporarily_unavailable"},
		"no keys": {statement: s.sign(t, "", claims(nil)), house: func(h *house) {
			h.statements.Issuers[0].Keys = func(context.Context) (*jose.KeySet, error) { return nil, errors.New("away") }
		}, status: 503, want: "temporarily_unavailable"},
		"unsigned":          {statement: jose.Unsigned("JWT", []byte(`{"iss":"`+directory+`"}`)), status: 400, want: "invalid_software_statement"},
		"an ID token":       {statement: s.sign(t, "at+jwt", claims(nil)), status: 400, want: "invalid_software_statement"},
		"another audience":  {statement: s.sign(t, "", claims(func(c map[string]any) { c["aud"] = []string{"https://moon.example"} })), status: 400, want: "for another audience"},
		"nobody's audience": {statement: s.sign(t, "", claims(func(c map[string]any) { c["aud"] = []string{} })), status: 400, want: "for another audience"},
		"expired":           {statement: s.sign(t, "", claims(func(c map[string]any) { c["exp"] = now.Add(-time.Minute).Unix() })), status: 400, want: "has expired"},
		"not yet":           {statement: s.sign(t, "", claims(func(c map[string]any) { c["nbf"] = now.Add(time.Minute).Unix() })), status: 400, want: "not valid yet"},
		"of tomorrow":       {statement: s.sign(t, "", claims(func(c map[string]any) { c["iat"] = now.Add(time.Hour).Unix() })), status: 400, want: "not valid yet"},
		"of a wrong type":   {statement: s.sign(t, "", claims(func(c map[string]any) { c["client_name"] = 1 })), status: 400, want: "client_name: is of the wrong type"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse()
			h.statements = Statements{Issuers: []StatementIssuer{s.issuer(directory)}, Audience: "https://id.example"}
			if c.house != nil {
				c.house(h)
			}
			body := `{}`
			if c.statement != "" {
				body = `{"software_statement":"` + c.statement + `"}`
			}
			if c.statement == "1" {
				body = `{"software_statement":1}`
			}
			r := h.send(http.MethodPost, "/register", initial, body)
			if r.Code != c.status || !strings.Contains(r.Body.String(), c.want) || (len(h.committed) > 0) != (c.status == 201) {
				t.Errorf("%d %s", r.Code, r.Body)
			}
		})
	}
}

// fresh is what reading the keys again gives.
func fresh(set *jose.KeySet, err error) func(*house) {
	return func(h *house) {
		h.statements.Issuers[0].Fresh = func(context.Context) (*jose.KeySet, error) { return set, err }
	}
}
