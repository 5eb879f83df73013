package assertion

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/provider/oauth"
)

func TestSAML(t *testing.T) {
	raw := signedSAML(t, "saml", plainSAML())
	for name, sent := range map[string]string{"unpadded": raw, "padded": raw + strings.Repeat("=", (4-len(raw)%4)%4)} {
		got, err := reader(t, nil).SAML(t.Context(), client(nil), sent, oauth.GrantSAML2Bearer, now)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		until := time.Date(2026, 3, 4, 5, 10, 0, 0, time.UTC)
		want := Asserted{
			Issuer: sts, User: users{}.all()[0], AuthTime: time.Date(2026, 3, 4, 5, 0, 0, 0, time.UTC), ACR: "high",
			Claims: []byte(`{"role":["teller"]}`), ExpiresAt: until, Scope: oauth.Scope{"accounts"},
			Changes: []oauth.Change{oauth.UseAssertion{ClientID: "assertion:" + digest(sts), JTI: "_a1", Until: until.Add(Late)}},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestSAMLSession(t *testing.T) {
	text := plainSAML("<saml:AuthnStatement ", `<saml:AuthnStatement SessionNotOnOrAfter="2026-03-04T05:08:00Z" `)
	got, err := reader(t, nil).SAML(t.Context(), client(nil), signedSAML(t, "saml", text), oauth.GrantSAML2Bearer, now)
	if err != nil || !got.SessionEnds.Equal(now.Add(time.Minute)) || !got.ExpiresAt.Equal(got.SessionEnds) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestSAMLRefused(t *testing.T) {
	sign := func(pairs ...string) string { return signedSAML(t, "saml", plainSAML(pairs...)) }
	plain := base64.RawURLEncoding.EncodeToString([]byte(plainSAML()))
	good := sign()
	for name, c := range map[string]struct {
		raw  string
		want string
	}{
		"unsigned":          {plain, "is no SAML assertion that is read here"},
		"another's key":     {signedSAML(t, "evil saml", plainSAML()), "is not signed by its issuer"},
		"another issuer":    {sign("https://sts.example", "https://evil.example"), "is not from an issuer that is known here"},
		"another audience":  {sign("<saml:Audience>https://as.example", "<saml:Audience>https://other.example"), "has another audience"},
		"another recipient": {sign("https://as.example/token", "https://other.example/token"), "has another Recipient than the token endpoint"},
		"expired":           {sign("05:10:00", "05:06:50"), "has expired"},
		"lives too long":    {sign("05:10:00", "05:16:01"), "lives too long"},
		"disabled user":     {sign(">u1<", ">u2<"), "names no user who can log in here"},
		"unknown user":      {sign(">u1<", ">u9<"), "names no user who can log in here"},
		"login ended":       {sign(">u1<", ">u3<"), "names no user who can log in here"},
		"standard base64":   {base64.StdEncoding.EncodeToString([]byte("??>" + plainSAML())), "is no SAML assertion that is read here"},
		"a line break":      {good[:64] + "\n" + good[64:], "is no SAML assertion that is read here"},
		"XML itself":        {plainSAML(), "is no SAML assertion that is read here"},
		"a JWT":             {jwt(t, "sts", "", claims(nil)), "is no SAML assertion that is read here"},
		"nothing":           {"", "is no SAML assertion that is read here"},
		"too long":          {strings.Repeat("A", 70000), "is no SAML assertion that is read here"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := reader(t, nil).SAML(t.Context(), client(nil), c.raw, oauth.GrantSAML2Bearer, now)
			refused(t, got, err, oauth.InvalidGrant, "the assertion "+c.want)
		})
	}
	noSAML := func(d *Deps) { d.Issuers[0].Certificates = nil }
	got, err := reader(t, noSAML).SAML(t.Context(), client(nil), good, oauth.GrantSAML2Bearer, now)
	refused(t, got, err, oauth.InvalidGrant, "the assertion is not signed by its issuer")
	other := func(d *Deps) { d.Issuers[0].Algorithms = []string{"ES256"} }
	got, err = reader(t, other).SAML(t.Context(), client(nil), good, oauth.GrantSAML2Bearer, now)
	refused(t, got, err, oauth.InvalidGrant, "the assertion is not signed by its issuer")
}

// TestSelfIssuedSAML: by the client's own certificate, which clientauth finds in its JWKS.
func TestSelfIssuedSAML(t *testing.T) {
	mine := func(pairs ...string) string {
		return plainSAML(append([]string{"https://sts.example", "app", ">u1<", ">app<"}, pairs...)...)
	}
	r := reader(t, func(d *Deps) { d.Clients = samlKeys{} })
	got, err := r.SAML(t.Context(), client(nil), signedSAML(t, "saml", mine()), oauth.GrantSAML2Bearer, now)
	want := []oauth.Change{oauth.UseAssertion{ClientID: "app", JTI: "_a1", Until: time.Date(2026, 3, 4, 5, 10, 10, 0, time.UTC)}}
	if diff := cmp.Diff(want, got.Changes); err != nil || !got.ClientItself() || got.ACR != "" || diff != "" {
		t.Errorf("%+v, %v %s", got, err, diff)
	}
	about := signedSAML(t, "saml", plainSAML("https://sts.example", "app"))
	got, err = r.SAML(t.Context(), client(nil), about, oauth.GrantSAML2Bearer, now)
	refused(t, got, err, oauth.InvalidGrant, "the assertion is about a user, and this client is not trusted to name users")
	trusted := client(func(c *oauth.Client) { c.TrustedFor = []string{oauth.GrantSAML2Bearer} })
	if got, err = r.SAML(t.Context(), trusted, about, oauth.GrantSAML2Bearer, now); err != nil || got.User.ID != "u1" {
		t.Errorf("%+v, %v", got, err)
	}
	got, err = r.SAML(t.Context(), client(nil), signedSAML(t, "evil saml", mine()), oauth.GrantSAML2Bearer, now)
	refused(t, got, err, oauth.InvalidGrant, "the assertion is not signed by its issuer")
}

func TestNew(t *testing.T) {
	one := func(change func(*Issuer)) func(*Deps) { return func(d *Deps) { change(&d.Issuers[0]) } }
	for name, c := range map[string]struct {
		change func(*Deps)
		want   string
	}{
		"nothing":           {func(d *Deps) { *d = Deps{} }, "Issuer, Endpoints, Floor and Users are required"},
		"self-issued":       {func(d *Deps) { d.Clients = nil }, "SelfIssued needs Clients"},
		"no name":           {one(func(i *Issuer) { i.ID = "" }), "it needs a name"},
		"this server":       {one(func(i *Issuer) { i.ID = server }), "it needs a name, which is not this server's"},
		"twice":             {func(d *Deps) { d.Issuers = append(d.Issuers, d.Issuers[0]) }, "it is there twice"},
		"two key sets":      {one(func(i *Issuer) { i.JWKSURI = "https://sts.example/jwks" }), "it has both JWKS and JWKSURI"},
		"no keys":           {one(func(i *Issuer) { i.JWKS, i.Certificates = nil, nil }), "it has neither keys nor certificates"},
		"no fetcher":        {one(func(i *Issuer) { i.JWKS, i.JWKSURI = nil, "https://sts.example/jwks" }), "a JWKSURI needs Fetch"},
		"bad keys":          {one(func(i *Issuer) { i.JWKS = []byte("{}") }), "malformed"},
		"many certificates": {one(func(i *Issuer) { i.Certificates = slices.Repeat(i.Certificates, 9) }), "more than 8 certificates"},
		"bad subject":       {one(func(i *Issuer) { i.Subject = "email" }), "neither sub nor username"},
		"long lives":        {one(func(i *Issuer) { i.MaxLifetime = 2 * time.Hour }), "more than an hour"},
		"no scope":          {one(func(i *Issuer) { i.Scope = nil }), "it has no Scope"},
		"bad use":           {one(func(i *Issuer) { i.Uses = []string{"password"} }), "not a grant type that takes assertions"},
		"bad algorithm":     {one(func(i *Issuer) { i.Algorithms = []string{"HS256"} }), "none of its Algorithms is one of the profile's for JWTs"},
		"no SAML algorithm": {one(func(i *Issuer) { i.Algorithms = []string{"EdDSA"} }), "none of its Algorithms is one for SAML"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := New(deps(t, c.change)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}
