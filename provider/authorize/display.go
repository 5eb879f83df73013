package authorize

import (
	"slices"
	"strings"

	"signet/provider/oauth"
)

// Limits on language tags (RFC 5646). What is beyond them is a wish that is not met.
const (
	maxLocales = 16
	maxLocale  = 35 // bytes (RFC 5646 section 4.4.1)
	maxSubtag  = 8  // bytes (RFC 5646 section 2.1)
)

// DisplayValues are the values of display (OpenID Connect Core section 3.1.2.1), for discovery. The pages fit into
// each of them.
func DisplayValues() []string { return []string{"page", "popup", "touch", "wap"} }

// checkDisplay takes what the pages and the claims are to look like (OpenID Connect Core sections 3.1.2.1 and 5.2).
// Locales that are not served, or are none, are no errors.
func checkDisplay(from inquiry, req *oauth.AuthorizationRequest) *oauth.Error {
	req.Display = from.params.Get("display")
	if req.Display != "" && !slices.Contains(DisplayValues(), req.Display) {
		return oauth.Errorf(oauth.InvalidRequest, "display has an unknown value")
	}
	req.UILocales = locales(from.params.Get("ui_locales"))
	req.ClaimsLocales = locales(from.params.Get("claims_locales"))
	return nil
}

// locales are the first well-formed language tags of a list, the preferred one first.
func locales(list string) (tags []string) {
	for tag := range strings.FieldsSeq(list) {
		if len(tags) == maxLocales {
			break
		}
		if isLocale(tag) && !slices.Contains(tags, tag) {
			tags = append(tags, tag)
		}
	}
	return tags
}

func isLocale(tag string) bool {
	for subtag := range strings.SplitSeq(tag, "-") {
		if subtag == "" || len(subtag) > maxSubtag || strings.ContainsFunc(subtag, func(c rune) bool {
			return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9')
		}) {
			return false
		}
	}
	return len(tag) <= maxLocale
}
