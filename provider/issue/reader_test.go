package issue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"signet/provider/oauth"
	"signet/provider/resource"
)

// shelf has one opaque token, of the grant g1.
type shelf struct {
	issued time.Time
	scope  string
	jti    string
	grant  *oauth.Grant // nil = gone
	down   error        // of reading the grant
}

const opaqueToken = oauth.Secret("an-opaque-token-of-forty-three-characters-xx")

func (s shelf) OpaqueToken(_ context.Context, digest oauth.Digest) (oauth.OpaqueToken, error) {
	if digest != opaqueToken.Digest() {
		return oauth.OpaqueToken{}, oauth.ErrNotFound
	}
	claims, err := json.Marshal(map[string]any{
		"iss": "https://issuer", "sub": "u1", "client_id": "c1", "aud": "https://api", "scope": s.scope, "jti": s.jti,
		"iat": s.issued.Unix(), "exp": noon.Add(time.Hour).Unix(), "auth_time": noon.Add(-time.Hour).Unix(), "active": true,
	})
	return oauth.OpaqueToken{Claims: claims}, err
}
func (shelf) Revoked(context.Context, string, string) (bool, error) { return false, nil }
func (shelf) Client(context.Context, string) (*oauth.Client, error) {
	return &oauth.Client{ID: "c1"}, nil
}
func (shelf) User(context.Context, string) (oauth.User, error) { return oauth.User{ID: "u1"}, nil }
func (s shelf) Grant(_ context.Context, id string) (oauth.Grant, error) {
	if s.grant == nil || id != "g1" {
		return oauth.Grant{}, errors.Join(s.down, fmt.Errorf("grant: %w", oauth.ErrNotFound))
	}
	return *s.grant, s.down
}

type noKeys struct{ resource.KeySource }

// A replacement ends what was issued before it, wherever the provider itself is asked; a merge ends nothing.
func TestReplacedGrants(t *testing.T) {
	replaced := &oauth.Grant{Scope: oauth.Scope{"accounts"}, ReplacedAt: noon.Add(500 * time.Millisecond), UpdatedAt: noon.Add(time.Minute)}
	for name, c := range map[string]struct {
		shelf shelf
		want  oauth.Code // "" = active
	}{
		"never changed":              {shelf{issued: noon, grant: &oauth.Grant{}}, ""},
		"merged since":               {shelf{issued: noon, grant: &oauth.Grant{UpdatedAt: noon.Add(time.Minute)}}, ""},
		"replaced before":            {shelf{issued: noon.Add(time.Second), scope: "payments", grant: replaced}, ""},
		"replaced since":             {shelf{issued: noon.Add(-time.Second), scope: "accounts", grant: replaced}, oauth.InvalidToken},
		"in the same second":         {shelf{issued: noon, scope: "accounts", grant: replaced}, ""},
		"in it, with an ended scope": {shelf{issued: noon, scope: "accounts payments", grant: replaced}, oauth.InvalidToken},
		"gone":                       {shelf{issued: noon}, oauth.InvalidToken},
		"no grant behind it":         {shelf{issued: noon, jti: "plain"}, ""},
		"the grant cannot be read":   {shelf{issued: noon, grant: &oauth.Grant{}, down: errors.New("disk on fire")}, "?"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.shelf.jti == "" {
				c.shelf.jti = "g1.x"
			}
			reader, err := NewReader("https://issuer", noKeys{}, c.shelf, func() time.Time { return noon.Add(2 * time.Second) })
			if err != nil {
				t.Fatal(err)
			}
			for use, err := range map[string]error{
				"revocation": second(reader.Read(t.Context(), opaqueToken)),
				"use":        second(reader.Active(t.Context(), opaqueToken)),
			} {
				got := oauth.Code("")
				var public *oauth.Error
				if errors.As(err, &public) {
					got = public.Code
				} else if err != nil {
					got = "?"
				}
				if got != c.want {
					t.Errorf("%s: %v", use, err)
				}
			}
		})
	}
}

func second(_ *resource.Token, err error) error { return err }
