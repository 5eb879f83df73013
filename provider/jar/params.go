package jar

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"unicode"

	"signet/provider/jose"
	"signet/provider/oauth"
)

// jwtClaims are about the request object itself, not about the request.
var jwtClaims = []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti"}

// paramsOf reads parameters from a request object's claims (RFC 9101 section 4), so that what is signed meets the
// same rules as what is not: strings as they are, numbers, objects and arrays as their JSON, and resource as the list
// that it may be. ok is false when there is one that could not be sent in a form.
func paramsOf(claims map[string]json.RawMessage) (params oauth.Params, ok bool) {
	values := make(map[string][]string, len(claims))
	for name, raw := range claims {
		if slices.Contains(jwtClaims, name) {
			continue
		}
		var list []json.RawMessage // a fresh one: decoding into one that has raw in it would write over the payload
		if name != "resource" || json.Unmarshal(raw, &list) != nil {
			list = []json.RawMessage{raw}
		}
		for _, item := range list {
			text, ok := textOf(item)
			if !ok {
				return oauth.Params{}, false
			}
			if text != "" { // omitted (RFC 6749 section 3.1)
				values[name] = append(values[name], text)
			}
		}
	}
	return oauth.NewParams(values), true
}

// textOf returns the parameter that a JSON value stands for; null is as good as absent. ok is false for what could
// not be sent in a form.
func textOf(raw json.RawMessage) (text string, ok bool) {
	if text = string(raw); text == "null" {
		return "", true
	}
	if strings.HasPrefix(text, `"`) && json.Unmarshal(raw, &text) != nil {
		return "", false
	}
	return text, !strings.ContainsFunc(text, func(c rune) bool {
		return unicode.IsControl(c) && c != '\t' && c != '\r' && c != '\n'
	})
}

// Claimed returns the named parameters as a request object claims them that nobody has verified: they may tell where
// to send an error about it, as far as the caller would send one there anyway.
func Claimed(compact string, names ...string) oauth.Params {
	_, rest, _ := strings.Cut(compact, ".")
	body, _, _ := strings.Cut(rest, ".")
	payload, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil || len(compact) > jose.MaxTokenSize {
		return oauth.Params{}
	}
	claims, err := jose.ParseClaims(payload)
	if err != nil {
		return oauth.Params{}
	}
	values := map[string][]string{}
	for _, name := range names {
		if text, ok := textOf(claims.Raw[name]); ok && text != "" {
			values[name] = []string{text}
		}
	}
	return oauth.NewParams(values)
}
