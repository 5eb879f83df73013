package authorize

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"signet/mtls"
	"signet/provider/binding"
	"signet/provider/clientauth"
	"signet/provider/jose"
	"signet/provider/oauth"
)

// The keys of the rig's clients, of somebody else, and of the server.
var (
	appKey    = newKey("ES256")
	rsaKey    = newKey("RS256")
	otherKey  = newKey("ES256")
	serverKey = newKey("ES256")
)

func newKey(alg string) *jose.PrivateKey {
	signer, err := jose.Generate(alg, 2048, rand.Reader)
	if err != nil {
		panic(err)
	}
	key, err := jose.NewPrivateKey(alg, "", signer)
	if err != nil {
		panic(err)
	}
	return key
}

func keysOf(keys ...*jose.PrivateKey) json.RawMessage {
	var public []jose.PublicKey
	for _, key := range keys {
		public = append(public, jose.PublicKey{Alg: key.Alg(), Kid: key.Kid(), Public: key.Public()})
	}
	set, err := jose.MarshalKeySet(public)
	if err != nil {
		panic(err)
	}
	return set
}

// authenticator is the real one, for clients with private_key_jwt and public ones.
func (r *rig) authenticator(clock oauth.Clock) *clientauth.Authenticator {
	auth, err := clientauth.New(clientauth.Deps{
		Clients: r.store, Issuer: issuer, Floor: oauth.Profiles[oauth.ProfileOpenID], Clock: clock, Fetch: nowhere{},
		Peer: func(*http.Request) (*mtls.Peer, error) { return nil, nil },
	}, clientauth.PrivateKeyJWT, clientauth.None)
	if err != nil {
		r.t.Fatal(err)
	}
	return auth
}

type nowhere struct{}

func (nowhere) Cached(context.Context, string, string, time.Duration) ([]byte, error) {
	return nil, errDisk
}
func (nowhere) Refresh(context.Context, string, string) ([]byte, error) { return nil, errDisk }

// From implements Binder.
func (r *rig) From(_ http.ResponseWriter, req *http.Request, _ *x509.Certificate, urls, _ []string, _ oauth.Secret) (binding.Sender, error) {
	if !slices.Equal(urls, []string{pushURL}) {
		r.t.Errorf("the proof is to be for %v", urls)
	}
	if req.Header.Get("DPoP") == "bad" {
		return binding.Sender{}, oauth.Errorf(oauth.InvalidDPoPProof, "bad proof")
	}
	return r.sender, nil
}

// Check implements Details: it takes arrays of objects with the type "payment".
func (r *rig) Check(_ *oauth.Client, raw string) (oauth.Details, *oauth.Error) {
	var details oauth.Details
	if json.Unmarshal([]byte(raw), &details) != nil || !slices.Equal(details.Types(), []string{"payment"}) {
		return nil, oauth.Errorf(oauth.InvalidDetails, "no payment")
	}
	return details, nil
}

// front implements Front: one access token, and a change that stands for those that it implies.
func (r *rig) front(_ context.Context, c *oauth.Client, p oauth.Profile, grant oauth.Grant, user oauth.EndUser) (FrontTokens, []oauth.Change, error) {
	decided, err := r.decided("d1", grant)
	if err != nil {
		return FrontTokens{}, nil, err
	}
	if c == nil || p.Name == "" || grant.ID == "" || grant.UserID != user.ID {
		r.t.Errorf("a token is asked for %v, %s, %+v, %+v", c, p.Name, grant, user)
	}
	decided.AccessToken, decided.TokenType, decided.ExpiresIn, decided.JTI = "access-1", "Bearer", 300, "jti-1"
	return decided, []oauth.Change{oauth.RevokeAccessToken{JTI: "jti-1"}}, nil
}

// frontIDToken implements FrontIDToken.
func (r *rig) frontIDToken(_ context.Context, c *oauth.Client, p oauth.Profile, grant oauth.Grant, user oauth.EndUser) (FrontTokens, error) {
	if c == nil || p.Name == "" || grant.ID == "" || grant.UserID != user.ID {
		r.t.Errorf("an ID token is asked for %v, %s, %+v, %+v", c, p.Name, grant, user)
	}
	return r.decided("d2", grant)
}

// decided is what the rig's policy says of tokens in front.
func (r *rig) decided(id string, grant oauth.Grant) (FrontTokens, error) {
	r.decisions = append(r.decisions, id)
	if r.frontErr != nil {
		return FrontTokens{}, r.frontErr
	}
	granted := slices.DeleteFunc(slices.Clone(grant.Scope), r.withheld.Has)
	return FrontTokens{Scope: granted, DecisionID: id, IDClaims: r.idClaims, IDLifetime: 90 * time.Second}, nil
}

// Get implements Fetcher.
func (r *rig) Get(_ context.Context, address, _ string) ([]byte, error) {
	r.fetched = append(r.fetched, address)
	document, ok := r.documents[address]
	if !ok {
		return nil, errDisk
	}
	return []byte(document), nil
}

// Decrypt implements Decrypter, with one key.
func (r *rig) Decrypt(_ context.Context, compact string) ([]byte, error) {
	if r.failing != nil {
		return nil, r.failing
	}
	encrypted, err := jose.ReadEncrypted(compact)
	if err != nil {
		return nil, err
	}
	contentKey, err := decryptionKey.DecryptKey(encrypted.Key)
	if err != nil {
		return nil, err
	}
	return encrypted.Open(contentKey)
}

// decryptionKey is what clients encrypt to.
var decryptionKey = func() *jose.DecryptionKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	made, err := jose.NewDecryptionKey(jose.DecryptionAlg, "", key)
	if err != nil {
		panic(err)
	}
	return made
}()

// encrypted is a JWT that only the server can read.
func encrypted(t *testing.T, compact string) string {
	t.Helper()
	raw, err := jose.MarshalKeySet([]jose.PublicKey{{Alg: decryptionKey.Alg(), Kid: decryptionKey.Kid(), Public: decryptionKey.Public()}})
	if err != nil {
		t.Fatal(err)
	}
	set, err := jose.ParseKeySet(raw)
	if err != nil {
		t.Fatal(err)
	}
	made, err := set.Encrypt([]byte(compact), jose.Encryption{Alg: jose.DecryptionAlg, Enc: "A256GCM", ContentType: "JWT"})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// unsigned is a request object of alg none.
func unsigned(t *testing.T, claims map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	return jose.Unsigned("", payload)
}

// serverKeys are the keys that the server's ID tokens are signed with.
type serverKeys struct{}

func (serverKeys) KeySet() *jose.KeySet {
	set, err := jose.ParseKeySet(keysOf(serverKey))
	if err != nil {
		panic(err)
	}
	return set
}

func (serverKeys) Algorithms() []string { return []string{"ES256"} }

// Sign implements keys.Signer.
func (r *rig) Sign(_ context.Context, alg, typ string, payload []byte) (string, error) {
	if r.failing != nil {
		return "", r.failing
	}
	if alg != "ES256" {
		r.t.Errorf("signs with %s", alg)
	}
	return serverKey.Sign(typ, payload)
}

// opened returns the claims of a JWT that the server signed.
func opened(t *testing.T, compact string) map[string]any {
	t.Helper()
	set, err := jose.ParseKeySet(keysOf(serverKey))
	if err != nil {
		t.Fatal(err)
	}
	v, err := jose.Verify(compact, set, []string{"ES256"})
	if err != nil {
		t.Fatal(err)
	}
	claims := map[string]any{}
	if err := json.Unmarshal(v.Payload, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

// claims are what a good request object of the client has, with changes: nil removes one.
func (r *rig) claims(client string, changes ...any) map[string]any {
	claims := map[string]any{
		"iss": client, "aud": issuer, "exp": r.now.Add(5 * time.Minute).Unix(), "nbf": r.now.Unix(), "client_id": client,
	}
	for name, values := range params("state", "inside", "nonce", "n-inside") {
		if name != "client_id" {
			claims[name] = values[0]
		}
	}
	for pair := range slices.Chunk(changes, 2) {
		if pair[1] == nil {
			delete(claims, pair[0].(string))
		} else {
			claims[pair[0].(string)] = pair[1]
		}
	}
	return claims
}

func signed(t testing.TB, key *jose.PrivateKey, typ string, claims map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	compact, err := key.Sign(typ, payload)
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

// object is a signed request object of the client.
func (r *rig) object(client string, changes ...any) string {
	r.t.Helper()
	return signed(r.t, appKey, "oauth-authz-req+jwt", r.claims(client, changes...))
}

// withObject is a request by value: the request object, and beside it what RFC 6749 and OpenID Connect ask for.
func withObject(client, object string, changes ...string) url.Values {
	v := params(append([]string{"client_id", client, "state", "", "nonce", "", "code_challenge", "", "code_challenge_method", ""}, changes...)...)
	v.Set("request", object)
	return v
}

// push sends a request to the pushed authorization request endpoint, with a client assertion.
func (r *rig) push(client string, v url.Values) (status int, answer map[string]any) {
	r.t.Helper()
	jti, err := oauth.NewID(rand.Reader)
	if err != nil {
		r.t.Fatal(err)
	}
	v.Set("client_id", client)
	v.Set("client_assertion_type", oauth.AssertionTypeJWT)
	v.Set("client_assertion", signed(r.t, appKey, "", map[string]any{
		"iss": client, "sub": client, "aud": issuer, "jti": jti, "exp": r.now.Add(time.Minute).Unix(),
	}))
	res := r.do(r.Push(), http.MethodPost, "/par", v)
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		r.t.Fatal(err)
	}
	if res.Header.Get("Cache-Control") != "no-store" || !strings.HasPrefix(res.Header.Get("Content-Type"), "application/json") {
		r.t.Errorf("headers: %v", res.Header)
	}
	return res.StatusCode, answer
}

// pushed pushes a good request and returns what the authorization endpoint is then sent.
func (r *rig) pushed(client string, v url.Values) url.Values {
	r.t.Helper()
	status, answer := r.push(client, v)
	reference, _ := answer["request_uri"].(string)
	if status != http.StatusCreated || reference == "" {
		r.t.Fatalf("status %d, answer %v", status, answer)
	}
	return url.Values{"client_id": {client}, "request_uri": {reference}}
}
