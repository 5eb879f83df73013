package clientauth

import (
	"context"
	"crypto/rand"
	"crypto/x509/pkix"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"signet/certs"
	"signet/mtls"
	"signet/provider/oauth"
)

// everyone has one client per method, and what each would send.
func everyone(t *testing.T) (b *bank, good map[oauth.AuthMethod]attempt) {
	t.Helper()
	ca, err := certs.NewCA(rand.Reader, now, "Test CA")
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := ca.Issue(certs.Request{Subject: pkix.Name{CommonName: "tls"}})
	if err != nil {
		t.Fatal(err)
	}
	own, err := certs.SelfSigned(rand.Reader, now, certs.Request{Subject: pkix.Name{CommonName: "own"}})
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := SealSecret(t.Context(), sealer{}, "secret-jwt", strong)
	if err != nil {
		t.Fatal(err)
	}
	b = newBank(t, func(d *Deps) { d.Anchors = anchors{ca.Pool()} },
		&oauth.Client{ID: "public", AuthMethod: oauth.AuthNone},
		&oauth.Client{ID: "basic", AuthMethod: oauth.AuthSecretBasic, SecretHash: hashed(t, strong)},
		&oauth.Client{ID: "post", AuthMethod: oauth.AuthSecretPost, SecretHash: hashed(t, weak)},
		&oauth.Client{ID: "secret-jwt", AuthMethod: oauth.AuthSecretJWT, SecretSealed: sealed},
		&oauth.Client{ID: "app", AuthMethod: oauth.AuthPrivateKeyJWT, JWKS: jwks(t, map[string]string{"k": "ES256"})},
		&oauth.Client{ID: "tls", AuthMethod: oauth.AuthTLS, TLSSubjectDN: "CN=tls"},
		&oauth.Client{ID: "own", AuthMethod: oauth.AuthSelfSignedTLS, JWKS: certificateJWKS(t, own.Certificate)},
	)
	hmacToken := forge(`{"alg":"HS256"}`, payload(t, claims(map[string]any{"iss": "secret-jwt", "sub": "secret-jwt"})), hs256([]byte(strong)))
	return b, map[oauth.AuthMethod]attempt{
		oauth.AuthNone:          {params: url.Values{"client_id": {"public"}}},
		oauth.AuthSecretBasic:   {basic: basic("basic", strong)},
		oauth.AuthSecretPost:    {params: url.Values{"client_id": {"post"}, "client_secret": {weak}}},
		oauth.AuthSecretJWT:     asserted(hmacToken),
		oauth.AuthPrivateKeyJWT: asserted(signed(t, "ES256", "k", "JWT", claims(nil))),
		oauth.AuthTLS:           {params: url.Values{"client_id": {"tls"}}, peer: &mtls.Peer{Leaf: leaf.Certificate}},
		oauth.AuthSelfSignedTLS: {params: url.Values{"client_id": {"own"}}, peer: &mtls.Peer{Leaf: own.Certificate}},
	}
}

func TestEveryMethod(t *testing.T) {
	b, good := everyone(t)
	for method, a := range good {
		t.Run(string(method), func(t *testing.T) {
			got, err := b.try(a)
			if err != nil {
				t.Fatal(err)
			}
			if got.Method != method || got.Client.AuthMethod != method || got.Profile.Name != oauth.ProfileOpenID {
				t.Errorf("%+v", got)
			}
			if (a.peer == nil) != (got.Certificate == nil) {
				t.Errorf("certificate %v", got.Certificate)
			}
			wantChanges := 0
			if method == oauth.AuthPrivateKeyJWT || method == oauth.AuthSecretJWT {
				wantChanges = 1
			}
			if len(got.Changes) != wantChanges {
				t.Errorf("changes %v", got.Changes)
			}
		})
	}
}

// Every client that comes with another client's kind of proof is refused, whatever else is right.
func TestOnlyTheRegisteredMethod(t *testing.T) {
	b, good := everyone(t)
	ids := map[oauth.AuthMethod]string{}
	for _, c := range b.table.clients {
		ids[c.AuthMethod] = c.ID
	}
	for registered, id := range ids {
		for used, a := range good {
			if used == registered || registered == oauth.AuthNone && used.UsesCertificate() {
				continue // a certificate beside a public client's id binds, and is no second method
			}
			t.Run(id+" by "+string(used), func(t *testing.T) {
				a.params = url.Values{}
				switch used {
				case oauth.AuthSecretBasic:
					a.basic = basic(id, strong)
				case oauth.AuthSecretPost:
					a.params.Set("client_id", id)
					a.params.Set("client_secret", strong)
				case oauth.AuthSecretJWT, oauth.AuthPrivateKeyJWT:
					header, sign := `{"alg":"ES256","kid":"k"}`, func(string) []byte { return make([]byte, 64) }
					if used == oauth.AuthSecretJWT {
						header, sign = `{"alg":"HS256"}`, hs256([]byte(strong))
					}
					a = asserted(forge(header, payload(t, claims(map[string]any{"iss": id, "sub": id})), sign))
				default:
					a.params.Set("client_id", id)
				}
				b.refused(t, a, oauth.InvalidClient)
			})
		}
	}
}

func TestCertificateBesideAnotherMethod(t *testing.T) {
	b, good := everyone(t)
	for _, method := range []oauth.AuthMethod{oauth.AuthNone, oauth.AuthSecretBasic, oauth.AuthSecretPost, oauth.AuthPrivateKeyJWT} {
		a := good[method]
		a.peer = good[oauth.AuthSelfSignedTLS].peer
		got, err := b.try(a)
		if err != nil || got.Method != method || got.Certificate != a.peer.Leaf {
			t.Errorf("%s: %v, %+v", method, err, got)
		}
	}
}

func TestTwoMethodsAtOnce(t *testing.T) {
	b, good := everyone(t)
	token := good[oauth.AuthPrivateKeyJWT].params.Get("client_assertion")
	tests := map[string]attempt{
		"basic and post": {basic: basic("basic", strong), params: url.Values{"client_id": {"basic"}, "client_secret": {strong}}},
		"basic and assertion": {basic: basic("app", strong), params: url.Values{"client_assertion": {token},
			"client_assertion_type": {oauth.AssertionTypeJWT}}},
		"post and assertion": {params: url.Values{"client_id": {"app"}, "client_secret": {strong}, "client_assertion": {token},
			"client_assertion_type": {oauth.AssertionTypeJWT}}},
		"all three, with a certificate": {basic: basic("app", strong), peer: good[oauth.AuthTLS].peer, params: url.Values{
			"client_id": {"app"}, "client_secret": {strong}, "client_assertion": {token}, "client_assertion_type": {oauth.AssertionTypeJWT}}},
	}
	for name, a := range tests {
		t.Run(name, func(t *testing.T) { b.refused(t, a, oauth.InvalidRequest) })
	}
	if len(b.table.reads) != 0 {
		t.Errorf("the store was asked: %v", b.table.reads)
	}
}

func TestWhoIsIt(t *testing.T) {
	b, good := everyone(t)
	token := good[oauth.AuthPrivateKeyJWT].params.Get("client_assertion")
	tests := map[string]attempt{
		"nobody":                           {},
		"certificate alone":                {peer: good[oauth.AuthTLS].peer},
		"secret alone":                     {params: url.Values{"client_secret": {strong}}},
		"basic beside another id":          {basic: basic("basic", strong), params: url.Values{"client_id": {"public"}}},
		"assertion beside another id":      {params: url.Values{"client_id": {"basic"}, "client_assertion": {token}, "client_assertion_type": {oauth.AssertionTypeJWT}}},
		"unknown":                          {params: url.Values{"client_id": {"nobody"}}},
		"id with a line break":             {params: url.Values{"client_id": {"public\n"}}},
		"id beyond ASCII":                  {params: url.Values{"client_id": {"publíc"}}},
		"id of 256 characters":             {params: url.Values{"client_id": {strings.Repeat("x", 256)}}},
		"id of 60 KiB":                     {params: url.Values{"client_id": {strings.Repeat("x", 60<<10)}}},
		"confidential client, no proof":    {params: url.Values{"client_id": {"basic"}}},
		"TLS client without a certificate": {params: url.Values{"client_id": {"tls"}}},
		"TLS client, peer without leaf":    {params: url.Values{"client_id": {"tls"}}, peer: &mtls.Peer{}},
	}
	for name, a := range tests {
		t.Run(name, func(t *testing.T) { b.refused(t, a, oauth.InvalidClient) })
	}
}

func TestSameIDTwiceIsFine(t *testing.T) {
	b, good := everyone(t)
	a := good[oauth.AuthSecretBasic]
	a.params = url.Values{"client_id": {"basic"}}
	if _, err := b.try(a); err != nil {
		t.Error(err)
	}
}

// What the client is told must not depend on why it was refused.
func TestRefusalsLookAlike(t *testing.T) {
	b, _ := everyone(t)
	b.table.clients["off"] = &oauth.Client{ID: "off", AuthMethod: oauth.AuthSecretBasic, SecretHash: hashed(t, strong), Disabled: true}
	b.table.clients["odd"] = &oauth.Client{ID: "odd", AuthMethod: oauth.AuthSecretBasic, SecretHash: hashed(t, strong), Profile: "unheard-of"}
	b.table.clients["new"] = &oauth.Client{ID: "new", AuthMethod: "spiffe_jwt", SecretHash: hashed(t, strong)}
	b.table.clients["fapi"] = &oauth.Client{ID: "fapi", AuthMethod: oauth.AuthSecretBasic, SecretHash: hashed(t, strong), Profile: oauth.ProfileFAPI2Security}
	want := b.refused(t, attempt{basic: basic("nobody", strong)}, oauth.InvalidClient)
	for name, header := range map[string]string{
		"wrong strong secret": basic("basic", "x"+strong), "wrong weak secret": basic("basic", weak), "empty secret": basic("basic", ""),
		"disabled": basic("off", strong), "unknown profile": basic("odd", strong), "unknown method": basic("new", strong),
		"method not in the profile": basic("fapi", strong), "registered otherwise": basic("post", weak), "unknown and weak": basic("nobody", weak),
	} {
		got := b.refused(t, attempt{basic: header}, oauth.InvalidClient)
		if got.text != want.text || got.cause == nil {
			t.Errorf("%s: %v, want %q and a cause", name, got, want.text)
		}
	}
}

// Whether a request has to wait for an argon2id slot depends on the presented secret alone.
func TestWeakSecretsCostTheSame(t *testing.T) {
	b, _ := everyone(t)
	for range cap(b.deps.secrets.slots) {
		b.deps.secrets.slots <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, id := range []string{"nobody", "basic", "post", "app", "tls"} {
		for secret, want := range map[string]oauth.Code{weak: oauth.TemporarilyUnavailable, strong + "x": oauth.InvalidClient} {
			r := httptest.NewRequest(http.MethodPost, "/token", nil)
			r.Header.Set("Authorization", basic(id, secret))
			_, err := b.Authenticate(ctx, r, oauth.Params{}, endpoints)
			var fault *oauth.Error
			if !errors.As(err, &fault) || fault.Code != want {
				t.Errorf("%s with %q: %v, want %s", id, secret, err, want)
			}
		}
	}
}

func TestFailsClosed(t *testing.T) {
	broken := errors.New("PRIVATE: disk on fire")
	b, good := everyone(t)
	b.table.err = broken
	for method, a := range good {
		if fault := b.refused(t, a, oauth.TemporarilyUnavailable); !errors.Is(fault.cause, broken) || strings.Contains(fault.text, "PRIVATE") {
			t.Errorf("%s: %v", method, fault)
		}
	}
	sealed, _ := SealSecret(t.Context(), sealer{}, "app", strong)
	b = newBank(t, func(d *Deps) { d.Sealer = sealer{err: broken} },
		&oauth.Client{ID: "app", AuthMethod: oauth.AuthSecretJWT, SecretSealed: sealed},
		&oauth.Client{ID: "damaged", AuthMethod: oauth.AuthSecretBasic, SecretHash: "sha256$?"})
	b.refused(t, asserted(forge(`{"alg":"HS256"}`, payload(t, claims(nil)), hs256([]byte(strong)))), oauth.TemporarilyUnavailable)
	b.refused(t, attempt{basic: basic("damaged", strong)}, oauth.TemporarilyUnavailable)
}

// A certificate that cannot be read is refused, not taken for none: the request might pass as unbound.
func TestUnreadableCertificate(t *testing.T) {
	broken := errors.New("PRIVATE: a proxy's header")
	b, good := everyone(t)
	b.deps.Peer = func(*http.Request) (*mtls.Peer, error) { return nil, broken }
	for method, a := range good {
		if fault := b.refused(t, a, oauth.InvalidRequest); !errors.Is(fault.cause, broken) || fault.text != "the client certificate cannot be read" {
			t.Errorf("%s: %v", method, fault)
		}
	}
	if len(b.table.reads) != 0 {
		t.Errorf("the store was asked: %v", b.table.reads)
	}
}

func TestMethods(t *testing.T) {
	b, _ := everyone(t)
	want := []oauth.AuthMethod{oauth.AuthNone, oauth.AuthSecretBasic, oauth.AuthSecretPost, oauth.AuthSecretJWT, oauth.AuthPrivateKeyJWT,
		oauth.AuthTLS, oauth.AuthSelfSignedTLS}
	if diff := cmp.Diff(want, b.Methods()); diff != "" {
		t.Error(diff)
	}
	b = newBank(t, func(d *Deps) { d.Floor = oauth.Profiles[oauth.ProfileFAPI2Security] })
	if diff := cmp.Diff(want[4:], b.Methods()); diff != "" {
		t.Error("under FAPI 2.0: " + diff)
	}
}

func TestNewInsistsOnDependencies(t *testing.T) {
	full := newBank(t, nil).deps
	for name, change := range map[string]func(*Deps){
		"Clients": func(d *Deps) { d.Clients = nil }, "Issuer": func(d *Deps) { d.Issuer = "" }, "Clock": func(d *Deps) { d.Clock = nil },
		"Floor": func(d *Deps) { d.Floor = oauth.Profile{} }, "Anchors": func(d *Deps) { d.Anchors = nil },
		"Fetch": func(d *Deps) { d.Fetch = nil }, "Peer": func(d *Deps) { d.Peer = nil }, "Sealer": func(d *Deps) { d.Sealer = nil },
	} {
		d := full
		change(&d)
		_, err := New(d, None, SecretBasic, SecretPost, SecretJWT, PrivateKeyJWT, TLS, SelfSignedTLS)
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: %v", name, err)
		}
	}
	d := full
	d.Fetch = nil
	if _, err := New(d, SelfSignedTLS); err == nil {
		t.Error("self_signed_tls_client_auth without Fetch")
	}
	if _, err := New(full, None, None); err == nil {
		t.Error("one method twice")
	}
}

// What the floor asks for holds for a client that asks for less, and a client may ask for more.
func TestProfileIsTightened(t *testing.T) {
	set := jwks(t, map[string]string{"k": "RS256"})
	token := signed(t, "RS256", "k", "", claims(nil))
	b := newBank(t, nil, &oauth.Client{ID: "app", AuthMethod: oauth.AuthPrivateKeyJWT, JWKS: set})
	if _, err := b.try(asserted(token)); err != nil {
		t.Fatal(err)
	}
	b.table.clients["app"].Profile = oauth.ProfileFAPI2Security
	b.refused(t, asserted(token), oauth.InvalidClient)
	b = newBank(t, func(d *Deps) { d.Floor = oauth.Profiles[oauth.ProfileFAPI2Security] },
		&oauth.Client{ID: "app", AuthMethod: oauth.AuthPrivateKeyJWT, JWKS: set, Profile: oauth.ProfileOpenID})
	b.refused(t, asserted(token), oauth.InvalidClient)
	got, err := b.try(asserted(signed(t, "PS256", "k", "", claims(nil))))
	if err != nil || got.Profile.Name != oauth.ProfileFAPI2Security {
		t.Errorf("%v, profile %q", err, got.Profile.Name)
	}
}
