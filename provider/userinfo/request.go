package userinfo

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"signet/provider/oauth"
	"signet/provider/web"
)

// request is a request with its access token in the Authorization header, wherever that was.
type request struct {
	*http.Request
	fromForm bool
}

// tokenInHeader takes the access token of a form body (RFC 6750 section 2.2) into the header, so that all that follows
// judges one place. Where there is an Authorization header nothing is moved, and a token in the body is refused as the
// second one. A DPoP proof says that the token is bound to its key, as the scheme would.
func tokenInHeader(w http.ResponseWriter, r *http.Request) (request, *oauth.Error) {
	if r.Method != http.MethodPost || len(r.Header.Values("Authorization")) > 0 || !isForm(r.Header) {
		return request{Request: r}, nil
	}
	params, fault := web.ParseForm(w, r)
	if fault != nil {
		return request{}, fault
	}
	moved := r.Clone(r.Context())
	moved.Body = http.NoBody // it has been read
	token := params.Secret("access_token")
	if token == "" {
		return request{Request: moved}, nil
	}
	scheme := "Bearer"
	if len(r.Header.Values("DPoP")) > 0 {
		scheme = "DPoP"
	}
	moved.Header.Set("Authorization", scheme+" "+token.Reveal())
	return request{Request: moved, fromForm: true}, nil
}

func isForm(h http.Header) bool {
	kind, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	return strings.EqualFold(strings.TrimSpace(kind), "application/x-www-form-urlencoded")
}

// unavailable is what the client hears when its claims can be neither signed nor encrypted.
func unavailable(err error) error {
	if known := (*oauth.Error)(nil); errors.As(err, &known) {
		return err
	}
	cause := fmt.Errorf("userinfo: %w", err)
	return oauth.Errorf(oauth.TemporarilyUnavailable, "the claims cannot be signed at present").Because(cause)
}
