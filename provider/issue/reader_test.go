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

// shelf has one opaque token, of the grant g1, whose user its client knows by another name.
type shelf struct {
	issued time.Time
	scope  string
	jti    string
	grant  *oauth.Grant // nil = gone
	down   error        // of reading the grant

	client  oauth.Client
	missing string // the kind that is not there
	broken  string // the kind that cannot be read
	user    oauth.User
	asked   *[]string // whose accounts
}

func (s shelf) fails(kind string) error {
	switch kind {
	case s.missing:
		return fmt.Errorf("%s: %w", kind, oauth.ErrNotFound)
	case s.broken:
		return errors.New("disk on fire")
	default:
		return nil
	}
}

const opaqueToken = oauth.Secret("an-opaque-token-of-forty-three-characters-xx")

func (s shelf) OpaqueToken(_ context.Context, digest oauth.Digest) (oauth.OpaqueToken, error) {
	if digest != opaqueToken.Digest() {
		return oauth.OpaqueToken{}, oauth.ErrNotFound
	}
	claims, err := json.Marshal(map[string]any{
		"iss": "https://issuer", "sub": "pairwise", "client_id": "c1", "aud": "https://api", "scope": s.scope, "jti": s.jti,
		"iat": s.issued.Unix(), "exp": noon.Add(time.Hour).Unix(), "auth_time": noon.Add(-time.Hour).Unix(), "active": true,
	})
	return oauth.OpaqueToken{Claims: claims}, err
}
func (shelf) Revoked(context.Context, string, string) (bool, error) { return false, nil }
func (s shelf) Client(context.Context, string) (*oauth.Client, error) {
	s.client.ID = "c1"
	return &s.client, s.fails("client")
}

func (s shelf) User(_ context.Context, id string) (oauth.User, error) {
	if s.asked != nil {
		*s.asked = append(*s.asked, id)
	}
	s.user.ID = id
	return s.user, s.fails("user")
}

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
				if codeOf(err) != c.want {
					t.Errorf("%s: %v", use, err)
				}
			}
		})
	}
}

func second(held *Held, err error) error {
	if (held == nil) != (err != nil) {
		return errors.Join(err, errors.New("a token and an error, or neither"))
	}
	return err
}

// The account is the grant's, by whatever name the client knows its user.
func TestActive(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*shelf)
		want   oauth.Code // "" = active
	}{
		"active":                {func(*shelf) {}, ""},
		"client disabled":       {func(s *shelf) { s.client.Disabled = true }, oauth.InvalidToken},
		"client gone":           {func(s *shelf) { s.missing = "client" }, oauth.InvalidToken},
		"client unreadable":     {func(s *shelf) { s.broken = "client" }, "?"},
		"user disabled":         {func(s *shelf) { s.user.Disabled = true }, oauth.InvalidToken},
		"user gone":             {func(s *shelf) { s.missing = "user" }, oauth.InvalidToken},
		"user unreadable":       {func(s *shelf) { s.broken = "user" }, "?"},
		"login ended meanwhile": {func(s *shelf) { s.user.ValidFrom = noon }, oauth.InvalidToken},
		"the client itself":     {func(s *shelf) { s.jti, s.missing = "plain", "user" }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var asked []string
			s := shelf{issued: noon, jti: "g1.x", grant: &oauth.Grant{ID: "g1", UserID: "u1"}, asked: &asked}
			c.change(&s)
			reader, err := NewReader("https://issuer", noKeys{}, s, func() time.Time { return noon.Add(2 * time.Second) })
			if err != nil {
				t.Fatal(err)
			}
			held, err := reader.Active(t.Context(), opaqueToken)
			if code := codeOf(err); code != c.want || (held == nil) != (err != nil) {
				t.Fatalf("%+v, %v, want %q", held, err, c.want)
			}
			for _, id := range asked {
				if id != "u1" {
					t.Errorf("the account %q was looked up", id)
				}
			}
			if err != nil {
				return
			}
			if person := s.jti == "g1.x"; held.Client.ID != "c1" || (held.User != nil) != person || held.UserID() != map[bool]string{true: "u1"}[person] {
				t.Errorf("%+v of user %q", held, held.UserID())
			}
		})
	}
}

// codeOf is the public code, "?" for an error that is none of a client's.
func codeOf(err error) oauth.Code {
	var public *oauth.Error
	switch {
	case errors.As(err, &public):
		return public.Code
	case err != nil:
		return "?"
	default:
		return ""
	}
}
