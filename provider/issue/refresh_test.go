package issue

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/provider/keys/keystest"
	"signet/provider/oauth"
)

// A refresh token that is made from another token ends no later, is bound like it, and keeps its actors.
func TestRefreshTokensThatAreDerived(t *testing.T) {
	actor := &oauth.Actor{Subject: "app", Act: &oauth.Actor{Subject: "before"}}
	m := mandate()
	m.GrantID, m.Confirmation, m.Client = "g2", oauth.Confirmation{JKT: "K"}, &oauth.Client{ID: "c1", AuthMethod: oauth.AuthPrivateKeyJWT}
	for name, c := range map[string]struct {
		granted oauth.Authorization
		derived bool
		until   time.Duration
		bound   oauth.Confirmation
	}{
		"no":                       {oauth.Authorization{}, false, time.Hour, oauth.Confirmation{}},
		"from a token":             {oauth.Authorization{Parent: "g1.t1"}, true, time.Hour, m.Confirmation},
		"from one that ends first": {oauth.Authorization{Parent: "g1.t1", NotAfter: noon.Add(time.Minute)}, true, time.Minute, m.Confirmation},
		"from one that ends later": {oauth.Authorization{Parent: "g1.t1", NotAfter: noon.Add(2 * time.Hour)}, true, time.Hour, m.Confirmation},
		"from an assertion":        {oauth.Authorization{NotAfter: noon.Add(time.Minute)}, true, time.Minute, m.Confirmation},
	} {
		t.Run(name, func(t *testing.T) {
			c.granted.Actor = actor
			_, token, err := issuer(plain{}).NewRefreshToken(m, oauth.EndUser{ID: "u1"}, c.granted, time.Hour)
			if err != nil || token.Derived != c.derived || !token.ExpiresAt.Equal(noon.Add(c.until)) || token.Confirmation != c.bound || token.Actor != actor {
				t.Errorf("%+v %v", token, err)
			}
		})
	}
}

// atRest is a store with one grant and one stored refresh token.
type atRest struct{ grant oauth.Grant }

func (a atRest) RefreshToken(_ context.Context, d oauth.Digest) (oauth.RefreshToken, error) {
	if d != oauth.Secret("stored").Digest() {
		return oauth.RefreshToken{}, oauth.ErrNotFound
	}
	return oauth.RefreshToken{GrantID: "g1"}, nil
}

func (a atRest) Grant(_ context.Context, id string) (oauth.Grant, error) {
	if id != a.grant.ID {
		return oauth.Grant{}, oauth.ErrNotFound
	}
	return a.grant, nil
}

func record() oauth.RefreshToken {
	return oauth.RefreshToken{
		ClientID: "c1", GrantID: "g1", User: oauth.EndUser{ID: "u1", AuthTime: noon, ACR: "high", AMR: []string{"pwd"}, SessionID: "s1"},
		Scope: oauth.Scope{"openid", "accounts"}, Resources: []string{"https://api"}, Details: oauth.Details{{Type: "pay", JSON: []byte(`{"type":"pay"}`)}},
		Claims: oauth.ClaimsRequest{IDToken: map[string]oauth.ClaimRequest{"name": {Essential: true}}}, Confirmation: oauth.Confirmation{JKT: "K"},
		Actor: &oauth.Actor{Subject: "app"}, Derived: true, IssuedAt: noon, ExpiresAt: noon.Add(time.Hour),
	}
}

// What is sealed comes back whole, with what has become of its grant.
func TestSealedRefreshToken(t *testing.T) {
	s := &RefreshSeal{Sealer: keystest.NewMemory()}
	value, ok, err := s.Seal(t.Context(), record())
	if err != nil || !ok || !s.Sealed(value) {
		t.Fatal(ok, err)
	}
	for _, revoked := range []bool{false, true} {
		want := record()
		want.Digest, want.Revoked = value.Digest(), revoked
		got, err := s.Find(t.Context(), atRest{oauth.Grant{ID: "g1", Revoked: revoked}}, value)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v %s", err, diff)
		}
	}
	if _, err := s.Find(t.Context(), atRest{}, value); !errors.Is(err, oauth.ErrNotFound) {
		t.Errorf("its grant is gone: %v", err)
	}
	if got, err := s.Find(t.Context(), atRest{}, "stored"); err != nil || got.GrantID != "g1" {
		t.Errorf("a stored one: %+v %v", got, err)
	}
	var none *RefreshSeal
	if _, err := none.Find(t.Context(), atRest{oauth.Grant{ID: "g1"}}, value); !errors.Is(err, oauth.ErrNotFound) || none.Sealed(value) {
		t.Errorf("without a key: %v", err)
	}
	long := record()
	long.Resources = []string{strings.Repeat("x", maxSealedRefresh/2), strings.Repeat("y", maxSealedRefresh/3)}
	if _, ok, err := s.Seal(t.Context(), long); ok || err != nil {
		t.Errorf("too long for a form: %v %v", ok, err)
	}
}

// What the same key has sealed for another purpose is no refresh token, and an outage is not the client's fault.
func TestWhatIsNoSealedRefreshToken(t *testing.T) {
	memory := keystest.NewMemory()
	s := &RefreshSeal{Sealer: memory}
	foreign, err := memory.Seal(t.Context(), []byte(`{"client_id":"c1","grant_id":"g1"}`), []byte("a client's secret"))
	if err != nil {
		t.Fatal(err)
	}
	value := oauth.Secret(sealedPrefix + base64.RawURLEncoding.EncodeToString(foreign))
	if _, err := s.Find(t.Context(), atRest{oauth.Grant{ID: "g1"}}, value); !errors.Is(err, oauth.ErrNotFound) {
		t.Errorf("sealed for something else: %v", err)
	}
	memory.FailWith(oauth.ErrUnavailable)
	if _, err := s.Find(t.Context(), atRest{oauth.Grant{ID: "g1"}}, value); !errors.Is(err, oauth.ErrUnavailable) || errors.Is(err, oauth.ErrNotFound) {
		t.Errorf("an outage: %v", err)
	}
	if _, ok, err := s.Seal(t.Context(), record()); ok || !errors.Is(err, oauth.ErrUnavailable) {
		t.Errorf("an outage: %v %v", ok, err)
	}
}

// Nobody can make a refresh token who has no key: whatever is presented is unknown.
func FuzzSealedRefreshToken(f *testing.F) {
	s := &RefreshSeal{Sealer: keystest.NewMemory()}
	good, _, err := s.Seal(f.Context(), record())
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{"", ".", "AAAA", "====", good.Reveal()[3:20], strings.Repeat("A", maxSealedRefresh), "s1.", "\x00\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		value := oauth.Secret(sealedPrefix + text)
		if value == good {
			return
		}
		if got, err := s.Find(t.Context(), atRest{oauth.Grant{ID: "g1"}}, value); !errors.Is(err, oauth.ErrNotFound) {
			t.Errorf("%q is a token: %+v %v", text, got, err)
		}
	})
}

// Of the claims parameter and the scope, each value takes what it says; nothing goes beyond what policy has left.
func TestIDTokenClaims(t *testing.T) {
	user := oauth.User{Claims: map[string]any{"name": "Anna", "email": "anna@bank.example", "phone_number": "1", "sub": "another"}}
	client := &oauth.Client{Scope: "openid profile email"}
	requested := map[string]oauth.ClaimRequest{"email": {}, "phone_number": {}, "sub": {}}
	for _, c := range []struct {
		which   IDTokenClaims
		granted oauth.Scope
		want    []string
	}{
		{"", oauth.Scope{"openid", "profile"}, []string{"email"}},
		{ClaimsRequested, oauth.Scope{"openid", "profile"}, []string{"email"}},
		{ClaimsRequested, oauth.Scope{"profile"}, nil},
		{ClaimsRequested, oauth.Scope{"email"}, []string{"email"}},
		{ClaimsOfScope, oauth.Scope{"openid", "profile"}, []string{"email", "name"}},
		{ClaimsOfScope, oauth.Scope{"openid"}, []string{"email"}},
		{ClaimsOfScope, oauth.Scope{"profile"}, []string{"name"}},
		{ClaimsOfScope, oauth.Scope{"phone", "openid"}, []string{"email"}},
		{ClaimsGranted, oauth.Scope{"openid", "profile"}, nil},
		{ClaimsGranted, oauth.Scope{"openid", "email"}, []string{"email"}},
	} {
		all := c.which.For(user, client, oauth.Scope{"openid", "profile", "email", "phone"}, requested)
		got := c.which.Within(all, c.granted, requested)
		want := map[string]any{}
		for _, name := range c.want {
			want[name] = user.Claims[name]
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q, %v: %s", c.which, c.granted, diff)
		}
	}
	if got := ClaimsOfScope.Within(nil, oauth.Scope{"openid"}, nil); got != nil {
		t.Errorf("nothing became %v", got)
	}
}

// What is kept of an ID token knows it again, and says nothing of what is in it.
func TestIDTokenRecord(t *testing.T) {
	const token = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbm5hIn0.c2ln"
	kept := IDTokenRecord(token, noon)
	if diff := cmp.Diff(map[string]any{"sha256": kept["sha256"], "exp": noon.Unix()}, kept); diff != "" || len(kept["sha256"].(string)) != 43 {
		t.Errorf("%v %s", kept, diff)
	}
	if other := IDTokenRecord(token+"A", noon); other["sha256"] == kept["sha256"] {
		t.Error("another token is the same")
	}
}

// Answers to clients that have registered it are encrypted around the signature (JARM section 2.2, RFC 9701 section 5);
// where their keys cannot be had, there is no answer.
func TestReference_J22_encrypted_answers(t *testing.T) {
	r := newRecipient(t)
	i := New(Options{Issuer: "https://issuer", Signer: plain{}, Random: rand.Reader, Algs: []string{"ES256"}, ClientKeys: r.keys})
	respond := func(c *oauth.Client) (string, error) {
		return i.Response(t.Context(), c, []string{"ES256"}, map[string][]string{"code": {"c"}}, noon, time.Minute)
	}
	introspect := func(c *oauth.Client) (string, error) {
		return i.Introspection(t.Context(), c, []string{"ES256"}, noon, map[string]any{"active": true})
	}
	for name, c := range map[string]struct {
		client oauth.Client
		make   func(*oauth.Client) (string, error)
		alg    string
		enc    string
		inner  string
	}{
		"authorization response":         {oauth.Client{ResponseEncAlg: "RSA-OAEP-256", ResponseEncEnc: "A256GCM"}, respond, "RSA-OAEP-256", "A256GCM", "ES256.JWT.{"},
		"authorization response, no enc": {oauth.Client{ResponseEncAlg: "ECDH-ES"}, respond, "ECDH-ES", defaultEnc, "ES256.JWT.{"},
		"introspection response":         {oauth.Client{IntrospectionEncAlg: "ECDH-ES", IntrospectionEncEnc: "A128GCM"}, introspect, "ECDH-ES", "A128GCM", "ES256.token-introspection+jwt.{"},
		"introspection response, no enc": {oauth.Client{IntrospectionEncAlg: "RSA-OAEP-256"}, introspect, "RSA-OAEP-256", defaultEnc, "ES256.token-introspection+jwt.{"},
	} {
		t.Run(name, func(t *testing.T) {
			r.err = nil
			compact, err := c.make(&c.client)
			if err != nil {
				t.Fatal(err)
			}
			inner, header := r.open(t, compact, c.alg)
			if !strings.HasPrefix(inner, c.inner) || header["enc"] != c.enc || header["cty"] != "JWT" {
				t.Errorf("%s in %v", inner, header)
			}
			if plain, err := c.make(&oauth.Client{}); err != nil || !strings.HasPrefix(plain, c.inner) {
				t.Errorf("without registration: %s %v", plain, err)
			}
			r.err = errors.New("PRIVATE")
			var fault *oauth.Error
			if compact, err = c.make(&c.client); !errors.As(err, &fault) || fault.Code != oauth.TemporarilyUnavailable || compact != "" {
				t.Errorf("without keys: %s %v", compact, err)
			}
		})
	}
}
