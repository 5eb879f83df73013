package storetest

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"signet/provider/oauth"
)

// digest stands for the digest of a secret.
func digest(name string) oauth.Digest { return oauth.Secret(name).Digest() }

func endUser() oauth.EndUser {
	return oauth.EndUser{ID: "u-1", AuthTime: now.Add(-time.Minute), ACR: "urn:signet:pwd", AMR: []string{"pwd"}, SessionID: "sid-1"}
}

func request() oauth.AuthorizationRequest {
	maxAge := 300
	return oauth.AuthorizationRequest{
		ClientID: "tpp", RedirectURI: "https://tpp.example/cb", ResponseType: "code", ResponseMode: "query",
		Scope: oauth.Scope{"openid", "accounts"}, State: "s", Nonce: "n", CodeChallenge: "c", Prompt: []string{"login"},
		MaxAge: &maxAge, Resources: []string{"https://localhost:9446"},
		ACRValues: []string{"urn:signet:mfa"}, EssentialACR: true, Details: details("3.00"), DPoPJKT: "jkt",
		GrantAction: oauth.GrantMerge, GrantID: "g-9", Signed: true,
	}
}

func client(id string) oauth.Client {
	return oauth.Client{
		ID: id, Name: "A third party", Profile: oauth.ProfileFAPI2Security, AuthMethod: oauth.AuthPrivateKeyJWT,
		JWKS: []byte(`{"keys":[]}`), GrantTypes: []string{oauth.GrantClientCredentials}, Scope: "accounts payments",
		SecretSealed: []byte{0, 1, 2, 255}, Resources: []string{"https://localhost:9446"}, CreatedAt: now,
	}
}

func user(id, username string) oauth.User {
	return oauth.User{
		ID: id, Username: username, PasswordHash: "$argon2id$…",
		Claims: map[string]any{"name": "Ada Ö", "email_verified": true}, CreatedAt: now,
	}
}

func grant(id string) oauth.Grant {
	return oauth.Grant{
		ID: id, ClientID: "tpp", UserID: "u-1", Scope: oauth.Scope{"openid", "accounts"},
		Resources: []string{"https://localhost:9446"}, CreatedAt: now, ExpiresAt: now.Add(90 * 24 * time.Hour),
	}
}

func code(name, grantID string) oauth.AuthorizationCode {
	return oauth.AuthorizationCode{
		Digest: digest(name), ClientID: "tpp", GrantID: grantID, Request: request(), User: endUser(),
		Scope: oauth.Scope{"accounts"}, GrantSeen: new(now), IssuedAt: now, ExpiresAt: now.Add(time.Minute),
	}
}

func refresh(name, grantID string) oauth.RefreshToken {
	return oauth.RefreshToken{
		Digest: digest(name), ClientID: "tpp", GrantID: grantID, User: endUser(), Scope: oauth.Scope{"openid", "accounts"},
		Resources: []string{"https://localhost:9446"}, Details: details("4.00"), Confirmation: oauth.Confirmation{X5TS256: "thumb"},
		IssuedAt: now, ExpiresAt: now.Add(30 * 24 * time.Hour),
	}
}

func entry(id string) oauth.AuditEntry {
	return oauth.AuditEntry{
		ID: id, At: now, Event: "token.issued", RequestID: "r-1", ClientID: "tpp", Subject: "u-1", GrantID: "g",
		JTI: "j", DecisionID: "d", Detail: map[string]any{"scope": "accounts"},
	}
}

// rotate replaces a token without grace.
func rotate(old, next, grantID string) oauth.ReplaceRefresh {
	return oauth.ReplaceRefresh{Old: digest(old), New: refresh(next, grantID), At: now}
}

// commit commits what must succeed.
func commit(t *testing.T, b Backend, changes ...oauth.Change) {
	t.Helper()
	if err := b.Commit(t.Context(), changes...); err != nil {
		t.Fatalf("Commit(%T...): %v", changes[0], err)
	}
}

// commitConflicts commits what must come second, because of a change of want's type.
func commitConflicts(t *testing.T, b Backend, want oauth.Change, changes ...oauth.Change) {
	t.Helper()
	err := b.Commit(t.Context(), changes...)
	var conflict *oauth.Conflict
	if !errors.As(err, &conflict) {
		t.Fatalf("Commit(%T...): %v, want a conflict", changes[0], err)
	}
	if reflect.TypeOf(conflict.Change) != reflect.TypeOf(want) {
		t.Fatalf("the conflict names %T, want %T", conflict.Change, want)
	}
}

// same compares a value read with the one stored.
func same[T any](t *testing.T, got T, err error, want T) {
	t.Helper()
	if err != nil {
		t.Fatalf("reading: %v", err)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("read something else (-stored +read):\n%s", diff)
	}
}

// gone wants a read to have found nothing.
func gone[T any](t *testing.T, _ T, err error) {
	t.Helper()
	if !errors.Is(err, oauth.ErrNotFound) {
		t.Fatalf("reading: %v, want ErrNotFound", err)
	}
}
