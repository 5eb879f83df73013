package userinfo_test

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"signet/mtls"
	"signet/provider/binding"
	"signet/provider/introspection"
	"signet/provider/issue"
	"signet/provider/jose"
	"signet/provider/oauth"
	"signet/provider/resource"
	"signet/provider/userinfo"
)

const issuerURL = "https://as.example"

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// world is one client, one user with a grant, and the tokens by reference that were issued.
type world struct {
	key    *jose.PrivateKey
	client *oauth.Client
	userID string
	opaque map[oauth.Digest]oauth.OpaqueToken
}

func (w *world) Sign(_ context.Context, _, typ string, payload []byte) (string, error) {
	return w.key.Sign(typ, payload)
}

func (w *world) OpaqueToken(_ context.Context, digest oauth.Digest) (oauth.OpaqueToken, error) {
	token, ok := w.opaque[digest]
	if !ok {
		return token, oauth.ErrNotFound
	}
	return token, nil
}
func (w *world) Revoked(context.Context, string, string) (bool, error) { return false, nil }
func (w *world) Grant(_ context.Context, id string) (oauth.Grant, error) {
	return oauth.Grant{ID: id, ClientID: w.client.ID, UserID: w.userID}, nil
}
func (w *world) Client(context.Context, string) (*oauth.Client, error) { return w.client, nil }
func (w *world) User(_ context.Context, id string) (oauth.User, error) {
	if id != w.userID {
		return oauth.User{}, oauth.ErrNotFound
	}
	return oauth.User{ID: id}, nil
}
func (w *world) RefreshToken(_ context.Context, digest oauth.Digest) (oauth.RefreshToken, error) {
	if digest != oauth.Secret("refresh").Digest() {
		return oauth.RefreshToken{}, oauth.ErrNotFound
	}
	return oauth.RefreshToken{ClientID: w.client.ID, User: oauth.EndUser{ID: w.userID}, ExpiresAt: start.Add(time.Hour)}, nil
}
func (w *world) Commit(context.Context, ...oauth.Change) error            { return nil }
func (w *world) For(*oauth.Client, oauth.Details, []string) oauth.Details { return nil }
func (w *world) Authenticate(context.Context, *http.Request, oauth.Params, []string) (oauth.ClientAuthentication, error) {
	return oauth.ClientAuthentication{Client: w.client, Profile: oauth.Profiles[oauth.ProfileOpenID]}, nil
}
func (w *world) From(http.ResponseWriter, *http.Request, *x509.Certificate, []string, []string, oauth.Secret) (binding.Sender, error) {
	return binding.Sender{}, nil
}

// names are all the names by which the world's client comes to know its user.
func (w *world) names(t *rapid.T, opaque bool) map[string]string {
	clock := func() time.Time { return start }
	i := issue.New(issue.Options{
		Issuer: issuerURL, Signer: w, Random: rand.Reader, Algs: []string{"ES256"}, Subjects: issue.Subjects{Salt: "a salt of this test"},
	})
	set, err := jose.MarshalKeySet([]jose.PublicKey{{Alg: "ES256", Kid: w.key.Kid(), Public: w.key.Public()}})
	must(t, err)
	keys, err := jose.ParseKeySet(set)
	must(t, err)
	reader, err := issue.NewReader(issuerURL, resource.LocalKeys(func() *jose.KeySet { return keys }), w, clock)
	must(t, err)
	login := oauth.EndUser{ID: w.userID, AuthTime: start}
	m := issue.Mandate{
		Now: start, Client: w.client, Subject: login, GrantID: "g1", Scope: oauth.Scope{"openid"}, Audience: []string{"https://api"},
		Opaque: opaque, AllowedAlgs: []string{"ES256"}, AccessLifetime: time.Minute, IDLifetime: time.Minute,
	}
	access, err := i.AccessToken(context.Background(), m)
	must(t, err)
	for _, change := range access.Changes {
		stored := change.(oauth.StoreOpaque).Token
		w.opaque[stored.Digest] = stored
	}
	id, err := i.IDToken(context.Background(), m, login, access.Value)
	must(t, err)
	info := userinfo.New(userinfo.Deps{
		Guard: &issue.Guard{
			Peer: func(*http.Request) (*mtls.Peer, error) { return nil, nil }, Tokens: reader, Bind: w, Floor: oauth.Profiles[oauth.ProfileOpenID],
		},
		Issue: i, Store: w, Log: slog.New(slog.DiscardHandler),
	})
	introspect := introspection.New(introspection.Deps{
		Authenticate: w, Tokens: reader, Details: w, Store: w, Issue: i, Issuer: issuerURL, Clock: clock, Log: slog.New(slog.DiscardHandler),
	})
	names := map[string]string{
		"ID token":               sub(t, payloadOf(t, id)),
		"userinfo":               sub(t, post(info, url.Values{"access_token": {access.Value.Reveal()}})),
		"introspection":          sub(t, post(introspect, url.Values{"token": {access.Value.Reveal()}})),
		"introspection, refresh": sub(t, post(introspect, url.Values{"token": {"refresh"}})),
	}
	if !opaque {
		names["access token"] = sub(t, payloadOf(t, access.Value.Reveal()))
	}
	return names
}

func must(t *rapid.T, err error) {
	if err != nil {
		t.Fatal(err)
	}
}

func post(h http.Handler, form url.Values) []byte {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Body.Bytes()
}

func payloadOf(t *rapid.T, compact string) []byte {
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(compact, ".")[1])
	must(t, err)
	return raw
}

func sub(t *rapid.T, doc []byte) string {
	var claims struct{ Sub string }
	if err := json.Unmarshal(doc, &claims); err != nil || claims.Sub == "" {
		t.Fatalf("%s: %v", doc, err)
	}
	return claims.Sub
}

// Wherever a client hears of a user it is by one name. Clients of one sector share it, no others do; and a pairwise name
// is never the account's own (OpenID Connect Core section 8.1).
func TestOneNameEverywhere(t *testing.T) {
	signer, err := jose.Generate("ES256", 0, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := jose.NewPrivateKey("ES256", "", signer)
	if err != nil {
		t.Fatal(err)
	}
	client := rapid.Custom(func(t *rapid.T) *oauth.Client {
		host := rapid.SampledFrom([]string{"one.example", "two.example"})
		c := &oauth.Client{
			ID: rapid.SampledFrom([]string{"c1", "c2", "u1"}).Draw(t, "id"), Scope: "openid", AuthMethod: oauth.AuthPrivateKeyJWT,
			SubjectType:  rapid.SampledFrom([]oauth.SubjectType{"", oauth.SubjectPublic, oauth.SubjectPairwise, oauth.SubjectPairwise}).Draw(t, "type"),
			RedirectURIs: []string{"https://" + host.Draw(t, "host") + "/cb"},
		}
		if rapid.Bool().Draw(t, "has a sector_identifier_uri") {
			c.SectorURI = "https://" + host.Draw(t, "sector") + "/uris"
		}
		return c
	})
	rapid.Check(t, func(t *rapid.T) {
		userID := rapid.SampledFrom([]string{"u1", "c1", "6f1b"}).Draw(t, "user")
		var known [2]string
		var clients [2]*oauth.Client
		for n := range known {
			clients[n] = client.Draw(t, "client")
			w := &world{key: key, client: clients[n], userID: userID, opaque: map[oauth.Digest]oauth.OpaqueToken{}}
			names := w.names(t, rapid.Bool().Draw(t, "by reference"))
			known[n] = names["ID token"]
			for where, name := range names {
				if name != known[n] {
					t.Fatalf("the ID token says %q, %s says %q", known[n], where, name)
				}
			}
			if pairwise := clients[n].SubjectType == oauth.SubjectPairwise; pairwise == (known[n] == userID) {
				t.Fatalf("subject_type %q: %q is known as %q", clients[n].SubjectType, userID, known[n])
			}
		}
		sectors := [2]string{"", ""} // of public clients
		for n, c := range clients {
			if c.SubjectType == oauth.SubjectPairwise {
				sectors[n], _ = c.Sector()
			}
		}
		if (known[0] == known[1]) != (sectors[0] == sectors[1]) {
			t.Fatalf("sectors %q know the user as %q", sectors, known)
		}
	})
}
