package interaction

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"signet/provider/oauth"
)

// directUsers has one account, whose password is "secret".
type directUsers struct {
	user oauth.User
	err  error
}

func (u directUsers) UserByName(_ context.Context, username string) (oauth.User, error) {
	if u.err != nil {
		return oauth.User{}, u.err
	}
	if username != u.user.Username {
		return oauth.User{}, oauth.ErrNotFound
	}
	return u.user, nil
}

func TestDirectLogins(t *testing.T) {
	hash, err := HashPassword("secret")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	rig := func(users directUsers) *DirectLogins {
		passwords, err := NewPasswords(users, 2)
		if err != nil {
			t.Fatal(err)
		}
		logins, err := NewDirectLogins(passwords, func() time.Time { return now })
		if err != nil {
			t.Fatal(err)
		}
		return logins
	}
	alice := oauth.User{ID: "u1", Username: "alice", PasswordHash: hash}
	logins := rig(directUsers{user: alice})
	for _, test := range []struct{ username, password, id, reason string }{
		{"alice", "secret", "u1", ""},
		{"alice", "wrong", "u1", "wrong password"},
		{"nobody", "secret", "", "unknown username"},
		{strings.Repeat("a", MaxUsername+1), "secret", "", "too long"},
		{"alice", strings.Repeat("a", maxPassword+1), "", "too long"},
	} {
		user, reason, err := logins.Check(t.Context(), "c1", test.username, oauth.Secret(test.password))
		if err != nil || user.ID != test.id || reason != test.reason || (user.ACR == ACRPassword) != (reason == "") {
			t.Errorf("%.10s: %+v %q %v", test.username, user, reason, err)
		}
	}
	for range usernameBurst {
		if _, reason, err := logins.Check(t.Context(), "c1", "alice", "wrong"); reason == "" || err != nil {
			t.Fatalf("%q %v", reason, err)
		}
	}
	if user, reason, err := logins.Check(t.Context(), "c1", "alice", "secret"); reason != "too many wrong passwords" || user.ID != "" || err != nil {
		t.Errorf("the right one after too many: %+v %q %v", user, reason, err)
	}
	now = now.Add(usernameLeak)
	if user, reason, err := logins.Check(t.Context(), "c1", "alice", "secret"); reason != "" || user.ID != "u1" || err != nil {
		t.Errorf("a minute later: %+v %q %v", user, reason, err)
	}
	cause := errors.New("connection refused")
	down := rig(directUsers{err: cause})
	for range usernameBurst + 1 {
		if _, reason, err := down.Check(t.Context(), "c1", "alice", "secret"); !errors.Is(err, cause) || reason != "" {
			t.Fatalf("%q %v", reason, err)
		}
	}
	if _, err := NewDirectLogins(nil, nil); err == nil {
		t.Error("nothing is required")
	}
}
