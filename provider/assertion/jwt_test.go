package assertion

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/provider/oauth"
)

func TestJWT(t *testing.T) {
	at := func(d time.Duration) any { return now.Add(d).Unix() }
	for name, c := range map[string]struct {
		claims map[string]any
		typ    string
		want   func(*Asserted)
	}{
		"plain":                     {nil, "", func(*Asserted) {}},
		"typed":                     {nil, "JWT", func(*Asserted) {}},
		"typed as a grant":          {nil, "authorization-grant+jwt", func(*Asserted) {}},
		"for the endpoint":          {map[string]any{"aud": endpoint}, "", func(*Asserted) {}},
		"for the other door":        {map[string]any{"aud": mtlsDoor}, "", func(*Asserted) {}},
		"for another name of ours":  {map[string]any{"aud": "urn:as"}, "", func(*Asserted) {}},
		"for several of ours":       {map[string]any{"aud": []string{endpoint, server}}, "", func(*Asserted) {}},
		"expired within the leeway": {map[string]any{"exp": at(-9 * time.Second)}, "", func(a *Asserted) { a.ExpiresAt = now.Add(-9 * time.Second) }},
		"login known": {map[string]any{"auth_time": at(-time.Hour), "acr": "high", "amr": []string{"otp"}}, "", func(a *Asserted) {
			a.AuthTime, a.ACR, a.AMR = now.Add(-time.Hour), "high", []string{"otp"}
		}},
		"login in the future":  {map[string]any{"auth_time": at(time.Hour)}, "", func(*Asserted) {}},
		"issued in the future": {map[string]any{"iat": at(20 * time.Second)}, "", func(a *Asserted) { a.AuthTime = now }},
		"no iat": {map[string]any{"iat": nil}, "", func(a *Asserted) {
			a.AuthTime = now.Add(time.Minute - DefaultLifetime)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			sent := claims(c.claims)
			got, err := reader(t, nil).JWT(t.Context(), client(nil), jwt(t, "sts", c.typ, sent), oauth.GrantJWTBearer, now)
			if err != nil {
				t.Fatal(err)
			}
			payload, _ := json.Marshal(sent)
			want := Asserted{
				Issuer: sts, User: users{}.all()[0], AuthTime: now.Add(-10 * time.Second), Claims: payload,
				ExpiresAt: now.Add(time.Minute), Scope: oauth.Scope{"accounts"},
			}
			c.want(&want)
			want.Changes = []oauth.Change{oauth.UseAssertion{
				ClientID: "assertion:" + digest(sts), JTI: "j-1", Until: want.ExpiresAt.Add(Late),
			}}
			if diff := cmp.Diff(want, got); diff != "" || got.ClientItself() {
				t.Error(diff)
			}
		})
	}
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func TestJWTClaimsRefused(t *testing.T) {
	at := func(d time.Duration) any { return now.Add(d).Unix() }
	for name, c := range map[string]struct {
		claims map[string]any
		typ    string
		want   string
	}{
		"another issuer":       {map[string]any{"iss": "https://evil.example"}, "", "is not from an issuer that is known here"},
		"no issuer":            {map[string]any{"iss": nil}, "", "is no JWT"},
		"this server":          {map[string]any{"iss": server}, "", "is not from an issuer that is known here"},
		"another audience":     {map[string]any{"aud": "https://other.example"}, "", "has another audience"},
		"another audience too": {map[string]any{"aud": []string{server, "https://other.example"}}, "", "has another audience"},
		"a longer audience":    {map[string]any{"aud": server + "/"}, "", "has another audience"},
		"no audience":          {map[string]any{"aud": nil}, "", "has another audience"},
		"empty audience":       {map[string]any{"aud": []string{}}, "", "has another audience"},
		"no subject":           {map[string]any{"sub": nil}, "", "has no sub"},
		"no end":               {map[string]any{"exp": nil}, "", "has no exp"},
		"expired":              {map[string]any{"exp": at(-10 * time.Second)}, "", "has expired"},
		"lives too long":       {map[string]any{"exp": at(DefaultLifetime + time.Second), "iat": at(0)}, "", "lives too long"},
		"lives far too long":   {map[string]any{"exp": at(DefaultLifetime + time.Minute), "iat": nil}, "", "lives too long"},
		"issued too early":     {map[string]any{"iat": at(31 * time.Second)}, "", "is not valid yet"},
		"not valid yet":        {map[string]any{"nbf": at(31 * time.Second)}, "", "is not valid yet"},
		"no jti":               {map[string]any{"jti": nil}, "", "needs a jti of 1 to 256 bytes"},
		"jti too long":         {map[string]any{"jti": strings.Repeat("j", 257)}, "", "needs a jti of 1 to 256 bytes"},
		"an access token":      {nil, "at+jwt", "is of another type"},
		"a client assertion":   {nil, "client-authentication+jwt", "is of another type"},
		"a proof":              {nil, "dpop+jwt", "is of another type"},
		"a logout token":       {map[string]any{"events": map[string]any{}}, "", "is of another type"},
		"a request object":     {map[string]any{"redirect_uri": "https://app/cb"}, "", "is of another type"},
		"acr of another type":  {map[string]any{"acr": 1}, "", "is malformed"},
		"auth_time text":       {map[string]any{"auth_time": "now"}, "", "is malformed"},
		"unknown user":         {map[string]any{"sub": "u9"}, "", "names no user who can log in here"},
		"disabled user":        {map[string]any{"sub": "u2"}, "", "names no user who can log in here"},
		"login ended":          {map[string]any{"sub": "u3", "auth_time": at(-time.Hour)}, "", "names no user who can log in here"},
		"name too long":        {map[string]any{"sub": strings.Repeat("u", 256)}, "", "names no user who can log in here"},
		"a username":           {map[string]any{"sub": "alice"}, "", "names no user who can log in here"},
		"the client":           {map[string]any{"sub": "app"}, "", "names no user who can log in here"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := reader(t, nil).JWT(t.Context(), client(nil), jwt(t, "sts", c.typ, claims(c.claims)), oauth.GrantJWTBearer, now)
			refused(t, got, err, oauth.InvalidGrant, "the assertion "+c.want)
		})
	}
	r := reader(t, nil)
	for _, sub := range []string{"u9", "u2", "u3"} { // not even the cause tells them apart
		_, err := r.JWT(t.Context(), client(nil), jwt(t, "sts", "", claims(map[string]any{"sub": sub, "auth_time": 1})), oauth.GrantJWTBearer, now)
		if want := "invalid_grant: the assertion names no user who can log in here: it names no account that accepts this login"; err.Error() != want {
			t.Errorf("%s: %v", sub, err)
		}
	}
}

// TestJWTAttacks: what is not signed by the issuer's own key, by an algorithm for that key, gives nothing.
func TestJWTAttacks(t *testing.T) {
	payload, err := json.Marshal(claims(nil))
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding
	forge := func(header string, sign func(input string) []byte) string {
		input := b64.EncodeToString([]byte(header)) + "." + b64.EncodeToString(payload)
		return input + "." + b64.EncodeToString(sign(input))
	}
	nothing := func(string) []byte { return nil }
	mac := func(secret []byte) func(string) []byte {
		return func(input string) []byte {
			h := hmac.New(sha256.New, secret)
			h.Write([]byte(input))
			return h.Sum(nil)
		}
	}
	good := jwt(t, "sts", "", claims(nil))
	signature := func(string) []byte {
		raw, _ := b64.DecodeString(good[strings.LastIndexByte(good, '.')+1:])
		return raw
	}
	evil := jwt(t, "evil", "", claims(nil))
	evilKey := strings.TrimSuffix(strings.TrimPrefix(string(jwks(t, "evil")), `{"keys":[`), `]}`)
	_, evilRest, _ := strings.Cut(evil, ".")
	evilWith := func(members string) string {
		return b64.EncodeToString([]byte(`{"alg":"ES256"`+members+`}`)) + "." + evilRest
	}
	goodHeader, _, _ := strings.Cut(good, ".")
	for name, token := range map[string]string{
		"another key":                     evil,
		"alg none":                        forge(`{"alg":"none"}`, nothing),
		"alg None":                        forge(`{"alg":"None"}`, nothing),
		"alg none with a signature":       forge(`{"alg":"none","kid":"sts"}`, signature),
		"no alg":                          forge(`{"kid":"sts"}`, signature),
		"no signature":                    forge(`{"alg":"ES256","kid":"sts"}`, nothing),
		"HS256 with the public JWKS":      forge(`{"alg":"HS256","kid":"sts"}`, mac(jwks(t, "sts"))),
		"HS256 with nothing":              forge(`{"alg":"HS256","kid":"sts"}`, mac(nil)),
		"RS256 for an EC key":             forge(`{"alg":"RS256","kid":"sts"}`, signature),
		"kid of another":                  evilWith(`,"kid":"sts"`),
		"kid unknown":                     evilWith(`,"kid":"unknown"`),
		"kid is a path":                   evilWith(`,"kid":"../../../../dev/null"`),
		"kid is SQL":                      evilWith(`,"kid":"x' UNION SELECT 'secret' -- "`),
		"jwk":                             evilWith(`,"kid":"sts","jwk":` + evilKey),
		"jku":                             evilWith(`,"kid":"evil","jku":"https://evil.example/jwks.json"`),
		"x5u":                             evilWith(`,"kid":"evil","x5u":"https://evil.example/cert.pem"`),
		"x5c":                             evilWith(`,"x5c":["` + base64.StdEncoding.EncodeToString(certificate("evil").Raw) + `"]`),
		"crit":                            forge(`{"alg":"ES256","kid":"sts","crit":["exp"],"exp":1}`, signature),
		"crit that is known":              forge(`{"alg":"ES256","kid":"sts","crit":["b64"],"b64":true}`, signature),
		"zip":                             forge(`{"alg":"ES256","kid":"sts","zip":"DEF"}`, signature),
		"kid twice":                       forge(`{"alg":"ES256","kid":"sts","kid":"evil"}`, signature),
		"changed":                         goodHeader + "." + b64.EncodeToString([]byte(strings.Replace(string(payload), "u1", "u3", 1))) + good[strings.LastIndexByte(good, '.'):],
		"JWE with a PBES2 count":          b64.EncodeToString([]byte(`{"alg":"PBES2-HS256+A128KW","enc":"A256GCM","p2c":2147483647,"p2s":"AAAA"}`)) + ".AAAA.AAAA.AAAA.AAAA",
		"JWE, compressed":                 b64.EncodeToString([]byte(`{"alg":"RSA-OAEP-256","enc":"A256GCM","zip":"DEF"}`)) + ".AAAA.AAAA.AAAA.AAAA",
		"JWE that claims an issuer":       b64.EncodeToString([]byte(`{"alg":"dir","enc":"A256GCM"}`)) + "." + b64.EncodeToString(payload) + ".AAAA.AAAA.AAAA",
		"JSON serialization":              `{"payload":"` + b64.EncodeToString(payload) + `","signatures":[]}`,
		"too long":                        good + strings.Repeat("A", 20000),
		"nothing":                         "..",
		"a SAML assertion":                signedSAML(t, "saml", plainSAML()),
		"the client's key for the issuer": jwt(t, "client", "", claims(nil)),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := reader(t, nil).JWT(t.Context(), client(nil), token, oauth.GrantJWTBearer, now)
			refused(t, got, err, oauth.InvalidGrant, "")
		})
	}
}

// TestIssuers: what an issuer is configured for is all that it may do.
func TestIssuers(t *testing.T) {
	one := func(change func(*Issuer)) func(*Deps) { return func(d *Deps) { change(&d.Issuers[0]) } }
	fapi := func(d *Deps) { d.Floor = oauth.Profiles[oauth.ProfileFAPI2Security] }
	for name, c := range map[string]struct {
		change func(*Deps)
		use    string
		claims map[string]any
		want   string // "" = accepted
	}{
		"by username":       {one(func(i *Issuer) { i.Subject = ByUsername }), oauth.GrantJWTBearer, map[string]any{"sub": "alice"}, ""},
		"this client":       {one(func(i *Issuer) { i.Clients = []string{"other", "app"} }), oauth.GrantJWTBearer, nil, ""},
		"another client":    {one(func(i *Issuer) { i.Clients = []string{"other"} }), oauth.GrantJWTBearer, nil, "is from an issuer whose assertions this client may not present"},
		"exchange":          {nil, oauth.GrantTokenExchange, nil, ""},
		"this use":          {one(func(i *Issuer) { i.Uses = []string{oauth.GrantTokenExchange} }), oauth.GrantTokenExchange, nil, ""},
		"another use":       {one(func(i *Issuer) { i.Uses = []string{oauth.GrantTokenExchange} }), oauth.GrantJWTBearer, nil, "is from an issuer whose assertions do not count for this grant_type"},
		"another algorithm": {one(func(i *Issuer) { i.Algorithms = []string{"RS256"} }), oauth.GrantJWTBearer, nil, "is not signed by its issuer"},
		"this algorithm":    {one(func(i *Issuer) { i.Algorithms = []string{"RS256", "ES256"} }), oauth.GrantJWTBearer, nil, ""},
		"longer lives":      {one(func(i *Issuer) { i.MaxLifetime = time.Hour }), oauth.GrantJWTBearer, map[string]any{"exp": now.Add(59 * time.Minute).Unix()}, ""},
		"shorter lives":     {one(func(i *Issuer) { i.MaxLifetime = time.Second }), oauth.GrantJWTBearer, nil, "lives too long"},
		"no keys":           {one(func(i *Issuer) { i.JWKS = nil }), oauth.GrantJWTBearer, nil, "is not signed by its issuer"},
		"FAPI":              {fapi, oauth.GrantJWTBearer, map[string]any{"aud": []string{server, endpoint}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := reader(t, c.change).JWT(t.Context(), client(nil), jwt(t, "sts", "", claims(c.claims)), c.use, now)
			if c.want != "" {
				refused(t, got, err, oauth.InvalidGrant, "the assertion "+c.want)
			} else if err != nil || got.User.ID != "u1" {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
	down := errors.New("disk on fire")
	_, err := reader(t, func(d *Deps) { d.Users = users{down} }).JWT(t.Context(), client(nil), jwt(t, "sts", "", claims(nil)), oauth.GrantJWTBearer, now)
	if !errors.Is(err, down) || errors.As(err, new(*oauth.Error)) {
		t.Errorf("a store that fails: %v", err)
	}
}

// TestJWKSURI: keys are read again for one that is not known, and that they cannot be had is not the client's fault.
func TestJWKSURI(t *testing.T) {
	token := jwt(t, "sts", "", claims(nil))
	for name, c := range map[string]struct {
		pages     *pages
		code      oauth.Code
		refreshed int
	}{
		"cached":            {&pages{cached: jwks(t, "sts")}, "", 0},
		"new key":           {&pages{cached: jwks(t, "evil"), fresh: jwks(t, "sts", "evil")}, "", 1},
		"unknown key":       {&pages{cached: jwks(t, "evil"), fresh: jwks(t, "evil")}, oauth.InvalidGrant, 1},
		"down":              {&pages{}, oauth.TemporarilyUnavailable, 0},
		"down meanwhile":    {&pages{cached: jwks(t, "evil")}, oauth.TemporarilyUnavailable, 1},
		"nonsense":          {&pages{cached: []byte("<html>")}, oauth.TemporarilyUnavailable, 0},
		"nonsense at last":  {&pages{cached: jwks(t, "evil"), fresh: []byte("{}")}, oauth.TemporarilyUnavailable, 1},
		"a private key, no": {&pages{cached: []byte(`{"keys":[{"kty":"oct","k":"AA"}]}`)}, oauth.TemporarilyUnavailable, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := reader(t, func(d *Deps) {
				d.Issuers[0].JWKS, d.Issuers[0].JWKSURI, d.Fetch = nil, sts+"/jwks", c.pages
			})
			for range 2 {
				c.pages.refreshed = 0
				got, err := r.JWT(t.Context(), client(nil), token, oauth.GrantJWTBearer, now)
				if c.code != "" {
					refused(t, got, err, c.code, "")
				} else if err != nil {
					t.Error(err)
				}
				if c.pages.refreshed != c.refreshed {
					t.Errorf("read again %d times", c.pages.refreshed)
				}
			}
		})
	}
}

func FuzzJWT(f *testing.F) {
	good := jwt(f, "sts", "", claims(nil))
	for _, seed := range []string{good, "", "..", good + "=", jwt(f, "evil", "", claims(nil)), jwt(f, "sts", "at+jwt", claims(nil))} {
		f.Add(seed)
	}
	r := reader(f, nil)
	f.Fuzz(func(t *testing.T, token string) {
		got, err := r.JWT(t.Context(), client(nil), token, oauth.GrantJWTBearer, now)
		if err == nil && (got.User.ID != "u1" || !strings.HasPrefix(good, token[:strings.LastIndexByte(token, '.')])) {
			t.Errorf("%q was accepted: %+v", token, got)
		}
		if fault := (*oauth.Error)(nil); err != nil && (!errors.As(err, &fault) || fault.Code != oauth.InvalidGrant) {
			t.Errorf("another error: %v", err)
		}
	})
}
