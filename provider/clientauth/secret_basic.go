package clientauth

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"signet/provider/oauth"
)

// Basic is a client's Authorization header (RFC 6749 section 2.3.1), decoded.
type Basic struct {
	ClientID string
	Secret   oauth.Secret
}

// maxBasic bounds the header, in bytes.
const maxBasic = 4 << 10

// basicOf returns nil when the request has no Authorization header at all.
func basicOf(h http.Header) (*Basic, error) {
	values := h["Authorization"]
	switch {
	case len(values) == 0:
		return nil, nil
	case len(values) > 1:
		return nil, oauth.Errorf(oauth.InvalidRequest, "the Authorization header was sent more than once")
	}
	return ParseBasic(values[0])
}

// ParseBasic reads an Authorization header value as RFC 7617 section 2 and RFC 6749 section 2.3.1 define
// it: client_id and secret, each form-encoded, joined by a colon, in base64. The error is invalid_client.
func ParseBasic(header string) (*Basic, error) {
	malformed := func() (*Basic, error) {
		return nil, oauth.Errorf(oauth.InvalidClient, "the Authorization header is malformed")
	}
	scheme, token, ok := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Basic") {
		return nil, oauth.Errorf(oauth.InvalidClient, "the Authorization header's scheme must be Basic")
	}
	token = strings.TrimLeft(token, " ")
	// base64 skips line breaks; net/http lets none pass, but not every caller is net/http.
	if !ok || len(token) > maxBasic || strings.ContainsAny(token, "\r\n") {
		return malformed()
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(token)
	if err != nil {
		return malformed()
	}
	user, password, ok := strings.Cut(string(raw), ":")
	if !ok {
		return malformed()
	}
	if user, err = url.QueryUnescape(user); err != nil {
		return malformed()
	}
	if password, err = url.QueryUnescape(password); err != nil {
		return malformed()
	}
	if user == "" || !plain(user) || !plain(password) {
		return malformed()
	}
	return &Basic{ClientID: user, Secret: oauth.Secret(password)}, nil
}

// plain says whether the text is UTF-8 without control characters (RFC 7617 section 2).
func plain(text string) bool {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c == 0x7F {
			return false
		}
	}
	return utf8.ValidString(text)
}

type secretBasic struct{ secrets *secretChecker }

// SecretBasic is client_secret_basic (OpenID Connect Core section 9).
func SecretBasic(d Deps) (Method, error) { return secretBasic{d.secrets}, nil }

// Name implements Method.
func (secretBasic) Name() oauth.AuthMethod { return oauth.AuthSecretBasic }

// Presented implements Method.
func (secretBasic) Presented(r *Request) bool { return r.Basic != nil }

// Authenticate implements Method.
func (m secretBasic) Authenticate(ctx context.Context, r *Request, c *oauth.Client, _ oauth.Profile) ([]oauth.Change, error) {
	present, former := hashes(c, r.Now)
	return nil, m.secrets.check(ctx, r.Basic.Secret, present, former)
}
