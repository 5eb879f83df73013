package introspection

import (
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"signet/provider/oauth"
)

// mediaType is that of a signed answer (RFC 9701 section 5).
const mediaType = "application/token-introspection+jwt"

// wantsSigned says whether the request asks for a signed answer (RFC 9701 section 4): by name, and no less than for a
// plain one.
func wantsSigned(r *http.Request) bool {
	var signed, plain float64
	for _, header := range r.Header.Values("Accept") {
		for item := range strings.SplitSeq(header, ",") {
			name, params, err := mime.ParseMediaType(item)
			if err != nil {
				continue
			}
			switch name {
			case mediaType:
				signed = max(signed, weight(params))
			case "application/json":
				plain = max(plain, weight(params))
			}
		}
	}
	return signed > 0 && signed >= plain
}

// weight reads q (RFC 9110 section 12.4.2).
func weight(params map[string]string) float64 {
	text, ok := params["q"]
	if !ok {
		return 1
	}
	q, err := strconv.ParseFloat(text, 64)
	if err != nil || !(q >= 0 && q <= 1) {
		return 0
	}
	return q
}

// sign signs and encrypts the answer before anything is committed.
func (e *endpoint) sign(r *http.Request, caller oauth.ClientAuthentication, answer map[string]any) (string, error) {
	compact, err := e.Issue.Introspection(r.Context(), caller.Client, caller.Profile.SigningAlgs, e.Clock(), answer)
	if known := (*oauth.Error)(nil); errors.As(err, &known) { // none of the client's keys can be had to encrypt to
		return "", err
	}
	if err != nil {
		return "", oauth.Errorf(oauth.TemporarilyUnavailable, "the answer cannot be signed at present").Because(fmt.Errorf("introspection: %w", err))
	}
	return compact, nil
}
