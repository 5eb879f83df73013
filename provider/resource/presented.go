package resource

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"signet/provider/oauth"
)

// maxTokenBytes bounds a presented token; maxFormBytes, how much of a form is searched for one.
const (
	maxTokenBytes = 16 << 10
	maxFormBytes  = 64 << 10
)

// ErrNoToken is the cause of the error for a request without any access token. RFC 6750 section 3.1
// asks that such a request be answered without an error code.
var ErrNoToken = errors.New("no access token in the request")

// Scheme is the authentication scheme under which a token is presented (RFC 9110 section 11.1).
type Scheme string

// The schemes that carry access tokens.
const (
	Bearer Scheme = "Bearer" // RFC 6750 section 2.1
	DPoP   Scheme = "DPoP"   // RFC 9449 section 7.1
)

// Presented is an access token as it came, not verified yet.
type Presented struct {
	Scheme Scheme
	Token  oauth.Secret
}

// PresentedToken returns the access token of the Authorization header (RFC 6750 section 2.1, RFC 9449
// section 7.1), the only place in which it is accepted: one in the query or in a form body ends up in
// logs, and FAPI 2.0 section 5.3.4 forbids it. Both are refused with invalid_request rather than
// overlooked. The request's body stays readable.
func PresentedToken(r *http.Request) (Presented, *oauth.Error) {
	if hasParameter(r.URL.RawQuery) || formHasToken(r) {
		return Presented{}, oauth.Errorf(oauth.InvalidRequest, "send the access token in the Authorization header only")
	}
	headers := r.Header.Values("Authorization")
	if len(headers) > 1 {
		return Presented{}, oauth.Errorf(oauth.InvalidRequest, "more than one Authorization header")
	}
	if len(headers) == 0 {
		return Presented{}, noToken()
	}
	name, token, found := strings.Cut(headers[0], " ")
	scheme, known := schemeOf(name)
	if !known {
		return Presented{}, noToken()
	}
	token = strings.Trim(token, " ")
	if !found || len(token) > maxTokenBytes || !isB64Token(token) {
		return Presented{}, oauth.Errorf(oauth.InvalidRequest, "the Authorization header is malformed")
	}
	return Presented{scheme, oauth.Secret(token)}, nil
}

// schemeOf finds a scheme by its name, whose case does not matter (RFC 9110 section 11.1).
func schemeOf(name string) (Scheme, bool) {
	for _, scheme := range []Scheme{Bearer, DPoP} {
		if strings.EqualFold(name, string(scheme)) {
			return scheme, true
		}
	}
	return "", false
}

func noToken() *oauth.Error {
	return oauth.Errorf(oauth.InvalidToken, "an access token is required").Because(ErrNoToken)
}

// b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"=" (RFC 6750 section 2.1)
func isB64Token(token string) bool {
	body := strings.TrimRight(token, "=")
	for i := range len(body) {
		c := body[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case strings.IndexByte("-._~+/", c) >= 0:
		default:
			return false
		}
	}
	return body != ""
}

// hasParameter looks for access_token in form-encoded text. Pairs are judged one by one, so that a
// malformed one elsewhere cannot hide it.
func hasParameter(encoded string) bool {
	for pair := range strings.FieldsFuncSeq(encoded, func(c rune) bool { return c == '&' || c == ';' }) {
		name, _, _ := strings.Cut(pair, "=")
		if decoded, err := url.QueryUnescape(name); err == nil && decoded == "access_token" {
			return true
		}
	}
	return false
}

// formHasToken looks into a form body and puts back what it read.
func formHasToken(r *http.Request) bool {
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mediaType != "application/x-www-form-urlencoded" || r.Body == nil || r.Body == http.NoBody {
		return false
	}
	body := r.Body
	// A read error is kept for the handler: it meets the same error when it goes on reading.
	head, _ := io.ReadAll(io.LimitReader(body, maxFormBytes))
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(head), body), body}
	return hasParameter(string(head))
}
