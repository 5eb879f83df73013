package web

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"signet/provider/oauth"
)

const (
	// MaxFormBytes is the largest form body or query that is read.
	MaxFormBytes = 64 << 10
	// MaxParameters is the largest number of parameters in one form or query.
	MaxParameters = 200

	formType = "application/x-www-form-urlencoded"
)

// ParseForm reads the body of a POST request as RFC 6749 appendix B wants it: form content type, UTF-8,
// at most [MaxFormBytes] and [MaxParameters], no parameter twice except those in repeatable
// (RFC 6749 section 3.2). Credentials in the URL are refused (RFC 6749 section 2.3.1); the rest of the
// query is ignored. The error is invalid_request, method_not_allowed or payload_too_large.
func ParseForm(w http.ResponseWriter, r *http.Request, repeatable ...string) (oauth.Params, *oauth.Error) {
	if r.Method != http.MethodPost {
		return oauth.Params{}, MethodNotAllowed(http.MethodPost)
	}
	if fault := checkType(r.Header, formType); fault != nil {
		return oauth.Params{}, fault
	}
	if fault := refuseCredentials(r.URL.RawQuery); fault != nil {
		return oauth.Params{}, fault
	}
	body, fault := readBody(w, r)
	if fault != nil {
		return oauth.Params{}, fault
	}
	return parse(body, repeatable)
}

// ParseQuery reads the URL's query by the same rules as [ParseForm]: the parameters of an authorization
// request (RFC 6749 section 3.1).
func ParseQuery(r *http.Request, repeatable ...string) (oauth.Params, *oauth.Error) {
	if len(r.URL.RawQuery) > MaxFormBytes {
		return oauth.Params{}, oauth.Errorf(oauth.PayloadTooLarge, "the query is longer than %d bytes", MaxFormBytes)
	}
	return parse(r.URL.RawQuery, repeatable)
}

// ReadJSON reads the body of a request that sends JSON: its content type, UTF-8, at most [MaxFormBytes]. Whether it is
// JSON at all is not looked at. The error is invalid_request or payload_too_large.
func ReadJSON(w http.ResponseWriter, r *http.Request) ([]byte, *oauth.Error) {
	if fault := checkType(r.Header, "application/json"); fault != nil {
		return nil, fault
	}
	body, fault := readBody(w, r)
	if fault == nil && !utf8.ValidString(body) {
		fault = oauth.Errorf(oauth.InvalidRequest, "the body is not UTF-8")
	}
	return []byte(body), fault
}

// checkType wants one content type and no encoding.
func checkType(h http.Header, want string) *oauth.Error {
	if enc := h.Values("Content-Encoding"); len(enc) > 0 {
		return oauth.Errorf(oauth.InvalidRequest, "the body must not have a content encoding")
	}
	types := h.Values("Content-Type")
	if len(types) == 1 && types[0] == want {
		return nil // what nearly every client sends
	}
	wrong := oauth.Errorf(oauth.InvalidRequest, "the content type must be %s", want)
	if len(types) != 1 {
		return wrong
	}
	kind, params, err := mime.ParseMediaType(types[0])
	if err != nil || kind != want {
		return wrong
	}
	if charset, ok := params["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return oauth.Errorf(oauth.InvalidRequest, "the charset must be UTF-8")
	}
	return nil
}

// refuseCredentials keeps secrets out of URLs, which end up in logs and histories.
func refuseCredentials(query string) *oauth.Error {
	if query == "" {
		return nil
	}
	for pair := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		if err != nil {
			return oauth.Errorf(oauth.InvalidRequest, "the query is not correctly encoded")
		}
		switch name {
		case "client_secret", "client_assertion", "code", "code_verifier", "refresh_token", "access_token",
			"token", "username", "password", "assertion", "subject_token", "actor_token":
			return oauth.Errorf(oauth.InvalidRequest, "credentials must be in the body, not in the URL")
		}
	}
	return nil
}

func readBody(w http.ResponseWriter, r *http.Request) (string, *oauth.Error) {
	if r.ContentLength > MaxFormBytes {
		return "", tooLarge()
	}
	if r.Body == nil || r.ContentLength == 0 {
		return "", nil
	}
	var (
		raw []byte
		err error
	)
	if r.ContentLength > 0 { // net/http gives no more than was announced
		raw = make([]byte, r.ContentLength)
		_, err = io.ReadFull(r.Body, raw)
	} else {
		raw, err = io.ReadAll(http.MaxBytesReader(w, r.Body, MaxFormBytes))
	}
	if err == nil {
		return string(raw), nil
	}
	if limit := (*http.MaxBytesError)(nil); errors.As(err, &limit) {
		return "", tooLarge()
	}
	return "", oauth.Errorf(oauth.InvalidRequest, "the body could not be read to its end").Because(err)
}

func tooLarge() *oauth.Error {
	return oauth.Errorf(oauth.PayloadTooLarge, "the body is larger than %d bytes", MaxFormBytes)
}

// parse keeps names and values as substrings of text where nothing is escaped, and lets all single
// values share one backing array: a form costs a handful of allocations, however many parameters it has.
func parse(text string, repeatable []string) (oauth.Params, *oauth.Error) {
	if text == "" {
		return oauth.Params{}, nil
	}
	count := strings.Count(text, "&") + 1
	if count > MaxParameters {
		return oauth.Params{}, oauth.Errorf(oauth.InvalidRequest, "more than %d parameters", MaxParameters)
	}
	values := make(map[string][]string, count)
	backing := make([]string, 0, count)
	for pair := range strings.SplitSeq(text, "&") {
		if pair == "" {
			continue
		}
		name, value, fault := decodePair(pair)
		if fault != nil {
			return oauth.Params{}, fault
		}
		before, seen := values[name]
		switch {
		case seen && !slices.Contains(repeatable, name):
			return oauth.Params{}, oauth.Errorf(oauth.InvalidRequest, "a parameter was sent more than once")
		case value == "":
			values[name] = before // omitted (RFC 6749 section 3.1), but it must not come again
		case len(before) > 0:
			values[name] = append(before, value)
		default:
			backing = append(backing, value)
			values[name] = backing[len(backing)-1 : len(backing) : len(backing)]
		}
	}
	return oauth.NewParams(values), nil
}

func decodePair(pair string) (name, value string, fault *oauth.Error) {
	// Some readers split at ";" too; what they read must be what is read here.
	if strings.IndexByte(pair, ';') >= 0 {
		return "", "", oauth.Errorf(oauth.InvalidRequest, "a semicolon must be percent-encoded")
	}
	rawName, rawValue, _ := strings.Cut(pair, "=")
	name, err := url.QueryUnescape(rawName)
	if err != nil {
		return "", "", oauth.Errorf(oauth.InvalidRequest, "a parameter is not correctly percent-encoded")
	}
	value, err = url.QueryUnescape(rawValue)
	if err != nil {
		return "", "", oauth.Errorf(oauth.InvalidRequest, "a parameter is not correctly percent-encoded")
	}
	if !clean(name) || !clean(value) {
		return "", "", oauth.Errorf(oauth.InvalidRequest, "a parameter has control characters or is not UTF-8")
	}
	return name, value, nil
}

// clean says whether the text is UTF-8 without control characters; tabs and line breaks may occur in
// parameters that are JSON.
func clean(text string) bool {
	ascii := true
	for i := range len(text) {
		switch c := text[i]; {
		case c >= utf8.RuneSelf:
			ascii = false
		case c == 0x7F, c < ' ' && c != '\t' && c != '\r' && c != '\n':
			return false
		}
	}
	return ascii || utf8.ValidString(text)
}
