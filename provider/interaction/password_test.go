package interaction

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/alexedwards/argon2id"
	"github.com/google/go-cmp/cmp"

	"signet/provider/oauth"
)

func newAnswer() *httptest.ResponseRecorder { return httptest.NewRecorder() }

func TestHashPassword(t *testing.T) {
	hash, err := HashPassword("correct horse")
	if err != nil || !strings.HasPrefix(hash, "$argon2id$v=19$m=65536,t=3,p=4$") {
		t.Fatalf("%s, %v", hash, err)
	}
	if ok, err := argon2id.ComparePasswordAndHash("correct horse", hash); !ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
	for _, bad := range []oauth.Secret{"", oauth.Secret(strings.Repeat("x", 1025))} {
		if _, err := HashPassword(bad); err == nil || strings.Contains(err.Error(), "xxx") {
			t.Errorf("length %d: %v", len(bad), err)
		}
	}
}

// Unknown users cost what known ones cost only while their hash has the same parameters.
func TestNobodysHashCostsTheSame(t *testing.T) {
	params, _, _, err := argon2id.DecodeHash(nobodysHash)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(hashParams(), params); diff != "" {
		t.Error(diff)
	}
}

func TestHashingPlacesAreBounded(t *testing.T) {
	r := newRig(t)
	passwords, err := NewPasswords(r.store, 1)
	if err != nil {
		t.Fatal(err)
	}
	passwords.places <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = passwords.Authenticate(ctx, "anna", "correct horse")
	var known *oauth.Error
	if !errors.As(err, &known) || known.Code != oauth.TemporarilyUnavailable {
		t.Errorf("got %v", err)
	}
	<-passwords.places
	if user, err := passwords.Authenticate(t.Context(), "anna", "correct horse"); err != nil || user.ID != "u1" {
		t.Errorf("got %v, %v", user, err)
	}
	if len(passwords.places) != 0 {
		t.Error("the place was not given back")
	}
}

func TestBrokenHashIsAnError(t *testing.T) {
	r := newRig(t)
	r.store.Users["u1"] = oauth.User{ID: "u1", Username: "anna", PasswordHash: "plain"}
	_, err := r.deps.Authenticator.Authenticate(t.Context(), "anna", "plain")
	if bad := (*BadCredentials)(nil); err == nil || errors.As(err, &bad) {
		t.Errorf("got %v", err)
	}
}

func TestNewPasswordsNeedsAPlace(t *testing.T) {
	if _, err := NewPasswords(nil, 0); err == nil {
		t.Error("no error")
	}
}
