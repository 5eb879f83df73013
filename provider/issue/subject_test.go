package issue

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"signet/provider/oauth"
)

const salt = oauth.Secret("a-salt-of-at-least-thirty-two-bytes")

func pairwise(redirects ...string) *oauth.Client {
	return &oauth.Client{ID: "c1", SubjectType: oauth.SubjectPairwise, RedirectURIs: redirects}
}

func TestSubjects(t *testing.T) {
	made := func(salt, sector, id string) string {
		mac := hmac.New(sha256.New, []byte(salt))
		mac.Write([]byte(sector + "\x00" + id))
		return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	}
	bank := made(salt.Reveal(), "bank.example", "u1")
	sectorURI := func(uri string) *oauth.Client {
		c := pairwise("https://one.example/cb", "https://two.example/cb")
		c.SectorURI = uri
		return c
	}
	for name, c := range map[string]struct {
		client *oauth.Client
		salt   oauth.Secret
		want   string // "" = an error
	}{
		"no type":                  {&oauth.Client{}, "", "u1"},
		"public":                   {&oauth.Client{SubjectType: oauth.SubjectPublic}, salt, "u1"},
		"of one host":              {pairwise("https://bank.example/a", "https://bank.example:8443/b"), salt, bank},
		"a host in capitals":       {pairwise("https://Bank.Example/a"), salt, bank},
		"of a sector":              {sectorURI("https://bank.example/uris.json"), salt, bank},
		"of another sector":        {sectorURI("https://one.example/uris.json"), salt, made(salt.Reveal(), "one.example", "u1")},
		"another salt":             {pairwise("https://bank.example/a"), "another", made("another", "bank.example", "u1")},
		"no salt":                  {pairwise("https://bank.example/a"), "", ""},
		"two hosts and no sector":  {pairwise("https://bank.example/a", "https://two.example/b"), salt, ""},
		"neither hosts nor sector": {pairwise(), salt, ""},
		"a type of tomorrow":       {&oauth.Client{SubjectType: "ephemeral"}, salt, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Subjects{Salt: c.salt}.For(c.client, "u1")
			if got != c.want || (err != nil) != (c.want == "") {
				t.Errorf("%q, %v, want %q", got, err, c.want)
			}
			if err != nil && (strings.Contains(err.Error(), salt.Reveal()) || strings.Contains(err.Error(), "u1")) {
				t.Errorf("the error tells too much: %v", err)
			}
		})
	}
}

// Every token about a user names it to one client by one name: the same to clients of its sector, another to everybody
// else, and never the account's own. A client's own tokens name the client.
func TestOneUserHasOneNameInASector(t *testing.T) {
	i := New(Options{Issuer: "https://issuer", Signer: plain{}, Random: zeros{}, Algs: []string{"ES256"}, Subjects: Subjects{Salt: salt}})
	host := rapid.SampledFrom([]string{"one.example", "two.example", "three.example"})
	user := rapid.SampledFrom([]string{"u1", "u2", "one.example", "c1", "", "u1\x00"})
	rapid.Check(t, func(rt *rapid.T) {
		hosts, users := [2]string{host.Draw(rt, "host"), host.Draw(rt, "other host")}, [2]string{user.Draw(rt, "user"), user.Draw(rt, "other user")}
		var names [2]string
		for n := range names {
			m := mandate()
			m.Client = pairwise("https://" + hosts[n] + "/cb")
			login := oauth.EndUser{ID: users[n], AuthTime: noon}
			m.Subject, m.GrantID, m.Opaque = login, "g1", rapid.Bool().Draw(rt, "opaque")
			access, err := i.AccessToken(t.Context(), m)
			if err != nil {
				rt.Fatal(err)
			}
			payload := access.Value.Reveal()
			if m.Opaque {
				payload = string(access.Changes[0].(oauth.StoreOpaque).Token.Claims)
			}
			id, err := i.IDToken(t.Context(), m, login, access.Value)
			if err != nil {
				rt.Fatal(err)
			}
			known, err := i.Subject(m.Client, users[n])
			if err != nil {
				rt.Fatal(err)
			}
			names[n] = known
			if a, b := claimsIn(t, payload)["sub"], claimsIn(t, id)["sub"]; a != known || b != known || known == users[n] {
				rt.Fatalf("access token %v, ID token %v, Subject %q of %q", a, b, known, users[n])
			}
			if is, err := i.IsSubject(m.Client, users[n], known); err != nil || !is {
				rt.Fatalf("IsSubject does not know %q: %v", known, err)
			}
		}
		if same := hosts[0] == hosts[1] && users[0] == users[1]; (names[0] == names[1]) != same {
			rt.Fatalf("%q of %q is %q, %q of %q is %q", users[0], hosts[0], names[0], users[1], hosts[1], names[1])
		}
	})
}

// A session has one name in a sector and another in every other one, so that clients cannot tell by it that they have
// one user; it is no account's name. Clients with public subjects know the session itself.
func TestOneSessionHasOneNameInASector(t *testing.T) {
	i := New(Options{Issuer: "https://issuer", Signer: plain{}, Random: zeros{}, Algs: []string{"ES256"}, Subjects: Subjects{Salt: salt}})
	named := func(c *oauth.Client) string {
		t.Helper()
		m := mandate()
		m.Client = c
		user := oauth.EndUser{ID: "u1", AuthTime: noon, SessionID: "s1"}
		if token, err := i.IDToken(t.Context(), m, user, ""); err != nil || claimsIn(t, token)["sid"] != nil {
			t.Errorf("a client that has nothing to do with logout: %v, %v", claimsIn(t, token)["sid"], err)
		}
		c.BackchannelLogoutURI = "https://a.example/logout"
		token, err := i.IDToken(t.Context(), m, user, "")
		if err != nil {
			t.Fatal(err)
		}
		sid, err := i.SessionID(c, "s1")
		if err != nil || claimsIn(t, token)["sid"] != sid {
			t.Errorf("the ID token has %v, SessionID is %q, %v", claimsIn(t, token)["sid"], sid, err)
		}
		return sid
	}
	one, same, other := named(pairwise("https://one.example/cb")), named(pairwise("https://one.example/x")), named(pairwise("https://two.example/cb"))
	if one != same || one == other || one == "s1" || other == "s1" {
		t.Errorf("of one sector %q and %q, of another %q", one, same, other)
	}
	if account, err := i.Subject(pairwise("https://one.example/cb"), "s1"); err != nil || account == one {
		t.Errorf("a session is named as an account: %v", err)
	}
	for _, public := range []oauth.SubjectType{"", oauth.SubjectPublic} {
		if sid := named(&oauth.Client{ID: "c2", SubjectType: public}); sid != "s1" {
			t.Errorf("%q: %q", public, sid)
		}
	}
	if sid, err := i.SessionID(pairwise("https://one.example/cb"), ""); sid != "" || err != nil {
		t.Errorf("no session: %q, %v", sid, err)
	}
	for _, c := range []*oauth.Client{pairwise(), {SubjectType: "ephemeral"}} {
		if sid, err := i.SessionID(c, "s1"); sid != "" || err == nil {
			t.Errorf("what cannot be named: %q", sid)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// Whom a token cannot name it is not issued about, and a client's own token needs no name.
func TestNothingIsIssuedAboutNobody(t *testing.T) {
	i, m := issuer(plain{}, "ES256"), mandate() // without a salt
	m.Client, m.Subject = pairwise("https://one.example/cb"), oauth.EndUser{ID: "u1"}
	if got, err := i.AccessToken(t.Context(), m); err == nil || got.Value != "" {
		t.Errorf("an access token: %v", err)
	}
	if got, err := i.IDToken(t.Context(), m, oauth.EndUser{ID: "u1"}, ""); err == nil || got != "" {
		t.Errorf("an ID token: %v", err)
	}
	if is, err := i.IsSubject(m.Client, "u1", ""); err == nil || is {
		t.Errorf("IsSubject: %v, %v", is, err)
	}
	m.Subject = oauth.ClientItself{ClientID: "c1"}
	if got, err := i.AccessToken(t.Context(), m); err != nil || claimsIn(t, got.Value.Reveal())["sub"] != "c1" {
		t.Errorf("the client's own: %v", err)
	}
}
