package assertion_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"signet/mtls"
	"signet/provider/assertion"
	"signet/provider/clientauth"
	"signet/provider/jose"
	"signet/provider/oauth"
)

// registered is the one client, and nobody's account.
type registered struct{ client *oauth.Client }

func (r registered) Client(_ context.Context, id string) (*oauth.Client, error) {
	if id != r.client.ID {
		return nil, oauth.ErrNotFound
	}
	return r.client, nil
}

func (registered) User(context.Context, string) (oauth.User, error) {
	return oauth.User{}, oauth.ErrNotFound
}

func (registered) UserByName(context.Context, string) (oauth.User, error) {
	return oauth.User{}, oauth.ErrNotFound
}

func (registered) Cached(context.Context, string, string, time.Duration) ([]byte, error) {
	return nil, errors.New("connection refused")
}

func (registered) Refresh(context.Context, string, string) ([]byte, error) {
	return nil, errors.New("connection refused")
}

// TestImplicitAuthentication puts the two halves together: what authenticates the client is what it redeems, and is used up
// once, in the room of its client assertions.
func TestImplicitAuthentication(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 7, 0, 0, time.UTC)
	key, err := jose.Generate("ES256", 0, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	private, err := jose.NewPrivateKey("ES256", "k", key)
	if err != nil {
		t.Fatal(err)
	}
	set, err := jose.MarshalKeySet([]jose.PublicKey{{Kid: "k", Public: key.Public()}})
	if err != nil {
		t.Fatal(err)
	}
	all := registered{&oauth.Client{ID: "app", AuthMethod: oauth.AuthPrivateKeyJWT, GrantTypes: []string{oauth.GrantJWTBearer}, JWKS: set}}
	endpoints := []string{"https://as.example/token"}
	authenticator, err := clientauth.New(clientauth.Deps{
		Clients: all, Issuer: "https://as.example", Floor: oauth.Profiles[oauth.ProfileFAPI2Security], Clock: func() time.Time { return now },
		Peer: func(*http.Request) (*mtls.Peer, error) { return nil, nil }, Fetch: all, SelfIssuedAt: endpoints, //nolint:nilnil // no certificate
	}, clientauth.PrivateKeyJWT)
	if err != nil {
		t.Fatal(err)
	}
	reader, err := assertion.New(assertion.Deps{
		Issuer: "https://as.example", Endpoints: endpoints, Floor: oauth.Profiles[oauth.ProfileFAPI2Security], Users: all,
		SelfIssued: true, Clients: authenticator,
	})
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(map[string]any{
		"iss": "app", "sub": "app", "aud": "https://as.example", "jti": "j-1", "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
	})
	if err != nil {
		t.Fatal(err)
	}
	token, err := private.Sign("JWT", payload)
	if err != nil {
		t.Fatal(err)
	}
	params := oauth.NewParams(url.Values{"grant_type": {oauth.GrantJWTBearer}, "assertion": {token}})
	caller, err := authenticator.Authenticate(t.Context(), httptest.NewRequest(http.MethodPost, "/token", nil), params, endpoints)
	if err != nil || len(caller.Changes) != 0 {
		t.Fatalf("%+v, %v", caller, err)
	}
	asserted, err := reader.JWT(t.Context(), caller.Client, token, oauth.GrantJWTBearer, now)
	want := oauth.UseAssertion{ClientID: "app", JTI: "j-1", Until: now.Add(time.Minute + assertion.Late)}
	if err != nil || !asserted.ClientItself() || len(asserted.Changes) != 1 || asserted.Changes[0] != want {
		t.Errorf("%+v, %v", asserted, err)
	}
	forged := token[:len(token)-4] + "AAAA"
	fault := (*oauth.Error)(nil)
	if _, err = reader.JWT(t.Context(), caller.Client, forged, oauth.GrantJWTBearer, now); !errors.As(err, &fault) || fault.Code != oauth.InvalidGrant {
		t.Errorf("forged: %v", err)
	}
	away := *all.client
	away.JWKS, away.JWKSURI = nil, "https://app.example/jwks"
	if _, err = reader.JWT(t.Context(), &away, token, oauth.GrantJWTBearer, now); !errors.As(err, &fault) || fault.Code != oauth.TemporarilyUnavailable {
		t.Errorf("keys that cannot be had: %v", err)
	}
}
