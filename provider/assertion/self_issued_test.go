package assertion

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/provider/jose"
	"signet/provider/oauth"
)

func own(changes map[string]any) map[string]any {
	c := claims(map[string]any{"iss": "app", "sub": "app", "acr": "high", "amr": []string{"otp"}})
	for name, value := range changes {
		c[name] = value
	}
	return c
}

// TestSelfIssued: a client speaks for itself, and for users only where it is trusted; never about how strong a login was.
func TestSelfIssued(t *testing.T) {
	trusted := func(c *oauth.Client) { c.TrustedFor = []string{oauth.GrantJWTBearer} }
	fapi := func(c *oauth.Client) { c.Profile = oauth.ProfileFAPI2Security }
	off := func(d *Deps) { d.SelfIssued = false }
	for name, c := range map[string]struct {
		deps   func(*Deps)
		client func(*oauth.Client)
		key    string
		claims map[string]any
		user   string
		want   string // "" = accepted
	}{
		"the client itself":            {nil, nil, "client", nil, "", ""},
		"a user":                       {nil, trusted, "client", map[string]any{"sub": "u1"}, "u1", ""},
		"itself, though trusted":       {nil, trusted, "client", nil, "", ""},
		"the endpoint as audience":     {nil, nil, "client", map[string]any{"aud": mtlsDoor}, "", ""},
		"FAPI":                         {nil, fapi, "client", nil, "", ""},
		"FAPI, the endpoint":           {nil, fapi, "client", map[string]any{"aud": endpoint}, "", "has another audience"},
		"FAPI, a list":                 {nil, fapi, "client", map[string]any{"aud": []string{server}}, "", "has another audience"},
		"a user, not trusted":          {nil, nil, "client", map[string]any{"sub": "u1"}, "", "is about a user, and this client is not trusted to name users"},
		"a user by name":               {nil, trusted, "client", map[string]any{"sub": "alice"}, "", "names no user who can log in here"},
		"a disabled user":              {nil, trusted, "client", map[string]any{"sub": "u2"}, "", "names no user who can log in here"},
		"trusted for something else":   {nil, func(c *oauth.Client) { c.TrustedFor = []string{oauth.GrantSAML2Bearer} }, "client", map[string]any{"sub": "u1"}, "", "is about a user, and this client is not trusted to name users"},
		"another's key":                {nil, nil, "evil", nil, "", "is not signed by its issuer"},
		"the issuer's key":             {nil, nil, "sts", nil, "", "is not signed by its issuer"},
		"not allowed":                  {off, nil, "client", nil, "", "is not from an issuer that is known here"},
		"another client's":             {nil, func(c *oauth.Client) { c.ID = "other" }, "client", nil, "", "is not from an issuer that is known here"},
		"a public client":              {nil, func(c *oauth.Client) { c.AuthMethod = oauth.AuthNone }, "client", nil, "", "is not from an issuer that is known here"},
		"another issuer's name":        {nil, trusted, "client", map[string]any{"iss": sts, "sub": "u1"}, "", "is not signed by its issuer"},
		"a request object":             {nil, nil, "client", map[string]any{"response_type": "code"}, "", "is of another type"},
		"lives an hour":                {nil, nil, "client", map[string]any{"exp": now.Add(time.Hour).Unix()}, "", "lives too long"},
		"a client named as an issuer?": {func(d *Deps) { d.Issuers[0].ID = "app" }, trusted, "client", map[string]any{"sub": "u1"}, "", "is not signed by its issuer"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := reader(t, c.deps).JWT(t.Context(), client(c.client), jwt(t, c.key, "", own(c.claims)), oauth.GrantJWTBearer, now)
			if c.want != "" {
				refused(t, got, err, oauth.InvalidGrant, "the assertion "+c.want)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			change := []oauth.Change{oauth.UseAssertion{ClientID: "app", JTI: "j-1", Until: now.Add(time.Minute + Late)}}
			if diff := cmp.Diff(change, got.Changes); diff != "" { // as a client assertion: it could be one
				t.Error(diff)
			}
			if got.User.ID != c.user || !got.SelfIssued || got.ClientItself() != (c.user == "") || got.ACR != "" || got.AMR != nil || got.Scope != nil {
				t.Errorf("%+v", got)
			}
		})
	}
}

// TestClientKeysFail: whose fault it is that a signature was not checked.
func TestClientKeysFail(t *testing.T) {
	for want, err := range map[oauth.Code]error{
		oauth.InvalidGrant:           oauth.Errorf(oauth.InvalidClient, "no keys"),
		oauth.TemporarilyUnavailable: errors.New("PRIVATE: connection refused"),
	} {
		r := reader(t, func(d *Deps) { d.Clients = clientKeys{err} })
		got, err := r.JWT(t.Context(), client(nil), jwt(t, "client", "", own(nil)), oauth.GrantJWTBearer, now)
		refused(t, got, err, want, "")
		document := plainSAML("https://sts.example", "app", ">u1<", ">app<")
		got, err = r.SAML(t.Context(), client(nil), signedSAML(t, "saml", document), oauth.GrantSAML2Bearer, now)
		refused(t, got, err, want, "")
	}
	r := reader(t, func(d *Deps) {
		d.Clients = clientKeys{errors.Join(errors.New("not signed by the client"), jose.ErrSignature)}
	})
	got, err := r.JWT(t.Context(), client(nil), jwt(t, "client", "", own(nil)), oauth.GrantJWTBearer, now)
	refused(t, got, err, oauth.InvalidGrant, "the assertion is not signed by its issuer")
}
